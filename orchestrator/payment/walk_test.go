package payment_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: whatever happens in whatever order, the record keeps its promises.
// Method: random walks over all transitions with random evidence, every step
// that is legal checked against the one before.
func TestRandomWalksKeepTheInvariants(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	reached := make(map[payment.State]int)
	for walk := range 5_000 {
		op := payment.Operation{}
		for step := range 12 {
			move := randomMove(random, fmt.Sprintf("%d.%d", walk, step))
			before := op
			copied := deepCopy(op)
			next, err := op.Next(move)
			if !reflect.DeepEqual(copied, before) {
				t.Fatalf("%T altered the record it started from:\n%s", move, cmp.Diff(copied, before))
			}
			if err != nil {
				continue
			}
			checkStep(t, before, next, move)
			reached[next.State]++
			op = next
		}
	}
	for _, s := range states()[1:] {
		if reached[s] < 100 {
			t.Errorf("%s was reached %d times: the walks test too little", s, reached[s])
		}
	}
}

func deepCopy(op payment.Operation) payment.Operation {
	op.Attempts = slices.Clone(op.Attempts)
	for i := range op.Attempts {
		op.Attempts[i].Steps = slices.Clone(op.Attempts[i].Steps)
	}
	return op
}

func randomMove(random *rand.Rand, unique string) payment.Transition {
	evidences := []payment.Evidence{
		"", payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky, payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown,
	}
	report := payment.Report{Sends: random.IntN(5), Uncertain: random.IntN(3) == 0, Evidence: evidences[random.IntN(len(evidences))]}
	switch random.IntN(8) {
	case 0, 1:
		return claim()
	case 2:
		return payment.TakeOver{Owner: payment.Ownership{Boot: "boot", Nonce: unique, Until: at()}}
	case 3:
		return payment.Park{Report: report, At: at(), Due: at()}
	case 4:
		return payment.Fence{Step: payment.Step{Name: payment.StepName("cancel-" + unique), Key: "k"}}
	case 5:
		accounts := []payment.AccountName{"a", "b", "c"}
		return payment.FailOver{Report: report, At: at(), Until: at(), Attempt: attemptOn(accounts[random.IntN(len(accounts))])}
	}
	return payment.Settle{State: states()[random.IntN(len(states()))], Report: report, At: at(), Due: at().Add(time.Minute)}
}

// checkStep holds a legal step against what is promised of every record.
func checkStep(t *testing.T, before, after payment.Operation, move payment.Transition) {
	t.Helper()
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%T from %q to %q: %s", move, before.State, after.State, fmt.Sprintf(format, args...))
	}
	_, claims := move.(payment.Claim)
	_, takes := move.(payment.TakeOver)
	last := after.Current()
	switch rose := after.Epoch - before.Epoch; {
	case before.State.Final():
		wrong("a final record moved")
	case rose != 0 && !claims && !takes || rose != 1 && (claims || takes):
		wrong("the epoch went from %d to %d", before.Epoch, after.Epoch)
	case len(after.Attempts) < len(before.Attempts):
		wrong("an attempt was lost")
	case after.State.Final() != after.NextCheck.IsZero():
		wrong("a record is open if and only if somebody will look at it")
	case after.State.Final() && (after.Sealed != nil || after.Owner != ""):
		wrong("a final record keeps a sealed request or an owner")
	case !after.State.Final() && after.Sealed == nil:
		wrong("the sealed request is gone before the end")
	case after.State.Final() != !last.Closed.IsZero():
		wrong("the last attempt is closed if and only if the operation is final")
	case after.State == payment.StateSucceeded && last.Evidence != payment.EvidenceEffect:
		wrong("success without an effect")
	case after.State == payment.StateIntent && after.Owner == "":
		wrong("an intent that nobody owns")
	}
	seen := map[payment.AccountName]bool{}
	for i, a := range after.Attempts {
		if seen[a.Account] || a.Ordinal != i+1 {
			wrong("attempt %d on account %s is the second there, or misnumbered", a.Ordinal, a.Account)
		}
		seen[a.Account] = true
		if i < len(after.Attempts)-1 && (a.Closed.IsZero() || !noEffect(a.Evidence)) {
			wrong("attempt %d exists although attempt %d is not closed by its evidence (%q)", i+2, i+1, a.Evidence)
		}
		if i < len(before.Attempts) {
			old := before.Attempts[i]
			if a.Sends < old.Sends || old.Uncertain && !a.Uncertain || a.Epoch != old.Epoch || a.Account != old.Account || len(a.Steps) < len(old.Steps) {
				wrong("attempt %d forgot something: %+v became %+v", i+1, old, a)
			}
		}
	}
	if (after.State == payment.StateDeclined || after.State == payment.StateFailed) && !noEffect(last.Evidence) {
		wrong("no effect was concluded from %q", last.Evidence)
	}
	if last.Evidence == payment.EvidenceNoEffectNotSticky && after.State.Final() && (last.Uncertain || last.Epoch != after.Epoch) {
		wrong("evidence that is not sticky closed an attempt that may have had an effect")
	}
}

func noEffect(e payment.Evidence) bool {
	return e == payment.EvidenceNoEffectSticky || e == payment.EvidenceNoEffectNotSticky
}
