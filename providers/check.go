package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Limits on what a driver may ask to send and may report.
const (
	maxRequestBody = 256 << 10
	maxPath        = 2048
	maxCode        = 64
	maxReference   = 128
	maxMessage     = 500
	maxActionURL   = 4096
	maxActionSDK   = 64 << 10
	maxActionForm  = 50
)

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// checkWrite reports a request that may not be sent as a write.
func checkWrite(r Request, t payment.Traits) error {
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, r.Method) {
		return fmt.Errorf("%q is no method of a write", r.Method)
	}
	switch {
	case r.Key == "":
		return errors.New("a write without a provider key could have its effect twice")
	case len(r.Key) > t.KeyMax:
		return fmt.Errorf("the provider key has %d characters, the provider takes %d", len(r.Key), t.KeyMax)
	case !only(string(r.Key), alphanumeric+"-_"):
		return errors.New("the provider key has a character outside A-Z, a-z, 0-9, - and _")
	case !carries(r, string(r.Key)):
		return errors.New("the provider key is neither in a header nor in the body")
	case len(r.Body) > maxRequestBody:
		return fmt.Errorf("the body has %d bytes", len(r.Body))
	}
	return errors.Join(checkPath(r.Path), checkHeader(r.Header), checkBuilt(r.Header))
}

// checkRead reports a request that may not be sent as a look-up.
func checkRead(r Request) error {
	switch {
	case r.Method != http.MethodGet:
		return fmt.Errorf("%q is no method of a read", r.Method)
	case r.Key != "" || r.Header.Get("Idempotency-Key") != "":
		return errors.New("a read has no provider key")
	case len(r.Body) > 0:
		return errors.New("a read has no body")
	}
	return errors.Join(checkPath(r.Path), checkHeader(r.Header), checkBuilt(r.Header))
}

func carries(r Request, key string) bool {
	for _, values := range r.Header {
		if slices.Contains(values, key) {
			return true
		}
	}
	return bytes.Contains(r.Body, []byte(key))
}

// checkPath reports a path that could lead elsewhere than it seems.
func checkPath(p string) error {
	u, err := url.ParseRequestURI(p)
	switch {
	case err != nil, len(p) > maxPath, !strings.HasPrefix(p, "/"), strings.HasPrefix(p, "//"), strings.ContainsAny(p, "#\\ "), !printable(p):
		return errors.New("the path is malformed")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return errors.New("the path climbs")
		}
	}
	return nil
}

// checkHeader reports a header that is the transport's business, or malformed.
func checkHeader(h http.Header) error {
	for name, values := range h {
		switch name {
		case "Host", "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Expect", "Keep-Alive", "Accept-Encoding":
			return fmt.Errorf("the header %s belongs to the transport", name)
		}
		if name != http.CanonicalHeaderKey(name) || !only(name, alphanumeric+"-_") {
			return fmt.Errorf("the header name %q is malformed", name)
		}
		for _, v := range values {
			if !printable(v) {
				return fmt.Errorf("the header %s has a character that is not printable ASCII", name)
			}
		}
	}
	return nil
}

// checkBuilt reports what only signing may add: it would differ between sends.
func checkBuilt(h http.Header) error {
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Date"} {
		if h.Get(name) != "" {
			return fmt.Errorf("the header %s is not to be built but signed", name)
		}
	}
	return nil
}

// implausible says what is wrong with an answer that cannot be about s; "" if
// nothing is. What is merely too long for people is cut later, not doubted.
func implausible(s payment.Send, a payment.Answer, env payment.Environment) string {
	switch {
	case a.OurEcho != "" && a.OurEcho != s.Reference:
		return "the answer is about another reference than ours"
	case !isCode(a.Code) || !isCode(a.Decline):
		return "a code is malformed"
	case a.Decline != "" && a.Code == "":
		return "a decline code without a code"
	case a.Reference != "" && !isReference(string(a.Reference)):
		return "the provider's reference is malformed"
	case a.Amount != nil && (a.Amount.MinorUnits <= 0 || a.Amount.CurrencyCode != s.Amount.CurrencyCode):
		return "the applied amount is not positive or in another currency"
	case !slices.Contains([]payment.Hint{payment.HintNone, payment.HintRetry, payment.HintLater, payment.HintStop}, a.Hint):
		return "the hint is unknown"
	case a.NextAction != nil && !plausibleAction(*a.NextAction, env):
		return "the next action is malformed"
	}
	return ""
}

// plausibleAction reports whether an action may be handed to a shopper's browser.
func plausibleAction(n payment.NextAction, env payment.Environment) bool {
	if len(n.RedirectForm) > maxActionForm || len(n.ProviderSDK) > maxActionSDK {
		return false
	}
	if len(n.ProviderSDK) > 0 && !isObject(n.ProviderSDK) {
		return false
	}
	if !slices.Contains([]string{"", http.MethodGet, http.MethodPost}, n.RedirectMethod) {
		return false
	}
	if n.RedirectURL == "" {
		return len(n.ProviderSDK) > 0
	}
	u, err := url.Parse(n.RedirectURL)
	return err == nil && len(n.RedirectURL) <= maxActionURL && printable(n.RedirectURL) && u.Host != "" &&
		(u.Scheme == "https" || (u.Scheme == "http" && env == payment.EnvironmentSandbox))
}

// isObject reports whether raw is a JSON object, all of which can be read: what a
// caller could not be shown would keep the answer that it comes with from being recorded.
func isObject(raw json.RawMessage) bool {
	var fields map[string]any
	return json.Unmarshal(raw, &fields) == nil && fields != nil
}

// bare is what is left of an answer that is not believed: that there was one.
// Even its HTTP status is dropped, because a status alone can prove something.
func bare(a payment.Answer) payment.Answer {
	return payment.Answer{Transport: a.Transport, RequestID: requestID(a.RequestID), RetryAfter: a.RetryAfter}
}

// requestID is the id if it can be one; it decides nothing, so a malformed one
// is only left out.
func requestID(id string) string {
	if !isReference(id) {
		return ""
	}
	return id
}

// instant is a time that a provider told if a record can hold it, and else none, as if
// it had not been told, which is always allowed for: a record that could not be written
// would keep an effect that is known from ever being recorded.
func instant(t time.Time) time.Time {
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return time.Time{}
	}
	return t
}

// isCode reports whether s is empty or fit to be looked up in a table.
func isCode(s string) bool {
	return len(s) <= maxCode && only(s, alphanumeric+"-_.:/ ") && scrub(s) == s
}

// isReference reports whether s can be an id that a provider gave.
func isReference(s string) bool {
	return s != "" && len(s) <= maxReference && only(s, alphanumeric+"-_.:+=~")
}

// clean makes text of others fit for logs and people: valid, without control
// characters, without digits that could be a card number, not too long.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, scrub(s))
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// scrub blanks every run of 13 or more digits, also those written in groups.
func scrub(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		end, digits := digitRun(s[i:])
		switch {
		case digits >= 13:
			out.WriteString("[digits]")
			i += end
		case end > 0:
			out.WriteString(s[i : i+end])
			i += end
		default:
			out.WriteByte(s[i])
			i++
		}
	}
	return out.String()
}

// digitRun measures the digits at the start of s, with at most one space or
// dash between two of them.
func digitRun(s string) (end, digits int) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			digits, end = digits+1, i+1
		case (s[i] == ' ' || s[i] == '-') && end == i && i > 0:
		default:
			return end, digits
		}
	}
	return end, digits
}

func only(s, set string) bool { return strings.Trim(s, set) == "" }

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
