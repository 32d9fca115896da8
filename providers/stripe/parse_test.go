package stripe_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// nothing is an answer of which only the exchange's id was read.
func nothing() payment.Answer { return payment.Answer{RequestID: "req_1"} }

// Goal: an object that cannot be the one that was asked for is not read. Method:
// objects that differ from a good one in one respect.
func TestOtherObjects(t *testing.T) {
	d := stripe.New(stripe.Config{})
	auth, refund := stripetest.Send(payment.MethodAuthorize), stripetest.Send(payment.MethodRefund)
	capture, void := stripetest.Send(payment.MethodCapture), stripetest.Send(payment.MethodVoid)
	fence := auth
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "pi_1"
	held := stripetest.Intent(auth, auth.Amount, "requires_capture")
	back := stripetest.Refund(refund, refund.Amount, "succeeded")
	for name, c := range map[string]struct {
		send   payment.Send
		object stripetest.Object
	}{
		"a refund of another intent":    {refund, providertest.With(back, stripetest.Object{"payment_intent": "pi_2"})},
		"a refund of no intent":         {refund, providertest.With(back, stripetest.Object{"payment_intent": nil})},
		"a refund without an id":        {refund, providertest.With(back, stripetest.Object{"id": ""})},
		"a refund without a status":     {refund, providertest.With(back, stripetest.Object{"status": ""})},
		"a refund that is an intent":    {refund, held},
		"an intent that is a refund":    {auth, back},
		"an intent that is a charge":    {auth, providertest.With(held, stripetest.Object{"object": "charge"})},
		"an intent without an id":       {auth, providertest.With(held, stripetest.Object{"id": ""})},
		"an intent without a status":    {auth, providertest.With(held, stripetest.Object{"status": ""})},
		"the capture of another intent": {capture, providertest.With(stripetest.Intent(capture, capture.Amount, "succeeded"), stripetest.Object{"id": "pi_2"})},
		"the void of another intent":    {void, providertest.With(stripetest.Intent(void, void.Amount, "canceled"), stripetest.Object{"id": "pi_2"})},
		"the fence of another intent":   {fence, providertest.With(stripetest.Intent(fence, auth.Amount, "canceled"), stripetest.Object{"id": "pi_2"})},
	} {
		if diff := cmp.Diff(nothing(), d.Parse(c.send, stripetest.JSON(200, c.object))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	two := stripetest.Listed(held, providertest.With(held, stripetest.Object{"id": "pi_2"}))
	if diff := cmp.Diff(nothing(), d.ParseQuery(auth, two)); diff != "" {
		t.Errorf("two intents under one reference (-want +got):\n%s", diff)
	}
	pair := stripetest.Listed(back, providertest.With(back, stripetest.Object{"id": "re_2"}))
	if diff := cmp.Diff(nothing(), d.ParseQuery(refund, pair)); diff != "" {
		t.Errorf("two refunds under one reference (-want +got):\n%s", diff)
	}
}

// Goal: a status that Stripe does not document never reads as a code of an error,
// however it is called.
func TestUndocumentedStatus(t *testing.T) {
	d := stripe.New(stripe.Config{})
	for prefix, m := range map[string]payment.Method{"intent_": payment.MethodAuthorize, "capture_": payment.MethodCapture, "void_": payment.MethodVoid} {
		s := stripetest.Send(m)
		if a := d.Parse(s, stripetest.JSON(200, stripetest.Intent(s, s.Amount, "rate_limit"))); a.Code != prefix+"rate_limit" || a.Amount != nil {
			t.Errorf("%s: %+v", m, a)
		}
	}
}

// Goal: a refusal is not believed against the intent that it shows. Method: a
// declined card with an intent in each status.
func TestRefusalsThatContradictThemselves(t *testing.T) {
	d, s := stripe.New(stripe.Config{}), stripetest.Send(payment.MethodAuthorize)
	for status, believed := range map[string]bool{
		"requires_payment_method": true, "canceled": true,
		"requires_action": false, "requires_capture": false, "requires_confirmation": false, "processing": false, "succeeded": false, "teleported": false,
	} {
		a := d.Parse(s, stripetest.Error(402, "card_error", "card_declined", stripetest.Object{
			"decline_code": "lost_card", "payment_intent": stripetest.Intent(s, s.Amount, status),
		}))
		if (a.Code != "") != believed || a.Reference != "pi_1" || a.OurEcho != s.Reference {
			t.Errorf("with an intent that is %s: %+v", status, a)
		}
	}
}

// Goal: the refusal of a look-up tells nothing but its code.
func TestRefusedLookUp(t *testing.T) {
	d, s := stripe.New(stripe.Config{}), stripetest.Send(payment.MethodAuthorize)
	want := payment.Answer{RequestID: "req_1", Code: "card_declined", Message: "No."}
	if diff := cmp.Diff(want, d.ParseQuery(s, stripetest.Declined(s, "card_declined", "lost_card"))); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// Goal: Stripe's word on sending again is passed on, whatever the status says.
func TestHints(t *testing.T) {
	d, s := stripe.New(stripe.Config{}), stripetest.Send(payment.MethodAuthorize)
	for _, c := range []struct {
		status           int
		should, replayed string
		want             payment.Hint
	}{
		{500, "", "", payment.HintNone},
		{500, "false", "", payment.HintStop},
		{500, "true", "", payment.HintRetry},
		{500, "", "true", payment.HintStop},
		{500, "true", "true", payment.HintStop},
		{409, "", "true", payment.HintNone},
		{429, "true", "", payment.HintRetry},
		{429, "false", "", payment.HintStop},
		{400, "True", "", payment.HintRetry},
		{200, "maybe", "", payment.HintNone},
	} {
		h := http.Header{}
		h.Set("Stripe-Should-Retry", c.should)
		h.Set("Idempotent-Replayed", c.replayed)
		if a := d.Parse(s, providers.Response{Status: c.status, Header: h, Body: []byte(`{"error":{"type":"api_error"}}`)}); a.Hint != c.want {
			t.Errorf("%+v: hint %q", c, a.Hint)
		}
	}
}

// Goal: people are told what the network said, and the payer's client gets what
// it needs and no more.
func TestWords(t *testing.T) {
	d, s := stripe.New(stripe.Config{}), stripetest.Send(payment.MethodAuthorize)
	a := d.Parse(s, stripetest.Error(402, "card_error", "card_declined", stripetest.Object{"network_decline_code": "51", "network_advice_code": "03"}))
	if a.Message != "No. (network decline code 51, advice 03)" {
		t.Errorf("message %q", a.Message)
	}
	action := func(next, more stripetest.Object) *payment.NextAction {
		o := providertest.With(stripetest.Intent(s, s.Amount, "requires_action"), stripetest.Object{"next_action": next})
		return d.Parse(s, stripetest.JSON(200, providertest.With(o, more))).NextAction
	}
	got := action(stripetest.Object{"type": "use_stripe_sdk", "use_stripe_sdk": stripetest.Object{"secret": "x"}}, nil)
	if want := `{"client_secret":"pi_1_secret_payers","type":"use_stripe_sdk"}`; got == nil || string(got.ProviderSDK) != want {
		t.Errorf("action %+v, want %s", got, want)
	}
	if got := action(stripetest.Object{"type": "use_stripe_sdk"}, stripetest.Object{"client_secret": ""}); got != nil {
		t.Errorf("an action without what it needs: %+v", got)
	}
	if got := action(nil, nil); got != nil {
		t.Errorf("an action out of nothing: %+v", got)
	}
}
