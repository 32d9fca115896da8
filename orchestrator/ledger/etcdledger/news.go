package etcdledger

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Record implements ledger.Ledger.
func (l *Ledger) Record(context.Context, ledger.Snapshot, *payment.Payment, ledger.News) (ledger.Snapshot, error) {
	return ledger.Snapshot{}, errors.ErrUnsupported
}

// Attention implements ledger.Ledger.
func (l *Ledger) Attention(context.Context, payment.TenantID, string, int) ([]payment.Attention, error) {
	return nil, errors.ErrUnsupported
}

// Living implements ledger.Ledger.
func (l *Ledger) Living(context.Context) ([]payment.BootID, error) { return nil, errors.ErrUnsupported }
