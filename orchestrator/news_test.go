package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// bounced is the end of a refund that is told like a reversal, since the provider
// does not say whether it had succeeded before.
func bounced(id string, object payment.ProviderReference, amount int64) payment.Event {
	e := beside(id, payment.OutsideRefundReversal, object, amount)
	e.Answer.Code, e.Answer.Decline = "failed", "refund_failed"
	return e
}

// refundOf is a captured payment with a refund of 400 that is answered so.
func refundOf(t *testing.T, code string, then func(w *world, o *orchestrator.Orchestrator, id payment.ID, refund payment.Call)) {
	t.Helper()
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p, o := w.provider(0), w.boot("one")
		id := w.authorizedPayment(o)
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "c"), order(id, 1000)); err != nil {
			t.Fatal(err)
		}
		if code != "" {
			p.orders = []line{succeed, func(context.Context, func() payment.ProviderReference) payment.Answer {
				a := answered(200, code)
				a.Reference = "r-1"
				return a
			}}
		}
		refund := orderCall(payment.MethodRefund, "r")
		if _, err := carryOut(w.Context(), o, refund, order(id, 400)); err != nil {
			t.Fatal(err)
		}
		then(w, o, id, refund)
	})
}

// Goal: a refund that fails has failed, however its end is told: what never
// succeeded is not given back. Method: a pending refund whose end is told like a
// reversal, twice, as by twin events.
func TestEndOfARefundThatIsToldLikeAReversal(t *testing.T) {
	refundOf(t, "pending", func(w *world, o *orchestrator.Orchestrator, id payment.ID, refund payment.Call) {
		w.apply(o, bounced("1", "r-1", 400), orchestrator.TakenSettled)
		w.apply(o, bounced("2", "r-1", 400), orchestrator.TakenNoted)
		if op := w.operation(refund); op.State != payment.StateFailed {
			t.Errorf("the refund is %s", op.State)
		}
		if got := w.payment(id); got.Refundable() != 1000 || len(got.Outside) != 0 || got.RefundReserved != 0 {
			t.Errorf("%d may be refunded, %d is reserved, outside: %+v", got.Refundable(), got.RefundReserved, got.Outside)
		}
	})
}

// Goal: that a refund came about may be told after it is told to have come back: it is
// the earlier half of the same, and nobody has to look; what happened after it came back
// a person must judge. Method: the success of a refund that has come back, without a time,
// and as of an hour later.
func TestSuccessToldAfterItsReversal(t *testing.T) {
	refundOf(t, "pending", func(w *world, o *orchestrator.Orchestrator, id payment.ID, refund payment.Call) {
		w.apply(o, bounced("1", "r-1", 400), orchestrator.TakenSettled)
		came := parental(payment.MethodRefund, "2", "r-1", 400)
		w.apply(o, came, orchestrator.TakenNoted)
		if op, got := w.operation(refund), w.payment(id); op.State != payment.StateFailed || got.Status != payment.StatusCaptured || len(w.attention()) != 0 {
			t.Errorf("the refund is %s, the payment %s; to look at: %+v", op.State, got.Status, w.attention())
		}
		came.ID, came.Time = "3", time.Now().Add(time.Hour)
		w.apply(o, came, orchestrator.TakenContradict)
	})
}

// Goal: so it is with a refund that somebody else made. Method: its failure and then
// its success, as of the same second and of one before.
func TestSuccessToldAfterTheReversalOfAnothers(t *testing.T) {
	for name, before := range map[string]time.Duration{"the same second": 0, "a second before": time.Second} {
		t.Run(name, func(t *testing.T) {
			refundOf(t, "", func(w *world, o *orchestrator.Orchestrator, id payment.ID, _ payment.Call) {
				failed, came := bounced("1", "theirs", 100), parental(payment.MethodRefund, "2", "theirs", 100)
				failed.Time, came.Time = time.Now(), time.Now().Add(-before)
				w.apply(o, failed, orchestrator.TakenOutside)
				w.apply(o, came, orchestrator.TakenNoted)
				if got := w.payment(id); got.ExternalRefunded() != 0 || got.Refundable() != 600 || len(w.attention()) != 0 {
					t.Errorf("%d refunded beside us, %d may be; to look at: %+v", got.ExternalRefunded(), got.Refundable(), w.attention())
				}
			})
		})
	}
}

// Goal: a refund that had succeeded gives the money back when it fails, by a row of
// its own, and its record stays. Method: the same event of a refund that succeeded.
func TestReversalThatIsToldLikeAnEnd(t *testing.T) {
	refundOf(t, "", func(w *world, o *orchestrator.Orchestrator, id payment.ID, refund payment.Call) {
		object := w.operation(refund).Current().ProviderReference
		w.apply(o, bounced("1", object, 400), orchestrator.TakenOutside)
		if op, got := w.operation(refund), w.payment(id); op.State != payment.StateSucceeded || got.Refundable() != 1000 || len(w.attention()) != 0 {
			t.Errorf("the refund is %s, %d may be refunded, to look at: %+v", op.State, got.Refundable(), w.attention())
		}
	})
}

// Goal: money in another currency than the payment's is added to nothing: a person
// has to look. Method: a dispute in dollars.
func TestOutsideNewsInAnotherCurrency(t *testing.T) {
	refundOf(t, "", func(w *world, o *orchestrator.Orchestrator, id payment.ID, _ payment.Call) {
		e := beside("1", payment.OutsideDispute, "dp", 70)
		e.Answer.Amount = &payment.Money{MinorUnits: 70, CurrencyCode: "USD"}
		w.apply(o, e, orchestrator.TakenUnfit)
		e.ID, e.Answer.Amount.CurrencyCode = "2", "EUR"
		w.apply(o, e, orchestrator.TakenOutside)
		if got := w.payment(id); got.Disputed() != 70 || len(w.attention()) != 1 {
			t.Errorf("%d is disputed, to look at: %+v", got.Disputed(), w.attention())
		}
	})
}

// Goal: the caller is never answered that the payer must act without being told how.
// Method: an event of that comes ahead of the answer, and then the answer does.
func TestNewsOfAnActionAnswersNothing(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o, call := w.boot("one"), newCall("key")
		w.provider(0).script = []line{func(ctx context.Context, effect func() payment.ProviderReference) payment.Answer {
			e := told("1", "requires_action", "a-1")
			e.Reference = call.Reference
			w.applyIn(ctx, w.boot("two"), e, orchestrator.TakenNoted) //nolint:contextcheck // counters are started at zero, for no call
			return leadingTo(payment.StateRequiresAction)(ctx, effect)
		}}
		reply, err := o.Authorize(w.Context(), call, instruction("a"))
		if err != nil || answerOf(t, reply).State != payment.StateRequiresAction {
			t.Fatalf("answered %+v, %v", reply, err)
		}
		if op := w.operation(call); op.Current().NextAction == nil {
			t.Error("what the payer must do is not on record")
		}
	})
}

// Goal: that a hold is gone is no contradiction while we release it. Method: the
// provider tells so ahead of its answer to the void, and again after a void that
// never was.
func TestNewsOfAReleaseUnderWay(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		w.provider(0).orders = []line{func(ctx context.Context, effect func() payment.ProviderReference) payment.Answer {
			w.applyIn(ctx, w.boot("two"), told("1", "cancelled", "a-1"), orchestrator.TakenNoted) //nolint:contextcheck // counters are started at zero, for no call
			return succeed(ctx, effect)
		}}
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodVoid, "v"), order(id, 0)); err != nil {
			t.Fatal(err)
		}
		w.apply(o, told("2", "cancelled", "a-1"), orchestrator.TakenNoted)
		if got := w.payment(id); got.Status != payment.StatusVoided || len(w.attention()) != 0 {
			t.Errorf("it is %s, to look at: %+v", got.Status, w.attention())
		}
	})
}
