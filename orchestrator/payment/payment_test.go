package payment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func euro(units int64) payment.Money { return payment.Money{MinorUnits: units, CurrencyCode: "EUR"} }

// opened is the payment of a claim for 10.00 EUR.
func opened(t *testing.T) (payment.Payment, payment.Operation) {
	t.Helper()
	op := in(t, payment.StateIntent)
	op.Attempts[0].Target.Environment = payment.EnvironmentSandbox
	return payment.Open(op, payment.Instruction{MerchantReference: "m1", CaptureMode: payment.CaptureManual}, at()), op
}

func TestOpenPayment(t *testing.T) {
	got, op := opened(t)
	want := payment.Payment{
		ID: "p1", Tenant: "default", MerchantReference: "m1", Status: payment.StatusAuthorizing, Version: 1, CaptureMode: payment.CaptureManual,
		Amount: euro(1000), Account: "a", Environment: payment.EnvironmentSandbox, Created: at(), Updated: at(), Operations: []payment.OperationID{op.Key.ID},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Open (-want +got):\n%s", diff)
	}
	if got.Capturable() != 0 || got.Refundable() != 0 {
		t.Error("a payment that is not authorized can be captured or refunded")
	}
}

// Goal: the payment says what its authorization came to, and posts amounts only
// when it succeeded.
func TestPaymentAfterEachState(t *testing.T) {
	for state, want := range map[payment.State]payment.Status{
		payment.StateIntent: payment.StatusAuthorizing, payment.StateUnknown: payment.StatusUnknown, payment.StateFencing: payment.StatusUnknown,
		payment.StatePending: payment.StatusPending, payment.StateRequiresAction: payment.StatusRequiresAction,
		payment.StateSucceeded: payment.StatusAuthorized, payment.StateDeclined: payment.StatusDeclined, payment.StateFailed: payment.StatusFailed,
	} {
		p, op := opened(t)
		before := p
		before.Operations = slices.Clone(p.Operations)
		op.State = state
		op.Attempts[0].NextAction = &payment.NextAction{RedirectURL: "u"}
		op.Attempts[0].ProviderReference = "obj"
		later := at().Add(time.Minute)
		got, err := p.After(op, payment.Applied{Amount: euro(1000), ExpireTime: later}, later)
		if err != nil {
			t.Errorf("%s: %v", state, err)
			continue
		}
		if got.Status != want || got.Version != 2 || !got.Updated.Equal(later) || !got.Created.Equal(at()) || got.ProviderReference != "obj" {
			t.Errorf("%s: %+v, want status %s and version 2", state, got, want)
		}
		if (got.NextAction != nil) != (state == payment.StateRequiresAction) {
			t.Errorf("%s: next action %v", state, got.NextAction)
		}
		if posted := got.Authorized != 0 || got.Captured != 0; posted != (state == payment.StateSucceeded) {
			t.Errorf("%s: authorized %d, captured %d", state, got.Authorized, got.Captured)
		}
		if diff := cmp.Diff(before, p); diff != "" {
			t.Errorf("%s: After altered the payment it started from:\n%s", state, diff)
		}
	}
}

// Goal: what is authorized and captured is what the provider applied.
func TestPaymentAfterSuccess(t *testing.T) {
	for name, c := range map[string]struct {
		applied              payment.Applied
		status               payment.Status
		authorized, captured int64
	}{
		"held":              {payment.Applied{Amount: euro(1000), ExpireTime: at()}, payment.StatusAuthorized, 1000, 0},
		"held in part":      {payment.Applied{Amount: euro(400)}, payment.StatusAuthorized, 400, 0},
		"captured at once":  {payment.Applied{Amount: euro(1000), Captured: true}, payment.StatusCaptured, 1000, 1000},
		"captured in part":  {payment.Applied{Amount: euro(400), Captured: true}, payment.StatusCaptured, 400, 400},
		"nothing":           {payment.Applied{Amount: euro(0)}, "", 0, 0},
		"less than nothing": {payment.Applied{Amount: euro(-1)}, "", 0, 0},
		"other currency":    {payment.Applied{Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "USD"}}, "", 0, 0},
		"no currency":       {payment.Applied{Amount: payment.Money{MinorUnits: 1000}}, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, op := opened(t)
			op.State = payment.StateSucceeded
			got, err := p.After(op, c.applied, at())
			if c.status == "" {
				if !errors.Is(err, payment.ErrIllegalTransition) {
					t.Errorf("After = %v, want ErrIllegalTransition", err)
				}
				return
			}
			if err != nil || got.Status != c.status || got.Authorized != c.authorized || got.Captured != c.captured || !got.ExpireTime.Equal(c.applied.ExpireTime) {
				t.Errorf("After = %+v, %v; want %s, %d authorized, %d captured", got, err, c.status, c.authorized, c.captured)
			}
			if got.Capturable() != c.authorized-c.captured || got.Refundable() != c.captured {
				t.Errorf("capturable %d, refundable %d", got.Capturable(), got.Refundable())
			}
		})
	}
}

// Goal: a failover moves the payment to the account that is tried now.
func TestPaymentAfterFailover(t *testing.T) {
	p, op := opened(t)
	next, err := op.Next(moves()["fail over, sticky"])
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.After(next, payment.Applied{}, at())
	if err != nil || got.Account != "b" || got.Status != payment.StatusAuthorizing {
		t.Errorf("After = %+v, %v; want AUTHORIZING on b", got, err)
	}
}

// Goal: what is reserved is neither capturable nor refundable, and never negative.
func TestAmountsLeft(t *testing.T) {
	p := payment.Payment{Authorized: 1000, Captured: 300, CaptureReserved: 200, Refunded: 100, RefundReserved: 50}
	if p.Capturable() != 500 || p.Refundable() != 150 {
		t.Errorf("capturable %d, refundable %d; want 500, 150", p.Capturable(), p.Refundable())
	}
	over := payment.Payment{Authorized: 100, Captured: 300, Refunded: 400}
	if over.Capturable() != 0 || over.Refundable() != 0 {
		t.Errorf("capturable %d, refundable %d; want none", over.Capturable(), over.Refundable())
	}
}

// Goal: callers are told to use the same key while an answer can still change,
// and a new one only once it cannot.
//
// Shows R56.
func TestAdvice(t *testing.T) {
	for state, want := range map[payment.State]payment.RetryAdvice{
		payment.StateIntent: payment.AdviceSameKey, payment.StateUnknown: payment.AdviceSameKey, payment.StateFencing: payment.AdviceSameKey,
		payment.StatePending: payment.AdviceSameKey, payment.StateRequiresAction: payment.AdviceSameKey, payment.StateSucceeded: payment.AdviceNever,
		payment.StateDeclined: payment.AdviceNever, payment.StateFailed: payment.AdviceNewKeyLater, "PAUSED": payment.AdviceSameKey,
	} {
		if got := (payment.Operation{State: state}).Advice(); got != want {
			t.Errorf("Advice in %s = %s, want %s", state, got, want)
		}
	}
	op := payment.Operation{State: payment.StateDeclined, Decline: &payment.Decline{Advice: payment.AdviceNewKeyOtherMethod}}
	if got := op.Advice(); got != payment.AdviceNewKeyOtherMethod {
		t.Errorf("Advice of a decline = %s, want its own", got)
	}
}

func TestStateAndCategory(t *testing.T) {
	var final, answers, declines []string
	for _, s := range states() {
		if s.Final() {
			final = append(final, string(s))
		}
		if s.Answers() {
			answers = append(answers, string(s))
		}
	}
	for _, c := range []payment.Category{
		payment.CategoryOK, payment.CategoryInFlight, payment.CategoryTransientSafe, payment.CategoryAmbiguous, payment.CategoryRateLimited,
		payment.CategorySoftDecline, payment.CategoryHardDecline, payment.CategoryAuthnRequired, payment.CategoryBadData,
		payment.CategoryInvalidRequest, payment.CategoryAuthConfig, payment.CategoryKeyReused, payment.CategoryStateConflict,
		payment.CategoryProviderError, "", "new",
	} {
		if c.Decline() {
			declines = append(declines, string(c))
		}
	}
	for got, want := range map[string]string{
		strings.Join(final, " "):    "SUCCEEDED DECLINED FAILED",
		strings.Join(answers, " "):  "PENDING REQUIRES_ACTION SUCCEEDED DECLINED FAILED",
		strings.Join(declines, " "): "soft_decline hard_decline authn_required bad_data",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTraits(t *testing.T) {
	some := payment.Traits{Methods: []payment.Method{payment.MethodAuthorize}, Currencies: []string{"EUR"}}
	if !some.Supports(payment.MethodAuthorize) || some.Supports(payment.MethodRefund) || !some.Takes("EUR") || some.Takes("USD") {
		t.Error("what is declared is not what is supported")
	}
	if all := (payment.Traits{}); !all.Takes("USD") || all.Supports(payment.MethodAuthorize) {
		t.Error("no list of currencies means every one, no list of methods none")
	}
}

func TestPointsAreDistinct(t *testing.T) {
	points := payment.Points()
	slices.Sort(points)
	if len(slices.Compact(points)) != len(payment.Points()) || slices.Contains(points, "") {
		t.Errorf("points %v are not distinct names", points)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("disk")
	err := &payment.Error{Reason: payment.ReasonLedgerUnavailable, Message: "try again", Err: cause}
	if !errors.Is(err, cause) || err.Error() != "LEDGER_UNAVAILABLE: try again: disk" {
		t.Errorf("Error = %q", err.Error())
	}
	if bare := (&payment.Error{Reason: payment.ReasonNoRoute, Message: "none"}); bare.Error() != "NO_ROUTE: none" || bare.Unwrap() != nil {
		t.Errorf("Error = %q", bare.Error())
	}
	taken := &payment.KeyTakenError{Operation: payment.Operation{Key: payment.OperationKey{ID: "a1"}, State: payment.StateUnknown}}
	if got := taken.Error(); got != "operation a1 exists in state UNKNOWN" {
		t.Errorf("Error = %q", got)
	}
}
