package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// Goal: what no authorization can take is refused in words, has no effect, and
// leaves no trace under the key, so that the same request may be taken later.
func TestRefusedBeforeExecution(t *testing.T) {
	h := start(t, simulator.Config{})
	good := `{"reference":"R","amount":10,"currency":"EUR"}`
	held, action := h.hold(t, "tok_ok", false), h.hold(t, "tok_requires_action", false)
	declined := idIn(t, h.post(t, "declined", body("tok_decline_generic")))
	taken := idIn(t, h.move(t, simulator.KindCapture, held, "taken", 10))
	for name, c := range map[string]struct {
		parent, key, body string
		want              got
	}{
		"no such authorization":       {"auth_none", testKey, good, got{404, "no_such_authorization"}},
		"an object of another kind":   {taken, testKey, good, got{404, "no_such_authorization"}},
		"a declined authorization":    {declined, testKey, good, got{409, "nothing_held"}},
		"an unfinished authorization": {action, testKey, good, got{409, "nothing_held"}},
		"another currency":            {held, testKey, strings.Replace(good, "EUR", "USD", 1), got{400, "invalid_request"}},
		"no currency":                 {held, testKey, strings.Replace(good, "EUR", "", 1), got{400, "invalid_request"}},
		"an amount of nothing":        {held, testKey, strings.Replace(good, "10", "0", 1), got{400, "invalid_request"}},
		"a negative amount":           {held, testKey, strings.Replace(good, "10", "-10", 1), got{400, "invalid_request"}},
		"no reference":                {held, testKey, strings.Replace(good, `"R"`, `""`, 1), got{400, "invalid_request"}},
		"no key":                      {held, "", good, got{400, "invalid_request"}},
		"no JSON":                     {held, testKey, "{", got{400, "invalid_request"}},
	} {
		for _, verb := range []simulator.Kind{simulator.KindCapture, simulator.KindRefund} {
			if a := h.ask(t, verb, c.parent, c.key, c.body); a.got != c.want {
				t.Errorf("%s of %s: %v %s, want %v", verb, name, a.got, a.Body, c.want)
			}
		}
	}
	h.get(t, "/v1/actions/"+action)
	if a := h.ask(t, simulator.KindCapture, action, testKey, good); a.got != (got{200, "succeeded"}) || a.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the same request later: %v %s", a.got, a.Body)
	}
	if _, n := h.sum(t, simulator.KindCapture, held); n != 1 {
		t.Errorf("%d captures, want 1", n)
	}
	r, err := http.NewRequest(http.MethodPost, h.url+"/v1/authorizations/"+held+"/void", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", "foreign")
	r.Header.Set("Sandbox-Merchant", "another")
	if a := h.do(t, r); a.got != (got{404, "no_such_authorization"}) {
		t.Errorf("another merchant's authorization: %v", a.got)
	}
	if r, err = http.NewRequest(http.MethodGet, h.url+"/v1/authorizations/"+held, nil); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sandbox-Merchant", "another")
	if a := h.do(t, r); a.got != (got{404, "not_found"}) {
		t.Errorf("a look-up of another merchant's authorization: %v", a.got)
	}
}

// Goal: a key belongs to one request: with the same body, another verb or another
// authorization is another request.
func TestKeyIsTiedToVerbAndAuthorization(t *testing.T) {
	h := start(t, simulator.Config{})
	one, other := h.hold(t, "tok_ok", true), h.hold(t, "tok_ok", true)
	if a := h.move(t, simulator.KindRefund, one, testKey, 10); a.got != (got{200, "succeeded"}) {
		t.Fatalf("the refund: %v", a.got)
	}
	for name, a := range map[string]answer{
		"another authorization": h.move(t, simulator.KindRefund, other, testKey, 10),
		"another verb":          h.move(t, simulator.KindCapture, one, testKey, 10),
		"an authorization":      h.post(t, testKey, body("tok_ok")),
		"another amount":        h.move(t, simulator.KindRefund, one, testKey, 11),
	} {
		if a.got != (got{422, "key_reused"}) {
			t.Errorf("%s: %v", name, a.got)
		}
	}
	if sum, _ := h.sum(t, simulator.KindRefund, one); sum != 10 {
		t.Errorf("refunded %d, want 10", sum)
	}
}

// Goal: where a verb is written more than once, its keys take turns, each with
// steps of its own, and a restart does not upset the order.
func TestTurns(t *testing.T) {
	dir := t.TempDir()
	h, end := reopened(t, dir)
	parent := h.hold(t, "tok_ok_capture_429_then_503_capture_ok_capture_fail_refund_drop_always", false)
	see := func(key string, want ...got) {
		t.Helper()
		for i, w := range want {
			if a := h.move(t, simulator.KindCapture, parent, key, 10); a.got != w {
				t.Errorf("%s, send %d: %v, want %v", key, i+1, a.got, w)
			}
		}
	}
	limited, unavailable, ok, failed := got{429, "rate_limited"}, got{503, "unavailable"}, got{200, "succeeded"}, got{422, "failed"}
	see("one", limited)
	see("two", ok, ok)
	end()
	h, end = reopened(t, dir)
	defer end()
	see("three", failed, failed)
	see("one", unavailable, ok)
	see("four", limited, unavailable, ok)
	see("five", ok)
	for range 3 {
		if a := h.move(t, simulator.KindRefund, parent, "refund", 10); a.got != (got{}) {
			t.Errorf("the refund is answered %v", a.got)
		}
	}
	if got := h.amounts(t, parent); got != [3]int64{40, 10, 0} {
		t.Errorf("amounts %v", got)
	}
}

// reopened is a simulator on a directory that may have been used before.
func reopened(t *testing.T, dir string) (*harness, func()) {
	t.Helper()
	s := startPiped(t, simulator.Config{Dir: dir})
	return s.harness, s.end
}

// Goal: whatever arrives at once, captures never add up to more than is held, nor
// refunds to more than was captured, and what was refused could not have fitted.
// Method: more than fits of everything, in parallel, a part of it with answers
// that are lost and sent again; the log is added up.
func TestConcurrentMovesStayWithinTheAmounts(t *testing.T) {
	t.Parallel()
	const capture, refund, void = simulator.KindCapture, simulator.KindRefund, simulator.KindVoid
	h := start(t, simulator.Config{Latency: time.Millisecond})
	h.client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(h.client.CloseIdleConnections)
	faults := func(verb string) string {
		return strings.ReplaceAll("_V_ok_V_500_after_effect_V_drop_V_503_V_twice_1ms_V_late_1ms", "V", verb)
	}
	parent := h.hold(t, "tok_ok"+faults("capture")+faults("refund"), false)
	storm := func(verb simulator.Kind, n, amount int) (refusedAmount int) {
		var all sync.WaitGroup
		var mu sync.Mutex
		for i := range n {
			all.Go(func() {
				for range 50 {
					a := h.move(t, verb, parent, fmt.Sprint(verb, i), amount)
					if a.got == (got{422, "failed"}) {
						mu.Lock()
						refusedAmount = amount
						mu.Unlock()
					}
					if a.Status == 200 || a.Status == 422 {
						return
					}
				}
				t.Errorf("%s %d was never answered", verb, i)
			})
		}
		all.Wait()
		return refusedAmount
	}
	check := func(verb simulator.Kind, limit int64, refused int) int64 {
		t.Helper()
		sum, n := h.sum(t, verb, parent)
		if sum > limit || sum+int64(refused) <= limit || n == 0 {
			t.Errorf("%d %ss of %d in all, of %d; %d was refused", n, verb, sum, limit, refused)
		}
		return sum
	}
	captured := check(capture, 1000, storm(capture, 50, 30))
	refunded := check(refund, captured, storm(refund, 60, 20))
	storm(void, 20, 0)
	if got := h.amounts(t, parent); got != [3]int64{captured, refunded, 1000 - captured} {
		t.Errorf("amounts %v of captured %d, refunded %d", got, captured, refunded)
	}
	if sum, n := h.sum(t, void, parent); n != 1 || sum != 1000-captured {
		t.Errorf("%d voids of %d, want one of %d", n, sum, 1000-captured)
	}
	effects, err := h.Entries(simulator.EffectKinds()...)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, e := range effects {
		if keys[e.Key] {
			t.Errorf("key %s has two effects", e.Key)
		}
		keys[e.Key] = true
	}
}

// Goal: captures and a void that arrive at once never take and release the same
// money. Method: many small rounds.
func TestVoidAgainstCaptures(t *testing.T) {
	t.Parallel()
	h := start(t, simulator.Config{})
	for round := range 20 {
		parent := h.hold(t, fmt.Sprintf("tok_ok_capture_ok_capture_pending_%dms", round+1), false)
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() { h.move(t, simulator.KindCapture, parent, fmt.Sprint("capture", round, i), 100) })
		}
		all.Go(func() { h.move(t, simulator.KindVoid, parent, fmt.Sprint("void", round), 0) })
		all.Wait()
		captured, _ := h.sum(t, simulator.KindCapture, parent)
		voided, n := h.sum(t, simulator.KindVoid, parent)
		if captured+voided > 1000 || n > 1 {
			t.Fatalf("captured %d, voided %d in %d, of 1000", captured, voided, n)
		}
	}
}

// Goal: what is pending keeps its amount until it is due, then has its effect or
// gives the amount back, through a restart too.
func TestPendingMoves(t *testing.T) {
	const capture, refund, void = simulator.KindCapture, simulator.KindRefund, simulator.KindVoid
	for name, c := range map[string]struct {
		verb    simulator.Kind
		token   string
		status  string
		amounts [3]int64 // before the retry
		retry   got      // of the same amount under another key
	}{
		"capture":             {capture, "tok_ok_capture_pending_30s", "succeeded", [3]int64{1000}, got{422, "failed"}},
		"capture that fails":  {capture, "tok_ok_capture_pending_fail_30s_capture_ok", "failed", [3]int64{}, got{200, "succeeded"}},
		"refund":              {refund, "tok_ok_refund_pending_30s", "succeeded", [3]int64{1000, 1000}, got{422, "failed"}},
		"refund that fails":   {refund, "tok_ok_refund_pending_fail_30s_refund_ok", "failed", [3]int64{1000}, got{200, "succeeded"}},
		"void":                {void, "tok_ok_void_pending_30s", "succeeded", [3]int64{0, 0, 1000}, got{422, "failed"}},
		"void that fails":     {void, "tok_ok_void_pending_fail_30s_void_ok", "failed", [3]int64{}, got{200, "succeeded"}},
		"late, then executed": {capture, "tok_ok_capture_late_30s_capture_ok", "succeeded", [3]int64{1000}, got{422, "failed"}},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarts), func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					h, end := reopened(t, dir)
					parent := h.hold(t, c.token, c.verb == refund)
					before := h.amounts(t, parent)
					h.move(t, c.verb, parent, testKey, 1000)
					if restarts {
						end()
						h, end = reopened(t, dir)
					}
					time.Sleep(29 * time.Second)
					synctest.Wait()
					if got, n := h.amounts(t, parent), h.count(t, c.verb); got != before || n != 0 {
						t.Errorf("before it is due: amounts %v, %d effects", got, n)
					}
					time.Sleep(2 * time.Second)
					synctest.Wait()
					if restarts { // what has ended stays so
						end()
						h, _ = reopened(t, dir)
					}
					effects := 0
					if c.status == "succeeded" {
						effects = 1
					}
					if got, n := h.amounts(t, parent), h.count(t, c.verb); got != c.amounts || n != effects {
						t.Errorf("after it is due: amounts %v, %d effects; want %v, %d", got, n, c.amounts, effects)
					}
					if a := h.get(t, "/v1/"+string(c.verb)+"s?reference=R-"+testKey); !strings.Contains(string(a.Body), `"status":"`+c.status+`"`) {
						t.Errorf("the object is %s, want %s", a.Body, c.status)
					}
					if a := h.move(t, c.verb, parent, "again", 1000); a.got != c.retry {
						t.Errorf("another of it: %v, want %v", a.got, c.retry)
					}
				})
			})
		}
	}
}

// Goal: a restart forgets nothing: amounts, objects, stored answers and failures,
// steps. Method: open another simulator on the same directory, after a torn line.
func TestMovesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	h, end := reopened(t, dir)
	parent := h.hold(t, "tok_ok_capture_ok_capture_500_after_effect_then_429_capture_pending_600s_capture_ok", false)
	asks := []struct {
		verb   simulator.Kind
		key    string
		amount int
	}{
		{simulator.KindCapture, "one", 300},
		{simulator.KindCapture, "two", 200},
		{simulator.KindCapture, "three", 100},
		{simulator.KindCapture, "four", 401}, // fails: 400 are left
		{simulator.KindRefund, "five", 250},
	}
	var first []answer
	for _, a := range asks {
		first = append(first, h.move(t, a.verb, parent, a.key, a.amount))
	}
	amounts := h.amounts(t, parent)
	end()
	tear(t, dir)

	h, end = reopened(t, dir)
	defer end()
	if got := h.amounts(t, parent); got != amounts || got != [3]int64{500, 250, 0} {
		t.Errorf("amounts %v became %v", amounts, got)
	}
	if a := h.move(t, simulator.KindCapture, parent, "two", 200); a.got != (got{429, "rate_limited"}) {
		t.Errorf("the second step: %v", a.got)
	}
	for i, a := range asks {
		again := h.move(t, a.verb, parent, a.key, a.amount)
		if a.key != "two" && !bytes.Equal(again.Body, first[i].Body) {
			t.Errorf("%s: %s became %s", a.key, first[i].Body, again.Body)
		}
	}
	if a := h.move(t, simulator.KindVoid, parent, "void", 0); failureOf(t, a) != "capture_pending" {
		t.Errorf("a void beside a pending capture: %s", a.Body)
	}
	if a := h.move(t, simulator.KindCapture, parent, "rest", 401); failureOf(t, a) != "insufficient_hold" {
		t.Errorf("a capture of what is reserved: %s", a.Body)
	}
	if sum, n := h.sum(t, simulator.KindCapture, parent); sum != 500 || n != 2 {
		t.Errorf("%d captures of %d", n, sum)
	}
}
