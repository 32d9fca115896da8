package payment

import (
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
	// StatusAuthorized: money is held and can be captured or released; or all that was
	// captured of it the provider undid, and nothing more can be.
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

// Live reports whether something of the payment is held, was taken, or may yet be.
func (s Status) Live() bool {
	switch s {
	case StatusDeclined, StatusFailed, StatusVoided, StatusExpired:
		return false
	case StatusAuthorizing, StatusRequiresAction, StatusPending, StatusAuthorized, StatusPartiallyCaptured, StatusCaptured,
		StatusPartiallyRefunded, StatusRefunded, StatusUnknown:
		return true
	}
	return true // of another version: nobody knows
}

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

	Authorized      int64 `json:"authorized"` // what is or was held, less what was released
	Captured        int64 `json:"captured"`
	Refunded        int64 `json:"refunded"`
	Released        int64 `json:"released"`         // of the hold, given back by a void or a last capture
	CaptureReserved int64 `json:"capture_reserved"` // captures whose outcome is not known yet
	RefundReserved  int64 `json:"refund_reserved"`  // refunds whose outcome is not known yet
	// AutoReserved is what of CaptureReserved the provider is to take by itself, until
	// it tells that it has, and AutoCapture is then its id of that, or that it could not.
	// Nothing of it is given
	// back by time: where the provider does not tell, a person is told, and what is done
	// at the provider's own pages, a capture or a cancel, ends it as an event.
	AutoReserved int64             `json:"auto_reserved,omitempty"`
	AutoCapture  ProviderReference `json:"auto_capture,omitempty"`
	// What providers applied beyond what was asked for. Like Outside it may exceed
	// the limits that our own operations keep.
	ExcessCaptured int64 `json:"excess_captured"`
	ExcessRefunded int64 `json:"excess_refunded"`
	// Outside are effects that no operation of ours asked for, in the order in which
	// we heard of them, one per object.
	Outside []Outside `json:"outside,omitempty"`
	// Voiding is the void that is being worked on. It blocks captures and other voids.
	Voiding OperationID `json:"voiding,omitempty"`

	Account           AccountName       `json:"account,omitempty"`
	Environment       Environment       `json:"environment,omitempty"`
	ProviderReference ProviderReference `json:"provider_reference,omitempty"`
	NextAction        *NextAction       `json:"next_action,omitempty"`
	ExpireTime        time.Time         `json:"expire_time,omitzero"`
	Created           time.Time         `json:"created"`
	Updated           time.Time         `json:"updated"`
	Operations        []OperationID     `json:"operations"` // oldest first
	// Unique: no other payment that asks for that has the merchant reference of this
	// one, as long as it lives. It is given up once, and not taken again.
	Unique bool `json:"unique,omitempty"`
}

// Applied is what the provider says an operation moved.
type Applied struct {
	Amount     Money
	Captured   bool      // captured at once, not only held
	ExpireTime time.Time // until when a hold lasts; zero if not said
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
