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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// cancel asks for a cancel of what has a reference.
func (h *harness) cancel(t *testing.T, key, reference string) answer {
	t.Helper()
	return h.cancelAs(t, "", key, fmt.Sprintf(`{"reference":%q}`, reference))
}

func (h *harness) cancelAs(t *testing.T, merchant, key, text string) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, h.url+"/v1/cancels", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("Sandbox-Merchant", merchant)
	return h.do(t, r)
}

// released are the entries of the cancels of an authorization.
func (h *harness) released(t *testing.T, id string) (amount int64, cancels int) {
	t.Helper()
	return h.sum(t, simulator.KindCancel, id)
}

// Goal: every step of a cancel does what its line says, and what a second send of
// the same key then gets is what any provider would answer. Method: two sends of
// each; the cancels are counted in the log after each, none of which is an effect.
func TestTokensOfCancels(t *testing.T) {
	t.Parallel()
	ok, none := got{200, "cancelled"}, got{}
	type expectation struct {
		first, second got
		cancels       [2]int
	}
	want := map[string]expectation{
		"ok":                    {ok, ok, [2]int{1, 1}},
		"pending":               {got{202, "authorized"}, got{202, "authorized"}, [2]int{0, 0}},
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
	seen := 0
	for _, token := range simulator.Tokens() {
		verb, step := stepOf(token)
		if verb != simulator.KindCancel {
			continue // another test's
		}
		seen++
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			e, ok := want[step]
			if !ok || token.Meaning == "" {
				t.Fatal("the step is not tested, or says nothing")
			}
			h := start(t, simulator.Config{})
			name := token.Name
			if slices.Contains([]string{"pending", "late", "twice"}, step) {
				name += "_600s" // what happens later is another test's
			}
			id := h.hold(t, name, false)
			if strings.HasPrefix(step, "timeout") {
				h.client.Timeout = 500 * time.Millisecond
			}
			for i, w := range []got{e.first, e.second} {
				a := h.cancel(t, testKey, "REF")
				h.client.Timeout = 30 * time.Second
				until(t, "the request is in the log", func() bool { return h.count(t, simulator.KindRequest) > i+1 })
				if a.got != w {
					t.Errorf("send %d: got %v, want %v", i+1, a.got, w)
				}
				if sum, n := h.released(t, id); n != e.cancels[i] || sum != 1000*int64(n) {
					t.Errorf("send %d: %d cancels of %d in all, want %d", i+1, n, sum, e.cancels[i])
				}
				if status := []string{"authorized", "cancelled"}[e.cancels[i]]; h.status(t) != status {
					t.Errorf("send %d: the look-up shows %s, want %s", i+1, h.status(t), status)
				}
				if stored := i == 1 && (e.cancels[0] == 1 || e.first == e.second); stored != (a.Header.Get("Idempotent-Replayed") == "true") {
					t.Errorf("send %d: replayed: %q", i+1, a.Header.Get("Idempotent-Replayed"))
				}
			}
			if effects, err := h.Entries(simulator.EffectKinds()...); err != nil || len(effects) != 1 {
				t.Errorf("%d effects, error %v; want the authorization's alone", len(effects), err)
			}
		})
	}
	if seen != len(want) {
		t.Errorf("%d steps of a cancel, want %d", seen, len(want))
	}
}

// Goal: a cancel that found nothing is answered so under its key for ever, and
// leaves nothing behind: an authorization that arrives after it is made as usual,
// and only another cancel ends it. Method: the two orders, over a restart.
func TestCancelBeforeTheAuthorization(t *testing.T) {
	dir := t.TempDir()
	h, end := reopened(t, dir)
	nothing := got{404, "nothing_found"}
	first := h.cancel(t, "cancel-1", "REF")
	if first.got != nothing || h.count(t, simulator.KindCancel) != 0 {
		t.Errorf("a cancel of nothing: %v", first.got)
	}
	made := h.post(t, testKey, body("tok_ok_cancel_429"))
	end()
	h, _ = reopened(t, dir)
	if made.got != (got{200, "authorized"}) || h.count(t, simulator.KindEffect) != 1 {
		t.Errorf("the authorization afterwards: %v, %d effects", made.got, h.count(t, simulator.KindEffect))
	}
	for range 2 { // whatever its token says, what is stored under the key is not asked anew
		h.cancel(t, "cancel-1", "REF")
	}
	if a := h.cancel(t, "cancel-1", "REF"); a.got != nothing || !bytes.Equal(a.Body, first.Body) || h.status(t) != "authorized" {
		t.Errorf("the same cancel afterwards: %s, the authorization is %s", a.Body, h.status(t))
	}
	for _, want := range []got{{429, "rate_limited"}, {200, "cancelled"}} {
		if a := h.cancel(t, "cancel-2", "REF"); a.got != want {
			t.Errorf("another cancel: %v, want %v", a.got, want)
		}
	}
	if late := h.post(t, testKey, body("tok_ok_cancel_429")); !bytes.Equal(late.Body, made.Body) || h.status(t) != "cancelled" || h.count(t, simulator.KindEffect) != 1 {
		t.Errorf("a late copy is answered %s; the authorization is %s", late.Body, h.status(t))
	}
}

// Goal: a cancel acts on all of the merchant's authorizations that have its
// reference, on each as its state allows, and on nothing else.
func TestCancelOfSeveral(t *testing.T) {
	h := start(t, simulator.Config{})
	one, other := h.hold(t, "tok_ok", false), h.hold(t, "tok_partial", false)
	taken := h.hold(t, "tok_ok", true)
	h.post(t, "elsewhere", strings.Replace(body("tok_ok"), "REF", "ELSEWHERE", 1))
	h.move(t, simulator.KindCapture, idIn(t, h.post(t, "elsewhere", strings.Replace(body("tok_ok"), "REF", "ELSEWHERE", 1))), "REF", 10)
	if a := h.cancelAs(t, "another", testKey, `{"reference":"REF"}`); a.got != (got{404, "nothing_found"}) {
		t.Errorf("another merchant's cancel: %v", a.got)
	}
	a := h.cancel(t, testKey, "REF")
	var list struct {
		Data []struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var shown []string
	for _, o := range list.Data {
		shown = append(shown, o.ID+" "+o.Status)
	}
	if d := cmp.Diff([]string{one + " cancelled", other + " cancelled", taken + " captured"}, shown); d != "" {
		t.Errorf("the answer (-want +got):\n%s", d)
	}
	if got := h.status(t); got != "cancelled cancelled captured" || h.statusOf(t, "ELSEWHERE") != "authorized" {
		t.Errorf("the look-up shows %s, elsewhere %s", got, h.statusOf(t, "ELSEWHERE"))
	}
	var log struct {
		Entries []simulator.Entry `json:"entries"`
	}
	if err := json.Unmarshal(h.get(t, "/effects?kind=cancel&reference=REF").Body, &log); err != nil {
		t.Fatal(err)
	}
	var want []simulator.Entry
	for i, parent := range []string{one, other} {
		want = append(want, simulator.Entry{Kind: simulator.KindCancel, Merchant: "default", Key: testKey, Reference: "REF", Ordinal: 1, Parent: parent, Amount: int64(1000 / (i + 1)), Currency: "EUR"})
	}
	for i := range log.Entries {
		if !strings.HasPrefix(log.Entries[i].Object, "cancel_") {
			t.Errorf("the cancel has the id %q", log.Entries[i].Object)
		}
		log.Entries[i].Time, log.Entries[i].Object = time.Time{}, ""
	}
	if d := cmp.Diff(want, log.Entries); d != "" {
		t.Errorf("the log (-want +got):\n%s", d)
	}
}

// Goal: a cancel that is malformed is refused in words and leaves no trace; its key
// belongs to its reference.
func TestRefusedCancels(t *testing.T) {
	h := start(t, simulator.Config{})
	h.hold(t, "tok_ok", false)
	for name, c := range map[string]struct{ key, body string }{
		"no key":         {"", `{"reference":"REF"}`},
		"no reference":   {testKey, `{}`},
		"long reference": {testKey, fmt.Sprintf(`{"reference":%q}`, strings.Repeat("R", 65))},
		"no JSON":        {testKey, `{`},
	} {
		if a := h.cancelAs(t, "", c.key, c.body); a.got != (got{400, "invalid_request"}) {
			t.Errorf("%s: %v", name, a.got)
		}
	}
	if h.status(t) != "authorized" || h.count(t, simulator.KindStored) != 1 {
		t.Errorf("the authorization is %s", h.status(t))
	}
	if a := h.cancel(t, testKey, "REF"); a.got != (got{200, "cancelled"}) || a.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the corrected cancel: %v", a.got)
	}
	for name, a := range map[string]answer{
		"another reference": h.cancel(t, testKey, "OTHER"), "an authorization": h.post(t, testKey, body("tok_ok")),
	} {
		if a.got != (got{422, "key_reused"}) {
			t.Errorf("%s under its key: %v", name, a.got)
		}
	}
}

// Goal: cancels take turns by their reference, over a restart too, each key with
// steps of its own.
func TestTurnsOfCancels(t *testing.T) {
	dir := t.TempDir()
	h, end := reopened(t, dir)
	limited, unavailable, ok := got{429, "rate_limited"}, got{503, "unavailable"}, got{200, "cancelled"}
	see := func(key string, want ...got) {
		t.Helper()
		for i, w := range want {
			if a := h.cancel(t, key, "REF"); a.got != w {
				t.Errorf("%s, send %d: %v, want %v", key, i+1, a.got, w)
			}
		}
	}
	h.cancel(t, "elsewhere", "ELSEWHERE") // no turn of this reference
	h.hold(t, "tok_ok_cancel_429_then_503_cancel_503_cancel_drop_always", false)
	see("one", limited)
	end()
	h, end = reopened(t, dir)
	defer end()
	see("two", unavailable, ok, ok)
	see("one", unavailable, ok)
	see("three", got{}, got{}, got{})
	see("four", limited, unavailable, ok)
}

// Goal: whatever arrives at once, an authorization is captured, voided, or
// cancelled, never two of them with the same money. Method: many small rounds, some
// with captures, voids and authorizations that end while the cancel arrives.
func TestCancelAgainstEverything(t *testing.T) {
	t.Parallel()
	h := start(t, simulator.Config{})
	for round := range 40 {
		token := []string{
			"tok_ok_capture_ok_capture_pending_%dms", "tok_ok_void_pending_%dms", "tok_pending_%dms", "tok_ok_void_pending_fail_1ms_cancel_pending_%dms",
		}[round%4]
		reference := fmt.Sprint("REF", round)
		parent := idIn(t, h.post(t, reference, strings.Replace(body(fmt.Sprintf(token, 1+round/4)), "REF", reference, 1)))
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() { h.move(t, simulator.KindCapture, parent, fmt.Sprint("capture", round, i), 100) })
			all.Go(func() { h.cancel(t, fmt.Sprint("cancel", round, i), reference) })
		}
		all.Go(func() { h.move(t, simulator.KindVoid, parent, fmt.Sprint("void", round), 0) })
		all.Wait()
		var captured, voided, released, held int64
		until(t, "all is settled", func() bool {
			held = h.held(t, parent)
			captured, _ = h.sum(t, simulator.KindCapture, parent)
			voided, _ = h.sum(t, simulator.KindVoid, parent)
			released, _ = h.released(t, parent)
			shown := h.amounts(t, parent)
			return shown == [3]int64{captured, 0, voided + released} && (captured > 0 || held == voided+released)
		})
		if captured+voided+released > held || captured > 0 && released > 0 {
			t.Fatalf("%s: captured %d, voided %d, released %d, of %d", token, captured, voided, released, held)
		}
	}
}
