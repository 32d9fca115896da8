package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: every token does what its line says, and what a second send of the same
// key then gets is what any provider would answer. Method: two sends of each
// token; the effects are counted in the log after each.
func TestTokens(t *testing.T) {
	t.Parallel()
	authorized, none := got{200, "authorized"}, got{}
	type expectation struct {
		first, second got
		effects       [2]int
	}
	want := map[string]expectation{
		"tok_ok":                              {authorized, authorized, [2]int{1, 1}},
		"tok_partial":                         {authorized, authorized, [2]int{1, 1}},
		"tok_decline_insufficient_funds":      {got{402, "declined"}, got{402, "declined"}, [2]int{0, 0}},
		"tok_decline_generic":                 {got{402, "declined"}, got{402, "declined"}, [2]int{0, 0}},
		"tok_decline_lost_card":               {got{402, "declined"}, got{402, "declined"}, [2]int{0, 0}},
		"tok_decline_expired_card":            {got{402, "declined"}, got{402, "declined"}, [2]int{0, 0}},
		"tok_decline_authentication_required": {got{402, "declined"}, got{402, "declined"}, [2]int{0, 0}},
		"tok_pending":                         {got{200, "pending"}, got{200, "pending"}, [2]int{0, 0}},
		"tok_requires_action":                 {got{200, "requires_action"}, got{200, "requires_action"}, [2]int{0, 0}},
		"tok_429":                             {got{429, "rate_limited"}, authorized, [2]int{0, 1}},
		"tok_429_date":                        {got{429, "rate_limited"}, authorized, [2]int{0, 1}},
		"tok_401":                             {got{401, "unauthorized"}, authorized, [2]int{0, 1}},
		"tok_400":                             {got{400, "invalid_request"}, authorized, [2]int{0, 1}},
		"tok_500_before_effect":               {got{500, "server_error"}, authorized, [2]int{0, 1}},
		"tok_500_after_effect":                {got{500, "server_error"}, authorized, [2]int{1, 1}},
		"tok_503":                             {got{503, "unavailable"}, authorized, [2]int{0, 1}},
		"tok_timeout":                         {none, authorized, [2]int{1, 1}},
		"tok_timeout_before_effect":           {none, authorized, [2]int{0, 1}},
		"tok_drop":                            {none, authorized, [2]int{1, 1}},
		"tok_drop_before_effect":              {none, authorized, [2]int{0, 1}},
		"tok_reset_before_headers":            {none, authorized, [2]int{0, 1}},
		"tok_reset_after_headers":             {none, authorized, [2]int{1, 1}},
		"tok_garbage":                         {got{200, ""}, authorized, [2]int{1, 1}},
		"tok_empty":                           {got{200, ""}, authorized, [2]int{1, 1}},
		"tok_truncated":                       {none, authorized, [2]int{1, 1}},
		"tok_oversized":                       {authorized, authorized, [2]int{1, 1}},
		"tok_unknown_status":                  {got{200, "teleported"}, authorized, [2]int{1, 1}},
		"tok_redirect":                        {got{307, ""}, authorized, [2]int{0, 1}},
		"tok_key_in_use":                      {got{409, "key_in_use"}, authorized, [2]int{0, 1}},
		"tok_late":                            {none, authorized, [2]int{0, 1}},
		"tok_twice":                           {authorized, authorized, [2]int{1, 1}},
	}
	for _, token := range simulator.Tokens() {
		if verb, _ := stepOf(token); verb != "" {
			continue // another test's
		}
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			e, ok := want[token.Name]
			if !ok || token.Meaning == "" {
				t.Fatal("the token is not tested, or says nothing")
			}
			h := start(t, simulator.Config{})
			name := token.Name
			switch {
			case slices.Contains([]string{"tok_pending", "tok_late", "tok_twice"}, name):
				name += "_600s" // what happens later is another test's
			case strings.HasPrefix(name, "tok_timeout"):
				h.client.Timeout = 500 * time.Millisecond
			}
			for i, w := range []got{e.first, e.second} {
				a := h.post(t, testKey, body(name))
				h.client.Timeout = 30 * time.Second
				until(t, "the request is in the log", func() bool { return h.count(t, simulator.KindRequest) > i })
				if a.got != w {
					t.Errorf("send %d: got %v, want %v", i+1, a.got, w)
				}
				if n := h.count(t, simulator.KindEffect); n != e.effects[i] {
					t.Errorf("send %d: %d effects, want %d", i+1, n, e.effects[i])
				}
				if n := h.count(t, simulator.KindRequest); n != i+1 {
					t.Errorf("send %d: %d requests in the log", i+1, n)
				}
				if stored := i == 1 && (e.effects[0] == 1 || e.first == e.second); stored != (a.Header.Get("Idempotent-Replayed") == "true") {
					t.Errorf("send %d: replayed: %q", i+1, a.Header.Get("Idempotent-Replayed"))
				}
			}
		})
	}
}

// Goal: each send of a key takes the next step, and after the last step the key
// behaves as any.
func TestSequences(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"tok_500_after_effect_then_429_then_ok":     {"500 server_error 1", "429 rate_limited 1", "200 authorized 1", "200 authorized 1"},
		"tok_500_before_effect_then_503_then_429":   {"500 server_error 0", "503 unavailable 0", "429 rate_limited 0", "200 authorized 1"},
		"tok_500_after_effect_always":               {"500 server_error 1", "500 server_error 1", "500 server_error 1", "500 server_error 1"},
		"tok_429_then_503_always":                   {"429 rate_limited 0", "503 unavailable 0", "503 unavailable 0", "503 unavailable 0"},
		"tok_429_then_decline_generic":              {"429 rate_limited 0", "402 declined 0", "402 declined 0", "402 declined 0"},
		"tok_decline_generic_then_ok":               {"402 declined 0", "402 declined 0", "402 declined 0", "402 declined 0"},
		"tok_drop_then_garbage_then_unknown_status": {"0  1", "200  1", "200 teleported 1", "200 authorized 1"},
		"tok_ok_always":                             {"200 authorized 1", "200 authorized 1", "200 authorized 1", "200 authorized 1"},
	}
	for token, want := range cases {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			h := start(t, simulator.Config{})
			var seen []string
			for range want {
				a := h.post(t, testKey, body(token))
				seen = append(seen, fmt.Sprintf("%d %s %d", a.Status, a.Code, h.count(t, simulator.KindEffect)))
			}
			if d := cmp.Diff(want, seen); d != "" {
				t.Errorf("status, code, effects (-want +got):\n%s", d)
			}
		})
	}
}

// Goal: a replay is byte-identical, and tied to the whole request and the merchant.
func TestIdempotency(t *testing.T) {
	h := start(t, simulator.Config{})
	first, second := h.post(t, testKey, body("tok_ok")), h.post(t, testKey, body("tok_ok"))
	if !bytes.Equal(first.Body, second.Body) || first.Status != 200 {
		t.Errorf("first %d %s, second %d %s", first.Status, first.Body, second.Status, second.Body)
	}
	if a := h.post(t, testKey, body("tok_partial")); a.got != (got{422, "key_reused"}) {
		t.Errorf("another body: %v", a.got)
	}
	r, err := http.NewRequest(http.MethodPost, h.url+"/v1/authorizations", strings.NewReader(body("tok_ok")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", testKey)
	r.Header.Set("Sandbox-Merchant", "another")
	if a := h.do(t, r); a.got != (got{200, "authorized"}) || a.Header.Get("Idempotent-Replayed") != "" || bytes.Equal(a.Body, first.Body) {
		t.Errorf("another merchant's key: %v %s", a.got, a.Body)
	}
	if n := h.count(t, simulator.KindEffect); n != 2 {
		t.Errorf("%d effects, want one of each merchant", n)
	}
}

// Goal: a hundred requests with one key at once have one effect; who is not
// answered with it is told that the key is in use.
func TestConcurrentRequestsOfAKeyHaveOneEffect(t *testing.T) {
	h := start(t, simulator.Config{Latency: 5 * time.Millisecond})
	var mu sync.Mutex
	seen := map[got]int{}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			a := h.post(t, testKey, body("tok_ok"))
			mu.Lock()
			seen[a.got]++
			mu.Unlock()
		})
	}
	all.Wait()
	if seen[got{200, "authorized"}]+seen[got{409, "key_in_use"}] != 100 || seen[got{200, "authorized"}] == 0 {
		t.Errorf("answers: %v", seen)
	}
	if n := h.count(t, simulator.KindEffect); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
	if n := h.count(t, simulator.KindRequest); n != 100 {
		t.Errorf("%d requests in the log, want 100", n)
	}
}

// Goal: a restart forgets nothing: keys, stored answers, steps, objects. Method:
// open another simulator on the same directory, also after a torn last line.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	open := func() (*harness, func()) {
		s, err := simulator.Open(simulator.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(s)
		return &harness{s, server.URL, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}, func() {
			server.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	h, stop := open()
	steps := "tok_429_then_500_after_effect_then_503"
	first := h.post(t, "one", body("tok_ok"))
	h.post(t, "two", body(steps))
	declined := h.post(t, "three", body("tok_decline_lost_card"))
	stop()
	tear(t, dir)

	h, stop = open()
	defer stop()
	if a := h.post(t, "one", body("tok_ok")); !bytes.Equal(a.Body, first.Body) || a.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the stored answer %s became %s", first.Body, a.Body)
	}
	if a := h.post(t, "three", body("tok_decline_lost_card")); !bytes.Equal(a.Body, declined.Body) {
		t.Errorf("the stored decline %s became %s", declined.Body, a.Body)
	}
	if a := h.post(t, "one", body("tok_partial")); a.got != (got{422, "key_reused"}) {
		t.Errorf("another body: %v", a.got)
	}
	for i, want := range []got{{500, "server_error"}, {503, "unavailable"}, {200, "authorized"}} {
		if a := h.post(t, "two", body(steps)); a.got != want {
			t.Errorf("step %d after the restart: %v, want %v", i+2, a.got, want)
		}
	}
	var o struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(first.Body, &o); err != nil {
		t.Fatal(err)
	}
	if a := h.get(t, "/v1/authorizations/"+o.ID); a.got != (got{200, "authorized"}) {
		t.Errorf("the object is %v", a.got)
	}
	if n := h.count(t, simulator.KindEffect); n != 2 {
		t.Errorf("%d effects, want 2", n)
	}
}

// Goal: what takes time happens when it is due, not before, and a delayed or
// doubled copy has no second effect. Method: fake time, over a pipe; the client
// that is answered nothing gives up at once.
func TestLater(t *testing.T) {
	type at struct {
		after   time.Duration
		effects int
		status  string // of the object, by reference; "" if there is none
	}
	cases := map[string][]at{
		"tok_pending_30s":            {{0, 0, "pending"}, {29 * time.Second, 0, "pending"}, {31 * time.Second, 1, "authorized"}},
		"tok_late_30s":               {{0, 0, ""}, {29 * time.Second, 0, ""}, {31 * time.Second, 1, "authorized"}},
		"tok_twice_30s":              {{0, 1, "authorized"}, {31 * time.Second, 1, "authorized"}},
		"tok_late_30s_then_ok":       {{0, 0, ""}, {31 * time.Second, 1, "authorized"}},
		"tok_late_30s_then_503":      {{0, 0, ""}, {31 * time.Second, 1, "authorized"}},
		"tok_500_after_effect":       {{0, 1, "authorized"}},
		"tok_requires_action_always": {{0, 0, "requires_action"}, {time.Hour, 0, "requires_action"}},
	}
	for token, steps := range cases {
		t.Run(token, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t, simulator.Config{Dir: dir})
				begin := time.Now()
				h.post(t, testKey, body(token))
				for _, s := range steps {
					time.Sleep(time.Until(begin.Add(s.after)))
					synctest.Wait()
					if n := h.count(t, simulator.KindEffect); n != s.effects {
						t.Errorf("after %s: %d effects, want %d", s.after, n, s.effects)
					}
					if got := h.status(t); got != s.status {
						t.Errorf("after %s: the look-up shows %q, want %q", s.after, got, s.status)
					}
				}
			})
		})
	}
}

// Goal: a copy that arrives after the request was repeated finds the key taken.
func TestLateCopyAfterAResendHasNoSecondEffect(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, simulator.Config{Dir: dir})
		h.post(t, testKey, body("tok_late_30s"))
		if a := h.post(t, testKey, body("tok_late_30s")); a.got != (got{200, "authorized"}) {
			t.Errorf("the resend got %v", a.got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		requests, err := h.Entries(simulator.KindRequest)
		if err != nil {
			t.Fatal(err)
		}
		copies := slices.DeleteFunc(requests, func(e simulator.Entry) bool { return !e.Copy })
		if len(copies) != 1 || h.count(t, simulator.KindEffect) != 1 {
			t.Errorf("%d copies arrived, %d effects; want 1 and 1", len(copies), h.count(t, simulator.KindEffect))
		}
	})
}

// Goal: what is on its way survives a restart; a key that is forgotten lets the
// same request have a second effect, which is the danger that a resend window
// exists for.
func TestRestartAndForgetting(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := simulator.Config{Dir: dir, ForgetAfter: time.Hour}
		h := startPiped(t, c)
		h.post(t, "late", body("tok_late_30s"))
		h.post(t, "pending", strings.Replace(body("tok_pending_30s"), "REF", "OTHER", 1))
		h.end()
		h = startPiped(t, c)
		if n := h.count(t, simulator.KindEffect); n != 0 {
			t.Errorf("%d effects before they were due", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := h.count(t, simulator.KindEffect); n != 2 {
			t.Errorf("%d effects, want the late one and the pending one", n)
		}
		h.end()
		h = startPiped(t, c)
		h.post(t, "late", body("tok_late_30s"))
		if n := h.count(t, simulator.KindEffect); n != 2 {
			t.Errorf("%d effects after a replay, want 2", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := h.count(t, simulator.KindRequest); n != 4 { // two sends, one copy, one replay
			t.Errorf("%d requests, want 4: a copy arrives once", n)
		}
		h.post(t, "pending", strings.Replace(body("tok_pending_30s"), "REF", "OTHER", 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := h.count(t, simulator.KindEffect); n != 3 {
			t.Errorf("%d effects after the key was forgotten, want 3", n)
		}
		if got := h.statusOf(t, "OTHER"); got != "authorized authorized" {
			t.Errorf("the look-up shows %q, want both", got)
		}
	})
}
