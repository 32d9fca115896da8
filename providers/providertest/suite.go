package providertest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/transport"
)

// property is one thing that every driver shows.
type property struct {
	name  string
	check func(w *world)
}

// group is the properties of one concern.
type group struct {
	name       string
	properties []property
}

func groups() []group {
	return []group{
		{"wire", wireProperties()},
		{"key", keyProperties()},
		{"fault", faultProperties()},
		{"discipline", disciplineProperties()},
		{"sample", sampleProperties()},
		{"amount", amountProperties()},
		{"query", queryProperties()},
		{"fence", fenceProperties()},
		{"unsupported", unsupportedProperties()},
		{"secret", secretProperties()},
		{"sign", signProperties()},
		{"pure", pureProperties()},
		{"webhook", webhookProperties()},
	}
}

// Run runs the suite on a driver.
func Run(t *testing.T, c Config) {
	t.Helper()
	if err := c.incomplete(); err != nil {
		t.Fatal(err)
	}
	table := Table(t)
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			for _, p := range g.properties {
				t.Run(p.name, func(t *testing.T) { p.check(newWorld(t, c, table)) })
			}
		})
	}
}

// world is an account of the driver, as the server builds it, and a provider
// that follows a script.
type world struct {
	*testing.T

	Config
	traits payment.Traits
	table  *mapping.Table
	server *scripted
	log    bytes.Buffer
	guard  *providers.Guard
	ears   map[string]*providers.Guard // by their webhook secrets
}

func newWorld(t *testing.T, c Config, table *mapping.Table) *world {
	t.Helper()
	w := &world{
		T: t, Config: c, traits: c.New(c.Credentials[0]).Traits(), table: table, server: newScripted(t), ears: map[string]*providers.Guard{},
	}
	w.guard = w.open(c.Credentials[0], w.server.URL)
	return w
}

// open builds a guard, with a driver and connections of its own.
func (w *world) open(credential providers.Secret, address string) *providers.Guard {
	w.Helper()
	tr := transport.New(transport.Config{})
	w.Cleanup(tr.CloseIdleConnections)
	g, err := providers.New(providers.Config{
		Name: "main", Driver: w.New(credential), BaseURL: address, Transport: tr, Credential: "credential",
		Target: payment.Target{Driver: w.traits.Driver, Environment: payment.EnvironmentSandbox, Host: strings.TrimPrefix(address, "http://")},
		Logger: slog.New(traced{slog.NewJSONHandler(&w.log, nil)}),
	})
	if err != nil {
		w.Fatal(err)
	}
	return g
}

// nowhere is an address at which nobody listens.
func (w *world) nowhere() string {
	server := httptest.NewServer(nil)
	defer server.Close()
	return server.URL
}

// sends is a send of each method that the driver declares.
func (w *world) sends() []payment.Send {
	var list []payment.Send
	for _, m := range w.traits.Methods {
		list = append(list, w.Send(m))
	}
	return list
}

// writes are the sends, and the fence of an authorization if there is one.
func (w *world) writes() []payment.Send {
	if w.traits.Fence == payment.FenceNone {
		return w.sends()
	}
	return append(w.sends(), w.fence())
}

// fence is the send that cancels an authorization.
func (w *world) fence() payment.Send {
	s := w.Send(payment.MethodAuthorize)
	s.Step, s.Key, s.ProviderReference = payment.StepCancel(1), "fe0cefe0cefe0cefe0cefe0cefe0ce01", "obj_1"
	return s
}

// send makes one counted send and judges the answer.
func (w *world) send(s payment.Send) (payment.Answer, payment.Verdict) {
	w.Helper()
	return w.sendOn(w.guard, s, 30*time.Second)
}

func (w *world) sendOn(g *providers.Guard, s payment.Send, patience time.Duration) (payment.Answer, payment.Verdict) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	return w.sendWithin(ctx, g, s)
}

func (w *world) sendWithin(ctx context.Context, g *providers.Guard, s payment.Send) (payment.Answer, payment.Verdict) {
	w.Helper()
	a := exchange(ctx, w.T, g, s)
	return a, w.table.Judge(w.traits.Driver, judged(s), a)
}

// ask looks the object of s up and judges the answer.
func (w *world) ask(s payment.Send, m payment.Method) (payment.Answer, payment.Verdict) {
	w.Helper()
	a, err := w.guard.Query(w.Context(), s)
	if err != nil {
		w.Fatalf("look-up of a %s: %v", s.Method, err)
	}
	return a, w.table.Judge(w.traits.Driver, m, a)
}

// able reports whether the provider can say something, and logs why not.
func (w *world) able(a Ability) bool {
	w.Helper()
	if reason := w.cannot(a); reason != "" {
		w.Logf("not shown, since this provider cannot %s: %s", a, reason)
		return false
	}
	return true
}

// effective reports whether evidence says that something was done, or will be.
func effective(e payment.Evidence) bool {
	return slices.Contains([]payment.Evidence{payment.EvidenceEffect, payment.EvidencePending}, e)
}
