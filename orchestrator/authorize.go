package orchestrator

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/route"
)

// Authorize asks a provider to hold (or, with automatic capture, to take) the
// instruction's amount.
//
// The reply is the operation's durable response, or an interim one when the
// outcome took longer than the caller could wait; acquit then goes on by itself.
// A provider's trouble is in the operation's state, never in the error.
//
// Errors: *payment.KeyTakenError if the key is in use, which the holder of the
// key resolves; *payment.Error; ctx's error if the caller left.
func (o *Orchestrator) Authorize(ctx context.Context, call payment.Call, in payment.Instruction) (payment.Reply, error) {
	in.IdempotencyKey = call.Key
	claim, in, err := o.planAuthorize(call, in)
	if err != nil {
		return payment.Reply{}, o.refuse(ctx, call, 0, err)
	}
	return o.detach(ctx, call.OperationKey(), func(ctx context.Context, f *flight) error {
		if err := f.open(ctx, claim, in); err != nil {
			return err
		}
		return f.drive(ctx) // the point of no return: the record says what we intend
	})
}

// planAuthorize decides everything that must be decided before the claim:
// which account, under which provider key, with which bytes. It returns the
// instruction as whoever takes over will read it, which is what is built from.
func (o *Orchestrator) planAuthorize(call payment.Call, in payment.Instruction) (payment.Claim, payment.Instruction, error) {
	now, key := o.cfg.Now(), call.OperationKey()
	sealed, in, err := o.seal(in, key)
	if err != nil {
		return payment.Claim{}, in, err
	}
	id, err := newPaymentID(now)
	if err != nil {
		return payment.Claim{}, in, err
	}
	deadline := now.Add(o.cfg.OperationDeadline)
	attempt, err := o.nextAttempt(nextAttempt{
		call: call, in: in, payment: id, amount: in.Amount, now: now, deadline: deadline,
	})
	if err != nil {
		return payment.Claim{}, in, err
	}
	return payment.Claim{
		Call: call, PaymentID: id, Amount: in.Amount, Sealed: sealed, Owner: o.ownership(attempt.Deadline),
		At: now, Deadline: deadline, ResolveBy: now.Add(o.cfg.ResolveBy), Attempt: attempt,
	}, in, nil
}

// nextAttempt is the question that planning one attempt answers.
type nextAttempt struct {
	call      payment.Call
	in        payment.Instruction
	payment   payment.ID
	amount    payment.Money
	parent    payment.ProviderReference // of the object it acts on
	completes payment.ReferenceID       // ours, of the authorization that it completes
	tried     []payment.AccountName
	now       time.Time
	deadline  time.Time // the operation's
}

// nextAttempt routes and prepares an attempt that nothing is sent for yet. An
// account whose driver cannot express the request is passed over.
//
// Errors: *payment.Error with ReasonNoRoute, with ReasonUnsupportedByProvider if an
// account would have fitted but for its driver, or ReasonOverloaded if but for a pause.
func (o *Orchestrator) nextAttempt(q nextAttempt) (payment.Attempt, error) {
	var unable error
	for tried := slices.Clone(q.tried); ; {
		choice, err := route.Choose(o.candidates(), route.Question{
			Tenant: q.call.Tenant, Method: q.call.Method, Instruction: q.in, Exclude: tried,
		})
		if err != nil {
			return payment.Attempt{}, cmp.Or(unable, err)
		}
		attempt, err := o.prepare(o.accounts[choice.Account], q)
		if err == nil {
			return attempt, nil
		}
		tried = append(tried, choice.Account)
		unable = &payment.Error{
			Reason: payment.ReasonUnsupportedByProvider, Err: err,
			Message: fmt.Sprintf("account %s cannot express this request", choice.Account),
		}
	}
}

// prepare makes an attempt on an account: its key, and the hash of its bytes.
func (o *Orchestrator) prepare(account Account, q nextAttempt) (payment.Attempt, error) {
	attempt := o.attempt(account, q)
	providerKey, version := o.cfg.Keys.ProviderKey(q.call.Tenant, q.call.Method, q.call.Key, account.Name(), payment.StepMain)
	step := payment.Step{Name: payment.StepMain, Key: providerKey, KeyVersion: version}
	hash, err := account.Prepare(sendOf(attempt, step, q.call.Method, q.payment, q.amount, q.in))
	step.RequestHash = hash
	attempt.Steps = []payment.Step{step}
	return attempt, err
}

// attempt is one on an account, without what it sends.
func (o *Orchestrator) attempt(account Account, q nextAttempt) payment.Attempt {
	return payment.Attempt{
		Account: account.Name(), Target: account.Target(), Credential: account.Credential(), Reference: q.call.Reference,
		Parent: q.parent, ParentReference: q.completes,
		Created: q.now, Deadline: earlier(q.now.Add(o.cfg.AttemptBudget), q.deadline),
		ResendNotAfter: q.now.Add(account.Traits().ResendWindow),
	}
}

// sendOf is what the driver gets: a function of the intent and the sealed
// request alone, so that every process builds the same bytes. Nothing learned
// since may be in it.
func sendOf(a payment.Attempt, step payment.Step, m payment.Method, id payment.ID, amount payment.Money, in payment.Instruction) payment.Send {
	return payment.Send{
		Method: m, Step: step.Name, Account: a.Account, Key: step.Key, Reference: a.Reference, PaymentID: id,
		Parent: a.Parent, ParentReference: a.ParentReference, ProviderReference: step.Object, Amount: amount, Instruction: in,
	}
}

// refuse returns a refusal that depends on state or configuration only once
// the ledger has said that the key is new: otherwise the replay of an answered
// call would be refused. asking is as for alive.
func (o *Orchestrator) refuse(ctx context.Context, call payment.Call, asking int, refused error) error {
	snap, err := o.cfg.Ledger.Read(ctx, call.OperationKey())
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return refusal(refused)
	case err != nil:
		return refusal(err)
	}
	return o.taken(snap.Operation, snap.Marker.Present, asking)
}

// candidates lists the accounts as routing sees them, in configured order.
func (o *Orchestrator) candidates() []route.Candidate {
	out := make([]route.Candidate, 0, len(o.cfg.Accounts))
	for _, a := range o.cfg.Accounts {
		out = append(out, route.Candidate{
			Name: a.Account.Name(), Traits: a.Account.Traits(), Tenants: a.Tenants, Paused: o.pauses.left(a.Account.Name()),
		})
	}
	return out
}

// ownership names this process as the owner until its attempt's deadline and a
// grace have passed.
func (o *Orchestrator) ownership(attemptDeadline time.Time) payment.Ownership {
	return payment.Ownership{Boot: o.cfg.Ledger.Boot(), Nonce: rand.Text(), Until: attemptDeadline.Add(o.cfg.OwnerGrace)}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
