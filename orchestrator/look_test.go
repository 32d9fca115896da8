package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: where a look-up takes the provider's id alone, nobody asks without it: the
// same request under its key brings the object, and from then on it is looked up.
// Method: the answer to an authorization is lost with its process, and the next one
// says that it is pending; look-ups are counted.
func TestLookUpByTheProvidersIDAlone(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p := w.provider(0)
		p.traits.Query, p.traits.QueryNeedsID = true, []payment.Method{payment.MethodAuthorize}
		p.script = []line{lost, leadingTo(payment.StatePending)}
		one, call := w.boot("one"), newCall("key")
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		_, _ = one.Authorize(ctx, call, instruction("a"))
		w.store.Crash("one")
		w.store.EndSession("one")
		p.show("pending")
		two := w.boot("two")
		asked := func() int {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.lookups
		}
		if _, err := two.Resume(w.Context(), w.operation(call)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := asked(); n != 0 {
			t.Errorf("%d look-ups of what has no known id", n)
		}
		w.state(call, payment.StatePending, 1)
		sameRequest(t, p.sends())
		p.show("")
		stop := w.sweep("two", two)
		defer stop()
		time.Sleep(3 * time.Hour)
		w.state(call, payment.StateSucceeded, 1)
		if asked() == 0 {
			t.Error("what has an id was not looked up")
		}
	})
}
