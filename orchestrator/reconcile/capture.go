package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// capturesBack is how far back a process looks that begins to: what became due while
	// nobody looked is found then.
	capturesBack = 24 * time.Hour
	// capturesPages bounds the pages of one look.
	capturesPages = 20
)

// Finder finds payments whose provider was to capture them by itself and has not told
// of it: orchestrator.Orchestrator.
type Finder interface {
	FindAwaited(ctx context.Context, tenant payment.TenantID, from, until time.Time, page string) (next string, err error)
}

// CapturesConfig configures Captures. All fields without a default are mandatory.
type CapturesConfig struct {
	Ledger  Lives
	Finder  Finder
	Tenants []payment.TenantID
	Logger  *slog.Logger
	// After is how long a provider may take to tell of its own capture before a person
	// is told. Defaults to 24 hours.
	After time.Duration
	// Every is how often is looked. Defaults to 30 seconds.
	Every time.Duration
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Captures looks once at every payment when its provider has had its time to tell of
// its own capture. One living process does so, as with a shard; two do no harm. Run it
// once, or call Once; not both.
type Captures struct {
	cfg         CapturesConfig
	from, until time.Time // of creation, of what is looked at now; zero before the first look
	under       bool      // the look at that span is not through
	tenant      int       // whose turn it is
	page        string
}

// NewCaptures returns Captures that do nothing yet, or an error that says what is
// missing.
func NewCaptures(cfg CapturesConfig) (*Captures, error) {
	if cfg.Ledger == nil || cfg.Finder == nil || cfg.Logger == nil || len(cfg.Tenants) == 0 {
		return nil, errors.New("reconcile: ledger, finder, tenants and logger are mandatory")
	}
	if cfg.After == 0 {
		cfg.After = 24 * time.Hour
	}
	if cfg.Every == 0 {
		cfg.Every = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Every < 0 || cfg.After < 0 {
		return nil, fmt.Errorf("reconcile: captures every %s, after %s", cfg.Every, cfg.After)
	}
	return &Captures{cfg: cfg}, nil
}

// Run looks until ctx ends.
func (c *Captures) Run(ctx context.Context) {
	for range ticks(ctx, c.cfg.Every) {
		if err := c.Once(ctx); err != nil && ctx.Err() == nil {
			c.cfg.Logger.WarnContext(ctx, "awaited captures could not be looked for", "error", err)
		}
	}
}

// Once looks at some payments, if they are this process's to look after. Errors: of the
// ledger; what was not reached is looked at the next time.
func (c *Captures) Once(ctx context.Context) error {
	mine, err := holds(ctx, c.cfg.Ledger, capturesShard)
	if err != nil {
		return err
	}
	if !mine {
		*c = Captures{cfg: c.cfg}
		return nil
	}
	for range capturesPages {
		if c.under = c.under || c.advance(); !c.under {
			return nil
		}
		if c.page, err = c.cfg.Finder.FindAwaited(ctx, c.cfg.Tenants[c.tenant], c.from, c.until, c.page); err != nil {
			return err
		}
		if c.page == "" {
			c.tenant = (c.tenant + 1) % len(c.cfg.Tenants)
			c.under = c.tenant > 0
		}
	}
	return nil
}

// advance begins with the payments that have become due since the last look; false if
// there can be none.
func (c *Captures) advance() bool {
	due := c.cfg.Now().Add(-c.cfg.After).Round(0).Truncate(time.Millisecond) // as fine as payments are listed
	from := c.until
	if from.IsZero() {
		from = due.Add(-capturesBack)
	}
	if !from.Before(due) {
		return false
	}
	c.from, c.until = from, due
	return true
}
