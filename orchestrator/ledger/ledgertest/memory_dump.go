package ledgertest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Dump is everything that a Store holds at one moment.
type Dump struct {
	Operations map[payment.OperationKey]payment.Operation
	Payments   []payment.Payment // in order of tenant and id
	Markers    map[payment.OperationKey]ledger.Marker
	Open       map[payment.OperationKey]ledger.Open
	References map[ledger.Reference]payment.OperationKey
	Anchors    map[string][]byte
	// Writes counts what was committed to operations and payments so far.
	Writes int64
}

// Dump returns everything that the store holds, and an error only if a record
// cannot be read.
func (s *Store) Dump() (Dump, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := Dump{
		Operations: map[payment.OperationKey]payment.Operation{}, Markers: map[payment.OperationKey]ledger.Marker{},
		Open: maps.Clone(s.open), References: maps.Clone(s.references), Anchors: maps.Clone(s.anchors), Writes: s.revision,
	}
	for k, rec := range s.operations {
		op, err := ledger.DecodeOperation(rec.raw)
		if err != nil {
			return Dump{}, err
		}
		d.Operations[k] = op
		if m := s.marker(k); m.Present {
			d.Markers[k] = m.Marker
		}
	}
	for _, rec := range s.payments {
		p, err := ledger.DecodePayment(rec.raw)
		if err != nil {
			return Dump{}, err
		}
		d.Payments = append(d.Payments, p)
	}
	slices.SortFunc(d.Payments, func(a, b payment.Payment) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	return d, nil
}

// History returns every version of an operation, oldest first.
func (s *Store) History(k payment.OperationKey) ([]payment.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var revisions []int64
	for v := range s.history {
		if v.operation == k {
			revisions = append(revisions, v.revision)
		}
	}
	slices.Sort(revisions)
	ops := make([]payment.Operation, len(revisions))
	for i, r := range revisions {
		op, err := ledger.DecodeOperation(s.history[version{operation: k, revision: r}])
		if err != nil {
			return nil, err
		}
		ops[i] = op
	}
	return ops, nil
}

// Problems lists where the records contradict each other: an operation that is
// open without an entry or final with one, a marker that is not its owner's, a
// reference that leads nowhere, a final operation that keeps its sealed request,
// a payment that does not know its operation.
func (d Dump) Problems() []string {
	var f faults
	payments := map[paymentKey]payment.Payment{}
	for _, p := range d.Payments {
		payments[paymentKey{p.Tenant, p.ID}] = p
	}
	for k, op := range d.Operations {
		entry, open := d.Open[k]
		f.unless(open != op.State.Final(), "operation %s in state %s: in the open index: %v", k.ID, op.State, open)
		f.unless(!open || entry.Key == k && entry.Due.Equal(op.NextCheck), "operation %s: its open entry is not its own", k.ID)
		m, marked := d.Markers[k]
		f.unless(!marked || m.Boot == op.Owner && m.Epoch == op.Epoch, "operation %s of %s, epoch %d: marker %+v", k.ID, op.Owner, op.Epoch, m)
		f.unless(!op.State.Final() || op.Sealed == nil && op.Owner == "", "operation %s is final and keeps its sealed request or owner", k.ID)
		f.unless(op.State.Answers() == (op.Response != nil) || op.State == payment.StateFencing, "operation %s in state %s: response: %v", k.ID, op.State, op.Response != nil)
		for _, r := range ledger.References(op) {
			_, found := d.References[r]
			f.unless(found, "operation %s: reference %q on account %s is not in the index", k.ID, r.Name, r.Account)
		}
		p, known := payments[paymentKey{k.Tenant, op.PaymentID}]
		f.unless(known && slices.Contains(p.Operations, k.ID), "operation %s: its payment does not list it", k.ID)
	}
	for k := range d.Open {
		_, known := d.Operations[k]
		f.unless(known, "open entry of %s, which does not exist", k.ID)
	}
	for r, k := range d.References {
		_, known := d.Operations[k]
		f.unless(known, "reference %q of %s, which does not exist", r.Name, k.ID)
	}
	return f
}
