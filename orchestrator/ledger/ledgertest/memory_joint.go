package ledgertest

import (
	"fmt"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// parent reads the parent of a joint operation into its snapshot. The caller holds
// the lock.
func (s *Store) parent(snap *ledger.Snapshot, child payment.Operation) error {
	rec, ok := s.operations[payment.OperationKey{Tenant: child.Key.Tenant, ID: child.Parent}]
	if !ok {
		return fmt.Errorf("%w: operation %s has no parent", ledger.ErrRecord, child.Key.ID)
	}
	op, err := ledger.DecodeOperation(rec.raw)
	snap.Parent, snap.Revision.Parent = op, rec.revision
	return err
}

// parentMoved refuses a change whose parent, if it writes one, is not as in its
// snapshot. The caller holds the lock.
func (s *Store) parentMoved(snap ledger.Snapshot, c ledger.Change) error {
	if c.Parent != nil && s.operations[c.Parent.Key].revision != snap.Revision.Parent {
		return fmt.Errorf("parent %s: %w", c.Parent.Key.ID, ledger.ErrPaymentMoved)
	}
	return nil
}

// keepParent stores a parent at the present revision, with what follows from it.
func (s *Store) keepParent(op payment.Operation, raw []byte) {
	s.operations[op.Key] = record{raw, s.revision}
	s.history[version{operation: op.Key, revision: s.revision}] = raw
	s.index(op, nil)
}

// joins is what is wrong with the parent of a claim: the child joins one that waits
// for the shopper, and nothing else of it changes. A void joins one that is pending too,
// and makes it due.
func (s *Store) joins(f *faults, name string, snap ledger.Snapshot, c ledger.Change) {
	if c.Parent == nil {
		return
	}
	old, p := snap.Parent, *c.Parent
	f.unless(s.returnedParent(snap), "%s with a parent that no ledger returned", name)
	off := c.Operation.CallsOff()
	waits := old.State == payment.StateRequiresAction || off && old.State == payment.StatePending
	f.unless(waits && old.Owner == "" && old.Child == "" && !old.Halted,
		"%s joins a parent in state %s, of owner %q, with child %q", name, old.State, old.Owner, old.Child)
	want := old
	want.Child = c.Operation.Key.ID
	if off {
		want.NextCheck = c.Operation.Created
	}
	f.unless(alike(want, p), "%s changes more of its parent than who its child is", name)
}

// parts is what is wrong with the parent of an advance: its own child writes it, with
// an outcome, and has left it then. Both end in the same state, or the parent goes on.
func (s *Store) parts(f *faults, name string, snap ledger.Snapshot, c ledger.Change) {
	op, old := c.Operation, snap.Parent
	if c.Parent == nil {
		f.unless(!op.Joint() || !op.State.Answers() || op.State == snap.Operation.State || old.Child != op.Key.ID,
			"%s answers and stays its parent's child", name)
		f.unless(!op.Joint() || !op.State.Final() || old.State.Final() && agree(op, old),
			"%s ends as %s beside a parent that is %s", name, op.State, old.State)
		return
	}
	p := *c.Parent
	f.unless(!op.CallsOff(), "%s, which only calls its parent off, writes it", name)
	f.kept(name+" and of its parent", old, p)
	f.unless(s.returnedParent(snap), "%s with a parent that no ledger returned", name)
	f.unless(old.State == payment.StateRequiresAction && old.Child == op.Key.ID, "%s writes a parent in state %s, with child %q", name, old.State, old.Child)
	f.unless(op.State.Answers() && p.Child == "", "%s writes its parent and leaves child %q", name, p.Child)
	f.unless(p.Epoch == old.Epoch && p.Nonce == old.Nonce && (p.Owner == old.Owner || p.Owner == ""), "%s changes who owns its parent", name)
	f.attempts(name+" and of its parent", old, p)
	f.unless(len(p.Attempts) == len(old.Attempts) && len(p.Current().Steps) == len(old.Current().Steps), "%s adds to its parent's attempts", name)
	f.response(name+" and of its parent", old, p)
	switch {
	case p.State.Final():
		f.unless(p.State == op.State, "%s ends as %s and its parent as %s", name, op.State, p.State)
	case op.State.Final(): // it ends alone, without an effect
		f.unless(op.State == payment.StateFailed && p.State == payment.StateRequiresAction, "%s ends as %s and leaves its parent as %s", name, op.State, p.State)
	default:
		f.unless(p.State == op.State, "%s answers %s and leaves its parent as %s", name, op.State, p.State)
	}
}

// agree reports whether a child has ended as its parent calls for: a completion the
// same way, and a void that called it off with success unless the parent had that.
func agree(child, parent payment.Operation) bool {
	if child.CallsOff() {
		return (child.State == payment.StateSucceeded) == (parent.State != payment.StateSucceeded)
	}
	return child.State == parent.State
}

// returnedParent is returned for the parent that a change was made from.
func (s *Store) returnedParent(snap ledger.Snapshot) bool {
	return s.returned(ledger.Snapshot{Operation: snap.Parent, Revision: ledger.Revision{Operation: snap.Revision.Parent}})
}

// child finds what contradicts the child of an operation: it is open, and works on it.
func (d Dump) child(f *faults, op payment.Operation) {
	if op.Joint() && !op.State.Answers() {
		parent := d.Operations[payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Parent}]
		f.unless(parent.State.Final() || parent.Child == op.Key.ID, "operation %s works on %s, whose child is %q", op.Key.ID, op.Parent, parent.Child)
	}
	if op.Child == "" {
		return
	}
	child, known := d.Operations[payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Child}]
	f.unless(known && child.Joint() && child.Parent == op.Key.ID && !child.State.Answers(), "operation %s has child %s, which is %q", op.Key.ID, op.Child, child.State)
	f.unless(slices.Contains([]payment.State{payment.StateRequiresAction, payment.StateFencing}, op.State) || op.CalledOff() && op.State == payment.StatePending, "operation %s in state %s has a child", op.Key.ID, op.State)
}
