package providers_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/transport"
)

// bench is a guard over a scripted driver and a server that counts.
type bench struct {
	*providers.Guard
	received atomic.Int32
	log      bytes.Buffer
}

type option func(*providers.Config)

func newBench(t *testing.T, d providers.Driver, h http.HandlerFunc, options ...option) *bench {
	t.Helper()
	b := &bench{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.received.Add(1)
		if h != nil {
			h(w, r)
		}
	}))
	t.Cleanup(server.Close)
	tr := transport.New(transport.Config{})
	t.Cleanup(tr.CloseIdleConnections)
	c := providers.Config{
		Name: "main", Driver: d, BaseURL: server.URL, Transport: tr, Credential: "cred_1",
		Target: payment.Target{Driver: "scripted", Environment: payment.EnvironmentSandbox, Host: strings.TrimPrefix(server.URL, "http://")},
		Logger: slog.New(slog.NewJSONHandler(&b.log, nil)),
	}
	for _, o := range options {
		o(&c)
	}
	var err error
	if b.Guard, err = providers.New(c); err != nil {
		t.Fatal(err)
	}
	return b
}
