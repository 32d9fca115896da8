package simulator_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// complete asks to go on with an authorization, with what the shopper brought back;
// nothing for "".
func (h *harness) complete(t *testing.T, parent, key, result string) answer {
	t.Helper()
	parameters := "{}"
	if result != "" {
		parameters = fmt.Sprintf(`{"result":%q}`, result)
	}
	return h.ask(t, simulator.KindComplete, parent, key, fmt.Sprintf(`{"reference":"R-%s","parameters":%s}`, key, parameters))
}

// Goal: what the shopper brings back decides what becomes of an authorization that
// requires an action, once; one that does not, or that is cancelled, stays as it is,
// and whoever comes back later hears how it stands. Method: pairs of completions under
// two keys, and what a look-up shows and the log holds after each.
func TestCompletionsInTurn(t *testing.T) {
	t.Parallel()
	authorized, declined, waiting := got{200, "authorized"}, got{402, "declined"}, got{200, "requires_action"}
	for name, c := range map[string]struct {
		before  func(t *testing.T, h *harness, id string)
		results [2]string
		want    [2]got
		shown   string
		effects int
	}{
		"approved, then declined":     {nil, [2]string{"approve", "decline"}, [2]got{authorized, authorized}, "authorized", 1},
		"declined, then approved":     {nil, [2]string{"decline", "approve"}, [2]got{declined, declined}, "declined", 0},
		"nobody, then approved":       {nil, [2]string{"", "approve"}, [2]got{waiting, authorized}, "authorized", 1},
		"again, then approved":        {nil, [2]string{"again", "approve"}, [2]got{waiting, authorized}, "authorized", 1},
		"pending, then declined":      {nil, [2]string{"pending_600s", "decline"}, [2]got{{200, "pending"}, {200, "pending"}}, "pending", 0},
		"failed before, then approve": {nil, [2]string{"500_before_effect", "approve"}, [2]got{{500, "server_error"}, authorized}, "authorized", 1},
		"failed after, then declined": {nil, [2]string{"500_after_effect", "decline"}, [2]got{{500, "server_error"}, authorized}, "authorized", 1},
		"no such result":              {nil, [2]string{"maybe", "approve"}, [2]got{{400, "invalid_request"}, authorized}, "authorized", 1},
		"after a cancel": {
			func(t *testing.T, h *harness, _ string) {
				t.Helper()
				h.cancel(t, "cancel", "REF")
			},
			[2]string{"approve", "approve"},
			[2]got{{200, "cancelled"}, {200, "cancelled"}},
			"cancelled", 0,
		},
		"after the redirect was opened": {
			func(t *testing.T, h *harness, id string) {
				t.Helper()
				h.get(t, "/v1/actions/"+id)
			},
			[2]string{"decline", "approve"},
			[2]got{authorized, authorized},
			"authorized", 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, simulator.Config{})
			id := h.hold(t, "tok_requires_action", false)
			if c.before != nil {
				c.before(t, h, id)
			}
			var seen [2]got
			for i, result := range c.results {
				seen[i] = h.complete(t, id, fmt.Sprint("key-", i), result).got
			}
			if d := cmp.Diff(fmt.Sprint(c.want), fmt.Sprint(seen)); d != "" {
				t.Errorf("answers (-want +got):\n%s", d)
			}
			if shown := h.get(t, "/v1/authorizations/"+id).Code; shown != c.shown || h.count(t, simulator.KindEffect) != c.effects {
				t.Errorf("%s with %d effects, want %s with %d", shown, h.count(t, simulator.KindEffect), c.shown, c.effects)
			}
			// The first key's answer is kept, whatever came after it.
			if again := h.complete(t, id, "key-0", c.results[0]); again.got != c.want[0] && c.want[0].Status < 500 && c.want[0].Status != 400 {
				t.Errorf("the first completion again: %v, want %v", again.got, c.want[0])
			}
		})
	}
	h := start(t, simulator.Config{})
	if a := h.complete(t, "auth_none", "key", "approve"); a.got != (got{404, "no_such_authorization"}) {
		t.Errorf("of nothing: %v", a.got)
	}
}

// Goal: a pending completion has its effect when it is due, unless the authorization
// was cancelled before. Method: fake time, both ways.
func TestPendingCompletion(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t, simulator.Config{Dir: t.TempDir()})
			defer h.end()
			id := h.hold(t, "tok_requires_action", false)
			if a := h.complete(t, id, "key", "pending_5s"); a.got != (got{200, "pending"}) {
				t.Fatal(a.got)
			}
			want, effects := "authorized", 1
			if cancelled {
				h.cancel(t, "cancel", "REF")
				want, effects = "cancelled", 0
			}
			time.Sleep(6 * time.Second)
			synctest.Wait()
			if shown := h.get(t, "/v1/authorizations/"+id).Code; shown != want || h.count(t, simulator.KindEffect) != effects {
				t.Errorf("cancelled %v: %s with %d effects", cancelled, shown, h.count(t, simulator.KindEffect))
			}
		})
	}
}

// Goal: a restart forgets no completion: what it made of the authorization, the answer
// of its key, and what is still to come. Method: open another simulator on the same
// directory.
func TestCompletionsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	h, end := reopened(t, dir)
	ids, results := map[string]string{}, []string{"approve", "decline", "again", "pending_600s"}
	first, shown := map[string]answer{}, map[string]string{}
	for i, result := range results {
		text := fmt.Sprintf(`{"reference":"REF-%d","amount":1000,"currency":"EUR","capture":"manual","token":"tok_requires_action"}`, i)
		ids[result] = idIn(t, h.post(t, fmt.Sprint("auth-", i), text))
		first[result] = h.complete(t, ids[result], result, result)
		shown[result] = string(h.get(t, "/v1/authorizations/"+ids[result]).Body)
	}
	effects := h.count(t, simulator.KindEffect)
	end()

	h, end = reopened(t, dir)
	defer end()
	for _, result := range results {
		if d := cmp.Diff(shown[result], string(h.get(t, "/v1/authorizations/"+ids[result]).Body)); d != "" {
			t.Errorf("%s (-before +after):\n%s", result, d)
		}
		if again := h.complete(t, ids[result], result, result); again.got != first[result].got || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %v became %v", result, first[result].got, again.got)
		}
	}
	if n := h.count(t, simulator.KindEffect); n != effects || n != 1 {
		t.Errorf("%d effects became %d", effects, n)
	}
}
