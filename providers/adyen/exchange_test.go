package adyen_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	simulator "github.com/acquitpay/acquit/test/simulators/adyen"
)

const manual, automatic = payment.CaptureManual, payment.CaptureAutomatic

// Goal: every request that the contract makes is one that the simulator serves, and
// its webhooks tell of the same objects as its answers. Method: a life of all verbs
// over real HTTP; the ids in the answers are those in the webhook.
func TestLife(t *testing.T) {
	r := newRig(t, simulator.Config{})
	a := r.Send(pay("card_ok", manual), "adyen.authorize.authorised")
	if a.OurEcho != "OURREFERENCE" || a.Captured || a.Amount == nil || a.Amount.MinorUnits != 1000 || a.RequestID != string(a.Reference) {
		t.Errorf("authorized as %+v", a)
	}
	c := r.Send(further(payment.MethodCapture, a.Reference, 600), "adyen.capture.received")
	f := r.Send(further(payment.MethodRefund, a.Reference, 200), "adyen.refund.received")
	v := r.Send(further(payment.MethodVoid, a.Reference, 600), "adyen.void.received")
	events := r.told(0, "adyen.query.authorisation", "adyen.query.capture", "adyen.query.refund", "adyen.query.cancellation_refused")
	for i, want := range []payment.Answer{a, c, f, v} {
		e := events[i]
		if e.Answer.Reference != want.Reference || i > 0 && (e.Parent != a.Reference || e.Reference != "FURTHERREFERENCE") {
			t.Errorf("told %+v of %+v", e, want)
		}
	}
	if e := events[1]; e.Answer.Amount == nil || e.Answer.Amount.MinorUnits != 600 || !e.Answer.Captured || e.Outside == nil {
		t.Errorf("a capture is told as %+v", e)
	}
	r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindCapture, 600), effect(simulator.KindRelease, 400), effect(simulator.KindRefund, 200))
}

// Goal: what a card does is understood, in the answer and in the webhook alike.
// Method: cards of each kind.
func TestCards(t *testing.T) {
	for card, c := range map[string]struct {
		mode     payment.CaptureMode
		row      string
		declined bool
		told     []string
	}{
		"card_ok":                     {automatic, "authorised", false, []string{"authorisation", "capture"}},
		"card_partial":                {manual, "partially_authorised", false, []string{"authorisation"}},
		"card_refused":                {manual, "refused_2", true, []string{"authorisation_refused_2"}},
		"card_refused_balance":        {manual, "refused_12", true, []string{"authorisation_refused_12"}},
		"card_refused_expired":        {manual, "refused_6", true, []string{"authorisation_refused_6"}},
		"card_refused_fraud":          {manual, "refused_20", true, []string{"authorisation_refused_20"}},
		"card_refused_cvc":            {manual, "refused_24", true, []string{"authorisation_refused_24"}},
		"card_refused_acquirer":       {manual, "refused_4", false, []string{"authorisation_refused_4"}},
		"card_refused_authentication": {manual, "refused_38", true, []string{"authorisation_refused_38"}},
		"card_refused_unlisted":       {manual, "refused", true, []string{"authorisation_refused"}},
		"card_error":                  {manual, "error", false, []string{"authorisation_refused_4"}},
	} {
		r := newRig(t, simulator.Config{})
		a := r.Send(pay(card, c.mode), "adyen.authorize."+c.row)
		v := r.Table.Judge("adyen", payment.MethodAuthorize, a)
		if v.Category.Decline() != c.declined {
			t.Errorf("%s: category %s", card, v.Category)
		}
		for i := range c.told {
			c.told[i] = "adyen.query." + c.told[i]
		}
		for _, e := range r.told(0, c.told...) {
			if e.Method == payment.MethodAuthorize && (e.Answer.Reference != a.Reference || e.Reference != "OURREFERENCE") {
				t.Errorf("%s: told of %s, answered %s", card, e.Answer.Reference, a.Reference)
			}
		}
		if card == "card_partial" && (a.Amount == nil || a.Amount.MinorUnits != 400) {
			t.Errorf("a part is %v", a.Amount)
		}
	}
}

// Goal: a shopper who was sent away completes the payment, whatever they were to
// do; who fails is declined. Method: each kind of action, passed and failed, and
// the completion sent twice.
func TestShoppers(t *testing.T) {
	for name, c := range map[string]struct {
		card, asked string
		passes      bool
		row, told   string
		moved       []simulator.Effect
	}{
		"a page":                 {"card_redirect", "redirect_shopper", true, "authorised", "authorisation", []simulator.Effect{effect(simulator.KindHold, 1000)}},
		"a page, failed":         {"card_redirect", "redirect_shopper", false, "refused_11", "authorisation_refused_11", nil},
		"a page, then refused":   {"card_redirect_refused", "redirect_shopper", true, "refused_2", "authorisation_refused_2", nil},
		"the client":             {"card_native", "identify_shopper", true, "authorised", "authorisation", []simulator.Effect{effect(simulator.KindHold, 1000)}},
		"the client, failed too": {"card_native", "identify_shopper", false, "refused_11", "authorisation_refused_11", nil},
	} {
		r := newRig(t, simulator.Config{})
		if a := r.Send(pay(c.card, manual), "adyen.authorize."+c.asked); a.NextAction == nil || a.Reference != "" {
			t.Errorf("%s: %+v", name, a)
		}
		back, err := r.simulator.Return("OURREFERENCE", c.passes)
		if err != nil {
			t.Fatal(err)
		}
		s := adyentest.Send(payment.MethodComplete)
		s.Parent, s.Instruction.ReturnParameters = "", back
		first := r.Send(s, "adyen.complete."+c.row)
		if again := r.Send(s, "adyen.complete."+c.row); again.Reference != first.Reference || first.Reference == "" {
			t.Errorf("%s: %s, then %s", name, first.Reference, again.Reference)
		}
		r.told(0, "adyen.query."+c.told)
		r.effects(c.moved...)
	}
}

// Goal: whatever goes wrong, nothing is claimed that is not so, and the same request
// brings the truth with one effect. Method: each fault, then the same send.
//
// Shows R15 and R16.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault    simulator.Fault
		row      string
		resend   payment.Resend
		patience time.Duration
	}{
		{simulator.Fault500Before, "any.http.5xx", payment.ResendNever, time.Minute},
		{simulator.Fault500After, "any.http.5xx", payment.ResendNever, time.Minute},
		{simulator.FaultGateway, "any.http.5xx", payment.ResendNever, time.Minute},
		{simulator.FaultDropBefore, "any.transport.broken", payment.ResendImmediate, time.Minute},
		{simulator.FaultDropAfter, "any.transport.broken", payment.ResendImmediate, time.Minute},
		{simulator.FaultHangBefore, "any.transport.timeout", payment.ResendBackoff, 2 * time.Second},
		{simulator.FaultHangAfter, "any.transport.timeout", payment.ResendBackoff, 2 * time.Second},
		{simulator.FaultStoreAway, "adyen.any.703", payment.ResendBackoff, time.Minute},
		{simulator.FaultInFlight, "adyen.any.704", payment.ResendBackoff, time.Minute},
		{simulator.FaultRateLimit, "any.http.429", payment.ResendNever, time.Minute},
		{simulator.FaultUnauthorized, "adyen.any.000", payment.ResendNever, time.Minute},
		{simulator.FaultConfigured, "adyen.any.905", payment.ResendNever, time.Minute},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, simulator.Config{})
			r.simulator.Next(c.fault)
			s := pay("card_ok", manual)
			a := r.SendWithin(s, c.row, c.patience)
			v := r.Table.Judge("adyen", payment.MethodAuthorize, a)
			refused := c.fault == simulator.FaultUnauthorized
			if v.Resend != c.resend || (v.Evidence == payment.EvidenceUnknown) == refused {
				t.Errorf("%s, resend %s", v.Evidence, v.Resend)
			}
			r.Send(s, "adyen.authorize.authorised")
			r.effects(effect(simulator.KindHold, 1000))
			if n := len(r.simulator.Requests()); n != 2 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Goal: a copy that comes while the first is worked on is told to wait; in either
// status that Adyen documents.
//
// Shows R25.
func TestInFlight(t *testing.T) {
	for _, status := range []int{409, 422} {
		var r *rig
		r = newRig(t, simulator.Config{InFlight: status, Executing: func(string) { r.Send(pay("card_ok", manual), "adyen.any.704") }})
		r.Send(pay("card_ok", manual), "adyen.authorize.authorised")
		r.effects(effect(simulator.KindHold, 1000))
	}
}

// Goal: what was processed without our key, or belongs to another's, is told apart,
// and what it did is not doubted. Method: a payment whose key was not looked at, one
// that was refused so, and keys that somebody else used.
func TestKeysThatWereNotOurs(t *testing.T) {
	r := newRig(t, simulator.Config{})
	r.simulator.Next(simulator.FaultNoEcho, simulator.FaultNoEcho)
	if a := r.Send(pay("card_ok", manual), "adyen.authorize.authorised_no_echo"); a.Hint != payment.HintStop || a.Reference == "" {
		t.Errorf("without the key: %+v", a)
	}
	a := r.Send(pay("card_refused", manual), "adyen.authorize.refused_no_echo")
	if v := r.Table.Judge("adyen", payment.MethodAuthorize, a); v.Evidence != payment.EvidenceNoEffectNotSticky || !v.Alert {
		t.Errorf("refused without the key: %+v", v)
	}
	s := pay("card_ok", manual)
	s.Key = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	r.simulator.TakeKey(string(s.Key))
	row := "adyen.any.another_amount" // what is seen first; the reference is another too
	if a := r.Send(s, row); a.Reference != "" || a.Amount != nil {
		t.Errorf("another's payment: %+v", a)
	}
	r.effects(effect(simulator.KindHold, 1000))
}

// Goal: a cancel by our reference closes an authorization whose answer was lost, and
// says nothing about one that arrives later. Method: the cancel after the payment,
// and before it, and again under another key.
func TestFence(t *testing.T) {
	lost := newRig(t, simulator.Config{})
	lost.simulator.Next(simulator.FaultDropAfter)
	lost.Send(pay("card_ok", manual), "any.transport.broken")
	lost.Send(fence(), "adyen.fence.received")
	events := lost.told(0, "adyen.query.authorisation", "adyen.fenced.technical_cancel")
	if authorised, e := events[0], events[1]; !e.Fenced || e.Reference != "OURREFERENCE" || e.Answer.Reference != authorised.Answer.Reference {
		t.Errorf("told %+v", e)
	}
	lost.effects(effect(simulator.KindHold, 1000), effect(simulator.KindRelease, 1000))

	late := newRig(t, simulator.Config{})
	late.Send(fence(), "adyen.fence.received")
	late.told(0, "adyen.fenced.technical_cancel_refused")
	late.Send(pay("card_ok", manual), "adyen.authorize.authorised")
	again := fence()
	again.Step, again.Key = payment.StepCancel(2), "fencefencefencefencefencefence02"
	late.Send(again, "adyen.fence.received")
	late.told(1, "adyen.query.authorisation", "adyen.fenced.technical_cancel")
	late.effects(effect(simulator.KindHold, 1000), effect(simulator.KindRelease, 1000))
}

// Goal: what Adyen undoes later is told as that, beside the operation that had
// succeeded; what it refuses settles it. Method: cards of each kind.
func TestLateNews(t *testing.T) {
	for card, c := range map[string]struct {
		told    []string
		outside payment.OutsideKind // of the last event
	}{
		"card_capture_refused": {[]string{"capture_refused", "refund_refused"}, ""},
		"card_capture_failed":  {[]string{"capture", "capture_failed", "refund_refused"}, ""},
		"card_refund_refused":  {[]string{"capture", "refund_refused"}, ""},
		"card_refund_failed":   {[]string{"capture", "refund", "refund_failed"}, payment.OutsideRefundReversal},
		"card_refund_reversed": {[]string{"capture", "refund", "refund_reversed"}, payment.OutsideRefundReversal},
	} {
		r := newRig(t, simulator.Config{})
		a := r.Send(pay(card, manual), "adyen.authorize.authorised")
		r.Send(further(payment.MethodCapture, a.Reference, 1000), "adyen.capture.received")
		r.Send(further(payment.MethodRefund, a.Reference, 1000), "adyen.refund.received")
		for i := range c.told {
			c.told[i] = "adyen.query." + c.told[i]
		}
		events := r.told(1, c.told...)
		last := events[len(events)-1]
		if (last.Outside == nil) != (c.outside == "") || last.Outside != nil && (last.Outside.Kind != c.outside || last.Outside.Amount != 1000) {
			t.Errorf("%s: the last event is %+v", card, last)
		}
		if before := events[len(events)-2]; last.Outside != nil && before.Answer.Reference != last.Outside.Object {
			t.Errorf("%s: undone is %s, done was %s", card, last.Outside.Object, before.Answer.Reference)
		}
	}
}

// Goal: no log record or answer tells a secret.
func TestNothingTellsASecret(t *testing.T) {
	r := newRig(t, simulator.Config{})
	r.simulator.Next(simulator.Fault500After, simulator.FaultUnauthorized)
	s := pay("card_ok", manual)
	first, second := r.Send(s, "any.http.5xx"), r.Send(s, "adyen.any.000")
	for _, secret := range []string{"AQEsecretcredential", string(s.Key), adyentest.WebhookSecret} {
		if said := r.Log.String() + fmt.Sprint(first, second); strings.Contains(said, secret) {
			t.Errorf("%s is told", secret[:3])
		}
	}
	if r.Log.Len() == 0 {
		t.Error("nothing was logged: the test shows nothing")
	}
}
