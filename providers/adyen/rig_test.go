package adyen_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/registry"
	simulator "github.com/acquitpay/acquit/test/simulators/adyen"
)

// rig is an account of Adyen, with the simulator.
type rig struct {
	*providertest.Account

	simulator *simulator.Simulator
}

func newRig(t *testing.T, c simulator.Config) *rig {
	t.Helper()
	c.WebhookSecret = adyentest.WebhookSecret
	s := simulator.New(c)
	return &rig{providertest.Open(t, "adyen", s, registry.Account{
		MerchantID: adyentest.MerchantAccount, Credential: "AQEsecretcredential", WebhookSecrets: []providers.Secret{adyentest.WebhookSecret},
	}), s}
}

// pay is an authorization with a card.
func pay(card string, mode payment.CaptureMode) payment.Send {
	s := adyentest.Send(payment.MethodAuthorize)
	s.Instruction.Tokens["main"] = payment.Token{StoredID: card}
	s.Instruction.CaptureMode = mode
	return s
}

// further is a send of another verb on a payment.
func further(m payment.Method, parent payment.ProviderReference, units int64) payment.Send {
	return providertest.Further(adyentest.Send(m), parent, units)
}

// told reads the webhook with everything that happened since the first n events,
// and expects a row for each event in it.
func (r *rig) told(n int, rows ...string) []payment.Event {
	r.Helper()
	body := r.simulator.Webhook(r.simulator.Events()[n:]...)
	got, err := r.Driver.Webhook(r.Context(), providers.Delivery{Method: "POST", Body: body, Received: time.Now()})
	if err != nil || got.Unread != nil || got.Forged != 0 || len(got.Events) != len(rows) {
		r.Fatalf("told %+v, error %v, want %d events", got, err, len(rows))
	}
	for i, e := range got.Events {
		m := mapping.Query
		if e.Fenced {
			m = mapping.Fenced
		}
		e.Answer.Transport, e.Answer.HTTPStatus = payment.TransportAnswered, 200 // as the guard says
		r.Judge(m, e.Answer, rows[i])
	}
	return got.Events
}

// effects expects the log to be of these kinds and amounts.
func (r *rig) effects(want ...simulator.Effect) {
	r.Helper()
	if diff := cmp.Diff(want, r.simulator.Sums()); diff != "" {
		r.Errorf("effects (-want +got):\n%s", diff)
	}
}

func effect(k simulator.Kind, value int64) simulator.Effect {
	return simulator.Effect{Kind: k, Amount: value}
}
