package adyen

import (
	_ "embed"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/unit"
)

// currencies are those that Adyen does not count as ISO 4217 does.
//
//go:embed currencies.csv
var currencies string

func units() unit.Table { return unit.Table{Provider: "Adyen", Exceptions: currencies} }

// amount is an amount as Adyen writes it.
type amount struct {
	Currency string `json:"currency"`
	Value    int64  `json:"value"`
}

// toAdyen is an amount as Adyen counts it. Errors: ErrUnsupported where it has no
// form in Adyen's unit, which is never rounded.
func toAdyen(m payment.Money) (amount, error) {
	n, err := units().To(m)
	return amount{m.CurrencyCode, n}, err
}

// money is the inverse of toAdyen; ok is false for what is no amount that we could
// have asked for or could record.
func (a amount) money() (m *payment.Money, ok bool) {
	m, ok = units().From(a.Value, a.Currency)
	if !ok || m.CurrencyCode != a.Currency {
		return nil, false
	}
	return m, true
}
