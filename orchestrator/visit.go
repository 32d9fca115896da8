package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// maxLook bounds how long an operation that is not final is left alone.
const maxLook = time.Hour

// maxPending is how long a provider may take to decide before a person is told.
const maxPending = 7 * 24 * time.Hour

// Visit looks after an operation that is due and that nobody works on: it asks
// the provider, settles what is proven, completes what the caller asked for while
// that is safe, cancels an authorization that nobody waits for any more, and
// otherwise says when to look again and why. An operation that is final, or whose
// owner lives, is left alone. The recorded account is kept.
//
// Anybody may look, and what a look proves may be recorded without owning the
// operation; it is owned only for a send.
//
// Errors: *payment.Error if this process is full or draining, or the ledger is
// away; the operation then stays due.
func (o *Orchestrator) Visit(ctx context.Context, key payment.OperationKey) error {
	if err := o.flights.enter(key); err != nil {
		return err
	}
	defer o.flights.leave(key)
	f := &flight{o: o, done: make(chan struct{}), back: o.clock.back()}
	err := f.work(ctx, func(ctx context.Context, f *flight) error { return f.visit(ctx, key) })
	if _, taken := errors.AsType[*payment.KeyTakenError](err); taken || errors.Is(err, errOvertaken) {
		return nil // somebody else was faster
	}
	if err != nil {
		return payment.Recorded(refusal(err))
	}
	return nil
}

func (f *flight) visit(ctx context.Context, key payment.OperationKey) error {
	snap, err := f.o.cfg.Ledger.Read(ctx, key)
	if err != nil {
		return err
	}
	f.snap = snap
	op := f.op()
	if op.State.Final() || !f.o.orphaned(snap) {
		return nil
	}
	f.report, f.notBefore = known(op), op.Current().Deadline.Add(f.o.cfg.TakeoverGrace)
	if op.CallsOff() {
		return f.revisitCallOff(ctx)
	}
	if err := f.unseal(); err != nil {
		f.log().ErrorContext(ctx, "the stored request cannot be read", "error", err)
		return f.strand(ctx, "the stored request cannot be read")
	}
	d, err := f.query(ctx)
	if err != nil {
		return err
	}
	reason, stranded := f.stranded()
	switch {
	case op.Halted && d.settle.State != payment.StateSucceeded: // a person knows
		return f.postpone(ctx, op.ParkReason)
	case f.settles(d):
		return f.settle(ctx, d)
	case d.action == actionFailOver:
		return f.goOn(ctx, d)
	case f.apart() || f.onlyLooks(): // nothing would be sent
		return f.postpone(ctx, d.reason)
	case stranded:
		return f.strand(ctx, reason)
	case f.othersDecide(), f.o.cfg.Now().Before(f.notBefore):
		return f.postpone(ctx, cmp.Or(d.reason, "the provider has not decided yet"))
	}
	if f.childAtWork(ctx) {
		return f.postpone(ctx, "a completion is under way")
	}
	if err := f.ownSeen(ctx); err != nil {
		return err
	}
	f.o.cfg.Probe(ctx, payment.PointTakeoverAfter)
	if op.State == payment.StateFencing || f.tooLate() {
		return f.fence(ctx)
	}
	return f.drive(ctx)
}

// settles reports whether a look has decided what is to be recorded. That the
// provider has accepted an authorization is not enough when nobody waits for it any
// more and it can be cancelled: it would still become a late charge.
func (f *flight) settles(d decision) bool {
	if d.action != actionSettle {
		return false
	}
	account := f.account()
	cancellable := account != nil && account.Traits().Fence != payment.FenceNone
	return d.settle.State.Final() || (f.op().Response == nil && (!f.tooLate() || !cancellable))
}

// unfinished reports whether the shopper has not acted in time, so that the
// authorization is to be cancelled: also one that was declined, as long as the
// shopper could try again. One that is called off is, pending or not.
func (f *flight) unfinished() bool {
	account := f.account()
	waits := f.op().State == payment.StateRequiresAction && !f.acted() || f.op().CalledOff()
	return waits && f.tooLate() && account != nil && account.Traits().Fence != payment.FenceNone
}

// acted reports whether this flight has seen that the shopper has acted, and the
// provider is at work: a cancel would come too late, or take from them what they did.
func (f *flight) acted() bool {
	row, known := f.o.cfg.Table.Row(f.report.MappingRow)
	return known && f.report.Evidence == payment.EvidencePending && row.Category == payment.CategoryInFlight
}

// othersDecide reports whether the provider or the shopper is to decide, in time, so
// that nothing is sent.
func (f *flight) othersDecide() bool {
	op := f.op()
	return (op.State == payment.StatePending || op.State == payment.StateRequiresAction) && !f.unfinished()
}

// goOn owns the operation for what a look has decided, and drives it on.
func (f *flight) goOn(ctx context.Context, d decision) error {
	if err := f.ownSeen(ctx); err != nil {
		return err
	}
	if ended, err := f.follow(ctx, d); ended || err != nil {
		return err
	}
	return f.drive(ctx)
}

// ownSeen owns the operation and keeps what a look has shown of it.
func (f *flight) ownSeen(ctx context.Context) error {
	seen := f.report
	err := f.own(ctx)
	f.report = seen
	return err
}

// stranded says why nothing that acquit may send can settle the operation any
// more, if that is so: looking is all that is left, and a person must know.
func (f *flight) stranded() (reason string, yes bool) {
	attempt := f.op().Current()
	account, configured := f.o.accounts[attempt.Account]
	closed, shut := f.shut()
	switch {
	case !configured:
		return "the account is no longer configured", true
	case account.Target() != attempt.Target:
		return movedReason, true
	case f.othersDecide():
		return "the provider has not decided for long", !f.o.cfg.Now().Before(f.op().Created.Add(maxPending))
	case attempt.Stopped && !account.Traits().Finds(f.op().Method, f.object()) && f.op().Method != payment.MethodAuthorize:
		return stoppedReason, true
	case shut:
		return closed, true
	case account.Credential() != attempt.Credential && account.Traits().KeyScope != payment.KeyScopeAccount:
		return "the credential was replaced since the intent", true
	case f.tooLate() && account.Traits().Fence == payment.FenceNone:
		return "the provider cannot cancel what it was not seen to have", true
	case f.tooLate() && f.takes() && account.Traits().Fence == payment.FenceByObject && f.object() == "":
		return lateReason, true
	}
	return "", false
}

// strand postpones the next look and tells people.
func (f *flight) strand(ctx context.Context, reason string) error {
	reason = f.lasting(reason)
	f.attend(ctx, f.o.concerning(f.op(), payment.AttentionStuck, f.op().Current().ProviderReference, reason))
	return f.postpone(ctx, reason)
}

// lasting adds to a reason, for people, what the table says of an answer that keeps
// coming, such as a 500 that means another environment.
func (f *flight) lasting(reason string) string {
	row, _ := f.o.cfg.Table.Row(cmp.Or(f.report.MappingRow, f.op().Current().MappingRow))
	if hint := row.Lasting(); hint != "" {
		return reason + "; " + hint
	}
	return reason
}

// postpone says when to look again, and why the operation is not final yet. The
// owner before may still be sending, and keeps its time for that.
func (f *flight) postpone(ctx context.Context, reason string) error {
	now, op := f.o.cfg.Now(), f.op()
	due := f.o.nextLook(op, now)
	if (op.Response == nil || op.CalledOff()) && now.Before(f.notBefore) && f.notBefore.Before(due) {
		due = f.notBefore
	}
	return f.commit(ctx, payment.Park{Report: f.report, Reason: reason, At: now, Due: due, Older: op.Current().Deadline}, payment.Applied{})
}

// nextLook is when an operation that is not final is looked at again: the older
// it is, the less often, and an authorization when it is time to cancel it.
func (o *Orchestrator) nextLook(op payment.Operation, now time.Time) time.Time {
	due := now.Add(min(max(o.cfg.ParkDelay, now.Sub(op.Created)/4), maxLook))
	end := op.ResolveBy
	if op.State == payment.StateRequiresAction {
		end = o.actBy(op)
	}
	if op.Method == payment.MethodAuthorize && op.State != payment.StatePending && now.Before(end) {
		return earlier(due, end)
	}
	return due
}
