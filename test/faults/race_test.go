//go:build linux && race

package faults

// raceDetector reports whether this test, and so the binary under test, runs
// under the race detector, which makes everything several times slower.
const raceDetector = true
