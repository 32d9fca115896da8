package stripe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// Goal: an amount is asked for in Stripe's unit, read back from it, and never
// rounded; what has no form there has no route. Method: a currency of each kind,
// built as a refund and read in its answer.
func TestCurrencies(t *testing.T) {
	d := stripe.New(stripe.Config{})
	for _, c := range []struct {
		currency string
		minor    int64
		wire     int64 // 0: has no form
	}{
		{"EUR", 1, 1},
		{"USD", 12345, 12345},
		{"HUF", 1000, 1000},
		{"JPY", 500, 500},
		{"KRW", 500, 500},
		{"ISK", 5, 500},
		{"KWD", 5120, 5120},
		{"KWD", 5124, 0},
		{"MGA", 500, 5},
		{"MGA", 501, 0},
		{"UGX", 100, 0},
		{"CLF", 100, 0},
		{"IQD", 1000, 0},
		{"XXX", 100, 0},
		{"EUR", 0, 0},
		{"EUR", -1, 0},
		{"ISK", 1<<62 + 1, 0}, // a hundredfold it would wrap to one króna
	} {
		s := stripetest.Send(payment.MethodRefund)
		s.Amount = payment.Money{MinorUnits: c.minor, CurrencyCode: c.currency}
		r, err := d.Build(s)
		if c.wire == 0 {
			if !errors.Is(err, providers.ErrUnsupported) {
				t.Errorf("%s %d: body %s, error %v; want %v", c.currency, c.minor, r.Body, err, providers.ErrUnsupported)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %d: %v", c.currency, c.minor, err)
		}
		if !strings.HasPrefix(string(r.Body), "amount="+text(c.wire)+"&") {
			t.Errorf("%s: asked as %s, want %d", s.Amount, r.Body, c.wire)
		}
		a := d.Parse(s, stripetest.JSON(200, stripetest.Refund(s, payment.Money{MinorUnits: c.wire, CurrencyCode: c.currency}, "succeeded")))
		if a.Amount == nil || *a.Amount != s.Amount {
			t.Errorf("%s: read as %v", s.Amount, a.Amount)
		}
		if c.currency == "ISK" {
			odd := d.Parse(s, stripetest.JSON(200, stripetest.Refund(s, payment.Money{MinorUnits: c.wire + 1, CurrencyCode: c.currency}, "succeeded")))
			if odd.Code != "" || odd.Amount != nil {
				t.Errorf("an amount between two kronur is read as %+v", odd)
			}
		}
	}
}
