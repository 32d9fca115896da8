package payment

import (
	"fmt"
	"slices"
	"time"
)

// Status is where a payment stands, derived from its operations.
type Status string

// The statuses of a payment.
const (
	// StatusAuthorizing: the authorization is being worked on.
	StatusAuthorizing Status = "AUTHORIZING"
	// StatusRequiresAction: the shopper must act; see NextAction.
	StatusRequiresAction Status = "REQUIRES_ACTION"
	// StatusPending: the provider accepted and will tell the outcome later.
	StatusPending Status = "PENDING"
	// StatusAuthorized: money is held and can be captured or released.
	StatusAuthorized Status = "AUTHORIZED"
	// StatusPartiallyCaptured: part of the authorized amount was captured.
	StatusPartiallyCaptured Status = "PARTIALLY_CAPTURED"
	// StatusCaptured: the authorized amount was captured.
	StatusCaptured Status = "CAPTURED"
	// StatusPartiallyRefunded: part of the captured amount went back.
	StatusPartiallyRefunded Status = "PARTIALLY_REFUNDED"
	// StatusRefunded: the captured amount went back.
	StatusRefunded Status = "REFUNDED"
	// StatusVoided: the hold was released.
	StatusVoided Status = "VOIDED"
	// StatusExpired: the provider let the hold or the redirect lapse.
	StatusExpired Status = "EXPIRED"
	// StatusDeclined: the authorization was declined.
	StatusDeclined Status = "DECLINED"
	// StatusFailed: the authorization ended without effect.
	StatusFailed Status = "FAILED"
	// StatusUnknown: nobody can tell yet whether money is held.
	StatusUnknown Status = "UNKNOWN"
)

// CaptureMode says whether an authorization only holds the money or takes it.
type CaptureMode string

// The capture modes.
const (
	CaptureManual    CaptureMode = "manual"
	CaptureAutomatic CaptureMode = "automatic"
)

// Payment is the aggregate that all operations on one payment share. Amounts
// are minor units of Amount's currency.
type Payment struct {
	ID                ID                `json:"id"`
	Tenant            TenantID          `json:"tenant"`
	MerchantReference MerchantReference `json:"merchant_reference,omitempty"`
	Status            Status            `json:"status"`
	Version           int64             `json:"version"` // rises by one with every change
	CaptureMode       CaptureMode       `json:"capture_mode"`
	Amount            Money             `json:"amount"` // as requested

	Authorized      int64 `json:"authorized"`
	Captured        int64 `json:"captured"`
	Refunded        int64 `json:"refunded"`
	CaptureReserved int64 `json:"capture_reserved"` // captures whose outcome is not known yet
	RefundReserved  int64 `json:"refund_reserved"`  // refunds whose outcome is not known yet
	Disputed        int64 `json:"disputed"`

	Account           AccountName       `json:"account,omitempty"`
	Environment       Environment       `json:"environment,omitempty"`
	ProviderReference ProviderReference `json:"provider_reference,omitempty"`
	NextAction        *NextAction       `json:"next_action,omitempty"`
	ExpireTime        time.Time         `json:"expire_time,omitzero"`
	Created           time.Time         `json:"created"`
	Updated           time.Time         `json:"updated"`
	Operations        []OperationID     `json:"operations"` // oldest first
}

// Applied is what the provider says an operation moved.
type Applied struct {
	Amount     Money
	Captured   bool      // captured at once, not only held
	ExpireTime time.Time // until when a hold lasts; zero if not said
}

// Capturable is what may still be captured.
func (p Payment) Capturable() int64 {
	return max(0, p.Authorized-p.Captured-p.CaptureReserved)
}

// Refundable is what may still be refunded.
func (p Payment) Refundable() int64 {
	return max(0, p.Captured-p.Refunded-p.RefundReserved)
}

// Open starts the payment of an Authorize operation that is being claimed.
func Open(op Operation, in Instruction, at time.Time) Payment {
	return Payment{
		ID: op.PaymentID, Tenant: op.Key.Tenant, MerchantReference: in.MerchantReference,
		Status: StatusAuthorizing, Version: 1, CaptureMode: in.CaptureMode, Amount: op.Amount,
		Account: op.Current().Account, Environment: op.Current().Target.Environment,
		Created: at, Updated: at, Operations: []OperationID{op.Key.ID},
	}
}

// After returns the payment once its Authorize operation stands as op.
// applied is what the provider did; it is read only when op succeeded.
// It is pure and leaves p alone.
func (p Payment) After(op Operation, applied Applied, at time.Time) (Payment, error) {
	if op.Method != MethodAuthorize {
		return p, fmt.Errorf("%w: a payment does not know %s", ErrIllegalTransition, op.Method)
	}
	attempt := op.Current()
	p.Operations = slices.Clone(p.Operations)
	p.Version++
	p.Updated = at
	p.Account, p.Environment = attempt.Account, attempt.Target.Environment
	p.ProviderReference, p.NextAction = attempt.ProviderReference, nil
	switch op.State {
	case StateIntent:
		p.Status = StatusAuthorizing
	case StateUnknown, StateFencing:
		p.Status = StatusUnknown
	case StatePending:
		p.Status = StatusPending
	case StateRequiresAction:
		p.Status, p.NextAction = StatusRequiresAction, attempt.NextAction
	case StateDeclined:
		p.Status = StatusDeclined
	case StateFailed:
		p.Status = StatusFailed
	case StateSucceeded:
		return p.authorized(applied)
	}
	return p, nil
}

// authorized posts what the provider applied, which may be less than was asked
// for: a partial authorization authorizes what it says.
func (p Payment) authorized(a Applied) (Payment, error) {
	if a.Amount.CurrencyCode != p.Amount.CurrencyCode || a.Amount.MinorUnits <= 0 {
		return p, fmt.Errorf("%w: %s applied to a payment of %s", ErrIllegalTransition, a.Amount, p.Amount)
	}
	p.Status, p.Authorized, p.ExpireTime = StatusAuthorized, a.Amount.MinorUnits, a.ExpireTime
	if a.Captured {
		p.Status, p.Captured = StatusCaptured, a.Amount.MinorUnits
	}
	return p, nil
}
