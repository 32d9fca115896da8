package ledgertest

import (
	"bytes"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// outcomeProperties: an outcome ends the flight in one write and is read back to
// the byte.
func outcomeProperties() []property {
	all := []property{
		{"of a pending operation keeps its first response", "", outcomeOfPending},
		{"without a payment leaves the payment and is not guarded by it", "", outcomeWithoutPayment},
		{"needs no session of whoever holds the revision", "", outcomeWithoutSession},
		{"by another process needs the revision only", "", outcomeByAnother},
		{"repeated is one write", "", outcomeRepeated},
		{"made several times at once is one write", "", outcomeRepeatedAtOnce},
		{"never changes again", "", outcomeIsFinal},
	}
	for _, to := range []payment.State{
		payment.StateSucceeded, payment.StateDeclined, payment.StateFailed, payment.StatePending, payment.StateRequiresAction,
	} {
		all = append(all, property{"ends the flight as " + string(to), "", func(w *world) { outcomeEndsFlight(w, to) }})
	}
	return all
}

func outcomeEndsFlight(w *world, to payment.State) {
	s := w.claimed(0)
	c := w.outcome(s, to)
	next := w.advance(0, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the payment", next.Payment, *c.Payment)
	same(w, "the marker", next.Marker, ledger.Marker{})
	if next.Revision.Marker != 0 || next.Revision.Operation == s.Revision.Operation || next.Revision.Payment == s.Revision.Payment {
		w.Fatalf("an outcome moved the revisions from %+v to %+v", s.Revision, next.Revision)
	}
	w.holds(next)
	for i := range w.Ledgers {
		op := w.read(i, s.Operation.Key).Operation
		if !bytes.Equal(op.Response, c.Operation.Response) {
			w.Fatal("the response is not the bytes that were written")
		}
		if to.Final() != (len(op.Sealed) == 0) {
			w.Fatalf("an operation in state %s has %d sealed bytes", to, len(op.Sealed))
		}
	}
}

func outcomeOfPending(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.outcome(s, payment.StatePending))
	first := s.Operation.Response
	s = w.takenOver(1, s)
	if s.Operation.State != payment.StatePending || !bytes.Equal(s.Operation.Response, first) {
		w.Fatal("a takeover changed a pending operation's state or response")
	}
	s = w.advance(1, s, w.outcome(s, payment.StateSucceeded))
	if !bytes.Equal(s.Operation.Response, first) {
		w.Fatal("the response changed when the operation settled")
	}
	w.holds(s)
}

func outcomeWithoutPayment(w *world) {
	parent := w.authorized(0)
	one := w.capturing(0, parent, 100)
	other := w.capturing(1, one, 200)
	c := w.outcome(one, payment.StatePending) // shows in no amount
	if c.Payment != nil {
		w.Fatal("the fixture itself is wrong: a capture that is pending changes its payment")
	}
	_, err := w.Ledgers[0].Advance(w.ctx(), one, c)
	w.ok("outcome without a payment after the payment moved", err)
	now := w.read(2, one.Operation.Key)
	same(w, "the payment", now.Payment, other.Payment)
	if now.Revision.Payment != other.Revision.Payment {
		w.Fatal("an outcome without a payment wrote the payment")
	}
	w.holds(now)
}

func outcomeWithoutSession(w *world) {
	s := w.claimed(0)
	w.EndSession(w.T, 0)
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	w.holds(s)
}

func outcomeByAnother(w *world) {
	s := w.claimed(0)
	late := w.read(2, s.Operation.Key)
	won := w.advance(2, late, w.outcome(late, payment.StateSucceeded))
	present, err := w.Ledgers[0].Advance(w.ctx(), s, w.outcome(s, payment.StateDeclined))
	w.fails("the owner's outcome after late news", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, won)
	w.holds(won)
}

func outcomeRepeated(w *world) {
	s := w.claimed(0)
	c := w.outcome(s, payment.StateSucceeded)
	first := w.advance(0, s, c)
	again := w.advance(0, s, c)
	same(w, "what the repeated outcome returns", again, first)
	w.holds(first)
}

func outcomeRepeatedAtOnce(w *world) {
	one := w.capturing(0, w.authorized(0), 100)
	c := w.outcome(one, payment.StateSucceeded)
	const callers = 8
	got, errs := make([]ledger.Snapshot, callers), make([]error, callers)
	race(callers, func(i int) { got[i], errs[i] = w.Ledgers[0].Advance(w.ctx(), one, c) })
	for i := range callers {
		w.ok("one of several equal outcomes", errs[i])
		same(w, "what it returns", got[i], got[0])
	}
	same(w, "the payment", got[0].Payment, *c.Payment)
	w.holds(got[0])
}

// outcomeIsFinal: whatever was read before the end changes nothing after it.
func outcomeIsFinal(w *world) {
	for _, to := range []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
		call := w.call(tenant, payment.MethodAuthorize)
		claim := w.authorize(0, call)
		s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, claim)
		w.ok("claim", err)
		final := w.advance(0, s, w.outcome(s, to))

		stale := map[string]ledger.Change{
			"outcome": w.outcome(s, payment.StatePending), "park": w.parked(s, w.t0.Add(time.Hour)),
			"failover": w.failover(s, "account-2"), "fence": w.fenced(s),
		}
		for name, c := range stale {
			present, err := w.Ledgers[0].Advance(w.ctx(), s, c)
			w.fails(name+" after the end", err, ledger.ErrFenced)
			same(w, "the present snapshot", present, final)
		}
		present, err := w.Ledgers[1].Takeover(w.ctx(), s, w.takeover(1, s))
		w.fails("takeover after the end", err, ledger.ErrFenced)
		same(w, "the present snapshot", present, final)
		_, err = w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, claim)
		same(w, "the operation that has the key", w.taken(err).Operation, final.Operation)
		w.holds(final)
	}
}
