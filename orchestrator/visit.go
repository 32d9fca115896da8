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
	f := &flight{o: o, done: make(chan struct{})}
	err := f.work(ctx, func(ctx context.Context, f *flight) error { return f.visit(ctx, key) })
	if _, taken := errors.AsType[*payment.KeyTakenError](err); taken || errors.Is(err, errOvertaken) {
		return nil // somebody else was faster
	}
	if err != nil {
		return recorded(refusal(err))
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
	case d.action == actionSettle && (op.Response == nil || d.settle.State.Final()):
		return f.settle(ctx, d)
	case d.action == actionFailOver:
		return f.goOn(ctx, d)
	case op.Halted: // a person knows
		return f.postpone(ctx, op.ParkReason)
	case stranded:
		return f.strand(ctx, reason)
	case op.Response != nil, f.o.cfg.Now().Before(f.notBefore):
		return f.postpone(ctx, cmp.Or(d.reason, "the provider has not decided yet"))
	}
	if err := f.own(ctx); err != nil {
		return err
	}
	f.o.cfg.Probe(ctx, payment.PointTakeoverAfter)
	if op.State == payment.StateFencing || f.tooLate() {
		return f.fence(ctx)
	}
	return f.drive(ctx)
}

// goOn owns the operation for what a look has decided, and drives it on.
func (f *flight) goOn(ctx context.Context, d decision) error {
	seen := f.report
	if err := f.own(ctx); err != nil {
		return err
	}
	f.report = seen
	if ended, err := f.follow(ctx, d); ended || err != nil {
		return err
	}
	return f.drive(ctx)
}

// stranded says why nothing that acquit may send can settle the operation any
// more, if that is so: looking is all that is left, and a person must know.
func (f *flight) stranded() (reason string, yes bool) {
	attempt := f.op().Current()
	account, configured := f.o.accounts[attempt.Account]
	switch {
	case !configured:
		return "the account is no longer configured", true
	case account.Target() != attempt.Target:
		return movedReason, true
	case !f.o.cfg.Now().Before(attempt.ResendNotAfter):
		return "the resend window is closed", true
	case f.op().Response == nil && f.tooLate() && account.Traits().Fence == payment.FenceNone:
		return "the provider cannot cancel what it was not seen to have", true
	}
	return "", false
}

// strand postpones the next look and tells people.
func (f *flight) strand(ctx context.Context, reason string) error {
	f.attend(ctx, f.o.concerning(f.op(), payment.AttentionStuck, f.op().Current().ProviderReference, reason))
	return f.postpone(ctx, reason)
}

// postpone says when to look again, and why the operation is not final yet. The
// owner before may still be sending, and keeps its time for that.
func (f *flight) postpone(ctx context.Context, reason string) error {
	now, op := f.o.cfg.Now(), f.op()
	due := f.o.nextLook(op, now)
	if op.Response == nil && now.Before(f.notBefore) && f.notBefore.Before(due) {
		due = f.notBefore
	}
	return f.commit(ctx, payment.Park{Report: f.report, Reason: reason, At: now, Due: due, Older: op.Current().Deadline}, payment.Applied{})
}

// nextLook is when an operation that is not final is looked at again: the older
// it is, the less often, and an authorization when it is time to cancel it.
func (o *Orchestrator) nextLook(op payment.Operation, now time.Time) time.Time {
	due := now.Add(min(max(o.cfg.ParkDelay, now.Sub(op.Created)/4), maxLook))
	if op.Method == payment.MethodAuthorize && op.Response == nil && now.Before(op.ResolveBy) {
		return earlier(due, op.ResolveBy)
	}
	return due
}
