package ledgertest

import (
	"errors"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// uniqueProperties: a merchant reference that one payment has is refused to every
// other that asks for the same, until that payment lives no more.
func uniqueProperties() []property {
	all := []property{
		{"reference is had by one of many payments that ask at once", "", uniqueAtOnce},
		{"reference is told after the key that is taken", "", uniqueAfterKey},
		{"reference of a claim repeated is its own", "", uniqueRepeated},
		{"reference that is taken leaves nothing behind", "", uniqueLeavesNothing},
		{"reference of another tenant is another", "", uniqueByTenant},
		{"reference is not asked for by everybody", "", uniqueNotAsked},
		{"reference that was given up is not given up again", "", uniqueGivenUpOnce},
		{"reference of a payment is given up by its void", "", uniqueVoided},
	}
	for _, to := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		all = append(all, property{"reference is free when its payment is " + string(to), "", func(w *world) { uniqueFree(w, to) }})
	}
	for _, to := range []payment.State{payment.StateSucceeded, payment.StatePending, payment.StateRequiresAction} {
		all = append(all, property{"reference stays taken by a payment that is " + string(to), "", func(w *world) { uniqueStays(w, to) }})
	}
	return all
}

// only is what boot i writes to claim an Authorize whose payment alone has the name.
func (w *world) only(i int, t payment.TenantID) ledger.Change {
	w.Helper()
	c := w.authorizeAt(i, w.call(t, payment.MethodAuthorize), w.t0, "order-7")
	c.Payment.Unique = true
	return c
}

// has claims an Authorize whose payment alone has the name.
func (w *world) has(i int) ledger.Snapshot {
	w.Helper()
	s, err := w.Ledgers[i].Claim(w.ctx(), ledger.Snapshot{}, w.only(i, tenant))
	w.ok("claim of a payment with a name of its own", err)
	return s
}

// refusedFor checks that a claim is refused since a payment has the name.
func (w *world) refusedFor(err error, holder payment.ID) {
	w.Helper()
	taken, ok := errors.AsType[*ledger.ReferenceTakenError](err)
	if !ok || taken.Payment != holder {
		w.Fatalf("claim of a name that %s has: %v", holder, err)
	}
}

func uniqueAtOnce(w *world) {
	const callers = 30
	got, errs := make([]ledger.Snapshot, callers), make([]error, callers)
	changes := make([]ledger.Change, callers)
	for i := range changes {
		changes[i] = w.only(i%Boots, tenant)
	}
	race(callers, func(i int) { got[i], errs[i] = w.Ledgers[i%Boots].Claim(w.ctx(), ledger.Snapshot{}, changes[i]) })
	won := -1
	for i, err := range errs {
		if err == nil && won < 0 {
			won = i
		}
	}
	if won < 0 {
		w.Fatalf("nobody has the name: %v", errs[0])
	}
	for i, err := range errs {
		if i != won {
			w.refusedFor(err, got[won].Payment.ID)
		}
	}
	w.holds(got[won])
}

func uniqueAfterKey(w *world) {
	call := w.call(tenant, payment.MethodAuthorize)
	mine := w.authorize(0, call)
	mine.Payment.Unique = true
	first, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, mine)
	w.ok("claim", err)
	again := w.authorize(1, call)
	again.Payment.Unique = true
	_, err = w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, again)
	same(w, "the operation that has the key", w.taken(err).Operation, first.Operation)
}

func uniqueRepeated(w *world) {
	c := w.only(0, tenant)
	first, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim", err)
	again, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("the same claim again", err)
	same(w, "what it returns", again, first)
}

func uniqueLeavesNothing(w *world) {
	s := w.has(0)
	c := w.only(1, tenant)
	_, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.refusedFor(err, s.Payment.ID)
	w.absent(c)
	w.lists("payments of the name", ledger.Filter{Tenant: tenant, MerchantReference: "order-7"}, []payment.Payment{s.Payment})
}

func uniqueByTenant(w *world) {
	s := w.has(0)
	c := w.only(1, "another")
	other, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim of another tenant", err)
	w.holds(s)
	w.holds(other)
}

func uniqueNotAsked(w *world) {
	claim := func(i int) ledger.Snapshot {
		s, err := w.Ledgers[i].Claim(w.ctx(), ledger.Snapshot{}, w.authorizeAt(i, w.call(tenant, payment.MethodAuthorize), w.t0, "order-7"))
		w.ok("claim that does not ask", err)
		return s
	}
	w.holds(claim(0))
	s := w.has(1)
	w.holds(claim(2))
	_, err := w.Ledgers[2].Claim(w.ctx(), ledger.Snapshot{}, w.only(2, tenant))
	w.refusedFor(err, s.Payment.ID)
}

// uniqueGivenUpOnce: whoever has the name by then keeps it, whatever is still written
// about a payment that had it before.
func uniqueGivenUpOnce(w *world) {
	first := w.has(0)
	first = w.advance(0, first, w.outcome(first, payment.StateDeclined))
	second := w.has(1)
	w.recorded(0, first, w.refunded(first, "re_1", 10), ledger.News{})
	_, err := w.Ledgers[2].Claim(w.ctx(), ledger.Snapshot{}, w.only(2, tenant))
	w.refusedFor(err, second.Payment.ID)
}

func uniqueVoided(w *world) {
	s := w.has(0)
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	s = w.ordering(1, s, payment.MethodVoid, 0)
	_, err := w.Ledgers[2].Claim(w.ctx(), ledger.Snapshot{}, w.only(2, tenant))
	w.refusedFor(err, s.Payment.ID)
	s = w.advance(1, s, w.outcome(s, payment.StateSucceeded))
	if s.Payment.Unique || s.Payment.Status != payment.StatusVoided {
		w.Fatalf("a payment that is %s is unique: %v", s.Payment.Status, s.Payment.Unique)
	}
	w.holds(w.has(2))
}

func uniqueFree(w *world, to payment.State) {
	s := w.has(0)
	s = w.advance(0, s, w.outcome(s, to))
	if s.Payment.Unique {
		w.Fatalf("a payment that is %s is unique", s.Payment.Status)
	}
	w.holds(s)
	w.holds(w.has(1))
}

func uniqueStays(w *world, to payment.State) {
	s := w.has(0)
	s = w.advance(0, s, w.outcome(s, to))
	if to != payment.StateSucceeded {
		s = w.advance(0, s, w.postponed(s, w.t0.Add(time.Hour)))
	}
	_, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, w.only(1, tenant))
	w.refusedFor(err, s.Payment.ID)
	w.holds(s)
}
