package mapping

import (
	"cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Decline is what callers are told when somebody said no. The verdict's
// category must be one that declines.
func (t *Table) Decline(v payment.Verdict, a payment.Answer) payment.Decline {
	r, known := t.Row(v.Row)
	d := payment.Decline{
		Category: v.Category, Code: cmp.Or(r.Canonical, string(v.Category)),
		ProviderCode: providerCode(a), Message: a.Message,
		Advice: Advice(v.Category, r.Canonical), ShopperCode: r.ShopperCode(),
	}
	if !known || d.ShopperCode == "" || isDelicate(d.ShopperCode) {
		d.ShopperCode = genericDecline
	}
	return d
}

// Failure is what callers are told when an operation ended without effect and
// nobody declined it.
func (t *Table) Failure(v payment.Verdict, a payment.Answer) payment.Failure {
	r, _ := t.Row(v.Row)
	return payment.Failure{
		Category: v.Category, Code: cmp.Or(r.Canonical, string(v.Category)),
		ProviderCode: providerCode(a), Message: a.Message,
	}
}

// providerCode is the finest code that the provider gave.
func providerCode(a payment.Answer) string { return cmp.Or(a.Decline, a.Code) }

// Advice is what a new try would need after an answer of a category. The same
// key never helps: it brings the same answer.
func Advice(c payment.Category, canonical string) payment.RetryAdvice {
	if isFinal(canonical) {
		return payment.AdviceNever
	}
	switch c {
	case payment.CategorySoftDecline:
		return payment.AdviceNewKeyLater
	case payment.CategoryHardDecline:
		return payment.AdviceNewKeyOtherMethod
	case payment.CategoryAuthnRequired:
		// With the payer present, or with an instrument that needs no authentication.
		return payment.AdviceNewKeyOtherMethod
	case payment.CategoryBadData:
		// The data must be corrected, which makes it another instrument to us.
		return payment.AdviceNewKeyOtherMethod
	case payment.CategoryRateLimited, payment.CategoryTransientSafe, payment.CategoryAuthConfig, payment.CategoryProviderError:
		return payment.AdviceNewKeyLater
	case payment.CategoryInvalidRequest, payment.CategoryKeyReused, payment.CategoryStateConflict, payment.CategoryOK:
		return payment.AdviceNever
	case payment.CategoryInFlight, payment.CategoryAmbiguous:
		return payment.AdviceSameKey
	}
	return payment.AdviceNever
}

// isFinal reports whether a canonical name says that the payer or the issuer
// wants no further try at all: trying again breaks the schemes' rules.
func isFinal(canonical string) bool {
	switch canonical {
	case "do_not_try_again", "do_not_retry", "stop_payment_order",
		"revocation_of_authorization", "revocation_of_all_authorizations":
		return true
	}
	return false
}
