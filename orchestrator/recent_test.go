package orchestrator_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
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

// counting boots a process life whose reads of payments are counted.
func (w *world) counting(name payment.BootID) (*orchestrator.Orchestrator, *counted) {
	w.Helper()
	var reads *counted
	o := w.boot(name, func(c *orchestrator.Config) {
		reads = &counted{Ledger: c.Ledger}
		c.Ledger = reads
	})
	return o, reads
}

// Goal: a process plans on what it wrote last, and whatever others have done to the
// payment since counts all the same: nothing is taken twice that is there once, and
// nothing is refused that is there by now. Method: two processes order in turns on one
// payment; the reads of the first are counted.
func TestOrdersOnARecentPayment(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		one, reads := w.counting("one")
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

// Goal: what is kept of a payment is all that an order is planned on: nothing is
// planned otherwise than it would be on a read. Method: each order is carried out by the
// process that wrote the payment, and in another world by one that has to read it; the
// records are the same but for what is random in them.
func TestOrderOnARecentPaymentIsTheSame(t *testing.T) {
	random := cmp.Options{
		cmpopts.IgnoreFields(payment.Operation{}, "PaymentID", "Owner", "Nonce", "Sealed"),
		cmpopts.IgnoreFields(payment.Step{}, "Key", "RequestHash"), // of the payment's id, under a key of the world
	}
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		t.Run(string(m), func(t *testing.T) {
			var planned [2]payment.Operation
			for i, want := range []int64{0, 1} {
				inWorld(t, []payment.AccountName{"a"}, func(w *world) {
					who, reads := w.counting("one")
					begins := who
					if i == 1 {
						begins = w.boot("two")
					}
					id := w.authorizedPayment(begins)
					if _, err := carryOut(w.Context(), begins, orderCall(payment.MethodCapture, "begins"), order(id, 400)); err != nil {
						t.Fatal(err)
					}
					before := reads.reads.Load()
					if _, err := carryOut(w.Context(), who, orderCall(m, "k"), order(id, 0)); err != nil {
						t.Fatal(err)
					}
					if got := reads.reads.Load() - before; got != want {
						t.Errorf("the payment was read %d times, want %d", got, want)
					}
					planned[i] = w.operation(orderCall(m, "k"))
				})
			}
			if planned[0].Parent == "" || planned[0].State != payment.StateSucceeded {
				t.Errorf("on the recent payment it is %+v", planned[0])
			}
			if diff := cmp.Diff(planned[1], planned[0], random); diff != "" {
				t.Errorf("planned otherwise than on a read (-read +recent):\n%s", diff)
			}
		})
	}
}

// Goal: what a provider has told another process of a payment counts for the next order
// on it, although this process has not heard of it. Method: money moves beside our
// operations, told to the other process; then an order for all that is left.
func TestNewsMovesARecentPayment(t *testing.T) {
	for name, c := range map[string]struct {
		captured int64 // before
		news     payment.Event
		method   payment.Method
		asked    int64          // of the provider
		reason   payment.Reason // of a refusal
	}{
		"refunded by somebody else": {1000, beside("e", payment.OutsideRefund, "r-x", 400), payment.MethodRefund, 600, ""},
		"taken back by the bank":    {1000, beside("e", payment.OutsideDispute, "d-x", 1000), payment.MethodRefund, 0, payment.ReasonNotRefundable},
		"the hold is cancelled":     {0, parental(payment.MethodVoid, "e", "v-x", 1000), payment.MethodCapture, 0, payment.ReasonNotCapturable},
		"the rest is cancelled":     {300, parental(payment.MethodVoid, "e", "v-x", 700), payment.MethodCapture, 0, payment.ReasonNotCapturable},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				one, two := w.boot("one"), w.boot("two")
				id, effects := w.authorizedPayment(one), 1
				if c.captured > 0 {
					if _, err := carryOut(w.Context(), one, orderCall(payment.MethodCapture, "c"), order(id, c.captured)); err != nil {
						t.Fatal(err)
					}
					effects++
				}
				w.apply(two, c.news, orchestrator.TakenOutside)
				_, err := carryOut(w.Context(), one, orderCall(c.method, "rest"), order(id, 0))
				refused, _ := errors.AsType[*payment.Error](err)
				switch {
				case c.reason == "" && (err != nil || w.operation(orderCall(c.method, "rest")).Amount.MinorUnits != c.asked):
					t.Errorf("got %v, want %d to be asked for", err, c.asked)
				case c.reason != "" && (refused == nil || refused.Reason != c.reason):
					t.Errorf("got %v, want %s", err, c.reason)
				}
				if c.asked > 0 {
					effects++
				}
				if n := w.effects(); n != effects {
					t.Errorf("%d effects, want %d", n, effects)
				}
			})
		})
	}
}

// Goal: between the claim on a recent payment that has moved and the one on what is there
// now, the caller's time may run out: told that nothing was sent, it is not charged behind
// its back. Method: another process moves the payment, and the read that follows takes
// longer than the caller waits.
func TestToldUnavailableOnARecentPayment(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		one, two := w.boot("one"), w.boot("two")
		id := w.authorizedPayment(one)
		if _, err := carryOut(w.Context(), two, orderCall(payment.MethodCapture, "moves"), order(id, 100)); err != nil {
			t.Fatal(err)
		}
		var claims atomic.Int64
		w.store.SetHook(func(_ context.Context, call ledgertest.Call) ledgertest.Fault {
			if call.Kind == ledgertest.KindClaim {
				claims.Add(1)
			}
			if call.Kind == ledgertest.KindPayment {
				time.Sleep(2 * time.Second)
			}
			return ledgertest.Fault{}
		})
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		_, err := carryOut(ctx, one, orderCall(payment.MethodCapture, "k"), order(id, 100))
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonLedgerUnavailable || claims.Load() != 1 {
			t.Errorf("after %d claims: %v, want to be told after the first that the ledger does not answer", claims.Load(), err)
		}
		time.Sleep(time.Minute)
		if n := w.effects(); n != 2 || claims.Load() != 1 {
			t.Errorf("then there are %d effects, want two; and %d claims", n, claims.Load())
		}
	})
}
