package ledgertest

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// unsettled is an Authorize by boot i that has not ended.
func (w *world) unsettled(i int, in payment.State) ledger.Snapshot {
	w.Helper()
	s := w.claimed(i)
	return w.advance(i, s, w.outcome(s, in))
}

// callOff is what boot i writes to call the authorization of s off.
func (w *world) callOff(i int, s ledger.Snapshot) ledger.Change {
	w.Helper()
	c := w.call(tenant, payment.MethodVoid)
	change := w.capture(i, s, c, 0)
	change.Operation.Attempts[0].Steps = []payment.Step{{Name: payment.StepLook}}
	parent := w.next(s.Operation, payment.Join{Child: c.OperationKey().ID, At: change.Operation.Created})
	change.Parent = &parent
	return change
}

func callsOffClaim(w *world, in payment.State) {
	parent := w.unsettled(0, in)
	c := w.callOff(1, parent)
	s, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), c)
	w.ok("claim of a void", err)
	same(w, "the operation", s.Operation, c.Operation)
	same(w, "the parent", s.Parent, *c.Parent)
	if !s.Parent.CalledOff() || s.Payment.Voiding != s.Operation.Key.ID || s.Parent.NextCheck.After(w.t0) {
		w.Fatalf("the parent has child %q and is due at %s; the payment is voided by %q", s.Parent.Child, s.Parent.NextCheck, s.Payment.Voiding)
	}
	if at, open := w.due(s.Parent.Key); !open || at.After(w.t0) {
		w.Fatalf("the index knows the parent: %t, due at %s", open, at)
	}
	w.family(s)
}

func callsOffAlone(w *world) {
	parent := w.unsettled(0, payment.StateRequiresAction)
	off, back := w.callOff(0, parent), w.completion(1, parent, w.call(tenant, payment.MethodComplete))
	first, err := w.Ledgers[0].Claim(w.ctx(), parent.ForChild(), off)
	w.ok("claim of a void", err)
	_, err = w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), back)
	w.fails("the claim of a completion beside a void", err, ledger.ErrPaymentMoved)
	w.absent(back)
	w.family(first)
}

func callsOffEnds(w *world, to payment.State) {
	parent := w.unsettled(0, payment.StateRequiresAction)
	s, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), w.callOff(1, parent))
	w.ok("claim of a void", err)
	now := w.read(0, s.Parent.Key)
	w.advance(0, now, told(w.outcome(now, to), w.event()))
	present := w.read(1, s.Operation.Key)
	if present.Parent.State != to || present.Parent.Child != "" {
		w.Fatalf("the parent is %s with child %q, want %s", present.Parent.State, present.Parent.Child, to)
	}
	op := w.next(present.Operation, present.Parent.EndCallOff(payment.Report{}, w.t0.Add(time.Second)))
	op.Response = everyByte()
	next := w.advance(1, present, w.change(present, op, 0))
	want := payment.StateSucceeded
	if to == payment.StateSucceeded {
		want = payment.StateFailed
	}
	if next.Operation.State != want || next.Payment.Voiding != "" || next.Payment.Status != present.Payment.Status || next.Revision.Parent != present.Revision.Parent {
		w.Fatalf("the void ended as %s; the payment is %s, voided by %q", next.Operation.State, next.Payment.Status, next.Payment.Voiding)
	}
	w.family(next)
}
