package orchestrator

import (
	"context"
	"errors"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// carryOut drives an order on a payment that exists: the same flow as an
// authorization, on the payment's own account, with its amount reserved by the
// claim.
func (o *Orchestrator) carryOut(ctx context.Context, call payment.Call, order payment.Order) (payment.Reply, error) {
	return o.detach(ctx, call.OperationKey(), func(ctx context.Context, f *flight) error {
		if err := f.claimOn(ctx, call, order); err != nil {
			return err
		}
		return f.drive(ctx) // the point of no return: the record says what we intend
	})
}

// claimTries is how often a claim follows a moving payment before the caller is
// told that it is contended.
const claimTries = 16

// claimOn claims an operation on a payment (T1), planning anew whenever the
// payment has moved in between: an amount that fitted may fit no longer.
func (f *flight) claimOn(ctx context.Context, call payment.Call, order payment.Order) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.cfg.ClaimTimeout)
	defer cancel()
	if claimed, err := f.claimOnRecent(ctx, call, order); claimed || err != nil {
		return err
	}
	var err error
	for range claimTries {
		var snap ledger.Snapshot
		var ops []payment.Operation
		if snap, ops, err = f.o.cfg.Ledger.Payment(ctx, call.Tenant, order.Payment); err != nil {
			return f.o.refuse(ctx, call, 1, err)
		}
		if joins(call.Method, snap.Payment) && len(ops) > 0 {
			if snap, ops, err = f.o.joining(ctx, ops); err != nil {
				return f.o.refuse(ctx, call, 1, err)
			}
		}
		change, in, planned := f.o.planOrder(call, order, snap, ops)
		if planned != nil {
			return f.o.refuse(ctx, call, 1, planned)
		}
		err = f.claim(ctx, snap, change, in)
		if !errors.Is(err, ledger.ErrPaymentMoved) {
			return err
		}
	}
	return err
}

// claimOnRecent claims on the payment as this process last wrote it, which saves two
// reads. It reports false where only the ledger can tell.
func (f *flight) claimOnRecent(ctx context.Context, call payment.Call, order payment.Order) (bool, error) {
	k, found := f.o.recent.find(call.Method, call.Tenant, order.Payment)
	if !found {
		return false, nil
	}
	snap := k.snapshot()
	change, in, planned := f.o.planOrder(call, order, snap, []payment.Operation{k.authorization})
	if planned != nil {
		return false, nil //nolint:nilerr // whether it is to be refused, the payment as it is now tells
	}
	err := f.claim(ctx, snap, change, in)
	if errors.Is(err, ledger.ErrPaymentMoved) {
		return false, nil
	}
	return true, err
}

// planOrder decides everything that must be decided before the claim: what is
// reserved, and which bytes ask the provider for it.
func (o *Orchestrator) planOrder(
	call payment.Call, order payment.Order, snap ledger.Snapshot, ops []payment.Operation,
) (ledger.Change, payment.Instruction, error) {
	now, p := o.cfg.Now(), snap.Payment
	callsOff := call.Method == payment.MethodVoid && joins(call.Method, p)
	account, err := o.accountOf(call.Method, p, ops)
	if err != nil {
		return ledger.Change{}, payment.Instruction{}, err
	}
	if err := wholeOnly(call.Method, order, p, account.Traits()); err != nil {
		return ledger.Change{}, payment.Instruction{}, err
	}
	parent := p.ProviderReference
	p, reserved, err := p.Reserve(call, order, account.Traits(), now)
	if err != nil {
		return ledger.Change{}, payment.Instruction{}, err
	}
	sealed, in, err := o.seal(payment.Instruction{
		IdempotencyKey: call.Key, Amount: reserved.Amount, CaptureMode: p.CaptureMode, Account: p.Account, Reason: order.Reason,
		ReturnParameters: order.ReturnParameters,
	}, call.OperationKey())
	if err != nil {
		return ledger.Change{}, in, err
	}
	deadline := now.Add(o.cfg.OperationDeadline)
	next := nextAttempt{call: call, in: in, payment: p.ID, amount: reserved.Amount, parent: parent, now: now, deadline: deadline}
	if call.Method == payment.MethodComplete {
		next.completes = ops[0].Reference
	}
	attempt, err := o.orderAttempt(account, next, callsOff)
	if err != nil {
		return ledger.Change{}, in, err
	}
	op, err := payment.Operation{}.Next(payment.Claim{
		Call: call, PaymentID: p.ID, Parent: ops[0].Key.ID, Amount: reserved.Amount, Held: reserved.Held, Last: reserved.Last,
		Sealed: sealed, Owner: o.ownership(attempt.Deadline), At: now, Deadline: deadline,
		ResolveBy: now.Add(o.cfg.ResolveBy), Attempt: attempt,
	})
	if err != nil || !op.Joint() {
		return ledger.Change{Operation: op, Payment: &p}, in, err
	}
	join := joined
	if callsOff {
		join = calledOff
	}
	parentNow, err := join(ops[0], op)
	return ledger.Change{Operation: op, Payment: &p, Parent: &parentNow}, in, err
}

// joins reports whether an operation of the method is one with the authorization of
// the payment, which both are claimed with.
func joins(m payment.Method, p payment.Payment) bool {
	return m == payment.MethodComplete || m == payment.MethodVoid && p.Unsettled()
}

// orderAttempt prepares the one attempt of an order.
func (o *Orchestrator) orderAttempt(account Account, q nextAttempt, callsOff bool) (payment.Attempt, error) {
	if callsOff || q.call.Method == payment.MethodComplete && account.Traits().Completion == payment.CompletionLook {
		return o.lookOnly(account, q), nil
	}
	attempt, err := o.prepare(account, q)
	if err != nil {
		return attempt, &payment.Error{
			Reason: payment.ReasonUnsupportedByProvider, Err: err,
			Message: fmt.Sprintf("account %s cannot express this request", account.Name()),
		}
	}
	return attempt, nil
}

// accountOf is the account that the payment was authorized on, if it can do
// what is asked and still leads where it led then: elsewhere the object's id
// could be another's.
func (o *Orchestrator) accountOf(m payment.Method, p payment.Payment, ops []payment.Operation) (Account, error) {
	account, configured := o.accounts[p.Account]
	switch {
	case !configured || len(ops) == 0 || account.Target() != ops[0].Current().Target:
		return nil, &payment.Error{
			Reason: payment.ReasonNoRoute, Message: fmt.Sprintf("account %s is not configured as it was for this payment", p.Account),
		}
	case m == payment.MethodVoid && joins(m, p):
		return account, o.mayCallOff(account, ops[0])
	case !account.Traits().Supports(m) && (m != payment.MethodComplete || account.Traits().Completion != payment.CompletionLook):
		return nil, &payment.Error{
			Reason: payment.ReasonUnsupportedByProvider, Message: fmt.Sprintf("the provider of account %s has no %s", p.Account, m),
		}
	}
	return account, nil
}

// wholeOnly refuses a partial capture that leaves the rest for later, where the
// provider captures only once and would release it.
func wholeOnly(m payment.Method, order payment.Order, p payment.Payment, t payment.Traits) error {
	if m != payment.MethodCapture || t.MultipleCaptures || order.Last || order.Amount == nil || order.Amount.MinorUnits >= p.Capturable() {
		return nil
	}
	return &payment.Error{
		Reason: payment.ReasonUnsupportedByProvider, Field: "final",
		Message: "the provider captures once; a partial capture must be final, which releases the rest",
	}
}
