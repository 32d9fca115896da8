package etcdledger_test

import (
	"context"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
)

// Goal: the part of etcd's quota in use is shown, and findings of all tenants and of
// nobody are counted. Method: a ledger that asks often, until the gauge is a part of
// one; then one finding of a tenant, and an orphan, which is nobody's.
func TestRoomAndAttentionAreMeasured(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	p := newProcess(t, setup{prefix: newPrefix(), ledger: etcdledger.Config{
		StatusEvery: 5 * time.Millisecond, Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"),
	}})
	used := 0.0
	for limit := time.Now().Add(30 * time.Second); used == 0 && time.Now().Before(limit); {
		used = gauge(t, reader, "acquit.ledger.quota.used")
	}
	if used <= 0 || used >= 1 {
		t.Errorf("%v of the quota is in use", used)
	}
	waiting := func(want int64) {
		t.Helper()
		n, err := p.AttentionWaiting(bounded(t))
		ok(t, "attention waiting", err)
		if n != want {
			t.Errorf("%d findings wait, want %d", n, want)
		}
	}
	waiting(0)
	s := p.claimed(t)
	_, err := p.Record(bounded(t), s, nil, ledger.News{Attention: newAttention(s)})
	ok(t, "record", err)
	waiting(1)
	_, err = p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Attention: orphan()})
	ok(t, "record of an orphan", err)
	waiting(2)
}

// gauge is the value of a gauge; 0 while there is none.
func gauge(t *testing.T, reader *sdkmetric.ManualReader, name string) float64 {
	t.Helper()
	var got metricdata.ResourceMetrics
	ok(t, "collect", reader.Collect(context.Background(), &got))
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if g, is := m.Data.(metricdata.Gauge[float64]); is && m.Name == name && len(g.DataPoints) > 0 {
				return g.DataPoints[0].Value
			}
		}
	}
	return 0
}
