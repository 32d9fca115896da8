package mapping

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

var update = flag.Bool("update", false, "write testdata/mapping.golden anew")

func builtIn(t *testing.T) *Table {
	t.Helper()
	table, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Goal: no cell of the table changes unseen. Method: the rendering of the whole
// table against a golden file, in the form in which one changed row is one
// changed line.
func TestGolden(t *testing.T) {
	var got bytes.Buffer
	if err := WriteMarkdown(&got, builtIn(t).Rows()); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/mapping.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, got.Bytes()) {
		return
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")
	t.Error("the table changed, or the order of its rows; if that is meant, run this test with -update")
	for _, line := range was {
		if !slices.Contains(is, line) {
			t.Errorf("gone: %s", line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			t.Errorf("new:  %s", line)
		}
	}
}

// Goal: the rules of the table, stated once more and independently of the
// loader, hold for the table that is built in.
//
// Shows R54.
func TestBuiltInTable(t *testing.T) {
	table := builtIn(t)
	rows := table.Rows()
	if last := rows[len(rows)-1]; last.ID != unknownRow {
		t.Errorf("the last row is %s, want %s", last.ID, unknownRow)
	}
	for _, r := range rows {
		sticky := r.Evidence == payment.EvidenceNoEffectSticky
		if r.Failover && !sticky && r.Evidence != payment.EvidenceNoEffectNotSticky {
			t.Errorf("%s allows another account on evidence %s", r.ID, r.Evidence)
		}
		if r.Source == "" {
			t.Errorf("%s names no source", r.ID)
		}
		if sticky && r.Resend != payment.ResendNever {
			t.Errorf("%s resends what the provider will only repeat", r.ID)
		}
		if strings.HasPrefix(r.HTTP, "5") && r.Evidence != payment.EvidenceUnknown {
			t.Errorf("%s: a 5xx proves %s", r.ID, r.Evidence)
		}
		if r.Operation == Fenced && r.Evidence == payment.EvidencePending {
			t.Errorf("%s takes for pending what a cancel on its way may end", r.ID)
		}
		if r.Operation == Fence && r.Failover {
			t.Errorf("%s allows another account on the answer to a cancel", r.ID)
		}
		p, ok := table.reach(r)
		if !ok {
			t.Errorf("%s is reached by no answer", r.ID)
			continue
		}
		if got := table.Explain(p.driver, p.method, p.answer).Row; got.ID != r.ID {
			t.Errorf("%+v finds %s, want %s", p, got.ID, r.ID)
		}
	}
}

// Goal: what no file lists is unknown, for each driver that has a file. Method:
// a code that cannot be in any file, with every status there is.
func TestBuiltInDriversDoNotClaimUnlistedCodes(t *testing.T) {
	table := builtIn(t)
	drivers := []string{"no_such_driver"}
	for _, r := range table.Rows() {
		if !slices.Contains(drivers, r.Driver) {
			drivers = append(drivers, r.Driver)
		}
	}
	for _, driver := range drivers {
		for _, m := range operations() {
			for status := range 700 {
				v := table.Judge(driver, m, payment.Answer{
					Transport: payment.TransportAnswered, HTTPStatus: status, Code: "\x00unlisted", Decline: "\x00unlisted", Reference: "x",
				})
				r, _ := table.Row(v.Row)
				byStatus := r.HTTP != "" && !isClass(r.HTTP) && v.Evidence == payment.EvidenceNoEffectNotSticky && m != Query && m != Fenced
				if v.Evidence != payment.EvidenceUnknown && !byStatus {
					t.Errorf("%s %s: an unlisted code with status %d proves %+v", driver, m, status, v)
				}
			}
		}
	}
}

// Goal: the loader refuses every kind of broken table and says where. Method:
// one change to a good file at a time.
func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, replacement, want string }{
		"failover on unknown":           {"unknown,in_flight,in_flight_at_provider,,backoff,no", "unknown,in_flight,in_flight_at_provider,,backoff,yes", "acme.csv:10: failover: not on evidence unknown"},
		"failover on effect":            {"effect,ok,,,never,no", "effect,ok,,,never,yes", "acme.csv:2: failover: not on evidence effect"},
		"failover on pending":           {"pending,in_flight,,,never,no", "pending,in_flight,,,never,yes", "acme.csv:3: failover: not on evidence pending"},
		"failover with a stolen card":   {"stolen_card,generic_decline,never,no", "stolen_card,generic_decline,never,yes", "acme.csv:6: failover: not on category hard_decline"},
		"missing source":                {"effect,ok,,,never,no,no,made up", "effect,ok,,,never,no,no,", "acme.csv:2: source: missing"},
		"unknown evidence":              {"held,,,,effect", "held,,,,efect", `acme.csv:2: evidence: "efect" is not known`},
		"no evidence":                   {"held,,,,effect", "held,,,,", `acme.csv:2: evidence: "" is not known`},
		"unknown category":              {"effect,ok", "effect,fine", `acme.csv:2: category: "fine" is not known`},
		"unknown operation":             {"held,authorize,held", "held,authorise,held", `acme.csv:2: operation: "authorise" is not known`},
		"unknown resend":                {"in_flight_at_provider,,backoff", "in_flight_at_provider,,later", `acme.csv:10: resend: "later" is not known`},
		"unknown status":                {"418,,no_effect", "4x8,,no_effect", `acme.csv:13: http: "4x8" is not known`},
		"status out of range":           {"418,,no_effect", "600,,no_effect", `acme.csv:13: http: "600" is not known`},
		"unknown yes or no":             {"backoff,no,no", "backoff,no,false", `acme.csv:10: alert: "false" is not known`},
		"odd canonical name":            {"insufficient_funds", "Insufficient funds", `acme.csv:4: canonical: "Insufficient funds" is not known`},
		"space around a cell":           {"any,busy", "any, busy", `acme.csv:10: code: space around " busy"`},
		"duplicate id":                  {"acme.declined,", "acme.invalid,", `acme.csv:8: id "acme.invalid" is also on acme.csv:7`},
		"duplicate match":               {"token_expired,,,,no_effect", "invalid,,,,no_effect", "acme.csv:9: matches the same answers as acme.invalid on acme.csv:8"},
		"id of another driver":          {"acme.declined,", "other.declined,", `acme.csv:7: id: "other.declined" must begin with "acme."`},
		"matches everything":            {"acme.invalid,any,invalid", "acme.invalid,any,", "acme.csv:8: matches everything"},
		"matches on code and status":    {"acme.invalid,any,invalid,,,", "acme.invalid,any,invalid,,422,", "acme.csv:8: matches on more than one"},
		"decline without code":          {"any,declined,stolen,,", "any,,stolen,422,", "acme.csv:6: decline: given without a code"},
		"transport in a driver's file":  {"acme.http.418,any,,,418,", "acme.http.418,any,,,,never_sent", "acme.csv:13: transport:"},
		"transport that is an answer":   {"acme.http.418,any,,,418,", "acme.http.418,any,,,,answered", `acme.csv:13: transport: "answered" is not known`},
		"sticky, yet resent":            {"insufficient_funds,,never", "insufficient_funds,,backoff", "acme.csv:4: resend: backoff although the answer stands"},
		"effect, yet resent":            {"effect,ok,,,never", "effect,ok,,,backoff", "acme.csv:2: resend: backoff although the answer stands"},
		"immediate resend of an answer": {"in_flight_at_provider,,backoff", "in_flight_at_provider,,immediate", "acme.csv:10: resend: immediate only where there was no answer"},
		"token refresh for no reason":   {"in_flight_at_provider,,backoff", "in_flight_at_provider,,token_refresh", "acme.csv:10: resend: token_refresh on category in_flight"},
		"claim by class":                {"418,,no_effect", "4xx,,no_effect", "acme.csv:13: evidence: of HTTP statuses alone"},
		"claim by 5xx":                  {"5xx,,unknown,ambiguous,acme_error", "503,,no_effect_not_sticky,transient_safe,acme_error", "acme.csv:14: evidence: of HTTP statuses alone"},
		"claim by 2xx":                  {"418,,no_effect_not_sticky", "204,,no_effect_not_sticky", "acme.csv:13: evidence: of HTTP statuses alone"},
		"sticky by status":              {"418,,no_effect_not_sticky", "418,,no_effect_sticky", "acme.csv:13: evidence: no_effect_sticky needs the provider's code"},
		"look-up that closes one send":  {"cancelled,,,,no_effect_sticky", "cancelled,,,,no_effect_not_sticky", "acme.csv:12: evidence: a look-up cannot show"},
		"a look-up after a fence, too":  {"fenced,cancelled,,,,no_effect_sticky", "fenced,cancelled,,,,no_effect_not_sticky", "acme.csv:18: evidence: a look-up cannot show"},
		"pending after a fence":         {"unknown,ambiguous,not_cancelled,,backoff", "pending,in_flight,,,never", "acme.csv:19: evidence: after a fence nothing is pending"},
		"failover by a cancel":          {"nothing_to_cancel,,never,no", "nothing_to_cancel,,never,yes", "acme.csv:17: failover: the answer to a cancel closes no attempt"},
		"ok without effect":             {"unknown,in_flight", "unknown,ok", "acme.csv:10: category: ok and evidence effect go together"},
		"effect that is not ok":         {"effect,ok", "effect,in_flight", "acme.csv:2: category: ok and evidence effect go together"},
		"decline that proves nothing":   {"unknown,in_flight", "unknown,soft_decline", "acme.csv:10: category: soft_decline on evidence unknown"},
		"no name for a decline":         {"insufficient_funds", "", "acme.csv:4: canonical: missing"},
		"shopper told of a stolen card": {"stolen_card,generic_decline", "stolen_card,", `acme.csv:6: shopper: "stolen_card" may not be shown`},
		"unreachable: all operations have their own": {
			"acme.busy,any,busy,,,,",
			allOperations("mine", "unknown,in_flight,mine,,backoff,no,no,made up") + "acme.busy,any,mine,,,,", "acme.busy is unreachable",
		},
		"columns":       {"id,operation", "operation,id", "acme.csv:1: the columns are"},
		"too few cells": {",no,no,made up", ",no", "acme.csv: record on line 2: wrong number of fields"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tableWith(t, "acme", acmeWith(t, c.old, c.replacement))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("load = %v, want an error with %q", err, c.want)
			}
		})
	}
}

// allOperations is a row for each operation that matches the code.
func allOperations(code, rest string) string {
	var b strings.Builder
	for _, m := range operations() {
		b.WriteString("acme." + string(m) + "." + code + "," + string(m) + "," + code + ",,,," + rest + "\n")
	}
	return b.String()
}

// Goal: the rows for every driver are held to their own rules, and a table
// without its last row is refused.
func TestLoadRefusesABrokenLastResort(t *testing.T) {
	general, err := os.ReadFile("any.csv")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, replacement, want string }{
		"no last row":                   {"any.unknown,any,,,,,unknown", "any.unknown2,any,,,499,,unknown", "no row any.unknown"},
		"last row for one operation":    {"any.unknown,any,", "any.unknown,capture,", "no row any.unknown"},
		"last row that claims":          {"any.unknown,any,,,,,unknown,ambiguous", "any.unknown,any,,,,,no_effect_not_sticky,provider_error", "evidence: what no row names is unknown"},
		"no effect after a timeout":     {"timeout,unknown,ambiguous", "timeout,no_effect_not_sticky,transient_safe", "evidence: after timeout nobody can tell"},
		"no effect after a cut":         {"broken,unknown,ambiguous", "broken,no_effect_not_sticky,transient_safe", "evidence: after broken nobody can tell"},
		"failover after a timeout":      {"provider_timeout,,backoff,no", "provider_timeout,,backoff,yes", "failover: not on evidence unknown"},
		"code in the file for everyone": {"any.http.410,any,,,410", "any.http.410,any,gone,,", "code: codes belong to drivers"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(general), c.old, c.replacement, 1)
			if changed == string(general) {
				t.Fatalf("any.csv has no %q", c.old)
			}
			_, err := load(fstest.MapFS{"any.csv": {Data: []byte(changed)}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("load = %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := load(fstest.MapFS{}); err == nil {
		t.Error("an empty table was accepted")
	}
}

// Goal: one start shows everything that is wrong, not the first finding only.
func TestLoadReportsAllFindings(t *testing.T) {
	broken := strings.NewReplacer("effect,ok,", "efect,ok,", "in_flight_at_provider,,backoff", "in_flight_at_provider,,later").Replace(acme)
	_, err := tableWith(t, "acme", broken)
	for _, want := range []string{"acme.csv:2:", "acme.csv:10:", "acme.csv:11:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("load = %v, want a finding on %s", err, want)
		}
	}
}

// Goal: both renderings show every cell of every row.
func TestRenderShowsEveryCell(t *testing.T) {
	rows := acmeTable(t).Rows()
	rows[0].Source = "a | b"
	var text, markdown bytes.Buffer
	if err := WriteText(&text, rows); err != nil {
		t.Fatal(err)
	}
	if err := WriteMarkdown(&markdown, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if len(lines) != len(rows)+1 {
		t.Fatalf("%d lines of text for %d rows", len(lines), len(rows))
	}
	for i, r := range rows {
		cells := []string{r.ID, string(r.Operation), r.Code, r.Decline, r.HTTP, string(r.Transport), string(r.Evidence), string(r.Category), r.Canonical, string(r.Resend), r.Source}
		for _, c := range cells {
			if !strings.Contains(lines[i+1], c) {
				t.Errorf("line %d misses %q: %s", i+1, c, lines[i+1])
			}
		}
	}
	marked := strings.Split(strings.TrimSuffix(markdown.String(), "\n"), "\n")
	if len(marked) != len(rows)+2 {
		t.Fatalf("%d lines of Markdown for %d rows", len(marked), len(rows))
	}
	for i, line := range marked {
		if n := strings.Count(line, "|") - strings.Count(line, `\|`); n != 15 {
			t.Errorf("line %d has %d bars, want 15: %s", i, n, line)
		}
	}
}
