//go:build faults && linux

package server

import (
	"syscall"
	"testing"
)

// TestParseFault: a fault that would never strike is refused, not ignored.
func TestParseFault(t *testing.T) {
	for text, want := range map[string]fault{
		"claim_after:kill":      {"claim_after", syscall.SIGKILL, 1},
		"outcome_before:stop:3": {"outcome_before", syscall.SIGSTOP, 3},
	} {
		if got, ok := parseFault(text); !ok || got != want || checkFaultVariable(text) != nil {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "claim_after", "nowhere:kill", "claim_after:hang", "claim_after:kill:0", "claim_after:kill:x", "claim_after:kill:1:1"} {
		if got, ok := parseFault(text); ok || checkFaultVariable(text) == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	if newProbe(nil) != nil {
		t.Error("a fault without a variable")
	}
}
