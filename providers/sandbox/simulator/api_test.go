package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: what is malformed is refused in words, has no effect, and leaves no
// trace under the key, so that the corrected request may use it.
func TestValidation(t *testing.T) {
	good := body("tok_ok")
	cases := map[string]struct{ key, body string }{
		"no key":              {"", good},
		"long key":            {strings.Repeat("k", 65), good},
		"no JSON":             {testKey, "{"},
		"no reference":        {testKey, strings.Replace(good, `"REF"`, `""`, 1)},
		"long reference":      {testKey, strings.Replace(good, "REF", strings.Repeat("R", 65), 1)},
		"amount of zero":      {testKey, strings.Replace(good, "1000", "0", 1)},
		"negative amount":     {testKey, strings.Replace(good, "1000", "-1", 1)},
		"fraction":            {testKey, strings.Replace(good, "1000", "10.5", 1)},
		"small currency":      {testKey, strings.Replace(good, "EUR", "eur", 1)},
		"no capture":          {testKey, strings.Replace(good, "manual", "", 1)},
		"no token":            {testKey, body("")},
		"no prefix":           {testKey, body("ok")},
		"unknown token":       {testKey, body("tok_nonsense")},
		"unknown step":        {testKey, body("tok_ok_then_nonsense")},
		"empty step":          {testKey, body("tok_ok_then_")},
		"duration of nothing": {testKey, body("tok_ok_5s")},
		"negative duration":   {testKey, body("tok_pending_-5s")},
		"endless duration":    {testKey, body("tok_pending_99999s")},
		"odd duration":        {testKey, body("tok_pending_1h")},
		"only always":         {testKey, body("tok__always")},
		"only a verb":         {testKey, body("tok_capture_drop")},
		"a verb of nothing":   {testKey, body("tok_ok_capture_")},
		"two verbs at once":   {testKey, body("tok_ok_capture_refund_drop")},
		"another verb's step": {testKey, body("tok_ok_void_partial")},
		"a decline later":     {testKey, body("tok_ok_refund_decline_generic")},
		"a failure at once":   {testKey, body("tok_fail")},
	}
	h := start(t, simulator.Config{})
	for name, c := range cases {
		if a := h.post(t, c.key, c.body); a.got != (got{400, "invalid_request"}) {
			t.Errorf("%s: %v %s", name, a.got, a.Body)
		}
	}
	if n := h.count(t, simulator.KindRequest); n != len(cases) {
		t.Errorf("%d requests in the log, want %d", n, len(cases))
	}
	if a := h.post(t, testKey, good); a.got != (got{200, "authorized"}) || a.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the corrected request: %v", a.got)
	}
	if n := h.count(t, simulator.KindEffect); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

// Goal: only credentials that are taken see anything; a refused write is still
// recorded as received.
func TestCredentials(t *testing.T) {
	try := func(h *harness, credential string) (posted, asked int) {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r, err := http.NewRequest(method, h.url+"/v1/authorizations?reference=REF", strings.NewReader(body("tok_ok")))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", credential)
			r.Header.Set("Idempotency-Key", testKey)
			if a := h.do(t, r); method == http.MethodPost {
				posted = a.Status
			} else {
				asked = a.Status
			}
		}
		return posted, asked
	}
	h := start(t, simulator.Config{})
	for credential, want := range map[string]int{
		"Bearer sandbox_sk_x": 200, "Bearer sandbox_sk_": 401, "Bearer sk_live_x": 401, "Basic eA==": 401,
	} {
		if posted, asked := try(h, credential); posted != want || asked != want {
			t.Errorf("%s: %d and %d, want %d", credential, posted, asked, want)
		}
	}
	if n := h.count(t, simulator.KindRequest); n != 4 {
		t.Errorf("%d requests in the log, want 4", n)
	}
	h = start(t, simulator.Config{Credentials: []string{"sandbox_sk_only"}})
	if posted, _ := try(h, "Bearer sandbox_sk_x"); posted != 401 {
		t.Errorf("a credential that is not listed: %d", posted)
	}
	if posted, _ := try(h, "Bearer sandbox_sk_only"); posted != 200 {
		t.Errorf("the credential that is listed: %d", posted)
	}
}

// Goal: answers have the documented form, which the driver and the mapping
// table are written against.
func TestAnswers(t *testing.T) {
	h := start(t, simulator.Config{})
	show := func(key, text string) map[string]any {
		a := h.post(t, key, text)
		var v map[string]any
		if err := json.Unmarshal(a.Body, &v); err != nil {
			t.Fatal(err)
		}
		for _, volatile := range []string{"id", "expires_at"} {
			if v[volatile] == "" {
				t.Errorf("%s is empty: %s", volatile, a.Body)
			}
			delete(v, volatile)
		}
		if e, ok := v["error"].(map[string]any); ok {
			delete(e, "id")
		}
		if n, ok := v["next_action"].(map[string]any); ok {
			n["url"] = strings.HasPrefix(fmt.Sprint(n["url"]), h.url+"/v1/actions/auth_")
		}
		if !strings.HasPrefix(a.Header.Get("Request-Id"), "req_") {
			t.Errorf("request id %q", a.Header.Get("Request-Id"))
		}
		return v
	}
	object := func(status string, amount float64, capture string) map[string]any {
		return map[string]any{"status": status, "amount": amount, "currency": "EUR", "reference": "REF", "capture": capture, "merchant": "default"}
	}
	captured := object("captured", 1000, "automatic")
	captured["captured_amount"] = 1000.0
	action := object("requires_action", 1000, "manual")
	action["next_action"] = map[string]any{"type": "redirect", "method": "GET", "url": true}
	for i, c := range []struct {
		body string
		want map[string]any
	}{
		{body("tok_ok"), object("authorized", 1000, "manual")},
		{strings.Replace(body("tok_ok"), "manual", "automatic", 1), captured},
		{body("tok_partial"), object("authorized", 500, "manual")},
		{body("tok_requires_action"), action},
		{body("tok_decline_lost_card"), map[string]any{"error": map[string]any{
			"code": "declined", "decline_code": "lost_card", "message": "the payment was declined: lost_card", "reference": "REF",
		}}},
		{body("tok_503"), map[string]any{"error": map[string]any{"code": "unavailable", "message": "simulated"}}},
	} {
		if d := cmp.Diff(c.want, show(fmt.Sprint("key", i), c.body)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, d)
		}
	}
}

// Goal: a rate limit says in both forms when to come back.
func TestRetryAfter(t *testing.T) {
	h := start(t, simulator.Config{})
	if a := h.post(t, "seconds", body("tok_429_7s")); a.Header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After: %s", a.Header.Get("Retry-After"))
	}
	a := h.post(t, "date", body("tok_429_date_60s"))
	at, err := http.ParseTime(a.Header.Get("Retry-After"))
	if wait := time.Until(at); err != nil || wait < 50*time.Second || wait > time.Minute {
		t.Errorf("Retry-After: %s", a.Header.Get("Retry-After"))
	}
}

// Goal: who follows the redirect is found out: the effect it has is in the log.
func TestFollowedRedirectShows(t *testing.T) {
	h := start(t, simulator.Config{})
	h.client.CheckRedirect = nil
	h.post(t, testKey, body("tok_redirect"))
	if effects, requests := h.count(t, simulator.KindEffect), h.count(t, simulator.KindRequest); effects != 1 || requests != 2 {
		t.Errorf("%d effects, %d requests; want 1 and 2", effects, requests)
	}
}

// Goal: the redirect of a required action authorizes, once; nobody else's id does.
func TestAction(t *testing.T) {
	h := start(t, simulator.Config{})
	var o struct {
		ID         string `json:"id"`
		NextAction struct {
			URL string `json:"url"`
		} `json:"next_action"`
	}
	if err := json.Unmarshal(h.post(t, testKey, body("tok_requires_action")).Body, &o); err != nil {
		t.Fatal(err)
	}
	h.get(t, "/v1/actions/auth_nobody")
	if n := h.count(t, simulator.KindEffect); n != 0 {
		t.Fatalf("%d effects before the action", n)
	}
	for range 2 {
		if a := h.get(t, strings.TrimPrefix(o.NextAction.URL, h.url)); a.Status != 200 {
			t.Errorf("the action answers %d", a.Status)
		}
	}
	if a := h.get(t, "/v1/authorizations/"+o.ID); a.got != (got{200, "authorized"}) || h.count(t, simulator.KindEffect) != 1 {
		t.Errorf("after the action: %v, %d effects", a.got, h.count(t, simulator.KindEffect))
	}
	if a := h.post(t, testKey, body("tok_requires_action")); a.got != (got{200, "requires_action"}) {
		t.Errorf("the stored answer changed to %v", a.got)
	}
}

// Goal: the log is shown to this machine only, filtered as asked.
func TestEffects(t *testing.T) {
	h := start(t, simulator.Config{})
	h.post(t, "one", body("tok_ok"))
	h.post(t, "two", strings.Replace(body("tok_ok"), "REF", "OTHER", 1))
	list := func(query string) int {
		var out struct {
			Entries []simulator.Entry `json:"entries"`
		}
		if err := json.Unmarshal(h.get(t, "/effects"+query).Body, &out); err != nil {
			t.Fatal(err)
		}
		return len(out.Entries)
	}
	for query, want := range map[string]int{
		"": 2, "?reference=REF": 1, "?key=two": 1, "?key=none": 0, "?kind=request": 2, "?kind=request&kind=effect&key=one": 2,
	} {
		if n := list(query); n != want {
			t.Errorf("/effects%s lists %d, want %d", query, n, want)
		}
	}
	for remote, want := range map[string]int{"192.0.2.1:1234": 404, "127.0.0.1:1234": 200, "[::1]:1234": 200, "pipe": 404} {
		r := httptest.NewRequest(http.MethodGet, "/effects", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %s: %d, want %d", remote, w.Code, want)
		}
	}
	if a := h.get(t, "/nowhere"); a.got != (got{404, "no_such_route"}) {
		t.Errorf("an unknown route: %v", a.got)
	}
	if a := h.get(t, "/v1/authorizations"); a.got != (got{400, "invalid_request"}) {
		t.Errorf("a look-up of nothing: %v", a.got)
	}
	if a := h.get(t, "/v1/authorizations/auth_none"); a.got != (got{404, "not_found"}) {
		t.Errorf("a look-up of an unknown id: %v", a.got)
	}
}

// Goal: a log that says something unreadable in the middle is not silently cut:
// the ground truth would be lost.
func TestDamagedLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "effects.jsonl"), []byte("{}\nnonsense\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := simulator.Open(simulator.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v", err)
	}
	if _, err := simulator.Open(simulator.Config{}); err == nil {
		t.Error("opened without a directory")
	}
}

// Goal: many requests at once are all durable, each with its own answer.
func TestManyKeysAtOnce(t *testing.T) {
	h := start(t, simulator.Config{})
	h.client = &http.Client{}
	t.Cleanup(h.client.CloseIdleConnections)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if a := h.post(t, fmt.Sprint("key", i), body("tok_ok")); a.got != (got{200, "authorized"}) {
				t.Errorf("key %d: %v", i, a.got)
			}
		})
	}
	all.Wait()
	effects, err := h.Entries(simulator.KindEffect)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]int{}
	for _, e := range effects {
		keys[e.Key]++
	}
	if len(effects) != 200 || len(keys) != 200 {
		t.Errorf("%d effects under %d keys, want 200 each", len(effects), len(keys))
	}
}

// Goal: Serve ends with its context, although a request hangs by intent, and
// Close may be called twice.
func TestServeEnds(t *testing.T) {
	s, err := simulator.Open(simulator.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	h := &harness{s, "http://" + l.Addr().String(), &http.Client{}}
	hung := make(chan answer, 1)
	go func() { hung <- h.post(t, testKey, body("tok_timeout")) }()
	until(t, "the effect is in the log", func() bool { return h.count(t, simulator.KindEffect) == 1 })
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Serve did not end")
	}
	if a := <-hung; a.Status != 0 {
		t.Errorf("the hanging request was answered %d", a.Status)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
