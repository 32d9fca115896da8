package transport

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// span opens the client span of an exchange and returns what ends it.
//
// It is written by hand and not otelhttp's because that one records the full
// URL with its query, hands our trace ids to the provider, and ends when the
// headers are in, before it is known whether a complete response was read.
func (t *Transport) span(ctx context.Context, req *http.Request) (context.Context, func(Response, *Error)) {
	name := req.Method
	attrs := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(req.Method),
		semconv.URLScheme(req.URL.Scheme),
		semconv.ServerAddress(req.URL.Hostname()),
	}
	if port, err := strconv.Atoi(req.URL.Port()); err == nil {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	if req.Pattern != "" {
		name += " " + req.Pattern
		attrs = append(attrs, semconv.URLTemplate(req.Pattern))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	return ctx, func(resp Response, failure *Error) {
		defer span.End()
		if failure != nil {
			span.SetAttributes(semconv.ErrorTypeKey.String(string(failure.Class)), attribute.String("acquit.wire.stage", failure.Stage))
			span.SetStatus(codes.Error, failure.Cause)
			return
		}
		span.SetAttributes(semconv.HTTPResponseStatusCode(resp.Status))
		if resp.Status >= 500 { // below it is an answer: a decline is one
			span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(resp.Status)))
			span.SetStatus(codes.Error, "")
		}
	}
}
