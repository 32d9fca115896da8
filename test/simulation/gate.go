package simulation

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// place says where in the world a gate stands.
type place string

const (
	beforeStore place = "asks the ledger"
	afterStore  place = "waits for the ledger's answer"
	atWire      place = "sends"
	atAnswer    place = "waits for the provider's answer"
	atQuery     place = "looks up"
	atPoint     place = "is stopped"
)

// gate is where one goroutine waits until the scheduler lets it go on.
type gate struct {
	label label
	boot  *boot
	place place
	since time.Time // when the goroutine came here
	open  chan opening

	call  ledgertest.Call // at the ledger
	send  *send           // at a provider
	point payment.Point   // in the flow
	hung  bool            // the answer is lost, and nobody says so: only time ends the wait
}

// opening is what the goroutine at a gate goes on with.
type opening struct {
	fault  ledgertest.Fault
	answer payment.Answer
	err    error
	dead   bool // the process has been killed: nothing of it runs any more
	ended  bool // the goroutine's own time ran out first
}

// gates holds what is parked. Goroutines of the processes add to it and take
// themselves away when their time runs out; only the scheduler opens.
type gates struct {
	mu      sync.Mutex
	parked  map[label]*gate
	arrived []*gate // since the last step
	left    []*gate // since the last step, by themselves
	twice   []label // two at once under one label: the harness is broken
}

func newGates() *gates { return &gates{parked: map[label]*gate{}} }

// park waits until the gate is opened or ctx ends. It does not return to a
// process that is dead: its goroutine ends here, as everything of it would.
func (s *gates) park(ctx context.Context, g *gate) opening {
	t := threadOf(ctx)
	g.label, g.boot, g.since, g.open = t.label, t.boot, time.Now(), make(chan opening, 1)
	if g.boot.is(dead) {
		runtime.Goexit()
	}
	s.mu.Lock()
	if s.parked[g.label] != nil {
		s.twice = append(s.twice, g.label)
	}
	s.parked[g.label] = g
	s.arrived = append(s.arrived, g)
	s.mu.Unlock()
	select {
	case o := <-g.open:
		if o.dead {
			runtime.Goexit()
		}
		return o
	case <-ctx.Done():
		s.leave(g)
		return opening{ended: true}
	}
}

func (s *gates) leave(g *gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parked, g.label)
	s.left = append(s.left, g)
}

// release opens a gate.
func (s *gates) release(g *gate, o opening) {
	s.mu.Lock()
	delete(s.parked, g.label)
	s.mu.Unlock()
	g.open <- o
}

// all lists what is parked, in the order of their labels.
func (s *gates) all() []*gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*gate, 0, len(s.parked))
	for _, g := range s.parked {
		list = append(list, g)
	}
	return sorted(list)
}

// moved lists what has arrived and what has left by itself since it was last
// asked, each in the order of their labels.
func (s *gates) moved() (arrived, left []*gate, twice []label) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arrived, left, twice = sorted(s.arrived), sorted(s.left), s.twice
	s.arrived, s.left, s.twice = nil, nil, nil
	return arrived, left, twice
}

func sorted(list []*gate) []*gate {
	slices.SortStableFunc(list, func(a, b *gate) int { return a.label.compare(b.label) })
	return list
}

// send is one request that a process decided to send.
type send struct {
	thread
	request request
	hash    string // as recorded
	at      time.Time
	checked time.Time // when the checks before it were made, by the process's clock
	account *provider
	outcome outcome
	answer  payment.Answer // on its way back
}

// outcome is what the sender of a request learned from it.
type outcome string

const (
	outcomeOpen     outcome = "open"     // nothing yet
	outcomeUnknown  outcome = "unknown"  // nothing that tells
	outcomeRefused  outcome = "refused"  // not taken, and nothing was kept of it
	outcomeNegative outcome = "negative" // executed, without effect, for ever
	outcomePending  outcome = "pending"
	outcomeEffect   outcome = "effect"
)
