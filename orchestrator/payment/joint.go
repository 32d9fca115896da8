package payment

import (
	"errors"
	"fmt"
	"time"
)

// Joint reports whether the operation is one with its parent, an authorization that
// has not ended. While it works it is the parent's only Child, and its claim writes
// the parent too. It has no effect of its own: it is a completion, or it CallsOff.
//
// What a completion learns is the outcome of both, and its outcome writes the parent
// too. When the parent has ended without it, it ends the same way; see SameEnd.
func (op Operation) Joint() bool { return op.Method == MethodComplete || op.CallsOff() }

// WaitsFor reports whether the authorization still waits for what this child of it
// brings: nobody cancels it, and no person must look first.
func (op Operation) WaitsFor(child OperationID) bool {
	return op.State == StateRequiresAction && op.Child == child && child != "" && !op.Halted
}

// SameEnd is how a child ends whose parent has: by what proved the parent's end. r
// is what is known of the child itself. The operation, which is the parent, is final.
func (op Operation) SameEnd(r Report, at time.Time) Settle {
	a := op.Current()
	r.Evidence, r.MappingRow, r.HTTPStatus, r.Code, r.RequestID = a.Evidence, a.MappingRow, a.HTTPStatus, a.Code, a.RequestID
	r.NextAction = nil
	return Settle{Report: r, State: op.State, Decline: op.Decline, Failure: op.Failure, At: at}
}

// Join makes a child the one that goes on with an authorization, or has it CalledOff.
// Nobody owns that then: whoever does is about to cancel it.
type Join struct {
	Child OperationID
	At    time.Time // of a void: the authorization is due from then on
}

func (t Join) apply(op *Operation) error {
	off := OperationKey{ID: t.Child}.Method() == MethodVoid
	switch {
	case op.Method != MethodAuthorize || op.State != StateRequiresAction && (!off || op.State != StatePending):
		return errors.New("only an authorization that waits for the shopper is gone on with, or one that is pending called off")
	case off == t.At.IsZero():
		return fmt.Errorf("%q joins at %s", t.Child, t.At)
	case t.Child == "" || op.Child != "":
		return fmt.Errorf("%q joins beside %q", t.Child, op.Child)
	case op.Owner != "":
		return errors.New("somebody is about to cancel it")
	case op.Halted:
		return errors.New("halted until a person has looked")
	}
	op.Child = t.Child
	if off {
		op.NextCheck = t.At
	}
	return nil
}

// Part lets an authorization go on without its child, which has not ended it: the
// shopper must act again, or the provider tells the outcome later.
type Part struct {
	Child  OperationID
	State  State // REQUIRES_ACTION or PENDING
	Report Report
	Due    time.Time // next look, if it is pending
}

func (t Part) apply(op *Operation) error {
	switch {
	case !op.WaitsFor(t.Child):
		return fmt.Errorf("it does not wait for %q", t.Child)
	case t.State != StateRequiresAction && t.State != StatePending:
		return fmt.Errorf("it does not part as %s", t.State)
	case t.State == StatePending && (t.Report.Evidence != EvidencePending || t.Due.IsZero()):
		return fmt.Errorf("%s on evidence %q, due at %s", t.State, t.Report.Evidence, t.Due)
	}
	report(op, t.Report)
	op.Child = ""
	if t.State == StatePending {
		op.State, op.NextCheck = t.State, t.Due
		release(op) // whoever was about to cancel it decides anew
	}
	return nil
}

// With returns an authorization once the child that it waits for has settled: both
// end in the same state, on the same evidence; or the authorization goes on without
// the child, because that has ended Apart, or has only learned what comes next.
func (op Operation) With(child OperationID, t Settle) (Operation, error) {
	known := t.Report
	known.Sends, known.Uncertain = 0, false // these are of the child's own request
	switch {
	case !op.WaitsFor(child):
		return op, fmt.Errorf("%w: %s does not wait for %q", ErrIllegalTransition, op.Key.ID, child)
	case t.Apart:
		return op.Next(Part{Child: child, State: StateRequiresAction})
	case !t.State.Final():
		return op.Next(Part{Child: child, State: t.State, Report: known, Due: t.Due})
	}
	t.Report = known
	return op.Next(t)
}
