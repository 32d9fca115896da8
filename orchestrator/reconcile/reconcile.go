// Package reconcile sees to it that no operation stays open for want of a caller:
// every one that is not final is visited when it is due, by some living process.
//
// The index of open operations is in shards, and each shard is one living
// process's at a time, as the ledger's list of sessions has it. That sharing only
// saves work: two processes that visit the same operation do it no harm, since
// whatever they record is guarded by its revision. When a process is gone, the
// others look at once for what it was working on, and do not wait until its
// operations are due.
//
// It guarantees that at most so many visits are under way for an account, so that
// a provider that is back from an outage is not met by all of them together. It
// does not know what a visit does, and decides nothing about an operation.
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

// Records is what a sweep reads of the ledger.
type Records interface {
	Lives
	Due(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error)
	Read(ctx context.Context, op payment.OperationKey) (ledger.Snapshot, error)
}

// Visitor looks after one operation: orchestrator.Orchestrator.
type Visitor interface {
	Visit(ctx context.Context, key payment.OperationKey) error
}

// Config configures a Sweep. Ledger, Visitor and Logger are mandatory.
type Config struct {
	Ledger  Records
	Visitor Visitor
	Logger  *slog.Logger
	// Every is how often the index is read. What is due is found up to this much
	// later. Defaults to 5 seconds.
	Every time.Duration
	// PerAccount bounds the visits that are under way for one account, in this
	// process. Defaults to 16.
	PerAccount int
	// Meter counts visits. Defaults to counting nothing.
	Meter metric.Meter
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Sweep visits what is due. Run it once, or call Once; not both.
type Sweep struct {
	cfg    Config
	lanes  *lanes
	visits metric.Int64Counter
	hurry  chan struct{}    // holds one while somebody wants the index to be read
	living []payment.BootID // as of the last pass
	shards []int            // that are this process's among them
	turn   int              // which of them the next pass begins with
	// full is not nil while all that is open is looked at, for what the lost have
	// left: what was found to be somebody's, so that it is not read again.
	full map[payment.OperationKey]bool
	// left is what the last pass had no room for, with its account: it is not read
	// again before there is some.
	left map[payment.OperationKey]payment.AccountName
}

// New returns a Sweep that does nothing yet, or an error that says what is missing.
func New(cfg Config) (*Sweep, error) {
	if cfg.Ledger == nil || cfg.Visitor == nil || cfg.Logger == nil {
		return nil, errors.New("reconcile: ledger, visitor and logger are mandatory")
	}
	if cfg.Every == 0 {
		cfg.Every = 5 * time.Second
	}
	if cfg.PerAccount == 0 {
		cfg.PerAccount = 16
	}
	if cfg.Every < 0 || cfg.PerAccount < 0 {
		return nil, fmt.Errorf("reconcile: every %s with %d visits an account", cfg.Every, cfg.PerAccount)
	}
	if cfg.Meter == nil {
		cfg.Meter = metricnoop.Meter{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	visits, err := cfg.Meter.Int64Counter("acquit.sweep.visits", metric.WithUnit("{visit}"),
		metric.WithDescription("Visits of operations that were due, by account and whether they could be made."))
	if err != nil {
		return nil, fmt.Errorf("reconcile: %w", err)
	}
	s := &Sweep{cfg: cfg, visits: visits, hurry: make(chan struct{}, 1)}
	s.lanes = newLanes(cfg.PerAccount, s.visit)
	return s, nil
}

// Hurry has Run read the index soon, within a second of the reading before, since
// something has become due. What is in another process's shards waits for that one's
// next reading.
func (s *Sweep) Hurry() {
	select {
	case s.hurry <- struct{}{}:
	default: // somebody has said so already
	}
}

// leastPause is between two readings of the index that somebody hurries.
const leastPause = time.Second

// Run visits what is due until ctx ends, and returns when no visit is under way
// any more. Visits are not cut off: whoever drains the visitor ends them.
func (s *Sweep) Run(ctx context.Context) {
	defer s.lanes.close()
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		more, err := s.pass(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "open operations could not be read", "error", err)
		}
		if !s.pause(ctx, more, tick.C) {
			return
		}
	}
}

// pause waits until the index is to be read again; false once ctx has ended.
func (s *Sweep) pause(ctx context.Context, more bool, tick <-chan time.Time) bool {
	var room <-chan struct{}
	if more {
		room = s.lanes.room
	}
	rested := time.NewTimer(leastPause)
	defer rested.Stop()
	var hurry <-chan struct{} // nobody's, before the pause was long enough
	for {
		select {
		case <-ctx.Done():
			return false
		case <-rested.C:
			hurry = s.hurry
			continue
		case <-hurry:
		case <-tick:
		case <-room:
		}
		return true
	}
}

// Once visits what is due now, and returns when it has been visited. It reports
// whether more is left than is taken up at a time.
func (s *Sweep) Once(ctx context.Context) (more bool, err error) {
	more, err = s.pass(ctx)
	s.lanes.wait()
	return more, err
}

// pass takes up what is due in this process's shards, and reports whether it had
// to leave some. After a change among the living it looks at all that is open, for
// what had an owner that is gone.
func (s *Sweep) pass(ctx context.Context) (left bool, err error) {
	living, err := s.cfg.Ledger.Living(ctx)
	if err != nil {
		return false, err
	}
	if !slices.Equal(living, s.living) {
		s.living, s.full = living, make(map[payment.OperationKey]bool)
		s.shards = Shares(living, s.cfg.Ledger.Boot())
	}
	now := s.cfg.Now()
	until := now
	if s.full != nil {
		until = now.AddDate(100, 0, 0)
	}
	before := s.left
	s.left = make(map[payment.OperationKey]payment.AccountName)
	for _, shard := range s.inTurn() {
		due, err := s.cfg.Ledger.Due(ctx, shard, until, math.MaxInt)
		if err != nil {
			return true, err
		}
		if s.full != nil {
			due = slices.DeleteFunc(due, func(o ledger.Open) bool { return o.Due.After(now) && s.full[o.Key] })
		}
		for some := range slices.Chunk(due, readAhead) {
			if err := s.takeAll(ctx, some, before); err != nil {
				return true, err
			}
		}
	}
	if len(s.left) == 0 {
		s.full = nil // all of what the lost have left is taken up
	}
	return len(s.left) > 0, nil
}

// inTurn lists this process's shards, each time beginning with another one: what stays
// due in the first ones would else take all the room there is, for as long as it does.
func (s *Sweep) inTurn() []int {
	if len(s.shards) == 0 {
		return nil
	}
	s.turn = (s.turn + 1) % len(s.shards)
	return slices.Concat(s.shards[s.turn:], s.shards[:s.turn])
}

// readAhead is how many operations are read at a time: one after the other, a
// ledger that is a millisecond away would be what bounds the visits, and not
// PerAccount.
const readAhead = 32

// takeAll takes operations in their order, having read them together.
func (s *Sweep) takeAll(ctx context.Context, due []ledger.Open, before map[payment.OperationKey]payment.AccountName) error {
	type read struct {
		snap ledger.Snapshot
		err  error
	}
	reads := make([]*read, len(due))
	var all sync.WaitGroup
	for i, o := range due {
		switch account := before[o.Key]; {
		case s.lanes.has(o.Key):
		case account != "" && s.lanes.full(account):
			s.left[o.Key] = account
		default:
			reads[i] = &read{}
			all.Go(func() { reads[i].snap, reads[i].err = s.cfg.Ledger.Read(ctx, o.Key) })
		}
	}
	all.Wait()
	for i, r := range reads {
		if r == nil {
			continue
		}
		if err := s.take(ctx, due[i].Key, r.snap, r.err); err != nil {
			return err
		}
	}
	return nil
}

// take puts an operation, as it was read, into its account's lane if it is to be
// visited and there is room.
func (s *Sweep) take(ctx context.Context, key payment.OperationKey, snap ledger.Snapshot, err error) error {
	switch {
	case errors.Is(err, ledger.ErrUnavailable):
		return err
	case err != nil: // of this record alone; the others are not to suffer
		s.cfg.Logger.ErrorContext(ctx, "an open operation cannot be read", "operation_id", string(key.ID), "error", err)
		return nil
	case !Wanted(snap, s.cfg.Now()):
		if s.full != nil {
			s.full[key] = true
		}
		return nil
	}
	if account := snap.Operation.Current().Account; !s.lanes.add(ctx, account, key) {
		s.left[key] = account
	}
	return nil
}

// visit looks after one operation. A failure leaves it due.
func (s *Sweep) visit(ctx context.Context, account payment.AccountName, key payment.OperationKey) {
	err := s.cfg.Visitor.Visit(ctx, key)
	s.visits.Add(ctx, 1, metric.WithAttributes(
		attribute.String("payment.account", string(account)), attribute.Bool("acquit.visited", err == nil)))
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "a due operation could not be visited", "operation_id", string(key.ID), "error", err)
	}
}

// Wanted reports whether an operation is to be visited: when it is due, or as soon
// as its owner is gone.
func Wanted(s ledger.Snapshot, now time.Time) bool {
	op := s.Operation
	orphan := op.Owner != "" && !s.Marker.Present
	return !op.State.Final() && (orphan || !op.NextCheck.After(now))
}
