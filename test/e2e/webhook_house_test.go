package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/providers/truelayer"
	"github.com/acquitpay/acquit/server/webhook"
)

// webhookSecret signs what is delivered to an account.
func (r remote) webhookSecret() providers.Secret {
	switch r.driver {
	case sandbox.Name:
		return providers.Secret("PLANTEDWEBHOOK" + string(r.account))
	case adyen.Name:
		return providers.Secret(hex.EncodeToString([]byte("PLANTEDWEBHOOK" + string(r.account))))
	case amazonpay.Name:
		return providers.Secret(amazonTopics + string(r.account))
	case truelayer.Name:
		return providers.Secret("/PLANTEDWEBHOOK/" + string(r.account))
	}
	return "whsec_simulator"
}

// takesWebhooks serves the process' webhooks in memory, as the server does over HTTP.
func (p *process) takesWebhooks(guards []webhook.Account) {
	p.h.Helper()
	handler, err := webhook.New(webhook.Config{Accounts: guards, Taker: p.flow, Logger: p.h.logger(), Tracer: p.h.tracer, Meter: p.h.meter})
	if err != nil {
		p.h.Fatal(err)
	}
	p.webhooks = &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(p.webhooks); !errors.Is(err, http.ErrServerClosed) {
			p.h.Errorf("webhooks: %v", err)
		}
	})
	p.h.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := handler.Drain(ctx); err != nil {
			p.h.Errorf("webhooks: %v", err)
		}
		_ = s.Close()
		serving.Wait()
	})
}

// courier is a client that delivers to the process that was started last, on a
// connection of its own each time.
func (h *house) courier() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if len(h.processes) == 0 {
			return nil, errors.New("nobody is there yet")
		}
		return h.processes[len(h.processes)-1].webhooks.dial(ctx)
	}}}
}

// hooks is where an account at the sandbox tells of its objects, with what goes
// wrong with that.
func hooks(account payment.AccountName, w simulator.Webhook) func(string) simulator.Webhook {
	w.URL, w.Secret = webhookURL(account), string(remote{account: account, driver: sandbox.Name}.webhookSecret())
	return func(string) simulator.Webhook { return w }
}

func webhookURL(account payment.AccountName) string {
	return "http://acquit.test" + webhook.Prefix + string(account)
}

// delivers posts a body to an account of the process under a signature header.
func (h *house) delivers(account payment.AccountName, header, signature string, body []byte) (status int) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), http.MethodPost, webhookURL(account), bytes.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set(header, signature)
	resp, err := h.courier().Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// tells delivers an event of the sandbox as its simulator signs it at a time.
func (h *house) tells(account payment.AccountName, body string, at time.Time) (status int) {
	h.Helper()
	secret := remote{account: account, driver: sandbox.Name}.webhookSecret()
	return h.delivers(account, "Acquit-Sandbox-Signature", simulator.Signature(string(secret), []byte(body), at), []byte(body))
}

// results are the webhooks so far by what became of them.
func (h *house) results() map[string]int64 {
	h.Helper()
	return h.counted("acquit.webhook.results", "acquit.webhook.result")
}

// counted is what a counter has counted, by one of its attributes.
func (h *house) counted(name string, by attribute.Key) map[string]int64 {
	h.Helper()
	var all metricdata.ResourceMetrics
	if err := h.reader.Collect(h.Context(), &all); err != nil {
		h.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != name {
				continue
			}
			for _, p := range sum.DataPoints {
				value, _ := p.Attributes.Value(by)
				if p.Value > 0 { // some are there before they count
					got[value.AsString()] += p.Value
				}
			}
		}
	}
	return got
}
