package stripe_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
	"github.com/acquitpay/acquit/providers/transport"
	simulator "github.com/acquitpay/acquit/test/simulators/stripe"
)

// rig is an account of Stripe, built as the server builds it, with the simulator
// and the table.
type rig struct {
	*testing.T

	guard     *providers.Guard
	simulator *simulator.Simulator
	table     *mapping.Table
	log       bytes.Buffer
}

func newRig(t *testing.T, c simulator.Config) *rig {
	t.Helper()
	r := &rig{T: t, simulator: simulator.New(c)}
	server := httptest.NewServer(r.simulator)
	tr := transport.New(transport.Config{})
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		server.Close()
	})
	account := registry.Account{Name: "main", Environment: payment.EnvironmentSandbox, BaseURL: server.URL, Credential: "sk_test_secret"}
	driver, target, err := registry.New("stripe", account)
	if err != nil {
		t.Fatal(err)
	}
	r.guard, err = providers.New(providers.Config{
		Name: account.Name, Driver: driver, Target: target, Credential: registry.CredentialID(account.Credential),
		BaseURL: account.BaseURL, Transport: tr, Logger: slog.New(slog.NewJSONHandler(&r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.table, err = mapping.Load(); err != nil {
		t.Fatal(err)
	}
	return r
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
	s := stripetest.Send(m)
	s.Parent, s.Amount.MinorUnits = parent, units
	s.Key = payment.ProviderKey(fmt.Sprintf("%032x", string(m)))
	return s
}

// send makes one counted send and expects a row.
func (r *rig) send(s payment.Send, row string) payment.Answer {
	r.Helper()
	return r.sendWithin(s, row, 30*time.Second)
}

func (r *rig) sendWithin(s payment.Send, row string, patience time.Duration) payment.Answer {
	r.Helper()
	hash, err := r.guard.Prepare(s)
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	a, err := r.guard.Send(ctx, s, hash)
	if err != nil {
		r.Fatal(err)
	}
	m := s.Method
	if s.Step.Fence() {
		m = mapping.Fence
	}
	r.judge(m, a, row)
	return a
}

// ask looks the object of s up and expects a row.
func (r *rig) ask(s payment.Send, m payment.Method, row string) payment.Answer {
	r.Helper()
	a, err := r.guard.Query(r.Context(), s)
	if err != nil {
		r.Fatal(err)
	}
	r.judge(m, a, row)
	return a
}

func (r *rig) judge(m payment.Method, a payment.Answer, row string) {
	r.Helper()
	if v := r.table.Judge("stripe", m, a); v.Row != row {
		r.Errorf("%s is judged by %s, want %s (answer %+v)", m, v.Row, row, a)
	}
}

// fence cancels the authorization of s and expects a row.
func (r *rig) fence(s payment.Send, id payment.ProviderReference, row string) payment.Send {
	r.Helper()
	f := s
	f.Step, f.Key, f.ProviderReference = payment.StepCancel(1), "fencefencefencefencefencefence01", id
	r.send(f, row)
	s.ProviderReference = id
	return s
}

// effects expects the log to be of these kinds and amounts.
func (r *rig) effects(want ...simulator.Effect) {
	r.Helper()
	var got []simulator.Effect
	for _, e := range r.simulator.Effects() {
		got = append(got, simulator.Effect{Kind: e.Kind, Amount: e.Amount})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.Errorf("effects (-want +got):\n%s", diff)
	}
}

func effect(k simulator.Kind, amount int64) simulator.Effect {
	return simulator.Effect{Kind: k, Amount: amount}
}
