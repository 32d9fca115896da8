//go:build linux

package faults

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// The flood of TestTenThousandInFlight.
const (
	flooded     = 10_000
	floodBudget = 60 * time.Second // an attempt's: all of them must be in flight at once, so none may run out before
	floodTTL    = 30 * time.Second // longer than the outage before the kill, so that nobody looks before it
	floodWidth  = 64               // looked after at a time
)

// TestTenThousandInFlight: ten thousand operations that are in flight when their
// process is killed are all ended by the other, which asks the provider no more at
// a time than it is configured to. They are claimed, and their requests wait for
// the provider; then the ledger is out of their process's reach and the provider
// executes half of them, whose outcomes cannot be recorded; then the process is
// killed. Some of the other half are on the wire, and arrive when all is over.
//
// The serve processes of this test are built without the race detector, with which
// ten thousand operations would be in flight only if their attempts had minutes, and
// recovery waits for an attempt's time. The same code runs under it in every other
// test. This test runs alone, so that the times it prints are its own.
func TestTenThousandInFlight(t *testing.T) {
	c := newCluster(t).flooding()
	wire := layFloodWire(t, c.sandbox.url)
	line := layLine(t, c.etcd.addr)
	c = c.with(func(s *settings) { s.provider = wire.url })
	survivor := c.serve(t, "survivor", "")
	owner := c.with(func(s *settings) { s.ledger = line.addr }).serve(t, "owner", "")

	began := time.Now()
	c.flood(t, owner, everything())
	c.flood(t, owner, c.unclaimed(t)) // whose claims the ledger was too busy for
	c.allInFlight(t, owner)
	t.Logf("%d in flight after %s", flooded, time.Since(began).Round(time.Millisecond))

	cut := time.Now()
	line.cut()
	wire.execute(flooded / 2)
	wire.awaitAnswers(t, flooded/2)
	c.allInFlight(t, owner)
	if n := len(c.effects(t)); n != flooded/2 || wire.lookUps() != 0 {
		t.Errorf("%d effects and %d look-ups before the kill, want %d and none", n, wire.lookUps(), flooded/2)
	}
	owner.kill(t)
	killed := time.Now()
	wire.count()
	t.Logf("%d executed, none recorded; killed %s after the ledger was out of reach", flooded/2, killed.Sub(cut).Round(time.Millisecond))

	half, all := c.resolved(t, killed)
	t.Logf("half ended %s after the kill, all %s after it: %.0f per second of that, %.0f per second from the end of the dead one's session",
		half.Round(time.Millisecond), all.Round(time.Millisecond), flooded/all.Seconds(), flooded/(all-floodTTL+killed.Sub(cut)).Seconds())
	most := wire.most()
	t.Logf("at most %d requests of the survivor at a time", most)
	if most > floodWidth || most < floodWidth/2 {
		t.Errorf("the survivor sent up to %d requests at a time, want %d and not far fewer", most, floodWidth)
	}
	if n := wire.deliver(t); n == 0 {
		t.Error("no request was left on the wire, so that none could arrive late")
	}
	for name, op := range c.audit(t).operations {
		if op.State != payment.StateSucceeded {
			t.Errorf("%s is %s", name, op.State)
		}
	}
	if n := len(c.effects(t)); n != flooded {
		t.Errorf("%d effects, want %d", n, flooded)
	}
	for n := 0; n < flooded; n += flooded / 50 {
		survivor.awaitFinal(t, drop(n))
	}
}

// flooding are the settings of the flood.
func (c *cluster) flooding() *cluster {
	return c.with(func(s *settings) {
		s.program, s.logLevel, s.maxInFlight = plain, "error", flooded+1000 // repeated calls are in flight twice for a moment
		s.attemptBudget, s.attemptTimeout, s.deadline = floodBudget, floodBudget, floodBudget
		s.inlineBudget, s.sessionTTL = 300*time.Millisecond, floodTTL
		s.sweepEvery, s.recheck, s.perAccount = time.Second, time.Minute, floodWidth
	})
}

// drop is one operation of the flood.
func drop(n int) intent { return intent{key: fmt.Sprintf("drop-%d", n), token: "tok_ok", amount: 1000} }

// everything are the operations of the flood.
func everything() []int {
	all := make([]int, flooded)
	for n := range all {
		all[n] = n
	}
	return all
}

// unclaimed are those that the ledger has no record of.
func (c *cluster) unclaimed(t *testing.T) []int {
	t.Helper()
	known := map[string]bool{}
	err := c.etcd.walk(t.Context(), ledgerPrefix+"op/", func(key string, _ []byte) error {
		known[key[strings.LastIndexByte(key, '/')+1:]] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(everything(), func(n int) bool {
		call := payment.Call{Tenant: "default", Method: payment.MethodAuthorize, Key: payment.IdempotencyKey(drop(n).key)}
		return known[string(call.OperationKey().Hash())]
	})
}

// flood begins operations, some hundred at a time. Callers leave with an interim
// answer, or none, and their operations go on without them; the next ones come when
// the ledger has the claims of those before, or after a while.
func (c *cluster) flood(t *testing.T, s *server, operations []int) {
	t.Helper()
	const atATime, connections = 250, 8
	lines := make([]*caller, connections)
	for n := range lines {
		lines[n] = newCaller(t, s.process.name, s.conn.Target())
	}
	for some := range slices.Chunk(operations, atATime) {
		before := c.claimed(t)
		var crowd sync.WaitGroup
		for _, n := range some {
			crowd.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if a := lines[n%connections].call(ctx, drop(n)); a.err != nil && !repeatable(a) {
					t.Errorf("operation %d: %s", n, a)
				}
			})
		}
		crowd.Wait()
		for range 20 { // a few claims may be lost to a busy ledger, and are repeated in the end
			if c.claimed(t)-before >= int64(len(some)*9/10) || !rest(t.Context(), 50*time.Millisecond) {
				break
			}
		}
	}
}

// claimed is how many operations are owned by a living process.
func (c *cluster) claimed(t *testing.T) int64 {
	t.Helper()
	n, err := c.etcd.count(t.Context(), ledgerPrefix+"inflight/")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// allInFlight checks that everything is claimed, and that the owner works on it.
func (c *cluster) allInFlight(t *testing.T, owner *server) {
	t.Helper()
	claimed := c.claimed(t)
	_, metrics, err := owner.ask("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	flying := -1
	if found := regexp.MustCompile(`(?m)^acquit_operation_in_flight\S* (\S+)$`).FindStringSubmatch(metrics); found != nil {
		if f, err := strconv.ParseFloat(found[1], 64); err == nil {
			flying = int(f)
		}
	}
	if claimed != flooded || flying != flooded {
		t.Fatalf("%d are claimed and %d in flight, want %d", claimed, flying, flooded)
	}
}

// effects are all effects of authorizations at the provider.
func (c *cluster) effects(t *testing.T) []simulator.Entry {
	t.Helper()
	found, err := c.sandbox.log("", simulator.KindEffect)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// resolved waits until no operation is open any more, and returns how long after a
// time half of them had ended, and all.
func (c *cluster) resolved(t *testing.T, since time.Time) (half, all time.Duration) {
	t.Helper()
	atMost := func(most int64) func() error {
		return func() error {
			open, err := c.etcd.count(t.Context(), ledgerPrefix+"open/")
			if err != nil || open <= most {
				return err
			}
			return fmt.Errorf("%d are open", open)
		}
	}
	eventually(t, patience, "at most half of the operations are open", atMost(flooded/2))
	half = time.Since(since)
	eventually(t, patience, "no operation is open", atMost(0))
	return half, time.Since(since)
}
