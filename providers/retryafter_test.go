package providers

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Goal: every form in which providers ask to wait is read, and no value, however
// absurd, makes the wait negative or longer than a day.
//
// Shows R31.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	epoch := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	cases := map[string]struct {
		header []string // name, value, …
		want   time.Duration
	}{
		"nothing":                   {nil, 0},
		"seconds":                   {[]string{"Retry-After", "7"}, 7 * time.Second},
		"seconds with space":        {[]string{"Retry-After", " 7 "}, 7 * time.Second},
		"zero":                      {[]string{"Retry-After", "0"}, 0},
		"negative":                  {[]string{"Retry-After", "-7"}, 0},
		"days":                      {[]string{"Retry-After", "9999999"}, 24 * time.Hour},
		"would overflow a duration": {[]string{"Retry-After", "9223372036854775807"}, 24 * time.Hour},
		"would overflow an integer": {[]string{"Retry-After", "99999999999999999999"}, 24 * time.Hour},
		"negative beyond integers":  {[]string{"Retry-After", "-99999999999999999999"}, 0},
		"a date":                    {[]string{"Retry-After", at(90 * time.Second)}, 90 * time.Second},
		"a date in the old form":    {[]string{"Retry-After", now.Add(time.Minute).Format(time.RFC850)}, time.Minute},
		"a date in the past":        {[]string{"Retry-After", at(-time.Hour)}, 0},
		"a date next year":          {[]string{"Retry-After", at(9000 * time.Hour)}, 24 * time.Hour},
		"a phrase":                  {[]string{"Retry-After", "soon"}, 0},
		"two values":                {[]string{"Retry-After", "1", "Retry-After", "5"}, 5 * time.Second},
		"limit left":                {[]string{"X-RateLimit-Remaining", "3", "X-RateLimit-Reset", "9"}, 0},
		"limit used up, seconds":    {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "9"}, 9 * time.Second},
		"limit used up, epoch":      {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(9 * time.Second)}, 9 * time.Second},
		"limit used up, epoch past": {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", epoch(-time.Hour)}, 0},
		"limit used up, milliseconds": {
			[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(now.Add(9*time.Second).UnixMilli(), 10)}, 9 * time.Second,
		},
		"limit used up, far future": {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "9223372036854775807"}, 24 * time.Hour},
		"limit used up, unsaid":     {[]string{"X-RateLimit-Remaining", "0"}, 0},
		"both: the longer":          {[]string{"Retry-After", "20", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "9"}, 20 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for i := 0; i < len(c.header); i += 2 {
				h.Add(c.header[i], c.header[i+1])
			}
			if got := retryAfter(h, now); got != c.want {
				t.Errorf("retryAfter(%v) = %s, want %s", h, got, c.want)
			}
		})
	}
}

// Goal: text of others holds nothing that could be a card number, and nothing
// that disturbs a log or a terminal.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"insufficient funds":             "insufficient funds",
		"card 4111111111111111 declined": "card [digits] declined",
		"4111 1111 1111 1111":            "[digits]",
		"4111-1111-1111-1111.":           "[digits].",
		"in 12 digits: 123456789012":     "in 12 digits: 123456789012",
		"1234567890123":                  "[digits]",
		"99999999999999999999999":        "[digits]",
		"12 34 56":                       "12 34 56",
		"12  34567890123":                "12  34567890123",
		"a\r\nb\x1b[31m\u0085":           "a  b [31m ",
		"\xff broken":                    "  broken",
		"grüße":                          "grüße",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean(strings.Repeat("ü", 400)); len(got) > maxMessage || len(got) < maxMessage-1 || !utf8.ValidString(got) {
		t.Errorf("a long text is cut to %d bytes, valid %t", len(got), utf8.ValidString(got))
	}
}
