package ledgertest

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// presentParent makes a snapshot's parent the one that is there now, so that nothing
// guards it any more.
func presentParent(ctx context.Context, l *broken, s ledger.Snapshot) ledger.Snapshot {
	if now, err := l.Memory.Read(ctx, s.Parent.Key); err == nil && s.Revision.Parent != 0 {
		s.Parent, s.Revision.Parent = now.Operation, now.Revision.Operation
	}
	return s
}

func jointMutants() []mutant {
	claiming := func(how func(l *broken, claim writing) writing) func(l *broken) {
		return func(l *broken) { l.claim = how(l, l.Memory.Claim) }
	}
	forgets := func(how func(store *Store, child payment.Operation)) func(store *Store, k payment.OperationKey) {
		return func(store *Store, k payment.OperationKey) {
			if s, err := store.snapshot(k); err == nil && s.Operation.Joint() {
				how(store, s.Operation)
			}
		}
	}
	parentOf := func(child payment.Operation) payment.OperationKey {
		return payment.OperationKey{Tenant: child.Key.Tenant, ID: child.Parent}
	}
	return []mutant{
		{"no parent guard in a claim", "joint/is one of two children", claiming(func(l *broken, claim writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				return claim(ctx, presentParent(ctx, l, s), c)
			}
		})},
		{"a claim joins a parent that somebody owns", "joint/is not claimed when its parent is taken over meanwhile", claiming(func(l *broken, claim writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				return claim(ctx, presentParent(ctx, l, s), c)
			}
		})},
		{"a claim does not tell its parent", "joint/is claimed together with its parent, which knows it then", claiming(func(l *broken, claim writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if c.Parent != nil {
					same := s.Parent
					c.Parent = &same
				}
				return claim(ctx, s, c)
			}
		})},
		{"a claim needs no parent", "joint/needs its parent to be claimed", claiming(func(_ *broken, claim writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if c.Operation.Joint() && c.Parent == nil {
					same := s.Parent
					c.Parent = &same
				}
				return claim(ctx, s, c)
			}
		})},
		{"no parent guard in an outcome, seen by late news", "joint/is told that its parent was settled meanwhile, and takes the change rebuilt", unguardedParent()},
		{"no parent guard in an outcome, seen by a fence", "joint/is told that its parent was fenced meanwhile", unguardedParent()},
		{"a moved parent fences", "joint/is told that its parent was settled meanwhile, and takes the change rebuilt", refusing(func(_ *broken, s, now ledger.Snapshot, _ ledger.Change, err error) error {
			if errors.Is(err, ledger.ErrPaymentMoved) && s.Revision.Parent != now.Revision.Parent {
				return ledger.ErrFenced
			}
			return err
		})},
		{"a moved parent hides that the operation moved", "joint/is told of itself when its parent moved too", refusing(func(_ *broken, s, now ledger.Snapshot, _ ledger.Change, err error) error {
			if errors.Is(err, ledger.ErrFenced) && s.Revision.Parent != now.Revision.Parent {
				return ledger.ErrPaymentMoved
			}
			return err
		})},
		{"a child ends without its parent", "joint/ends together with its parent as SUCCEEDED", before(func(_ ledger.Snapshot, c *ledger.Change) { c.Parent = nil })},
		{"a parent that ended stays open", "joint/ends together with its parent as DECLINED", spoils(forgets(func(store *Store, child payment.Operation) {
			store.open[parentOf(child)] = ledger.Open{Key: parentOf(child), Due: child.Created}
		}))},
		{"a parent keeps the marker of whoever was to cancel it", "joint/ends together with its parent as FAILED", advancing(func(l *broken, advance writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				before, had := l.store.markers[s.Parent.Key]
				next, err := advance(ctx, s, c)
				return l.afterwards(next, err, func(store *Store, _ payment.OperationKey) {
					if had {
						store.markers[s.Parent.Key] = before
					}
				})
			}
		})},
		{"a parent never waits again", "joint/leaves its parent to wait again", before(func(s ledger.Snapshot, c *ledger.Change) {
			if c.Parent != nil && !c.Parent.State.Final() {
				stays := *c.Parent
				stays.Child = s.Operation.Key.ID
				c.Parent = &stays
			}
		})},
		{"a child's park writes its parent", "joint/that is parked and taken over leaves its parent alone", spoils(forgets(func(store *Store, child payment.Operation) {
			rec := store.operations[parentOf(child)]
			store.revision++
			rec.revision = store.revision
			store.operations[parentOf(child)] = rec
		}))},
		{"an outcome whose parent moved on is to be made again", "joint/repeated as an outcome after its parent moved on is one outcome", advancing(func(l *broken, advance writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err == nil && c.Parent != nil && now.Revision.Parent != s.Revision.Parent {
					return now, ledger.ErrPaymentMoved
				}
				return advance(ctx, s, c)
			}
		})},
		{"the parent's object is the child's", "joint/keeps the parent's references with the parent", spoils(forgets(func(store *Store, child payment.Operation) {
			a := child.Current()
			store.references[ledger.Reference{Account: a.Account, Name: string(a.ProviderReference)}] = child.Key
		}))},
		{"a child reads no parent", "joint/leaves its parent to the provider", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				s.Parent = payment.Operation{}
				return s, err
			}
		}},
	}
}

// unguardedParent writes the outcome of a child whatever its parent is by now.
func unguardedParent() func(l *broken) {
	return advancing(func(l *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			if c.Parent != nil {
				s = presentParent(ctx, l, s)
				if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil {
					s.Revision.Payment = now.Revision.Payment
				}
			}
			return advance(ctx, s, c)
		}
	})
}
