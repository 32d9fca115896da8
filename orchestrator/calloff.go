package orchestrator

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// mayCallOff refuses a void of an authorization that has not ended where that cannot
// be cancelled, before anything is recorded. The cancel needs what every send needs,
// and cannot wait for another process: see blocked.
func (o *Orchestrator) mayCallOff(account Account, parent payment.Operation) error {
	attempt, traits := parent.Current(), account.Traits()
	unnamed := traits.Fence == payment.FenceByObject && attempt.ProviderReference == ""
	switch {
	case traits.Fence == payment.FenceNone || unnamed:
		return &payment.Error{
			Reason:  payment.ReasonUnsupportedByProvider,
			Message: fmt.Sprintf("the provider of account %s cannot cancel an authorization that is %s", account.Name(), parent.State),
		}
	case !o.cfg.Now().Add(o.clock.back()).Before(attempt.ResendNotAfter),
		account.Credential() != attempt.Credential && traits.KeyScope != payment.KeyScopeAccount:
		return &payment.Error{
			Reason:  payment.ReasonNotVoidable,
			Message: "nothing more may be sent for the authorization, so that it ends by itself; void it then",
		}
	}
	return nil
}

// calledOff is the authorization once a void has joined it, or why that cannot be.
func calledOff(parent, void payment.Operation) (payment.Operation, error) {
	switch {
	case parent.Child != "":
		return parent, &payment.Error{Reason: payment.ReasonNotVoidable, Message: "a completion of the payment is open"}
	case parent.Owner != "" || parent.Halted:
		return parent, &payment.Error{
			Reason: payment.ReasonParentUnknown, RetryAfter: time.Second,
			Message: "the authorization is about to be cancelled, or a person must look first; try again with the same key",
		}
	}
	return parent.Next(payment.Join{Child: void.Key.ID, At: void.Created})
}

// callOff has the authorization of a void cancelled, by the flight that owns the void,
// and ends the void if that has ended.
func (f *flight) callOff(ctx context.Context) error {
	// Whoever answered for the authorization may still have a copy of it in the air.
	quiet := f.snap.Parent.Current().Deadline.Add(f.o.cfg.TakeoverGrace)
	if !f.snap.Parent.State.Final() && !f.pause(quiet) {
		return f.park(ctx, drainReason)
	}
	d, err := f.cancelParent(ctx)
	if err != nil {
		return err
	}
	_, err = f.follow(ctx, d)
	return err
}

// revisitCallOff looks after a void that nobody works on.
func (f *flight) revisitCallOff(ctx context.Context) error {
	d, err := f.cancelParent(ctx)
	if err != nil {
		return err
	}
	if d.action == actionSettle {
		return f.settle(ctx, d)
	}
	return f.postpone(ctx, d.reason)
}

// cancelParent visits the authorization that the void has called off, which cancels it
// as one that nobody waits for, and decides about the void as that stands then. The
// visit is one like any other: what it learns is recorded with the authorization.
func (f *flight) cancelParent(ctx context.Context) (decision, error) {
	if !f.snap.Parent.State.Final() {
		if err := f.o.Visit(ctx, f.snap.Parent.Key); err != nil {
			f.log().WarnContext(ctx, "the authorization that is called off could not be visited", "error", err)
		}
		f.fresh = false
		if err := f.overtaken(ctx); err != nil {
			return decision{}, err
		}
	}
	parent := f.snap.Parent
	if !parent.State.Final() {
		return decision{action: actionPark, reason: cmp.Or(parent.ParkReason, "the authorization is "+string(parent.State))}, nil
	}
	end := parent.EndCallOff(known(f.op()), f.o.cfg.Now())
	f.report = end.Report
	return decision{action: actionSettle, settle: end, apply: payment.Applied{Amount: f.op().Amount}}, nil
}
