package orchestrator

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Resume takes over an operation that nobody works on and brings it on: query,
// then the same request under the same key, else parked again. The recorded
// account is kept; routing is not asked again.
//
// Errors: *payment.KeyTakenError if somebody owns or has answered it after all;
// *payment.Error, which is OUTCOME_PENDING while the ledger is away: an earlier
// call may have had its effect.
func (o *Orchestrator) Resume(ctx context.Context, op payment.Operation) (payment.Reply, error) {
	reply, err := o.detach(ctx, op.Key, func(ctx context.Context, f *flight) error {
		working, err := f.takeOver(ctx, op.Key)
		if err != nil || !working {
			return err
		}
		o.cfg.Probe(ctx, payment.PointTakeoverAfter)
		return f.resume(ctx)
	})
	return reply, payment.Recorded(err)
}

// resume asks the provider first: most of what was left behind has happened.
func (f *flight) resume(ctx context.Context) error {
	if f.op().CallsOff() {
		return f.callOff(ctx)
	}
	d, err := f.query(ctx)
	if err != nil {
		return err
	}
	if d.action == actionFailOver || f.settles(d) { // else the look-up did not tell
		if ended, err := f.follow(ctx, d); ended || err != nil {
			return err
		}
	}
	if f.tooLate() {
		return f.fence(ctx)
	}
	return f.drive(ctx)
}

// takeOver makes this flight the owner for a caller that came back. It answers
// false when there is nothing that a caller's retry can bring on: the operation
// is being cancelled, or waits for a person. One that has its response by now is a
// key that is taken, so that its caller is told that the answer is a replay.
func (f *flight) takeOver(ctx context.Context, key payment.OperationKey) (bool, error) {
	snap, err := f.o.cfg.Ledger.Read(ctx, key)
	if err != nil {
		return false, err
	}
	f.snap = snap
	if snap.Operation.Response != nil {
		return false, f.o.taken(snap.Operation, snap.Marker.Present, 1)
	}
	if snap.Operation.State == payment.StateFencing || snap.Operation.Halted {
		return false, nil
	}
	if !f.o.orphaned(snap) {
		return false, &payment.KeyTakenError{Operation: snap.Operation, OwnerAlive: true}
	}
	if err := f.unseal(); err != nil {
		return false, err
	}
	return true, f.own(ctx)
}

// own makes this flight the owner of the operation as it was read (T3), and
// begins what is known about its open attempt from the record.
func (f *flight) own(ctx context.Context) error {
	next, err := f.ownedAgain()
	if err != nil {
		return err
	}
	if err := f.become(ctx, next); err != nil {
		return err
	}
	f.publish()
	f.o.metrics.takeovers.Add(ctx, 1)
	f.log().InfoContext(ctx, "operation taken over", "epoch", next.Epoch)
	return nil
}

// become writes the takeover, repeating it while the ledger's answers are lost:
// one that was made after all would block the key for others.
func (f *flight) become(ctx context.Context, next payment.Operation) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.cfg.ClaimTimeout)
	defer cancel()
	for {
		taken, err := f.o.cfg.Ledger.Takeover(ctx, f.snap, ledger.Change{Operation: next})
		switch {
		case err == nil:
			// A takeover does not compare the parent: that may have moved since it was read.
			f.snap, f.nonce, f.fresh = taken, next.Nonce, !next.Joint()
			return nil
		case errors.Is(err, ledger.ErrFenced):
			return f.o.taken(taken.Operation, taken.Marker.Present, 1)
		case !transient(err) || !f.pauseLedger(ctx):
			return err
		}
	}
}

// ownedAgain is the operation under this flight. The old owner may still wait
// for its answer: until its attempt's deadline a resend would only meet a key in
// use, so this flight's time starts after that.
func (f *flight) ownedAgain() (payment.Operation, error) {
	op, now := f.snap.Operation, f.o.cfg.Now()
	f.notBefore = op.Current().Deadline.Add(f.o.cfg.TakeoverGrace)
	start := now
	if f.notBefore.After(now) {
		start = f.notBefore
	}
	f.report = known(op)
	deadline := start.Add(f.o.cfg.AttemptBudget)
	return op.Next(payment.TakeOver{Owner: f.o.ownership(deadline), Deadline: deadline})
}

// known is what the record says about the open attempt's sends.
func known(op payment.Operation) payment.Report {
	attempt := op.Current()
	return payment.Report{Sends: attempt.Sends, Uncertain: attempt.Uncertain}
}

// orphaned reports whether an operation may be taken over by a flight that
// asks: nobody holds its marker, or this process does without working on it, or
// its owner has had its time. So a marker that never goes cannot block a key for
// ever.
func (o *Orchestrator) orphaned(s ledger.Snapshot) bool {
	return !o.alive(s.Operation, s.Marker.Present, 1) || o.cfg.Now().After(s.Operation.OwnerUntil)
}

// alive reports whether somebody works on the operation. Of this process's own
// the flights tell: a marker may have been left behind, and a flight may go on
// whose marker went with a lease. Of others only the marker tells. asking is how
// many flights of this process about the key are the asker's own.
func (o *Orchestrator) alive(op payment.Operation, marker bool, asking int) bool {
	if op.Owner != "" && op.Owner == o.cfg.Ledger.Boot() {
		return o.flights.count(op.Key) > asking
	}
	return marker
}

// taken tells the holder of a key what stands under it, and whether to wait.
func (o *Orchestrator) taken(op payment.Operation, marker bool, asking int) error {
	return &payment.KeyTakenError{Operation: op, OwnerAlive: o.alive(op, marker, asking)}
}
