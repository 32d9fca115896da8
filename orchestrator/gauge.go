package orchestrator

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// startAtZero makes the counters that somebody is woken by exist before they count
// for the first time: whoever computes a rate does not see the one event with which a
// counter appears, and of these one is enough.
func (m *metrics) startAtZero(ctx context.Context, accounts []ConfiguredAccount) {
	for _, c := range []metric.Int64Counter{m.parked, m.takeovers, m.fenced, m.panics, m.fences, m.contradictions} {
		c.Add(ctx, 0)
	}
	for _, a := range accounts {
		account := attribute.String("payment.account", string(a.Account.Name()))
		for _, kind := range []payment.AttentionKind{
			payment.AttentionOrphan, payment.AttentionContradiction, payment.AttentionSecondEffect, payment.AttentionUnfit, payment.AttentionStuck,
		} {
			m.attention.Add(ctx, 0, metric.WithAttributes(attribute.String("payment.attention", string(kind)), account))
		}
	}
}

// observePauses shows which accounts this process routes nothing new to.
func (o *Orchestrator) observePauses(m metric.Meter) error {
	_, err := m.Int64ObservableGauge("acquit.account.paused", metric.WithUnit("{account}"),
		metric.WithDescription("1 while no new payments are routed to the account, since its provider says that it cannot work; else 0."),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			for name := range o.accounts {
				var paused int64
				if o.pauses.left(name) > 0 {
					paused = 1
				}
				observer.Observe(paused, metric.WithAttributes(attribute.String("payment.account", string(name))))
			}
			return nil
		}))
	return err
}
