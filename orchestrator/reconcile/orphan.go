package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Matcher holds orphans against the operations that there are by now:
// orchestrator.Orchestrator.
type Matcher interface {
	MatchOrphans(ctx context.Context, after string) (next string, err error)
}

// OrphansConfig configures Orphans. All fields but Every are mandatory.
type OrphansConfig struct {
	Ledger  Lives
	Matcher Matcher
	Logger  *slog.Logger
	// Every is how often some orphans are gone through; with many of them it takes
	// several times until all were. Defaults to 30 seconds.
	Every time.Duration
}

// Orphans goes through the events that came before their operation was known by
// its name, some at a time, over and over. One living process does so, as with a
// shard; two do no harm. Run it once, or call Once; not both.
type Orphans struct {
	cfg   OrphansConfig
	after string // what was gone through so far
}

// NewOrphans returns Orphans that do nothing yet, or an error that says what is
// missing.
func NewOrphans(cfg OrphansConfig) (*Orphans, error) {
	if cfg.Ledger == nil || cfg.Matcher == nil || cfg.Logger == nil {
		return nil, errors.New("reconcile: ledger, matcher and logger are mandatory")
	}
	if cfg.Every == 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Every < 0 {
		return nil, fmt.Errorf("reconcile: orphans every %s", cfg.Every)
	}
	return &Orphans{cfg: cfg}, nil
}

// Run goes through orphans until ctx ends.
func (o *Orphans) Run(ctx context.Context) {
	for range ticks(ctx, o.cfg.Every) {
		if err := o.Once(ctx); err != nil && ctx.Err() == nil {
			o.cfg.Logger.WarnContext(ctx, "orphans could not be gone through", "error", err)
		}
	}
}

// Once goes through some of them, if they are this process's to look after.
// Errors: of the ledger; what was not reached is gone through the next time.
func (o *Orphans) Once(ctx context.Context) error {
	mine, err := holds(ctx, o.cfg.Ledger, orphansShard)
	if err != nil {
		return err
	}
	if !mine {
		o.after = ""
		return nil
	}
	next, err := o.cfg.Matcher.MatchOrphans(ctx, o.after)
	if err != nil {
		return err
	}
	o.after = next
	return nil
}
