package etcdledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// timing records how long each kind of transaction takes, and how it ends, what
// could not be read, and how full the store is.
type timing struct {
	duration   metric.Float64Histogram
	unreadable metric.Int64Counter
	quota      metric.Float64Gauge
	// well are the attributes of what every call needs and what mostly ends well.
	// Sorting them anew each time took a hundredth of a call's CPU time.
	well map[string]metric.MeasurementOption
}

func newTiming(ctx context.Context, m metric.Meter) (timing, error) {
	if m == nil {
		m = noop.Meter{}
	}
	h, err := m.Float64Histogram("acquit.ledger.transaction.duration",
		metric.WithUnit("s"),
		metric.WithDescription("Time from asking the ledger to its answer, by transaction and outcome."),
		metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	if err != nil {
		return timing{}, fmt.Errorf("etcdledger: %w", err)
	}
	u, err := m.Int64Counter("acquit.ledger.unreadable",
		metric.WithUnit("{record}"),
		metric.WithDescription("Records that a listing passed over because they cannot be read, by kind, each time that it met them."))
	if err != nil {
		return timing{}, fmt.Errorf("etcdledger: %w", err)
	}
	q, err := m.Float64Gauge("acquit.ledger.quota.used", metric.WithUnit("1"),
		metric.WithDescription("Part of etcd's quota that is in use, of the fullest member that answers."))
	if err != nil {
		return timing{}, fmt.Errorf("etcdledger: %w", err)
	}
	u.Add(ctx, 0, kindOf("open")) // a rate of one that appears with its first event is not seen
	t := timing{duration: h, unreadable: u, quota: q, well: make(map[string]metric.MeasurementOption)}
	for _, transaction := range []string{"claim", "advance", "hold", "read"} {
		t.well[transaction] = ended(transaction, nil)
	}
	return t, nil
}

// passedOver counts a record that could not be read.
func (t timing) passedOver(ctx context.Context, kind string) {
	t.unreadable.Add(ctx, 1, kindOf(kind))
}

func kindOf(record string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("acquit.ledger.record", record))
}

// start begins a measurement; what it returns ends it.
func (t timing) start(ctx context.Context, transaction string) func(error) {
	began := time.Now()
	return func(err error) {
		well, common := t.well[transaction]
		if err != nil || !common {
			well = ended(transaction, err)
		}
		t.duration.Record(ctx, time.Since(began).Seconds(), well)
	}
}

// ended are the attributes of a transaction that ended so.
func ended(transaction string, err error) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(
		attribute.String("acquit.ledger.transaction", transaction), attribute.String("acquit.ledger.outcome", outcome(err))))
}

// outcome is the name of an error in a metric: one of a few.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if _, taken := errors.AsType[*payment.KeyTakenError](err); taken {
		return "key_taken"
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{ledger.ErrFenced, "fenced"},
		{ledger.ErrPaymentMoved, "payment_moved"},
		{ledger.ErrEventKnown, "event_known"},
		{ledger.ErrSessionLost, "session_lost"},
		{ledger.ErrFull, "full"},
		{ledger.ErrNotFound, "not_found"},
		{ledger.ErrPage, "bad_page"},
		{ledger.ErrAmbiguous, "ambiguous"},
		{ledger.ErrUnavailable, "unavailable"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "error"
}
