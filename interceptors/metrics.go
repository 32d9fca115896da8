package interceptors

import (
	"context"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// meters are the instruments of the chain. Durations and codes of calls are the
// stats handler's.
type meters struct {
	refusals metric.Int64Counter       // by method and reason
	panics   metric.Int64Counter       // recovered in a call
	replays  metric.Int64Counter       // stored replies sent again, by method
	interims metric.Int64Counter       // replies that were not an outcome, by method
	resumes  metric.Int64Counter       // operations taken up by a caller's retry, by method
	waits    metric.Int64Counter       // waits for another call with the same key, by method
	waiters  metric.Int64UpDownCounter // calls waiting now
}

// newMeters makes the instruments. One that cannot be made is replaced by one
// that counts nothing: metrics are no reason to refuse payments.
func newMeters(m metric.Meter, logger *slog.Logger) meters {
	b := builder{meter: m, logger: logger}
	out := meters{
		refusals: b.counter("acquit.call.refusals", "Calls answered with an error, by method and reason."),
		panics:   b.counter("acquit.call.panics", "Panics recovered in a call."),
		replays:  b.counter("acquit.idempotency.replays", "Stored replies that were sent again."),
		interims: b.counter("acquit.idempotency.interims", "Replies without an outcome: the same key can give another."),
		resumes:  b.counter("acquit.idempotency.resumes", "Operations taken up again by a caller's retry."),
		waits:    b.counter("acquit.idempotency.waits", "Waits for another call with the same key."),
		waiters:  b.gauge("acquit.idempotency.waiters", "Calls waiting for another with the same key."),
	}
	out.startAtZero(context.Background())
	return out
}

// startAtZero makes the counters exist before they count for the first time: whoever
// computes a rate does not see the one event with which a counter appears. Of the
// refusals only those of a reused key do: somebody is woken by a few of them.
func (m meters) startAtZero(ctx context.Context) {
	m.panics.Add(ctx, 0)
	m.waiters.Add(ctx, 0)
	known := &methods{}
	for _, rpc := range acquitv1.PaymentService_ServiceDesc.Methods {
		full := "/" + acquitv1.PaymentService_ServiceDesc.ServiceName + "/" + rpc.MethodName
		about := known.find(full)
		if !about.keyed {
			continue
		}
		m.refusals.Add(ctx, 0, refused(full, string(payment.ReasonKeyReused)))
		for _, c := range []metric.Int64Counter{m.replays, m.interims, m.resumes, m.waits} {
			c.Add(ctx, 0, ofMethod(about.verb))
		}
	}
}

// ofMethod says which verb of the contract something is counted for.
func ofMethod(m payment.Method) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("payment.operation", string(m)))
}

// refused says which rpc was refused, and for what reason.
func refused(fullMethod, reason string) metric.MeasurementOption {
	return metric.WithAttributes(
		attribute.String("rpc.method", strings.TrimPrefix(fullMethod, "/")), attribute.String("acquit.error_reason", reason))
}

type builder struct {
	meter  metric.Meter
	logger *slog.Logger
}

func (b builder) counter(name, description string) metric.Int64Counter {
	c, err := b.meter.Int64Counter(name, metric.WithDescription(description))
	if err != nil {
		b.failed(name, err)
		return noop.Int64Counter{}
	}
	return c
}

func (b builder) gauge(name, description string) metric.Int64UpDownCounter {
	g, err := b.meter.Int64UpDownCounter(name, metric.WithDescription(description))
	if err != nil {
		b.failed(name, err)
		return noop.Int64UpDownCounter{}
	}
	return g
}

func (b builder) failed(name string, err error) {
	b.logger.WarnContext(context.Background(), "instrument not made", "instrument", name, "error", err)
}
