package etcdledger_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: a session that dies takes its markers along and nothing else; another
// process goes on, and the old owner can write no more.
// Method: a session of one second is left to expire. A waiter sees it first.
func TestDeadOwner(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	dying, living := newProcess(t, setup{prefix: prefix, ttl: shortTTL}), newProcess(t, setup{prefix: prefix})
	s := dying.claimed(t)
	if !living.read(t, s.Operation.Key).Marker.Present {
		t.Fatal("no marker while the owner lives")
	}
	dying.session.Close() // no renewal any more: what a crash does
	ok(t, "await", living.Await(bounded(t), s.Operation.Key))
	now := living.read(t, s.Operation.Key)
	if now.Marker.Present || now.Operation.State != payment.StateIntent {
		t.Fatalf("after the session expired: marker %+v, state %s", now.Marker, now.Operation.State)
	}
	expect(t, "hold of the dead owner", dying.Hold(bounded(t), 500*time.Millisecond), ledger.ErrSessionLost)
	taken := living.takenOver(t, now)
	_, err := dying.Advance(bounded(t), s, succeeded(t, s))
	expect(t, "the old owner's outcome", err, ledger.ErrFenced)
	living.advanced(t, taken, succeeded(t, taken))
}

// Goal: who takes a process's session away by hand keeps it from claiming and
// taking over, though its lease lives: the guards name the very session.
// Method: the session's key is deleted under a living lease.
func TestEvictedSession(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"claim", "takeover"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := newPrefix()
			p, other := newProcess(t, setup{prefix: prefix}), newProcess(t, setup{prefix: prefix})
			s := other.claimed(t)
			s = other.advanced(t, s, parked(t, s))
			guard, _ := p.session.Current()
			_, err := shared.Client().Delete(bounded(t), guard.Key)
			ok(t, "delete", err)
			if name == "claim" {
				_, err = p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), newKey()))
			} else {
				_, err = p.Takeover(bounded(t), s, takeoverBy(t, p.Boot(), s))
			}
			expect(t, name, err, ledger.ErrSessionLost)
			if now := other.read(t, s.Operation.Key); now.Revision != s.Revision {
				t.Errorf("the refused write moved the revisions from %+v to %+v", s.Revision, now.Revision)
			}
			if !poll(bounded(t), func() bool { now, live := p.session.Current(); return live && now.Created > guard.Created }) {
				t.Fatal("no other session was started")
			}
			p.claimed(t)
		})
	}
}

// Goal: a claim after the session was lost is refused and writes nothing; what
// is stored is still replayed; the session comes back by itself.
// Method: the lease is revoked behind the process's back.
func TestLostSessionRecovers(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, setup{prefix: prefix})
	s := p.claimed(t)
	before, _ := p.session.Current()
	_, err := p.client.Revoke(bounded(t), before.Lease)
	ok(t, "revoke", err)

	c := claimOf(t, p.Boot(), newKey())
	_, err = p.Claim(bounded(t), ledger.Snapshot{}, c)
	expect(t, "claim under a lost session", err, ledger.ErrSessionLost)
	_, err = p.Read(bounded(t), c.Operation.Key)
	expect(t, "read of what was not claimed", err, ledger.ErrNotFound)

	if !poll(bounded(t), func() bool { g, live := p.session.Current(); return live && g.Created != before.Created }) {
		t.Fatal("the session did not come back")
	}
	p.claimed(t)
	if p.read(t, s.Operation.Key).Marker.Present {
		t.Error("a marker of the lost session came back with the new one")
	}
	p.advanced(t, s, succeeded(t, s)) // the revision is still mine
}
