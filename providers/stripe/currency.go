package stripe

import (
	_ "embed"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/unit"
)

// currencies are the currencies in which Stripe's smallest unit is not a
// hundredth, or not every amount may be charged. UGX is not among them, since
// Stripe's pages disagree about it: like every other currency without two
// decimals it has no form here.
//
//go:embed currencies.csv
var currencies string

func units() unit.Table {
	return unit.Table{Provider: "Stripe", Exceptions: currencies, HundredthsOnly: true}
}

// toStripe is an amount as Stripe counts it. Errors: ErrUnsupported where it has
// no form in Stripe's unit, which is never rounded.
func toStripe(m payment.Money) (int64, error) { return units().To(m) }

// fromStripe is the inverse of toStripe; ok is false for what is no amount that we
// could have asked for or could record.
func fromStripe(n int64, currency string) (m *payment.Money, ok bool) {
	return units().From(n, currency)
}
