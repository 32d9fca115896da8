package etcdledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	settlePauseMin = 10 * time.Millisecond
	settlePauseMax = 500 * time.Millisecond
)

// write is one guarded transaction, in a form that can be repeated and judged.
type write struct {
	from  ledger.Snapshot // what it was made from; closures use these two, which are large
	to    ledger.Change
	guard []clientv3.Cmp
	then  []clientv3.Op
	event *eventPut      // put with the others, under the lease of events; nil if none is
	under *session.Guard // the session that a marker hangs on; nil where none is needed
	looks []look         // reads of all that is needed to judge it
	// mine says whether what is there now is this write's own doing.
	mine func(now present) bool
	// refusal says why the guards do not hold in a present state, or nil if they do.
	refusal func(now present) error
	// made is what etcd's answer to a write that was made makes of the snapshot.
	made func(resp *clientv3.TxnResponse) (ledger.Snapshot, error)
}

// present is what a transaction found: the snapshot, the create revision of the
// session's key, 0 if there is none, the record of the event, nil if there is none,
// and whether the orphan is there.
type present struct {
	ledger.Snapshot
	session int64
	event   []byte
	orphan  bool
	unique  payment.ID // that has the merchant reference; looked at only by who wants it
}

// known reports whether news was taken in already, by what a transaction found.
func (p present) known(n ledger.News) bool {
	return p.event != nil || (n.Orphan != "" && !p.orphan)
}

// look is one read of a transaction, and what becomes of what it finds.
type look struct {
	key  string
	into func(now *present, kv *mvccpb.KeyValue) error
}

// commit makes a write, or finds out why it cannot be made. It returns with an
// error that says for certain what happened, or with ledger.ErrAmbiguous.
//
// The snapshot that comes with a refusal is the present one.
func (l *Ledger) commit(ctx context.Context, w *write) (ledger.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Snapshot{}, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	if err := l.connected(); err != nil {
		return ledger.Snapshot{}, err
	}
	s, err := l.try(ctx, w)
	if lost, ok := errors.AsType[*lostError](err); ok {
		return l.settle(context.WithoutCancel(ctx), w, lost)
	}
	return s, err
}

// lostError says that a commit's answer proves nothing about the commit.
type lostError struct {
	fate fate
	err  error
}

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// try commits once. Errors: a refusal; a definite failure; *lostError.
func (l *Ledger) try(ctx context.Context, w *write) (ledger.Snapshot, error) {
	for range leaseTries {
		then, lease, err := l.withEvent(ctx, w)
		if err != nil {
			return ledger.Snapshot{}, err
		}
		s, err := l.tryOnce(ctx, w, then)
		if !errors.Is(err, errEventLeaseGone) {
			return s, err
		}
		l.events.drop(ctx, lease)
	}
	return ledger.Snapshot{}, fmt.Errorf("%w: etcd keeps no lease for events", ledger.ErrUnavailable)
}

func (l *Ledger) tryOnce(ctx context.Context, w *write, then []clientv3.Op) (ledger.Snapshot, error) {
	ctx, cancel := l.request(ctx)
	defer cancel()
	resp, err := l.client.Txn(ctx).If(w.guard...).Then(then...).Else(gets(w.looks)...).Commit()
	if err != nil {
		return ledger.Snapshot{}, l.failed(w, err)
	}
	l.saw(resp.Header.Revision)
	if resp.Succeeded {
		return w.made(resp)
	}
	s, err := l.judge(w, resp)
	if errors.Is(err, errNotMade) {
		return ledger.Snapshot{}, fmt.Errorf("%w: etcd refused a write whose guards hold", ledger.ErrUnavailable)
	}
	return s, err
}

// failed is what an error of a commit tells about it.
func (l *Ledger) failed(w *write, err error) error {
	fate := classify(err)
	switch fate {
	case fateRefused, fateBusy:
		return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	case fateLeaseGone:
		if w.event != nil {
			return errEventLeaseGone
		}
		return l.sessionLost(w)
	case fateUnknown, fateNoSpace:
	}
	return &lostError{fate: fate, err: err}
}

// settle finds out whether a write with a lost answer was made, and makes it if
// it was not: its guards let only one copy through, however late the first one
// arrives. It takes no notice of the caller going away, and gives up after
// SettleLimit.
func (l *Ledger) settle(ctx context.Context, w *write, lost *lostError) (ledger.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.SettleLimit)
	defer cancel()
	onlyFull := lost.fate == fateNoSpace // etcd answered each copy, so none is on its way any more
	for pause := settlePauseMin; ; pause = min(2*pause, settlePauseMax) {
		s, err := l.readBack(ctx, w)
		if errors.Is(err, errNotMade) {
			if onlyFull {
				return ledger.Snapshot{}, fmt.Errorf("%w: %w", ledger.ErrFull, lost)
			}
			s, err = l.try(ctx, w)
		}
		if again, ok := errors.AsType[*lostError](err); ok {
			lost, onlyFull = again, false
		} else if !errors.Is(err, ledger.ErrUnavailable) {
			return s, err
		}
		if !wait(ctx, pause) {
			return ledger.Snapshot{}, fmt.Errorf("%w: %w", ledger.ErrAmbiguous, lost)
		}
	}
}

// decline refuses a write for a reason of this process's own, unless its
// operation has something to say first: a key that is taken is told as such,
// and so is a write that was made already.
func (l *Ledger) decline(ctx context.Context, w *write, reason error) (ledger.Snapshot, error) {
	s, err := l.readBack(ctx, w)
	if errors.Is(err, errNotMade) {
		return ledger.Snapshot{}, reason
	}
	return s, err
}

// errNotMade says that nothing has happened since the write's snapshot.
var errNotMade = errors.New("not made")

// readBack reads what the write's guards compare and judges it. Errors:
// a refusal; errNotMade; ledger.ErrUnavailable.
func (l *Ledger) readBack(ctx context.Context, w *write) (ledger.Snapshot, error) {
	resp, err := l.gets(ctx, gets(w.looks)...)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	return l.judge(w, resp)
}

// judge says what became of a write, given what its looks found.
func (l *Ledger) judge(w *write, resp *clientv3.TxnResponse) (ledger.Snapshot, error) {
	now, err := decodePresent(resp, w.looks)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if w.mine(now) {
		return now.Snapshot, nil
	}
	if err := w.refusal(now); err != nil {
		if errors.Is(err, ledger.ErrSessionLost) {
			return ledger.Snapshot{}, l.sessionLost(w)
		}
		return now.Snapshot, err
	}
	return now.Snapshot, errNotMade
}

// gets are the reads of looks, in their order.
func gets(looks []look) []clientv3.Op {
	ops := make([]clientv3.Op, len(looks))
	for i, l := range looks {
		ops[i] = clientv3.OpGet(l.key)
	}
	return ops
}

// decodePresent reads what the looks found, in their order.
func decodePresent(resp *clientv3.TxnResponse, looks []look) (present, error) {
	var now present
	for i, l := range looks {
		if kv := found(resp, i); kv != nil {
			if err := l.into(&now, kv); err != nil {
				return present{}, err
			}
		}
	}
	return now, nil
}

func lookAtOperation(key string) look {
	return look{key, func(now *present, kv *mvccpb.KeyValue) (err error) {
		now.Revision.Operation = kv.ModRevision
		now.Operation, err = ledger.DecodeOperation(kv.Value)
		return err
	}}
}

func lookAtMarker(key string) look {
	return look{key, func(now *present, kv *mvccpb.KeyValue) (err error) {
		now.Revision.Marker = kv.ModRevision
		now.Marker, err = ledger.DecodeMarker(kv.Value)
		return err
	}}
}

func lookAtPayment(key string) look {
	return look{key, func(now *present, kv *mvccpb.KeyValue) (err error) {
		now.Revision.Payment = kv.ModRevision
		now.Payment, err = ledger.DecodePayment(kv.Value)
		return err
	}}
}

func lookAtSession(key string) look {
	return look{key, func(now *present, kv *mvccpb.KeyValue) error {
		now.session = kv.CreateRevision
		return nil
	}}
}

// lookAtEvent does not decode: that an event is there says that it was taken in,
// also to a build that cannot read by whom.
func lookAtEvent(key string) look {
	return look{key, func(now *present, kv *mvccpb.KeyValue) error {
		now.event = kv.Value
		return nil
	}}
}

// lookAtOrphan does not decode either: that it is there is all that matters.
func lookAtOrphan(key string) look {
	return look{key, func(now *present, _ *mvccpb.KeyValue) error {
		now.orphan = true
		return nil
	}}
}

// sessionLost tells the session, which is replaced at once.
func (l *Ledger) sessionLost(w *write) error {
	if w.under != nil {
		l.session.Lost(*w.under)
	}
	return ledger.ErrSessionLost
}

// wait pauses; false means that the time is over.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
