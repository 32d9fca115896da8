package mapping

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func answer(status int, code, decline string) payment.Answer {
	return payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: status, Code: code, Decline: decline, Reference: "obj_1"}
}

// Goal: the ladder is walked from the most specific row to the least. Method:
// answers that differ in one respect only, against a file that has a row on
// every rung.
func TestJudgeTakesTheMostSpecificRow(t *testing.T) {
	table := acmeTable(t)
	for name, c := range map[string]struct {
		driver string
		method payment.Method
		answer payment.Answer
		want   string
	}{
		"operation, code and decline":                   {"acme", payment.MethodAuthorize, answer(402, "declined", "funds"), "acme.authorize.declined_funds"},
		"operation and code before any and decline":     {"acme", payment.MethodAuthorize, answer(402, "declined", "stolen"), "acme.authorize.declined"},
		"unlisted decline falls back to its code":       {"acme", payment.MethodAuthorize, answer(402, "declined", "new_one"), "acme.authorize.declined"},
		"any operation, code and decline":               {"acme", payment.MethodRefund, answer(402, "declined", "stolen"), "acme.declined_stolen"},
		"any operation and code":                        {"acme", payment.MethodRefund, answer(402, "declined", "funds"), "acme.declined"},
		"code before status":                            {"acme", payment.MethodVoid, answer(418, "busy", ""), "acme.busy"},
		"driver's status":                               {"acme", payment.MethodVoid, answer(418, "unlisted", ""), "acme.http.418"},
		"driver's class":                                {"acme", payment.MethodVoid, answer(503, "", ""), "acme.http.5xx"},
		"driver's class for the operation":              {"acme", payment.MethodRefund, answer(503, "", ""), "acme.refund.5xx"},
		"status for every driver":                       {"acme", payment.MethodVoid, answer(429, "unlisted", ""), "any.http.429"},
		"class for every driver":                        {"acme", payment.MethodVoid, answer(422, "unlisted", ""), "any.http.4xx"},
		"another driver's rows are not used":            {"other", payment.MethodAuthorize, answer(402, "declined", "funds"), "any.http.4xx"},
		"transport, whatever else is set":               {"acme", payment.MethodAuthorize, payment.Answer{Transport: payment.TransportBroken, HTTPStatus: 200, Code: "held", Reference: "x"}, "any.transport.broken"},
		"status that does not exist":                    {"acme", payment.MethodAuthorize, answer(999, "", ""), "any.unknown"},
		"answer that was not filled in":                 {"acme", payment.MethodAuthorize, payment.Answer{}, "any.unknown"},
		"query by its own row":                          {"acme", Query, answer(200, "held", ""), "acme.query.held"},
		"query: refusal of the question":                {"acme", Query, answer(429, "", ""), "any.query.429"},
		"query: not found":                              {"acme", Query, answer(404, "", ""), "any.query.404"},
		"query: no connection":                          {"acme", Query, payment.Answer{Transport: payment.TransportNeverSent}, "any.query.never_sent"},
		"query borrows no refusal by code":              {"acme", Query, answer(402, "declined", "stolen"), "any.http.4xx"},
		"query borrows no refusal by status":            {"acme", Query, answer(418, "", ""), "any.http.4xx"},
		"query borrows what claims nothing":             {"acme", Query, answer(409, "busy", ""), "acme.busy"},
		"query borrows an effect":                       {"acme", Query, answer(200, "settled", ""), "acme.settled"},
		"fence by its own row":                          {"acme", Fence, answer(200, "cancelled", ""), "acme.fence.cancelled"},
		"fence: nothing there":                          {"acme", Fence, answer(404, "nothing", ""), "acme.fence.nothing"},
		"fence borrows a refusal of any request":        {"acme", Fence, answer(429, "limited", ""), "acme.limited"},
		"fence borrows nothing from other operations":   {"acme", Fence, answer(200, "redirect", ""), "any.http.2xx"},
		"fence: refusal by status":                      {"acme", Fence, answer(429, "", ""), "any.http.429"},
		"fence: no connection":                          {"acme", Fence, payment.Answer{Transport: payment.TransportNeverSent}, "any.transport.never_sent"},
		"fenced by its own row":                         {"acme", Fenced, answer(200, "cancelled", ""), "acme.fenced.gone"},
		"fenced by its own row that claims nothing":     {"acme", Fenced, answer(200, "held", ""), "acme.fenced.held"},
		"fenced borrows no effect of a look-up":         {"acme", Fenced, answer(200, "taken", ""), "any.http.2xx"},
		"fenced borrows no effect of any operation":     {"acme", Fenced, answer(200, "settled", ""), "any.http.2xx"},
		"fenced borrows no pending of another":          {"acme", Fenced, answer(200, "redirect", ""), "any.http.2xx"},
		"fenced borrows no refusal by code":             {"acme", Fenced, answer(402, "declined", "stolen"), "any.http.4xx"},
		"fenced borrows no refusal by status":           {"acme", Fenced, answer(418, "", ""), "any.http.4xx"},
		"fenced borrows what claims nothing":            {"acme", Fenced, answer(409, "busy", ""), "acme.busy"},
		"fenced: refusal of the question":               {"acme", Fenced, answer(429, "", ""), "any.query.429"},
		"fenced: not found":                             {"acme", Fenced, answer(404, "", ""), "any.query.404"},
		"fenced: no connection":                         {"acme", Fenced, payment.Answer{Transport: payment.TransportNeverSent}, "any.query.never_sent"},
		"fenced in a 5xx":                               {"acme", Fenced, answer(500, "cancelled", ""), "acme.http.5xx"},
		"effect without the provider's id":              {"acme", payment.MethodAuthorize, payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 200, Code: "held"}, "any.http.2xx"},
		"effect in a refusal":                           {"acme", payment.MethodAuthorize, answer(400, "held", ""), "any.http.4xx"},
		"pending in a refusal":                          {"acme", payment.MethodAuthorize, answer(400, "redirect", ""), "any.http.4xx"},
		"pending needs no id":                           {"acme", payment.MethodAuthorize, payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 201, Code: "redirect"}, "acme.authorize.redirect"},
		"decline in a 5xx":                              {"acme", payment.MethodAuthorize, answer(500, "declined", "funds"), "acme.http.5xx"},
		"decline in a redirect":                         {"acme", payment.MethodAuthorize, answer(302, "declined", "funds"), "any.http.3xx"},
		"effect in a 5xx":                               {"acme", payment.MethodAuthorize, answer(500, "held", ""), "acme.http.5xx"},
		"decline in a 2xx, as some providers answer it": {"acme", payment.MethodAuthorize, answer(200, "declined", "funds"), "acme.authorize.declined_funds"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := table.Judge(c.driver, c.method, c.answer); got.Row != c.want {
				t.Errorf("Judge = %+v, want row %s", got, c.want)
			}
		})
	}
}

// Goal: what each class of outcome proves, spelled out once more, independent
// of the file, for a driver that has no row for it.
func TestEvidenceOfWhatNoDriverLists(t *testing.T) {
	table := acmeTable(t)
	type outcome struct {
		evidence payment.Evidence
		resend   payment.Resend
		failover bool
	}
	unknown := func(r payment.Resend) outcome { return outcome{payment.EvidenceUnknown, r, false} }
	for name, c := range map[string]struct {
		answer payment.Answer
		want   outcome
	}{
		"never sent":     {payment.Answer{Transport: payment.TransportNeverSent}, outcome{payment.EvidenceNoEffectNotSticky, payment.ResendImmediate, true}},
		"untrusted":      {payment.Answer{Transport: payment.TransportUntrusted}, outcome{payment.EvidenceNoEffectNotSticky, payment.ResendBackoff, true}},
		"refused stream": {payment.Answer{Transport: payment.TransportRefusedStream}, outcome{payment.EvidenceNoEffectNotSticky, payment.ResendImmediate, true}},
		"timeout":        {payment.Answer{Transport: payment.TransportTimeout}, unknown(payment.ResendBackoff)},
		"broken":         {payment.Answer{Transport: payment.TransportBroken}, unknown(payment.ResendImmediate)},
		"oversized":      {payment.Answer{Transport: payment.TransportOversized}, unknown(payment.ResendBackoff)},
		"200":            {answer(200, "", ""), unknown(payment.ResendBackoff)},
		"101":            {answer(101, "", ""), unknown(payment.ResendNever)},
		"307":            {answer(307, "", ""), unknown(payment.ResendNever)},
		"400":            {answer(400, "", ""), unknown(payment.ResendNever)},
		"401":            {answer(401, "", ""), unknown(payment.ResendNever)},
		"402":            {answer(402, "", ""), unknown(payment.ResendNever)},
		"403":            {answer(403, "", ""), unknown(payment.ResendNever)},
		"404":            {answer(404, "", ""), unknown(payment.ResendNever)},
		"408":            {answer(408, "", ""), unknown(payment.ResendBackoff)},
		"409":            {answer(409, "", ""), unknown(payment.ResendBackoff)},
		"410":            {answer(410, "", ""), unknown(payment.ResendNever)},
		"422":            {answer(422, "", ""), unknown(payment.ResendNever)},
		"424":            {answer(424, "", ""), unknown(payment.ResendBackoff)},
		"425":            {answer(425, "", ""), unknown(payment.ResendBackoff)},
		"429":            {answer(429, "", ""), unknown(payment.ResendBackoff)},
		"500":            {answer(500, "", ""), unknown(payment.ResendBackoff)},
		"599":            {answer(599, "", ""), unknown(payment.ResendBackoff)},
	} {
		t.Run(name, func(t *testing.T) {
			v := table.Judge("other", payment.MethodAuthorize, c.answer)
			if got := (outcome{v.Evidence, v.Resend, v.Failover}); got != c.want {
				t.Errorf("row %s says %+v, want %+v", v.Row, got, c.want)
			}
			for _, m := range []payment.Method{Query, Fenced} {
				if v := table.Judge("other", m, c.answer); v.Evidence != payment.EvidenceUnknown || v.Failover {
					t.Errorf("a look-up (%s) answered so proves %+v, want nothing", m, v)
				}
			}
			if v := table.Judge("other", Fence, c.answer); v.Evidence != c.want.evidence || v.Failover {
				t.Errorf("a cancel answered so proves %+v, want %s and no other account", v, c.want.evidence)
			}
		})
	}
}

// Goal: a provider's hint bears on resending, where that is open, and on
// nothing else. Method: every row with every hint.
//
// Shows R75.
func TestHintsBearOnResendOnly(t *testing.T) {
	table := acmeTable(t)
	for _, r := range table.Rows() {
		p, ok := table.reach(r)
		if !ok {
			t.Fatalf("%s is unreachable", r.ID)
		}
		for _, h := range []payment.Hint{payment.HintNone, payment.HintRetry, payment.HintLater, payment.HintStop, "misspelt"} {
			p.answer.Hint = h
			got := table.Judge(p.driver, p.method, p.answer)
			want := payment.Verdict{Row: r.ID, Evidence: r.Evidence, Category: r.Category, Resend: r.Resend, Failover: r.Failover, Alert: r.Alert}
			open := r.Evidence == payment.EvidenceUnknown || r.Evidence == payment.EvidenceNoEffectNotSticky
			if open && (h == payment.HintStop || h == payment.HintLater) {
				want.Resend = payment.ResendNever
			}
			if open && h == payment.HintRetry && r.Resend == payment.ResendNever {
				want.Resend = payment.ResendBackoff
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s with hint %q (-want +got):\n%s", r.ID, h, diff)
			}
		}
	}
}

// Goal: every answer has a row, and nothing unlisted claims anything. Method:
// random answers, well-formed or not, to known and unknown drivers; a code that
// no file has must end in unknown unless its status or transport alone is one
// of the few that prove something.
func TestJudgeIsTotalAndUnlistedIsUnknown(t *testing.T) {
	table := acmeTable(t)
	random := rand.New(rand.NewPCG(1, 2))
	proof := []payment.Transport{payment.TransportNeverSent, payment.TransportUntrusted, payment.TransportRefusedStream}
	for range 200_000 {
		driver := pick(random, "acme", "other", "any", "")
		m := pick(random, append(operations(), "any", "", "withdraw")...)
		a := payment.Answer{
			Transport:  pick(random, append(transports(), payment.TransportAnswered, payment.TransportAnswered, payment.TransportAnswered, "", "beamed")...),
			HTTPStatus: pick(random, 0, -1, 200, 201, 302, 400, 401, 402, 403, 418, 429, 500, 503, random.IntN(1000)),
			Code:       pick(random, "", "held", "redirect", "declined", "busy", "invalid", "cancelled", "taken", "settled", "limited", "unlisted"),
			Decline:    pick(random, "", "funds", "stolen", "unlisted"),
			Hint:       pick(random, payment.HintNone, payment.HintRetry, payment.HintLater, payment.HintStop),
			Reference:  pick(random, payment.ProviderReference(""), "obj_1"),
		}
		v := table.Judge(driver, m, a)
		r, ok := table.Row(v.Row)
		if !ok {
			t.Fatalf("%s %s %+v: verdict %+v names no row", driver, m, a, v)
		}
		if diff := cmp.Diff(v, table.Explain(driver, m, a).Verdict); diff != "" {
			t.Fatalf("%s %s %+v: Judge and Explain disagree:\n%s", driver, m, a, diff)
		}
		if v.Failover && v.Evidence != payment.EvidenceNoEffectSticky && v.Evidence != payment.EvidenceNoEffectNotSticky {
			t.Fatalf("%s %s %+v: failover on %s", driver, m, a, v.Evidence)
		}
		answered := a.Transport == payment.TransportAnswered
		if answered && a.HTTPStatus >= 500 && v.Evidence != payment.EvidenceUnknown {
			t.Fatalf("%s %s %+v: a 5xx proves %s", driver, m, a, v.Evidence)
		}
		if v.Evidence == payment.EvidenceEffect && (!answered || a.Reference == "" || a.HTTPStatus/100 != 2) {
			t.Fatalf("%s %s %+v: an effect out of nothing", driver, m, a)
		}
		if m == Fence && v.Failover {
			t.Fatalf("%s %+v: the answer to a cancel leads to another account", driver, a)
		}
		if m == Fenced && v.Evidence != payment.EvidenceUnknown && r.Operation != Fenced {
			t.Fatalf("%s %+v: %s claims %s after a fence", driver, a, r.ID, v.Evidence)
		}
		if v.Evidence != payment.EvidenceUnknown && r.Code == "" {
			known := m != Query && m != Fenced && (slices.Contains(proof, a.Transport) ||
				answered && a.HTTPStatus == 418)
			if !known || v.Evidence != payment.EvidenceNoEffectNotSticky {
				t.Fatalf("%s %s %+v: unlisted, yet %+v", driver, m, a, v)
			}
		}
	}
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// Goal: an explanation shows every rung that was tried, and why a row that
// stood there was passed over.
func TestExplainShowsTheWay(t *testing.T) {
	table := acmeTable(t)
	a := answer(503, "declined", "funds")
	a.Hint = payment.HintRetry
	got := table.Explain("acme", payment.MethodAuthorize, a)
	const proves = "a status outside 2xx and 4xx proves nothing"
	want := []Rung{
		{Name: "driver + operation + code + decline", Row: "acme.authorize.declined_funds", Refused: proves},
		{Name: "driver + operation + code", Row: "acme.authorize.declined", Refused: proves},
		{Name: "driver + code + decline"},
		{Name: "driver + code", Row: "acme.declined", Refused: proves},
		{Name: "driver + HTTP status + operation"},
		{Name: "driver + HTTP status"},
		{Name: "driver + HTTP class + operation"},
		{Name: "driver + HTTP class", Row: "acme.http.5xx"},
	}
	if diff := cmp.Diff(want, got.Rungs); diff != "" {
		t.Errorf("rungs (-want +got):\n%s", diff)
	}
	if got.Row.ID != "acme.http.5xx" || got.Verdict.Resend != payment.ResendBackoff || got.Hint == "" {
		t.Errorf("Explain = %+v, want acme.http.5xx, resent because the provider asked for it", got)
	}
	last := table.Explain("acme", payment.MethodAuthorize, payment.Answer{}).Rungs
	if got := last[len(last)-1]; got.Name != "unknown" || got.Row != unknownRow {
		t.Errorf("the last rung is %+v, want %s", got, unknownRow)
	}
}
