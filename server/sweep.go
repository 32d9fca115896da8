package server

import (
	"context"
	"fmt"
	"sync"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
	"github.com/acquitpay/acquit/server/webhook"
)

// sweep looks after operations that are due, in the background.
type sweep struct {
	hurry  func()
	cancel context.CancelFunc
	ended  chan struct{}
}

// startSweep begins to look after what is due. It outlives ctx: it takes up
// nothing new after stop, and what it had taken up ends with the drain.
func startSweep(ctx context.Context, c Config, t *telemetry, core *core, records reconcile.CensusRecords, l *lifecycle) (*sweep, error) {
	r, err := reconcile.New(reconcile.Config{
		Ledger: records, Visitor: core.orchestrator, Logger: t.logger, Every: c.Sweep.Every, PerAccount: c.Sweep.PerAccount,
		Meter: t.meter.Meter("github.com/acquitpay/acquit/orchestrator/reconcile"),
	})
	if err != nil {
		return nil, err
	}
	orphans, err := reconcile.NewOrphans(reconcile.OrphansConfig{Ledger: records, Matcher: core.orchestrator, Logger: t.logger})
	if err != nil {
		return nil, err
	}
	captures, err := reconcile.NewCaptures(reconcile.CapturesConfig{
		Ledger: records, Finder: core.orchestrator, Tenants: []payment.TenantID{"default"}, Logger: t.logger, // of this build there is no other tenant
	})
	if err != nil {
		return nil, err
	}
	census, err := reconcile.NewCensus(reconcile.CensusConfig{
		Ledger: records, Logger: t.logger, Every: 3 * c.Sweep.Every, Meter: t.meter.Meter("github.com/acquitpay/acquit/orchestrator/reconcile"),
	})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &sweep{hurry: r.Hurry, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		var all sync.WaitGroup
		all.Go(func() { r.Run(running) })
		all.Go(func() { orphans.Run(running) })
		all.Go(func() { captures.Run(running) })
		all.Go(func() { census.Run(running) })
		all.Wait()
	}()
	l.add("sweep", s.wait)
	return s, nil
}

// hurrying takes webhooks in, and has what they make due looked after soon.
type hurrying struct {
	webhook.Taker

	sweep *sweep
}

// Apply implements webhook.Taker.
func (h hurrying) Apply(ctx context.Context, e payment.Event) (orchestrator.Taken, error) {
	taken, err := h.Taker.Apply(ctx, e)
	if taken == orchestrator.TakenDue {
		h.sweep.hurry()
	}
	return taken, err
}

// stop takes up nothing new.
func (s *sweep) stop(context.Context) error {
	s.cancel()
	return nil
}

// wait returns when nothing is looked after any more.
func (s *sweep) wait(ctx context.Context) error {
	s.cancel() // also where the start failed half-way
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("operations still looked after: %w", ctx.Err())
	}
}
