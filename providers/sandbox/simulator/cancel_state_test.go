package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// state is an authorization that was brought into a state, and what a cancel
// makes of it.
type state struct {
	token    string
	captured bool   // at once
	before   string // what happened to it; see meanwhile
	answer   got
	failure  string
	status   string // afterwards, and for ever
	released int64
	capture  string // the failure of a later capture; "" if it succeeds
}

func states() map[string]state {
	cancelled := func(token, before string, released int64) state {
		return state{token: token, before: before, answer: got{200, "cancelled"}, status: "cancelled", released: released, capture: "already_voided"}
	}
	kept := func(token, before, status, capture string) state {
		return state{token: token, before: before, answer: got{422, "failed"}, failure: "already_captured", status: status, capture: capture}
	}
	automatic := func(s state) state { s.captured = true; return s }
	return map[string]state{
		"authorized":            cancelled("tok_ok", "", 1000),
		"authorized in part":    cancelled("tok_partial", "", 500),
		"pending":               cancelled("tok_pending_30s", "", 0),
		"requiring an action":   cancelled("tok_requires_action", "", 0),
		"captured when pending": automatic(cancelled("tok_pending_30s", "", 0)),
		"failed to capture":     cancelled("tok_ok_capture_fail", "capture", 1000),
		"voided":                cancelled("tok_ok", "void", 0),
		"about to be voided":    cancelled("tok_ok_void_pending_30s", "void", 0),
		"about to fail to void": cancelled("tok_ok_void_pending_fail_30s", "void", 0),
		"cancelled already":     cancelled("tok_ok", "cancel", 1000),
		"declined":              {token: "tok_decline_generic", answer: got{200, "declined"}, status: "declined", capture: "nothing_held"},
		"captured at once":      automatic(kept("tok_ok", "", "captured", "already_captured")),
		"captured":              kept("tok_ok", "capture all", "authorized", "already_captured"),
		"captured in part":      kept("tok_ok", "capture", "authorized", ""),
		"about to be captured":  kept("tok_ok_capture_pending_30s_capture_ok", "capture", "authorized", ""),
	}
}

// meanwhile does something to an authorization beside the cancel of the test.
func (h *harness) meanwhile(t *testing.T, what, id string) {
	t.Helper()
	switch what {
	case "":
	case "capture":
		h.move(t, simulator.KindCapture, id, "meanwhile", 400)
	case "capture all":
		h.move(t, simulator.KindCapture, id, "meanwhile", 1000)
	case "void":
		h.move(t, simulator.KindVoid, id, "meanwhile", 0)
	case "cancel":
		h.cancel(t, "meanwhile", "REF")
	case "action":
		h.get(t, "/v1/actions/"+id)
	case "another":
		h.post(t, "meanwhile", body("tok_partial"))
	default:
		t.Fatalf("nothing is called %q", what)
	}
}

// Goal: a cancel does to an authorization whatever its state allows, once, and for
// good: nothing that comes later authorizes or captures it. Method: every state with
// and without a restart after the cancel; then the cancel and the first request
// again, the shopper's page, an hour, and a capture.
func TestCancelInEveryState(t *testing.T) {
	for name, c := range states() {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarts), func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					h, end := reopened(t, dir)
					text := body(c.token)
					if c.captured {
						text = strings.Replace(text, "manual", "automatic", 1)
					}
					made := h.post(t, "hold", text)
					id := idIn(t, made)
					h.meanwhile(t, c.before, id)
					a := h.cancel(t, testKey, "REF")
					if restarts {
						end()
						h, _ = reopened(t, dir)
					}
					if a.got != c.answer || failureIn(t, a) != c.failure {
						t.Errorf("the cancel: %v %s, want %v %s", a.got, a.Body, c.answer, c.failure)
					}
					if again := h.cancel(t, testKey, "REF"); again.got != a.got || !bytes.Equal(again.Body, a.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
						t.Errorf("the cancel again: %s, was %s", again.Body, a.Body)
					}
					if again := h.post(t, "hold", text); !bytes.Equal(again.Body, made.Body) {
						t.Errorf("the stored answer of the authorization became %s, was %s", again.Body, made.Body)
					}
					h.get(t, "/v1/actions/"+id)
					time.Sleep(time.Hour)
					synctest.Wait()
					h.get(t, "/v1/actions/"+id)
					c.check(t, h, id)
				})
			})
		}
	}
}

// check is about the authorization after all that could have changed it.
func (c state) check(t *testing.T, h *harness, id string) {
	t.Helper()
	if got := h.status(t); got != c.status {
		t.Errorf("the look-up shows %s, want %s", got, c.status)
	}
	if a := h.move(t, simulator.KindCapture, id, "after", 10); failureIn(t, a) != c.capture {
		t.Errorf("a capture afterwards: %s, want %q", a.Body, c.capture)
	}
	if sum, _ := h.released(t, id); sum != c.released {
		t.Errorf("released %d, want %d", sum, c.released)
	}
	held := h.held(t, id)
	voided, _ := h.sum(t, simulator.KindVoid, id)
	if c.status == "cancelled" && held != voided+c.released {
		t.Errorf("held %d, voided %d, released %d: not all is released", held, voided, c.released)
	}
	if got := h.amounts(t, id); got[2] != voided+c.released {
		t.Errorf("it shows %d as voided, want %d", got[2], voided+c.released)
	}
}

// held is what the effects say that an authorization held.
func (h *harness) held(t *testing.T, id string) (amount int64) {
	t.Helper()
	entries, err := h.Entries(simulator.KindEffect)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Object == id {
			amount += e.Amount
		}
	}
	return amount
}

// failureIn is the finer code of an answer that failed, or was refused.
func failureIn(t *testing.T, a answer) string {
	t.Helper()
	var v struct {
		Error struct {
			Code        string `json:"code"`
			FailureCode string `json:"failure_code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(a.Body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	if v.Error.FailureCode != "" {
		return v.Error.FailureCode
	}
	return v.Error.Code
}
