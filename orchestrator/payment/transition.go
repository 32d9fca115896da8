package payment

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrIllegalTransition says that an operation may not move that way. It is a
// bug of the caller, never a provider's doing.
var ErrIllegalTransition = errors.New("illegal transition")

// Transition is one of Claim, TakeOver, FailOver, Settle, Park, Fence, Note, Hasten,
// Halt, Join and Part.
type Transition interface {
	// apply works on a clone of the record and reports an illegal move.
	apply(op *Operation) error
}

// Next returns the operation after a transition, or ErrIllegalTransition. It is
// pure, leaves op alone, and is the only place that knows the legal moves.
//
//	(none)           Claim     → INTENT
//	INTENT           Settle    → PENDING | REQUIRES_ACTION | SUCCEEDED | DECLINED | FAILED
//	INTENT           FailOver  → INTENT, with one more attempt
//	INTENT           Park      → UNKNOWN;  Fence → FENCING
//	UNKNOWN          TakeOver  → INTENT;  Settle → as from INTENT;  Fence → FENCING
//	FENCING          FailOver  → INTENT;  Settle → SUCCEEDED | DECLINED | FAILED
//	FENCING          Fence     → FENCING, with one more cancel
//	PENDING,
//	REQUIRES_ACTION  Settle    → SUCCEEDED | DECLINED | FAILED;  Fence → FENCING
//	not final        Halt: nothing is sent any more; an intent becomes unknown
//	REQUIRES_ACTION  Join: a child goes on with it;  Part → REQUIRES_ACTION | PENDING, without the child
//	not final        TakeOver, Park: the owner changes, other states stay;  Note: nothing does
//	not final        Hasten: it is looked at sooner, which needs nobody to own it
//	final            nothing
func (op Operation) Next(t Transition) (Operation, error) {
	if op.State.Final() {
		return op, fmt.Errorf("%w: %s is final, refused %T", ErrIllegalTransition, op.State, t)
	}
	if _, claims := t.(Claim); claims != (op.State == "") {
		return op, fmt.Errorf("%w: %T in state %q", ErrIllegalTransition, t, op.State)
	}
	if op.State != "" && (!op.State.known() || len(op.Attempts) == 0) {
		// Written by another version, or damaged: nobody here knows what it means.
		return op, fmt.Errorf("%w: a record in state %q with %d attempts", ErrIllegalTransition, op.State, len(op.Attempts))
	}
	next := op.clone()
	if err := t.apply(&next); err != nil {
		return op, fmt.Errorf("%w: %T in state %s: %w", ErrIllegalTransition, t, op.State, err)
	}
	return next, nil
}

// Ownership is who works on an operation from now on, and until when it is
// left alone.
type Ownership struct {
	Boot  BootID
	Nonce string // fresh: two claims or takeovers never share one
	Until time.Time
}

// Claim records the intent of a new operation with its first attempt.
type Claim struct {
	Call      Call
	PaymentID ID
	Parent    OperationID
	Amount    Money
	Held      int64 // of the payment, until the operation is final; see Reservation
	Last      bool
	Sealed    []byte
	Owner     Ownership
	At        time.Time
	Deadline  time.Time
	ResolveBy time.Time
	Attempt   Attempt
}

func (t Claim) apply(op *Operation) error {
	if t.Owner.Boot == "" || t.Owner.Nonce == "" || len(t.Attempt.Steps) == 0 {
		return errors.New("a claim needs an owner, a nonce and an attempt with a step")
	}
	*op = Operation{
		Key: t.Call.OperationKey(), Method: t.Call.Method, Reference: t.Call.Reference, Fingerprint: t.Call.Fingerprint,
		PaymentID: t.PaymentID, Parent: t.Parent, Amount: t.Amount, Held: t.Held, Last: t.Last, Sealed: t.Sealed,
		State: StateIntent, Created: t.At, Deadline: t.Deadline, ResolveBy: t.ResolveBy,
	}
	own(op, t.Owner)
	return openNext(op, t.Attempt)
}

// TakeOver makes another worker the owner. An unknown operation becomes an
// intent again; other states stay.
type TakeOver struct {
	Owner    Ownership
	Deadline time.Time // of the open attempt, under the new owner
}

func (t TakeOver) apply(op *Operation) error {
	if t.Owner.Nonce == "" || t.Owner.Nonce == op.Nonce {
		return errors.New("a takeover needs a fresh nonce")
	}
	if op.Halted {
		return errors.New("halted until a person has looked")
	}
	own(op, t.Owner)
	current(op).Deadline = t.Deadline
	if op.State == StateUnknown {
		op.State = StateIntent
	}
	return nil
}

// FailOver closes the open attempt by its evidence and opens the next one on
// another account.
type FailOver struct {
	Report  Report
	At      time.Time
	Until   time.Time // the owner is left alone until then
	Attempt Attempt
}

func (t FailOver) apply(op *Operation) error {
	if op.State != StateIntent && op.State != StateFencing {
		return errors.New("only an intent or a completed fence fails over")
	}
	if op.Owner == "" {
		return errors.New("a failover needs an owner")
	}
	if !t.At.Before(op.Deadline) {
		return errors.New("past the operation's deadline")
	}
	for _, a := range op.Attempts {
		if a.Account == t.Attempt.Account {
			return fmt.Errorf("account %s was already tried", a.Account)
		}
	}
	if err := closeOpen(op, t.Report, t.At); err != nil {
		return err
	}
	op.State, op.OwnerUntil, op.NextCheck = StateIntent, t.Until, t.Until
	return openNext(op, t.Attempt)
}

// Settle records an outcome: the state it leads to and what proves it.
type Settle struct {
	Report  Report
	State   State // one that Answers
	Decline *Decline
	Failure *Failure
	At      time.Time
	Due     time.Time // next look, while the new state is not final
	// Apart says of a completion that it ends alone: the authorization still waits
	// for the shopper. The record does not keep it.
	Apart bool
}

func (t Settle) apply(op *Operation) error {
	if !t.State.Answers() {
		return fmt.Errorf("%s is no outcome", t.State)
	}
	if err := t.legalFrom(op); err != nil {
		return err
	}
	report(op, t.Report)
	op.State, op.Decline, op.Failure = t.State, t.Decline, t.Failure
	release(op)
	op.NextCheck = t.Due
	if t.State.Final() {
		if a := current(op); a.Closed.IsZero() {
			a.Closed = t.At
		}
		op.Completed, op.NextCheck, op.Sealed, op.ParkReason = t.At, time.Time{}, nil, ""
		op.Child = "" // it ends the same way when it is looked at next
	}
	return nil
}

// legalFrom checks that what the report proves agrees with the state it is to
// lead to: success needs an effect, decline and failure need its absence.
func (t Settle) legalFrom(op *Operation) error {
	switch op.State {
	case StatePending, StateRequiresAction, StateFencing:
		if !t.State.Final() {
			return fmt.Errorf("%s only settles into a final state", op.State)
		}
	case StateIntent, StateUnknown:
	case StateSucceeded, StateDeclined, StateFailed:
		return errors.New("final")
	}
	switch t.State {
	case StateSucceeded:
		if t.Report.Evidence != EvidenceEffect {
			return fmt.Errorf("success on evidence %q", t.Report.Evidence)
		}
	case StatePending, StateRequiresAction:
		if t.Report.Evidence != EvidencePending {
			return fmt.Errorf("%s on evidence %q", t.State, t.Report.Evidence)
		}
	case StateDeclined, StateFailed:
		if op.Halted {
			return errors.New("an effect was seen elsewhere: it did not end without one")
		}
		if !op.Closable(t.Report) {
			return fmt.Errorf("%s on evidence %q, which does not close the attempt", t.State, t.Report.Evidence)
		}
	case StateIntent, StateUnknown, StateFencing:
	}
	return nil
}

// Park ends a flight without an outcome: nobody owns the operation until its
// next check. An intent becomes unknown; other states stay. The owner has no
// send in the air when it parks, so its attempt's time ends with it.
type Park struct {
	Report Report
	Reason string
	At     time.Time
	Due    time.Time
	Older  time.Time // until when an owner before this one may still be sending
}

func (t Park) apply(op *Operation) error {
	if t.Due.IsZero() || t.At.IsZero() {
		return errors.New("without a time, nothing would look at it again")
	}
	report(op, t.Report)
	if op.State == StateIntent {
		op.State = StateUnknown
	}
	release(op)
	op.ParkReason, op.NextCheck = t.Reason, t.Due
	end := t.At
	if t.Older.After(end) {
		end = t.Older
	}
	if a := current(op); a.Deadline.After(end) {
		a.Deadline = end
	}
	return nil
}

// Fence records the decision to cancel at the provider, with the step that will
// carry the cancel, before the cancel is sent. A cancel that found nothing may be
// followed by another one.
type Fence struct {
	Report Report
	Step   Step
}

func (t Fence) apply(op *Operation) error {
	switch {
	case op.Method != MethodAuthorize:
		return errors.New("only an authorization is fenced")
	case op.Owner == "":
		return errors.New("a fence needs an owner")
	case op.Halted:
		return errors.New("halted until a person has looked")
	case !t.Step.Name.Fence() || t.Step.Key == "":
		return fmt.Errorf("step %q is no fence", t.Step.Name)
	}
	if _, twice := current(op).Step(t.Step.Name); twice {
		return fmt.Errorf("step %s exists", t.Step.Name)
	}
	report(op, t.Report)
	op.State = StateFencing
	a := current(op)
	a.Steps = append(a.Steps, t.Step)
	return nil
}

// Note adds to what is known about the open attempt, and moves nothing.
type Note struct {
	Report Report
	// Refused: a cancel found nothing to cancel. Cancel is the provider's id of it; ""
	// is the last one.
	Refused bool
	Cancel  ProviderReference
}

func (t Note) apply(op *Operation) error {
	if t == (Note{}) {
		return errors.New("nothing to note")
	}
	report(op, t.Report)
	if t.Refused {
		refuse(current(op).Steps, t.Cancel)
	}
	return nil
}

// refuse marks the cancel that found nothing, by the provider's id of it. If none is
// known by that, it is one whose own answer was lost: the oldest of these, since a later
// one is sent only after it. It takes the id if no other can have it.
func refuse(steps []Step, cancel ProviderReference) {
	last := len(steps) - 1
	if cancel == "" {
		steps[last].Refused = steps[last].Refused || steps[last].Name.Fence()
		return
	}
	found := slices.IndexFunc(steps, func(s Step) bool { return s.Name.Fence() && s.Reference == cancel })
	if found < 0 {
		nameless := func(s Step) bool { return s.Name.Fence() && s.Reference == "" && !s.Refused }
		if found = slices.IndexFunc(steps, nameless); found < 0 {
			return
		}
		if !slices.ContainsFunc(steps[found+1:], nameless) {
			steps[found].Reference = cancel
		}
	}
	steps[found].Refused = true
}

// Hasten makes an operation that nobody owns due earlier than it was, since there is
// something to be seen. Nothing else moves: a look, as any, decides what follows.
type Hasten struct {
	Due time.Time
}

func (t Hasten) apply(op *Operation) error {
	switch {
	case op.Owner != "":
		return errors.New("whoever owns it decides when it is looked at")
	case t.Due.IsZero() || !t.Due.Before(op.NextCheck):
		return errors.New("it is due by then already")
	}
	op.NextCheck = t.Due
	return nil
}

// Halt stops all sends of an operation of which something was found that only a
// person can judge, such as an effect on an account that it had left. Nobody
// takes it over any more, and it never ends as if it had had no effect; only proof
// that its open attempt had one ends it. An intent becomes unknown; other states stay.
type Halt struct {
	Reason string
	At     time.Time
	Due    time.Time
}

func (t Halt) apply(op *Operation) error {
	// The owner may be sending this very moment.
	known := Report{Uncertain: op.State == StateIntent}
	if err := (Park{Report: known, Reason: t.Reason, At: t.At, Due: t.Due, Older: current(op).Deadline}).apply(op); err != nil {
		return err
	}
	op.Halted = true
	return nil
}

// current is the open attempt, to be changed in place; op has one.
func current(op *Operation) *Attempt { return &op.Attempts[len(op.Attempts)-1] }

func own(op *Operation, o Ownership) {
	op.Epoch++
	op.Owner, op.Nonce, op.OwnerUntil, op.NextCheck = o.Boot, o.Nonce, o.Until, o.Until
}

// release ends the ownership; the epoch and the nonce stay, to tell whose
// write this was.
func release(op *Operation) {
	op.Owner, op.OwnerUntil = "", time.Time{}
}

// openNext appends an attempt created by the present ownership.
func openNext(op *Operation, a Attempt) error {
	if len(a.Steps) == 0 || a.Account == "" || a.ResendNotAfter.IsZero() {
		return errors.New("an attempt needs an account, a step and a resend window")
	}
	a.Ordinal, a.Epoch = len(op.Attempts)+1, op.Epoch
	op.Attempts = append(op.Attempts, a)
	return nil
}

func closeOpen(op *Operation, r Report, at time.Time) error {
	if !op.Closable(r) {
		return fmt.Errorf("evidence %q does not close the attempt", r.Evidence)
	}
	report(op, r)
	current(op).Closed = at
	return nil
}
