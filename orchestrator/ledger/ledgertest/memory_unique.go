package ledgertest

import (
	"maps"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Unique names a merchant reference that one payment has.
type Unique struct {
	Tenant    payment.TenantID
	Reference payment.MerchantReference
}

func uniqueOf(p payment.Payment) Unique { return Unique{p.Tenant, p.MerchantReference} }

// referenceTaken refuses a payment that is to be created and whose merchant reference
// another one has. The caller holds the lock.
func (s *Store) referenceTaken(snap ledger.Snapshot, c ledger.Change) error {
	if c.Payment == nil || !c.Payment.Unique || snap.Revision.Payment != 0 {
		return nil
	}
	if holder, taken := s.uniques[uniqueOf(*c.Payment)]; taken {
		return &ledger.ReferenceTakenError{Payment: holder}
	}
	return nil
}

// keepUnique takes or gives up the merchant reference of a payment that is about to be
// stored. The caller holds the lock.
func (s *Store) keepUnique(p payment.Payment) {
	before, err := s.paymentSnapshot(paymentKey{p.Tenant, p.ID})
	switch {
	case p.Unique:
		s.uniques[uniqueOf(p)] = p.ID
	case err == nil && before.Payment.Unique:
		delete(s.uniques, uniqueOf(p))
	}
}

// unique checks that a payment has its merchant reference from the beginning, or never,
// and gives it up when it lives no more.
func (f *faults) unique(name string, snap ledger.Snapshot, p payment.Payment) {
	f.unless(!p.Unique || p.MerchantReference != "" && p.Status.Live(), "%s is unique without a merchant reference, or as %s", name, p.Status)
	if snap.Revision.Payment == 0 {
		return
	}
	f.unless(p.MerchantReference == snap.Payment.MerchantReference && (!p.Unique || snap.Payment.Unique), "%s takes a merchant reference late", name)
	f.unless(p.Unique || !snap.Payment.Unique || !p.Status.Live(), "%s gives up its merchant reference as %s", name, p.Status)
}

// uniques finds merchant references that are not those of the payments that have them.
func (d Dump) uniques(f *faults) {
	left := maps.Clone(d.Uniques)
	for _, p := range d.Payments {
		if p.Unique {
			f.unless(left[uniqueOf(p)] == p.ID, "payment %s is unique, and its merchant reference is that of %q", p.ID, left[uniqueOf(p)])
			delete(left, uniqueOf(p))
		}
	}
	for _, id := range left {
		f.unless(false, "a merchant reference is kept for payment %s", id)
	}
}
