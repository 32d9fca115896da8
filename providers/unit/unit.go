// Package unit counts money as a provider counts it: in ISO 4217 minor units but
// for the currencies that the provider's own list names. An amount is never
// rounded: what has no form in the provider's unit has none at all.
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Table is how one provider counts.
type Table struct {
	// Provider is its name, for messages.
	Provider string
	// Exceptions is a CSV with the columns currency, exponent, step and source:
	// the currencies that are not counted as ISO 4217 does, or of which not every
	// amount may be charged, since each is a multiple of the step.
	Exceptions string
	// HundredthsOnly gives no form to a currency that is not listed and that ISO
	// 4217 does not count in hundredths: for a provider whose list is known to be
	// incomplete about those.
	HundredthsOnly bool
}

// unit is how the provider counts a currency.
type unit struct {
	exponent int
	step     int64 // every amount is a multiple of it
}

// of is the unit of a currency, and the number of decimals that ISO 4217 gives it.
func (t Table) of(code string) (u unit, iso int, err error) {
	if iso, err = payment.Exponent(code); err != nil {
		return u, iso, fmt.Errorf("%w: %w", providers.ErrUnsupported, err)
	}
	if _, row, listed := strings.Cut(t.Exceptions, "\n"+code+","); listed {
		cells := strings.SplitN(row, ",", 3)
		u.exponent, err = strconv.Atoi(cells[0])
		if err == nil {
			u.step, err = strconv.ParseInt(cells[1], 10, 64)
		}
		return u, iso, err
	}
	if t.HundredthsOnly && iso != 2 {
		return u, iso, fmt.Errorf("%w: the unit of %s at %s is not known", providers.ErrUnsupported, code, t.Provider)
	}
	return unit{exponent: iso, step: 1}, iso, nil
}

// To is an amount as the provider counts it. Errors: ErrUnsupported where it has
// no form there, as nothing and what is less than nothing have none.
func (t Table) To(m payment.Money) (int64, error) {
	u, iso, err := t.of(m.CurrencyCode)
	if err != nil {
		return 0, err
	}
	n, ok := scaled(m.MinorUnits, u.exponent-iso)
	if !ok || n <= 0 || n%u.step != 0 {
		return 0, fmt.Errorf("%w: %s has no form of %s", providers.ErrUnsupported, t.Provider, m)
	}
	return n, nil
}

// From is the inverse of To; ok is false for what is no amount that we could have
// asked for or could record. The currency may be written in either case.
func (t Table) From(n int64, currency string) (m *payment.Money, ok bool) {
	code := strings.ToUpper(currency)
	u, iso, err := t.of(code)
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
