package adyen_test

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
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/transport"
	simulator "github.com/acquitpay/acquit/test/simulators/adyen"
)

// rig is an account of Adyen, built as the server builds it, with the simulator and
// the table.
type rig struct {
	*testing.T

	driver    *adyen.Driver
	guard     *providers.Guard
	simulator *simulator.Simulator
	table     *mapping.Table
	log       bytes.Buffer
}

func newRig(t *testing.T, c simulator.Config) *rig {
	t.Helper()
	c.WebhookSecret = adyentest.WebhookSecret
	r := &rig{T: t, simulator: simulator.New(c)}
	server := httptest.NewServer(r.simulator)
	tr := transport.New(transport.Config{})
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		server.Close()
	})
	account := registry.Account{
		Name: "main", Environment: payment.EnvironmentSandbox, BaseURL: server.URL, MerchantID: adyentest.MerchantAccount,
		Credential: "AQEsecretcredential", WebhookSecrets: []providers.Secret{adyentest.WebhookSecret},
	}
	driver, target, err := registry.New("adyen", account)
	if err != nil {
		t.Fatal(err)
	}
	var is bool
	if r.driver, is = driver.(*adyen.Driver); !is {
		t.Fatalf("the driver is a %T", driver)
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

// pay is an authorization with a card.
func pay(card string, mode payment.CaptureMode) payment.Send {
	s := adyentest.Send(payment.MethodAuthorize)
	s.Instruction.Tokens["main"] = payment.Token{StoredID: card}
	s.Instruction.CaptureMode = mode
	return s
}

// further is a send of another verb on a payment.
func further(m payment.Method, parent payment.ProviderReference, units int64) payment.Send {
	s := adyentest.Send(m)
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

func (r *rig) judge(m payment.Method, a payment.Answer, row string) {
	r.Helper()
	if v := r.table.Judge("adyen", m, a); v.Row != row {
		r.Errorf("%s is judged by %s, want %s (answer %+v)", m, v.Row, row, a)
	}
}

// told reads the webhook with everything that happened since the first n events,
// and expects a row for each event in it.
func (r *rig) told(n int, rows ...string) []payment.Event {
	r.Helper()
	body := r.simulator.Webhook(r.simulator.Events()[n:]...)
	got, err := r.driver.Webhook(r.Context(), providers.Delivery{Method: "POST", Body: body, Received: time.Now()})
	if err != nil || got.Unread != nil || got.Forged != 0 || len(got.Events) != len(rows) {
		r.Fatalf("told %+v, error %v, want %d events", got, err, len(rows))
	}
	for i, e := range got.Events {
		m := mapping.Query
		if e.Fenced {
			m = mapping.Fenced
		}
		e.Answer.Transport, e.Answer.HTTPStatus = payment.TransportAnswered, 200 // as the guard says
		r.judge(m, e.Answer, rows[i])
	}
	return got.Events
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

func effect(k simulator.Kind, value int64) simulator.Effect {
	return simulator.Effect{Kind: k, Amount: value}
}
