// Package etcdledger keeps operations and payments in etcd.
//
// Each step of the payment protocol is one transaction: its guards are the If,
// what it writes is the Then, and what a refused caller has to know is read in
// the Else. A happy operation therefore costs two proposals of the consensus,
// the claim and the outcome, and a refused claim one.
//
// It guarantees what ledger.Ledger asks: writes are durable and linearizable,
// guarded by revision, and an answer that got lost is cleared up by reading
// back before anybody acts on it. Nothing is decided by the session's lease:
// it only carries the in-flight markers.
//
// It does not compact or defragment etcd, does not shrink finished operations,
// and cannot hold a year of payments.
//
// Source: the etcd API, KV service (Txn), and its guarantees on transactions
// and linearizable reads.
package etcdledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	defaultPrefix        = "/acquit/v1"
	defaultRequestLimit  = 5 * time.Second
	defaultSettleLimit   = 5 * time.Second
	defaultStatusEvery   = 5 * time.Second
	defaultRememberEvery = time.Minute
	defaultFullAt        = 0.7
	defaultEventPeriod   = 24 * time.Hour
)

// Config connects a ledger to its etcd.
type Config struct {
	// Client reaches etcd. It must outlive the ledger, which does not close it. Required.
	Client *clientv3.Client
	// Session carries the in-flight markers. It has the same prefix, and outlives
	// the ledger too. Required.
	Session *session.Session
	// Prefix of all keys: one namespace per deployment. Defaults to /acquit/v1.
	Prefix string
	// GenerationFile remembers, outside etcd, how far this deployment's ledger had
	// come, so that a ledger restored from an older snapshot is recognised. Empty
	// means that nothing is remembered.
	GenerationFile string
	// RememberEvery is how often at most GenerationFile is written while the ledger
	// is open; it is also written on Open and on Close. After a crash, what was
	// lost of the last such period goes unnoticed. Defaults to 1 min.
	RememberEvery time.Duration
	// RequestLimit bounds one request to etcd. Too short, and slow disks turn
	// writes into ambiguous ones. Defaults to 5 s.
	RequestLimit time.Duration
	// SettleLimit bounds finding out whether a write with a lost answer was made,
	// counted from the loss and independent of the caller's context. Defaults to 5 s.
	SettleLimit time.Duration
	// StatusEvery is how often etcd is asked how full it is. Defaults to 5 s.
	StatusEvery time.Duration
	// FullAt is the share of etcd's quota in use at which new claims are refused,
	// so that the outcomes of those in flight still fit. Defaults to 0.7.
	FullAt float64
	// EventPeriod is how long the events that are taken in share one lease: they are
	// kept for 31 days, and up to this much longer. Short, and etcd has many leases
	// to count down; a lease costs a proposal. Defaults to one day.
	EventPeriod time.Duration
	// Meter records how long transactions take. Defaults to recording nothing.
	Meter metric.Meter
	// Logger tells of what nobody is waiting for. Defaults to discarding it.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Client == nil || c.Session == nil {
		return c, errors.New("etcdledger: a client and a session are required")
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.RequestLimit == 0 {
		c.RequestLimit = defaultRequestLimit
	}
	if c.SettleLimit == 0 {
		c.SettleLimit = defaultSettleLimit
	}
	if c.StatusEvery == 0 {
		c.StatusEvery = defaultStatusEvery
	}
	if c.RememberEvery == 0 {
		c.RememberEvery = defaultRememberEvery
	}
	if c.FullAt == 0 {
		c.FullAt = defaultFullAt
	}
	if c.EventPeriod == 0 {
		c.EventPeriod = defaultEventPeriod
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Ledger implements ledger.Ledger on etcd.
type Ledger struct {
	cfg     Config
	client  *clientv3.Client
	session *session.Session
	keys    keys
	timing  timing
	room    room
	memory  memory
	events  *eventLease

	revision atomic.Int64 // the highest that etcd was seen at

	stop    context.CancelFunc // ends the status poll
	stopped sync.WaitGroup
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open checks that etcd holds a ledger that this build and this deployment may
// write to, starting one in an empty etcd, and returns it ready for use. ctx
// bounds the opening only.
//
// Errors: ErrForeignLedger, ErrOldSnapshot and ledger.ErrSchema, each for a
// person to decide; ledger.ErrUnavailable; a bad Config.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	timing, err := newTiming(ctx, cfg.Meter)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		cfg: cfg, client: cfg.Client, session: cfg.Session,
		keys: keys{prefix: cfg.Prefix}, timing: timing, events: newEventLease(cfg.Client, cfg.EventPeriod, cfg.RequestLimit),
	}
	if err := l.admit(ctx); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.stopped.Go(func() { l.watchRoom(background) })
	return l, nil
}

// Close ends what the ledger does in the background, and remembers how far it had
// come. The client and the session stay open.
func (l *Ledger) Close() {
	l.stop()
	l.stopped.Wait()
	if l.revision.Load() <= l.memory.written.Revision {
		return
	}
	if err := l.remember(l.memory.written); err != nil {
		l.cfg.Logger.ErrorContext(context.Background(), "ledger generation not remembered", "error", err)
	}
}

// Boot implements ledger.Ledger.
func (l *Ledger) Boot() payment.BootID { return l.session.Boot() }

// Hold implements ledger.Ledger.
func (l *Ledger) Hold(ctx context.Context, margin time.Duration) error {
	done := l.timing.start(ctx, "hold")
	err := l.session.Hold(ctx, margin)
	done(err)
	return err
}

// request is a context for one request to etcd.
func (l *Ledger) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.cfg.RequestLimit)
}

// get reads, linearizably. Every error is ledger.ErrUnavailable: whatever it
// was, nothing was learned.
func (l *Ledger) get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if err := l.connected(); err != nil {
		return nil, err // etcd's client would try again and again until its time is over
	}
	ctx, cancel := l.request(ctx)
	defer cancel()
	resp, err := l.client.Get(ctx, key, opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return resp, nil
}

// gets makes several reads of one moment, linearizably, with errors as for get.
func (l *Ledger) gets(ctx context.Context, ops ...clientv3.Op) (*clientv3.TxnResponse, error) {
	if err := l.connected(); err != nil {
		return nil, err
	}
	ctx, cancel := l.request(ctx)
	defer cancel()
	resp, err := l.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return resp, nil
}
