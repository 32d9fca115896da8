package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator/keyring"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// sessionTTL is how long a session outlives its last renewal, as in production.
const sessionTTL = 15 * time.Second

// Stage is what all histories share and none changes.
type Stage struct {
	table *mapping.Table
	keys  *keyring.Ring
}

// NewStage loads the real mapping table and a fixed key.
func NewStage() (*Stage, error) {
	table, err := mapping.Load()
	if err != nil {
		return nil, fmt.Errorf("load the mapping table: %w", err)
	}
	keys, err := keyring.ParseRing("1:c2ltdWxhdGVkIGtleSBmb3IgYWxsIHRoZSBoaXN0b3JpZXM=")
	if err != nil {
		return nil, fmt.Errorf("parse the key: %w", err)
	}
	return &Stage{table, keys}, nil
}

// world is everything that exists in one history. Only the scheduler's goroutine
// touches it, but for what is under mu.
type world struct {
	t     *testing.T
	stage *Stage
	rng   *rand.Rand
	plan  settings
	quiet bool // nothing fails any more

	store     *ledgertest.Store
	gates     *gates
	providers []*provider
	boots     []*boot
	intents   []*intent
	calls     []*call // that have not ended
	copies    []*copied
	notices   []*notice
	visits    map[payment.OperationKey]*visits
	sends     []*send
	checked   map[label]time.Time // the last session check before a send, by the process's clock
	down      map[*boot]bool      // whose ledger is away
	pausedAt  map[*boot]time.Time
	orders    int            // follow-ups still to come
	shoppers  int            // who come back, still to come
	matching  map[*boot]bool // who goes through the orphans
	matches   int

	history *History
	judge   *judge

	mu      sync.Mutex
	ended   []*call
	heard   []hearing
	left    []visitEnd
	matched []matchEnd
	gone    []departure
	writes  []write
	basis   map[label]basis // the revisions that the latest write under a label is built on
	misuse  []string
}

// departure is a process that has been drained, or has not been in time.
type departure struct {
	boot *boot
	idle bool
}

// Run plays and judges the history of a seed. What is wrong with it is in the
// history; t fails only if the harness itself is broken.
func Run(t *testing.T, stage *Stage, seed uint64) *History {
	t.Helper()
	h := newHistory(seed)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, stage, h)
		w.play()
		w.rest()
		w.bury()
	})
	return h
}

func newWorld(t *testing.T, stage *Stage, h *History) *world {
	t.Helper()
	r := rand.New(rand.NewPCG(h.Seed, 0x6163717569740001))
	w := &world{
		t: t, stage: stage, rng: r, plan: drawSettings(r), gates: newGates(), checked: map[label]time.Time{},
		visits: map[payment.OperationKey]*visits{}, basis: map[label]basis{}, down: map[*boot]bool{}, pausedAt: map[*boot]time.Time{}, history: h, matching: map[*boot]bool{},
	}
	w.judge = newJudge(w)
	w.store = ledgertest.NewStore(t, ledgertest.Config{TTL: sessionTTL, Hook: w.hook, Violated: w.misused})
	for _, name := range []payment.AccountName{"east", "west"} {
		w.providers = append(w.providers, drawProvider(r, name, w.plan.window))
	}
	for n := range w.plan.boots {
		w.start(payment.BootID(fmt.Sprintf("boot%d", n+1)))
	}
	w.drawAuthorizations()
	h.begins(w)
	if r.IntN(2) == 0 { // the first effects are those that others will want to know of
		w.stopSomewhere(w.boots[0])
	}
	return w
}

// play lets things happen, and go wrong, until there have been enough of them.
func (w *world) play() {
	for range w.plan.steps {
		w.step(w.actions())
		if w.history.failed() {
			return
		}
	}
}

// step does one of the actions at an instant of its own, waits until everything
// has come to rest, and has it judged.
func (w *world) step(actions []weighted[func()]) {
	w.sleep(time.Microsecond + time.Duration(w.rng.IntN(100_000)))
	draw(w.rng, actions)()
	synctest.Wait()
	w.takeIn()
	w.judge.step()
}

// sleep lets time pass and takes in what it woke.
func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	w.takeIn()
}

// takeIn writes down what the processes did since they last came to rest. The
// order in which they did it within one step is nobody's business: lists are
// sorted by label.
func (w *world) takeIn() {
	arrived, left, twice := w.gates.moved()
	for _, l := range twice {
		w.t.Errorf("seed %d: two goroutines at once under %s", w.history.Seed, l)
	}
	for _, g := range arrived {
		w.arrives(g)
	}
	for _, g := range left {
		w.leaves(g)
	}
	w.mu.Lock()
	ended, gone, heard, visited, matched := w.ended, w.gone, w.heard, w.left, w.matched
	w.ended, w.gone, w.heard, w.left, w.matched = nil, nil, nil, nil, nil
	w.mu.Unlock()
	slices.SortFunc(ended, func(a, b *call) int { return a.label().compare(b.label()) })
	w.judge.takeWrites()
	for _, c := range ended {
		w.endCall(c)
	}
	w.endVisits(visited)
	w.endHearings(heard)
	w.endMatches(matched)
	for _, d := range gone {
		w.depart(d)
	}
}

// arrives notes that a goroutine waits at a gate.
func (w *world) arrives(g *gate) {
	w.history.logf("%s %s %s%s", g.boot.id, g.label, g.place, w.detail(g))
	switch g.place {
	case beforeStore:
		if g.call.Kind == ledgertest.KindHold {
			w.checked[g.label] = g.since.Add(g.boot.skew)
		}
	case atWire:
		g.send.at, g.send.checked = g.since, w.checked[g.label]
		w.sends = append(w.sends, g.send)
		w.judge.sent(g.send)
	case atPoint:
		w.history.saw("stopped at " + string(g.point))
		if g.boot.is(serving) {
			w.pauseBoot(g.boot)
		}
	case afterStore, atAnswer, atQuery:
	}
}

// leaves notes that a goroutine's own time ran out at a gate. A request that was
// about to leave may be on its way all the same.
func (w *world) leaves(g *gate) {
	w.history.logf("%s %s gives up: %s", g.boot.id, g.label, g.place)
	if g.place == atWire && w.rng.IntN(3) == 0 {
		w.copy(g.send)
	}
	w.closed(g, outcomeUnknown)
}

// closed notes what the sender of a request has learned from it.
func (w *world) closed(g *gate, o outcome) {
	if g.place == atWire || g.place == atAnswer {
		g.send.outcome = o
	}
}

// depart ends a process life that has been drained. One that still worked when
// its time was over is killed.
func (w *world) depart(d departure) {
	if d.boot.is(dead) {
		return
	}
	w.history.logf("%s is drained, idle: %t", d.boot.id, d.idle)
	w.kill(d.boot)
	if d.idle {
		w.store.EndSession(d.boot.id)
	}
}

// drained is told by the goroutine that drains.
func (w *world) drained(b *boot, idle bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = append(w.gone, departure{b, idle})
}

// misused is told by the store what its callers did wrong.
func (w *world) misused(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.misuse = append(w.misuse, what)
}

// running lists the calls that have not ended, in order.
func (w *world) running() []*call { return slices.Clone(w.calls) }

// bury ends every process, so that no goroutine is left behind.
func (w *world) bury() {
	for _, b := range w.boots {
		if !b.is(dead) {
			w.kill(b)
		}
	}
	for _, c := range w.running() {
		c.cancel()
	}
	time.Sleep(24 * time.Hour)
	synctest.Wait()
}
