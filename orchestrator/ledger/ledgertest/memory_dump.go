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
	Uniques    map[Unique]payment.ID
	Anchors    map[string][]byte
	Events     []ledger.Taken      // in order of account and id
	Attention  []payment.Attention // in order of tenant and id
	// Writes counts what was committed so far, anchors apart.
	Writes int64
}

// Dump returns everything that the store holds, and an error only if a record
// cannot be read.
func (s *Store) Dump() (Dump, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := Dump{
		Operations: map[payment.OperationKey]payment.Operation{}, Markers: map[payment.OperationKey]ledger.Marker{},
		Open: maps.Clone(s.open), References: maps.Clone(s.references), Anchors: maps.Clone(s.anchors), Uniques: maps.Clone(s.uniques), Writes: s.revision,
	}
	var err error
	if d.Events, err = s.eventsInOrder(); err != nil {
		return Dump{}, err
	}
	if d.Attention, err = s.attentionInOrder(); err != nil {
		return Dump{}, err
	}
	for _, k := range inOrder(s.operations) {
		op, err := ledger.DecodeOperation(s.operations[k].raw)
		if err != nil {
			return Dump{}, err
		}
		d.Operations[k] = op
		if m := s.marker(k); m.Present {
			d.Markers[k] = m.Marker
		}
	}
	payments := slices.SortedFunc(maps.Keys(s.payments), func(a, b paymentKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.id, b.id))
	})
	for _, k := range payments {
		p, err := ledger.DecodePayment(s.payments[k].raw)
		if err != nil {
			return Dump{}, err
		}
		d.Payments = append(d.Payments, p)
	}
	return d, nil
}

// inOrder lists the operations that a map has something of, so that two runs
// which do the same say the same.
func inOrder[V any](m map[payment.OperationKey]V) []payment.OperationKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b payment.OperationKey) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
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
