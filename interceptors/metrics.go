package interceptors

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
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
	return meters{
		refusals: b.counter("acquit.call.refusals", "Calls answered with an error, by method and reason."),
		panics:   b.counter("acquit.call.panics", "Panics recovered in a call."),
		replays:  b.counter("acquit.idempotency.replays", "Stored replies that were sent again."),
		interims: b.counter("acquit.idempotency.interims", "Replies without an outcome: the same key can give another."),
		resumes:  b.counter("acquit.idempotency.resumes", "Operations taken up again by a caller's retry."),
		waits:    b.counter("acquit.idempotency.waits", "Waits for another call with the same key."),
		waiters:  b.gauge("acquit.idempotency.waiters", "Calls waiting for another with the same key."),
	}
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
