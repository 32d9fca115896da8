package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// findings collects what is wrong with a row.
type findings struct {
	row  Row
	list []error
}

// when notes a finding if wrong.
func (f *findings) when(wrong bool, format string, args ...any) {
	if wrong {
		f.list = append(f.list, f.row.problem(format, args...))
	}
}

// check reports what does not make sense within one row.
func (r Row) check() []error {
	f := findings{row: r}
	f.when(!isID(r.ID, r.Driver), "id: %q must begin with %q and hold only lower-case letters, digits, dots and underscores", r.ID, r.Driver+".")
	f.when(r.Source == "", "source: missing; a row that nobody can check may not decide about money")
	return slices.Concat(f.list, r.checkMatch(), r.checkClaim(), r.checkResend(), r.checkNames())
}

// checkMatch reports a row that cannot match, or that matches on something it
// has no right to.
func (r Row) checkMatch() []error {
	f := findings{row: r}
	matchers := 0
	for _, cell := range []string{r.Code, r.HTTP, string(r.Transport)} {
		if cell != "" {
			matchers++
		}
	}
	f.when(matchers > 1, "matches on more than one of code, http and transport")
	f.when(matchers == 0 && r.ID != unknownRow, "matches everything; only %s does", unknownRow)
	f.when(r.Decline != "" && r.Code == "", "decline: given without a code")
	f.when(r.Code != "" && r.Driver == Any, "code: codes belong to drivers")
	f.when(r.Transport != "" && r.Driver != Any, "transport: how far an exchange got is not a driver's to judge")
	return f.list
}

// checkClaim reports a row that claims more than its match can prove.
func (r Row) checkClaim() []error {
	f := findings{row: r}
	f.when(r.Failover && !r.noEffect(), "failover: not on evidence %s: the effect may exist", r.Evidence)
	f.when(r.Failover && !mayFailOver(r.Category), "failover: not on category %s", r.Category)
	f.when((r.Operation == Query || r.Operation == Fenced) && r.Evidence == payment.EvidenceNoEffectNotSticky,
		"evidence: a look-up cannot show that one send had no effect while another may")
	f.when(r.Operation == Fenced && r.Evidence == payment.EvidencePending,
		"evidence: after a fence nothing is pending: a cancel on its way may end it")
	f.when(r.Operation == Fence && r.Failover, "failover: the answer to a cancel closes no attempt")
	f.when(r.Code == "" && r.claims() && r.Evidence != payment.EvidenceNoEffectNotSticky,
		"evidence: %s needs the provider's code, a status or transport class alone cannot show it", r.Evidence)
	f.when(r.HTTP != "" && r.claims() && (isClass(r.HTTP) || r.HTTP[0] != '4'),
		"evidence: of HTTP statuses alone only a single 4xx can prove something")
	f.when(r.Transport != "" && r.claims() && !r.Transport.Unsent() && r.Transport != payment.TransportRefusedStream,
		"evidence: after %s nobody can tell what the provider did", r.Transport)
	f.when(r.ID == unknownRow && r.claims(), "evidence: what no row names is unknown")
	f.when((r.Evidence == payment.EvidenceEffect) != (r.Category == payment.CategoryOK) && r.Evidence != payment.EvidencePending,
		"category: ok and evidence effect go together, here is %s with %s", r.Category, r.Evidence)
	f.when(r.Category.Decline() && !r.noEffect() && r.Evidence != payment.EvidencePending,
		"category: %s on evidence %s", r.Category, r.Evidence)
	return f.list
}

// checkResend reports a resend rule that the evidence or the match rules out.
func (r Row) checkResend() []error {
	f := findings{row: r}
	final := r.Evidence == payment.EvidenceEffect || r.Evidence == payment.EvidencePending || r.Evidence == payment.EvidenceNoEffectSticky
	f.when(final && r.Resend != payment.ResendNever, "resend: %s although the answer stands (%s)", r.Resend, r.Evidence)
	f.when(r.Resend == payment.ResendImmediate && r.Transport == "", "resend: immediate only where there was no answer")
	f.when(r.Resend == payment.ResendAfterTokenRefresh && r.Category != payment.CategoryAuthConfig,
		"resend: token_refresh on category %s", r.Category)
	return f.list
}

// checkNames reports a row whose names callers could not rely on, or that
// would tell a shopper what a thief would like to know.
func (r Row) checkNames() []error {
	f := findings{row: r}
	f.when(r.Canonical == "" && (r.noEffect() || !r.claims()), "canonical: missing")
	f.when(r.Category.Decline() && isDelicate(r.Canonical) && r.ShopperCode() != genericDecline,
		"shopper: %q may not be shown for %s; write %s", r.ShopperCode(), r.Canonical, genericDecline)
	return f.list
}

// mayFailOver reports whether answers of a category may lead to another account
// at all. The others are about the card, the payer or our own request, which
// are the same everywhere; taking a stolen card round the providers is no
// service to anybody.
func mayFailOver(c payment.Category) bool {
	switch c {
	case payment.CategoryTransientSafe, payment.CategoryRateLimited, payment.CategorySoftDecline,
		payment.CategoryAuthConfig, payment.CategoryProviderError:
		return true
	case payment.CategoryOK, payment.CategoryInFlight, payment.CategoryAmbiguous, payment.CategoryHardDecline,
		payment.CategoryAuthnRequired, payment.CategoryBadData, payment.CategoryInvalidRequest,
		payment.CategoryKeyReused, payment.CategoryStateConflict:
		return false
	}
	return false
}

// isDelicate reports whether a canonical name says something about the card
// that its holder, who may have stolen it, must not learn.
func isDelicate(canonical string) bool {
	return slices.ContainsFunc([]string{"lost", "stolen", "fraud", "pickup", "pick_up", "blacklist", "blocklist", "security"}, func(s string) bool {
		return strings.Contains(canonical, s)
	})
}

// isID reports whether s can be the id of a row of the driver.
func isID(s, driver string) bool {
	rest, ok := strings.CutPrefix(s, driver+".")
	return ok && isName(driver) && rest != "" && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}

// check reports what is wrong with the table as a whole: no last row, or a row
// that no answer can reach, whose author believes in a case that never decides.
func (t *Table) check() []error {
	last, ok := t.Row(unknownRow)
	if !ok || last.Operation != Any {
		return []error{fmt.Errorf("%s.csv: no row %s, so that the table is not total", Any, unknownRow)}
	}
	var errs []error
	for _, r := range t.rows {
		if _, ok := t.reach(r); !ok {
			errs = append(errs, r.problem("%s is unreachable: every answer it matches is judged by another row", r.ID))
		}
	}
	return errs
}

// reach finds an answer that the table judges by the row.
func (t *Table) reach(r Row) (probe, bool) {
	for _, p := range r.probes() {
		if t.Judge(p.driver, p.method, p.answer).Row == r.ID {
			return p, true
		}
	}
	return probe{}, false
}

// probe is a question to the table.
type probe struct {
	driver string
	method payment.Method
	answer payment.Answer
}

// probes lists every kind of answer that the row matches.
func (r Row) probes() []probe {
	methods := []payment.Method{r.Operation}
	if r.Operation == Any {
		methods = operations()
	}
	var list []probe
	for _, m := range methods {
		for _, a := range r.examples() {
			list = append(list, probe{r.Driver, m, a})
		}
	}
	return list
}

// examples lists answers of every kind that the row's match allows.
func (r Row) examples() []payment.Answer {
	answer := payment.Answer{Transport: payment.TransportAnswered, Code: r.Code, Decline: r.Decline}
	switch {
	case r.Transport != "":
		return []payment.Answer{{Transport: r.Transport}}
	case r.Code != "":
		ok, refused := answer, answer
		ok.HTTPStatus, ok.Reference, refused.HTTPStatus = 200, "x", 402
		return []payment.Answer{ok, refused}
	case r.HTTP != "" && !isClass(r.HTTP):
		answer.HTTPStatus, _ = strconv.Atoi(r.HTTP)
		return []payment.Answer{answer}
	case r.HTTP != "":
		list := make([]payment.Answer, 100)
		for i := range list {
			list[i] = answer
			list[i].HTTPStatus = int(r.HTTP[0]-'0')*100 + i
		}
		return list
	}
	return []payment.Answer{{}}
}
