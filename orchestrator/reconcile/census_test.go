package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// censusIndex is an index with findings.
type censusIndex struct {
	*index
	waiting int64
}

func (x *censusIndex) AttentionWaiting(context.Context) (int64, error) {
	if x.away {
		return 0, ledger.ErrUnavailable
	}
	return x.waiting, nil
}

// gauges reads every gauge, by name and attributes.
func gauges(t *testing.T, reader *sdkmetric.ManualReader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					got[m.Name+" "+values(p.Attributes)] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					got[m.Name+" "+values(p.Attributes)] = p.Value
				}
			}
		}
	}
	return got
}

// Goal: open operations are counted by account, state and age, and their age goes on
// while the ledger is away; what is final or in another process's shard is not
// counted; what did not move is read once. Method: the clock is moved by hand, and the
// gauges are compared as a whole after each count.
func TestCensus(t *testing.T) {
	x := &censusIndex{index: &index{
		living: []payment.BootID{"me"}, ops: map[payment.OperationKey]ledger.Snapshot{}, broken: map[payment.OperationKey]error{},
	}, waiting: 2}
	start := time.Now()
	now := start
	reader := sdkmetric.NewManualReader()
	c, err := reconcile.NewCensus(reconcile.CensusConfig{
		Ledger: x, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := gauges(t, reader); len(got) != 0 {
		t.Errorf("before it has counted it shows %v", got)
	}
	for n := range 2 {
		x.born(x.put(n, "a", time.Hour, "", false), start.Add(-time.Duration(n)*20*time.Minute))
	}
	final := x.put(2, "b", time.Hour, "", false)
	x.born(final, start.Add(-time.Hour))
	expect := func(when string, reads int, want map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, gauges(t, reader)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if x.reads != reads {
			t.Errorf("%s: %d reads, want %d", when, x.reads, reads)
		}
	}
	count(t, c, nil)
	all := map[string]float64{
		"acquit.attention.waiting {}":                 2,
		"acquit.operation.open {15m_to_1h a UNKNOWN}": 1, "acquit.operation.open {below_1m a UNKNOWN}": 1,
		"acquit.operation.open {1h_to_1d b UNKNOWN}": 1,
		"acquit.operation.open.age {a UNKNOWN}":      1200, "acquit.operation.open.age {b UNKNOWN}": 3600,
	}
	expect("first", 3, all)
	count(t, c, nil)
	expect("again", 3, all)

	x.end(final)
	x.waiting = 0
	count(t, c, nil)
	delete(all, "acquit.operation.open {1h_to_1d b UNKNOWN}")
	delete(all, "acquit.operation.open.age {b UNKNOWN}")
	all["acquit.attention.waiting {}"] = 0
	expect("one ended", 3, all)

	x.away, now = true, start.Add(time.Minute)
	count(t, c, ledger.ErrUnavailable)
	delete(all, "acquit.operation.open {below_1m a UNKNOWN}")
	all["acquit.operation.open {1m_to_15m a UNKNOWN}"], all["acquit.operation.open.age {a UNKNOWN}"] = 1, 1260
	expect("the ledger is away", 3, all)

	x.away, x.living = false, []payment.BootID{"other"}
	count(t, c, nil)
	expect("everything is another's", 3, map[string]float64{"acquit.attention.waiting {}": 0})
}

func count(t *testing.T, c *reconcile.Census, want error) {
	t.Helper()
	if err := c.Once(t.Context()); !errors.Is(err, want) {
		t.Fatalf("counting: %v, want %v", err, want)
	}
}

// born says when an operation was claimed.
func (x *index) born(k payment.OperationKey, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.ops[k]
	s.Operation.Created = at
	x.ops[k] = s
}

// values shows attributes, by the values of their keys in order.
func values(set attribute.Set) string {
	var all []string
	for _, a := range set.ToSlice() {
		all = append(all, a.Value.AsString())
	}
	return "{" + strings.Join(all, " ") + "}"
}
