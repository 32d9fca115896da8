package ledgertest

import (
	"context"
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Read implements ledger.Ledger.
func (l *Memory) Read(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
	var s ledger.Snapshot
	err := l.read(ctx, KindRead, k, func() (err error) {
		s, err = l.store.snapshot(k)
		return err
	})
	if err != nil {
		return ledger.Snapshot{}, err
	}
	return s, nil
}

// Payment implements ledger.Ledger.
func (l *Memory) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
	var s ledger.Snapshot
	var ops []payment.Operation
	err := l.read(ctx, KindPayment, payment.OperationKey{}, func() (err error) {
		if s, err = l.store.paymentSnapshot(paymentKey{tenant, id}); err != nil {
			return err
		}
		if s.Revision.Payment == 0 {
			return fmt.Errorf("payment %s: %w", id, ledger.ErrNotFound)
		}
		ops, err = l.store.operationsOf(s.Payment)
		return err
	})
	if err != nil {
		return ledger.Snapshot{}, nil, err
	}
	return s, ops, nil
}

// List implements ledger.Ledger.
func (l *Memory) List(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
	var found []payment.Payment
	var next string
	err := l.read(ctx, KindList, payment.OperationKey{}, func() (err error) {
		found, next, err = l.store.list(f, page, ledger.PageSize(limit))
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return found, next, nil
}

// ByReference implements ledger.Ledger.
func (l *Memory) ByReference(ctx context.Context, account payment.AccountName, reference string) (payment.OperationKey, error) {
	var k payment.OperationKey
	err := l.read(ctx, KindByReference, payment.OperationKey{}, func() error {
		var ok bool
		if k, ok = l.store.references[ledger.Reference{Account: account, Name: reference}]; !ok {
			return fmt.Errorf("reference on account %s: %w", account, ledger.ErrNotFound)
		}
		return nil
	})
	if err != nil {
		return payment.OperationKey{}, err
	}
	return k, nil
}

// Due implements ledger.Ledger.
func (l *Memory) Due(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
	var all []ledger.Open
	err := l.read(ctx, KindDue, payment.OperationKey{}, func() error {
		all = l.store.due(shard, now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all[:min(limit, len(all))], nil
}

// Await implements ledger.Ledger.
func (l *Memory) Await(ctx context.Context, k payment.OperationKey) error {
	f, err := l.enter(ctx, KindAwait, k)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	for {
		woken, expiry, waiting := l.waiting(k)
		if lost := l.leave(ctx, Fault{Loss: f.Loss}, ledger.ErrUnavailable); lost != nil || !waiting {
			return lost
		}
		if err := sleep(ctx, woken, expiry); err != nil {
			return err
		}
	}
}

// waiting reports whether there is something to wait for, what wakes, and when
// the marker goes by itself (zero: never).
func (l *Memory) waiting(k payment.OperationKey) (woken <-chan struct{}, expiry time.Time, waiting bool) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	s, err := l.store.snapshot(k)
	if err != nil || s.Operation.Response != nil || !s.Marker.Present {
		return nil, time.Time{}, false
	}
	return l.store.changed, l.store.markers[k].lease.expires, true
}

// sleep returns when woken, or at expiry, or with the context's error.
func sleep(ctx context.Context, woken <-chan struct{}, expiry time.Time) error {
	var expired <-chan time.Time
	if !expiry.IsZero() {
		timer := time.NewTimer(time.Until(expiry))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-woken:
	case <-expired:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
