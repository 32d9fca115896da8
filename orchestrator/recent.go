package orchestrator

import (
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// recent are payments as this process last wrote them. An order on one can be planned
// on that instead of on a read: the claim compares the payment's revision, so it is made
// only if the payment still is what it was planned on. No refusal comes of it: that the
// payment still is so, nothing has shown then.
type recent struct {
	payments *lru.Cache[paymentKey, remembered]
}

// recentPayments bounds how many are kept, at about 2 KiB each.
const recentPayments = 4096

type paymentKey struct {
	tenant payment.TenantID
	id     payment.ID
}

// remembered is what an order is planned on.
type remembered struct {
	payment       payment.Payment
	revision      ledger.Revision   // of the payment alone
	authorization payment.Operation // as it ended; see ended
}

// snapshot is what a claim is made from.
func (r remembered) snapshot() ledger.Snapshot {
	return ledger.Snapshot{Payment: r.payment, Revision: r.revision}
}

func newRecent() (recent, error) {
	c, err := lru.New[paymentKey, remembered](recentPayments)
	return recent{c}, err
}

// wrote keeps the payment of an operation that has ended, if its authorization is
// known: from then on that never changes.
func (r recent) wrote(s ledger.Snapshot) {
	op, key := s.Operation, paymentKey{s.Payment.Tenant, s.Payment.ID}
	if op.Joint() || s.Payment.Unsettled() || s.Revision.Payment == 0 {
		r.payments.Remove(key)
		return
	}
	k := remembered{payment: s.Payment, revision: ledger.Revision{Payment: s.Revision.Payment}}
	if op.Method == payment.MethodAuthorize {
		if !op.State.Final() {
			return
		}
		k.authorization = ended(op)
	} else {
		before, found := r.payments.Get(key)
		if !found {
			return
		}
		k.authorization = before.authorization
	}
	r.payments.Add(key, k)
}

// ended is what an order needs of its authorization: how its last attempt ended, without
// what was asked and answered, and what the shopper had to do. That is large, and for
// nobody else.
func ended(op payment.Operation) payment.Operation {
	op.Sealed, op.Response = nil, nil
	op.Attempts = slices.Clone(op.Attempts[len(op.Attempts)-1:]) // the record's own stay
	op.Attempts[0].NextAction = nil
	return op
}

// find returns what an order of the method can be planned on. Orders that are one with
// the authorization are not among them.
func (r recent) find(m payment.Method, tenant payment.TenantID, id payment.ID) (remembered, bool) {
	k, found := r.payments.Get(paymentKey{tenant, id})
	return k, found && !joins(m, k.payment)
}
