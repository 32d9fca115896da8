package ledgertest

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// mutant is a ledger with one guarantee broken, and the property that catches it.
type mutant struct {
	name   string
	caught string // group/property
	mutate func(l *broken)
}

func mutants() []mutant {
	return slices.Concat(guardMutants(), claimMutants(), takeoverMutants(), outcomeMutants(), readMutants(), indexMutants(),
		amountMutants(), listMutants(), liveMutants(), eventMutants(), recordMutants(), attentionMutants(), orphanMutants(), fenceMutants(), lostNewsMutants(), jointMutants(), uniqueMutants())
}

// mutantVariable names the mutant that a child process of this test is to run.
const mutantVariable = "ACQUIT_LEDGER_MUTANT"

// The suite itself is tested: each ledger with one guarantee broken fails the
// property that is there for it. A property fails its test, so each mutant runs
// in a process of its own.
func TestMutants(t *testing.T) {
	if name := os.Getenv(mutantVariable); name != "" {
		i := slices.IndexFunc(mutants(), func(m mutant) bool { return m.name == name })
		runAll(t, synctest.Test, func(t *testing.T) Harness {
			t.Helper()
			return openMutant(t, mutants()[i])
		})
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			group, name, _ := strings.Cut(m.caught, "/")
			path := "^TestMutants$/" + exactly(group) + "/" + exactly(name)
			cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.count=1", "-test.run="+path)
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite does not notice; it ran:\n%s", out)
			}
			if !bytes.Contains(out, []byte("--- FAIL: TestMutants/"+group+"/"+strings.ReplaceAll(name, " ", "_"))) {
				t.Fatalf("the process failed, but not by the property %q:\n%s", m.caught, out)
			}
		})
	}
}

// exactly is the pattern that selects one test.
func exactly(name string) string {
	return "^" + regexp.QuoteMeta(strings.ReplaceAll(name, " ", "_")) + "$"
}

// openMutant is a harness on a mutant. Misuse is not reported: the suite is to
// notice by itself, as it must on a store that does not watch its callers.
func openMutant(t *testing.T, m mutant) Harness {
	t.Helper()
	store := NewStore(t, Config{Violated: func(string) {}})
	h := harness(store)
	for i := range h.Ledgers {
		b := newBroken(store.Ledger(bootName(i)))
		m.mutate(b)
		h.Ledgers[i] = b
	}
	return h
}
