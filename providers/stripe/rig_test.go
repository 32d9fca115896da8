package stripe_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
	simulator "github.com/acquitpay/acquit/test/simulators/stripe"
)

// rig is an account of Stripe, with the simulator.
type rig struct {
	*providertest.Account

	simulator *simulator.Simulator
}

func newRig(t *testing.T, c simulator.Config) *rig {
	t.Helper()
	s := simulator.New(c)
	return &rig{providertest.Open(t, "stripe", s, registry.Account{Credential: "sk_test_secret"}), s}
}

// pay is an authorization with a payment method.
func pay(method string, mode payment.CaptureMode) payment.Send {
	s := stripetest.Send(payment.MethodAuthorize)
	s.Instruction.Tokens["main"] = payment.Token{StoredID: method}
	s.Instruction.CaptureMode, s.Instruction.StoredCredential = mode, nil
	return s
}

// further is a send of another verb on an authorization.
func further(m payment.Method, parent payment.ProviderReference, units int64) payment.Send {
	return providertest.Further(stripetest.Send(m), parent, units)
}

// fence cancels the authorization of s and expects a row.
func (r *rig) fence(s payment.Send, id payment.ProviderReference, row string) payment.Send {
	r.Helper()
	r.Send(providertest.Fence(s, id), row)
	s.ProviderReference = id
	return s
}

// effects expects the log to be of these kinds and amounts.
func (r *rig) effects(want ...simulator.Effect) {
	r.Helper()
	if diff := cmp.Diff(want, r.simulator.Sums()); diff != "" {
		r.Errorf("effects (-want +got):\n%s", diff)
	}
}

func effect(k simulator.Kind, amount int64) simulator.Effect {
	return simulator.Effect{Kind: k, Amount: amount}
}
