package stripe

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// currencies are the currencies in which Stripe's smallest unit is not a
// hundredth, or not every amount may be charged. UGX is not among them, since
// Stripe's pages disagree about it: like every other currency without two
// decimals it has no form here.
//
//go:embed currencies.csv
var currencies string

// unit is how Stripe counts a currency.
type unit struct {
	exponent int
	step     int64 // every amount is a multiple of it
}

// unitOf is the unit of a currency, and the number of decimals that ISO 4217 gives it.
func unitOf(code string) (u unit, iso int, err error) {
	if iso, err = payment.Exponent(code); err != nil {
		return u, iso, fmt.Errorf("%w: %w", providers.ErrUnsupported, err)
	}
	if _, row, listed := strings.Cut(currencies, "\n"+code+","); listed {
		cells := strings.SplitN(row, ",", 3)
		u.exponent, err = strconv.Atoi(cells[0])
		if err == nil {
			u.step, err = strconv.ParseInt(cells[1], 10, 64)
		}
		return u, iso, err
	}
	if iso != 2 {
		return u, iso, fmt.Errorf("%w: Stripe's unit of %s is not known", providers.ErrUnsupported, code)
	}
	return unit{exponent: 2, step: 1}, iso, nil
}

// toStripe is an amount as Stripe counts it. Errors: ErrUnsupported where it has
// no form in Stripe's unit, which is never rounded.
func toStripe(m payment.Money) (int64, error) {
	u, iso, err := unitOf(m.CurrencyCode)
	if err != nil {
		return 0, err
	}
	n, ok := scaled(m.MinorUnits, u.exponent-iso)
	if !ok || n <= 0 || n%u.step != 0 {
		return 0, fmt.Errorf("%w: Stripe has no form of %s", providers.ErrUnsupported, m)
	}
	return n, nil
}

// fromStripe is the inverse of toStripe; ok is false for what is no amount that we
// could have asked for or could record.
func fromStripe(n int64, currency string) (m *payment.Money, ok bool) {
	code := strings.ToUpper(currency)
	u, iso, err := unitOf(code)
	if err != nil {
		return nil, false
	}
	minor, ok := scaled(n, iso-u.exponent)
	if !ok || minor <= 0 {
		return nil, false
	}
	return &payment.Money{MinorUnits: minor, CurrencyCode: code}, true
}

// scaled is n × 10^by if that is a whole number that fits.
func scaled(n int64, by int) (int64, bool) {
	for ; by > 0; by-- {
		if n > math.MaxInt64/10 || n < math.MinInt64/10 {
			return 0, false
		}
		n *= 10
	}
	for ; by < 0; by++ {
		if n%10 != 0 {
			return 0, false
		}
		n /= 10
	}
	return n, true
}
