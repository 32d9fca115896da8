package orchestrator

import (
	"context"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// blocked makes the checks that stand before every send. Each of them keeps a
// late, changed or misdirected copy of the request from going out.
func (f *flight) blocked(ctx context.Context, r dispatch) (decision, bool) {
	op, now := f.op(), f.o.cfg.Now()
	attempt := op.Current()
	account, configured := f.o.accounts[attempt.Account]
	closed, shut := f.shut()
	switch {
	case op.Halted:
		return decision{action: actionPark, reason: "a person must look first"}, true
	case !configured:
		return decision{action: actionPark, reason: "the account is no longer configured"}, true
	case !sendable(op.State, r.step, account.Traits().Fence):
		return decision{action: actionPark, reason: "the operation is " + string(op.State)}, true
	case f.apart():
		return decision{action: actionQuery, reason: "the authorization does not wait for it any more"}, true
	case shut:
		return decision{action: actionQuery, reason: closed}, true
	case account.Target() != attempt.Target:
		return decision{action: actionPark, reason: movedReason}, true
	case account.Credential() != attempt.Credential && account.Traits().KeyScope != payment.KeyScopeAccount:
		// Under another credential the key may be new to the provider.
		return decision{action: actionQuery, reason: "the credential was replaced since the intent"}, true
	case attempt.Stopped && !r.step.Fence():
		return decision{action: actionQuery, reason: stoppedReason}, true
	case !r.late && f.tooLate():
		// Nobody waits for it any more: a late charge would surprise the payer.
		return decision{action: actionQuery, reason: "too late to complete the authorization"}, true
	case !now.Before(attempt.Deadline):
		return decision{action: actionQuery, reason: "the attempt's time is used up"}, true
	}
	// Last, so that nothing but the send comes after it.
	hold, cancel := context.WithTimeout(ctx, f.o.cfg.SessionMargin)
	defer cancel()
	if err := f.o.cfg.Ledger.Hold(hold, f.o.cfg.SessionMargin); err != nil {
		f.log().WarnContext(ctx, "no send without a live session", "error", err)
		if wait := time.Second; now.Add(wait).Before(attempt.Deadline) {
			return decision{action: actionResend, wait: wait, reason: "no live session"}, true
		}
		return decision{action: actionPark, reason: "no live session"}, true
	}
	return decision{}, false
}

const stoppedReason = "the provider would answer the same again, or not know a copy as one"

const movedReason = "the account's target has changed since the intent"

// sendable reports whether a step may be sent in a state. While an authorization
// is being cancelled only cancels are; but where a cancel finds by our reference
// alone, the request itself may follow it, or what never arrived could never be
// found and never end.
func sendable(s payment.State, step payment.StepName, kind payment.FenceKind) bool {
	switch s {
	case payment.StateIntent:
		return !step.Fence()
	case payment.StateFencing:
		return step.Fence() || kind == payment.FenceByReference
	case payment.StateUnknown, payment.StatePending, payment.StateRequiresAction,
		payment.StateSucceeded, payment.StateDeclined, payment.StateFailed:
	}
	return false
}

// tooLate reports whether the operation is an authorization that nobody waits for
// any more, the payer included, or that was called off: it is looked up and cancelled, not completed.
func (f *flight) tooLate() bool {
	op := f.op()
	end := op.ResolveBy
	if op.State == payment.StateRequiresAction {
		end = f.o.actBy(op)
	}
	return op.Method == payment.MethodAuthorize && (op.CalledOff() || !f.o.cfg.Now().Before(end))
}

// actBy is until when the shopper may act.
func (o *Orchestrator) actBy(op payment.Operation) time.Time {
	return op.Created.Add(o.cfg.ActionWindow)
}
