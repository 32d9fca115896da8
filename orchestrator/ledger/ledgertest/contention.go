package ledgertest

import (
	"errors"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// contentionProperties: one key, one winner; one payment, no lost change; and
// tenants that never meet.
func contentionProperties() []property {
	return []property{
		{"of 100 claims of one key has one winner", "", oneWinner},
		{"of claims on one payment loses no reservation", "", noLostReservation},
		{"of outcomes from one snapshot has one winner", "", oneOutcome},
		{"keeps tenants with the same key apart", "", tenantsApart},
	}
}

func oneWinner(w *world) {
	const callers = 100
	call := w.call(tenant, payment.MethodAuthorize)
	claims := make([]ledger.Change, callers)
	for i := range claims {
		claims[i] = w.authorize(i%Boots, call)
	}
	got, errs := make([]ledger.Snapshot, callers), make([]error, callers)
	race(callers, func(i int) {
		got[i], errs[i] = w.Ledgers[i%Boots].Claim(w.ctx(), ledger.Snapshot{}, claims[i])
	})
	winner := slices.Index(errs, nil)
	if winner < 0 {
		w.Fatalf("nobody won; the first was told: %v", errs[0])
	}
	for i, err := range errs {
		if i == winner {
			continue
		}
		same(w, "the operation that a loser is told of", w.taken(err).Operation, claims[winner].Operation)
		_, _, err = w.Ledgers[0].Payment(w.ctx(), tenant, claims[i].Payment.ID)
		w.fails("a loser's payment", err, ledger.ErrNotFound)
	}
	w.holds(got[winner])
}

// noLostReservation: each claim that was made is in the payment, and no other.
func noLostReservation(w *world) {
	const callers, x = 24, 10
	parent := w.authorized(0)
	calls := make([]payment.Call, callers)
	for i := range calls {
		calls[i] = w.call(tenant, payment.MethodCapture)
	}
	errs := make([]error, callers)
	race(callers, func(i int) {
		s := parent
		for range callers + 1 {
			s, errs[i] = w.Ledgers[i%Boots].Claim(w.ctx(), s, w.capture(i%Boots, s, calls[i], x))
			if !errors.Is(errs[i], ledger.ErrPaymentMoved) {
				return
			}
		}
	})
	for _, err := range errs {
		w.ok("claim of a capture", err)
	}
	now, ops, err := w.Ledgers[0].Payment(w.ctx(), tenant, parent.Payment.ID)
	w.ok("payment", err)
	p := now.Payment
	if p.CaptureReserved != callers*x || p.Version != parent.Payment.Version+callers || len(ops) != callers+1 {
		w.Fatalf("after %d captures of %d: reserved %d, version %d after %d, %d operations",
			callers, x, p.CaptureReserved, p.Version, parent.Payment.Version, len(ops))
	}
}

func oneOutcome(w *world) {
	s := w.claimed(0)
	states := []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed, payment.StatePending, payment.StateUnknown}
	const callers = 20
	changes := make([]ledger.Change, callers)
	for i := range changes {
		if to := states[i%len(states)]; to == payment.StateUnknown {
			changes[i] = w.parked(s, w.t0)
		} else {
			changes[i] = w.outcome(s, to)
		}
	}
	errs := make([]error, callers)
	race(callers, func(i int) {
		_, errs[i] = w.Ledgers[i%Boots].Advance(w.ctx(), s, changes[i])
	})
	now := w.read(0, s.Operation.Key)
	winners := 0
	for i, err := range errs {
		// Twins of the winner (same state, same nonce) cannot be told from it and
		// may be told that it was theirs; what counts is that one record was written.
		if err == nil {
			winners++
			if !ledger.Wrote(changes[i].Operation, now.Operation) {
				w.Errorf("a caller that wrote %s was told so, but the record says %s", changes[i].Operation.State, now.Operation.State)
			}
			continue
		}
		w.fails("the loser's outcome", err, ledger.ErrFenced)
	}
	if winners == 0 || now.Payment.Version != s.Payment.Version+1 {
		w.Fatalf("%d winners, and the payment went from version %d to %d", winners, s.Payment.Version, now.Payment.Version)
	}
	w.holds(now)
}

// tenantsApart: names that are prefixes of each other, one key, one payment id.
func tenantsApart(w *world) {
	const key = "order-1"
	tenants := []payment.TenantID{"merchant", "merchant-2", "merchan", "m"}
	id := w.paymentID(w.t0)
	snapshots := make([]ledger.Snapshot, len(tenants))
	for i, t := range tenants {
		c := w.authorize(0, callOf(t, payment.MethodAuthorize, key))
		c.Operation.PaymentID, c.Payment.ID = id, id
		s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
		w.ok("claim of tenant "+string(t), err)
		snapshots[i] = s
	}
	snapshots[0] = w.advance(0, snapshots[0], w.outcome(snapshots[0], payment.StateSucceeded))
	for i, t := range tenants {
		w.holds(snapshots[i])
		p, ops, err := w.Ledgers[1].Payment(w.ctx(), t, id)
		w.ok("payment of tenant "+string(t), err)
		same(w, "the payment of tenant "+string(t), p.Payment, snapshots[i].Payment)
		same(w, "the operations of tenant "+string(t), ops, []payment.Operation{snapshots[i].Operation})
		other := payment.OperationKey{Tenant: tenants[(i+1)%len(tenants)], ID: snapshots[i].Operation.Key.ID}
		_, err = w.Ledgers[1].Read(w.ctx(), other)
		w.fails("another tenant's read", err, ledger.ErrNotFound)
	}
}
