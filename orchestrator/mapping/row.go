package mapping

import (
	"slices"
	"strconv"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Any is the driver of rows that hold for every driver, and the operation of
// rows that hold for every operation.
const Any = "any"

// Query is the operation of a look-up: it is judged by rows of its own, because
// what a provider says to a question is not what it says to a send.
const Query payment.Method = "query"

// Fence is the operation of the answer to a cancel that fences an authorization.
// Evidence is about the cancel itself: an effect is a cancel that was made. It
// never settles the authorization.
const Fence payment.Method = "fence"

// Fenced is the operation of a look-up after a fence. Its rows claim only what no
// cancel that is still on its way can change: an authorization that merely holds
// money may yet be released.
const Fenced payment.Method = "fenced"

// unknownRow is the id of the last row of the ladder. It matches everything.
const unknownRow = "any.unknown"

// genericDecline is what a shopper is told about a lost, stolen or suspected
// card: nothing that helps whoever holds it now.
const genericDecline = "generic_decline"

// Row is one line of the table: the shape of an answer and what it proves.
type Row struct {
	ID        string            `json:"id"`
	Driver    string            `json:"driver"`    // Any for every driver
	Operation payment.Method    `json:"operation"` // Any for every operation
	Code      string            `json:"code,omitempty"`
	Decline   string            `json:"decline,omitempty"`
	HTTP      string            `json:"http,omitempty"`      // a status (402) or a class (5xx)
	Transport payment.Transport `json:"transport,omitempty"` // empty: an answer was read
	Evidence  payment.Evidence  `json:"evidence"`
	Category  payment.Category  `json:"category"`
	Canonical string            `json:"canonical,omitempty"`
	Shopper   string            `json:"shopper,omitempty"` // as in the file; see ShopperCode
	Resend    payment.Resend    `json:"resend"`
	Failover  bool              `json:"failover"`
	Alert     bool              `json:"alert"`
	Source    string            `json:"source"`

	file string
	line int
}

// ShopperCode is what a shopper may be shown.
func (r Row) ShopperCode() string {
	if r.Shopper != "" {
		return r.Shopper
	}
	return r.Canonical
}

// Lasting is what a person is to look at where an answer of the row keeps coming: what
// the source says after "if it lasts: ", "" if that is nothing.
func (r Row) Lasting() string {
	_, hint, _ := strings.Cut(r.Source, "if it lasts: ")
	return hint
}

// match is what a row matches on; no two rows share one.
type match struct {
	driver    string
	operation payment.Method
	code      string
	decline   string
	http      string
	transport payment.Transport
}

func (r Row) match() match {
	return match{r.Driver, r.Operation, r.Code, r.Decline, r.HTTP, r.Transport}
}

// claims reports whether the row says that anything is known.
func (r Row) claims() bool { return r.Evidence != payment.EvidenceUnknown }

// noEffect reports whether the row says that there is no effect, sticky or not.
func (r Row) noEffect() bool {
	return r.Evidence == payment.EvidenceNoEffectSticky || r.Evidence == payment.EvidenceNoEffectNotSticky
}

// operations lists what the operation column may hold besides Any.
func operations() []payment.Method {
	return []payment.Method{
		payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, payment.MethodComplete, Query, Fence, Fenced,
	}
}

func evidences() []payment.Evidence {
	return []payment.Evidence{
		payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky,
		payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown,
	}
}

func categories() []payment.Category {
	return []payment.Category{
		payment.CategoryOK, payment.CategoryInFlight, payment.CategoryTransientSafe, payment.CategoryAmbiguous,
		payment.CategoryRateLimited, payment.CategorySoftDecline, payment.CategoryHardDecline, payment.CategoryAuthnRequired,
		payment.CategoryBadData, payment.CategoryInvalidRequest, payment.CategoryAuthConfig, payment.CategoryKeyReused,
		payment.CategoryStateConflict, payment.CategoryProviderError,
	}
}

func resends() []payment.Resend {
	return []payment.Resend{
		payment.ResendNever, payment.ResendAfterTokenRefresh, payment.ResendImmediate, payment.ResendBackoff,
	}
}

// transports lists the outcomes that brought no answer.
func transports() []payment.Transport {
	return []payment.Transport{
		payment.TransportNeverSent, payment.TransportUntrusted, payment.TransportRefusedStream, payment.TransportTimeout,
		payment.TransportBroken, payment.TransportOversized,
	}
}

// httpClass is the class of a status as the table writes it; "" if it has none.
func httpClass(status int) string {
	if status < 100 || status > 599 {
		return ""
	}
	return strconv.Itoa(status/100) + "xx"
}

// validHTTP reports whether s is a status or a class as the table writes them.
func validHTTP(s string) bool {
	if slices.Contains([]string{"1xx", "2xx", "3xx", "4xx", "5xx"}, s) {
		return true
	}
	n, err := strconv.Atoi(s)
	return err == nil && len(s) == 3 && httpClass(n) != ""
}

// isClass reports whether a valid HTTP cell is a class rather than one status.
func isClass(s string) bool { return len(s) == 3 && s[1] == 'x' }
