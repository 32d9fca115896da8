package ledger_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func at() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func next(t *testing.T, op payment.Operation, moves ...payment.Transition) payment.Operation {
	t.Helper()
	for _, m := range moves {
		var err error
		if op, err = op.Next(m); err != nil {
			t.Fatal(err)
		}
	}
	return op
}

func attempt(account payment.AccountName) payment.Attempt {
	return payment.Attempt{
		Account: account, ResendNotAfter: at().Add(time.Hour), Deadline: at().Add(time.Minute),
		Steps: []payment.Step{{Name: payment.StepMain, Key: payment.ProviderKey("key of " + account)}},
	}
}

func claim() payment.Claim {
	return payment.Claim{
		Call: payment.Call{Tenant: "t", Method: payment.MethodAuthorize, Key: "k"}, At: at(), Deadline: at().Add(time.Hour),
		Owner: payment.Ownership{Boot: "one", Nonce: "n1", Until: at().Add(time.Minute)}, Attempt: attempt("a"),
	}
}

func cancel(n int) payment.Fence {
	return payment.Fence{Step: payment.Step{Name: payment.StepCancel(n), Key: payment.ProviderKey(payment.StepCancel(n))}}
}

func settle(to payment.State, e payment.Evidence, code string) payment.Settle {
	return payment.Settle{State: to, At: at(), Due: at().Add(time.Hour), Report: payment.Report{Evidence: e, Code: code}}
}

// writes are moves that may follow from one record, each of which is another
// write, and some by processes that saw the same record at the same time.
func writes(state payment.State) map[string]payment.Transition {
	all := map[string]payment.Transition{
		"takeover":                   payment.TakeOver{Owner: payment.Ownership{Boot: "two", Nonce: "n2", Until: at().Add(time.Hour)}},
		"takeover by another":        payment.TakeOver{Owner: payment.Ownership{Boot: "three", Nonce: "n3", Until: at().Add(time.Hour)}},
		"park":                       payment.Park{At: at(), Due: at().Add(time.Second)},
		"postponed further":          payment.Park{At: at(), Due: at().Add(2 * time.Second)},
		"note":                       payment.Note{Report: payment.Report{Evidence: payment.EvidenceUnknown, Code: "x"}},
		"note of another code":       payment.Note{Report: payment.Report{Evidence: payment.EvidenceUnknown, Code: "y"}},
		"note of another row":        payment.Note{Report: payment.Report{Evidence: payment.EvidenceUnknown, Code: "x", MappingRow: "r"}},
		"note of another status":     payment.Note{Report: payment.Report{Evidence: payment.EvidenceUnknown, Code: "x", HTTPStatus: 500}},
		"note of another request":    payment.Note{Report: payment.Report{Evidence: payment.EvidenceUnknown, Code: "x", RequestID: "q"}},
		"note of an object":          payment.Note{Report: payment.Report{ProviderReference: "obj"}},
		"note of another object":     payment.Note{Report: payment.Report{ProviderReference: "obj2"}},
		"note of a send":             payment.Note{Report: payment.Report{Sends: 7}},
		"note of a doubt":            payment.Note{Report: payment.Report{Uncertain: true}},
		"success":                    settle(payment.StateSucceeded, payment.EvidenceEffect, "paid"),
		"decline":                    settle(payment.StateDeclined, payment.EvidenceNoEffectSticky, "poor"),
		"decline for another reason": settle(payment.StateDeclined, payment.EvidenceNoEffectSticky, "lost"),
		"failure":                    settle(payment.StateFailed, payment.EvidenceNoEffectSticky, "poor"),
	}
	if state == payment.StateIntent || state == payment.StateUnknown {
		all["halt"] = payment.Halt{At: at(), Due: at().Add(time.Second)}
		all["pending"] = settle(payment.StatePending, payment.EvidencePending, "received")
	}
	if state == payment.StateIntent {
		all["fence"] = cancel(1)
		all["failover"] = payment.FailOver{
			At: at(), Until: at().Add(time.Minute), Attempt: attempt("b"), Report: payment.Report{Evidence: payment.EvidenceNoEffectSticky},
		}
	}
	return all
}

// Goal: a record is taken for a write's own doing only if it is, whatever the
// write was: repeated after a lost answer it finds itself, and never another's.
// Method: from records in every state that is not final, each write against
// itself, against every other one, and against the record that it was made from.
func TestWroteTellsWritesApart(t *testing.T) {
	claimed := next(t, payment.Operation{}, claim())
	fenced := next(t, claimed, cancel(1))
	for name, from := range map[string]payment.Operation{
		"claimed":      claimed,
		"parked":       next(t, claimed, payment.Park{At: at(), Due: at()}),
		"pending":      next(t, claimed, settle(payment.StatePending, payment.EvidencePending, "received")),
		"fenced":       fenced,
		"fence parked": next(t, fenced, payment.Park{At: at(), Due: at()}),
	} {
		made := map[string]payment.Operation{"nothing": from}
		for move, w := range writes(from.State) {
			made[move] = next(t, from, w)
		}
		if from.State == payment.StateFencing && from.Owner != "" {
			made["further fence"] = next(t, from, cancel(2))
		}
		for mine, want := range made {
			for theirs, now := range made {
				if got := ledger.Wrote(want, now); got != (mine == theirs) {
					t.Errorf("%s: %s, where %s was written: Wrote is %t", name, mine, theirs, got)
				}
			}
		}
	}
}

// Goal: a caller that builds its change again after an ambiguous write still
// finds the first one. Method: what it makes anew, times and response, differs.
func TestWroteFindsAChangeBuiltAgain(t *testing.T) {
	claimed := next(t, payment.Operation{}, claim())
	over := payment.FailOver{
		At: at(), Until: at().Add(time.Minute), Attempt: attempt("b"), Report: payment.Report{Evidence: payment.EvidenceNoEffectSticky},
	}
	first := next(t, claimed, over)
	over.At = at().Add(time.Second)
	if !ledger.Wrote(next(t, claimed, over), first) {
		t.Error("a failover a second later does not find itself")
	}
	paid := settle(payment.StateSucceeded, payment.EvidenceEffect, "paid")
	first = next(t, claimed, paid)
	first.Response = []byte("first")
	paid.At = at().Add(time.Second)
	again := next(t, claimed, paid)
	again.Response = []byte("again")
	if !ledger.Wrote(again, first) {
		t.Error("an outcome with another response does not find itself")
	}
}
