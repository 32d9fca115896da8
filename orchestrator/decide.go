package orchestrator

import (
	"errors"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/retry"
)

// action is what a flight does next.
type action string

const (
	actionSettle   action = "settle"    // the outcome is known: record it
	actionResend   action = "resend"    // the same bytes under the same key, after a wait
	actionFailOver action = "fail_over" // the attempt is closed: another account
	actionQuery    action = "query"     // no send is allowed: look, then settle or park
	actionPark     action = "park"      // leave it for later, as unknown
)

// decision is an action with what it needs.
type decision struct {
	action action
	wait   time.Duration
	reason string // for people, where the action is not the answer's own
	settle payment.Settle
	apply  payment.Applied
	next   payment.Attempt
}

// decide says what follows from an answer. The evidence decides about money;
// category and resend only about what to tell and when to try again.
func (f *flight) decide(a payment.Answer, v payment.Verdict) (decision, error) {
	switch v.Evidence {
	case payment.EvidenceEffect:
		return f.outcomeOf(payment.StateSucceeded, a, v), nil
	case payment.EvidencePending:
		return f.outcomeOf(pendingState(a), a, v), nil
	case payment.EvidenceNoEffectSticky:
		if f.op().Joint() && v.Category == payment.CategoryKeyReused { // it was about another authorization
			return f.refusedAlone(a, v), nil
		}
		return f.negative(a, v)
	case payment.EvidenceNoEffectNotSticky:
		if d, again := f.again(a, v); again {
			return d, nil
		}
		if f.op().Closable(f.report) && !f.o.doubtful[f.op().Current().Account] {
			if f.op().Joint() {
				return f.refusedAlone(a, v), nil
			}
			return f.negative(a, v)
		}
	case payment.EvidenceUnknown:
		if d, again := f.again(a, v); again {
			return d, nil
		}
	}
	// A refusal of this copy says nothing about an earlier one.
	return decision{action: actionQuery, reason: "the outcome is unknown"}, nil
}

// again asks the one retry policy, and the account's retry budget.
func (f *flight) again(a payment.Answer, v payment.Verdict) (decision, bool) {
	attempt := f.op().Current()
	wait, again := f.o.cfg.Policy.Next(retry.Question{
		Sends: f.tries, Verdict: v, Transport: a.Transport, ImmediateUsed: f.immediate, LowerBound: a.RetryAfter,
		TokenRenewed: !f.renewed, // the guard has given up the token that was refused
		Now:          f.o.cfg.Now(), Until: f.lastSendAt(attempt), Random: f.o.cfg.Random(),
	})
	if !again || !f.o.budget.Allow(attempt.Account) {
		return decision{}, false
	}
	f.immediate = f.immediate || wait == 0
	f.renewed = f.renewed || v.Resend == payment.ResendAfterTokenRefresh
	return decision{action: actionResend, wait: wait}, true
}

// lastSendAt is until when a send of the attempt may begin. It leaves the answer
// half of its usual time: a send that is cut short would only be one more unknown.
func (f *flight) lastSendAt(a payment.Attempt) time.Time {
	return earlier(a.Deadline.Add(-f.o.cfg.SendTimeout/2), a.ResendNotAfter)
}

// negative ends an attempt that is proven to have no effect: with another
// account where the table allows and routing finds one, else with a decline or
// a failure.
func (f *flight) negative(a payment.Answer, v payment.Verdict) (decision, error) {
	op := f.op()
	if v.Failover && op.Method == payment.MethodAuthorize && op.Response == nil && f.o.cfg.Now().Before(op.Deadline) {
		next, err := f.o.nextAttempt(nextAttempt{
			call: callOf(op, f.in), in: f.in, payment: op.PaymentID, amount: op.Amount,
			tried: tried(op), now: f.o.cfg.Now(), deadline: op.Deadline,
		})
		if err == nil {
			return decision{action: actionFailOver, next: next}, nil
		}
		if refused, ok := errors.AsType[*payment.Error](err); !ok ||
			!slices.Contains([]payment.Reason{payment.ReasonNoRoute, payment.ReasonUnsupportedByProvider, payment.ReasonOverloaded}, refused.Reason) {
			return decision{}, err
		}
	}
	return f.outcomeOf(negativeState(v), a, v), nil
}

// pendingState is where an operation stands that the provider has accepted.
func pendingState(a payment.Answer) payment.State {
	if a.NextAction != nil {
		return payment.StateRequiresAction
	}
	return payment.StatePending
}

// negativeState is where an operation stands that is proven to have no effect.
func negativeState(v payment.Verdict) payment.State {
	if v.Category.Decline() {
		return payment.StateDeclined
	}
	return payment.StateFailed
}

// outcomeOf puts together what an outcome records.
func (f *flight) outcomeOf(state payment.State, a payment.Answer, v payment.Verdict) decision {
	now := f.o.cfg.Now()
	d := decision{action: actionSettle, settle: payment.Settle{State: state, At: now, Due: now.Add(f.o.cfg.ParkDelay)}}
	switch state {
	case payment.StateSucceeded:
		d.apply = payment.Applied{Amount: f.op().Amount, Captured: a.Captured, ExpireTime: a.ExpireTime}
		// What the provider applied counts. More than was asked for is external to a
		// capture or a refund, and never raises what an authorization authorizes.
		authorizes := f.op().Method == payment.MethodAuthorize || f.op().Joint()
		if a.Amount != nil && f.op().Method != payment.MethodVoid && (a.Amount.MinorUnits < d.apply.Amount.MinorUnits || !authorizes) {
			d.apply.Amount = *a.Amount
		}
	case payment.StateDeclined:
		decline := f.o.cfg.Table.Decline(v, a)
		d.settle.Decline = &decline
	case payment.StateFailed:
		failure := f.o.cfg.Table.Failure(v, a)
		d.settle.Failure = &failure
	case payment.StateIntent, payment.StateUnknown, payment.StateFencing, payment.StatePending, payment.StateRequiresAction:
	}
	return d
}

// callOf is the call that an operation came from, as far as routing and key
// derivation need it.
func callOf(op payment.Operation, in payment.Instruction) payment.Call {
	return payment.Call{
		Tenant: op.Key.Tenant, Method: op.Method, Key: in.IdempotencyKey, Fingerprint: op.Fingerprint, Reference: op.Reference,
	}
}

// tried lists the accounts that have had their attempt: there is never a second
// one on an account.
func tried(op payment.Operation) []payment.AccountName {
	names := make([]payment.AccountName, 0, len(op.Attempts))
	for _, a := range op.Attempts {
		names = append(names, a.Account)
	}
	return names
}
