package orchestrator

import (
	"context"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// fence cancels an authorization that nobody waits for any more, so that no late
// charge appears: the decision is recorded (T7), the cancel is sent, and nothing
// settles the operation but the object as it is read after that. What does not
// settle stays as it is and is visited again, which sends the same cancel again.
// This flight owns the operation.
func (f *flight) fence(ctx context.Context) error {
	if f.op().State != payment.StateFencing {
		if ended, err := f.beginFence(ctx); ended || err != nil {
			return err
		}
	}
	if ended, err := f.cancel(ctx); ended || err != nil {
		return err
	}
	// This cancel will not be executed any more. What has not arrived could
	// still do so: where the cancel finds it by our reference alone it is sent
	// again, and then cancelled by a cancel with a key of its own.
	if f.account().Traits().Fence == payment.FenceByReference && !f.takes() && !f.op().Current().Stopped {
		if ended, err := f.arrive(ctx); ended || err != nil {
			return err
		}
	}
	if err := f.decideFence(ctx); err != nil {
		return err
	}
	if ended, err := f.cancel(ctx); ended || err != nil {
		return err
	}
	return f.park(ctx, "the cancel was refused")
}

// arrive sends the request once more under its key, so that there is something
// that a cancel by our reference can find. Whatever is said, the object after the
// next cancel decides; but where nothing can be looked up, that the request was
// refused for good is all that will ever be said.
func (f *flight) arrive(ctx context.Context) (ended bool, err error) {
	sent := false
	d, err := f.put(ctx, dispatch{step: payment.StepMain, late: true, next: func(a payment.Answer, v payment.Verdict) (decision, error) {
		sent = true
		if v.Evidence == payment.EvidenceNoEffectSticky && !f.account().Traits().Query {
			return f.negative(a, v)
		}
		return decision{action: actionQuery}, nil
	}})
	if err != nil {
		return true, err
	}
	if !sent || d.action == actionSettle {
		return f.followOrPark(ctx, d)
	}
	return false, nil
}

// beginFence records that the authorization is to be cancelled, once there is
// something that a cancel can name. It reports true when the flight has ended.
func (f *flight) beginFence(ctx context.Context) (ended bool, err error) {
	if !f.pause(f.notBefore) { // the owner before may still get its answer
		return true, f.park(ctx, drainReason)
	}
	account := f.account()
	if account == nil || account.Traits().Fence == payment.FenceNone {
		return true, f.park(ctx, "the provider cannot cancel what it was not seen to have")
	}
	if account.Traits().Fence == payment.FenceByObject && f.object() == "" {
		if f.takes() {
			return true, f.park(ctx, lateReason)
		}
		if ended, err := f.recall(ctx); ended || err != nil {
			return ended, err
		}
	}
	return false, f.decideFence(ctx)
}

// recall sends the request once more under its key, to learn from the answer
// which object is to be cancelled. An answer that proves that there is none ends
// the flight.
func (f *flight) recall(ctx context.Context) (ended bool, err error) {
	d, err := f.put(ctx, dispatch{step: payment.StepMain, late: true, next: func(a payment.Answer, v payment.Verdict) (decision, error) {
		if v.Evidence == payment.EvidenceNoEffectSticky {
			return f.negative(a, v)
		}
		return decision{action: actionPark, reason: "the provider's id of it is not known, so that it cannot be cancelled"}, nil
	}})
	if err != nil {
		return true, err
	}
	if d.action == actionSettle || f.object() == "" {
		return f.followOrPark(ctx, d)
	}
	return false, nil
}

// takes reports whether the request takes the money at once: sent now it could be
// a late charge that no cancel undoes, so it is not sent any more.
func (f *flight) takes() bool {
	account := f.account()
	return f.in.CaptureMode == payment.CaptureAutomatic && (account == nil || !account.Traits().ShopperFirst)
}

const lateReason = "it takes the money at once, so it is not sent again; and there is nothing known to cancel"

// followOrPark ends the flight with a decision, which is to settle, or parks it.
func (f *flight) followOrPark(ctx context.Context, d decision) (ended bool, err error) {
	if d.action == actionSettle {
		return true, f.settle(ctx, d)
	}
	return true, f.park(ctx, d.reason)
}

// decideFence records the next cancel with its key and bytes before it is sent (T7).
func (f *flight) decideFence(ctx context.Context) error {
	op, account := f.op(), f.account()
	attempt, call := op.Current(), callOf(op, f.in)
	name := payment.StepCancel(len(attempt.Steps)) // beside the request itself
	step := payment.Step{Name: name}
	step.Key, step.KeyVersion = f.o.cfg.Keys.ProviderKey(call.Tenant, call.Method, call.Key, attempt.Account, name)
	if account.Traits().Fence == payment.FenceByObject {
		step.Object = f.object()
	}
	hash, err := account.Prepare(sendOf(attempt, step, op.Method, op.PaymentID, op.Amount, f.in))
	if err != nil {
		return fmt.Errorf("prepare the cancel: %w", err)
	}
	step.RequestHash = hash
	if err := f.commit(ctx, payment.Fence{Report: f.report, Step: step}, payment.Applied{}); err != nil {
		return err
	}
	f.o.metrics.fences.Add(ctx, 1)
	f.log().WarnContext(ctx, "authorization is being cancelled", "step", string(name))
	f.publish()
	f.o.cfg.Probe(ctx, payment.PointFenceAfter)
	return nil
}

// cancel sends the newest cancel and reads the object after it. It ends the
// flight, with the outcome that the object shows or parked, unless the provider
// refused the cancel for good, or its key is spent, and the object does not show why.
func (f *flight) cancel(ctx context.Context) (ended bool, err error) {
	steps, refused := f.op().Current().Steps, false
	if steps[len(steps)-1].Refused { // as an event has told
		return false, nil
	}
	d, err := f.put(ctx, dispatch{step: steps[len(steps)-1].Name, late: true, next: func(a payment.Answer, v payment.Verdict) (decision, error) {
		refused = v.Evidence == payment.EvidenceNoEffectSticky || f.spent(a)
		return decision{action: actionQuery, reason: "waiting for the cancel"}, nil
	}})
	if err != nil {
		return true, err
	}
	if d.action != actionQuery { // nothing was sent
		return true, f.park(ctx, d.reason)
	}
	found, err := f.query(ctx)
	if err != nil {
		return true, err
	}
	if found.action != actionSettle && refused {
		return false, nil
	}
	found.reason = d.reason + "; " + found.reason
	return f.followOrPark(ctx, found)
}

// spent reports whether every further copy of a cancel will bring the answer that
// this one brought, as a failure that the provider has stored under its key does.
// Only a cancel under another key can then be executed, which is safe where it
// names the object: cancelled twice it is cancelled once.
func (f *flight) spent(a payment.Answer) bool {
	return a.Hint == payment.HintStop && f.account().Traits().Fence == payment.FenceByObject
}

// object is the provider's id of what the open attempt made, "" if nobody knows it.
func (f *flight) object() payment.ProviderReference {
	if f.report.ProviderReference != "" {
		return f.report.ProviderReference
	}
	return f.op().Current().ProviderReference
}
