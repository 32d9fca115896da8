package etcdledger

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	before ledger.Snapshot   // what it was made from; its revisions are what the guards compare
	want   payment.Operation // the operation as the write leaves it
	puts   *payment.Payment  // the payment as the write leaves it; nil leaves and does not guard it
	under  *session.Guard    // the session that the marker hangs on; nil where none is needed
	guard  []clientv3.Cmp
	then   []clientv3.Op
	// refusal says why the guards do not hold in a present state, or nil if they do.
	refusal func(now present) error
}

// present is what a transaction found: the snapshot, and the create revision of
// the session's key, 0 if there is none.
type present struct {
	ledger.Snapshot
	session int64
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
	ctx, cancel := l.request(ctx)
	defer cancel()
	resp, err := l.client.Txn(ctx).If(w.guard...).Then(w.then...).Else(l.look(w)...).Commit()
	if err != nil {
		return ledger.Snapshot{}, l.failed(w, err)
	}
	l.saw(resp.Header.Revision)
	if resp.Succeeded {
		return w.made(resp.Header.Revision), nil
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
	case fateSessionLost:
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
	resp, err := l.gets(ctx, l.look(w)...)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	return l.judge(w, resp)
}

// look reads all that judge needs, in its order.
func (l *Ledger) look(w *write) []clientv3.Op {
	ops := []clientv3.Op{
		clientv3.OpGet(l.keys.operation(w.want.Key)),
		clientv3.OpGet(l.keys.marker(w.want.Key)),
		clientv3.OpGet(l.keys.payment(w.want.Key.Tenant, w.want.PaymentID)),
	}
	if w.under != nil {
		ops = append(ops, clientv3.OpGet(w.under.Key))
	}
	return ops
}

// judge says what became of a write, given what look found.
//
// What is read is the write's doing only if it is newer than the snapshot it
// was made from and agrees with it in nonce, epoch, state, owner and attempts.
func (l *Ledger) judge(w *write, resp *clientv3.TxnResponse) (ledger.Snapshot, error) {
	now, err := decodePresent(resp)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	rev := now.Revision.Operation
	if rev != 0 && rev != w.before.Revision.Operation && ledger.Wrote(w.want, now.Operation) {
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

func decodePresent(resp *clientv3.TxnResponse) (present, error) {
	var now present
	var err error
	if kv := found(resp, 0); kv != nil {
		now.Revision.Operation = kv.ModRevision
		if now.Operation, err = ledger.DecodeOperation(kv.Value); err != nil {
			return present{}, err
		}
	}
	if kv := found(resp, 1); kv != nil {
		now.Revision.Marker = kv.ModRevision
		if now.Marker, err = ledger.DecodeMarker(kv.Value); err != nil {
			return present{}, err
		}
	}
	if kv := found(resp, 2); kv != nil {
		now.Revision.Payment = kv.ModRevision
		if now.Payment, err = ledger.DecodePayment(kv.Value); err != nil {
			return present{}, err
		}
	}
	if kv := found(resp, 3); kv != nil {
		now.session = kv.CreateRevision
	}
	return now, nil
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
