package main

import (
	"strings"
	"testing"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// TestPaymentShowsWhatWasUndone: a person sees what the provider took back of what it
// had done, and no line about it where it took nothing back.
func TestPaymentShowsWhatWasUndone(t *testing.T) {
	for name, c := range map[string]struct {
		captured, refunded int64
		want               string
	}{
		"nothing": {0, 0, ""},
		"both":    {900, 200, "9.00 EUR of what was captured, 2.00 EUR of what was refunded"},
	} {
		var out strings.Builder
		p := &acquitv1.Payment{
			CapturedReversed: &acquitv1.Money{MinorUnits: c.captured, CurrencyCode: "EUR"},
			RefundedReversed: &acquitv1.Money{MinorUnits: c.refunded, CurrencyCode: "EUR"},
		}
		if err := writePayment(&out, p); err != nil {
			t.Fatal(err)
		}
		if shown := strings.Contains(out.String(), "undone"); shown != (c.want != "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
