package orchestrator_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: money that a provider is to capture by itself is put before a person if it does
// not tell of that, once, and no reservation is given back by time; what is then done at
// the provider ends the wait. Method: a payment of which nothing is told for a day, found
// twice; then each way in which it can end, and payments that are not waited for.
func TestAwaitedCaptureIsFound(t *testing.T) {
	capture := func(units int64) payment.Event { return parental(payment.MethodCapture, "end", "own", units) }
	refused := capture(1000)
	refused.Answer.Code, refused.Answer.Amount, refused.Outside.Amount = "failed", nil, 0
	for name, c := range map[string]struct {
		end                            payment.Event
		captured, capturable, released int64
	}{
		"captured":      {capture(1000), 1000, 0, 0},
		"came to none":  {refused, 0, 1000, 0},
		"cancelled":     {parental(payment.MethodVoid, "end", "cancel", 1000), 0, 0, 1000},
		"in part taken": {capture(400), 400, 600, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				began := time.Now()
				w.provider(0).traits.AutomaticCapture = true
				o, call, in := w.boot("one"), newCall("authorize"), instruction("a")
				in.CaptureMode = payment.CaptureAutomatic
				for _, each := range []payment.Instruction{in, instruction("a")} {
					if _, err := o.Authorize(w.Context(), call, each); err != nil {
						t.Fatal(err)
					}
					call = newCall("by hand")
				}
				id := w.operation(newCall("authorize")).PaymentID
				time.Sleep(24 * time.Hour)
				w.findsAwaited(o, began)
				w.findsAwaited(o, began)
				if told := w.attention(); len(told) != 1 || told[0].Kind != payment.AttentionStuck || told[0].Payment != id || w.payment(id).AutoReserved != 1000 {
					t.Fatalf("told: %+v; %d is reserved", told, w.payment(id).AutoReserved)
				}
				w.apply(o, c.end, orchestrator.TakenOutside)
				got := w.payment(id)
				if got.AutoReserved+got.CaptureReserved != 0 || got.Captured != c.captured || got.Capturable() != c.capturable || got.Released != c.released {
					t.Errorf("then it is %+v", got)
				}
			})
		})
	}
}

func (w *world) findsAwaited(o *orchestrator.Orchestrator, from time.Time) {
	w.Helper()
	if next, err := o.FindAwaited(w.Context(), "default", from, time.Now(), ""); err != nil || next != "" {
		w.Errorf("found up to %q, %v", next, err)
	}
}
