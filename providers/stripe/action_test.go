package stripe_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	simulator "github.com/acquitpay/acquit/test/simulators/stripe"
)

const secure = "pm_card_threeDSecure2Required"

// Goal: a payer gets what they need to act, and after that the look-up shows what
// came of it. Method: both kinds of action, passed and failed.
func TestActions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		returnURL string
		passes    bool
		row       string
		effects   []simulator.Effect
	}{
		"page, passed":    {"https://shop.example/back", true, "stripe.query.requires_capture", []simulator.Effect{effect(simulator.KindHold, 1000)}},
		"library, passed": {"", true, "stripe.query.requires_capture", []simulator.Effect{effect(simulator.KindHold, 1000)}},
		"page, failed":    {"https://shop.example/back", false, "stripe.query.requires_payment_method", nil},
		"library, failed": {"", false, "stripe.query.requires_payment_method", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s := newRig(t, simulator.Config{}), pay(secure, payment.CaptureManual)
			s.Instruction.ReturnURL = c.returnURL
			a := r.Send(s, "stripe.authorize.requires_action")
			r.action(a, c.returnURL != "")
			s.ProviderReference = a.Reference
			r.action(r.Ask(s, mapping.Query, "stripe.query.requires_action"), c.returnURL != "")
			if err := r.simulator.Authenticate(string(a.Reference), c.passes); err != nil {
				t.Fatal(err)
			}
			r.Ask(s, mapping.Query, c.row)
			r.effects(c.effects...)
		})
	}
}

// action checks what a payer is handed, and that nobody else is.
func (r *rig) action(a payment.Answer, page bool) {
	r.Helper()
	if a.NextAction == nil {
		r.Fatalf("no action in %+v", a)
	}
	var sdk struct {
		Type         string `json:"type"`
		ClientSecret string `json:"client_secret"`
	}
	n := a.NextAction
	switch {
	case page && (!strings.HasPrefix(n.RedirectURL, "https://hooks.stripe.com/") || n.RedirectMethod != "GET" || n.ProviderSDK != nil):
		r.Errorf("the page is %+v", n)
	case !page && (json.Unmarshal(n.ProviderSDK, &sdk) != nil || sdk.Type != "use_stripe_sdk" || !strings.HasPrefix(sdk.ClientSecret, string(a.Reference)+"_secret_")):
		r.Errorf("the library is given %s", n.ProviderSDK)
	}
	a.NextAction = nil
	raw, err := json.Marshal(a)
	if err != nil {
		r.Fatal(err)
	}
	if strings.Contains(string(raw)+r.Log.String(), "_secret_") {
		r.Errorf("the client secret is where it is not needed: %s %s", raw, &r.Log)
	}
}

// Goal: a payment that was declined after its payer got an action is not final
// until it is canceled: the payer may try another card. Method: they do, before
// and after the cancel.
func TestDeclinedAfterAnAction(t *testing.T) {
	t.Parallel()
	secretOf := func(a payment.Answer) string {
		var sdk map[string]string
		if err := json.Unmarshal(a.NextAction.ProviderSDK, &sdk); err != nil {
			t.Fatal(err)
		}
		return sdk["client_secret"]
	}
	start := func(t *testing.T) (*rig, payment.Send, payment.Answer) {
		t.Helper()
		r, s := newRig(t, simulator.Config{}), pay("pm_card_threeDSecureRequiredChargeDeclined", payment.CaptureManual)
		s.Instruction.ReturnURL = ""
		a := r.Send(s, "stripe.authorize.requires_action")
		if err := r.simulator.Authenticate(string(a.Reference), true); err != nil {
			t.Fatal(err)
		}
		s.ProviderReference = a.Reference
		if declined := r.Ask(s, mapping.Query, "stripe.query.requires_payment_method"); declined.Decline != "generic_decline" {
			t.Errorf("declined: %+v", declined)
		}
		return r, s, a
	}
	t.Run("canceled first", func(t *testing.T) {
		t.Parallel()
		r, s, a := start(t)
		after := r.fence(s, a.Reference, "stripe.fence.canceled")
		r.Ask(after, mapping.Fenced, "stripe.fenced.canceled_generic_decline")
		if r.simulator.Confirm(string(a.Reference), secretOf(a), "pm_card_visa") == nil {
			t.Error("the payer could still pay")
		}
		r.effects()
	})
	t.Run("paid first", func(t *testing.T) {
		t.Parallel()
		r, s, a := start(t)
		if err := r.simulator.Confirm(string(a.Reference), secretOf(a), "pm_card_visa"); err != nil {
			t.Fatal(err)
		}
		r.Ask(s, mapping.Query, "stripe.query.requires_capture")
		r.effects(effect(simulator.KindHold, 1000))
	})
}

// Goal: a fence releases what is held, and where that is too late the money that
// was taken is claimed. Method: fences of a hold, of a capture at once, of a
// payment that is processed, and of nothing that is known.
func TestFences(t *testing.T) {
	t.Parallel()
	t.Run("of a hold", func(t *testing.T) {
		t.Parallel()
		r, s := newRig(t, simulator.Config{}), pay("pm_card_visa", payment.CaptureManual)
		r.simulator.Next(simulator.Fault500After)
		r.Send(s, "stripe.any.server_error")
		id := r.Ask(s, mapping.Query, "stripe.query.requires_capture").Reference
		s.ProviderReference = id
		r.Ask(s, mapping.Fenced, "stripe.fenced.requires_capture")
		r.fence(s, id, "stripe.fence.canceled")
		r.fence(s, id, "stripe.fence.canceled") // the same step: replayed
		r.Ask(s, mapping.Fenced, "stripe.fenced.canceled")
		r.effects(effect(simulator.KindHold, 1000), effect(simulator.KindRelease, 1000))
	})
	t.Run("of what was captured at once", func(t *testing.T) {
		t.Parallel()
		r, s := newRig(t, simulator.Config{}), pay("pm_card_visa", payment.CaptureAutomatic)
		id := r.Send(s, "stripe.authorize.succeeded").Reference
		after := r.fence(s, id, "stripe.fence.unexpected_state")
		if a := r.Ask(after, mapping.Fenced, "stripe.fenced.succeeded"); !a.Captured || a.Amount == nil {
			t.Errorf("claimed %+v", a)
		}
		r.effects(effect(simulator.KindCharge, 1000))
	})
	t.Run("of what is processed", func(t *testing.T) {
		t.Parallel()
		r, s := newRig(t, simulator.Config{}), pay("pm_processing", payment.CaptureManual)
		id := r.Send(s, "stripe.authorize.processing").Reference
		after := r.fence(s, id, "stripe.fence.unexpected_state")
		r.Ask(after, mapping.Fenced, "stripe.fenced.processing")
		r.effects()
	})
	t.Run("of what is not there", func(t *testing.T) {
		t.Parallel()
		r, s := newRig(t, simulator.Config{}), pay("pm_card_visa", payment.CaptureManual)
		after := r.fence(s, "pi_none", "stripe.any.resource_missing")
		r.Ask(after, mapping.Fenced, "stripe.any.resource_missing")
	})
}
