package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// CensusRecords is what a census reads of the ledger.
type CensusRecords interface {
	Records
	// AttentionWaiting is how many findings wait for a person, of all tenants.
	AttentionWaiting(ctx context.Context) (int64, error)
}

// CensusConfig configures a Census. Ledger and Logger are mandatory.
type CensusConfig struct {
	Ledger CensusRecords
	Logger *slog.Logger
	// Every is how often is counted. Defaults to 15 seconds.
	Every time.Duration
	// Meter shows the counts. Defaults to showing nothing.
	Meter metric.Meter
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Census counts the open operations in this process's shards, by account, state and
// age, so that the sum over all processes is that of the deployment; and what waits
// for a person, which each process counts in full. Run it once, or call Once; not both.
//
// An operation that did not move is read once, as long as it is open. While the ledger
// is away the last count stands and goes on ageing: what is not known to be over is
// not called over.
type Census struct {
	cfg CensusConfig

	mu      sync.Mutex // held while a count is shown or replaced
	open    map[payment.OperationKey]counted
	waiting int64
	known   bool // waiting was counted
}

// counted is an open operation as the census remembers it.
type counted struct {
	due     time.Time // moves whenever the operation does
	created time.Time
	account payment.AccountName
	state   payment.State
}

// NewCensus returns a Census that has counted nothing yet, or an error that says what
// is missing.
func NewCensus(cfg CensusConfig) (*Census, error) {
	if cfg.Ledger == nil || cfg.Logger == nil {
		return nil, errors.New("reconcile: ledger and logger are mandatory")
	}
	if cfg.Every == 0 {
		cfg.Every = 15 * time.Second
	}
	if cfg.Every < 0 {
		return nil, fmt.Errorf("reconcile: a census every %s", cfg.Every)
	}
	if cfg.Meter == nil {
		cfg.Meter = metricnoop.Meter{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Census{cfg: cfg}
	if err := c.show(cfg.Meter); err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	return c, nil
}

// Run counts until ctx ends.
func (c *Census) Run(ctx context.Context) {
	c.count(ctx) // a gauge shows nothing before the first count
	for range ticks(ctx, c.cfg.Every) {
		c.count(ctx)
	}
}

func (c *Census) count(ctx context.Context) {
	if err := c.Once(ctx); err != nil && ctx.Err() == nil {
		c.cfg.Logger.WarnContext(ctx, "open operations could not be counted", "error", err)
	}
}

// Once counts. Errors: of the ledger; what was counted before then stands.
func (c *Census) Once(ctx context.Context) error {
	waiting, err := c.cfg.Ledger.AttentionWaiting(ctx)
	if err != nil {
		return err
	}
	living, err := c.cfg.Ledger.Living(ctx)
	if err != nil {
		return err
	}
	var index []ledger.Open
	for _, shard := range Shares(living, c.cfg.Ledger.Boot()) {
		some, err := c.cfg.Ledger.Due(ctx, shard, c.cfg.Now().AddDate(100, 0, 0), math.MaxInt)
		if err != nil {
			return err
		}
		index = append(index, some...)
	}
	open, err := c.read(ctx, index)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.waiting, c.known = open, waiting, true
	return nil
}

// read looks up what has moved since the last count. A record that cannot be read is
// left out: the ledger counts those itself.
func (c *Census) read(ctx context.Context, index []ledger.Open) (map[payment.OperationKey]counted, error) {
	open := make(map[payment.OperationKey]counted, len(index))
	var moved []ledger.Open
	for _, o := range index { // only Once writes c.open, so it may read it
		if known, ok := c.open[o.Key]; ok && known.due.Equal(o.Due) {
			open[o.Key] = known
		} else {
			moved = append(moved, o)
		}
	}
	for some := range slices.Chunk(moved, readAhead) {
		snaps, errs := make([]ledger.Snapshot, len(some)), make([]error, len(some))
		var all sync.WaitGroup
		for i, o := range some {
			all.Go(func() { snaps[i], errs[i] = c.cfg.Ledger.Read(ctx, o.Key) })
		}
		all.Wait()
		for i, o := range some {
			if op := snaps[i].Operation; errors.Is(errs[i], ledger.ErrUnavailable) {
				return nil, errs[i]
			} else if errs[i] == nil && !op.State.Final() {
				open[o.Key] = counted{due: op.NextCheck, created: op.Created, account: op.Current().Account, state: op.State}
			}
		}
	}
	return open, nil
}

// group is what open operations are counted by.
type group struct {
	account payment.AccountName
	state   payment.State
	age     string
}

// ageClass says roughly how old an operation is: below a minute its flight may still
// be at work, and from 15 minutes on somebody is woken.
func ageClass(age time.Duration) string {
	switch {
	case age < time.Minute:
		return "below_1m"
	case age < 15*time.Minute:
		return "1m_to_15m"
	case age < time.Hour:
		return "15m_to_1h"
	case age < 24*time.Hour:
		return "1h_to_1d"
	}
	return "above_1d"
}

// show makes the gauges.
func (c *Census) show(m metric.Meter) error {
	open, err := m.Int64ObservableGauge("acquit.operation.open", metric.WithUnit("{operation}"),
		metric.WithDescription("Operations that are not final, in this process's share, by account, state and age."))
	if err != nil {
		return err
	}
	oldest, err := m.Float64ObservableGauge("acquit.operation.open.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest operation that is not final, in this process's share, by account and state."))
	if err != nil {
		return err
	}
	waiting, err := m.Int64ObservableGauge("acquit.attention.waiting", metric.WithUnit("{finding}"),
		metric.WithDescription("Findings on record that a person must look at, of the whole deployment."))
	if err != nil {
		return err
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c.observe(o, open, oldest, waiting)
		return nil
	}, open, oldest, waiting)
	return err
}

func (c *Census) observe(o metric.Observer, open metric.Int64Observable, oldest metric.Float64Observable, waiting metric.Int64Observable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		o.ObserveInt64(waiting, c.waiting)
	}
	now := c.cfg.Now()
	count, first := make(map[group]int64), make(map[group]time.Duration)
	for _, op := range c.open {
		age := now.Sub(op.created)
		count[group{op.account, op.state, ageClass(age)}]++
		of := group{account: op.account, state: op.state}
		first[of] = max(first[of], age)
	}
	for g, n := range count {
		o.ObserveInt64(open, n, metric.WithAttributes(append(g.attributes(), attribute.String("acquit.operation.age", g.age))...))
	}
	for g, age := range first {
		o.ObserveFloat64(oldest, age.Seconds(), metric.WithAttributes(g.attributes()...))
	}
}

func (g group) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("payment.account", string(g.account)), attribute.String("payment.state", string(g.state)),
	}
}
