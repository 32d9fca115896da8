package orchestrator

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// orphansFor is how long an orphan is held against the operations that there are
	// by then: as long as an attempt may be resent, and so get a name, at any provider.
	// What is older is a person's alone.
	orphansFor = 8 * 24 * time.Hour
	// orphansAtOnce bounds what one call of MatchOrphans reads.
	orphansAtOnce = 100
)

// MatchOrphans goes through the orphans that come after an id, "" for the first
// ones, and applies those whose operation is known by now, as Apply would have. It
// returns the id after which to go on, "" once it was through. Whoever else matches
// an orphan at the same time, it is applied once.
//
// Errors: *payment.Error if the ledger is away. What was not reached is an orphan
// still. One that cannot be matched for another reason is logged, and met again.
func (o *Orchestrator) MatchOrphans(ctx context.Context, after string) (next string, err error) {
	page, err := o.cfg.Ledger.Attention(ctx, "", after, orphansAtOnce)
	if err != nil {
		return after, payment.Recorded(refusal(err))
	}
	for _, a := range page {
		err := o.match(ctx, a)
		if transient(err) {
			return after, payment.Recorded(refusal(err))
		}
		if err != nil { // of this one alone; those behind it are not to wait for it
			o.log.WarnContext(ctx, "orphan could not be matched", "attention_id", a.ID, "error", err)
		}
	}
	if len(page) < orphansAtOnce {
		return "", nil
	}
	return page[len(page)-1].ID, nil
}

// match applies an orphan if its operation is known, and leaves it otherwise.
func (o *Orchestrator) match(ctx context.Context, a payment.Attention) error {
	if a.Kind != payment.AttentionOrphan || a.Event == nil || o.cfg.Now().Sub(a.Time) > orphansFor {
		return nil
	}
	taken, err := o.apply(ctx, hint{Event: *a.Event, orphan: a.ID})
	if errors.Is(err, ledger.ErrEventKnown) || (err == nil && taken == TakenOrphan) {
		return nil
	}
	if err != nil {
		return err
	}
	o.metrics.events.Add(ctx, 1, metric.WithAttributes(attribute.String("payment.event", "matched"), attribute.String("payment.account", string(a.Account))))
	o.log.InfoContext(ctx, "orphan matched", "account", string(a.Account), "event_id", a.Event.ID, "attention_id", a.ID, "taken", string(taken))
	return nil
}
