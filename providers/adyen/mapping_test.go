package adyen_test

import (
	"encoding/csv"
	"os"
	"slices"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// codes are Adyen's documented codes of a kind, with their words.
func codes(t *testing.T, kind string) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.Comment = '#'
	lines, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, line := range lines[1:] {
		if line[0] == kind {
			list[line[1]] = line[3]
		}
	}
	return list
}

// rows are the driver's rows of an operation, or all.
func rows(t *testing.T, m payment.Method) []mapping.Row {
	t.Helper()
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(table.Rows(), func(r mapping.Row) bool { return r.Driver != "adyen" || (m != "" && r.Operation != m) })
}

// Goal: no documented code is left to the rows for what is not known. Method: the
// lists of Adyen's documentation against the table. A refusal has a row by its
// number in an answer and by its words in a webhook, which say the same.
func TestEveryDocumentedCodeHasARow(t *testing.T) {
	named := func(m payment.Method, code, decline string) mapping.Row {
		t.Helper()
		list := rows(t, m)
		i := slices.IndexFunc(list, func(r mapping.Row) bool { return r.Code == code && r.Decline == decline })
		if i < 0 {
			t.Errorf("%s: code %s, decline code %q has no row", m, code, decline)
			return mapping.Row{}
		}
		return list[i]
	}
	count := map[string]int{}
	for _, kind := range []string{"refusal", "error", "result", "event", "fenced"} {
		count[kind] = len(codes(t, kind))
	}
	if count["refusal"] != 45 || count["error"] != 25 || count["result"] != 14 || count["event"] != 17 || count["fenced"] != 3 {
		t.Fatalf("%v codes: the lists are read wrongly", count)
	}
	for code, words := range codes(t, "refusal") {
		sent, completed := named(payment.MethodAuthorize, "Refused", code), named(payment.MethodComplete, "Refused", code)
		if code == "0" {
			continue // it is of what was authorized, of which webhooks give no reason
		}
		told := named(mapping.Query, "AUTHORISATION:false", words)
		if sent.Canonical != told.Canonical || sent.Category != told.Category || sent.Canonical != completed.Canonical || sent.Category != completed.Category {
			t.Errorf("refusal %s %s: the answers and the webhook are told apart", code, words)
		}
	}
	for code := range codes(t, "error") {
		if !slices.ContainsFunc(rows(t, ""), func(r mapping.Row) bool { return r.Code == code }) {
			t.Errorf("error code %s has no row", code)
		}
	}
	for code := range codes(t, "result") {
		named(payment.MethodAuthorize, code, "")
		named(payment.MethodComplete, code, "")
	}
	for code := range codes(t, "event") {
		named(mapping.Query, code, "")
	}
	for code := range codes(t, "fenced") {
		named(mapping.Fenced, code, "")
	}
}

// Goal: a row that was written for one answer claims nothing about another's
// money. Method: what no row of Adyen's may do.
func TestNoRowClaimsTooMuch(t *testing.T) {
	modifies := []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, mapping.Fence}
	for _, r := range rows(t, "") {
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
