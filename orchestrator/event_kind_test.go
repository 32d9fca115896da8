package orchestrator_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: what a provider tells of a refund or a capture settles no authorization,
// though it repeats the authorization's reference. Method: an authorization whose
// effect exists and is not known; news of another kind of object under its reference.
func TestNewsOfAnotherKindSettlesNothing(t *testing.T) {
	for name, e := range map[string]payment.Event{"a refund succeeded": told("1", "refunded", "r-9"), "a refund failed": told("2", "failed", "r-9")} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.provider(0).script = []line{fail500After}
				o, call := w.boot("one"), newCall("key")
				if _, err := o.Authorize(w.Context(), call, instruction("a")); err != nil {
					t.Fatal(err)
				}
				w.drainFlights(o)
				e.Method, e.Reference, e.Answer.Decline = payment.MethodRefund, call.Reference, "refund_failed"
				if _, err := o.Apply(w.Context(), e); err != nil {
					t.Fatal(err)
				}
				if op := w.operation(call); op.State.Final() {
					t.Errorf("the authorization is %s, with %d effects", op.State, w.effects())
				}
			})
		})
	}
}

// drainFlights waits until a process works on nothing any more.
func (w *world) drainFlights(o *orchestrator.Orchestrator) {
	w.Helper()
	if err := o.Drain(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// Goal: a refund made at the provider's dashboard is counted, though the provider
// repeats the payment's reference with it, as Adyen does. Method: such an event.
func TestOutsideRefundUnderThePaymentsReference(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "k"), order(id, 1000)); err != nil {
			t.Fatal(err)
		}
		e := beside("by hand", payment.OutsideRefund, "r-9", 300)
		e.Reference = newCall("authorize").Reference
		w.apply(o, e, orchestrator.TakenOutside)
		if got := w.payment(id); got.Refundable() != 700 {
			t.Errorf("%d may be refunded, of 1000 of which 300 went back", got.Refundable())
		}
	})
}

// Goal: what is put before a person holds nothing with which a payer could be
// impersonated. Method: an orphan whose next action carries a client's secret.
func TestAttentionHoldsNoSecret(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		e := told("1", "requires_action", "stranger")
		e.Answer.NextAction = &payment.NextAction{
			RedirectURL: "https://bank.example/?token=s3cret", ProviderSDK: json.RawMessage(`{"client_secret":"s3cret"}`),
		}
		w.apply(o, e, orchestrator.TakenOrphan)
		raw, err := json.Marshal(w.attention())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "s3cret") {
			t.Errorf("kept: %s", raw)
		}
	})
}
