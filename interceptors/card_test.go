package interceptors

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Test numbers that the schemes publish, in the ways people write them.
func TestCardNumbersAreFound(t *testing.T) {
	numbers := map[string]string{
		"Visa": "4111111111111111", "Visa of 13": "4222222222222", "Visa of 19": "4000000000000000006",
		"Mastercard": "5555555555554444", "Mastercard 2-series": "2223003122003222", "Mastercard 2720": "2720992593319364",
		"American Express 37": "378282246310005", "American Express 34": "343434343434343",
		"Diners 30": "30569309025904", "Diners 36": "36227206271667", "Diners 38": "38520000023237",
		"Discover 6011": "6011111111111117", "Discover 65": "6510000000000125", "Discover 644": "6445644564456445",
		"JCB": "3530111333300000", "UnionPay": "6200000000000005", "UnionPay of 19": "6205500000000000004",
	}
	ways := map[string]func(string) string{
		"plain":                     func(n string) string { return n },
		"in groups with spaces":     func(n string) string { return grouped(n, " ") },
		"in groups with hyphens":    func(n string) string { return grouped(n, "-") },
		"digit by digit":            func(n string) string { return strings.Join(strings.Split(n, ""), " ") },
		"in a sentence":             func(n string) string { return "my card is " + n + ", please" },
		"before an expiry date":     func(n string) string { return n + " 12/29" },
		"after a number":            func(n string) string { return "order 12 " + n },
		"between letters":           func(n string) string { return "pan" + n + "end" },
		"after something else":      func(n string) string { return "0199a1b2-3c4d-7e5f-8a6b-123456789abc " + n },
		"beside a longer number":    func(n string) string { return "12345678901234567890123 " + n },
		"after a plus in a word":    func(n string) string { return "card+" + n },
		"in quotes with line break": func(n string) string { return "{\"n\":\n\"" + n + "\"}" },
	}
	finder := newCardFinder()
	for issuer, n := range numbers {
		for way, write := range ways {
			if !finder.in(write(n)) {
				t.Errorf("%s %s is not found: %q", issuer, way, write(n))
			}
		}
	}
}

func grouped(n, separator string) string {
	var groups []string
	for ; len(n) > 4; n = n[4:] {
		groups = append(groups, n[:4])
	}
	return strings.Join(append(groups, n), separator)
}

// What only has digits is not refused.
func TestOtherTextIsNotACardNumber(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                      "",
		"a word":                     "tok_decline_insufficient_funds",
		"a wrong check digit":        "4111111111111112",
		"no issuer":                  "1234567812345670",
		"zeros":                      "0000000000000000",
		"too short":                  "411111111111",
		"too long":                   "41111111111111111111111",
		"digits across words":        "4111 1111, 1111 1111",
		"two separators":             "4111  1111  1111  1111",
		"a German telephone number":  "+4915112345678",
		"written with groups":        "call +49 151 12345 678 today",
		"a UUID of version 4":        "4aaaaaaa-1111-4111-8111-111111111111",
		"a UUID after a prefix":      "order_41111111-1111-4111-8111-111111111111",
		"an SHA-256":                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4111111111111111",
		"a time in microseconds":     "1700000000000000",
		"an IPv4 address and a port": "411.111.111.111:111111111",
		"a date and a time":          "2026-11-21 02:29:41.111111",
	} {
		if newCardFinder().in(text) {
			t.Errorf("%s: %q is taken for a card number", name, text)
		}
	}
}

// The telephone number above would be one without its plus.
func TestATelephoneNumberNeedsItsPlus(t *testing.T) {
	if !newCardFinder().in("4915112345678") {
		t.Error("the number shows nothing")
	}
}

// Ids of UUID form, which callers put everywhere, are never refused by chance:
// a payment whose id is refused could never be captured.
func TestUUIDsAreNeverRefused(t *testing.T) {
	finder, random := newCardFinder(), rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var b strings.Builder
		for i := range 36 {
			switch i {
			case 8, 13, 18, 23:
				b.WriteByte('-')
			default:
				b.WriteByte("00112233445566778899abcdef"[random.IntN(26)])
			}
		}
		if id := b.String(); finder.in(id) || finder.in("order_"+id+"_1") {
			t.Fatalf("%s is taken for a card number", id)
		}
	}
}

// The finder never fails, whatever the text is.
func FuzzCardFinder(f *testing.F) {
	for _, seed := range []string{"4111 1111 1111 1111", "+", "-", " 4", "4-", "+4111111111111111", "\xff4111111111111111"} {
		f.Add(seed)
	}
	finder := newCardFinder()
	f.Fuzz(func(t *testing.T, text string) {
		if finder.in(text) && !enoughDigits(text) {
			t.Errorf("%q", text)
		}
	})
}
