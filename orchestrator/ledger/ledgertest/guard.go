package ledgertest

import (
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// guardProperties: of two that act on one snapshot, one can write. All of the
// protocol's safety rests on these.
func guardProperties() []property {
	return []property{
		{"lets one of two snapshots write and tells the other the present one", "", guardOperation},
		{"tells that only the payment moved, and takes the change rebuilt", "", guardPayment},
		{"tells of the operation when the payment moved too", "", guardBoth},
		{"refuses a write made before the owner's own later one", "", guardOwnEarlier},
		{"takes an outcome repeated after the payment moved on for made", "", guardRepeatedMoved},
		{"takes a claim repeated after the payment moved on for made", "", guardClaimRepeatedMoved},
		{"does not take an outcome repeated after another's write for its own", "", guardRepeatedLate},
	}
}

func guardOperation(w *world) {
	s := w.claimed(0)
	mine, other := w.outcome(s, payment.StateSucceeded), w.parked(s, w.t0)
	won := w.advance(0, s, mine)
	for i, l := range w.Ledgers {
		present, err := l.Advance(w.ctx(), s, other)
		w.fails("the second write from one snapshot", err, ledger.ErrFenced)
		same(w, "the present snapshot", present, won)
		same(w, "what is read after it", w.read(i, s.Operation.Key), won)
	}
	w.holds(won)
}

func guardPayment(w *world) {
	parent := w.authorized(0)
	one := w.capturing(0, parent, 100)
	other := w.capturing(1, one, 200)
	present, err := w.Ledgers[0].Advance(w.ctx(), one, w.outcome(one, payment.StateSucceeded))
	w.fails("outcome on a payment that moved", err, ledger.ErrPaymentMoved)
	same(w, "the present operation", present.Operation, one.Operation)
	same(w, "the present payment", present.Payment, other.Payment)
	same(w, "the marker", present.Marker, one.Marker)
	w.holds(present)

	s := w.advance(0, present, w.outcome(present, payment.StateSucceeded))
	if s.Payment.Captured != 100 || s.Payment.CaptureReserved != 200 {
		w.Fatalf("the rebuilt outcome left %d captured and %d reserved, want 100 and 200", s.Payment.Captured, s.Payment.CaptureReserved)
	}
	w.holds(s)
}

func guardBoth(w *world) {
	parent := w.authorized(0)
	one := w.capturing(0, parent, 100)
	moved := w.advance(1, one, w.outcome(one, payment.StateSucceeded))
	present, err := w.Ledgers[0].Advance(w.ctx(), one, w.outcome(one, payment.StateFailed))
	w.fails("outcome after both moved", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, moved)
	w.holds(moved)
}

// guardOwnEarlier: nonce and epoch are the same, so only the revision tells that
// the snapshot is old.
func guardOwnEarlier(w *world) {
	s := w.claimed(0)
	next := w.advance(0, s, w.failover(s, "account-2"))
	present, err := w.Ledgers[0].Advance(w.ctx(), s, w.outcome(s, payment.StateSucceeded))
	w.fails("outcome of the first attempt after the failover", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, next)
	w.holds(next)
}

func guardRepeatedLate(w *world) {
	s := w.claimed(0)
	parked := w.parked(s, w.t0)
	moved := w.takenOver(1, w.advance(0, s, parked))
	present, err := w.Ledgers[0].Advance(w.ctx(), s, parked)
	w.fails("a park repeated after a takeover", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, moved)
	w.holds(moved)
}

// guardRepeatedMoved: told that only the payment moved, the caller would rebuild
// and post the same money twice.
func guardRepeatedMoved(w *world) {
	parent := w.authorized(0)
	one := w.capturing(0, parent, 100)
	c := w.outcome(one, payment.StateSucceeded)
	first := w.advance(0, one, c)
	other := w.capturing(1, first, 200)
	again, err := w.Ledgers[0].Advance(w.ctx(), one, c)
	w.ok("an outcome repeated after the payment moved", err)
	same(w, "the operation it returns", again.Operation, first.Operation)
	now := w.read(2, one.Operation.Key)
	same(w, "what it returns", again, now)
	same(w, "the payment", now.Payment, other.Payment)
	w.holds(now)
}

func guardClaimRepeatedMoved(w *world) {
	parent := w.authorized(0)
	c := w.capture(0, parent, w.call(tenant, payment.MethodCapture), 100)
	first, err := w.Ledgers[0].Claim(w.ctx(), parent, c)
	w.ok("claim of a capture", err)
	other := w.capturing(1, first, 200)
	again, err := w.Ledgers[0].Claim(w.ctx(), parent, c)
	w.ok("a claim repeated after the payment moved", err)
	same(w, "what it returns", again, w.read(2, c.Operation.Key))
	same(w, "the payment", again.Payment, other.Payment)
	w.holds(again)
}
