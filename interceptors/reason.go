package interceptors

import (
	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// treatment is what the contract says about a reason.
type treatment struct {
	code    codes.Code
	sameKey bool // the same key can bring another answer, so the caller may come again with it
	delay   bool // always says when to come again
}

// treat is the one place that maps reasons to codes. An unknown reason is a bug
// of ours.
func treat(r payment.Reason) treatment {
	switch r {
	case payment.ReasonKeyRequired, payment.ReasonKeyInvalid, payment.ReasonUnknownFields,
		payment.ReasonCardDataRefused, payment.ReasonRequestInvalid:
		return treatment{code: codes.InvalidArgument}
	case payment.ReasonKeyReused, payment.ReasonKeyExpired, payment.ReasonExceedsAuthorized,
		payment.ReasonExceedsCaptured, payment.ReasonCurrencyMismatch, payment.ReasonNotCapturable,
		payment.ReasonNotRefundable, payment.ReasonNotVoidable, payment.ReasonNotCompletable,
		payment.ReasonUnsupportedByProvider:
		return treatment{code: codes.FailedPrecondition}
	case payment.ReasonParentUnknown, payment.ReasonNoRoute: // refused without a record: the key is still free
		return treatment{code: codes.FailedPrecondition, sameKey: true}
	case payment.ReasonKeyInFlight, payment.ReasonPaymentContended:
		return treatment{code: codes.Aborted, sameKey: true, delay: true}
	case payment.ReasonLedgerUnavailable, payment.ReasonOutcomePending:
		return treatment{code: codes.Unavailable, sameKey: true, delay: true}
	case payment.ReasonDeadlineTooShort:
		return treatment{code: codes.DeadlineExceeded, sameKey: true}
	case payment.ReasonLedgerFull: // nobody knows when the operators have made room
		return treatment{code: codes.ResourceExhausted, sameKey: true}
	case payment.ReasonOverloaded:
		return treatment{code: codes.ResourceExhausted, sameKey: true, delay: true}
	case payment.ReasonMerchantReferenceExists:
		return treatment{code: codes.AlreadyExists}
	case payment.ReasonPermissionDenied:
		return treatment{code: codes.PermissionDenied}
	case payment.ReasonUnauthenticated:
		return treatment{code: codes.Unauthenticated}
	case payment.ReasonNotFound:
		return treatment{code: codes.NotFound}
	case payment.ReasonInternal: // an effect is possible: the same key finds out, a new one could charge twice
		return treatment{code: codes.Internal, sameKey: true}
	}
	return treatment{code: codes.Internal, sameKey: true}
}

// reasonOf is the reason of a status that a middleware or generated code made.
// There is none for a code that says all there is to say and that clients also
// get from their own library, without details; ok is false for codes that
// nobody inside makes on purpose.
func reasonOf(c codes.Code) (r payment.Reason, ok bool) {
	switch c {
	case codes.InvalidArgument:
		return payment.ReasonRequestInvalid, true
	case codes.NotFound:
		return payment.ReasonNotFound, true
	case codes.PermissionDenied:
		return payment.ReasonPermissionDenied, true
	case codes.Unauthenticated:
		return payment.ReasonUnauthenticated, true
	case codes.ResourceExhausted:
		return payment.ReasonOverloaded, true
	case codes.Canceled, codes.DeadlineExceeded, codes.Unimplemented:
		return "", true
	case codes.OK, codes.Unknown, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange,
		codes.Internal, codes.Unavailable, codes.DataLoss:
		return payment.ReasonInternal, false
	}
	return payment.ReasonInternal, false
}
