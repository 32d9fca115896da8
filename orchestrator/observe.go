package orchestrator

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// metrics are the counters of the flow. Names follow OpenTelemetry's
// conventions; units are UCUM.
type metrics struct {
	inFlight  metric.Int64UpDownCounter
	sends     metric.Int64Counter
	duration  metric.Float64Histogram
	resends   metric.Int64Counter
	outcomes  metric.Int64Counter
	parked    metric.Int64Counter
	takeovers metric.Int64Counter
	fenced    metric.Int64Counter
	panics    metric.Int64Counter
	alerts    metric.Int64Counter

	fences    metric.Int64Counter
	events    metric.Int64Counter
	attention metric.Int64Counter

	contradictions metric.Int64Counter
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	inFlight, err := m.Int64UpDownCounter("acquit.operation.in_flight", metric.WithUnit("{operation}"),
		metric.WithDescription("Operations that this process works on."))
	errs = append(errs, err)
	duration, err := m.Float64Histogram("acquit.attempt.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from a send to its answer."),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30))
	errs = append(errs, err)
	out := &metrics{
		inFlight: inFlight, duration: duration,
		sends:     counter("acquit.attempt.sends", "{send}", "Requests sent to providers, by what their answers proved."),
		resends:   counter("acquit.attempt.resends", "{send}", "Sends that were decided to be repeated."),
		outcomes:  counter("acquit.operation.outcomes", "{operation}", "Operations that got an answer, by state."),
		parked:    counter("acquit.operation.parked", "{operation}", "Flights that ended without an outcome."),
		takeovers: counter("acquit.operation.takeovers", "{operation}", "Operations taken over from an owner that was gone."),
		fenced:    counter("acquit.operation.fenced", "{operation}", "Commits refused because somebody else wrote the operation."),
		panics:    counter("acquit.operation.panics", "{panic}", "Panics while working on operations."),
		alerts:    counter("acquit.attempt.alerts", "{alert}", "Answers that somebody should look at."),

		fences:    counter("acquit.operation.fences", "{cancel}", "Cancels that were decided for authorizations of unknown outcome."),
		events:    counter("acquit.event.taken", "{event}", "Events of providers, by what became of them."),
		attention: counter("acquit.attention", "{finding}", "Findings that a person must look at, repeated ones included."),

		contradictions: counter("acquit.operation.contradictions", "{operation}", "Effects seen that the record does not know of."),
	}
	return out, errors.Join(errs...)
}

func (m *metrics) outcome(ctx context.Context, op payment.Operation) {
	m.outcomes.Add(ctx, 1, metric.WithAttributes(
		attribute.String("payment.operation", string(op.Method)), attribute.String("payment.state", string(op.State)),
		attribute.String("payment.account", string(op.Current().Account))))
}

// count records one exchange, and raises the alerts that the table or its age ask for.
func (f *flight) count(ctx context.Context, a payment.Answer, v payment.Verdict, d decision, took time.Duration) {
	op := f.op()
	set := metric.WithAttributes(
		attribute.String("payment.account", string(op.Current().Account)), attribute.String("payment.operation", string(op.Method)),
		attribute.String("payment.evidence", string(v.Evidence)), attribute.String("payment.category", string(v.Category)))
	f.o.metrics.sends.Add(ctx, 1, set)
	f.o.metrics.duration.Record(ctx, took.Seconds(), set)
	if d.action == actionResend {
		f.o.metrics.resends.Add(ctx, 1, set)
	}
	f.alert(ctx, a, v, d)
}

// logSettled writes the line of every operation that ends, in one piece: a logger
// made for one line costs as much as the line.
func (f *flight) logSettled(ctx context.Context) {
	op := f.op()
	f.o.log.InfoContext(ctx, "operation settled",
		"reference_id", string(op.Reference), "operation_id", string(op.Key.ID), "payment_id", string(op.PaymentID),
		"state", string(op.State), "account", string(op.Current().Account), "attempts", len(op.Attempts), "sends", op.Current().Sends)
}

// alert calls for attention where the table asks for it, or where an operation
// is still without an outcome at an age at which somebody should know.
func (f *flight) alert(ctx context.Context, a payment.Answer, v payment.Verdict, d decision) {
	op := f.op()
	open := d.action != actionSettle && d.action != actionFailOver
	if late := f.o.cfg.Now().Sub(op.Created) > f.o.cfg.Policy.EscalateAfter; v.Alert || (late && open) {
		f.o.metrics.alerts.Add(ctx, 1, metric.WithAttributes(
			attribute.String("payment.account", string(op.Current().Account)), attribute.String("payment.mapping_row", v.Row)))
		f.log().ErrorContext(ctx, "an answer needs attention", "account", string(op.Current().Account),
			"mapping_row", v.Row, "http_status", a.HTTPStatus, "provider_code", a.Code,
			"request_id", a.RequestID, "decision", string(d.action))
	}
}

// paused calls for attention to an account that gets no new payments for a while.
func (f *flight) paused(ctx context.Context, account payment.AccountName, v payment.Verdict) {
	f.o.metrics.alerts.Add(ctx, 1, metric.WithAttributes(
		attribute.String("payment.account", string(account)), attribute.String("payment.mapping_row", v.Row)))
	f.log().ErrorContext(ctx, "account paused", "account", string(account), "mapping_row", v.Row, "pause", pauseFor.String())
}

// spanAttributes say which request of which operation a span is about: send is the
// ordinal of the attempt's main request that is sent, asked about or cancelled, and
// 0 while none is on record. No secret, token or key is among them.
func (f *flight) spanAttributes(send int) []attribute.KeyValue {
	op := f.op()
	attempt := op.Current()
	return []attribute.KeyValue{
		attribute.String("payment.operation", string(op.Method)),
		attribute.String("payment.operation_id", string(op.Key.ID)),
		attribute.String("payment.id", string(op.PaymentID)),
		attribute.String("payment.reference_id", string(op.Reference)),
		attribute.String("payment.account", string(attempt.Account)),
		attribute.String("payment.driver", attempt.Target.Driver),
		attribute.Int("payment.attempt.ordinal", attempt.Ordinal),
		attribute.Int("payment.send.ordinal", send),
		attribute.Int64("payment.epoch", op.Epoch),
	}
}

// annotate puts on the span what the answer proved and what is done about it.
func (f *flight) annotate(span trace.Span, a payment.Answer, v payment.Verdict, d decision) {
	span.SetAttributes(
		attribute.String("payment.evidence", string(v.Evidence)),
		attribute.String("payment.category", string(v.Category)),
		attribute.String("payment.mapping_row", v.Row),
		attribute.String("payment.transport", string(a.Transport)),
		attribute.String("payment.decision", string(d.action)),
		attribute.Int64("payment.backoff_ms", d.wait.Milliseconds()),
		attribute.Int("http.response.status_code", a.HTTPStatus),
	)
	if a.RequestID != "" {
		span.SetAttributes(attribute.String("payment.provider_request_id", a.RequestID))
	}
	if v.Evidence != payment.EvidenceEffect && v.Evidence != payment.EvidencePending && !v.Category.Decline() {
		span.SetStatus(codes.Error, v.Row)
	}
}

// newPaymentID makes a UUIDv7 whose time part is now, so that ids sort by
// creation time.
func newPaymentID(now time.Time) (payment.ID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	return payment.ID(id.String()), nil
}
