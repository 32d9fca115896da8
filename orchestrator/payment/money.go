package payment

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

//go:embed iso4217.csv
var iso4217 string // ISO 4217 list one, active currencies of circulation: code and exponent

// ErrUnknownCurrency says that a currency code is not in ISO 4217's list of
// active currencies.
var ErrUnknownCurrency = errors.New("unknown currency")

// Money is an amount in the currency's smallest unit of ISO 4217: 10.00 EUR is
// {1000, "EUR"}, 10 JPY is {10, "JPY"}. There are no floats anywhere.
type Money struct {
	MinorUnits   int64  `json:"minor_units"`
	CurrencyCode string `json:"currency_code"`
}

// String writes the amount as people do: "10.00 EUR".
func (m Money) String() string {
	exp, err := Exponent(m.CurrencyCode)
	if err != nil || exp == 0 {
		return fmt.Sprintf("%d %s", m.MinorUnits, m.CurrencyCode)
	}
	sign, units := "", uint64(m.MinorUnits)
	if m.MinorUnits < 0 {
		sign, units = "-", -units
	}
	digits := fmt.Sprintf("%0*d", exp+1, units)
	cut := len(digits) - exp
	return sign + digits[:cut] + "." + digits[cut:] + " " + m.CurrencyCode
}

// Exponent is the number of decimal places of an ISO 4217 currency.
// It returns ErrUnknownCurrency for anything else.
func Exponent(code string) (int, error) {
	if len(code) == 3 {
		if _, after, ok := strings.Cut(iso4217, "\n"+code+","); ok {
			return int(after[0] - '0'), nil
		}
	}
	return 0, fmt.Errorf("%w %q", ErrUnknownCurrency, code)
}

// ParseMoney reads a decimal amount such as "10", "10.5" or "10.00" exactly.
// It refuses signs, exponents, separators and more decimals than the currency has.
func ParseMoney(amount, code string) (Money, error) {
	exp, err := Exponent(code)
	if err != nil {
		return Money{}, err
	}
	whole, frac, dotted := strings.Cut(amount, ".")
	if whole == "" || strings.Trim(whole+frac, "0123456789") != "" || (dotted && frac == "") {
		return Money{}, fmt.Errorf("amount %q is not a plain decimal number such as 10.00", amount)
	}
	if len(frac) > exp {
		return Money{}, fmt.Errorf("amount %q has more than the %d decimals of %s", amount, exp, code)
	}
	units, err := strconv.ParseUint(whole+frac+strings.Repeat("0", exp-len(frac)), 10, 64)
	if err != nil || units > math.MaxInt64 {
		return Money{}, fmt.Errorf("amount %q is too large", amount)
	}
	return Money{MinorUnits: int64(units), CurrencyCode: code}, nil
}
