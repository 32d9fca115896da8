package etcdledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// eventsKept is how long an event is remembered at least. Providers repeat one
	// for up to 30 days (Adyen's queue of failed webhooks).
	eventsKept = 31 * 24 * time.Hour
	// leaseTries bounds how often a write is repeated because its events' lease is
	// gone.
	leaseTries = 3
)

// errEventLeaseGone says that nothing was written, since the lease that the event
// was to hang on is gone.
var errEventLeaseGone = errors.New("the lease of events is gone")

// eventLease is the lease that this process hangs events on. They share it, since
// etcd counts every lease down: one per event would be one for each of a month.
type eventLease struct {
	client *clientv3.Client
	period time.Duration // how long it is used for further events
	limit  time.Duration // of one request
	held   chan grant    // holds the one in use; whoever has taken it out may replace it
}

// grant is a lease and when it was asked for. Its times are of the wall clock,
// which goes on while a machine sleeps.
type grant struct {
	id    clientv3.LeaseID
	since time.Time
}

func newEventLease(c *clientv3.Client, period, limit time.Duration) *eventLease {
	l := &eventLease{client: c, period: period, limit: limit, held: make(chan grant, 1)}
	l.held <- grant{}
	return l
}

// current is the lease for an event that is taken in now, granted if there is
// none or its period is over. Errors: ledger.ErrUnavailable.
func (l *eventLease) current(ctx context.Context) (clientv3.LeaseID, error) {
	g, err := l.take(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { l.held <- g }()
	now := time.Now().Round(0)
	if g.id != clientv3.NoLease && now.Sub(g.since) < l.period {
		return g.id, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	granted, err := l.client.Grant(ctx, int64((eventsKept+l.period)/time.Second))
	if err != nil {
		return 0, fmt.Errorf("%w: granting a lease for events: %w", ledger.ErrUnavailable, err)
	}
	g = grant{granted.ID, now}
	return g.id, nil
}

// drop forgets a lease of which etcd says that it is gone.
func (l *eventLease) drop(ctx context.Context, id clientv3.LeaseID) {
	g, err := l.take(ctx)
	if err != nil {
		return // the next one to use it is told again
	}
	if g.id == id {
		g = grant{}
	}
	l.held <- g
}

func (l *eventLease) take(ctx context.Context) (grant, error) {
	select {
	case g := <-l.held:
		return g, nil
	case <-ctx.Done():
		return grant{}, fmt.Errorf("%w: waiting for a lease for events: %w", ledger.ErrUnavailable, ctx.Err())
	}
}

// eventPut is the record of an event, to be put under whatever lease is in use
// when it is.
type eventPut struct {
	key, value string
}

// withEvent are the puts of a write with that of its event, and the event's lease.
func (l *Ledger) withEvent(ctx context.Context, w *write) ([]clientv3.Op, clientv3.LeaseID, error) {
	if w.event == nil {
		return w.then, clientv3.NoLease, nil
	}
	lease, err := l.events.current(ctx)
	if err != nil {
		return nil, clientv3.NoLease, err
	}
	put := clientv3.OpPut(w.event.key, w.event.value, clientv3.WithLease(lease))
	return append(slices.Clone(w.then), put), lease, nil
}

// keep adds to a write the news that it comes with, about an operation or, if the
// key is zero, about none. Attention that exists already stays: whoever looks at
// it may have begun to.
func (l *Ledger) keep(w *write, op payment.OperationKey, n ledger.News) error {
	if n.Event != nil {
		if !segment(string(n.Event.Account)) {
			return fmt.Errorf("etcdledger: account %q cannot name a record", n.Event.Account)
		}
		raw, err := ledger.EncodeTaken(ledger.Taken{EventKey: *n.Event, Operation: op, Boot: l.Boot(), Time: time.Now()})
		if err != nil {
			return err
		}
		w.event = &eventPut{key: l.keys.event(*n.Event), value: string(raw)}
		w.guard = append(w.guard, createdAt(w.event.key, 0))
		w.looks = append(w.looks, lookAtEvent(w.event.key))
	}
	if n.Orphan != "" {
		key := l.keys.attentions("") + n.Orphan
		w.guard = append(w.guard, clientv3.Compare(clientv3.CreateRevision(key), ">", 0))
		w.then = append(w.then, clientv3.OpDelete(key))
		w.looks = append(w.looks, lookAtOrphan(key))
	}
	if n.Attention != nil {
		raw, err := ledger.EncodeAttention(*n.Attention)
		if err != nil {
			return err
		}
		key := l.keys.attention(*n.Attention)
		absent := []clientv3.Cmp{createdAt(key, 0)}
		w.then = append(w.then, clientv3.OpTxn(absent, []clientv3.Op{clientv3.OpPut(key, string(raw))}, nil))
	}
	return nil
}

// tookIn reports whether the record of an event says that this process took it
// in, about an operation.
func (l *Ledger) tookIn(raw []byte, op payment.OperationKey) bool {
	t, err := ledger.DecodeTaken(raw)
	return err == nil && t.Boot == l.Boot() && t.Operation == op
}
