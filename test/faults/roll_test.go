//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// TestRolling: what a deployment goes through costs nobody a payment. Callers pay
// and capture all the time at two replicas, whose ledger are three etcd members
// with certificates, while a member is killed, the leader is killed, every member
// and then every replica is stopped and started again, one by one. A caller that
// repeats what it is told to repeat sees no call fail; afterwards every key has one
// effect at the provider and the answer that it had, at both replicas.
func TestRolling(t *testing.T) {
	t.Parallel()
	members, sandbox := startTrio(t), startSandbox(t)
	sandbox.ready(t)
	c := newClusterOf(t, members.ledger(), sandbox)
	members.audit = c.etcd.audit
	replicas := []*server{c.replica(t, "one", freePort(t, "127.0.2.1")), c.replica(t, "two", freePort(t, "127.0.2.2"))}
	load := startLoad(t, replicas)

	load.phase(t, "undisturbed", func() {})
	load.phase(t, "a member killed", func() {
		victim := members.leader(t)[1]
		victim.kill(t)
		load.paid(t) // two members are a quorum
		members.restart(t, victim)
	})
	load.phase(t, "the leader killed", func() {
		victim := members.leader(t)[0]
		victim.kill(t)
		load.paid(t)
		members.restart(t, victim)
	})
	load.phase(t, "every member rolled", func() {
		for _, m := range members.members {
			members.roll(t, m)
			members.leader(t)
		}
	})
	load.phase(t, "every replica rolled", func() {
		for n, r := range replicas {
			replicas[n] = c.roll(t, r)
			load.paid(t)
		}
	})
	load.stop(t)

	load.judge(t, c, replicas)
}

// replica starts a serve process that is found at an address of its own.
func (c *cluster) replica(t *testing.T, name, addr string) *server {
	t.Helper()
	return c.with(func(s *settings) { s.grpcAddr = addr }).serve(t, name, "")
}

// roll stops a replica as an orchestrator would, and starts another in its place.
func (c *cluster) roll(t *testing.T, r *server) *server {
	t.Helper()
	grpc, _ := r.addresses(t)
	r.signal(t, syscall.SIGTERM)
	if code := r.awaitExit(t, drainTimeout+startLimit); code != 0 {
		t.Errorf("%s ended with %d, want 0", r.process.name, code)
	}
	return c.replica(t, r.process.name, grpc)
}

// judge holds what callers were told against the provider's log and against what
// they are told now.
func (l *load) judge(t *testing.T, c *cluster, replicas []*server) {
	t.Helper()
	answers := l.known
	effects := c.deeds(t).effects
	for _, i := range slices.SortedFunc(maps.Keys(answers), func(a, b intent) int { return strings.Compare(a.key, b.key) }) {
		a := answers[i]
		if a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
			t.Errorf("the %s of key %q: %s, want SUCCEEDED", i.verb(), i.key, a)
		}
		if did := effects[deed{i.kind(), i.reference()}]; len(did) != 1 || did[0].Amount != i.amount {
			t.Errorf("the %s of key %q has the effects %+v, want one of %d", i.verb(), i.key, did, i.amount)
		}
		for _, r := range replicas {
			if again := r.insist(t, i); !again.replayed || !bytes.Equal(again.raw, a.raw) {
				t.Errorf("the %s of key %q at %s: %x (%s), want %x", i.verb(), i.key, r.process.name, again.raw, again, a.raw)
			}
		}
	}
	c.audit(t)
	if got, want := len(effects), len(answers); got != want {
		t.Errorf("the provider has %d effects, callers know of %d", got, want)
	}
}

// phase lets something happen under load, and says what it cost the callers. None
// of their calls may fail over it.
func (l *load) phase(t *testing.T, name string, happen func()) {
	t.Helper()
	before, _ := l.take()
	began := time.Now()
	happen()
	l.paid(t) // and all is well again
	after, wrong := l.take()
	t.Logf("%s: %d calls in %s, the slowest %s; tries that were repeated: %s",
		name, after.calls-before.calls, time.Since(began).Round(time.Millisecond), after.slowest.Round(time.Millisecond), after.since(before))
	if len(wrong) > 0 {
		t.Fatalf("%s: calls failed: %q", name, wrong)
	}
}

// since says which tries were no last word between two tallies.
func (t tally) since(before tally) string {
	var said []string
	for _, why := range slices.Sorted(maps.Keys(t.tries)) {
		if n := t.tries[why] - before.tries[why]; n > 0 {
			said = append(said, fmt.Sprintf("%d × %s", n, why))
		}
	}
	if len(said) == 0 {
		return "none"
	}
	return strings.Join(said, ", ")
}
