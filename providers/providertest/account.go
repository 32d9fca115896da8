package providertest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/transport"
)

// Account is an account of a driver, built as the server builds it, at a provider that
// a test brings along; what the provider answers is judged by the table. Whatever is no
// answer ends the test.
type Account struct {
	*testing.T

	Driver providers.Driver
	Guard  *providers.Guard
	Table  *mapping.Table
	Log    bytes.Buffer // what the guard has logged

	driver string
}

// Open opens an account until the test ends. Its address is the provider's, and its
// name main, since the instructions of this package's callers have their tokens there.
func Open(t *testing.T, driver string, provider http.Handler, c registry.Account) *Account {
	t.Helper()
	a := &Account{T: t, Table: Table(t), driver: driver}
	server := httptest.NewServer(provider)
	tr := transport.New(transport.Config{})
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		server.Close()
	})
	c.Name, c.Environment, c.BaseURL = "main", payment.EnvironmentSandbox, server.URL
	var target payment.Target
	var err error
	if a.Driver, target, err = registry.New(driver, c); err != nil {
		t.Fatal(err)
	}
	a.Guard, err = providers.New(providers.Config{
		Name: c.Name, Driver: a.Driver, Target: target, Credential: registry.CredentialID(c.Credential),
		BaseURL: c.BaseURL, Transport: tr, Logger: slog.New(slog.NewJSONHandler(&a.Log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Exchange makes one counted send, and says what its answer proves.
func (a *Account) Exchange(s payment.Send, patience time.Duration) (payment.Answer, payment.Verdict) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	answer := exchange(ctx, a.T, a.Guard, s)
	return answer, a.Table.Judge(a.driver, judged(s), answer)
}

// Send makes one counted send and expects a row.
func (a *Account) Send(s payment.Send, row string) payment.Answer {
	a.Helper()
	return a.SendWithin(s, row, 30*time.Second)
}

// SendWithin is Send with another patience.
func (a *Account) SendWithin(s payment.Send, row string, patience time.Duration) payment.Answer {
	a.Helper()
	answer, v := a.Exchange(s, patience)
	a.is(judged(s), answer, v, row)
	return answer
}

// Ask looks the object of a send up and expects a row of m.
func (a *Account) Ask(s payment.Send, m payment.Method, row string) payment.Answer {
	a.Helper()
	answer, err := a.Guard.Query(a.Context(), s)
	if err != nil {
		a.Fatal(err)
	}
	a.Judge(m, answer, row)
	return answer
}

// Judge expects a row of m for an answer.
func (a *Account) Judge(m payment.Method, answer payment.Answer, row string) {
	a.Helper()
	a.is(m, answer, a.Table.Judge(a.driver, m, answer), row)
}

func (a *Account) is(m payment.Method, answer payment.Answer, v payment.Verdict, row string) {
	a.Helper()
	if v.Row != row {
		a.Errorf("%s is judged by %s, want %s (answer %+v)", m, v.Row, row, answer)
	}
}

// exchange makes one counted send.
func exchange(ctx context.Context, t *testing.T, g *providers.Guard, s payment.Send) payment.Answer {
	t.Helper()
	hash, err := g.Prepare(s)
	if err != nil {
		t.Fatalf("%s, step %s: %v", s.Method, s.Step, err)
	}
	answer, err := g.Send(ctx, s, hash)
	if err != nil {
		t.Fatalf("%s, step %s: %v", s.Method, s.Step, err)
	}
	return answer
}

// judged is the operation whose rows judge the answer to a send.
func judged(s payment.Send) payment.Method {
	if s.Step.Fence() {
		return mapping.Fence
	}
	return s.Method
}
