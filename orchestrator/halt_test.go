package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// behind is an event of an effect at the account that an operation had left.
func behind(call payment.Call) payment.Event {
	e := told("behind", "authorized", "a-1")
	e.Reference = call.Reference
	return e
}

// Goal: an operation of which an effect was told at the account that it had left
// is never declined or failed: the effect may be the payer's money. Method: it is
// halted, and then the other account says no, by an event, to a visit's look, or
// to the send that was in the air.
func TestHaltedIsNeverDeclined(t *testing.T) {
	for name, no := range map[string]func(w *world, o *orchestrator.Orchestrator, call payment.Call){
		"an event says no": func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
			e := told("no", "declined", "")
			e.Account, e.Reference = "b", call.Reference
			if _, err := o.Apply(w.Context(), e); err != nil {
				w.Fatal(err)
			}
		},
		"a look says no": func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
			w.provider(1).mu.Lock()
			w.provider(1).traits.Query = true
			w.provider(1).mu.Unlock()
			w.provider(1).show("declined")
			w.store.EndSession("one")
			stop := w.sweep("two", o)
			defer stop()
			time.Sleep(time.Hour)
		},
		"the answer says no": func(w *world, _ *orchestrator.Orchestrator, _ payment.Call) {
			time.Sleep(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				w.provider(0).script, w.provider(1).script = []line{decline}, []line{after(5*time.Second, decline)}
				if name != "the answer says no" {
					w.provider(1).script = []line{fail500}
				}
				one, two, call := w.boot("one"), w.boot("two"), newCall("key")
				w.leaves(one, call, "a", "b")
				time.Sleep(time.Second)
				w.apply(two, behind(call), orchestrator.TakenContradict)
				no(w, two, call)
				time.Sleep(3 * time.Minute) // the first owner is done
				if op := w.operation(call); op.State.Final() {
					t.Errorf("it is %s, and what is held at the first account is denied", op.State)
				}
			})
		})
	}
}

// Goal: nothing is sent of an operation that was halted, however long its new owner
// has waited before its first send. Method: an effect at the account that it had
// left is told while a takeover waits for the old owner's time to be over.
func TestHaltedWhileATakeoverWaits(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script, w.provider(1).script = []line{decline}, []line{succeed}
		dead := make(chan struct{})
		one := w.boot("one", func(c *orchestrator.Config) {
			c.Probe = func(_ context.Context, p payment.Point) {
				if p == payment.PointFailoverAfter {
					w.store.Crash("one")
					<-dead
				}
			}
		})
		call := newCall("key")
		w.leaves(one, call, "a", "b")
		w.store.EndSession("one")
		two := w.boot("two")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = two.Resume(w.Context(), w.operation(call))
		}()
		time.Sleep(10 * time.Second)
		w.apply(w.boot("three"), behind(call), orchestrator.TakenContradict)
		<-ended
		time.Sleep(5 * time.Minute)
		if n := len(w.provider(1).sends()); n != 0 {
			t.Errorf("%d sends after the halt: a second effect", n)
		}
		close(dead)
	})
}

// Goal: an effect at the account that an operation had left is never denied by
// what becomes of the account after it. Method: it is told while the second
// account's authorization is being cancelled, or pending there.
func TestEffectBehindWhatIsFencedOrPending(t *testing.T) {
	for _, state := range []payment.State{payment.StateFencing, payment.StatePending} {
		t.Run(string(state), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				a, b := w.provider(0), w.provider(1)
				a.script, b.script, b.cancels = []line{decline}, []line{withID}, []canceller{cancelNot}
				b.traits.Fence, b.traits.Query, b.lagging = payment.FenceByObject, true, true
				if state == payment.StatePending {
					b.script = []line{func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
						p := answered(200, "pending")
						p.Reference = effect()
						return p
					}}
				}
				one, call := w.boot("one"), newCall("key")
				w.leaves(one, call, "a", "b")
				time.Sleep(20 * time.Minute)
				if state == payment.StateFencing {
					if err := one.Visit(w.Context(), call.OperationKey()); err != nil {
						t.Fatal(err)
					}
				}
				if op := w.operation(call); op.State != state || len(op.Attempts) != 2 {
					t.Fatalf("prepared %s with %d attempts", op.State, len(op.Attempts))
				}
				fences := len(b.fencesSent())
				w.apply(one, behind(call), orchestrator.TakenContradict)
				b.mu.Lock()
				b.cancels = []canceller{cancelIt}
				b.mu.Unlock()
				if state == payment.StatePending {
					b.show("declined")
				}
				stop := w.sweep("one", one)
				defer stop()
				time.Sleep(3 * time.Hour)
				if op := w.operation(call); op.State.Final() {
					t.Errorf("it is %s, and what is held at the first account is denied", op.State)
				}
				if n := len(b.fencesSent()) - fences; n != 0 {
					t.Errorf("%d cancels after an effect at a closed attempt, which stops all sends", n)
				}
			})
		})
	}
}

// Goal: what comes late about the account that an operation had left, and is older
// than its no, stops nothing. Method: a pending notice of the first attempt is
// delivered after the failover, while the second waits for its answer.
func TestOldPendingNewsHaltNothing(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script, w.provider(1).script = []line{decline}, []line{fail500, succeed}
		one, call := w.boot("one"), newCall("key")
		w.leaves(one, call, "a", "b")
		e := told("old", "pending", "a-1")
		e.Reference = call.Reference
		if _, err := w.boot("two").Apply(w.Context(), e); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		if op := w.operation(call); op.Halted || op.State != payment.StateSucceeded {
			t.Errorf("it is %s, halted %t (%s)", op.State, op.Halted, op.ParkReason)
		}
	})
}

// Goal: as above, where the first send waits for a session. Method: the new
// attempt's owner has no live session while the effect is told.
func TestHaltedWhileThereIsNoSession(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script, w.provider(1).script = []line{after(time.Second, decline)}, []line{succeed}
		one, call := w.boot("one"), newCall("key")
		go func() {
			time.Sleep(500 * time.Millisecond) // the first attempt is on its way
			w.store.SetHook(noSession)
		}()
		w.leaves(one, call, "a", "b")
		time.Sleep(5 * time.Second)
		if op := w.operation(call); len(op.Attempts) != 2 || len(w.provider(1).sends()) != 0 {
			t.Fatalf("prepared %d attempts, %d sends", len(op.Attempts), len(w.provider(1).sends()))
		}
		w.apply(w.boot("three"), behind(call), orchestrator.TakenContradict)
		w.store.SetHook(nil)
		time.Sleep(5 * time.Minute)
		if n := len(w.provider(1).sends()); n != 0 {
			t.Errorf("%d sends after the halt: a second effect", n)
		}
	})
}
