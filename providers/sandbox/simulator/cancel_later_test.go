package simulator_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: a pending cancel acts when it is due, on what there is then, and once,
// through a restart too. Method: what happens between the two, in fake time.
func TestPendingCancel(t *testing.T) {
	for name, c := range map[string]struct {
		token   string
		between string // what happens before it is due; see meanwhile
		shown   string // by the answer
		status  string // of all that have the reference, in the end
		entries []simulator.Entry
	}{
		"authorized":                {"tok_ok", "", "authorized", "cancelled", []simulator.Entry{{Kind: "cancel", Amount: 1000}}},
		"captured meanwhile":        {"tok_ok", "capture", "authorized", "authorized", []simulator.Entry{{Kind: "failed", Failure: "already_captured"}}},
		"authorized meanwhile":      {"tok_pending_10s", "", "pending", "cancelled", []simulator.Entry{{Kind: "cancel", Amount: 1000}}},
		"still pending":             {"tok_pending_60s", "", "pending", "cancelled", []simulator.Entry{{Kind: "cancel"}}},
		"an action taken meanwhile": {"tok_requires_action", "action", "requires_action", "cancelled", []simulator.Entry{{Kind: "cancel", Amount: 1000}}},
		"declined":                  {"tok_decline_generic", "", "declined", "declined", []simulator.Entry{{Kind: "cancel"}}},
		"another arrives meanwhile": {"tok_ok", "another", "authorized", "cancelled cancelled", []simulator.Entry{{Kind: "cancel", Amount: 1000}, {Kind: "cancel", Amount: 500}}},
		"cancelled meanwhile":       {"tok_ok", "cancel", "authorized", "cancelled", []simulator.Entry{{Kind: "cancel"}}},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarted %t", name, restarts), func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					h, end := reopened(t, dir)
					again := func() {
						if restarts {
							end()
							h, end = reopened(t, dir)
						}
					}
					id := idIn(t, h.post(t, "hold", body(c.token+"_cancel_pending_30s_cancel_ok")))
					if a := h.cancel(t, testKey, "REF"); a.got != (got{202, c.shown}) {
						t.Errorf("accepted with %v %s", a.got, a.Body)
					}
					time.Sleep(20 * time.Second)
					synctest.Wait()
					h.meanwhile(t, c.between, id)
					if n := len(h.ends(t)); n != 0 {
						t.Errorf("it has ended %d times before it is due", n)
					}
					again()
					for range 2 { // it acts once, whatever arrives after it
						time.Sleep(time.Minute)
						synctest.Wait()
						again()
						if d := cmp.Diff(c.entries, h.ends(t)); d != "" || h.status(t) != c.status {
							t.Errorf("the look-up shows %s, want %s; the cancel (-want +got):\n%s", h.status(t), c.status, d)
						}
					}
					if a := h.cancel(t, testKey, "REF"); a.got != (got{202, c.shown}) {
						t.Errorf("the stored answer is %v", a.got)
					}
				})
			})
		}
	}
}

// ends are the kinds, amounts and failures with which the cancel of the test's key
// has ended.
func (h *harness) ends(t *testing.T) (ends []simulator.Entry) {
	t.Helper()
	entries, err := h.Entries(simulator.KindCancel, simulator.KindFailed)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Key == testKey {
			ends = append(ends, simulator.Entry{Kind: e.Kind, Amount: e.Amount, Failure: e.Failure})
		}
	}
	return ends
}

// Goal: a copy of a cancel, or of what it cancels, that is on its way acts when it
// arrives, once for its key, whatever happened meanwhile.
func TestCopiesAroundACancel(t *testing.T) {
	for name, c := range map[string]struct {
		token  string
		second string // the key of a cancel ten seconds after the first
		status [2]string
		amount int64 // released in the end
	}{
		"a late cancel":                       {"tok_ok_cancel_late_30s", "", [2]string{"authorized", "cancelled"}, 1000},
		"a late cancel that was sent again":   {"tok_ok_cancel_late_30s", testKey, [2]string{"cancelled", "cancelled"}, 1000},
		"a late cancel after another":         {"tok_ok_cancel_late_30s_cancel_ok", "other", [2]string{"cancelled", "cancelled"}, 1000},
		"a cancel that arrives twice":         {"tok_ok_cancel_twice_30s", "", [2]string{"cancelled", "cancelled"}, 1000},
		"a late authorization after a cancel": {"tok_late_30s", "", [2]string{"", "authorized"}, 0},
		"an authorization that arrives twice": {"tok_twice_30s", "", [2]string{"cancelled", "cancelled"}, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t, simulator.Config{Dir: dir})
				h.post(t, "hold", body(c.token))
				h.cancel(t, testKey, "REF")
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if c.second != "" {
					h.cancel(t, c.second, "REF")
				}
				before := h.status(t)
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := [2]string{before, h.status(t)}; got != c.status {
					t.Errorf("the look-ups show %q, want %q", got, c.status)
				}
				entries, err := h.Entries(simulator.KindCancel)
				var sum int64
				for _, e := range entries {
					sum += e.Amount
				}
				if err != nil || sum != c.amount || h.count(t, simulator.KindEffect) != 1 {
					t.Errorf("released %d of %d effects, error %v; want %d of 1", sum, h.count(t, simulator.KindEffect), err, c.amount)
				}
			})
		})
	}
}
