package orchestrator_test

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// changed is an event that tells only that what the first account's provider calls
// object has changed.
func changed(id string, m payment.Method, object payment.ProviderReference) payment.Event {
	return payment.Event{
		EventKey: payment.EventKey{Account: "a", ID: id}, Method: m, Changed: true,
		Answer: payment.Answer{Reference: object, ObjectFound: true},
	}
}

// Goal: that its object changed makes an open operation due at once, and nothing more
// is believed of it: what a look then shows settles it. Told again it is a duplicate.
// Method: every state that is not final, whose next look is minutes away, with a sweep
// that finds what is due.
func TestChangedIsLookedUpAtOnce(t *testing.T) {
	for _, state := range []payment.State{payment.StateUnknown, payment.StatePending, payment.StateRequiresAction, payment.StateFencing} {
		t.Run(string(state), func(t *testing.T) {
			settledBy(t, state, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
				if err := o.Visit(w.Context(), call.OperationKey()); err != nil {
					t.Fatal(err)
				}
				before := w.operation(call)
				if wait := time.Until(before.NextCheck); wait < 2*time.Second {
					t.Fatalf("it would be looked at in %s anyway", wait)
				}
				w.provider(0).traits.Query = true
				w.provider(0).show("declined")
				w.apply(o, changed("1", payment.MethodAuthorize, "a-1"), orchestrator.TakenDue)
				want := before
				want.NextCheck = time.Now()
				if diff := gocmp.Diff(want, w.operation(call)); diff != "" {
					t.Errorf("beside its due time, the record changed:\n%s", diff)
				}
				writes := w.dump().Writes
				w.apply(o, changed("1", payment.MethodAuthorize, "a-1"), orchestrator.TakenDuplicate)
				if n := w.dump().Writes - writes; n != 0 {
					t.Errorf("told again: %d writes", n)
				}
				w.apply(o, changed("2", payment.MethodAuthorize, "a-1"), orchestrator.TakenNoted) // it is due already
				stop := w.sweep("one", o)
				time.Sleep(time.Second)
				stop()
				if op := w.operation(call); op.State != payment.StateDeclined {
					t.Errorf("a second later it is %s (%s)", op.State, op.ParkReason)
				}
			})
		})
	}
}

// Goal: that an object changed of which everything is final, or somebody works on, is
// kept and moves nothing; of one that nobody knows it is put before a person, and of one
// that no operation makes with its kind. Method: one event of each, twice.
func TestChangedThatNothingWaitsFor(t *testing.T) {
	for _, state := range []payment.State{payment.StateSucceeded, payment.StateDeclined} {
		settledBy(t, state, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
			before, lookups := w.operation(call), w.provider(0).lookups
			object := before.Current().ProviderReference
			if object != "" {
				w.apply(o, changed("1", payment.MethodAuthorize, object), orchestrator.TakenNoted)
				w.apply(o, changed("1", payment.MethodAuthorize, object), orchestrator.TakenDuplicate)
			}
			w.apply(o, changed("2", payment.MethodAuthorize, "stranger"), orchestrator.TakenOrphan)
			dispute := changed("3", "", "dispute-1")
			dispute.Answer.Code = "CHARGEBACK"
			w.apply(o, dispute, orchestrator.TakenOrphan)
			w.apply(o, dispute, orchestrator.TakenDuplicate)
			if diff := gocmp.Diff(before, w.operation(call)); diff != "" || w.provider(0).lookups != lookups {
				t.Errorf("looked up %d times; the record changed:\n%s", w.provider(0).lookups-lookups, diff)
			}
			var told int
			for _, a := range w.attention() {
				if a.Object == "dispute-1" && strings.Contains(a.Summary, "CHARGEBACK") {
					told++
				}
			}
			if n := len(w.attention()); n != 2 || told != 1 {
				t.Errorf("%d things to look at, %d of them about the dispute", n, told)
			}
		})
	}
}

// Goal: where a provider has no object for a capture or a void, that the
// authorization's changed makes due what waits for it, and no other operation. Method:
// orders that are only accepted, with the object of the authorization and with one of
// their own; then a look that shows their end.
func TestChangedOfWhatAnotherOperationMade(t *testing.T) {
	for name, own := range map[string]payment.ProviderReference{"the authorization's": "", "its own": "order-1"} {
		for _, m := range []payment.Method{payment.MethodCapture, payment.MethodVoid} {
			t.Run(string(m)+" with "+name, func(t *testing.T) {
				inWorld(t, []payment.AccountName{"a"}, func(w *world) {
					p, o := w.provider(0), w.boot("one")
					p.traits.Query = true
					id := w.authorizedPayment(o)
					object := w.payment(id).ProviderReference
					p.orders = []line{func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
						effect()
						a := answered(200, "pending")
						a.Reference = cmp.Or(own, object)
						return a
					}}
					call, units := orderCall(m, "o"), int64(0) // all of it
					if _, err := carryOut(w.Context(), o, call, order(id, units)); err != nil {
						t.Fatal(err)
					}
					want := map[bool]orchestrator.Taken{true: orchestrator.TakenDue, false: orchestrator.TakenNoted}[own == ""]
					w.apply(o, changed("1", payment.MethodAuthorize, object), want)
					if op := w.operation(call); op.State != payment.StatePending || op.NextCheck.After(time.Now()) == (own == "") {
						t.Errorf("%s, due at %s, now is %s", op.State, op.NextCheck, time.Now())
					}
				})
			})
		}
	}
}
