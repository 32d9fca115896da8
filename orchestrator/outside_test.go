package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// beside is an event of an effect beside our operations, on the payment "a-1".
func beside(id string, kind payment.OutsideKind, object payment.ProviderReference, amount int64) payment.Event {
	e := told(id, "refunded", object)
	if e.Method = payment.MethodRefund; kind == payment.OutsideDispute {
		e.Method = ""
	}
	e.Parent, e.Outside = "a-1", &payment.Outside{Object: object, Kind: kind, Amount: amount}
	return e
}

// Goal: the reversal of a refund gives nothing back that no refund took: never may
// more be refunded than was captured. Method: the reversal is told while
// the refund is pending, which then fails.
func TestReversalOfARefundThatFailed(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p, o := w.provider(0), w.boot("one")
		id := w.authorizedPayment(o)
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "c"), order(id, 1000)); err != nil {
			t.Fatal(err)
		}
		p.orders = []line{succeed, func(context.Context, func() payment.ProviderReference) payment.Answer {
			a := answered(200, "pending")
			a.Reference = "r-1"
			return a
		}}
		refund := orderCall(payment.MethodRefund, "r")
		if _, err := carryOut(w.Context(), o, refund, order(id, 400)); err != nil {
			t.Fatal(err)
		}
		object := w.operation(refund).Current().ProviderReference
		e := beside("reversed", payment.OutsideRefundReversal, object, 400)
		w.apply(o, e, orchestrator.TakenOutside)
		if got := w.payment(id); got.Refundable() > got.Captured-got.RefundReserved {
			t.Errorf("while it is open %d may be refunded of %d captured, %d of it reserved", got.Refundable(), got.Captured, got.RefundReserved)
		}
		no := told("no", "failed", object)
		no.Method = payment.MethodRefund
		no.Answer.Decline = "refund_failed"
		w.apply(o, no, orchestrator.TakenSettled)
		time.Sleep(time.Minute)
		if got := w.payment(id); got.Refundable() > got.Captured {
			t.Errorf("in the end %d may be refunded of %d captured", got.Refundable(), got.Captured)
		}
	})
}

// Goal: what came back of a refund can be refunded again, within the rules that the
// ledger keeps. Method: a refund of all, its reversal, and a refund of all again.
func TestRefundAfterItsReversal(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund} {
			if _, err := carryOut(w.Context(), o, orderCall(m, "k"), order(id, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		object := w.operation(orderCall(payment.MethodRefund, "k")).Current().ProviderReference
		w.apply(o, beside("reversed", payment.OutsideRefundReversal, object, 1000), orchestrator.TakenOutside)
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodRefund, "again"), order(id, 1000)); err != nil {
			t.Fatal(err)
		}
	})
}

// Goal: news that is older than what is on record changes nothing, whatever the
// order in which it comes. Method: a dispute is won before its opening is told.
func TestOlderOutsideNewsComesLater(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "k"), order(id, 1000)); err != nil {
			t.Fatal(err)
		}
		opened, won := beside("opened", payment.OutsideDispute, "d", 1000), beside("won", payment.OutsideDispute, "d", 0)
		opened.Time, won.Time = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		for _, e := range []payment.Event{won, opened} {
			if _, err := o.Apply(w.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.payment(id); got.Disputed() != 0 {
			t.Errorf("%d is disputed, of a dispute that was won", got.Disputed())
		}
	})
}

// Goal: an authentic event that makes no sense does not come back for ever: it is
// kept for a person. Method: outside effects without a name and of no known kind.
func TestSenselessOutsideNewsIsKept(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		w.authorizedPayment(o)
		for _, e := range []payment.Event{beside("1", payment.OutsideDispute, "", 1), beside("2", "payout", "x", 1), beside("3", payment.OutsideDispute, "x", -1)} {
			if taken, err := o.Apply(w.Context(), e); err != nil {
				t.Errorf("event %s: %q, %v", e.ID, taken, err)
			}
		}
	})
}

// Goal: what an event tells calls somebody once, where the table asks for that as it
// would of an answer, and always where money moved beside our operations. Method: a
// refund that is accepted, settled by an event of each kind, or followed by a reversal;
// each event twice.
func TestEventsCallSomebody(t *testing.T) {
	for name, c := range map[string]struct {
		event  func(object payment.ProviderReference) payment.Event
		first  orchestrator.Taken
		alerts int
	}{
		"as asked for": {func(object payment.ProviderReference) payment.Event {
			e := told("1", "refunded", object)
			e.Method = payment.MethodRefund
			return e
		}, orchestrator.TakenSettled, 0},
		"refused, nobody knows why": {func(object payment.ProviderReference) payment.Event {
			e := told("1", "failed", object)
			e.Method = payment.MethodRefund
			return e
		}, orchestrator.TakenSettled, 1},
		"nothing that the table knows": {func(object payment.ProviderReference) payment.Event {
			e := told("1", "something new", object)
			e.Method = payment.MethodRefund
			return e
		}, orchestrator.TakenNoted, 1},
		"beside our operations": {func(object payment.ProviderReference) payment.Event {
			return beside("1", payment.OutsideRefundReversal, object, 400)
		}, orchestrator.TakenOutside, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				var log logBuffer
				p, o := w.provider(0), w.boot("one", log.to)
				id := w.authorizedPayment(o)
				if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "c"), order(id, 1000)); err != nil {
					t.Fatal(err)
				}
				p.orders = []line{succeed, func(context.Context, func() payment.ProviderReference) payment.Answer {
					a := answered(200, "pending")
					a.Reference = "r-1"
					return a
				}}
				if _, err := carryOut(w.Context(), o, orderCall(payment.MethodRefund, "r"), order(id, 400)); err != nil {
					t.Fatal(err)
				}
				w.apply(o, c.event("r-1"), c.first)
				w.apply(o, c.event("r-1"), orchestrator.TakenDuplicate)
				if n := log.count("an answer needs attention"); n != c.alerts {
					t.Errorf("%d alerts, want %d", n, c.alerts)
				}
			})
		})
	}
}
