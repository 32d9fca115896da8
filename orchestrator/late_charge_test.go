package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: nobody is charged after resolve_by by a request that acquit itself sends
// then: what is captured at once cannot be cancelled any more. Method: a payment
// with automatic capture whose request never arrived, and both kinds of fence.
func TestNoLateChargeByTheFenceItself(t *testing.T) {
	for _, kind := range []payment.FenceKind{payment.FenceByReference, payment.FenceByObject} {
		t.Run(string(kind), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p := w.provider(0)
				p.traits.Query, p.traits.AutomaticCapture, p.traits.Fence, p.captures = true, true, kind, true
				p.script = []line{swallowed}
				one, call, in := w.boot("one"), newCall("key"), instruction("a")
				in.CaptureMode = payment.CaptureAutomatic
				ctx, cancel := context.WithTimeout(w.Context(), time.Second)
				defer cancel()
				_, _ = one.Authorize(ctx, call, in)
				w.store.Crash("one")
				w.store.EndSession("one")
				time.Sleep(16 * time.Minute) // past resolve_by
				p.answer(succeed)
				before := len(p.sends())
				stop := w.sweep("two", w.boot("two"))
				defer stop()
				time.Sleep(3 * time.Hour)
				if n := w.effects(); n != 0 {
					t.Errorf("charged %d times by %d sends after the payer had left; it is %s", n, len(p.sends())-before, w.operation(call).State)
				}
			})
		})
	}
}
