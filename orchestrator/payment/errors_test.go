package payment_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: that the ledger is away is never told of an operation that exists as if nothing
// had been done, and nothing else is told otherwise than it is. Method: a refusal of
// each kind, wrapped and not.
func TestRecordedHidesNothingThatMayBeDone(t *testing.T) {
	away := &payment.Error{Reason: payment.ReasonLedgerUnavailable}
	for _, err := range []error{away, fmt.Errorf("while waiting: %w", away)} {
		e, ok := errors.AsType[*payment.Error](payment.Recorded(err))
		if !ok || e.Reason != payment.ReasonOutcomePending || e.RetryAfter <= 0 || !errors.Is(e, away) {
			t.Errorf("%v is told as %+v", err, e)
		}
	}
	for _, err := range []error{nil, errors.New("another"), &payment.Error{Reason: payment.ReasonLedgerFull}} {
		if got := payment.Recorded(err); !errors.Is(got, err) || errors.Is(got, away) {
			t.Errorf("%v is told as %v", err, got)
		}
	}
}
