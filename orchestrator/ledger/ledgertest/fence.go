package ledgertest

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// fenceProperties: each cancel is a decision of its own, and what is halted stays
// so until proof ends it.
func fenceProperties() []property {
	return []property{
		{"may be followed by another cancel", "", fenceAgain},
		{"is told from the cancel before it", "", fenceToldApart},
		{"of a pending operation keeps its response", "", fencePending},
		{"that halts leaves no marker and stays in the open index", "", haltLeaves},
		{"that halts stays so when it is looked at again", "", haltStays},
	}
}

func fenceAgain(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.fenced(s))
	c := w.canceling(s, 2)
	next := w.advance(0, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the marker", next.Marker, s.Marker)
	if next.Operation.State != payment.StateFencing || len(next.Operation.Attempts[0].Steps) != 3 || next.Revision.Payment != s.Revision.Payment {
		w.Fatalf("a second cancel left state %s, steps %v and payment revision %d of %d",
			next.Operation.State, next.Operation.Attempts[0].Steps, next.Revision.Payment, s.Revision.Payment)
	}
	w.holds(next)
	same(w, "what the repeated cancel returns", w.advance(0, s, c), next)
	w.holds(next)
}

// fenceToldApart: a further cancel keeps nonce, epoch, state and owner. Whoever
// repeats the one before it must not take it for its own, or would send a cancel
// that the record knows nothing of.
func fenceToldApart(w *world) {
	s := w.claimed(0)
	first := w.fenced(s)
	fenced := w.advance(0, s, first)
	second := w.advance(0, fenced, w.canceling(fenced, 2))
	for _, late := range []ledger.Change{first, w.canceling(s, 1)} {
		present, err := w.Ledgers[0].Advance(w.ctx(), s, late)
		w.fails("the first cancel repeated after the second", err, ledger.ErrFenced)
		same(w, "the present snapshot", present, second)
	}
	present, err := w.Ledgers[0].Advance(w.ctx(), fenced, w.canceling(fenced, 2))
	w.fails("another second cancel", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, second)
	w.holds(second)
}

func fencePending(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.outcome(s, payment.StatePending))
	s = w.takenOver(1, s)
	c := w.fenced(s)
	next := w.advance(1, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the response", next.Operation.Response, s.Operation.Response)
	w.holds(next)
}

func haltLeaves(w *world) {
	s := w.claimed(0)
	c := w.halting(s)
	next := w.advance(1, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	if next.Operation.State != payment.StateUnknown || !next.Operation.Halted || next.Marker.Present || next.Revision.Marker != 0 {
		w.Fatalf("halted as %s, halted %v, marker %+v", next.Operation.State, next.Operation.Halted, next.Marker)
	}
	w.holds(next)
	same(w, "what the repeated halt returns", w.advance(1, s, c), next)
	present, err := w.Ledgers[0].Advance(w.ctx(), s, w.parked(s, w.t0.Add(time.Hour)))
	w.fails("the owner's park after the halt", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, next)
}

// haltStays: a park to the very time at which the halt is due is another write.
func haltStays(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0.Add(time.Hour)))
	c := w.halting(s)
	halted := w.advance(1, s, c)
	present, err := w.Ledgers[0].Advance(w.ctx(), s, w.postponed(s, w.t0.Add(time.Hour)))
	w.fails("a look postponed from before the halt", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, halted)
	next := w.advance(0, halted, w.postponed(halted, w.t0.Add(2*time.Hour)))
	if !next.Operation.Halted {
		w.Fatal("a look ended the halt")
	}
	w.holds(next)
}
