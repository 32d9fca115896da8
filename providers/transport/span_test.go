package transport_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/providers/transport"
)

// Goal: every exchange leaves one client span under the caller's, which tells
// where it went and how it ended, and nothing secret; the provider is told
// nothing of our traces. Method: an in-memory exporter, and a server that looks
// for trace headers.
func TestClientSpan(t *testing.T) {
	var told atomic.Bool
	server := startServer(t, func(_ int, r *http.Request, c net.Conn) bool {
		for _, h := range (propagation.TraceContext{}).Fields() {
			if r.Header.Get(h) != "" {
				told.Store(true)
			}
		}
		switch r.URL.Path {
		case "/v1/drop/secret-id":
			return false
		case "/v1/fail":
			return answer(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		}
		return answer(c, "HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\n\r\n")
	})
	exporter := tracetest.NewInMemoryExporter()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tr := transport.New(transport.Config{TracerProvider: traces})
	t.Cleanup(tr.CloseIdleConnections)

	ctx, parent := traces.Tracer("test").Start(t.Context(), "payment.attempt")
	send(ctx, t, tr, server.url("/v1/decline?secret-query"), "/v1/decline")
	send(ctx, t, tr, server.url("/v1/fail"), "")
	send(ctx, t, tr, server.url("/v1/drop/secret-id"), "/v1/drop/{id}")
	parent.End()

	type span struct {
		Name       string
		Status     codes.Code
		Attributes map[string]string
	}
	var got []span
	for _, s := range exporter.GetSpans() {
		if s.Name == "payment.attempt" {
			continue
		}
		if s.Parent.SpanID() != parent.SpanContext().SpanID() || s.SpanKind != trace.SpanKindClient {
			t.Errorf("span %s is no client span under the caller's", s.Name)
		}
		attrs := map[string]string{}
		for _, a := range s.Attributes {
			if a.Key != attribute.Key("server.port") {
				attrs[string(a.Key)] = a.Value.String()
			}
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("span %s tells too much: %s", s.Name, a.Value.String())
			}
		}
		got = append(got, span{s.Name, s.Status.Code, attrs})
	}
	base := func(more ...string) map[string]string {
		m := map[string]string{"http.request.method": "POST", "url.scheme": "http", "server.address": "127.0.0.1"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	want := []span{
		{"POST /v1/decline", codes.Unset, base("url.template", "/v1/decline", "http.response.status_code", "402")},
		{"POST", codes.Error, base("http.response.status_code", "503", "error.type", "503")},
		{"POST /v1/drop/{id}", codes.Error, base("url.template", "/v1/drop/{id}", "error.type", "broken", "acquit.wire.stage", "the request was written")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
	if told.Load() {
		t.Error("the provider was sent trace headers")
	}
}

func send(ctx context.Context, t *testing.T, tr *transport.Transport, url, pattern string) {
	t.Helper()
	r := write(t, http.MethodPost, url, []byte("secret-body"))
	r.Header.Set("Authorization", "Bearer secret")
	r.Pattern = pattern
	_, _, _ = tr.Do(ctx, r)
}
