package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// histories is how many random histories a run tries. Their seeds are always the
// same, so that one can be run again; what happens at one moment in a history
// still comes in any order.
const histories = 60

// history is one random course of events about one key.
type history struct {
	*house
	tokens    [2]string
	processes []*process

	mu      sync.Mutex
	random  *rand.Rand
	answers map[string]string // stored answers by their bytes, and their state
}

// Goal: whatever happens together, the audit finds nothing wrong, every caller
// gets the same answer, and who insists is not answered for ever with errors.
// Method: random scripts at two providers, one of them away for a while; a
// ledger that loses requests and answers; three processes, of which one crashes,
// sleeps past its session or loses it; a panic; impatient callers everywhere.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(histories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, seed))
			tokens := [2]string{randomToken(random), randomToken(random)}
			latency := time.Duration(random.IntN(4)*random.IntN(5)) * time.Second
			inHouse(t, setting{accounts: []payment.AccountName{"first", "second"}, latency: latency}, func(h *house) {
				x := &history{house: h, tokens: tokens, random: random, answers: map[string]string{}}
				x.start()
				x.trouble()
				x.callers()
				x.settle()
				if t.Failed() {
					t.Logf("tokens %v, latency %s, answers %d\n%s", tokens, latency, len(x.answers), h.logs)
				}
			})
		})
	}
}

// randomToken is a script of up to four steps.
func randomToken(random *rand.Rand) string {
	all := simulator.Tokens()
	var steps []string
	for range 1 + random.IntN(4) {
		step := strings.TrimPrefix(all[random.IntN(len(all))].Name, "tok_")
		if step == "late" || step == "twice" || step == "pending" || step == "429" {
			step += fmt.Sprintf("_%ds", 1+random.IntN(300))
		}
		steps = append(steps, step)
	}
	token := "tok_" + strings.Join(steps, "_then_")
	if random.IntN(5) == 0 {
		token += "_always"
	}
	return token
}

// below is a random number; seconds a random time.
func (x *history) below(n int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.random.IntN(n)
}

func (x *history) seconds(n int) time.Duration {
	return time.Duration(x.below(n*1000)) * time.Millisecond
}

// start boots the processes; the third one stays healthy.
func (x *history) start() {
	b := &bomb{place: "nowhere"}
	if points := payment.Points(); x.below(4) == 0 {
		b.place = string(points[x.below(len(points))])
	}
	probe := func(_ context.Context, at payment.Point) {
		if at != payment.PointSendAfterHeaders && at != payment.PointSendAfterBody && at != payment.PointDrainStart {
			b.at(string(at))
		}
	}
	x.processes = []*process{x.house.start("one", probe), x.house.start("two", probe), x.house.start("three", nil)}
}

// trouble arranges what goes wrong, and when.
func (x *history) trouble() {
	if x.below(4) == 0 {
		p := x.provider("first")
		p.down.Store(true)
		time.AfterFunc(x.seconds(120), func() { p.down.Store(false) })
	}
	if x.below(2) == 0 {
		until := time.Now().Add(x.seconds(300))
		x.store.SetHook(func(context.Context, ledgertest.Call) ledgertest.Fault {
			if time.Now().After(until) || x.below(3) > 0 {
				return ledgertest.Fault{}
			}
			return ledgertest.Fault{Loss: []ledgertest.Loss{ledgertest.Unavailable, ledgertest.AmbiguousApplied, ledgertest.AmbiguousNotApplied}[x.below(3)]}
		})
	}
	at := x.seconds(60)
	switch x.below(4) {
	case 0:
		time.AfterFunc(at, func() { x.store.Crash("one") })
	case 1:
		time.AfterFunc(at, func() { x.store.Pause("one") })
		time.AfterFunc(at+x.seconds(60), func() { x.store.Resume("one") })
	case 2:
		time.AfterFunc(at, func() { x.store.EndSession("two") })
		time.AfterFunc(at+x.seconds(10), func() { x.store.NewSession("two") })
	}
}

// callers call, from one to four of them, with more or less patience.
func (x *history) callers() {
	var all sync.WaitGroup
	for range 1 + x.below(4) {
		p, patience := x.processes[x.below(3)], time.Second+x.seconds(40)
		all.Go(func() {
			time.Sleep(x.seconds(40))
			for range 3 {
				x.call(p, patience)
				time.Sleep(5 * time.Second)
			}
		})
	}
	all.Wait()
}

// settle has a caller insist at the healthy processes once the trouble is over.
func (x *history) settle() {
	time.Sleep(x.seconds(400))
	x.store.SetHook(nil)
	for _, pause := range []time.Duration{time.Minute, 2 * time.Minute, time.Hour, time.Hour} {
		if code := x.call(x.processes[2], 30*time.Second); code != codes.OK && code != codes.Aborted {
			x.Errorf("with nothing in the way the call gets %s", code)
		}
		time.Sleep(pause)
	}
	if len(x.answers) > 1 {
		x.Errorf("%d different answers to one key", len(x.answers))
	}
}

// call makes one call and checks that its answer is one that a call may get.
func (x *history) call(p *process, patience time.Duration) codes.Code {
	ctx, cancel := context.WithTimeout(x.Context(), patience)
	defer cancel()
	r := p.authorize(ctx, "key", twoAccounts(x.tokens[0], x.tokens[1]))
	switch code := r.code(); code {
	case codes.OK:
		state := r.state()
		if interim := state == "UNKNOWN" || state == "INTENT" || state == "FENCING"; interim != (r.metadata("acquit-should-retry") == "true") {
			x.Errorf("an answer in %s says should-retry %q", state, r.metadata("acquit-should-retry"))
		} else if !interim {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.answers[string(r.bytes)] = state
		}
	case codes.Aborted, codes.Unavailable, codes.Internal, codes.DeadlineExceeded: // each with its advice: the same key again
		if r.metadata("acquit-should-retry") == "false" {
			x.Errorf("%v, and no retry", r.err)
		}
	default:
		x.Errorf("got %v", r.err)
	}
	return r.code()
}
