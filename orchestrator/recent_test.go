package orchestrator_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// counted counts the reads of payments.
type counted struct {
	ledger.Ledger
	reads atomic.Int64
}

// Payment implements ledger.Ledger.
func (c *counted) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
	c.reads.Add(1)
	return c.Ledger.Payment(ctx, tenant, id)
}

// Goal: a process plans on what it wrote last, and whatever others have done to the
// payment since counts all the same: nothing is taken twice that is there once, and
// nothing is refused that is there by now. Method: two processes order in turns on one
// payment; the reads of the first are counted.
func TestOrdersOnARecentPayment(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		var reads *counted
		one := w.boot("one", func(c *orchestrator.Config) {
			reads = &counted{Ledger: c.Ledger}
			c.Ledger = reads
		})
		two := w.boot("two")
		id := w.authorizedPayment(one)
		for i, step := range []struct {
			key    payment.IdempotencyKey
			who    *orchestrator.Orchestrator
			method payment.Method
			units  int64
			reason payment.Reason // of a refusal
			reads  int64          // of payments, by the first process
		}{
			{"1", one, payment.MethodCapture, 100, "", 0},
			{"2", one, payment.MethodRefund, 50, "", 0},
			{"3", two, payment.MethodCapture, 700, "", 0},
			{"4", one, payment.MethodCapture, 300, payment.ReasonExceedsAuthorized, 1}, // by what it wrote, 900 are left
			{"5", one, payment.MethodCapture, 100, "", 1},                              // the same, and it fits
			{"6", one, payment.MethodCapture, 50, "", 0},
			{"7", two, payment.MethodCapture, 50, "", 0},
			{"8", one, payment.MethodRefund, 950, "", 1}, // by what it wrote, 900 are there
			{"8", one, payment.MethodRefund, 950, "", 1}, // again with its key: refused by what is left, and then answered
		} {
			before := reads.reads.Load()
			_, err := carryOut(w.Context(), step.who, orderCall(step.method, step.key), order(id, step.units))
			if taken, again := errors.AsType[*payment.KeyTakenError](err); again {
				if i == 0 || taken.Operation.State != payment.StateSucceeded {
					t.Errorf("step %d: the key is in use in state %s", i, taken.Operation.State)
				}
				err = nil
			}
			var reason payment.Reason
			if e, refused := errors.AsType[*payment.Error](err); refused {
				reason = e.Reason
			}
			if reason != step.reason || (err != nil && reason == "") {
				t.Errorf("step %d: %v, want reason %q", i, err, step.reason)
			}
			if got := reads.reads.Load() - before; got != step.reads {
				t.Errorf("step %d: the payment was read %d times, want %d", i, got, step.reads)
			}
		}
		if p := w.payment(id); p.Captured != 1000 || p.Refunded != 1000 || p.CaptureReserved+p.RefundReserved != 0 {
			t.Errorf("at the end: %+v", p)
		}
		if n := w.effects(); n != 1+7 {
			t.Errorf("%d effects, want those of the authorization and of seven orders", n)
		}
	})
}
