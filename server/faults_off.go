//go:build !faults || !linux

package server

// faultVariable names the environment variable that arms a fault in builds for
// tests.
const faultVariable = "ACQUIT_FAULT"

// checkFaultVariable refuses it here: whoever sets it expects a crash that this
// build does not have.
func checkFaultVariable(string) *Problem {
	return &Problem{Key: faultVariable, Message: "this build has no faults: build with -tags faults on Linux"}
}

// newProbe is nothing in production.
func newProbe(Environ) probe { return nil }
