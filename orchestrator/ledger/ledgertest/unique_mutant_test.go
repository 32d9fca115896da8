package ledgertest

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func uniqueMutants() []mutant {
	claiming := func(alter func(l *broken, c *ledger.Change)) func(l *broken) {
		return func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				alter(l, &c)
				return l.Memory.Claim(ctx, s, c)
			}
		}
	}
	frees := func(which func(store *Store, k payment.OperationKey) bool) func(l *broken) {
		return spoils(func(store *Store, k payment.OperationKey) {
			if s, err := store.snapshot(k); err == nil && which(store, k) {
				delete(store.uniques, uniqueOf(s.Payment))
			}
		})
	}
	return []mutant{
		{"a name is nobody's own", "unique/reference is had by one of many payments that ask at once", claiming(func(l *broken, c *ledger.Change) {
			l.store.mu.Lock()
			defer l.store.mu.Unlock()
			clear(l.store.uniques)
		})},
		{"a name is told before the key", "unique/reference is told after the key that is taken", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if taken, ok := errors.AsType[*payment.KeyTakenError](err); ok {
					return next, &ledger.ReferenceTakenError{Payment: taken.Operation.PaymentID}
				}
				return next, err
			}
		}},
		{"a claim is refused its own name", "unique/reference of a claim repeated is its own", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil && now.Payment.Unique && ledger.Wrote(c.Operation, now.Operation) {
					return ledger.Snapshot{}, &ledger.ReferenceTakenError{Payment: now.Payment.ID}
				}
				return l.Memory.Claim(ctx, s, c)
			}
		}},
		{"a refused claim is made all the same", "unique/reference that is taken leaves nothing behind", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if _, taken := errors.AsType[*ledger.ReferenceTakenError](err); taken {
					p := *c.Payment
					p.Unique = false
					_, _ = l.Memory.Claim(ctx, s, ledger.Change{Operation: c.Operation, Payment: &p})
				}
				return next, err
			}
		}},
		{"a name is every tenant's", "unique/reference of another tenant is another", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if holder, taken := l.store.uniques[Unique{tenant, c.Payment.MerchantReference}]; taken && c.Operation.Key.Tenant != tenant {
					return ledger.Snapshot{}, &ledger.ReferenceTakenError{Payment: holder}
				}
				return l.Memory.Claim(ctx, s, c)
			}
		}},
		{"whoever does not ask has the name too", "unique/reference is not asked for by everybody", claiming(func(_ *broken, c *ledger.Change) {
			p := *c.Payment
			p.Unique = p.MerchantReference != ""
			c.Payment = &p
		})},
		{"a name is never given up", "unique/reference is free when its payment is DECLINED", before(func(s ledger.Snapshot, c *ledger.Change) {
			if c.Payment != nil && s.Payment.Unique {
				p := *c.Payment
				p.Unique = true
				c.Payment = &p
			}
		})},
		{"a name outlives its payment", "unique/reference of a payment is given up by its void", spoils(func(store *Store, k payment.OperationKey) {
			if s, err := store.snapshot(k); err == nil && s.Payment.Status == payment.StatusVoided {
				store.uniques[uniqueOf(s.Payment)] = s.Payment.ID
			}
		})},
		{"a name is given up at once", "unique/reference stays taken by a payment that is PENDING", frees(func(store *Store, k payment.OperationKey) bool {
			s, err := store.snapshot(k)
			return err == nil && s.Operation.State == payment.StatePending
		})},
		{"a name is given up when money is held", "unique/reference stays taken by a payment that is SUCCEEDED", frees(func(store *Store, k payment.OperationKey) bool {
			s, err := store.snapshot(k)
			return err == nil && s.Operation.State == payment.StateSucceeded
		})},
		{"a name is given up for whoever has it now", "unique/reference that was given up is not given up again", func(l *broken) {
			l.record = func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				next, err := l.Memory.Record(ctx, s, p, n)
				l.store.mu.Lock()
				defer l.store.mu.Unlock()
				delete(l.store.uniques, uniqueOf(s.Payment))
				return next, err
			}
		}},
	}
}
