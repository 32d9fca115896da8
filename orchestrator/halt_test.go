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
