package mapping

import (
	"slices"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: what somebody has to mend is not repeated by us, with any provider, and what only
// we can mend is told to somebody; an instrument that is refused for good is tried
// nowhere else. Method: every row of the built-in table, by its category.
//
// Shows R30, R39, R40, R41, R44, R49, R60 and R64.
func TestRefusalsAreNotSentAgain(t *testing.T) {
	mended := []payment.Category{
		payment.CategoryInvalidRequest, payment.CategoryAuthConfig, payment.CategoryBadData, payment.CategoryAuthnRequired,
		payment.CategoryKeyReused, payment.CategoryHardDecline, payment.CategorySoftDecline, payment.CategoryStateConflict,
	}
	const passing = "sandbox.any.nothing_held" // the hold may be on its way: the authorization was answered before it
	seen := make(map[payment.Category]int)
	for _, r := range builtIn(t).Rows() {
		seen[r.Category]++
		if r.Transport == "" && slices.Contains(mended, r.Category) && r.ID != passing && r.Resend != payment.ResendNever && r.Resend != payment.ResendAfterTokenRefresh {
			t.Errorf("%s: %s is sent again, %s", r.ID, r.Category, r.Resend)
		}
		if r.Resend == payment.ResendAfterTokenRefresh && r.Category != payment.CategoryAuthConfig {
			t.Errorf("%s: a new token does not help against %s", r.ID, r.Category)
		}
		if (r.Category == payment.CategoryAuthConfig || r.Category == payment.CategoryKeyReused) && !r.Alert {
			t.Errorf("%s: nobody is told of %s", r.ID, r.Category)
		}
		if r.Category == payment.CategoryHardDecline && r.Failover {
			t.Errorf("%s: an instrument that is refused for good is tried elsewhere", r.ID)
		}
	}
	for _, c := range mended {
		if seen[c] == 0 {
			t.Errorf("no row is of category %s: the test shows nothing of it", c)
		}
	}
	if a := Advice(payment.CategoryHardDecline, "stolen_card"); a != payment.AdviceNewKeyOtherMethod {
		t.Errorf("after a hard decline the caller is told %s", a)
	}
}
