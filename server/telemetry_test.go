package server

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// spans is a collector that keeps what it gets, by name.
type spans struct {
	collector.UnimplementedTraceServiceServer

	mu        sync.Mutex
	traces    map[string]map[string]bool // span name → trace ids
	resources map[string]bool
}

// Export implements collector.TraceServiceServer.
func (s *spans) Export(_ context.Context, r *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			s.resources[a.GetKey()+"="+a.GetValue().GetStringValue()] = true
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				if s.traces[span.GetName()] == nil {
					s.traces[span.GetName()] = map[string]bool{}
				}
				s.traces[span.GetName()][string(span.GetTraceId())] = true
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// collects runs a collector and returns its address.
func collects(t *testing.T) (*spans, string) {
	t.Helper()
	got := &spans{traces: map[string]map[string]bool{}, resources: map[string]bool{}}
	var listener net.ListenConfig
	bound, err := listener.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, got)
	go func() { _ = s.Serve(bound) }()
	t.Cleanup(s.Stop)
	return got, bound.Addr().String()
}

// TestSpansAreExported: with a collector configured the spans of a call arrive
// there, the last ones at the latest when the server has stopped, and name the
// service; one trace holds the call and what it sent.
func TestSpansAreExported(t *testing.T) {
	got, addr := collects(t)
	r := start(t, func(c *Config) { c.Telemetry.OTLPEndpoint = addr })
	authorize(t, acquitv1.NewPaymentServiceClient(r.dial(t)), "order-1", "tok_ok")
	r.stop()
	if err := r.wait(t); err != nil {
		t.Fatal(err)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	if !got.resources["service.name=acquit"] || !got.resources["service.version="+Version] {
		t.Errorf("resources %v", got.resources)
	}
	call, attempt := got.traces["acquit.v1.PaymentService/Authorize"], got.traces["payment.attempt"]
	if len(call) != 1 || len(attempt) != 1 {
		t.Fatalf("spans %v", got.traces)
	}
	for id := range call {
		if !attempt[id] {
			t.Error("the attempt is not in the trace of its call")
		}
	}
}

// TestLogLinesCarryTheirTrace: a line within a span has its ids, once, and one
// outside of any has none.
//
// Shows R34.
func TestLogLinesCarryTheirTrace(t *testing.T) {
	var out bytes.Buffer
	logger := newLogger(Log{Level: "warn", Format: "json"}, &out)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	within := trace.ContextWithSpanContext(t.Context(), span)
	logger.InfoContext(within, "not shown")
	logger.WarnContext(within, "within")
	logger.With("a", 1).WarnContext(within, "within", "trace_id", span.TraceID().String())
	logger.WarnContext(t.Context(), "outside")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("lines: %q", lines)
	}
	for i, want := range []int{1, 1, 0} {
		if got := strings.Count(lines[i], `"trace_id":"01000000000000000000000000000000"`); got != want {
			t.Errorf("line %s has the trace %d times, want %d", lines[i], got, want)
		}
	}
}
