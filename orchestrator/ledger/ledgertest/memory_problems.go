package ledgertest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Problems lists where the records contradict each other, in one order: an
// operation that is open without an entry or final with one, a marker that is
// not its owner's, a reference that leads nowhere, a final operation that keeps
// its sealed request, a fence without a cancel, what is halted and has an owner,
// a payment that does not know its operation or holds something for nobody, and
// events and attention about what does not exist.
func (d Dump) Problems() []string {
	var f faults
	payments := map[paymentKey]payment.Payment{}
	for _, p := range d.Payments {
		payments[paymentKey{p.Tenant, p.ID}] = p
	}
	for _, k := range inOrder(d.Operations) {
		op := d.Operations[k]
		d.operation(&f, op)
		p, known := payments[paymentKey{k.Tenant, op.PaymentID}]
		f.unless(known && slices.Contains(p.Operations, k.ID), "operation %s: its payment does not list it", k.ID)
	}
	for _, k := range inOrder(d.Open) {
		_, known := d.Operations[k]
		f.unless(known, "open entry of %s, which does not exist", k.ID)
	}
	for _, r := range d.referencesInOrder() {
		k := d.References[r]
		_, known := d.Operations[k]
		f.unless(known, "reference %q of %s, which does not exist", r.Name, k.ID)
	}
	for _, p := range d.Payments {
		d.payment(&f, p)
	}
	d.news(&f, payments)
	d.uniques(&f)
	return f
}

func (d Dump) referencesInOrder() []ledger.Reference {
	return slices.SortedFunc(maps.Keys(d.References), func(a, b ledger.Reference) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name))
	})
}

// operation finds what contradicts an operation.
func (d Dump) operation(f *faults, op payment.Operation) {
	k := op.Key
	entry, open := d.Open[k]
	f.unless(open != op.State.Final(), "operation %s in state %s: in the open index: %v", k.ID, op.State, open)
	f.unless(!open || entry.Key == k && entry.Due.Equal(op.NextCheck), "operation %s: its open entry is not its own", k.ID)
	m, marked := d.Markers[k]
	f.unless(!marked || m.Boot == op.Owner && m.Epoch == op.Epoch, "operation %s of %s, epoch %d: marker %+v", k.ID, op.Owner, op.Epoch, m)
	f.unless(!op.State.Final() || op.Sealed == nil && op.Owner == "", "operation %s is final and keeps its sealed request or owner", k.ID)
	f.unless(op.State.Answers() == (op.Response != nil) || op.State == payment.StateFencing, "operation %s in state %s: response: %v", k.ID, op.State, op.Response != nil)
	_, cancel := op.Current().Step(payment.StepCancel(1))
	f.unless(op.State != payment.StateFencing || cancel, "operation %s is fenced without a cancel", k.ID)
	f.unless(!op.Halted || op.Owner == "", "operation %s is halted and has an owner", k.ID)
	d.child(f, op)
	for _, r := range ledger.References(op) {
		_, found := d.References[r]
		f.unless(found, "operation %s: reference %q on account %s is not in the index", k.ID, r.Name, r.Account)
	}
}

// payment finds what contradicts a payment: its operations that are not final
// hold all that is held of it.
func (d Dump) payment(f *faults, p payment.Payment) {
	var held holdings
	for _, id := range p.Operations {
		op, known := d.Operations[payment.OperationKey{Tenant: p.Tenant, ID: id}]
		f.unless(known, "payment %s lists %s, which does not exist", p.ID, id)
		if known && !op.State.Final() {
			held = held.with(op)
		}
	}
	f.unless(held == holdingsOf(p), "payment %s holds %+v, and its operations %+v", p.ID, holdingsOf(p), held)
	f.outsideOnce("payment "+string(p.ID), p)
}

// news finds events and attention that nobody could follow.
func (d Dump) news(f *faults, payments map[paymentKey]payment.Payment) {
	for _, e := range d.Events {
		_, known := d.Operations[e.Operation]
		f.unless(known || e.Operation == payment.OperationKey{}, "event %q of account %s moved %s, which does not exist", e.ID, e.Account, e.Operation.ID)
	}
	for _, a := range d.Attention {
		_, known := d.Operations[payment.OperationKey{Tenant: a.Tenant, ID: a.Operation}]
		f.unless(known || a.Operation == "", "attention %s to operation %s, which does not exist", a.ID, a.Operation)
		_, known = payments[paymentKey{a.Tenant, a.Payment}]
		f.unless(known || a.Payment == "", "attention %s to payment %s, which does not exist", a.ID, a.Payment)
		f.unless(a.ID == a.Identified().ID, "attention %s under another id than its own", a.ID)
		f.unless(a.Tenant != "" || a.Operation == "" && a.Payment == "", "attention %s to a tenant's affair is nobody's", a.ID)
	}
}
