package simulator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: a crash while a request is written loses all of it or nothing, so that no
// stored answer ever stands without its effects, nor an effect without its answer.
// Method: for an authorization, a request that acts on one, and a request that acts
// on two, the log cut after every byte of what it wrote and opened again; at both
// ends the request is sent once more.
func TestTornRequestIsLostWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verb    simulator.Kind
		effects int
	}{
		"authorization": {"", 1},
		"capture":       {simulator.KindCapture, 1},
		"two cancelled": {simulator.KindCancel, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			h, end := reopened(t, dir)
			parent := h.hold(t, "tok_ok", false)
			h.hold(t, "tok_ok", false)
			send := func(h *harness) answer {
				if c.verb == "" {
					return h.post(t, testKey, body("tok_twice_3600s")) // a copy is written with it
				}
				if c.verb == simulator.KindCancel {
					return h.cancel(t, testKey, "REF")
				}
				return h.move(t, c.verb, parent, testKey, 400)
			}
			before := len(logIn(t, dir))
			send(h)
			end()
			whole := logIn(t, dir)
			if len(whole) == before {
				t.Fatal("the request wrote nothing")
			}
			for n := before; n <= len(whole); n++ {
				var want [3]int // requests, answers and effects
				if n == len(whole) {
					want = [3]int{1, 1, c.effects}
				}
				h, end := torn(t, dir, whole[:n])
				if got := h.written(t); got != want {
					t.Fatalf("requests, answers, effects after %d bytes: %v, want %v", n-before, got, want)
				}
				if n == before || n >= len(whole)-1 {
					a := send(h)
					if replayed := a.Header.Get("Idempotent-Replayed") == "true"; a.Status != 200 || replayed != (n == len(whole)) {
						t.Fatalf("the request after %d bytes: %v, replayed %t", n-before, a.got, replayed)
					}
				}
				end()
			}
		})
	}
}

// torn is a simulator on a log that ends early.
func torn(t *testing.T, dir string, log []byte) (*harness, func()) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "effects.jsonl"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	return reopened(t, dir)
}

// written counts what the log says of the test's key: requests, stored answers, and
// effects or cancels.
func (h *harness) written(t *testing.T) (n [3]int) {
	t.Helper()
	entries, err := h.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch {
		case e.Key != testKey:
		case e.Kind == simulator.KindRequest:
			n[0]++
		case e.Kind == simulator.KindStored:
			n[1]++
		case e.Kind == simulator.KindCancel || slices.Contains(simulator.EffectKinds(), e.Kind):
			n[2]++
		}
	}
	return n
}

func logIn(t *testing.T, dir string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "effects.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Goal: a log that was written with an entry on each line is read as before.
func TestLogOfSingleLines(t *testing.T) {
	dir := t.TempDir()
	const at = `"time":"2026-01-02T03:04:05Z","merchant":"default","key":"k"`
	old := fmt.Sprintf("{%s,%s}\n{%s,%s}\n", `"kind":"request"`, at, `"kind":"effect","object":"auth_1","amount":7`, at)
	if err := os.WriteFile(filepath.Join(dir, "effects.jsonl"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, simulator.Config{Dir: dir})
	h.post(t, testKey, body("tok_ok"))
	entries, err := h.Entries(simulator.KindEffect)
	if err != nil || len(entries) != 2 {
		t.Fatalf("effects %+v, error %v; want the old one and the new one", entries, err)
	}
	want := simulator.Entry{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Kind: simulator.KindEffect, Merchant: "default", Key: "k", Object: "auth_1", Amount: 7}
	if d := cmp.Diff(want, entries[0]); d != "" {
		t.Errorf("the old effect (-want +got):\n%s", d)
	}
}
