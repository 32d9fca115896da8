package orchestrator

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Payment returns a payment and its operations, oldest first.
// Errors: *payment.Error with ReasonNotFound (also for another tenant's
// payment) or ReasonLedgerUnavailable.
func (o *Orchestrator) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, []payment.Operation, error) {
	snap, ops, err := o.cfg.Ledger.Payment(ctx, tenant, id)
	if err != nil {
		return payment.Payment{}, nil, refusal(err)
	}
	return snap.Payment, ops, nil
}

// Operation returns an operation with its payment. Errors: as for Payment.
func (o *Orchestrator) Operation(ctx context.Context, key payment.OperationKey) (payment.Payment, payment.Operation, error) {
	if key.Validate() != nil {
		return payment.Payment{}, payment.Operation{}, refusal(ledger.ErrNotFound)
	}
	snap, err := o.cfg.Ledger.Read(ctx, key)
	if err != nil {
		return payment.Payment{}, payment.Operation{}, refusal(err)
	}
	return snap.Payment, snap.Operation, nil
}

// ByReference finds the operation of a reference id, with its payment.
// Errors: as for Payment.
func (o *Orchestrator) ByReference(ctx context.Context, tenant payment.TenantID, reference payment.ReferenceID) (payment.Payment, payment.Operation, error) {
	for _, a := range o.cfg.Accounts {
		key, err := o.cfg.Ledger.ByReference(ctx, a.Account.Name(), string(reference))
		switch {
		case err == nil && key.Tenant == tenant:
			return o.Operation(ctx, key)
		case err != nil && !errors.Is(err, ledger.ErrNotFound):
			return payment.Payment{}, payment.Operation{}, refusal(err)
		}
	}
	return payment.Payment{}, payment.Operation{}, refusal(ledger.ErrNotFound)
}

// List returns a page of payments, newest first, and the token of the next page.
// Errors: *payment.Error with ReasonRequestInvalid for a bad token, or with
// ReasonLedgerUnavailable.
func (o *Orchestrator) List(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
	found, next, err := o.cfg.Ledger.List(ctx, f, page, limit)
	if errors.Is(err, ledger.ErrPage) {
		return nil, "", &payment.Error{
			Reason: payment.ReasonRequestInvalid, Field: "page_token", Err: err,
			Message: "the page token is not one that this list gave out",
		}
	}
	if err != nil {
		return nil, "", refusal(err)
	}
	return found, next, nil
}
