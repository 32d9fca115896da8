package simulation

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	seeds = flag.Int("seeds", 50, "the last seed to run")
	from  = flag.Int("from", 1, "the first seed to run")
	seed  = flag.Uint64("seed", 0, "the one seed to replay, with its history")
	hunt  = flag.Bool("hunt", false, "end with the first invariant that is broken, as hunters of mutants want it")
)

// Goal: no history breaks an invariant of the protocol. Method: as many seeds as
// asked for, in as many shards as there are processors; a run that never reached a
// case has proven nothing about it and fails.
func TestHistories(t *testing.T) {
	stage, err := NewStage()
	if err != nil {
		t.Fatal(err)
	}
	if *seed != 0 {
		replay(t, stage)
		return
	}
	debug.SetGCPercent(400) // histories leave much behind and hold little
	sum := &tally{cases: map[string]int{}}
	shards := runtime.GOMAXPROCS(0)
	t.Run("seeds", func(t *testing.T) {
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for s := *from + shard; s <= *seeds; s += shards {
					sum.add(t, Run(t, stage, uint64(s)))
					if *hunt && t.Failed() {
						return
					}
				}
			})
		}
	})
	if !*hunt {
		sum.report(t)
	}
}

// replay prints the history of one seed.
func replay(t *testing.T, stage *Stage) {
	t.Helper()
	h := Run(t, stage, *seed)
	fmt.Fprint(os.Stdout, h.Text())
	for _, v := range h.Violations {
		t.Errorf("seed %d: %s", h.Seed, v)
	}
}

// tally adds up what the histories reached.
type tally struct {
	mu    sync.Mutex
	runs  int
	cases map[string]int
}

// add takes in a history, and reports what is wrong with it.
func (s *tally) add(t *testing.T, h *History) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	for c := range h.Cases {
		s.cases[c]++
	}
	if len(h.Violations) == 0 || *hunt && !h.failed() {
		return
	}
	for _, v := range h.Violations {
		t.Errorf("seed %d: %s", h.Seed, v)
	}
	t.Logf("the end of it:\n%s\nreplay it with: go test ./test/simulation -run TestHistories -seed %d", h.Tail(40), h.Seed)
}

// report says in how many histories each case was reached, and fails for one that
// never was.
func (s *tally) report(t *testing.T) {
	t.Helper()
	var text strings.Builder
	for _, c := range slices.Sorted(maps.Keys(s.cases)) {
		fmt.Fprintf(&text, "%6d  %s\n", s.cases[c], c)
	}
	t.Logf("%d histories, of which so many had:\n%s", s.runs, &text)
	wanted := common()
	if s.runs >= 1000 {
		wanted = append(wanted, rare()...)
	}
	for _, c := range wanted {
		if s.cases[c] == 0 {
			t.Errorf("no history of %d had: %s", s.runs, c)
		}
	}
}

// common are the cases that every run must reach.
func common() []string {
	return []string{
		"done: authorize", "done: capture", "done: refund", "done: void", "done: complete", "completion ended with its authorization",
		"state INTENT", "state SUCCEEDED", "state DECLINED", "state FAILED", "state PENDING", "state UNKNOWN", "state FENCING",
		"takeover", "takeover from an owner that was gone", "failover", "park", "fenced", "visit", "replay", "interim answer", "look-up",
		"kill", "drain", "pause past the session, and return", "session lost", "ledger away", "provider away", "caller left", "caller gave up",
		"unavailable", "ambiguous, applied", "ambiguous, not applied", "credential replaced",
		"delayed copy", "delayed copy after completion", "effect of a delayed copy",
		"event: settled", "event: noted", "event: duplicate", "attention: stuck", "everything final",
		"refused: IDEMPOTENCY_KEY_REUSED", "refused: IDEMPOTENCY_KEY_IN_FLIGHT", "refused: LEDGER_UNAVAILABLE", "refused: OUTCOME_PENDING",
		"refused: PARENT_UNKNOWN", "refused: AMOUNT_EXCEEDS_AUTHORIZED", "refused: PAYMENT_NOT_CAPTURABLE", "refused: PAYMENT_NOT_REFUNDABLE",
	}
}

// rare are those that a long run must reach besides.
func rare() []string {
	return []string{
		"state FENCING", "state REQUIRES_ACTION", "cancel", "cancelled with effect", "takeover of a fence", "late outcome under a fence", "payment moved",
		"event: outside", "event: orphan", "attention: orphan", "orphan matched", "refused: AMOUNT_EXCEEDS_CAPTURED", "refused: PAYMENT_NOT_VOIDABLE",
		"completion failed alone", "called off", "called off too late", "refused: PAYMENT_NOT_COMPLETABLE", "refused: UNSUPPORTED_BY_PROVIDER", "refused: LEDGER_FULL", "refused: OVERLOADED",
	}
}

// Goal: a seed is a history: what failed once fails again. Method: some seeds
// twice, with one processor and with two, compared to the byte.
func TestSameSeedSameHistory(t *testing.T) {
	stage, err := NewStage()
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for s := range min(*seeds, 10) {
		runtime.GOMAXPROCS(1)
		one := Run(t, stage, uint64(s+1))
		runtime.GOMAXPROCS(max(2, before))
		two := Run(t, stage, uint64(s+1))
		if one.Text() != two.Text() {
			n := firstDifference(one.Lines, two.Lines)
			t.Errorf("seed %d has two histories; they part at line %d:\n%s\n%s", s+1, n+1,
				strings.Join(one.Lines[max(0, n-5):min(n+1, len(one.Lines))], "\n"), strings.Join(two.Lines[min(n, len(two.Lines)-1):min(n+1, len(two.Lines))], "\n"))
		}
	}
}

func firstDifference(a, b []string) int {
	for n := range min(len(a), len(b)) {
		if a[n] != b[n] {
			return n
		}
	}
	return min(len(a), len(b))
}
