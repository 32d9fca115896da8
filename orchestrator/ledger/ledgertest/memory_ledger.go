package ledgertest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Memory is a Store as one process life sees it.
type Memory struct {
	store *Store
	boot  payment.BootID
}

var _ ledger.Ledger = (*Memory)(nil)

// Boot implements ledger.Ledger.
func (l *Memory) Boot() payment.BootID { return l.boot }

// enter lets the hook decide about a call, with nothing locked. An error means
// that the call does not reach the store.
func (l *Memory) enter(ctx context.Context, kind Kind, key payment.OperationKey) (Fault, error) {
	hook, err := l.alive()
	if err != nil {
		return Fault{}, err
	}
	var f Fault
	if hook != nil {
		f = hook(ctx, Call{Kind: kind, Boot: l.boot, Key: key})
	}
	if _, err := l.alive(); err != nil {
		return f, err
	}
	if err := ctx.Err(); err != nil {
		return f, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	switch f.Loss {
	case Unavailable:
		return f, fmt.Errorf("%w: a fault of the test", ledger.ErrUnavailable)
	case AmbiguousNotApplied:
		if kind.Writes() {
			return f, fmt.Errorf("%w: a fault of the test", ledger.ErrAmbiguous)
		}
		return f, fmt.Errorf("%w: a fault of the test", ledger.ErrUnavailable)
	case None, AmbiguousApplied:
	}
	return f, nil
}

// alive returns the hook, or an error if this life has ended.
func (l *Memory) alive() (Hook, error) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.store.boots[l.boot].crashed {
		return nil, fmt.Errorf("%w: boot %s has crashed", ledger.ErrUnavailable, l.boot)
	}
	return l.store.hook, nil
}

// leave lets the answer of a call get lost. lost is what the caller is then told.
func (l *Memory) leave(ctx context.Context, f Fault, lost error) error {
	if f.Gate != nil {
		f.Gate(ctx)
	}
	if _, err := l.alive(); err != nil {
		return fmt.Errorf("%w: boot %s crashed meanwhile", lost, l.boot)
	}
	if f.Gate != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", lost, ctx.Err())
	}
	if f.Loss == AmbiguousApplied {
		return fmt.Errorf("%w: a fault of the test", lost)
	}
	return nil
}

// write runs one write between the hook and the loss of its answer.
func (l *Memory) write(ctx context.Context, kind Kind, key payment.OperationKey, do func() (ledger.Snapshot, error)) (ledger.Snapshot, error) {
	f, err := l.enter(ctx, kind, key)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	l.store.mu.Lock()
	s, err := do()
	l.store.mu.Unlock()
	if lost := l.leave(ctx, f, ledger.ErrAmbiguous); lost != nil {
		return ledger.Snapshot{}, lost
	}
	return s, err
}

// read runs one read between the hook and the loss of its answer.
func (l *Memory) read(ctx context.Context, kind Kind, key payment.OperationKey, do func() error) error {
	f, err := l.enter(ctx, kind, key)
	if err != nil {
		return err
	}
	l.store.mu.Lock()
	err = do()
	l.store.mu.Unlock()
	if lost := l.leave(ctx, f, ledger.ErrUnavailable); lost != nil {
		return lost
	}
	return err
}

// session is the live session of this life. The caller holds the lock.
func (l *Memory) session() (*lease, error) {
	held := l.store.boots[l.boot].lease
	if !held.alive(time.Now()) {
		return nil, fmt.Errorf("boot %s: %w", l.boot, ledger.ErrSessionLost)
	}
	return held, nil
}

// Claim implements ledger.Ledger.
func (l *Memory) Claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if err := errors.Join(ledger.CheckOwns(c), ledger.CheckParent(ledger.Snapshot{Parent: s.Parent, Revision: ledger.Revision{Parent: s.Revision.Parent}}, c)); err != nil {
		return ledger.Snapshot{}, err
	}
	l.store.check(func() []string { return l.store.claimFaults(l.boot, s, c) })
	return l.write(ctx, KindClaim, c.Operation.Key, func() (ledger.Snapshot, error) { return l.claim(s, c) })
}

func (l *Memory) claim(s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	k := c.Operation.Key
	if _, exists := l.store.operations[k]; exists {
		now, err := l.store.snapshot(k)
		switch {
		case err != nil:
			return ledger.Snapshot{}, err
		case ledger.Wrote(c.Operation, now.Operation):
			return now, nil
		}
		return ledger.Snapshot{}, &payment.KeyTakenError{Operation: now.Operation, OwnerAlive: now.Marker.Present}
	}
	held, err := l.session()
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if l.store.full {
		return ledger.Snapshot{}, ledger.ErrFull
	}
	if err := l.store.referenceTaken(s, c); err != nil {
		return ledger.Snapshot{}, err
	}
	if err := l.store.parentMoved(s, c); err != nil {
		now, read := l.store.paymentSnapshot(paymentKey{k.Tenant, c.Operation.PaymentID})
		return now, cmp.Or(read, err)
	}
	if c.Payment != nil {
		now, err := l.store.paymentSnapshot(paymentKey{c.Payment.Tenant, c.Payment.ID})
		if err != nil {
			return ledger.Snapshot{}, err
		}
		if now.Revision.Payment != s.Revision.Payment {
			return now, fmt.Errorf("payment %s: %w", c.Payment.ID, ledger.ErrPaymentMoved)
		}
	}
	return l.store.commit(l.boot, c, held)
}

// Takeover implements ledger.Ledger.
func (l *Memory) Takeover(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if err := ledger.CheckOwns(c); err != nil {
		return ledger.Snapshot{}, err
	}
	l.store.check(func() []string { return l.store.takeoverFaults(l.boot, s, c) })
	return l.write(ctx, KindTakeover, c.Operation.Key, func() (ledger.Snapshot, error) { return l.takeover(s, c) })
}

func (l *Memory) takeover(s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	now, err := l.store.snapshot(c.Operation.Key)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if now.Revision.Operation != s.Revision.Operation || now.Revision.Marker != s.Revision.Marker {
		return made(now, c)
	}
	held, err := l.session()
	if err != nil {
		return ledger.Snapshot{}, err
	}
	return l.store.commit(l.boot, ledger.Change{Operation: c.Operation}, held)
}

// Advance implements ledger.Ledger.
func (l *Memory) Advance(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if err := ledger.CheckNews(c.News); err != nil {
		return ledger.Snapshot{}, err
	}
	if err := ledger.CheckParent(s, c); err != nil {
		return ledger.Snapshot{}, err
	}
	l.store.check(func() []string { return l.store.advanceFaults(s, c) })
	return l.write(ctx, kindOfAdvance(s, c), c.Operation.Key, func() (ledger.Snapshot, error) { return l.advance(s, c) })
}

func (l *Memory) advance(s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	now, err := l.store.snapshot(c.Operation.Key)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if now.Revision.Operation != s.Revision.Operation {
		another := c.Event != nil && !l.tookIn(*c.Event, c.Operation.Key)
		if another || (c.Orphan != "" && l.store.waits(c.Orphan)) {
			return now, fmt.Errorf("operation %s: %w", c.Operation.Key.ID, ledger.ErrFenced)
		}
		return made(now, c)
	}
	if err := l.store.known(c.News); err != nil {
		return now, err
	}
	if c.Payment != nil && now.Revision.Payment != s.Revision.Payment {
		return now, fmt.Errorf("payment %s: %w", c.Payment.ID, ledger.ErrPaymentMoved)
	}
	if err := l.store.parentMoved(s, c); err != nil {
		return now, err
	}
	return l.store.commit(l.boot, c, nil)
}

// made tells a write that was made before from one that is fenced.
func made(now ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if ledger.Wrote(c.Operation, now.Operation) {
		return now, nil
	}
	return now, fmt.Errorf("operation %s: %w", c.Operation.Key.ID, ledger.ErrFenced)
}

// Hold implements ledger.Ledger.
func (l *Memory) Hold(ctx context.Context, margin time.Duration) error {
	return l.read(ctx, KindHold, payment.OperationKey{}, func() error {
		held, err := l.session()
		if err != nil {
			return err
		}
		left := l.store.config.TTL // renewed just now
		if !held.expires.IsZero() {
			left = time.Until(held.expires)
		}
		if l.store.config.TTL > 0 && left < margin {
			return fmt.Errorf("boot %s: %w within %s", l.boot, ledger.ErrSessionLost, margin)
		}
		return nil
	})
}

// Anchor implements ledger.Ledger.
func (l *Memory) Anchor(ctx context.Context, name string, value []byte) ([]byte, error) {
	var stored []byte
	if value == nil {
		err := l.read(ctx, KindRead, payment.OperationKey{}, func() error {
			stored = bytes.Clone(l.store.anchors[name])
			return nil
		})
		if err != nil {
			return nil, err
		}
		return stored, nil
	}
	_, err := l.write(ctx, KindAnchor, payment.OperationKey{}, func() (ledger.Snapshot, error) {
		if l.store.anchors[name] == nil {
			l.store.anchors[name] = bytes.Clone(value)
		}
		stored = bytes.Clone(l.store.anchors[name])
		return ledger.Snapshot{}, nil
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}
