package ledgertest

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// parkProperties: a flight that ends without an outcome blocks nobody and is
// not forgotten.
func parkProperties() []property {
	return []property{
		{"leaves an unknown operation, no marker, and a due entry", "", parkUnknown},
		{"keeps a fencing operation fencing", "", parkFencing},
		{"of an operation that was parked before moves its due entry", "", parkAgain},
		{"repeated is one write", "", parkRepeated},
	}
}

func parkUnknown(w *world) {
	s := w.claimed(0)
	due := w.t0.Add(10 * time.Second)
	c := w.parked(s, due)
	next := w.advance(0, s, c)
	if next.Operation.State != payment.StateUnknown || next.Marker.Present || next.Revision.Marker != 0 {
		w.Fatalf("a parked operation is in state %s with marker %+v", next.Operation.State, next.Marker)
	}
	same(w, "the parked operation", next.Operation, c.Operation)
	same(w, "its payment", next.Payment, *c.Payment)
	w.holds(next)
	_, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, w.reclaim(1, next.Operation))
	if w.taken(err).OwnerAlive {
		w.Fatal("nobody owns a parked operation, but an owner is said to live")
	}
}

// reclaim is a claim by boot i of the key that an operation has.
func (w *world) reclaim(i int, op payment.Operation) ledger.Change {
	w.Helper()
	c := w.authorize(i, w.call(op.Key.Tenant, payment.MethodAuthorize))
	c.Operation.Key, c.Operation.Reference = op.Key, op.Reference
	c.Operation.Attempts[0].Reference = op.Reference
	c.Payment.Operations = []payment.OperationID{op.Key.ID}
	return c
}

func parkFencing(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.fenced(s))
	s = w.advance(0, s, w.parked(s, w.t0.Add(time.Second)))
	if s.Operation.State != payment.StateFencing || s.Marker.Present {
		w.Fatalf("a parked fence is in state %s with marker %+v", s.Operation.State, s.Marker)
	}
	w.holds(s)
	s = w.takenOver(1, s)
	if s.Operation.State != payment.StateFencing {
		w.Fatalf("a fence that was taken over is in state %s", s.Operation.State)
	}
	w.holds(s)
}

func parkAgain(w *world) {
	s := w.claimed(0)
	for _, after := range []time.Duration{time.Hour, time.Second, 3 * time.Minute} {
		s = w.advance(0, s, w.parked(s, w.t0.Add(after)))
		w.holds(s)
		s = w.takenOver(0, s)
		w.holds(s)
	}
}

func parkRepeated(w *world) {
	s := w.claimed(0)
	c := w.parked(s, w.t0)
	first := w.advance(0, s, c)
	again := w.advance(0, s, c)
	same(w, "what the repeated park returns", again, first)
	w.holds(first)
}
