package providers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/transport"
)

// Goal: an account that could send money's requests to the wrong place, or
// without what protects them, does not start.
func TestNewRefuses(t *testing.T) {
	good := func() providers.Config {
		return providers.Config{
			Name: "main", Driver: scripted{}, BaseURL: "https://api.example", Transport: transport.New(transport.Config{}),
			Target: payment.Target{Environment: payment.EnvironmentLive, Host: "api.example"},
		}
	}
	if _, err := providers.New(good()); err != nil {
		t.Fatalf("a good configuration is refused: %v", err)
	}
	cases := map[string]func(*providers.Config){
		"no name":           func(c *providers.Config) { c.Name = "" },
		"no driver":         func(c *providers.Config) { c.Driver = nil },
		"no transport":      func(c *providers.Config) { c.Transport = nil },
		"live without TLS":  func(c *providers.Config) { c.BaseURL = "http://api.example" },
		"another scheme":    func(c *providers.Config) { c.BaseURL = "ftp://api.example" },
		"another host":      func(c *providers.Config) { c.BaseURL = "https://elsewhere.example" },
		"a path":            func(c *providers.Config) { c.BaseURL = "https://api.example/v1" },
		"a query":           func(c *providers.Config) { c.BaseURL = "https://api.example?secret=1" },
		"a password":        func(c *providers.Config) { c.BaseURL = "https://me:secret@api.example" },
		"malformed":         func(c *providers.Config) { c.BaseURL = "https://secret%zz" },
		"no methods":        func(c *providers.Config) { c.Driver = scripted{traits: func(t *payment.Traits) { t.Methods = nil }} },
		"no length of keys": func(c *providers.Config) { c.Driver = scripted{traits: func(t *payment.Traits) { t.KeyMax = 0 }} },
		"no resend window":  func(c *providers.Config) { c.Driver = scripted{traits: func(t *payment.Traits) { t.ResendWindow = 0 }} },
		"negative resend window": func(c *providers.Config) {
			c.Driver = scripted{traits: func(t *payment.Traits) { t.ResendWindow = -1 }}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			c := good()
			change(&c)
			_, err := providers.New(c)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Goal: what the guard says of itself is what was configured.
func TestGuardNamesItself(t *testing.T) {
	b := newBench(t, scripted{}, nil)
	if b.Name() != "main" || b.Credential() != "cred_1" || b.Traits().Driver != "scripted" || b.Target().Environment != payment.EnvironmentSandbox {
		t.Errorf("%s %s %+v %+v", b.Name(), b.Credential(), b.Traits(), b.Target())
	}
}

// Goal: the failpoints lie where their names say. Method: a server that reports
// when headers and body are in, and a probe that waits for that report before
// it lets the exchange go on, so that a point placed too early would hang.
func TestProbesLieWhereTheirNamesSay(t *testing.T) {
	headers, body := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var points []payment.Point
	wait := func(ctx context.Context, c chan struct{}) {
		select {
		case <-c:
		case <-ctx.Done():
			t.Error("the server has not received what the point says was sent")
		}
	}
	probe := func(ctx context.Context, p payment.Point) {
		mu.Lock()
		points = append(points, p)
		mu.Unlock()
		if p == payment.PointSendAfterHeaders {
			wait(ctx, headers)
		}
		if p == payment.PointSendAfterBody {
			wait(ctx, body)
		}
	}
	b := newBench(t, scripted{}, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		close(headers)
		buf := make([]byte, 4096)
		for n := 0; n < int(r.ContentLength); {
			m, err := r.Body.Read(buf)
			n += m
			if err != nil && n < int(r.ContentLength) {
				t.Error(err)
				return
			}
		}
		close(body)
	}, func(c *providers.Config) { c.Probe = probe })

	hash, err := b.Prepare(someSend())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if a, err := b.Send(ctx, someSend(), hash); err != nil || a.Code != "authorized" {
		t.Fatalf("answer %+v, error %v", a, err)
	}
	want := []payment.Point{payment.PointSendAfterHeaders, payment.PointSendAfterBody, payment.PointResponseReceived}
	if !slices.Equal(points, want) {
		t.Errorf("points %v, want %v", points, want)
	}
}

// Goal: a credential shows itself to nobody who prints it.
func TestSecretsArePrintedByNobody(t *testing.T) {
	type config struct {
		Credential providers.Secret `json:"credential"`
	}
	c := config{"sk_secret"}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%q %x", c.Credential, c), string(raw), c.Credential.LogValue().String()} {
		if strings.Contains(text, "sk_secret") || !strings.Contains(text, "redacted") {
			t.Errorf("printed as %s", text)
		}
	}
	if string(c.Credential) != "sk_secret" {
		t.Error("the value is lost")
	}
}
