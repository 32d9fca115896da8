package orchestrator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// tooBusy is what a provider answers that cannot work at the moment.
func tooBusy(context.Context, func() payment.ProviderReference) payment.Answer {
	return answered(503, "703")
}

// Goal: an account whose provider says again and again that it cannot work gets no
// new payments for a while, which go elsewhere, or are refused with the time to come
// back; what has begun on it stays there. One answer of another kind ends that.
// Method: a provider that says so, beside one that works and without it.
//
// Shows R27 and R28.
func TestAccountIsPaused(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		a, b := w.provider(0), w.provider(1)
		a.driver, a.script = "adyen", []line{tooBusy}
		o := w.boot("one")
		begun := newCall("begun")
		w.leaves(o, begun, "a", "b")
		time.Sleep(25 * time.Second) // it is sent again for longer
		if op := w.operation(begun); len(op.Attempts) != 1 || op.State.Final() || len(a.sends()) != 5 || len(b.sends()) != 0 {
			t.Errorf("it is %s after %d attempts and %d sends", op.State, len(op.Attempts), len(a.sends()))
		}
		sent := len(a.sends())
		w.leaves(o, newCall("elsewhere"), "a", "b")
		if len(b.sends()) != 1 || len(a.sends()) != sent {
			t.Errorf("%d new payments at the one that is paused, %d at the other", len(a.sends())-sent, len(b.sends()))
		}
		refused := func() {
			t.Helper()
			_, err := o.Authorize(w.Context(), newCall("only there"), instruction("a"))
			if why, ok := errors.AsType[*payment.Error](err); !ok || why.Reason != payment.ReasonOverloaded || why.RetryAfter <= 0 || why.RetryAfter > 30*time.Second {
				t.Errorf("refused with %v", err)
			}
		}
		refused()
		time.Sleep(5 * time.Minute) // until nothing more is sent of what has begun
		w.leaves(o, newCall("tries again"), "a")
		refused() // the first answer was the same
		time.Sleep(5 * time.Minute)
		a.answer(line(func(context.Context, func() payment.ProviderReference) payment.Answer { return answered(422, "130") }))
		for range 2 {
			before := len(a.sends())
			w.leaves(o, newCall(payment.IdempotencyKey("again"+time.Now().String())), "a")
			if len(a.sends()) == before {
				t.Error("it is still paused")
			}
		}
	})
}

// Goal: a provider that says so now and then is not paused, nor one that is not heard.
// Method: such words with others between them, and answers that are lost.
func TestAccountIsNotPaused(t *testing.T) {
	for name, script := range map[string][]line{
		"now and then": {tooBusy, tooBusy, succeed, tooBusy, tooBusy, tooBusy, succeed},
		"not heard": {func(context.Context, func() payment.ProviderReference) payment.Answer {
			return payment.Answer{Transport: payment.TransportNeverSent}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p := w.provider(0)
				p.driver, p.script = "adyen", script
				o := w.boot("one")
				for n := range 3 {
					if _, err := o.Authorize(w.Context(), newCall(payment.IdempotencyKey(rune('a'+n))), instruction("a")); err != nil {
						t.Errorf("payment %d: %v", n, err)
					}
				}
				time.Sleep(5 * time.Minute) // until nothing is sent any more
			})
		})
	}
}
