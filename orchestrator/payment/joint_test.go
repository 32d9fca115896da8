package payment_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const child payment.OperationID = "t1"

// waiting is an authorization that waits for the shopper, and for its child if it
// has one. Nobody owns it.
func waiting(t *testing.T, c payment.OperationID) payment.Operation {
	t.Helper()
	op := in(t, payment.StateRequiresAction)
	op.Owner, op.Child = "", c
	return op
}

// Goal: one child at a time goes on with an authorization, only while that waits for
// the shopper and nobody is about to cancel it. Method: every state, and every way in
// which the one state is not in order.
func TestJoinIsRefusedUnless(t *testing.T) {
	for _, s := range states() {
		op := in(t, s)
		op.Owner = ""
		next, err := op.Next(payment.Join{Child: child})
		if s == payment.StateRequiresAction {
			if err != nil || next.Child != child || next.State != s {
				t.Errorf("from %s: %+v, %v", s, next, err)
			}
			continue
		}
		if !errors.Is(err, payment.ErrIllegalTransition) {
			t.Errorf("from %q: %v, want a refusal", s, err)
		}
	}
	for name, change := range map[string]func(*payment.Operation){
		"it has no child":        func(op *payment.Operation) { op.Child = "t0" },
		"nobody is to cancel it": func(op *payment.Operation) { op.Owner = "sweeper" },
		"it is not halted":       func(op *payment.Operation) { op.Halted = true },
		"it is an authorization": func(op *payment.Operation) { op.Method = payment.MethodCapture },
	} {
		op := waiting(t, "")
		change(&op)
		if _, err := op.Next(payment.Join{Child: child}); !errors.Is(err, payment.ErrIllegalTransition) {
			t.Errorf("unless %s: %v, want a refusal", name, err)
		}
	}
	if _, err := waiting(t, "").Next(payment.Join{}); !errors.Is(err, payment.ErrIllegalTransition) {
		t.Errorf("nobody joins: %v, want a refusal", err)
	}
}

// Goal: only its own child leaves an authorization, which then waits for the shopper
// again or is pending, on evidence for that. Method: each way, right and wrong.
func TestPart(t *testing.T) {
	again := &payment.NextAction{RedirectURL: "https://bank.example/2"}
	pending := payment.Report{Evidence: payment.EvidencePending, MappingRow: "row"}
	due := at().Add(time.Hour)
	for name, c := range map[string]struct {
		child payment.OperationID
		owner payment.BootID
		part  payment.Part
		state payment.State // "" for a refusal
	}{
		"the shopper must act again":     {child, "", payment.Part{Child: child, State: payment.StateRequiresAction, Report: payment.Report{Evidence: payment.EvidencePending, NextAction: again}}, payment.StateRequiresAction},
		"nothing was learned":            {child, "", payment.Part{Child: child, State: payment.StateRequiresAction}, payment.StateRequiresAction},
		"while somebody is to cancel it": {child, "sweeper", payment.Part{Child: child, State: payment.StateRequiresAction}, payment.StateRequiresAction},
		"the provider tells later":       {child, "sweeper", payment.Part{Child: child, State: payment.StatePending, Report: pending, Due: due}, payment.StatePending},
		"pending without evidence":       {child, "", payment.Part{Child: child, State: payment.StatePending, Due: due}, ""},
		"pending and never looked at":    {child, "", payment.Part{Child: child, State: payment.StatePending, Report: pending}, ""},
		"another's child":                {"t0", "", payment.Part{Child: child, State: payment.StateRequiresAction}, ""},
		"there is none":                  {"", "", payment.Part{State: payment.StateRequiresAction}, ""},
		"an end is no way to go on":      {child, "", payment.Part{Child: child, State: payment.StateSucceeded, Report: payment.Report{Evidence: payment.EvidenceEffect}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			op := waiting(t, c.child)
			op.Owner = c.owner
			next, err := op.Next(c.part)
			if c.state == "" {
				if !errors.Is(err, payment.ErrIllegalTransition) {
					t.Errorf("got %v, want a refusal", err)
				}
				return
			}
			if err != nil || next.State != c.state || next.Child != "" {
				t.Fatalf("%+v, %v", next, err)
			}
			if c.part.Report.NextAction != nil && next.Current().NextAction != again {
				t.Error("the new action is not shown")
			}
			if c.state == payment.StatePending && (next.Owner != "" || !next.NextCheck.Equal(due)) {
				t.Errorf("pending under owner %q, due at %s", next.Owner, next.NextCheck)
			}
			if c.state != payment.StatePending && next.Owner != c.owner {
				t.Errorf("the owner changed to %q", next.Owner)
			}
		})
	}
}

// Goal: a child whose parent has ended ends in the same state, on the evidence that
// ended the parent, and keeps what is known of itself; and an authorization that has
// ended has no child any more. Method: each end, from each state that a child can be
// in.
func TestSameEnd(t *testing.T) {
	for _, end := range []payment.Settle{
		{State: payment.StateSucceeded, Report: payment.Report{Evidence: payment.EvidenceEffect, MappingRow: "row", Code: "authorized"}},
		{State: payment.StateDeclined, Report: payment.Report{Evidence: payment.EvidenceNoEffectSticky}, Decline: &payment.Decline{Code: "generic"}},
		{State: payment.StateFailed, Report: payment.Report{Evidence: payment.EvidenceNoEffectSticky}, Failure: &payment.Failure{Code: "cancelled"}},
	} {
		to := end.State
		end.At = at()
		parent, err := waiting(t, child).Next(end)
		if err != nil {
			t.Fatal(err)
		}
		if parent.Child != "" {
			t.Errorf("%s with child %q", to, parent.Child)
		}
		for _, from := range []payment.State{payment.StateIntent, payment.StateUnknown, payment.StatePending, payment.StateRequiresAction} {
			op := in(t, from)
			op.Method = payment.MethodComplete
			got, err := op.Next(parent.SameEnd(payment.Report{Sends: 3, Uncertain: true}, at()))
			if err != nil {
				t.Errorf("%s after %s: %v", from, to, err)
				continue
			}
			a := got.Current()
			if got.State != to || a.Sends != 3 || !a.Uncertain || a.Evidence != end.Report.Evidence || a.MappingRow != end.Report.MappingRow {
				t.Errorf("%s after %s: %s, attempt %+v", from, to, got.State, a)
			}
			if diff := cmp.Diff([]any{end.Decline, end.Failure}, []any{got.Decline, got.Failure}); diff != "" {
				t.Errorf("%s after %s:\n%s", from, to, diff)
			}
		}
	}
}

// Goal: a payment is completed only while it waits for the shopper, and while nobody
// knows how it stands the caller is told to ask again; the completion asks for the
// whole amount, holds nothing, and moves nothing by itself. Method: every status.
func TestCompletionOfAPayment(t *testing.T) {
	for s, want := range map[payment.Status]payment.Reason{
		payment.StatusRequiresAction: "", payment.StatusAuthorizing: payment.ReasonParentUnknown, payment.StatusUnknown: payment.ReasonParentUnknown,
		payment.StatusPending: payment.ReasonNotCompletable, payment.StatusAuthorized: payment.ReasonNotCompletable,
		payment.StatusPartiallyCaptured: payment.ReasonNotCompletable, payment.StatusCaptured: payment.ReasonNotCompletable,
		payment.StatusPartiallyRefunded: payment.ReasonNotCompletable, payment.StatusRefunded: payment.ReasonNotCompletable,
		payment.StatusDeclined: payment.ReasonNotCompletable, payment.StatusFailed: payment.ReasonNotCompletable,
		payment.StatusVoided: payment.ReasonNotCompletable, payment.StatusExpired: payment.ReasonNotCompletable,
	} {
		p := payment.Payment{ID: "p", Tenant: "default", Status: s, Amount: eur(1000), Version: 4}
		call := callFor(payment.MethodComplete, "back")
		got, r, err := p.Reserve(call, payment.Order{Payment: "p"}, payment.Traits{}, at())
		if refused, ok := errors.AsType[*payment.Error](err); want != "" && (!ok || refused.Reason != want) {
			t.Errorf("%s: %v, want %s", s, err, want)
		}
		if want != "" {
			continue
		}
		after := p
		after.Version, after.Updated, after.Operations = 5, at(), []payment.OperationID{call.OperationKey().ID}
		if diff := cmp.Diff(after, got); diff != "" || err != nil || r != (payment.Reservation{Amount: eur(1000)}) {
			t.Errorf("%s: %+v, %v\n%s", s, r, err, diff)
		}
		op := in(t, payment.StateFailed)
		op.Method = payment.MethodComplete
		left, err := got.After(op, payment.Applied{}, at())
		after.Version = 6
		if diff := cmp.Diff(after, left); diff != "" || err != nil {
			t.Errorf("after its failure: %v\n%s", err, diff)
		}
	}
}

// Goal: what a child was answered is known of its parent too, and how often the child
// was sent is not. Method: each end of a child that its parent waits for.
func TestWithItsChild(t *testing.T) {
	report := payment.Report{Sends: 4, Uncertain: true, Evidence: payment.EvidenceEffect, MappingRow: "row", ProviderReference: "obj"}
	for name, c := range map[string]struct {
		settle payment.Settle
		state  payment.State // "" for a refusal
	}{
		"succeeds": {payment.Settle{State: payment.StateSucceeded, Report: report, At: at()}, payment.StateSucceeded},
		"is alone": {payment.Settle{State: payment.StateFailed, Report: payment.Report{Sends: 4, Uncertain: true, Evidence: payment.EvidenceNoEffectSticky}, Apart: true, At: at()}, payment.StateRequiresAction},
		"pends":    {payment.Settle{State: payment.StatePending, Report: payment.Report{Sends: 4, Uncertain: true, Evidence: payment.EvidencePending}, At: at(), Due: at().Add(time.Hour)}, payment.StatePending},
		"no proof": {payment.Settle{State: payment.StateSucceeded, At: at()}, ""},
	} {
		parent := waiting(t, child)
		next, err := parent.With(child, c.settle)
		if c.state == "" {
			if !errors.Is(err, payment.ErrIllegalTransition) {
				t.Errorf("%s: %v, want a refusal", name, err)
			}
			continue
		}
		a := next.Current()
		if err != nil || next.State != c.state || next.Child != "" || a.Sends != 0 || a.Uncertain {
			t.Errorf("%s: %s with child %q, %d sends, uncertain %v; %v", name, next.State, next.Child, a.Sends, a.Uncertain, err)
		}
		if c.settle.State == payment.StateSucceeded && (a.ProviderReference != "obj" || a.MappingRow != "row") {
			t.Errorf("%s: attempt %+v", name, a)
		}
	}
	for _, stranger := range []payment.OperationID{"t0", ""} {
		if _, err := waiting(t, child).With(stranger, payment.Settle{State: payment.StateSucceeded, Report: report, At: at()}); !errors.Is(err, payment.ErrIllegalTransition) {
			t.Errorf("another child %q: %v", stranger, err)
		}
	}
}
