package orchestrator_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: money that the provider captures by itself after it told that it could not, or
// that the hold has lapsed, is shown as captured and can be refunded; somebody is told
// where it contradicts the end of the hold. Method: the news of both in turn, twice, with
// the ledger's own checks, and a refund of all.
func TestNewsOfALateCapture(t *testing.T) {
	could := parental(payment.MethodCapture, "could not", "own", 1000)
	could.Answer.Code, could.Answer.Amount, could.Outside.Amount = "failed", nil, 0
	lapsed := told("lapsed", "expired", "end")
	lapsed.Parent, lapsed.Outside = "a-1", &payment.Outside{Object: "end", Kind: payment.OutsideExpiry}
	for name, c := range map[string]struct {
		before payment.Event
		status payment.Status // before it is captured
		warned int
	}{
		"it could not":    {could, payment.StatusAuthorized, 0},
		"the hold lapsed": {lapsed, payment.StatusExpired, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.provider(0).traits.AutomaticCapture = true
				var log logBuffer
				o, call, in := w.boot("one", log.to), newCall("authorize"), instruction("a")
				in.CaptureMode = payment.CaptureAutomatic
				if _, err := o.Authorize(w.Context(), call, in); err != nil {
					t.Fatal(err)
				}
				id := w.operation(call).PaymentID
				w.apply(o, c.before, orchestrator.TakenOutside)
				if got := w.payment(id); got.Status != c.status || got.Captured != 0 || got.AutoReserved != 0 {
					t.Fatalf("before: %+v", got)
				}
				warned := log.count("money moved beside our operations")
				time.Sleep(time.Hour)
				w.apply(o, parental(payment.MethodCapture, "took", "own", 1000), orchestrator.TakenOutside)
				w.apply(o, parental(payment.MethodCapture, "took again", "own", 1000), orchestrator.TakenNoted)
				got := w.payment(id)
				if got.Status != payment.StatusCaptured || got.Captured != 1000 || got.Authorized != 1000 || got.Released != 0 || got.ExternalCaptured() != 0 {
					t.Errorf("captured: %+v", got)
				}
				if n := log.count("money moved beside our operations") - warned; n != c.warned {
					t.Errorf("somebody was told %d times, want %d", n, c.warned)
				}
				if _, err := carryOut(w.Context(), o, orderCall(payment.MethodRefund, "r"), order(id, 1000)); err != nil {
					t.Errorf("a refund of it: %v", err)
				}
				if got := w.payment(id); got.Status != payment.StatusRefunded {
					t.Errorf("refunded it is %s", got.Status)
				}
			})
		})
	}
}
