package orchestrator

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator/ledger"
)

// traced is a claim that tells whose span it is made within, for whoever hears of
// its effect before anything else of it is on record.
func traced(ctx context.Context, c ledger.Change) ledger.Change {
	c.Operation.Attempts = slices.Clone(c.Operation.Attempts)
	if n := len(c.Operation.Attempts); n > 0 {
		c.Operation.Attempts[n-1].Trace = traceOf(trace.SpanContextFromContext(ctx))
	}
	return c
}

// link ties the span of whoever told an event to the span of the last request that
// the event is about, if that is on record.
func (n *news) link(ctx context.Context) {
	if s, err := parseTrace(n.op().Current().Trace); err == nil {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: s})
	}
}

// traceOf writes a span as W3C trace context has it in its header traceparent; ""
// for none.
func traceOf(s trace.SpanContext) string {
	if !s.IsValid() {
		return ""
	}
	return "00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-" + (s.TraceFlags() & trace.FlagsSampled).String()
}

// parseTrace reads what traceOf wrote.
func parseTrace(text string) (trace.SpanContext, error) {
	const form = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(text) != form || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return trace.SpanContext{}, errors.New("not a traceparent")
	}
	id, err := trace.TraceIDFromHex(text[3:35])
	if err != nil {
		return trace.SpanContext{}, err
	}
	span, err := trace.SpanIDFromHex(text[36:52])
	if err != nil {
		return trace.SpanContext{}, err
	}
	var flags trace.TraceFlags
	if text[53:] == "01" {
		flags = trace.FlagsSampled
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: flags, Remote: true}), nil
}
