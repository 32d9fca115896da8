package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// stepOf takes a token of one step apart; the verb of an authorization is empty.
func stepOf(token simulator.Token) (verb simulator.Kind, step string) {
	for _, v := range []simulator.Kind{simulator.KindCapture, simulator.KindRefund, simulator.KindVoid, simulator.KindCancel} {
		if step, found := strings.CutPrefix(token.Name, "tok_ok_"+string(v)+"_"); found {
			return v, step
		}
	}
	if step, found := strings.CutPrefix(token.Name, "tok_requires_action_complete_"); found {
		return simulator.KindComplete, step
	}
	return "", strings.TrimPrefix(token.Name, "tok_")
}

// hold makes an authorization of 1000 and returns its id. For refunds it is
// captured at once.
func (h *harness) hold(t *testing.T, token string, captured bool) string {
	t.Helper()
	text := body(token)
	if captured {
		text = strings.Replace(text, "manual", "automatic", 1)
	}
	return idIn(t, h.post(t, fmt.Sprint("hold", h.count(t, simulator.KindStored)), text))
}

// idIn is the id of the object that an answer is about, be it a failure.
func idIn(t *testing.T, a answer) string {
	t.Helper()
	var o struct {
		ID    string `json:"id"`
		Error struct {
			ID string `json:"id"`
		} `json:"error"`
	}
	if err := json.Unmarshal(a.Body, &o); err != nil || o.ID+o.Error.ID == "" {
		t.Fatalf("no object: %v %s", a.got, a.Body)
	}
	return o.ID + o.Error.ID
}

// move asks for a capture, refund or void.
func (h *harness) move(t *testing.T, verb simulator.Kind, parent, key string, amount int) answer {
	t.Helper()
	return h.ask(t, verb, parent, key, fmt.Sprintf(`{"reference":"R-%s","amount":%d,"currency":"EUR","reason":"why"}`, key, amount))
}

func (h *harness) ask(t *testing.T, verb simulator.Kind, parent, key, text string) answer {
	t.Helper()
	action := string(verb) + "s"
	if verb == simulator.KindVoid || verb == simulator.KindComplete { // there is only one
		action = string(verb)
	}
	r, err := http.NewRequest(http.MethodPost, h.url+"/v1/authorizations/"+parent+"/"+action, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", key)
	return h.do(t, r)
}

// sum adds up the amounts of the effects of a kind on an authorization.
func (h *harness) sum(t *testing.T, kind simulator.Kind, parent string) (amount int64, effects int) {
	t.Helper()
	entries, err := h.Entries(kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Parent == parent {
			amount, effects = amount+e.Amount, effects+1
		}
	}
	return amount, effects
}

// amounts are the totals that the authorization shows: captured, refunded, voided.
func (h *harness) amounts(t *testing.T, id string) [3]int64 {
	t.Helper()
	var o struct {
		Captured int64 `json:"captured_amount"`
		Refunded int64 `json:"refunded_amount"`
		Voided   int64 `json:"voided_amount"`
	}
	if err := json.Unmarshal(h.get(t, "/v1/authorizations/"+id).Body, &o); err != nil {
		t.Fatal(err)
	}
	return [3]int64{o.Captured, o.Refunded, o.Voided}
}

// Goal: every step of every verb does what its line says, and what a second send
// of the same key then gets is what any provider would answer. Method: two sends
// of each; the effects are counted in the log after each.
func TestTokensOfFurtherVerbs(t *testing.T) {
	t.Parallel()
	ok, none, failed := got{200, "succeeded"}, got{}, got{422, "failed"}
	type expectation struct {
		first, second got
		effects       [2]int
	}
	want := map[string]expectation{
		"ok":                    {ok, ok, [2]int{1, 1}},
		"partial":               {ok, ok, [2]int{1, 1}},
		"fail":                  {failed, failed, [2]int{0, 0}},
		"pending":               {got{200, "pending"}, got{200, "pending"}, [2]int{0, 0}},
		"pending_fail":          {got{200, "pending"}, got{200, "pending"}, [2]int{0, 0}},
		"429":                   {got{429, "rate_limited"}, ok, [2]int{0, 1}},
		"429_date":              {got{429, "rate_limited"}, ok, [2]int{0, 1}},
		"401":                   {got{401, "unauthorized"}, ok, [2]int{0, 1}},
		"400":                   {got{400, "invalid_request"}, ok, [2]int{0, 1}},
		"500_before_effect":     {got{500, "server_error"}, ok, [2]int{0, 1}},
		"500_after_effect":      {got{500, "server_error"}, ok, [2]int{1, 1}},
		"503":                   {got{503, "unavailable"}, ok, [2]int{0, 1}},
		"timeout":               {none, ok, [2]int{1, 1}},
		"timeout_before_effect": {none, ok, [2]int{0, 1}},
		"drop":                  {none, ok, [2]int{1, 1}},
		"drop_before_effect":    {none, ok, [2]int{0, 1}},
		"reset_before_headers":  {none, ok, [2]int{0, 1}},
		"reset_after_headers":   {none, ok, [2]int{1, 1}},
		"garbage":               {got{200, ""}, ok, [2]int{1, 1}},
		"empty":                 {got{200, ""}, ok, [2]int{1, 1}},
		"truncated":             {none, ok, [2]int{1, 1}},
		"oversized":             {ok, ok, [2]int{1, 1}},
		"unknown_status":        {got{200, "teleported"}, ok, [2]int{1, 1}},
		"redirect":              {got{307, ""}, ok, [2]int{0, 1}},
		"key_in_use":            {got{409, "key_in_use"}, ok, [2]int{0, 1}},
		"late":                  {none, ok, [2]int{0, 1}},
		"twice":                 {ok, ok, [2]int{1, 1}},
	}
	seen := map[string]int{}
	for _, token := range simulator.Tokens() {
		verb, step := stepOf(token)
		if verb == "" || verb == simulator.KindCancel || verb == simulator.KindComplete {
			continue // another test's
		}
		seen[string(verb)]++
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			e, ok := want[step]
			if !ok || token.Meaning == "" {
				t.Fatal("the step is not tested, or says nothing")
			}
			h := start(t, simulator.Config{})
			name, amount := token.Name, int64(1000)
			if slices.Contains([]string{"pending", "pending_fail", "late", "twice"}, step) {
				name += "_600s" // what happens later is another test's
			}
			parent := h.hold(t, name, verb == simulator.KindRefund)
			if step == "partial" {
				amount = 500
			}
			if strings.HasPrefix(step, "timeout") {
				h.client.Timeout = 500 * time.Millisecond
			}
			for i, w := range []got{e.first, e.second} {
				a := h.move(t, verb, parent, testKey, 1000)
				h.client.Timeout = 30 * time.Second
				until(t, "the request is in the log", func() bool { return h.count(t, simulator.KindRequest) > i+1 })
				if a.got != w {
					t.Errorf("send %d: got %v, want %v", i+1, a.got, w)
				}
				if sum, n := h.sum(t, verb, parent); n != e.effects[i] || sum != amount*int64(n) && step != "partial" || sum > amount {
					t.Errorf("send %d: %d effects of %d, want %d of %d", i+1, n, sum, e.effects[i], amount)
				}
				if stored := i == 1 && (e.effects[0] == 1 || e.first == e.second); stored != (a.Header.Get("Idempotent-Replayed") == "true") {
					t.Errorf("send %d: replayed: %q", i+1, a.Header.Get("Idempotent-Replayed"))
				}
			}
		})
	}
	if d := cmp.Diff(map[string]int{"capture": len(want), "refund": len(want), "void": len(want) - 1}, seen); d != "" {
		t.Errorf("steps of each verb (-want +got):\n%s", d)
	}
}

// Goal: the amounts of an authorization never break their rules, what breaks them
// fails by name and has no effect, and that failure is what the key keeps.
func TestAmountRules(t *testing.T) {
	t.Parallel()
	const capture, refund, void = simulator.KindCapture, simulator.KindRefund, simulator.KindVoid
	type ask struct {
		verb   simulator.Kind
		amount int
		want   string // the failure, or nothing
	}
	for name, c := range map[string]struct {
		token    string
		captured bool
		asks     []ask
		amounts  [3]int64
	}{
		"captures up to the hold":    {"tok_ok", false, []ask{{capture, 400, ""}, {capture, 600, ""}, {capture, 1, "already_captured"}}, [3]int64{1000}},
		"a capture above the hold":   {"tok_ok", false, []ask{{capture, 1001, "insufficient_hold"}, {capture, 999, ""}, {capture, 2, "insufficient_hold"}}, [3]int64{999}},
		"a capture of half":          {"tok_ok_capture_partial", false, []ask{{capture, 600, ""}, {capture, 701, "insufficient_hold"}, {capture, 700, ""}}, [3]int64{650}},
		"a partial authorization":    {"tok_partial", false, []ask{{capture, 501, "insufficient_hold"}, {capture, 500, ""}}, [3]int64{500}},
		"an automatic capture":       {"tok_ok", true, []ask{{capture, 1, "already_captured"}, {void, 0, "already_captured"}, {refund, 1000, ""}}, [3]int64{1000, 1000}},
		"refunds up to the captures": {"tok_ok", false, []ask{{refund, 1, "nothing_to_refund"}, {capture, 500, ""}, {refund, 501, "exceeds_captured"}, {refund, 500, ""}, {refund, 1, "nothing_to_refund"}, {capture, 500, ""}, {refund, 499, ""}}, [3]int64{1000, 999}},
		"a void of everything":       {"tok_ok", false, []ask{{void, 0, ""}, {void, 0, "already_voided"}, {capture, 1, "already_voided"}, {refund, 1, "nothing_to_refund"}}, [3]int64{0, 0, 1000}},
		"a void of the rest":         {"tok_ok", false, []ask{{capture, 300, ""}, {void, 1000, ""}, {capture, 1, "already_voided"}, {refund, 300, ""}}, [3]int64{300, 300, 700}},
		"a void of nothing":          {"tok_ok", false, []ask{{capture, 1000, ""}, {void, 0, "already_captured"}}, [3]int64{1000}},
		"a pending capture":          {"tok_ok_capture_pending_600s", false, []ask{{capture, 600, ""}, {capture, 401, "insufficient_hold"}, {void, 0, "capture_pending"}, {refund, 1, "nothing_to_refund"}}, [3]int64{}},
		"a pending refund":           {"tok_ok_refund_pending_600s", true, []ask{{refund, 600, ""}, {refund, 401, "exceeds_captured"}, {refund, 400, ""}, {refund, 1, "nothing_to_refund"}}, [3]int64{1000}},
		"a pending void":             {"tok_ok_void_pending_600s", false, []ask{{void, 0, ""}, {capture, 1, "already_voided"}, {void, 0, "already_voided"}}, [3]int64{}},
		"what failed took nothing":   {"tok_ok_capture_fail_capture_ok", false, []ask{{capture, 1000, "capture_failed"}, {capture, 1000, ""}}, [3]int64{1000}},
		"a rule comes before a step": {"tok_ok_capture_fail", false, []ask{{capture, 1001, "insufficient_hold"}}, [3]int64{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, simulator.Config{})
			id := h.hold(t, c.token, c.captured)
			for i, a := range c.asks {
				key := fmt.Sprint("key", i)
				first := h.move(t, a.verb, id, key, a.amount)
				if code := failureOf(t, first); code != a.want || (first.Status == 422) != (a.want != "") {
					t.Errorf("%s of %d: %d %q, want %q", a.verb, a.amount, first.Status, code, a.want)
				}
				if again := h.move(t, a.verb, id, key, a.amount); !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
					t.Errorf("%s of %d became %s", a.verb, a.amount, again.Body)
				}
			}
			if got := h.amounts(t, id); got != c.amounts {
				t.Errorf("amounts %v, want %v", got, c.amounts)
			}
			if sum, _ := h.sum(t, void, id); sum != c.amounts[2] {
				t.Errorf("%d voided in the log, want %d", sum, c.amounts[2])
			}
		})
	}
}

// failureOf is the failure code of an answer; "" if there is none.
func failureOf(t *testing.T, a answer) string {
	t.Helper()
	var v struct {
		Error struct {
			Code        string `json:"code"`
			FailureCode string `json:"failure_code"`
			ID          string `json:"id"`
			Reference   string `json:"reference"`
		} `json:"error"`
	}
	if err := json.Unmarshal(a.Body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	if e := v.Error; e.FailureCode != "" && (e.Code != "failed" || e.ID == "" || e.Reference == "") {
		t.Errorf("the failure is %s", a.Body)
	}
	return v.Error.FailureCode
}

// Goal: objects and effects have the documented form: each with the id, key,
// reference and amount of its own, found by its own kind only.
func TestObjectsAndEffects(t *testing.T) {
	h := start(t, simulator.Config{})
	parent := h.hold(t, "tok_ok_capture_fail_capture_ok", false)
	h.move(t, simulator.KindCapture, parent, "no", 100)
	h.move(t, simulator.KindCapture, parent, "take", 400)
	h.move(t, simulator.KindRefund, parent, "give", 150)
	h.ask(t, simulator.KindVoid, parent, "free", `{"reference":"R-free"}`)

	type object struct {
		ID          string `json:"id"`
		Kind        string `json:"kind"`
		Status      string `json:"status"`
		FailureCode string `json:"failure_code"`
		Amount      int64  `json:"amount"`
		Currency    string `json:"currency"`
		Reference   string `json:"reference"`
		Parent      string `json:"parent"`
		Reason      string `json:"reason"`
	}
	found := func(path string) (list []object) {
		t.Helper()
		var out struct {
			Data []object `json:"data"`
		}
		a := h.get(t, path)
		if err := json.Unmarshal(a.Body, &out); err != nil || a.Status != 200 {
			t.Fatalf("%s: %d %s", path, a.Status, a.Body)
		}
		return out.Data
	}
	var want []simulator.Entry
	for _, c := range []struct {
		path string
		kind simulator.Kind
		key  string
		want object
	}{
		{"captures", "", "no", object{Status: "failed", FailureCode: "capture_failed", Kind: "capture", Amount: 100, Reason: "why"}},
		{"captures", simulator.KindCapture, "take", object{Status: "succeeded", Kind: "capture", Amount: 400, Reason: "why"}},
		{"refunds", simulator.KindRefund, "give", object{Status: "succeeded", Kind: "refund", Amount: 150, Reason: "why"}},
		{"voids", simulator.KindVoid, "free", object{Status: "succeeded", Kind: "void", Amount: 600}},
	} {
		list := found("/v1/" + c.path + "?reference=R-" + c.key)
		if len(list) != 1 || !strings.HasPrefix(list[0].ID, c.want.Kind+"_") {
			t.Fatalf("%s: %+v", c.key, list)
		}
		c.want.ID, c.want.Currency, c.want.Reference, c.want.Parent = list[0].ID, "EUR", "R-"+c.key, parent
		if d := cmp.Diff(c.want, list[0]); d != "" {
			t.Errorf("object (-want +got):\n%s", d)
		}
		for _, path := range []string{"authorizations", "captures", "refunds", "voids"} {
			if n := len(found("/v1/" + path + "?reference=R-" + c.key)); (n == 1) != (path == c.path) {
				t.Errorf("%d of %s among %s", n, c.key, path)
			}
			if a := h.get(t, "/v1/"+path+"/"+c.want.ID); (a.Status == 200) != (path == c.path) {
				t.Errorf("%s by id among %s: %d", c.key, path, a.Status)
			}
		}
		if c.kind != "" {
			want = append(want, simulator.Entry{
				Kind: c.kind, Merchant: "default", Key: c.key, Reference: "R-" + c.key, Ordinal: 1,
				Object: c.want.ID, Parent: parent, Amount: c.want.Amount, Currency: "EUR",
			})
		}
	}
	var log struct {
		Entries []simulator.Entry `json:"entries"`
	}
	if err := json.Unmarshal(h.get(t, "/effects?parent="+parent).Body, &log); err != nil {
		t.Fatal(err)
	}
	for i := range log.Entries {
		log.Entries[i].Time = time.Time{}
	}
	if d := cmp.Diff(want, log.Entries); d != "" {
		t.Errorf("effects (-want +got):\n%s", d)
	}
	if all, err := h.Entries(simulator.EffectKinds()...); err != nil || len(all) != 4 {
		t.Errorf("%d effects in all, error %v; want 4", len(all), err)
	}
}
