package orchestrator_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: the end of a hold is not forgotten because we were about to end it: whatever
// becomes of our void, nothing can be captured afterwards. While the void is open
// nobody is called for that. Method: a void that is accepted; the provider tells that
// the hold has lapsed, or that somebody cancelled it; then the void fails, or succeeds.
func TestHoldEndsBesideOurVoid(t *testing.T) {
	for _, kind := range []payment.OutsideKind{payment.OutsideExpiry, payment.OutsideVoid} {
		for code, state := range map[string]payment.State{"failed": payment.StateFailed, "voided": payment.StateSucceeded} {
			t.Run(string(kind)+", "+code, func(t *testing.T) {
				inWorld(t, []payment.AccountName{"a"}, func(w *world) {
					var log logBuffer
					p, o, void := w.provider(0), w.boot("one", log.to), voids("void")
					id := w.authorizedPayment(o)
					p.orders = []line{accepts("v-1")}
					if _, err := carryOut(w.Context(), o, void, order(id, 0)); err != nil {
						t.Fatal(err)
					}
					end := told("end", "expired", "a-1")
					end.Outside = &payment.Outside{Object: "a-1", Kind: kind}
					w.apply(o, end, orchestrator.TakenOutside)
					if n := log.count("needs attention"); n != 0 {
						t.Errorf("%d alerts for what we have asked for", n)
					}
					ours := told("ours", code, "v-1")
					if ours.Method = payment.MethodVoid; code == "failed" {
						ours.Answer.Decline = "already_voided"
					}
					w.apply(o, ours, orchestrator.TakenSettled)
					time.Sleep(time.Minute)
					got := w.payment(id)
					if op := w.operation(void); op.State != state {
						t.Errorf("the void is %s, want %s", op.State, state)
					}
					if got.Status.Live() || got.Capturable() != 0 || got.Authorized != 0 || got.Released != 1000 || got.Voiding != "" {
						t.Errorf("the payment is %s, %d authorized, %d released", got.Status, got.Authorized, got.Released)
					}
				})
			})
		}
	}
}
