package adyen_test

import (
	"slices"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Goal: no documented code is left to the rows for what is not known. Method: the
// lists of Adyen's documentation against the table. A refusal has a row by its
// number in an answer and by its words in a webhook, which say the same.
func TestEveryDocumentedCodeHasARow(t *testing.T) {
	all := providertest.Rows(t, "adyen")
	named := func(m payment.Method, code, decline string) mapping.Row {
		t.Helper()
		return providertest.Row(t, all, m, code, decline)
	}
	for _, c := range providertest.Codes(t, "refusal", 45) {
		code, words := c[1], c[3]
		sent, completed := named(payment.MethodAuthorize, "Refused", code), named(payment.MethodComplete, "Refused", code)
		if code == "0" {
			continue // it is of what was authorized, of which webhooks give no reason
		}
		told := named(mapping.Query, "AUTHORISATION:false", words)
		if sent.Canonical != told.Canonical || sent.Category != told.Category || sent.Canonical != completed.Canonical || sent.Category != completed.Category {
			t.Errorf("refusal %s %s: the answers and the webhook are told apart", code, words)
		}
	}
	for _, c := range providertest.Codes(t, "error", 26) {
		if !slices.ContainsFunc(all, func(r mapping.Row) bool { return r.Code == c[1] }) {
			t.Errorf("error code %s has no row", c[1])
		}
	}
	for _, c := range providertest.Codes(t, "result", 14) {
		named(payment.MethodAuthorize, c[1], "")
		named(payment.MethodComplete, c[1], "")
	}
	for _, c := range providertest.Codes(t, "event", 17) {
		named(mapping.Query, c[1], "")
	}
	for _, c := range providertest.Codes(t, "fenced", 3) {
		named(mapping.Fenced, c[1], "")
	}
}

// Goal: a row that was written for one answer claims nothing about another's
// money. Method: what no row of Adyen's may do.
func TestNoRowClaimsTooMuch(t *testing.T) {
	modifies := []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, mapping.Fence}
	for _, r := range providertest.Rows(t, "adyen") {
		sticky := r.Evidence == payment.EvidenceNoEffectSticky
		unechoed := len(r.Code) > 8 && r.Code[len(r.Code)-8:] == ":no_echo"
		switch {
		case sticky && r.Operation == mapping.Any:
			t.Errorf("%s: sticky for every operation", r.ID)
		case sticky && unechoed:
			t.Errorf("%s: sticky, though nothing shows that it is stored under the key", r.ID)
		case unechoed && !r.Alert:
			t.Errorf("%s: a request that was not processed under its key, and nobody is told", r.ID)
		case slices.Contains(modifies, r.Operation) && (r.Evidence == payment.EvidenceEffect || sticky):
			t.Errorf("%s: the answer to a modification is never final", r.ID)
		case r.Operation == mapping.Fenced && r.Evidence == payment.EvidenceEffect && r.Code != "CAPTURE:true": // that is no hold any more
			t.Errorf("%s: a cancel can still change it", r.ID)
		case r.Failover && r.Operation != payment.MethodAuthorize && r.Operation != mapping.Any:
			t.Errorf("%s: only an authorization goes elsewhere", r.ID)
		}
	}
}
