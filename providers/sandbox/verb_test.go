package sandbox_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// verb is a method that acts on an authorization, and how the sandbox puts it.
type verb struct {
	method payment.Method
	done   string // the code of its effect
	path   string // of its objects
}

func verbs() []verb {
	return []verb{
		{payment.MethodCapture, "captured", "/v1/captures"},
		{payment.MethodRefund, "refunded", "/v1/refunds"},
		{payment.MethodVoid, "voided", "/v1/voids"},
	}
}

// Goal: a capture, refund or void is read from its own object only. Method: for
// each verb, objects that differ from a good one in one respect.
func TestParseOperation(t *testing.T) {
	d := sandbox.New(sandbox.Config{})
	for _, v := range verbs() {
		m, done := v.method, v.done
		good := fmt.Sprintf(`{"id":"x_1","kind":%q,"status":"succeeded","amount":400,"currency":"EUR","reference":"FURTHERREFERENCE","parent":"auth_1"}`, m)
		ours := payment.Answer{Reference: "x_1", OurEcho: "FURTHERREFERENCE"}
		effect, pending, failed, unlisted := ours, ours, ours, ours
		effect.Code, effect.Captured, effect.Amount = done, m == payment.MethodCapture, &payment.Money{MinorUnits: 400, CurrencyCode: "EUR"}
		pending.Code, unlisted.Code = "pending", string(m)+"_"+done
		failed.Code, failed.Decline = "failed", "why"
		with := func(old, replacement string) string {
			if !strings.Contains(good, old) {
				t.Fatalf("the object has no %q", old)
			}
			return strings.Replace(good, old, replacement, 1)
		}
		for name, c := range map[string]struct {
			status int
			body   string
			want   payment.Answer
		}{
			"succeeded":               {200, good, effect},
			"pending":                 {200, with("succeeded", "pending"), pending},
			"failed":                  {200, with(`"succeeded"`, `"failed","failure_code":"why"`), failed},
			"failed at once":          {422, `{"error":{"code":"failed","failure_code":"why","id":"x_1","reference":"FURTHERREFERENCE"}}`, failed},
			"a status that is a code": {200, with("succeeded", done), unlisted},
			"of another parent":       {200, with("auth_1", "auth_2"), payment.Answer{}},
			"of no parent":            {200, with("auth_1", ""), payment.Answer{}},
			"of no kind":              {200, with(`"kind":"`+string(m)+`"`, `"kind":""`), payment.Answer{}},
			"its authorization":       {200, `{"id":"auth_1","status":"captured","amount":400,"captured_amount":400,"refunded_amount":400,"currency":"EUR"}`, payment.Answer{}},
			"of nothing":              {200, with("400", "0"), payment.Answer{}},
			"without an id":           {200, with("x_1", ""), payment.Answer{}},
			"without a status":        {200, with("succeeded", ""), payment.Answer{}},
			"cut":                     {200, good[:len(good)-2], payment.Answer{}},
			"in a failure":            {500, good, payment.Answer{}},
		} {
			got := d.Parse(furtherSend(m), providers.Response{Status: c.status, Body: []byte(c.body)})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s, %s: answer (-want +got):\n%s", m, name, diff)
			}
		}
		for _, kind := range []string{"capture", "refund", "void"} {
			got := d.Parse(furtherSend(m), providers.Response{Status: 200, Body: []byte(with(`"kind":"`+string(m)+`"`, `"kind":"`+kind+`"`))})
			if (got.Code != "") != (kind == string(m)) {
				t.Errorf("a %s is read as %+v of a %s", kind, got, m)
			}
		}
	}
}

// Goal: a look-up asks for the operation's own object, by its id where it is
// known, else by our reference.
func TestQueryOperation(t *testing.T) {
	d := sandbox.New(sandbox.Config{MerchantID: "m-1"})
	for _, v := range verbs() {
		m, path, s := v.method, v.path, furtherSend(v.method)
		for id, want := range map[payment.ProviderReference][2]string{
			"": {path + "?reference=FURTHERREFERENCE", path}, "x/1": {path + "/x%2F1", path + "/{id}"},
		} {
			s.ProviderReference = id
			r, err := d.Query(s)
			if got := [2]string{r.Path, r.Template}; err != nil || got != want || r.Method != http.MethodGet || r.Key != "" || r.Header.Get("Sandbox-Merchant") != "m-1" {
				t.Errorf("%s %q asks %v, error %v; want %v", m, id, got, err, want)
			}
		}
		refused := d.ParseQuery(s, providers.Response{Status: 422, Body: []byte(`{"error":{"code":"failed","failure_code":"refund_failed"}}`)})
		if refused.Code != "" {
			t.Errorf("the refusal of a look-up is read as %+v", refused)
		}
	}
}

// further authorizes with a token and returns the send of a verb on it; for a
// refund the money is captured at once.
func (r *rig) further(t *testing.T, m payment.Method, token string) payment.Send {
	t.Helper()
	s := fullSend()
	s.Instruction.Tokens["main"] = payment.Token{StoredID: token}
	if m != payment.MethodRefund {
		s.Instruction.CaptureMode = payment.CaptureManual
	}
	a, v := r.send(s)
	if v.Evidence != payment.EvidenceEffect {
		t.Fatalf("no authorization: %+v", a)
	}
	next := furtherSend(m)
	next.Parent = a.Reference
	if m == payment.MethodVoid { // it releases everything, whatever is said
		next.Amount.MinorUnits = 1000
	}
	return next
}

// Goal: for every fault of every verb, the verdict claims no more than what is in
// the effect log, and about that operation's own amount; the resend ends in the
// stored outcome; one counted send is one request on the wire. Method: the whole
// way from driver to table, two sends of each token.
func TestEveryStepOfFurtherVerbs(t *testing.T) {
	t.Parallel()
	rows := map[string][2]string{ // OK is the row of the effect
		"ok":                    {"OK", "OK"},
		"partial":               {"OK", "OK"},
		"fail":                  {"sandbox.VERB.failed_VERB_failed", "sandbox.VERB.failed_VERB_failed"},
		"pending":               {"sandbox.VERB.pending", "sandbox.VERB.pending"},
		"pending_fail":          {"sandbox.VERB.pending", "sandbox.VERB.pending"},
		"429":                   {"sandbox.any.rate_limited", "OK"},
		"429_date":              {"sandbox.any.rate_limited", "OK"},
		"401":                   {"sandbox.any.unauthorized", "OK"},
		"400":                   {"sandbox.any.invalid_request", "OK"},
		"500_before_effect":     {"sandbox.any.server_error", "OK"},
		"500_after_effect":      {"sandbox.any.server_error", "OK"},
		"503":                   {"sandbox.any.unavailable", "OK"},
		"timeout":               {"any.transport.timeout", "OK"},
		"timeout_before_effect": {"any.transport.timeout", "OK"},
		"drop":                  {"any.transport.broken", "OK"},
		"drop_before_effect":    {"any.transport.broken", "OK"},
		"reset_before_headers":  {"any.transport.broken", "OK"},
		"reset_after_headers":   {"any.transport.broken", "OK"},
		"garbage":               {"any.http.2xx", "OK"},
		"empty":                 {"any.http.2xx", "OK"},
		"truncated":             {"any.transport.broken", "OK"},
		"oversized":             {"any.transport.oversized", "OK"},
		"unknown_status":        {"any.http.2xx", "OK"},
		"redirect":              {"any.http.3xx", "OK"},
		"key_in_use":            {"sandbox.any.key_in_use", "OK"},
		"late":                  {"any.transport.broken", "OK"},
		"twice":                 {"OK", "OK"},
	}
	for _, token := range simulator.Tokens() {
		m, step := stepOf(token)
		if m == payment.MethodAuthorize || m == mapping.Fence || m == payment.MethodComplete {
			continue // another test's
		}
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			want, listed := rows[step]
			if !listed {
				t.Fatal("the step has no expectation")
			}
			stored, patience := token.Name, 30*time.Second
			switch {
			case slices.Contains([]string{"pending", "pending_fail", "late", "twice"}, step):
				stored += "_600s" // what happens later is another test's
			case strings.HasPrefix(step, "timeout"):
				patience = 2 * time.Second // the request has to arrive within it
			}
			r := newRig(t)
			s := r.further(t, m, stored)
			for i, row := range want {
				a, v := r.Exchange(s, patience)
				patience = 30 * time.Second
				if row := rowOf(row, m); v.Row != row {
					t.Errorf("send %d: row %s, want %s (answer %+v)", i+1, v.Row, row, a)
				}
				r.arrived(t, i+2) // the authorization is one
				r.checkAmount(t, s, a, v)
			}
		})
	}
}

// stepOf takes a token of one step apart; that of a cancel is of mapping.Fence.
func stepOf(token simulator.Token) (m payment.Method, step string) {
	if step, found := strings.CutPrefix(token.Name, "tok_ok_cancel_"); found {
		return mapping.Fence, step
	}
	if step, found := strings.CutPrefix(token.Name, "tok_requires_action_complete_"); found {
		return payment.MethodComplete, step
	}
	for _, v := range verbs() {
		if step, found := strings.CutPrefix(token.Name, "tok_ok_"+string(v.method)+"_"); found {
			return v.method, step
		}
	}
	return payment.MethodAuthorize, strings.TrimPrefix(token.Name, "tok_")
}

// rowOf is the id of a row of a verb.
func rowOf(row string, m payment.Method) string {
	for _, v := range verbs() {
		if row == "OK" && v.method == m {
			row = "sandbox.VERB." + v.done
		}
	}
	return strings.ReplaceAll(row, "VERB", string(m))
}

// checkAmount compares what a verdict claims, and the amount and id that the
// answer gives, with the one effect of the operation.
func (r *rig) checkAmount(t *testing.T, s payment.Send, a payment.Answer, v payment.Verdict) {
	t.Helper()
	effects, err := r.simulator.Entries(simulator.Kind(s.Method))
	if err != nil {
		t.Fatal(err)
	}
	checkClaim(t, v, len(effects))
	if v.Evidence != payment.EvidenceEffect || len(effects) == 0 {
		return
	}
	e := effects[0]
	same := a.Amount != nil && a.Amount.MinorUnits == e.Amount && a.Reference == payment.ProviderReference(e.Object) &&
		e.Key == string(s.Key) && e.Reference == string(s.Reference) && e.Parent == string(s.Parent)
	if !same || e.Amount > s.Amount.MinorUnits {
		t.Errorf("answer %+v about effect %+v", a, e)
	}
}

// Goal: every failure that the amounts can bring has its row, on the send and in a
// look-up, and is what its key brings again.
func TestEveryFailureHasItsRow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token   string
		method  payment.Method
		before  payment.Method // done, or begun, with all of the money
		amount  int64
		failure string
	}{
		"above the hold":       {"tok_ok", payment.MethodCapture, "", 1001, "insufficient_hold"},
		"captured already":     {"tok_ok", payment.MethodCapture, payment.MethodCapture, 1, "already_captured"},
		"voided already":       {"tok_ok", payment.MethodCapture, payment.MethodVoid, 1, "already_voided"},
		"refunded already":     {"tok_ok", payment.MethodRefund, payment.MethodRefund, 1, "nothing_to_refund"},
		"above the captures":   {"tok_ok", payment.MethodRefund, "", 1001, "exceeds_captured"},
		"void of captured":     {"tok_ok", payment.MethodVoid, payment.MethodCapture, 1000, "already_captured"},
		"void of voided":       {"tok_ok", payment.MethodVoid, payment.MethodVoid, 1000, "already_voided"},
		"void beside captures": {"tok_ok_capture_pending_600s", payment.MethodVoid, payment.MethodCapture, 1000, "capture_pending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.further(t, c.method, c.token)
			if c.before != "" {
				first := s
				first.Method, first.Amount.MinorUnits = c.before, 1000
				first.Key, first.Reference = "00000000000000000000000000000000", "BEFORE"
				if a, v := r.send(first); v.Evidence != payment.EvidenceEffect && v.Evidence != payment.EvidencePending {
					t.Fatalf("before: %+v", a)
				}
			}
			s.Amount.MinorUnits = c.amount
			for range 2 {
				if a, v := r.send(s); v.Row != "sandbox."+string(c.method)+".failed_"+c.failure || v.Evidence != payment.EvidenceNoEffectSticky || !v.Alert {
					t.Errorf("verdict %+v of %+v", v, a)
				}
			}
			a, err := r.Guard.Query(t.Context(), s)
			if v := r.Table.Judge("sandbox", mapping.Query, a); err != nil || v.Row != "sandbox.query.failed_"+c.failure || !a.ObjectFound {
				t.Errorf("look-up: row %s of %+v, error %v", v.Row, a, err)
			}
		})
	}
}

// Goal: what cannot be executed yet is refused as such, and proves nothing about
// another copy.
func TestRefusedBeforeExecution(t *testing.T) {
	for _, v := range verbs() {
		m, r := v.method, newRig(t)
		s := r.further(t, m, "tok_ok")
		s.Parent = "auth_none"
		if _, v := r.send(s); v.Row != "sandbox.any.no_such_authorization" || v.Evidence != payment.EvidenceNoEffectNotSticky {
			t.Errorf("%s of nothing: %+v", m, v)
		}
		s.Parent, s.Amount.CurrencyCode = r.pending(t), "EUR"
		if _, v := r.send(s); v.Row != "sandbox.any.nothing_held" || v.Evidence != payment.EvidenceNoEffectNotSticky {
			t.Errorf("%s of what is pending: %+v", m, v)
		}
		if n := r.count(t, simulator.Kind(m)); n != 0 {
			t.Errorf("%d effects of a %s", n, m)
		}
	}
}

// pending is the id of an authorization whose outcome is open.
func (r *rig) pending(t *testing.T) payment.ProviderReference {
	t.Helper()
	s := fullSend()
	s.Key, s.Reference = "11111111111111111111111111111111", "PENDING"
	s.Instruction.Tokens["main"] = payment.Token{StoredID: "tok_pending_600s"}
	a, v := r.send(s)
	if v.Evidence != payment.EvidencePending {
		t.Fatalf("verdict %+v", v)
	}
	return a.Reference
}

// Goal: a look-up shows what became of a capture, refund or void whose answer was
// lost or is still to come, by reference and by id; it is about that operation
// alone, and nothing found proves nothing.
func TestLookUpOfFurtherVerbs(t *testing.T) {
	t.Parallel()
	for _, v := range verbs() {
		m := v.method
		for step, want := range map[string]string{
			"drop":               rowOf("OK", m),
			"fail":               "sandbox.VERB.failed_VERB_failed",
			"pending_600s":       "sandbox.VERB.pending",
			"pending_1ms":        rowOf("OK", m),
			"pending_fail_1ms":   "sandbox.VERB.failed_VERB_failed",
			"drop_before_effect": "sandbox.query.not_found",
		} {
			t.Run(string(m)+" "+step, func(t *testing.T) {
				t.Parallel()
				want = strings.Replace(rowOf(want, m), "sandbox."+string(m)+".", "sandbox.query.", 1)
				r := newRig(t)
				s := r.further(t, m, "tok_ok_"+string(m)+"_"+step)
				if got := r.ask(t, s); got.row != "sandbox.query.not_found" {
					t.Errorf("before: %+v", got)
				}
				r.send(s)
				var got asked
				tick := time.NewTicker(2 * time.Millisecond)
				defer tick.Stop()
				for range 1000 { // until what is due has happened
					if got = r.ask(t, s); got.row == want {
						break
					}
					<-tick.C
				}
				if got.row != want {
					t.Fatalf("by reference: %+v, want %s", got, want)
				}
				if got.answer.Reference == "" {
					return
				}
				s.ProviderReference = got.answer.Reference
				if byID := r.ask(t, s); byID.row != want || !byID.answer.ObjectFound || byID.answer.OurEcho != s.Reference {
					t.Errorf("by id: %+v, want %s", byID, want)
				}
				s.Reference, s.ProviderReference = "ANOTHER", ""
				if other := r.ask(t, s); other.row != "sandbox.query.not_found" {
					t.Errorf("of another operation on the same authorization: %+v", other)
				}
			})
		}
	}
}

// asked is the answer to a look-up and the row that judged it.
type asked struct {
	row    string
	answer payment.Answer
}

func (r *rig) ask(t *testing.T, s payment.Send) asked {
	t.Helper()
	a, err := r.Guard.Query(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return asked{r.Table.Judge("sandbox", mapping.Query, a).Row, a}
}
