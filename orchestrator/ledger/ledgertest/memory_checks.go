package ledgertest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// faults collects what is wrong with a change.
type faults []string

func (f *faults) unless(right bool, format string, args ...any) {
	if !right {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

// check reports what a caller did wrong, with nothing locked.
func (s *Store) check(find func() []string) {
	s.mu.Lock()
	found := find()
	s.mu.Unlock()
	for _, what := range found {
		s.config.Violated(what)
	}
}

// claimFaults is what is wrong with a claim.
func (s *Store) claimFaults(b payment.BootID, snap ledger.Snapshot, c ledger.Change) []string {
	var f faults
	op := c.Operation
	name := fmt.Sprintf("claim of %s", op.Key.ID)
	if err := op.Key.Validate(); err != nil {
		return []string{err.Error()}
	}
	f.unless(op.State == payment.StateIntent, "%s in state %s", name, op.State)
	f.unless(op.Epoch == 1, "%s with epoch %d", name, op.Epoch)
	f.unless(op.Owner == b, "%s by boot %s for boot %s", name, b, op.Owner)
	f.unless(len(op.Attempts) == 1, "%s with %d attempts", name, len(op.Attempts))
	f.unless(op.Response == nil && op.Completed.IsZero(), "%s with an outcome", name)
	f.unless(!op.NextCheck.IsZero(), "%s that is never due", name)
	f.unless(s.fresh(op), "%s with a nonce that was used before", name)
	if c.Payment != nil {
		f.payment(name, snap, c)
		f.unless(slices.Contains(c.Payment.Operations, op.Key.ID), "%s on a payment that does not list it", name)
		f.reserves(name, snap, c)
		f.unless(s.returnedPayment(snap, *c.Payment), "%s on a payment that no ledger returned", name)
	}
	s.joins(&f, name, snap, c)
	f.unless(c.Payment != nil || op.Held == 0 && op.Method != payment.MethodVoid, "%s takes nothing of its payment", name)
	return f
}

// takeoverFaults is what is wrong with a takeover.
func (s *Store) takeoverFaults(b payment.BootID, snap ledger.Snapshot, c ledger.Change) []string {
	var f faults
	old, op := snap.Operation, c.Operation
	name := fmt.Sprintf("takeover of %s", op.Key.ID)
	f.kept(name, old, op)
	f.unless(!old.Halted, "%s, which is halted", name)
	f.unless(s.returned(snap), "%s from a snapshot that no ledger returned", name)
	f.unless(op.Epoch == old.Epoch+1, "%s from epoch %d to %d", name, old.Epoch, op.Epoch)
	f.unless(op.Owner == b, "%s by boot %s for boot %s", name, b, op.Owner)
	want := old.State
	if want == payment.StateUnknown {
		want = payment.StateIntent
	}
	f.unless(op.State == want, "%s from %s to %s", name, old.State, op.State)
	f.unless(len(op.Attempts) == len(old.Attempts), "%s that changes the attempts", name)
	f.unless(bytes.Equal(op.Sealed, old.Sealed), "%s that changes the sealed request", name)
	f.unless(bytes.Equal(op.Response, old.Response), "%s that changes the response", name)
	f.unless(!op.NextCheck.IsZero(), "%s that is never due", name)
	f.unless(c.Payment == nil && c.Parent == nil, "%s that changes the payment or the parent", name)
	f.unless(s.fresh(op), "%s with a nonce that was used before", name)
	return f
}

// advanceFaults is what is wrong with an advance.
func (s *Store) advanceFaults(snap ledger.Snapshot, c ledger.Change) []string {
	var f faults
	old, op := snap.Operation, c.Operation
	name := fmt.Sprintf("advance of %s from %s to %s", op.Key.ID, old.State, op.State)
	f.kept(name, old, op)
	f.unless(s.returned(snap), "%s from a snapshot that no ledger returned", name)
	f.unless(slices.Contains(movesFrom(old.State), op.State), "%s is no move", name)
	f.unless(op.Epoch == old.Epoch && op.Nonce == old.Nonce, "%s changes epoch or nonce", name)
	f.unless(op.Owner == old.Owner || op.Owner == "", "%s changes the owner to %s", name, op.Owner)
	f.unless(op.State != payment.StateIntent || op.Owner != "", "%s leaves an intent without an owner", name)
	f.attempts(name, old, op)
	f.fences(name, old, op)
	f.halts(name, old, op)
	f.response(name, old, op)
	if kind := kindOfAdvance(snap, c); kind == KindNote || kind == KindPark {
		f.stays(name, kind, old, op)
	}
	if c.Payment != nil {
		f.payment(name, snap, c)
		f.unless(s.returnedPayment(snap, *c.Payment), "%s on a payment that no ledger returned", name)
		f.settles(name, op, snap.Payment, *c.Payment)
		f.outsideOf(name, op, snap.Payment, *c.Payment)
	}
	f.unless(c.Payment != nil || !op.State.Final(), "%s does not show in its payment", name)
	s.parts(&f, name, snap, c)
	f.unless(c.Payment == nil || op.Touches(old) || c.Parent != nil, "%s shows in a payment that it does not touch", name)
	return f
}

// fresh reports whether a nonce was never written by another claim or takeover.
// A repetition of the same one has the same nonce.
func (s *Store) fresh(op payment.Operation) bool {
	owner, used := s.nonces[op.Nonce]
	return op.Nonce != "" && (!used || owner == ownership{op.Key, op.Epoch})
}

// movesFrom lists where an advance may take an operation.
func movesFrom(s payment.State) []payment.State {
	final := []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed}
	outcomes := append(final, payment.StatePending, payment.StateRequiresAction)
	switch s {
	case payment.StateIntent:
		return append(outcomes, payment.StateIntent, payment.StateUnknown, payment.StateFencing)
	case payment.StateUnknown:
		return append(outcomes, payment.StateUnknown, payment.StateFencing)
	case payment.StateFencing:
		return append(final, payment.StateFencing, payment.StateIntent)
	case payment.StatePending, payment.StateRequiresAction:
		return append(final, s, payment.StateFencing)
	case payment.StateSucceeded, payment.StateDeclined, payment.StateFailed:
		return nil
	}
	return nil
}

// kept checks what no write after the claim may change.
func (f *faults) kept(name string, old, op payment.Operation) {
	f.unless(!old.State.Final(), "%s: %s is final", name, old.State)
	f.unless(op.Key == old.Key && op.Method == old.Method && op.Reference == old.Reference && op.Fingerprint == old.Fingerprint &&
		op.PaymentID == old.PaymentID && op.Parent == old.Parent && op.Amount == old.Amount && op.Created.Equal(old.Created) &&
		op.Held == old.Held && op.Last == old.Last && (op.Child == old.Child || op.Child == "") && op.Deadline.Equal(old.Deadline), "%s changes what the claim fixed", name)
}

// attempts checks that attempts are only added, each after the one before was
// closed by what allows it, and keep where and with which keys they are sent.
func (f *faults) attempts(name string, old, op payment.Operation) {
	added := len(op.Attempts) - len(old.Attempts)
	if added < 0 || added > 1 {
		f.unless(false, "%s has %d attempts after %d", name, len(op.Attempts), len(old.Attempts))
		return
	}
	for i, before := range old.Attempts {
		now := op.Attempts[i]
		f.unless(now.Account == before.Account && now.Target == before.Target && now.Reference == before.Reference && now.Parent == before.Parent && now.ParentReference == before.ParentReference &&
			now.ResendNotAfter.Equal(before.ResendNotAfter) && now.Epoch == before.Epoch && now.Sends >= before.Sends &&
			len(now.Steps) >= len(before.Steps) && samePlan(before.Steps, now.Steps[:min(len(now.Steps), len(before.Steps))], true) &&
			(now.Stopped || !before.Stopped) && (now.Released || !before.Released),
			"%s changes what attempt %d was made with", name, i+1)
		f.unless(i == len(old.Attempts)-1 || alike(before, now), "%s changes attempt %d, which was closed", name, i+1)
		if i < len(op.Attempts)-1 {
			f.unless(!now.Closed.IsZero(), "%s leaves attempt %d open behind another", name, i+1)
			f.unless(now.Evidence == payment.EvidenceNoEffectSticky || now.Evidence == payment.EvidenceNoEffectNotSticky,
				"%s goes on after evidence %q", name, now.Evidence)
		}
	}
}

// response checks what comes with an outcome, and with none.
func (f *faults) response(name string, old, op payment.Operation) {
	switch {
	case old.Response != nil:
		f.unless(bytes.Equal(op.Response, old.Response), "%s changes the response", name)
	case op.State.Answers():
		f.unless(len(op.Response) > 0, "%s without a response", name)
	default:
		f.unless(op.Response == nil, "%s with a response", name)
	}
	if op.State.Answers() && op.State != old.State {
		f.unless(op.Owner == "", "%s keeps its owner", name)
	}
	if op.State.Final() {
		f.unless(op.Sealed == nil && !op.Completed.IsZero() && op.NextCheck.IsZero(), "%s keeps the sealed request or the next check", name)
		return
	}
	f.unless(bytes.Equal(op.Sealed, old.Sealed), "%s changes the sealed request", name)
	f.unless(!op.NextCheck.IsZero(), "%s is never due", name)
	f.unless(op.Completed.IsZero(), "%s is completed", name)
}

// returned reports whether a snapshot's operation is what the store held at its
// revision: nobody made the snapshot up or put another's revision on it.
func (s *Store) returned(snap ledger.Snapshot) bool {
	raw, err := ledger.EncodeOperation(snap.Operation)
	return err == nil && bytes.Equal(raw, s.history[version{operation: snap.Operation.Key, revision: snap.Revision.Operation}])
}

// returnedPayment is returned for the payment that a change was made from.
func (s *Store) returnedPayment(snap ledger.Snapshot, p payment.Payment) bool {
	if snap.Revision.Payment == 0 {
		return true // to be created
	}
	raw, err := ledger.EncodePayment(snap.Payment)
	k := paymentKey{p.Tenant, p.ID}
	return err == nil && bytes.Equal(raw, s.history[version{payment: k, revision: snap.Revision.Payment}])
}
