package ledgertest

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// hastened is what makes an operation due sooner.
func (w *world) hastened(s ledger.Snapshot, due time.Time) ledger.Change {
	w.Helper()
	return w.change(s, w.next(s.Operation, payment.Hasten{Due: due}), 0)
}

// eventHastens: an event that tells only that something changed makes its operation due
// by the same write that keeps the event, so that neither is there without the other.
func eventHastens(w *world) {
	for _, name := range []string{"unknown", "pending"} {
		s := unowned()[name](w)
		s = w.advance(0, s, w.postponed(s, w.t0.Add(time.Hour)))
		shard, due, e := ledger.Shard(s.Operation.Key), w.t0.Add(time.Second), w.event()
		same(w, "what is due before it is told", w.dueAt(1, shard, due, 10), nil)
		w.EndSession(w.T, 2)
		c := told(w.hastened(s, due), e)
		next := w.advance(2, s, c)
		rest := s.Operation
		rest.NextCheck = due
		same(w, "the operation but for its due time", next.Operation, rest)
		same(w, "the payment", next.Payment, s.Payment)
		same(w, "what is due once it is told", w.dueAt(0, shard, due, 10), []payment.OperationKey{s.Operation.Key})
		same(w, "what the repeated change returns", w.advance(2, s, c), next)
		_, err := w.Ledgers[1].Advance(w.ctx(), s, told(w.hastened(s, due), w.event()))
		w.fails("another's from the same snapshot", err, ledger.ErrFenced)
		_, err = w.Ledgers[1].Advance(w.ctx(), next, told(w.hastened(next, w.t0), e))
		w.fails("the event again", err, ledger.ErrEventKnown)
		w.holds(next)
		w.advance(0, next, w.outcome(next, payment.StateSucceeded))
	}
}
