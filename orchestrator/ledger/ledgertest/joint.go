package ledgertest

import (
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// jointProperties: an operation and the parent that it is one with are claimed and
// answered in one write, which either of them having moved refuses.
func jointProperties() []property {
	all := []property{
		{"is claimed together with its parent, which knows it then", "", jointClaim},
		{"is one of two children", "", jointOneChild},
		{"is not claimed when its parent is taken over meanwhile", "", jointClaimOnOwned},
		{"repeated as a claim is one claim", "", jointClaimRepeated},
		{"needs its parent to be claimed", "", jointClaimAlone},
		{"leaves its parent to wait again", "", jointParts},
		{"leaves its parent to the provider", "", jointPends},
		{"that is parked and taken over leaves its parent alone", "", jointParked},
		{"is told that its parent was settled meanwhile, and takes the change rebuilt", "", jointParentSettled},
		{"is told that its parent was fenced meanwhile", "", jointParentFenced},
		{"is told of itself when its parent moved too", "", jointBoth},
		{"repeated as an outcome after its parent moved on is one outcome", "", jointRepeatedMoved},
		{"keeps the parent's references with the parent", "", jointReferences},
		{"that calls off is claimed with a parent that waits, and makes it due", "", func(w *world) { callsOffClaim(w, payment.StateRequiresAction) }},
		{"that calls off is claimed with a parent that is pending, and makes it due", "", func(w *world) { callsOffClaim(w, payment.StatePending) }},
		{"that calls off is the only child", "", callsOffAlone},
	}
	for _, to := range []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
		all = append(all, property{"that calls off ends after its parent was " + string(to), "", func(w *world) { callsOffEnds(w, to) }})
		all = append(all, property{"ends together with its parent as " + string(to), "", func(w *world) { jointEnds(w, to) }})
	}
	return all
}

// waiting is an Authorize by boot i that waits for the shopper.
func (w *world) waiting(i int) ledger.Snapshot {
	w.Helper()
	s := w.claimed(i)
	return w.advance(i, s, w.outcome(s, payment.StateRequiresAction))
}

// completion is what boot i writes to go on with the authorization of s.
func (w *world) completion(i int, s ledger.Snapshot, c payment.Call) ledger.Change {
	w.Helper()
	change := w.capture(i, s, c, 0)
	parent := w.next(s.Operation, payment.Join{Child: c.OperationKey().ID})
	change.Parent = &parent
	return change
}

// completing is a completion that boot i has just claimed on the authorization of s.
func (w *world) completing(i int, s ledger.Snapshot) ledger.Snapshot {
	w.Helper()
	next, err := w.Ledgers[i].Claim(w.ctx(), s.ForChild(), w.completion(i, s, w.call(tenant, payment.MethodComplete)))
	w.ok("claim of a completion", err)
	return next
}

// both is what writes an outcome of a completion and of its authorization.
func (w *world) both(s ledger.Snapshot, to payment.State) ledger.Change {
	w.Helper()
	c := w.outcome(s, to)
	a := c.Operation.Current()
	parent, err := s.Parent.With(s.Operation.Key.ID, payment.Settle{
		State: to, Decline: c.Operation.Decline, Failure: c.Operation.Failure, At: w.t0.Add(time.Second), Due: w.t0.Add(time.Hour),
		Report: payment.Report{
			Evidence: a.Evidence, MappingRow: a.MappingRow, HTTPStatus: a.HTTPStatus, Code: a.Code, RequestID: a.RequestID,
			ProviderReference: a.ProviderReference, NextAction: a.NextAction,
		},
	})
	w.ok("the parent's part", err)
	return w.withParent(s, c, parent)
}

// withParent adds to a change what becomes of the parent, and shows it in the payment.
func (w *world) withParent(s ledger.Snapshot, c ledger.Change, parent payment.Operation) ledger.Change {
	w.Helper()
	p, err := s.Payment.After(parent, payment.Applied{Amount: parent.Amount}, w.t0.Add(time.Second))
	w.ok("the payment after its parent", err)
	c.Parent, c.Payment = &parent, &p
	return c
}

// family checks that every ledger reads a joint operation as in s, and its parent.
func (w *world) family(s ledger.Snapshot) {
	w.Helper()
	w.holds(s)
	parent := w.read(1, s.Parent.Key)
	same(w, "the parent", parent.Operation, s.Parent)
	if parent.Revision.Operation != s.Revision.Parent {
		w.Fatalf("the parent is of revision %d, want %d", parent.Revision.Operation, s.Revision.Parent)
	}
	w.holds(parent)
}

func jointClaim(w *world) {
	parent := w.waiting(0)
	c := w.completion(1, parent, w.call(tenant, payment.MethodComplete))
	s, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), c)
	w.ok("claim of a completion", err)
	same(w, "the operation", s.Operation, c.Operation)
	same(w, "the parent", s.Parent, *c.Parent)
	same(w, "the payment", s.Payment, *c.Payment)
	if s.Parent.Child != s.Operation.Key.ID || s.Revision.Parent == parent.Revision.Operation {
		w.Fatalf("the parent has child %q and revision %d, as before %d", s.Parent.Child, s.Revision.Parent, parent.Revision.Operation)
	}
	w.family(s)
}

func jointOneChild(w *world) {
	parent := w.waiting(0)
	changes := [2]ledger.Change{}
	for i := range changes {
		changes[i] = w.completion(i, parent, w.call(tenant, payment.MethodComplete))
	}
	first, err := w.Ledgers[0].Claim(w.ctx(), parent.ForChild(), changes[0])
	w.ok("the first claim", err)
	// The payment as it is now would let it pass: only the parent tells.
	late := parent.ForChild()
	late.Payment, late.Revision.Payment = first.Payment, first.Revision.Payment
	second := changes[1]
	p := first.Payment
	p.Version++
	p.Operations = append(slices.Clip(p.Operations), second.Operation.Key.ID)
	second.Payment = &p
	_, err = w.Ledgers[1].Claim(w.ctx(), late, second)
	w.fails("the claim of a second child", err, ledger.ErrPaymentMoved)
	w.absent(second)
	w.family(first)
}

func jointClaimOnOwned(w *world) {
	parent := w.waiting(0)
	c := w.completion(1, parent, w.call(tenant, payment.MethodComplete))
	owned := w.takenOver(2, parent)
	_, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), c)
	w.fails("a claim on a parent that was taken over", err, ledger.ErrPaymentMoved)
	w.absent(c)
	w.holds(owned)
}

func jointClaimRepeated(w *world) {
	parent := w.waiting(0)
	c := w.completion(1, parent, w.call(tenant, payment.MethodComplete))
	first, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), c)
	w.ok("claim of a completion", err)
	again, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), c)
	w.ok("the same claim again", err)
	same(w, "what it returns", again, first)
	w.family(first)
}

func jointClaimAlone(w *world) {
	parent := w.waiting(0)
	c := w.completion(1, parent, w.call(tenant, payment.MethodComplete))
	c.Parent = nil
	if _, err := w.Ledgers[1].Claim(w.ctx(), parent.ForChild(), c); err == nil {
		w.Fatal("a completion was claimed without its parent")
	}
	w.absent(c)
	w.holds(parent)
}

func jointEnds(w *world, to payment.State) {
	s := w.completing(1, w.waiting(0))
	// Whoever owns the parent was about to cancel it: its marker goes too.
	owned := w.takenOver(2, w.read(2, s.Parent.Key))
	s = w.read(1, s.Operation.Key)
	c := w.both(s, to)
	next := w.advance(1, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the parent", next.Parent, *c.Parent)
	same(w, "the payment", next.Payment, *c.Payment)
	if parent := w.read(0, owned.Operation.Key); parent.Marker.Present || parent.Operation.State != to || parent.Operation.Child != "" {
		w.Fatalf("the parent is %s with child %q and marker %+v", parent.Operation.State, parent.Operation.Child, parent.Marker)
	}
	w.family(next)
}

func jointParts(w *world) {
	s := w.completing(1, w.waiting(0))
	s = w.advance(1, s, w.both(s, payment.StateRequiresAction))
	if s.Parent.Child != "" || s.Parent.State != payment.StateRequiresAction || s.Operation.State != payment.StateRequiresAction {
		w.Fatalf("%s beside a parent that is %s with child %q", s.Operation.State, s.Parent.State, s.Parent.Child)
	}
	w.family(s)
	w.family(w.completing(2, w.read(2, s.Parent.Key)))
}

func jointPends(w *world) {
	s := w.completing(1, w.waiting(0))
	s = w.advance(1, s, w.both(s, payment.StatePending))
	if s.Parent.Child != "" || s.Parent.State != payment.StatePending || s.Payment.Status != payment.StatusPending {
		w.Fatalf("a parent that is %s with child %q, payment %s", s.Parent.State, s.Parent.Child, s.Payment.Status)
	}
	w.family(s)
	parent := w.read(0, s.Parent.Key)
	parent = w.advance(0, parent, w.outcome(parent, payment.StateSucceeded))
	now := w.read(1, s.Operation.Key)
	same(w, "the parent that the child reads", now.Parent, parent.Operation)
}

func jointParked(w *world) {
	s := w.completing(1, w.waiting(0))
	parked := w.advance(1, s, w.parked(s, w.t0.Add(time.Minute)))
	taken := w.takenOver(2, parked)
	if taken.Revision.Parent != s.Revision.Parent {
		w.Fatalf("the parent went from revision %d to %d", s.Revision.Parent, taken.Revision.Parent)
	}
	w.family(taken)
}

func jointParentSettled(w *world) {
	s := w.completing(1, w.waiting(0))
	parent := w.read(0, s.Parent.Key)
	c := told(w.outcome(parent, payment.StateSucceeded), w.event())
	settled := w.advance(0, parent, c)
	present, err := w.Ledgers[1].Advance(w.ctx(), s, w.both(s, payment.StateDeclined))
	w.fails("the outcome of a child whose parent was settled", err, ledger.ErrPaymentMoved)
	same(w, "the present operation", present.Operation, s.Operation)
	same(w, "the present parent", present.Parent, settled.Operation)
	same(w, "the present payment", present.Payment, settled.Payment)
	w.family(present)

	op := w.next(present.Operation, present.Parent.SameEnd(payment.Report{Sends: 1}, w.t0))
	op.Response = everyByte()
	next := w.advance(1, present, w.change(present, op, 0))
	if next.Operation.State != payment.StateSucceeded || next.Payment.Authorized != amount || next.Revision.Parent != present.Revision.Parent {
		w.Fatalf("the child ended as %s with %d authorized", next.Operation.State, next.Payment.Authorized)
	}
	w.family(next)
}

func jointParentFenced(w *world) {
	s := w.completing(1, w.waiting(0))
	parent := w.takenOver(2, w.read(2, s.Parent.Key))
	fenced := w.advance(2, parent, w.fenced(parent))
	present, err := w.Ledgers[1].Advance(w.ctx(), s, w.both(s, payment.StateSucceeded))
	w.fails("the outcome of a child whose parent was fenced", err, ledger.ErrPaymentMoved)
	same(w, "the present parent", present.Parent, fenced.Operation)
	w.family(present)
	next := w.advance(1, present, w.parked(present, w.t0.Add(time.Minute)))
	w.family(next)
}

// jointBoth: told that only the parent moved, whoever lost the operation would go on
// with it.
func jointBoth(w *world) {
	s := w.completing(1, w.waiting(0))
	parent := w.read(0, s.Parent.Key)
	w.advance(0, parent, w.outcome(parent, payment.StateSucceeded))
	parked := w.advance(2, s, w.parked(s, w.t0.Add(time.Minute)))
	present, err := w.Ledgers[1].Advance(w.ctx(), s, w.both(s, payment.StateSucceeded))
	w.fails("the outcome of a child that moved, as its parent did", err, ledger.ErrFenced)
	same(w, "the present operation", present.Operation, parked.Operation)
	w.family(present)
}

func jointRepeatedMoved(w *world) {
	s := w.completing(1, w.waiting(0))
	c := w.both(s, payment.StateRequiresAction)
	first := w.advance(1, s, c)
	parent := w.read(0, s.Parent.Key)
	parent = w.advance(0, parent, w.outcome(parent, payment.StateDeclined))
	again, err := w.Ledgers[1].Advance(w.ctx(), s, c)
	w.ok("an outcome repeated after the parent moved on", err)
	same(w, "the operation it returns", again.Operation, first.Operation)
	same(w, "the parent it returns", again.Parent, parent.Operation)
	w.family(again)
}

func jointReferences(w *world) {
	s := w.completing(1, w.waiting(0))
	s = w.advance(1, s, w.both(s, payment.StateSucceeded))
	a := s.Operation.Current()
	k, err := w.Ledgers[2].ByReference(w.ctx(), a.Account, string(a.ProviderReference))
	w.ok("by the provider's reference", err)
	same(w, "whose it is", k, s.Parent.Key)
	k, err = w.Ledgers[2].ByReference(w.ctx(), a.Account, string(a.Reference))
	w.ok("by our reference", err)
	same(w, "whose ours is", k, s.Operation.Key)
}
