package mapping

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: callers hear the stable name and what to do next; shoppers hear
// nothing about stolen cards.
func TestDecline(t *testing.T) {
	table := acmeTable(t)
	for name, c := range map[string]struct {
		answer payment.Answer
		method payment.Method
		want   payment.Decline
	}{
		"soft": {
			payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 402, Code: "declined", Decline: "funds", Message: "no money"},
			payment.MethodAuthorize,
			payment.Decline{Category: payment.CategorySoftDecline, Code: "insufficient_funds", ProviderCode: "funds", Message: "no money", Advice: payment.AdviceNewKeyLater, ShopperCode: "insufficient_funds"},
		},
		"stolen": {
			payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 402, Code: "declined", Decline: "stolen"},
			payment.MethodRefund,
			payment.Decline{Category: payment.CategoryHardDecline, Code: "stolen_card", ProviderCode: "stolen", Advice: payment.AdviceNewKeyOtherMethod, ShopperCode: "generic_decline"},
		},
		"without a decline code": {
			payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 402, Code: "declined"},
			payment.MethodAuthorize,
			payment.Decline{Category: payment.CategorySoftDecline, Code: "declined", ProviderCode: "declined", Advice: payment.AdviceNewKeyLater, ShopperCode: "declined"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := table.Decline(table.Judge("acme", c.method, c.answer), c.answer)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Decline (-want +got):\n%s", diff)
			}
		})
	}
}

// Goal: a verdict of a row that this build does not have still gives an answer
// that is safe to show.
func TestDeclineOfARowThatIsGone(t *testing.T) {
	got := acmeTable(t).Decline(payment.Verdict{Row: "acme.retired", Category: payment.CategoryHardDecline}, payment.Answer{Code: "x"})
	want := payment.Decline{Category: payment.CategoryHardDecline, Code: "hard_decline", ProviderCode: "x", Advice: payment.AdviceNewKeyOtherMethod, ShopperCode: "generic_decline"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decline (-want +got):\n%s", diff)
	}
}

func TestFailure(t *testing.T) {
	table := acmeTable(t)
	a := payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 400, Code: "invalid", Message: "amount missing"}
	got := table.Failure(table.Judge("acme", payment.MethodAuthorize, a), a)
	want := payment.Failure{Category: payment.CategoryInvalidRequest, Code: "request_invalid", ProviderCode: "invalid", Message: "amount missing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Failure (-want +got):\n%s", diff)
	}
}

// Goal: every category has advice, none that declines says "same key", and
// what the schemes forbid to repeat is never advised.
//
// Shows R61, R62 and R63.
func TestAdvice(t *testing.T) {
	for _, c := range categories() {
		a := Advice(c, "whatever")
		if a == "" || c.Decline() && a == payment.AdviceSameKey {
			t.Errorf("Advice(%s) = %q", c, a)
		}
		if got := Advice(c, "do_not_try_again"); got != payment.AdviceNever {
			t.Errorf("Advice(%s, do_not_try_again) = %s, want NEVER", c, got)
		}
	}
	for c, want := range map[payment.Category]payment.RetryAdvice{
		payment.CategorySoftDecline:    payment.AdviceNewKeyLater,
		payment.CategoryHardDecline:    payment.AdviceNewKeyOtherMethod,
		payment.CategoryAuthnRequired:  payment.AdviceNewKeyOtherMethod,
		payment.CategoryBadData:        payment.AdviceNewKeyOtherMethod,
		payment.CategoryRateLimited:    payment.AdviceNewKeyLater,
		payment.CategoryTransientSafe:  payment.AdviceNewKeyLater,
		payment.CategoryAuthConfig:     payment.AdviceNewKeyLater,
		payment.CategoryProviderError:  payment.AdviceNewKeyLater,
		payment.CategoryInvalidRequest: payment.AdviceNever,
		payment.CategoryKeyReused:      payment.AdviceNever,
		payment.CategoryStateConflict:  payment.AdviceNever,
		payment.CategoryOK:             payment.AdviceNever,
		payment.CategoryInFlight:       payment.AdviceSameKey,
		payment.CategoryAmbiguous:      payment.AdviceSameKey,
		"added_later":                  payment.AdviceNever,
	} {
		if got := Advice(c, "declined"); got != want {
			t.Errorf("Advice(%s) = %s, want %s", c, got, want)
		}
	}
}
