package ledgertest

import (
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// failoverProperties: the owner goes on, with one more attempt that can be found
// by its reference, or with the decision to fence.
func failoverProperties() []property {
	return []property{
		{"keeps state and marker and adds an attempt with its reference", "", failoverAdds},
		{"repeated is one failover", "", failoverRepeated},
		{"is told from the write before it", "", failoverToldApart},
		{"needs no session", "", failoverWithoutSession},
		{"to a fence keeps the marker and adds the step", "", fenceAdds},
	}
}

func failoverAdds(w *world) {
	s := w.claimed(0)
	c := w.failover(s, "account-2")
	next := w.advance(0, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the payment", next.Payment, *c.Payment)
	same(w, "the marker", next.Marker, s.Marker)
	if next.Operation.State != payment.StateIntent || len(next.Operation.Attempts) != 2 || next.Revision.Marker != s.Revision.Marker {
		w.Fatalf("after a failover: state %s, %d attempts, marker revision %d after %d",
			next.Operation.State, len(next.Operation.Attempts), next.Revision.Marker, s.Revision.Marker)
	}
	w.holds(next)
	next = w.advance(0, next, w.outcome(next, payment.StateSucceeded))
	if n := len(ledger.References(next.Operation)); n != 3 {
		w.Fatalf("two attempts, one with the provider's reference, have %d references", n)
	}
	w.holds(next)
}

func failoverRepeated(w *world) {
	s := w.claimed(0)
	c := w.failover(s, "account-2")
	first := w.advance(0, s, c)
	again := w.advance(0, s, c)
	same(w, "what the repeated failover returns", again, first)
	w.holds(first)
}

// failoverToldApart: a failover keeps nonce, epoch, state and owner of the write
// before it. A repetition of that earlier write must still be told that the
// operation went on, or its caller would act on the attempt that is closed.
func failoverToldApart(w *world) {
	claim := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, claim)
	w.ok("claim", err)
	next := w.advance(0, s, w.failover(s, "account-2"))
	_, err = w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, claim)
	same(w, "the operation that has the key", w.taken(err).Operation, next.Operation)

	takeover := w.takeover(1, next)
	taken, err := w.Ledgers[1].Takeover(w.ctx(), next, takeover)
	w.ok("takeover", err)
	third := w.advance(1, taken, w.failover(taken, "account-3"))
	present, err := w.Ledgers[1].Takeover(w.ctx(), next, takeover)
	w.fails("a takeover repeated after a failover", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, third)
	w.holds(third)
}

func failoverWithoutSession(w *world) {
	s := w.claimed(0)
	w.EndSession(w.T, 0)
	c := w.failover(s, "account-2")
	_, err := w.Ledgers[0].Advance(w.ctx(), s, c)
	w.ok("failover by an owner whose session ended", err)
	now := w.read(1, s.Operation.Key)
	same(w, "the operation", now.Operation, c.Operation)
	same(w, "the marker of an ended session", now.Marker, ledger.Marker{})
	w.holds(now)
}

func fenceAdds(w *world) {
	s := w.claimed(0)
	c := w.fenced(s)
	next := w.advance(0, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the marker", next.Marker, s.Marker)
	if next.Operation.State != payment.StateFencing || len(next.Operation.Attempts[0].Steps) != 2 {
		w.Fatalf("a fence left state %s with steps %v", next.Operation.State, next.Operation.Attempts[0].Steps)
	}
	w.holds(next)
}
