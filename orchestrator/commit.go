package orchestrator

import (
	"context"
	"errors"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// open claims an Authorize together with the payment that it opens (T1).
func (f *flight) open(ctx context.Context, t payment.Claim, in payment.Instruction) error {
	op, err := payment.Operation{}.Next(t)
	if err != nil {
		return err
	}
	p := payment.Open(op, in, t.At)
	p.Unique = f.o.cfg.UniqueMerchantReference && p.MerchantReference != ""
	ctx, cancel := context.WithTimeout(ctx, f.o.cfg.ClaimTimeout)
	defer cancel()
	return f.claim(ctx, ledger.Snapshot{}, ledger.Change{Operation: op, Payment: &p}, in)
}

// claim records an operation, its first attempt, and what it does to its payment
// (T1). Nothing is sent unless it returns nil: while a claim is ambiguous there
// is no intent to rely on. Then the caller is not told that nothing was done: if
// this process ends now, whoever finds the claim carries it out.
func (f *flight) claim(ctx context.Context, s ledger.Snapshot, c ledger.Change, in payment.Instruction) error {
	f.in, c = in, traced(ctx, c)
	f.o.cfg.Probe(ctx, payment.PointClaimBefore)
	for doubt := false; ; {
		if !f.ask() {
			return ledger.ErrUnavailable // the caller was told so
		}
		snap, err := f.o.cfg.Ledger.Claim(ctx, s, c)
		if err == nil {
			f.snap, f.nonce, f.fresh = snap, c.Operation.Nonce, true
			f.publish()
			f.told(false)
			f.o.cfg.Probe(ctx, payment.PointClaimAfter)
			return nil
		}
		taken, inUse := errors.AsType[*payment.KeyTakenError](err)
		doubt = !inUse && !errors.Is(err, ledger.ErrPaymentMoved) && (doubt || errors.Is(err, ledger.ErrAmbiguous))
		f.told(doubt)
		switch {
		case inUse:
			return f.o.taken(taken.Operation, taken.OwnerAlive, 1)
		// The same nonce again: a claim that was made after all is recognised.
		case transient(err) && f.pauseLedger(ctx):
		case doubt:
			return payment.OutcomePending(err)
		default:
			return err
		}
	}
}

// settle records an outcome (T2). An outcome that is not durable is not told to
// anybody.
func (f *flight) settle(ctx context.Context, d decision) error {
	f.outcomeKnown()
	f.o.cfg.Probe(ctx, payment.PointOutcomeBefore)
	d.settle.Report = f.report
	if err := f.commit(ctx, d.settle, d.apply); err != nil {
		return err
	}
	f.o.cfg.Probe(ctx, payment.PointOutcomeAfter)
	f.o.recent.wrote(f.snap)
	if !f.op().State.Answers() { // a completion whose authorization is being cancelled
		f.log().WarnContext(ctx, "operation parked", "reason", f.op().ParkReason)
		f.o.metrics.parked.Add(ctx, 1)
		return nil
	}
	f.o.metrics.outcome(ctx, f.op())
	f.logSettled(ctx)
	return nil
}

// failOver closes the attempt and opens the next, prepared one (T4).
func (f *flight) failOver(ctx context.Context, d decision) error {
	f.o.cfg.Probe(ctx, payment.PointFailoverBefore)
	t := payment.FailOver{Report: f.report, Until: d.next.Deadline.Add(f.o.cfg.OwnerGrace), Attempt: d.next} // change sets At
	if err := f.commit(ctx, t, payment.Applied{}); err != nil {
		return err
	}
	f.o.cfg.Probe(ctx, payment.PointFailoverAfter)
	f.report, f.tries, f.immediate, f.renewed, f.notBefore = payment.Report{}, 0, false, false, time.Time{}
	f.publish()
	return nil
}

// park ends the flight without an outcome (T5): nobody owns the operation, and
// it is due again later.
func (f *flight) park(ctx context.Context, reason string) error {
	f.o.cfg.Probe(ctx, payment.PointParkBefore)
	now, reason := f.o.cfg.Now(), f.lasting(reason)
	t := payment.Park{Report: f.report, Reason: reason, At: now, Due: f.o.nextLook(f.op(), now), Older: f.notBefore.Add(-f.o.cfg.TakeoverGrace)}
	if err := f.commit(ctx, t, payment.Applied{}); err != nil {
		return err
	}
	f.log().WarnContext(ctx, "operation parked", "reason", reason)
	f.o.metrics.parked.Add(ctx, 1)
	f.o.cfg.Probe(ctx, payment.PointParkAfter)
	return nil
}

// errOvertaken says that somebody else has written the operation's outcome, which
// f.snap then holds: the flight has ended, and the caller gets that answer.
var errOvertaken = errors.New("somebody else recorded the outcome")

// patience is how often a commit follows a moving payment without a pause.
const patience = 16

// commit makes a transition durable, however often the payment moves or the
// ledger is away in between. What was learned is never dropped for that.
//
// Errors: errOvertaken; *payment.KeyTakenError if somebody else owns the
// operation now; *payment.Error if the ledger stayed away.
func (f *flight) commit(ctx context.Context, t payment.Transition, applied payment.Applied) error {
	until := f.lastCommit()
	for moved := 0; ; {
		change, err := f.change(t, applied)
		if err != nil {
			return err
		}
		snap, err := f.o.cfg.Ledger.Advance(ctx, f.snap, change)
		switch {
		case err == nil:
			mine := f.snap
			f.snap, f.fresh = snap, true
			f.witness(ctx, mine.Operation) // what was taken for this write may be another's
			return nil
		case errors.Is(err, ledger.ErrPaymentMoved), errors.Is(err, ledger.ErrFenced) && onlyNoted(f.op(), snap.Operation):
			f.snap = snap // the operation is still mine: build on what there is now
			if moved++; moved > patience {
				f.pauseLedger(ctx)
			}
		case errors.Is(err, ledger.ErrFenced):
			f.o.metrics.fenced.Add(ctx, 1)
			f.log().WarnContext(ctx, "the operation was taken over")
			mine := f.snap
			f.snap = snap
			if !f.stillNews(t, mine.Operation) {
				f.witness(ctx, mine.Operation)
				f.countSends(ctx, mine.Operation)
				return f.afterFence()
			}
		case transient(err):
			f.log().WarnContext(ctx, "the ledger does not take the record", "error", err)
			if !f.o.cfg.Now().Before(until) || !f.pauseLedger(ctx) {
				return payment.OutcomePending(err)
			}
		default:
			return err
		}
	}
}

// countSends adds what this flight has sent to a record that others have written
// meanwhile, if that can still take it: a final one never changes. It is for people, so
// a record that moves again, or a ledger that is away, loses it.
func (f *flight) countSends(ctx context.Context, mine payment.Operation) {
	now := f.op()
	same := now.Current().Ordinal == mine.Current().Ordinal && now.Current().Account == mine.Current().Account
	if now.State.Final() || !same || now.Current().Sends >= f.report.Sends {
		return
	}
	change, err := f.change(payment.Note{Report: payment.Report{Sends: f.report.Sends}}, payment.Applied{})
	if err != nil {
		return
	}
	if snap, err := f.o.cfg.Ledger.Advance(ctx, f.snap, change); err == nil {
		f.snap = snap
	}
}

// onlyNoted reports whether somebody has only added to what is known about an
// operation, which is still whose it was and where it was.
func onlyNoted(mine, now payment.Operation) bool {
	return mine.Owner != "" && now.Owner == mine.Owner && now.Nonce == mine.Nonce && now.Epoch == mine.Epoch && now.State == mine.State &&
		len(now.Attempts) == len(mine.Attempts) && len(now.Current().Steps) == len(mine.Current().Steps)
}

// change applies a transition to the record and the payment, and makes the
// response bytes on entering a state that answers.
func (f *flight) change(t payment.Transition, applied payment.Applied) (ledger.Change, error) {
	now := f.o.cfg.Now()
	t, applied = f.foretold(t, applied)
	if over, ok := t.(payment.FailOver); ok {
		over.At = now // however late it gets through: past the deadline there is no other account
		t = over
	}
	if settle, ok := t.(payment.Settle); ok && f.op().Joint() && !f.op().CallsOff() {
		return f.changeBoth(settle, applied)
	}
	op, err := f.snap.Operation.Next(t)
	if err != nil {
		return ledger.Change{}, err
	}
	p, touches := f.snap.Payment, op.Touches(f.snap.Operation)
	if touches {
		if p, err = p.After(op, applied, now); err != nil {
			return ledger.Change{}, err
		}
	}
	if op.Response == nil && op.State.Answers() {
		if op.Response, err = f.o.cfg.Renderer.Render(p, op); err != nil {
			return ledger.Change{}, err
		}
	}
	if !touches {
		return ledger.Change{Operation: op}, nil // others may move the payment meanwhile
	}
	return ledger.Change{Operation: op, Payment: &p}, nil
}

// stillNews reports whether an outcome is worth recording although somebody
// else owns the operation by now: a definitive answer about the attempt that is
// still open settles it, whoever writes it.
func (f *flight) stillNews(t payment.Transition, mine payment.Operation) bool {
	settle, outcome := t.(payment.Settle)
	now := f.snap.Operation
	if now.Halted && (settle.State == payment.StateDeclined || settle.State == payment.StateFailed) {
		return false
	}
	return outcome && settle.Report.Evidence != payment.EvidenceNoEffectNotSticky &&
		!now.State.Final() && now.State != payment.StateFencing && (now.Response == nil || settle.State.Final()) &&
		now.Current().Ordinal == mine.Current().Ordinal && now.Current().Account == mine.Current().Account
}

// afterFence ends a flight that lost its operation: with the outcome that the
// winner wrote, or by sending the caller to wait for it.
func (f *flight) afterFence() error {
	if f.snap.Operation.Response != nil {
		return errOvertaken
	}
	return f.o.taken(f.snap.Operation, f.snap.Marker.Present, 1)
}

// lastCommit is until when a flight insists on recording what it learned.
func (f *flight) lastCommit() time.Time {
	op := f.op()
	if op.OwnerUntil.After(op.Deadline) {
		return op.OwnerUntil
	}
	return op.Deadline
}

// pauseLedger waits a moment before the ledger is asked again; false once ctx
// has ended. A drain does not cut it short: an outcome is worth the wait.
func (f *flight) pauseLedger(ctx context.Context) bool {
	timer := time.NewTimer(ledgerPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const ledgerPause = 200 * time.Millisecond

// transient reports an error after which the same call is repeated.
func transient(err error) bool {
	return errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrAmbiguous) || errors.Is(err, ledger.ErrSessionLost)
}
