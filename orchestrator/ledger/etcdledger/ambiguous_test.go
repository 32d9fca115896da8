package etcdledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// kind is one kind of write of a process, ready to be made and repeated.
type kind struct {
	name  string
	ready func(t *testing.T, p, other *process) (ledger.Snapshot, ledger.Change)
	write func(p *process, ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error)
}

func (p *process) claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	return p.Claim(ctx, s, c)
}

func (p *process) takeover(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	return p.Takeover(ctx, s, c)
}

func (p *process) advance(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	return p.Advance(ctx, s, c)
}

func kinds() []kind {
	advance := func(name string, change func(*testing.T, ledger.Snapshot) ledger.Change) kind {
		return kind{name, func(t *testing.T, p, _ *process) (ledger.Snapshot, ledger.Change) {
			t.Helper()
			s := p.claimed(t)
			return s, change(t, s)
		}, (*process).advance}
	}
	return []kind{
		{"claim", func(t *testing.T, p, _ *process) (ledger.Snapshot, ledger.Change) {
			t.Helper()
			return ledger.Snapshot{}, claimOf(t, p.Boot(), newKey())
		}, (*process).claim},
		{"takeover", func(t *testing.T, p, other *process) (ledger.Snapshot, ledger.Change) {
			t.Helper()
			s := other.claimed(t)
			s = other.advanced(t, s, parked(t, s))
			return s, takeoverBy(t, p.Boot(), s)
		}, (*process).takeover},
		advance("outcome", succeeded),
		advance("park", parked),
		advance("failover", failedOver),
		advance("note", noted),
		advance("note of an event", told(noted)),
		advance("late outcome", told(succeeded)),
	}
}

// patient finds out about a lost answer however slow the machine is.
func patient(prefix string) setup {
	return setup{prefix: prefix, ledger: etcdledger.Config{SettleLimit: limit}}
}

// patientPair is a patient process and another one on the same ledger.
func patientPair(t *testing.T) (p, other *process) {
	t.Helper()
	prefix := newPrefix()
	return newProcess(t, patient(prefix)), newProcess(t, setup{prefix: prefix})
}

// madeOnce checks that one record was made of c, and that the snapshot which came back
// guards the next write.
func (p *process) madeOnce(t *testing.T, got ledger.Snapshot, c ledger.Change) {
	t.Helper()
	now := p.read(t, c.Operation.Key)
	if diff := cmp.Diff(now, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the snapshot that came back is not the present one (-present +back):\n%s", diff)
	}
	if diff := cmp.Diff(c.Operation, now.Operation, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the record is not what was written (-written +record):\n%s", diff)
	}
	if c.Payment != nil && now.Payment.Version != c.Payment.Version {
		t.Errorf("the payment is at version %d, want %d: written more than once, or not at all", now.Payment.Version, c.Payment.Version)
	}
	if now.Operation.Owner != "" {
		next := p.advanced(t, got, parked(t, got))
		if next.Revision.Operation == got.Revision.Operation {
			t.Error("the next write has the same revision")
		}
	}
}

// Goal: a commit whose answer gets lost ends in one record and a snapshot that
// guards the next write, whether it was made or not, and however often.
// Method: etcd's client loses the answer before or after passing the write on.
func TestLostAnswerIsClearedUp(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		for name, lost := range map[string]fault{
			"made":                       {applied: true},
			"not made":                   {},
			"made, as a deadline":        {applied: true, err: context.DeadlineExceeded},
			"made, by a failing etcd":    {applied: true, err: rpctypes.ErrTimeout},
			"not made, by a failing one": {err: rpctypes.ErrLeaderChanged},
			"delayed behind the next":    {late: true},
			"made, out of space":         {applied: true, err: rpctypes.ErrNoSpace},
		} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				p, other := patientPair(t)
				s, c := k.ready(t, p, other)
				p.kv.set(&lost)
				got, err := k.write(p, bounded(t), s, c)
				ok(t, k.name, err)
				p.madeOnce(t, got, c)
			})
		}
	}
}

// Goal: a caller that goes away during a commit does not leave it in the dark.
// Method: the context ends while the answer is on its way; what comes back is
// still what happened.
func TestCallerGoingAwayIsClearedUp(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		for name, applied := range map[string]bool{"made": true, "not made": false} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				p, other := patientPair(t)
				s, c := k.ready(t, p, other)
				ctx, leave := context.WithCancel(bounded(t))
				p.kv.set(&fault{applied: applied, between: leave, err: context.Canceled})
				got, err := k.write(p, ctx, s, c)
				ok(t, k.name, err)
				p.madeOnce(t, got, c)
			})
		}
	}
}

// Goal: a revision is adopted only if the record is this write's own doing.
// Method: between a lost answer and the read-back somebody else takes the
// operation over, once after the write was made and once instead of it.
func TestReadBackNeverAdoptsAnothersWrite(t *testing.T) {
	t.Parallel()
	for _, k := range kinds()[1:] {
		for name, applied := range map[string]bool{"made": true, "not made": false} {
			if (k.name == "outcome" || k.name == "late outcome") && applied {
				continue // it is final: nobody takes it over
			}
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				p, other := patientPair(t)
				s, c := k.ready(t, p, other)
				var theirs ledger.Snapshot
				p.kv.set(&fault{applied: applied, between: func() { theirs = other.takenOver(t, other.read(t, c.Operation.Key)) }})
				present, err := k.write(p, bounded(t), s, c)
				expect(t, k.name, err, ledger.ErrFenced)
				if diff := cmp.Diff(theirs, present, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("told of another record than the present one (-present +told):\n%s", diff)
				}
			})
		}
	}
	t.Run("claim not made", func(t *testing.T) {
		t.Parallel()
		p, other := patientPair(t)
		key := newKey()
		var theirs ledger.Snapshot
		p.kv.set(&fault{between: func() {
			var err error
			theirs, err = other.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, other.Boot(), key))
			ok(t, "the other's claim", err)
		}})
		_, err := p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), key))
		taken := keyTaken(t, err)
		if taken.Operation.Nonce != theirs.Operation.Nonce || !taken.OwnerAlive {
			t.Errorf("told of nonce %q, alive %v; want %q, true", taken.Operation.Nonce, taken.OwnerAlive, theirs.Operation.Nonce)
		}
	})
}

// Goal: while nobody can tell, the ledger says so, within its own limit and not
// the caller's, and the same call again tells.
// Method: everything after the write gets lost, then the connection is back.
func TestUnknownFateIsAmbiguous(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		for name, applied := range map[string]bool{"made": true, "not made": false} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				prefix := newPrefix()
				p, other := newProcess(t, setup{prefix: prefix}), newProcess(t, setup{prefix: prefix})
				s, c := k.ready(t, p, other)
				p.kv.set(&fault{applied: applied, andAllAfter: true})
				began := time.Now()
				_, err := k.write(p, context.Background(), s, c)
				expect(t, k.name, err, ledger.ErrAmbiguous)
				if took := time.Since(began); took > limit {
					t.Errorf("it took %s to say so", took)
				}
				p.kv.set(nil)
				got, err := k.write(p, bounded(t), s, c)
				ok(t, "the same "+k.name+" again", err)
				p.madeOnce(t, got, c)
			})
		}
	}
}

// Goal: out of space refuses claims as full and outcomes as not made yet, and
// in both cases nothing was written.
// Method: etcd says so without making the write.
func TestOutOfSpace(t *testing.T) {
	t.Parallel()
	p := newProcess(t, patient(newPrefix()))
	s := p.claimed(t)

	p.kv.set(&fault{err: rpctypes.ErrNoSpace})
	c := claimOf(t, p.Boot(), newKey())
	_, err := p.Claim(bounded(t), ledger.Snapshot{}, c)
	expect(t, "claim", err, ledger.ErrFull)
	_, err = p.Read(bounded(t), c.Operation.Key)
	expect(t, "read", err, ledger.ErrNotFound)

	p.kv.set(&fault{err: rpctypes.ErrNoSpace})
	_, err = p.Advance(bounded(t), s, succeeded(t, s))
	expect(t, "outcome", err, ledger.ErrUnavailable)
	p.madeOnce(t, p.advanced(t, s, succeeded(t, s)), succeeded(t, s))
}

// Goal: what etcd itself refuses is told at once and for certain; what anybody
// else says proves nothing.
// Method: such an answer to a claim that was not passed on, and a count of what
// etcd got to see.
func TestRefusalsAreDefinite(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"too many requests": rpctypes.ErrTooManyRequests,
		"too large":         rpctypes.ErrRequestTooLarge,
		"not permitted":     rpctypes.ErrPermissionDenied,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, setup{prefix: newPrefix()})
			c := claimOf(t, p.Boot(), newKey())
			p.kv.set(&fault{err: refusal})
			_, err := p.Claim(bounded(t), ledger.Snapshot{}, c)
			expect(t, "claim", err, ledger.ErrUnavailable)
			_, err = p.Read(bounded(t), c.Operation.Key)
			expect(t, "read after it", err, ledger.ErrNotFound)
		})
	}
}

func keyTaken(t *testing.T, err error) *payment.KeyTakenError {
	t.Helper()
	taken, ok := errors.AsType[*payment.KeyTakenError](err)
	if !ok {
		t.Fatalf("claim: got error %v, want a KeyTakenError", err)
	}
	return taken
}
