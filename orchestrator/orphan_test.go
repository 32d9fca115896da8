package orchestrator_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// nameless is an operation whose outcome is unknown, and whose provider told of its
// object under a name that is not on record yet.
func nameless(t *testing.T, code string, then func(w *world, o *orchestrator.Orchestrator, call payment.Call)) {
	t.Helper()
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script, w.provider(0).traits.Query = []line{fail500After}, false
		o, call := w.boot("one"), newCall("key")
		if _, err := o.Authorize(w.Context(), call, instruction("a")); err != nil {
			t.Fatal(err)
		}
		w.drainFlights(o)
		w.apply(w.boot("two"), told("early", code, "a-1"), orchestrator.TakenOrphan)
		then(w, o, call)
	})
}

// named puts the provider's name for the object on record, and nothing else.
func (w *world) named(o *orchestrator.Orchestrator, call payment.Call) {
	w.Helper()
	e := told("name", "pending", "a-1")
	e.Reference = call.Reference
	w.apply(o, e, orchestrator.TakenSettled)
}

// matches goes through all orphans once.
func (w *world) matches(o *orchestrator.Orchestrator) {
	w.Helper()
	if next, err := o.MatchOrphans(w.Context(), ""); err != nil || next != "" {
		w.Errorf("went through the orphans up to %q, %v", next, err)
	}
}

// Goal: an event that came before its operation was known by the object's name does
// what it calls for once it is, and is nobody's orphan any more; it was taken in, so
// delivered again it is a duplicate. Method: gone through before the name is on record,
// and after.
//
// Shows R59.
func TestOrphanIsMatched(t *testing.T) {
	nameless(t, "authorized", func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		two := w.boot("three")
		w.matches(two)
		if op := w.operation(call); op.State != payment.StateUnknown || len(w.attention()) != 1 {
			t.Fatalf("without a name it is %s, with %d orphans", op.State, len(w.attention()))
		}
		w.named(two, call)
		w.matches(two)
		w.state(call, payment.StateSucceeded, 1)
		if left := w.attention(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
		writes := w.dump().Writes
		w.matches(two)
		w.apply(two, told("early", "authorized", "a-1"), orchestrator.TakenDuplicate)
		if now := w.dump().Writes; now != writes {
			t.Errorf("%d writes after it was matched", now-writes)
		}
	})
}

// Goal: what contradicts the record is put before its tenant, in place of the
// orphan. Method: an orphan that says declined of what succeeded.
func TestOrphanThatContradicts(t *testing.T) {
	nameless(t, "declined", func(w *world, _ *orchestrator.Orchestrator, call payment.Call) {
		two := w.boot("three")
		w.named(two, call)
		w.apply(two, told("outcome", "authorized", "a-1"), orchestrator.TakenSettled)
		w.matches(two)
		w.state(call, payment.StateSucceeded, 1)
		left := w.attention()
		if len(left) != 1 || left[0].Kind != payment.AttentionContradiction || left[0].Tenant != call.Tenant || left[0].Event.ID != "early" {
			t.Errorf("left: %+v", left)
		}
	})
}

// Goal: many processes that go through the orphans at once apply one once. Method:
// eight of them at the same moment, over again.
func TestOrphanIsMatchedOnce(t *testing.T) {
	nameless(t, "authorized", func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		two := w.boot("three")
		w.named(two, call)
		version := w.payment(w.operation(call).PaymentID).Version
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := two.MatchOrphans(w.Context(), ""); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.state(call, payment.StateSucceeded, 1)
		if got := w.payment(w.operation(call).PaymentID).Version; got != version+1 || len(w.attention()) != 0 {
			t.Errorf("the payment went from version %d to %d; %d orphans are left", version, got, len(w.attention()))
		}
	})
}

// Goal: an orphan is not lost to a ledger that is away, whether the write was made
// or not. Method: each loss once, then again without.
func TestOrphanOutlivesTheLedger(t *testing.T) {
	for name, loss := range map[string]ledgertest.Loss{
		"away": ledgertest.Unavailable, "lost, and it was written": ledgertest.AmbiguousApplied, "lost, and it was not": ledgertest.AmbiguousNotApplied,
	} {
		t.Run(name, func(t *testing.T) {
			nameless(t, "authorized", func(w *world, _ *orchestrator.Orchestrator, call payment.Call) {
				two, armed := w.boot("three"), true
				w.named(two, call)
				w.store.SetHook(func(_ context.Context, l ledgertest.Call) ledgertest.Fault {
					if l.Kind != ledgertest.KindOutcome || !armed {
						return ledgertest.Fault{}
					}
					armed = false
					return ledgertest.Fault{Loss: loss}
				})
				if _, err := two.MatchOrphans(w.Context(), ""); err == nil {
					t.Error("a write that may not have been made passes for made")
				}
				w.matches(two)
				w.state(call, payment.StateSucceeded, 1)
				if left := w.attention(); len(left) != 0 {
					t.Errorf("left: %+v", left)
				}
			})
		})
	}
}

// Goal: what nobody has claimed in days stays with the people, and costs nothing
// more. Method: an orphan of ten days, and then its name.
func TestOldOrphanIsAPersons(t *testing.T) {
	nameless(t, "authorized", func(w *world, _ *orchestrator.Orchestrator, call payment.Call) {
		time.Sleep(10 * 24 * time.Hour)
		two := w.boot("three")
		w.named(two, call)
		w.matches(two)
		if op := w.operation(call); op.State != payment.StatePending || len(w.attention()) != 1 {
			t.Errorf("it is %s, with %d orphans", op.State, len(w.attention()))
		}
	})
}
