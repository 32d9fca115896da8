package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func liveMutants() []mutant {
	return []mutant{
		{"a waiter never waits", "await/wakes on an outcome", func(l *broken) {
			l.await = func(context.Context, payment.OperationKey) error { return nil }
		}},
		{"a waiter never wakes", "await/wakes on a park", func(l *broken) {
			l.await = func(ctx context.Context, _ payment.OperationKey) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}},
		{"a waiter sees no session end", "await/wakes when the owner's session ends", func(l *broken) {
			l.await = func(ctx context.Context, k payment.OperationKey) error {
				for {
					if s, err := l.Memory.Read(ctx, k); err != nil || s.Operation.Response != nil {
						return err
					}
					if err := sleep(ctx, nil, time.Now().Add(time.Second)); err != nil {
						return err
					}
				}
			}
		}},
		{"a waiter swallows the end of its context", "await/ends with its context", func(l *broken) {
			l.await = func(ctx context.Context, k payment.OperationKey) error {
				_ = l.Memory.Await(ctx, k)
				return nil
			}
		}},
		{"an ended session is held", "session/that ended is not held, and takes only its own markers along", func(l *broken) {
			l.hold = func(context.Context, time.Duration) error { return nil }
		}},
		{"an anchor is what was given", "anchor/is stored once and never changes", func(l *broken) {
			l.anchor = func(ctx context.Context, name string, value []byte) ([]byte, error) {
				stored, err := l.Memory.Anchor(ctx, name, value)
				if value != nil {
					return bytes.Clone(value), err
				}
				return stored, err
			}
		}},
		{"an ambiguous write is called not made", "fault/lost success, applied", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if errors.Is(err, ledger.ErrAmbiguous) {
					return next, ledger.ErrUnavailable
				}
				return next, err
			}
		}},
		{"an ambiguous write is called made", "fault/lost answer to success, not applied", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if errors.Is(err, ledger.ErrAmbiguous) {
					return ledger.Snapshot{Operation: c.Operation, Payment: *c.Payment}, nil
				}
				return next, err
			}
		}},
		{"a repeated outcome is fenced by itself", "fault/lost success, applied", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil && now.Revision.Operation != s.Revision.Operation {
					return now, ledger.ErrFenced
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}},
	}
}
