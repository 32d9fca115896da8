package unit_test

import (
	"errors"
	"math"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/unit"
)

const exceptions = "currency,exponent,step,source\nISK,2,100,a page\nIDR,0,1,a page\nKWD,3,10,a page\n"

// Goal: an amount has one form at a provider, which reads back as the amount, or
// none. Method: currencies with more, fewer and as many decimals as ISO 4217 gives
// them, at a provider that takes the rest as ISO counts and at one that does not.
func TestToAndBack(t *testing.T) {
	rest, hundredths := unit.Table{Provider: "P", Exceptions: exceptions}, unit.Table{Provider: "P", Exceptions: exceptions, HundredthsOnly: true}
	for _, c := range []struct {
		table    unit.Table
		currency string
		minor    int64
		wire     int64 // 0: has no form
	}{
		{rest, "EUR", 1, 1},
		{rest, "JPY", 500, 500},
		{hundredths, "JPY", 500, 0},
		{hundredths, "EUR", 500, 500},
		{rest, "BHD", 5125, 5125},
		{hundredths, "BHD", 5125, 0},
		{rest, "ISK", 5, 500},
		{rest, "IDR", 500, 5},
		{rest, "IDR", 501, 0},
		{rest, "KWD", 5120, 5120},
		{rest, "KWD", 5124, 0},
		{rest, "XXX", 100, 0},
		{rest, "EUR", 0, 0},
		{rest, "EUR", -1, 0},
		{rest, "ISK", math.MaxInt64 / 10, 0},
		{rest, "ISK", 1<<62 + 1, 0}, // a hundredfold it would wrap to one króna
	} {
		m := payment.Money{MinorUnits: c.minor, CurrencyCode: c.currency}
		n, err := c.table.To(m)
		if c.wire == 0 {
			if !errors.Is(err, providers.ErrUnsupported) || n != 0 {
				t.Errorf("%s has the form %d, error %v; want %v", m, n, err, providers.ErrUnsupported)
			}
			continue
		}
		back, ok := c.table.From(n, c.currency)
		if err != nil || n != c.wire || !ok || *back != m {
			t.Errorf("%s has the form %d, error %v, and reads back as %v", m, n, err, back)
		}
	}
}

// Goal: what is no amount is not read as one. Method: nothing, less than nothing,
// fractions of ours, what does not fit, and currencies that nobody knows.
func TestFromRefuses(t *testing.T) {
	table := unit.Table{Provider: "P", Exceptions: exceptions}
	for _, c := range []struct {
		n        int64
		currency string
	}{{0, "EUR"}, {-5, "EUR"}, {550, "ISK"}, {math.MaxInt64, "IDR"}, {math.MinInt64, "IDR"}, {1, "XXX"}, {1, ""}, {1, "EUR,2"}} {
		if m, ok := table.From(c.n, c.currency); ok {
			t.Errorf("%d %q is read as %s", c.n, c.currency, m)
		}
	}
	if m, ok := table.From(1, "eur"); !ok || *m != (payment.Money{MinorUnits: 1, CurrencyCode: "EUR"}) {
		t.Errorf("a currency in small letters is read as %v", m)
	}
}
