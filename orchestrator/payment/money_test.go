package payment_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: exponents are ISO 4217's. Method: the exceptions from two decimals,
// written down independently of the table, and codes that are none.
func TestExponent(t *testing.T) {
	for list, want := range map[string]int{
		"BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF":     0,
		"EUR USD GBP CHF SEK CZK HUF TWD COP IDR MRU MGA INR BRL CVE XCG ZWG": 2,
		"BHD IQD JOD KWD LYD OMR TND":                                         3,
	} {
		for code := range strings.FieldsSeq(list) {
			if got, err := payment.Exponent(code); err != nil || got != want {
				t.Errorf("Exponent(%s) = %d, %v; want %d", code, got, err, want)
			}
		}
	}
	for _, code := range []string{"", "E", "EU", "eur", "EURO", "ode", "code", "XXX", "XTS", "XAU", "CLF", "ANG", "HRK", "DEM", "UR,", "\nEU", "2\nA", "R,2", "E\x00R"} {
		if got, err := payment.Exponent(code); !errors.Is(err, payment.ErrUnknownCurrency) {
			t.Errorf("Exponent(%q) = %d, %v; want ErrUnknownCurrency", code, got, err)
		}
	}
}

func TestMoneyString(t *testing.T) {
	for want, m := range map[string]payment.Money{
		"10.00 EUR":                 {MinorUnits: 1000, CurrencyCode: "EUR"},
		"0.05 EUR":                  {MinorUnits: 5, CurrencyCode: "EUR"},
		"0.00 EUR":                  {CurrencyCode: "EUR"},
		"-0.05 EUR":                 {MinorUnits: -5, CurrencyCode: "EUR"},
		"10 JPY":                    {MinorUnits: 10, CurrencyCode: "JPY"},
		"-10 JPY":                   {MinorUnits: -10, CurrencyCode: "JPY"},
		"1.234 KWD":                 {MinorUnits: 1234, CurrencyCode: "KWD"},
		"7 XXX":                     {MinorUnits: 7, CurrencyCode: "XXX"},
		"92233720368547758.07 EUR":  {MinorUnits: math.MaxInt64, CurrencyCode: "EUR"},
		"-92233720368547758.08 EUR": {MinorUnits: math.MinInt64, CurrencyCode: "EUR"},
		"-9223372036854775808 JPY":  {MinorUnits: math.MinInt64, CurrencyCode: "JPY"},
		"-9223372036854775.808 BHD": {MinorUnits: math.MinInt64, CurrencyCode: "BHD"},
	} {
		if got := m.String(); got != want {
			t.Errorf("String of %d %s = %q, want %q", m.MinorUnits, m.CurrencyCode, got, want)
		}
	}
}

func TestParseMoney(t *testing.T) {
	for _, c := range []struct {
		amount, code string
		want         int64
	}{
		{"10", "EUR", 1000},
		{"10.5", "EUR", 1050},
		{"10.50", "EUR", 1050},
		{"0.01", "EUR", 1},
		{"0", "EUR", 0},
		{"007", "JPY", 7},
		{"1.234", "KWD", 1234},
		{"1.2", "KWD", 1200},
		{"92233720368547758.07", "EUR", math.MaxInt64},
		{"9223372036854775807", "JPY", math.MaxInt64},
	} {
		got, err := payment.ParseMoney(c.amount, c.code)
		if err != nil || got.MinorUnits != c.want || got.CurrencyCode != c.code {
			t.Errorf("ParseMoney(%q, %s) = %v, %v; want %d", c.amount, c.code, got, err, c.want)
		}
	}
	for _, c := range []struct{ amount, code, want string }{
		{"", "EUR", "plain decimal"},
		{".", "EUR", "plain decimal"},
		{".5", "EUR", "plain decimal"},
		{"5.", "EUR", "plain decimal"},
		{"-5", "EUR", "plain decimal"},
		{"+5", "EUR", "plain decimal"},
		{" 5", "EUR", "plain decimal"},
		{"1e3", "EUR", "plain decimal"},
		{"0x10", "EUR", "plain decimal"},
		{"1_000", "EUR", "plain decimal"},
		{"1,000", "EUR", "plain decimal"},
		{"1.2.3", "EUR", "plain decimal"},
		{"١٠", "EUR", "plain decimal"},
		{"NaN", "EUR", "plain decimal"},
		{"10.005", "EUR", "more than the 2 decimals"},
		{"10.0", "JPY", "more than the 0 decimals"},
		{"1.2345", "KWD", "more than the 3 decimals"},
		{"92233720368547758.08", "EUR", "too large"},
		{"9223372036854775808", "JPY", "too large"},
		{"184467440737095516.16", "EUR", "too large"},
		{strings.Repeat("9", 400), "EUR", "too large"},
		{"10", "XXX", "unknown currency"},
		{"10", "eur", "unknown currency"},
	} {
		if got, err := payment.ParseMoney(c.amount, c.code); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseMoney(%q, %s) = %v, %v; want an error with %q", c.amount, c.code, got, err, c.want)
		}
	}
}

// Goal: what is printed parses back to the same amount, whatever is parsed
// never panics, and nothing but digits and one point gets through.
func FuzzParseMoney(f *testing.F) {
	for _, amount := range []string{"10", "10.5", "0.00", "-1", "1e9", "99999999999999999999", "1.2.3", "٣"} {
		for _, code := range []string{"EUR", "JPY", "KWD", "XXX"} {
			f.Add(amount, code)
		}
	}
	f.Fuzz(func(t *testing.T, amount, code string) {
		m, err := payment.ParseMoney(amount, code)
		if err != nil {
			return
		}
		if m.MinorUnits < 0 || strings.Trim(amount, "0123456789.") != "" {
			t.Fatalf("ParseMoney(%q, %q) = %+v", amount, code, m)
		}
		printed, _, _ := strings.Cut(m.String(), " ")
		if again, err := payment.ParseMoney(printed, code); err != nil || again != m {
			t.Fatalf("%q is read as %+v, printed as %q, read again as %+v, %v", amount, m, printed, again, err)
		}
	})
}
