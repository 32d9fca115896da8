package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// telemetry is where everything that runs reports to. Nothing of it is global.
type telemetry struct {
	logger   *slog.Logger
	tracer   *sdktrace.TracerProvider
	meter    *sdkmetric.MeterProvider
	registry *prometheus.Registry
	version  string // of the binary, for people
}

// newTelemetry builds all three signals. A collector that is not there yet does
// not stop the start: spans are sent when it is.
func newTelemetry(ctx context.Context, c Config, version string, stderr io.Writer) (*telemetry, error) {
	t := &telemetry{logger: newLogger(c.Log, stderr), registry: prometheus.NewRegistry(), version: version}
	about := resource.NewSchemaless(
		attribute.String("service.name", "acquit"),
		attribute.String("service.version", version),
		attribute.String("process.runtime.version", runtime.Version()),
	)
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	t.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(about))
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(about), sdktrace.WithSampler(sdktrace.NeverSample())}
	if c.Telemetry.OTLPEndpoint != "" {
		exporter, err := spanExporter(ctx, c.Telemetry, t.logger)
		if err != nil {
			return nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
		}
		options[1] = sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))
		options = append(options, sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(time.Second)))
	}
	t.tracer = sdktrace.NewTracerProvider(options...)
	return t, nil
}

// flush sends what is left and stops, within ctx.
func (t *telemetry) flush(ctx context.Context) error {
	return errors.Join(t.tracer.Shutdown(ctx), t.meter.Shutdown(ctx))
}

// spanExporter sends spans by OTLP over gRPC, in the clear only to this machine
// or where the configuration asks for it.
func spanExporter(ctx context.Context, c Telemetry, logger *slog.Logger) (sdktrace.SpanExporter, error) {
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(c.OTLPEndpoint)}
	if c.Insecure || loopback(c.OTLPEndpoint) {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &loggedExporter{SpanExporter: exporter, logger: logger}, nil
}

// loggedExporter reports failed exports to our log; the SDK would report them to
// a global.
type loggedExporter struct {
	sdktrace.SpanExporter

	logger *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.logger.WarnContext(ctx, "spans were lost", "spans", len(spans), "error", err)
	}
	return nil
}

// newLogger writes lines to w with the ids of the trace they belong to.
func newLogger(c Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(traced{slog.NewJSONHandler(w, options)})
	}
	return slog.New(traced{slog.NewTextHandler(w, options)})
}

// traced adds trace and span id to lines that were written within a span and do
// not carry them already.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.Handler.Handle(ctx, r)
	}
	carries := false
	r.Attrs(func(a slog.Attr) bool {
		carries = a.Key == "trace_id"
		return !carries
	})
	if !carries {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }
