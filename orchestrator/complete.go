package orchestrator

import (
	"context"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Complete goes on with an authorization after the shopper acted: the provider is
// sent what the shopper brought back, or is asked what it knows already. It never
// charges anew, for it has no effect of its own: what it learns is the outcome of the
// authorization, and both are written at once.
//
// While it works it is the authorization's only child. How the two meet:
//
//   - A webhook or a look settles the authorization first: the completion ends the
//     same way, whatever it was answered, and sends nothing more.
//   - The shopper's time is over while it works: the authorization is left alone until
//     no send of the completion can be in the air any more, and is cancelled then.
//   - The authorization is being cancelled: nothing more is sent, and what was answered
//     settles nothing, for the cancel may still undo it. The object as it is after the
//     cancel decides about both. A copy of the completion that arrives later finds an
//     authorization that is cancelled.
//   - Its outcome is unknown: the authorization goes on waiting, with it as its child;
//     it is sent again under its key, until one of the above happens.
//   - The shopper must act again: that is its answer, and another key may complete.
//
// Replies and errors are as for Capture, with ReasonNotCompletable where the payment
// does not wait for the shopper, or another completion of it is open.
func (o *Orchestrator) Complete(ctx context.Context, call payment.Call, order payment.Order) (payment.Reply, error) {
	return o.carryOut(ctx, call, order)
}

// joining reads the authorization that an operation is to be one with, and makes the
// snapshot that the claim is made from.
func (o *Orchestrator) joining(ctx context.Context, ops []payment.Operation) (ledger.Snapshot, []payment.Operation, error) {
	snap, err := o.cfg.Ledger.Read(ctx, ops[0].Key)
	if err != nil {
		return ledger.Snapshot{}, nil, err
	}
	return snap.ForChild(), []payment.Operation{snap.Operation}, nil
}

// joined is the authorization once a completion has joined it, or why that cannot be.
func joined(parent, child payment.Operation) (payment.Operation, error) {
	switch {
	case parent.Child != "":
		return parent, &payment.Error{Reason: payment.ReasonNotCompletable, Message: "another completion or a void of the payment is open"}
	case parent.Owner != "" || parent.Halted:
		return parent, &payment.Error{
			Reason: payment.ReasonParentUnknown, RetryAfter: time.Second,
			Message: "the authorization is about to be cancelled, or a person must look first; try again with the same key",
		}
	}
	return parent.Next(payment.Join{Child: child.Key.ID})
}

// lookOnly is the attempt of an operation that sends nothing: its one step only says so.
func (o *Orchestrator) lookOnly(account Account, q nextAttempt) payment.Attempt {
	a := o.attempt(account, q)
	a.Steps = []payment.Step{{Name: payment.StepLook}}
	return a
}

// onlyLooks reports whether the operation sends nothing.
func (f *flight) onlyLooks() bool {
	_, looks := f.op().Current().Step(payment.StepLook)
	return looks
}

// apart reports whether the operation is a completion whose authorization does not
// wait for it any more, as far as this flight knows.
func (f *flight) apart() bool {
	return f.op().Joint() && !f.snap.Parent.WaitsFor(f.op().Key.ID)
}

// parentTold decides what a completion need not ask the provider: its authorization
// has ended, or does not wait for it any more.
func (f *flight) parentTold() (decision, bool) {
	parent := f.snap.Parent
	switch {
	case !f.apart():
		return decision{}, false
	case parent.State.Final():
		return decision{action: actionSettle, settle: parent.SameEnd(known(f.op()), f.o.cfg.Now())}, true
	}
	return decision{action: actionPark, reason: "the authorization is " + string(parent.State)}, true
}

// question is what a look-up asks about: of a completion the object of its authorization.
func (f *flight) question() payment.Send {
	op, of := f.op(), f.op()
	if op.Joint() {
		of = f.snap.Parent
	}
	attempt := of.Current()
	step, _ := attempt.Step(payment.StepMain)
	s := sendOf(attempt, step, of.Method, op.PaymentID, op.Amount, f.in)
	s.ProviderReference = attempt.ProviderReference
	return s
}

// stillOpen decides about a completion whose authorization, as a look-up shows it, has
// not ended. One that only looks has done all it can do, and the next one needs another
// key; what was sent may still be executed. An authorization that waits for nobody but
// the provider has been completed, whoever did that.
func (f *flight) stillOpen(a payment.Answer, v payment.Verdict) decision {
	if v.Category == payment.CategoryInFlight {
		f.learn(a, v)
		return f.outcomeOf(payment.StatePending, a, v)
	}
	if !f.onlyLooks() {
		return decision{action: actionPark, reason: "the look-up did not tell"}
	}
	f.learn(a, v)
	f.report.NextAction = nil
	// Nothing was sent and nothing ever is: no copy of it can have an effect.
	f.report.Evidence = payment.EvidenceNoEffectSticky
	d := f.outcomeOf(payment.StateFailed, a, v)
	d.settle.Failure = &payment.Failure{
		Category: payment.CategoryStateConflict, Code: "shopper_action_pending", ProviderCode: a.Code,
		Message: "the shopper has not finished yet; complete it later with another key",
	}
	d.settle.Apart = true
	return d
}

// refusedAlone ends a completion whose request was refused without a word about the
// authorization, which goes on waiting.
func (f *flight) refusedAlone(a payment.Answer, v payment.Verdict) decision {
	d := f.outcomeOf(payment.StateFailed, a, v)
	d.settle.Apart = true
	return d
}

// changeBoth is the change that an outcome of a completion makes, as its authorization
// stands now. It is made anew when that has moved: what was learned is not dropped, but
// whoever ended the authorization, or began to cancel it, was first.
func (f *flight) changeBoth(t payment.Settle, applied payment.Applied) (ledger.Change, error) {
	parent, now := f.snap.Parent, f.o.cfg.Now()
	switch {
	case f.apart() && parent.State.Final():
		return f.render(ledger.Change{}, parent.SameEnd(t.Report, now), payment.Applied{})
	case f.apart():
		op, err := f.op().Next(payment.Park{
			Report: t.Report, Reason: "the authorization is " + string(parent.State), At: now, Due: f.o.nextLook(f.op(), now),
			Older: f.notBefore.Add(-f.o.cfg.TakeoverGrace),
		})
		return ledger.Change{Operation: op}, err
	}
	next, err := parent.With(f.op().Key.ID, t)
	if err != nil {
		return ledger.Change{}, err
	}
	return f.render(ledger.Change{Parent: &next}, t, applied)
}

// render fills in a change with the completion and the payment, and makes the response
// bytes of a first answer.
func (f *flight) render(c ledger.Change, t payment.Settle, applied payment.Applied) (ledger.Change, error) {
	op, err := f.op().Next(t)
	if err != nil {
		return ledger.Change{}, err
	}
	shown := op // of the two, the authorization is what the payment shows
	if c.Parent != nil {
		shown = *c.Parent
	}
	p, err := f.snap.Payment.After(shown, applied, f.o.cfg.Now())
	if err != nil {
		return ledger.Change{}, err
	}
	if op.Response == nil {
		if op.Response, err = f.o.cfg.Renderer.Render(p, op); err != nil {
			return ledger.Change{}, err
		}
	}
	c.Operation, c.Payment = op, &p
	return c, nil
}

// childAtWork reports whether a completion of the authorization may still be sending.
// If that cannot be read it may.
func (f *flight) childAtWork(ctx context.Context) bool {
	op := f.op()
	if op.Child == "" || op.CalledOff() { // a void sends nothing
		return false
	}
	child, err := f.o.cfg.Ledger.Read(ctx, payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Child})
	if err != nil {
		return true
	}
	quiet := child.Operation.Current().Deadline.Add(f.o.cfg.TakeoverGrace)
	return !child.Operation.State.Final() && (!f.o.orphaned(child) || f.o.cfg.Now().Before(quiet))
}
