package payment

import (
	"errors"
	"fmt"
	"time"
)

// Reason is why a call was refused. The names are those of the API's
// ErrorReason without its prefix; interceptors/errors.go maps them to codes.
type Reason string

// The reasons. Each is documented on the API's ErrorReason.
const (
	ReasonKeyRequired             Reason = "IDEMPOTENCY_KEY_REQUIRED"
	ReasonKeyInvalid              Reason = "IDEMPOTENCY_KEY_INVALID"
	ReasonKeyReused               Reason = "IDEMPOTENCY_KEY_REUSED"
	ReasonKeyInFlight             Reason = "IDEMPOTENCY_KEY_IN_FLIGHT"
	ReasonKeyExpired              Reason = "IDEMPOTENCY_KEY_EXPIRED"
	ReasonUnknownFields           Reason = "UNKNOWN_FIELDS"
	ReasonCardDataRefused         Reason = "CARD_DATA_REFUSED"
	ReasonDeadlineTooShort        Reason = "DEADLINE_TOO_SHORT"
	ReasonLedgerUnavailable       Reason = "LEDGER_UNAVAILABLE"
	ReasonOutcomePending          Reason = "OUTCOME_PENDING"
	ReasonPaymentContended        Reason = "PAYMENT_CONTENDED"
	ReasonLedgerFull              Reason = "LEDGER_FULL"
	ReasonRequestInvalid          Reason = "REQUEST_INVALID"
	ReasonExceedsAuthorized       Reason = "AMOUNT_EXCEEDS_AUTHORIZED"
	ReasonExceedsCaptured         Reason = "AMOUNT_EXCEEDS_CAPTURED"
	ReasonCurrencyMismatch        Reason = "CURRENCY_MISMATCH"
	ReasonNotCapturable           Reason = "PAYMENT_NOT_CAPTURABLE"
	ReasonNotRefundable           Reason = "PAYMENT_NOT_REFUNDABLE"
	ReasonNotVoidable             Reason = "PAYMENT_NOT_VOIDABLE"
	ReasonNotCompletable          Reason = "PAYMENT_NOT_COMPLETABLE"
	ReasonParentUnknown           Reason = "PARENT_UNKNOWN"
	ReasonUnsupportedByProvider   Reason = "UNSUPPORTED_BY_PROVIDER"
	ReasonNoRoute                 Reason = "NO_ROUTE"
	ReasonMerchantReferenceExists Reason = "MERCHANT_REFERENCE_EXISTS"
	ReasonOverloaded              Reason = "OVERLOADED"
	ReasonPermissionDenied        Reason = "PERMISSION_DENIED"
	ReasonUnauthenticated         Reason = "UNAUTHENTICATED"
	ReasonNotFound                Reason = "NOT_FOUND"
	ReasonInternal                Reason = "INTERNAL" // a bug of ours; the message says nothing about it
)

// Error refuses a call. It is never used for what a provider said: that is in
// the operation's state.
type Error struct {
	Reason     Reason
	Message    string        // for the caller; holds no secret and nothing of another tenant
	Payment    ID            // the payment that stands in the way, if one does: of the caller's own tenant
	Field      string        // path of the offending field, if one is
	RetryAfter time.Duration // > 0 where the same call may be tried again
	Err        error         // cause, for our logs only
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Reason, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Reason, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// OutcomePending refuses a call about which the ledger, being away, cannot show what was
// done: the same key is to come again in a second, and never a new one. The cause may be
// nil.
func OutcomePending(cause error) error {
	return &Error{
		Reason: ReasonOutcomePending, RetryAfter: time.Second, Err: cause,
		Message: "something may have been done that the ledger cannot show yet; retry with the same key, never with a new one",
	}
}

// Recorded is what a refusal means for an operation that exists: that the ledger is away
// by now says nothing about what was done before. Other errors stay what they are.
func Recorded(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Reason == ReasonLedgerUnavailable {
		return OutcomePending(e)
	}
	return err
}

// KeyTakenError says that a claim found its key in use. The interceptor that
// holds the key decides what follows: replay, wait, resume or refuse.
type KeyTakenError struct {
	Operation Operation
	// OwnerAlive reports that an in-flight marker exists: the owner's session lives.
	OwnerAlive bool
}

// Error implements error.
func (e *KeyTakenError) Error() string {
	return fmt.Sprintf("operation %s exists in state %s", e.Operation.Key.ID, e.Operation.State)
}

// Reply is what a keyed call answers: marshalled bytes of the method's response.
type Reply struct {
	Bytes []byte
	// Stored: the bytes are the operation's durable response, the same for every
	// caller for ever. Otherwise they are interim, and the same key can give
	// another answer later.
	Stored bool
}
