package simulator_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

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
