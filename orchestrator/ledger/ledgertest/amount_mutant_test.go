package ledgertest

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func amountMutants() []mutant {
	// unguarded lets a claim through on whatever the payment is now.
	unguarded := func(l *broken) {
		l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			next, err := l.Memory.Claim(ctx, s, c)
			if errors.Is(err, ledger.ErrPaymentMoved) {
				return l.Memory.Claim(ctx, next, c)
			}
			return next, err
		}
	}
	releases := func(when func(op payment.Operation) bool) func(l *broken) {
		return func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if p := s.Payment; when(c.Operation) {
					p.Version, p.CaptureReserved = p.Version+1, p.CaptureReserved-c.Operation.Held
					c.Payment = &p
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}
	}
	return []mutant{
		{"a claim without the amount guard", "amount/of two captures that exceed the limit together holds one", unguarded},
		{"a claim without the amount guard, of refunds", "amount/of two refunds that exceed the limit together holds one", unguarded},
		{"a claim without the amount guard, at once", "amount/of captures and refunds at once never exceeds the limits", unguarded},
		{"a void that does not block captures", "amount/is blocked by a void until that has ended", unguarded},
		{"a park that releases", "amount/that is held stays held while its capture is parked, taken over and pending", releases(func(op payment.Operation) bool {
			return op.Method == payment.MethodCapture && op.State == payment.StateUnknown
		})},
		{"a pending outcome that releases", "amount/that is held stays held while its capture is parked, taken over and pending", releases(func(op payment.Operation) bool {
			return op.Method == payment.MethodCapture && op.State == payment.StatePending
		})},
		{"a failure that releases nothing", "amount/that is held is given back by a failure", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if c.Operation.State == payment.StateFailed {
					c.Payment = nil
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"a payment is read without what guards it", "payment/is read with what guards a claim on it", func(l *broken) {
			l.payment = func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				s, ops, err := l.Memory.Payment(ctx, t, id)
				s.Revision = ledger.Revision{}
				return s, ops, err
			}
		}},
		{"what goes beyond what was asked for is lost", "amount/that is held is posted as far as it was applied", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				s.Payment.ExcessRefunded = 0
				return s, err
			}
		}},
	}
}
