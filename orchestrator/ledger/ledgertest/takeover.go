package ledgertest

import (
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// takeoverProperties: an operation whose owner is gone gets one new owner, and
// the old one can write no more.
func takeoverProperties() []property {
	return []property{
		{"of a dead owner's operation makes the marker and the epoch mine", "", takeoverDead},
		{"of a parked operation makes it an intent again", "", takeoverParked},
		{"of an orphaned marker replaces it", "", takeoverOrphan},
		{"by the marker's own boot replaces it", "", takeoverOwnMarker},
		{"is guarded by the marker as it was read", "", takeoverGuardedByMarker},
		{"is guarded by the operation as it was read", "", takeoverGuardedByOperation},
		{"of several at once has one winner", "", takeoverOneWinner},
		{"fences the old owner", "", takeoverFencesOwner},
		{"without a live session writes nothing", "", takeoverWithoutSession},
		{"repeated is one takeover", "", takeoverRepeated},
		{"repeated after another's is refused", "", takeoverRepeatedLate},
		{"binds the marker to the new owner's session alone", "", takeoverRebindsMarker},
	}
}

func takeoverDead(w *world) {
	s := w.claimed(0)
	w.EndSession(w.T, 0)
	orphan := w.read(1, s.Operation.Key)
	same(w, "the marker after its session ended", orphan.Marker, ledger.Marker{})
	same(w, "the operation after its owner's session ended", orphan.Operation, s.Operation)
	c := w.takeover(1, orphan)
	next, err := w.Ledgers[1].Takeover(w.ctx(), orphan, c)
	w.ok("takeover", err)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the payment", next.Payment, s.Payment)
	same(w, "the marker", next.Marker, ledger.Marker{Present: true, Boot: w.Ledgers[1].Boot(), Epoch: 2})
	if next.Revision.Payment != s.Revision.Payment {
		w.Fatal("a takeover wrote the payment")
	}
	w.holds(next)
	_, err = w.Ledgers[2].Claim(w.ctx(), ledger.Snapshot{}, w.reclaim(2, next.Operation))
	if !w.taken(err).OwnerAlive {
		w.Fatal("the new owner lives, but is said to be gone")
	}
}

func takeoverParked(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0.Add(time.Hour)))
	s = w.takenOver(1, s)
	if s.Operation.State != payment.StateIntent || s.Operation.Epoch != 2 {
		w.Fatalf("a parked operation was taken over into state %s, epoch %d", s.Operation.State, s.Operation.Epoch)
	}
	w.holds(s)
}

func takeoverOrphan(w *world) {
	s := w.claimed(0)
	seen := w.read(1, s.Operation.Key)
	if !seen.Marker.Present || seen.Revision.Marker == 0 {
		w.Fatalf("the owner lives, but its marker is %+v", seen.Marker)
	}
	next := w.takenOver(1, seen)
	same(w, "the marker", next.Marker, ledger.Marker{Present: true, Boot: w.Ledgers[1].Boot(), Epoch: 2})
	w.holds(next)
}

func takeoverOwnMarker(w *world) {
	s := w.claimed(0)
	next := w.takenOver(0, s)
	same(w, "the marker", next.Marker, ledger.Marker{Present: true, Boot: w.Ledgers[0].Boot(), Epoch: 2})
	w.holds(next)
	w.holds(w.advance(0, next, w.outcome(next, payment.StateSucceeded)))
}

// takeoverGuardedByMarker: the operation is as it was read, the marker is not.
func takeoverGuardedByMarker(w *world) {
	s := w.claimed(0)
	seen := w.read(1, s.Operation.Key)
	w.EndSession(w.T, 0)
	present, err := w.Ledgers[1].Takeover(w.ctx(), seen, w.takeover(1, seen))
	w.fails("takeover on a marker that went", err, ledger.ErrFenced)
	same(w, "the present operation", present.Operation, s.Operation)
	same(w, "the present marker", present.Marker, ledger.Marker{})
	w.holds(present)
	w.holds(w.takenOver(1, present))
}

func takeoverGuardedByOperation(w *world) {
	s := w.claimed(0)
	seen := w.read(1, s.Operation.Key)
	moved := w.advance(0, s, w.failover(s, "account-2")) // the marker stays as it was read
	present, err := w.Ledgers[1].Takeover(w.ctx(), seen, w.takeover(1, seen))
	w.fails("takeover of an operation that moved", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, moved)
	w.holds(moved)
}

func takeoverOneWinner(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	const callers = 30
	changes := make([]ledger.Change, callers)
	for i := range changes {
		changes[i] = w.takeover(i%Boots, s)
	}
	got, errs := make([]ledger.Snapshot, callers), make([]error, callers)
	race(callers, func(i int) {
		got[i], errs[i] = w.Ledgers[i%Boots].Takeover(w.ctx(), s, changes[i])
	})
	winner := slices.Index(errs, nil)
	if winner < 0 {
		w.Fatalf("nobody took it over; the first was told: %v", errs[0])
	}
	for i, err := range errs {
		if i == winner {
			continue
		}
		w.fails("a loser's takeover", err, ledger.ErrFenced)
		if got[i].Operation.Epoch != 2 || got[i].Operation.Nonce != changes[winner].Operation.Nonce {
			w.Fatalf("a loser is told of nonce %q in epoch %d", got[i].Operation.Nonce, got[i].Operation.Epoch)
		}
	}
	same(w, "the operation", got[winner].Operation, changes[winner].Operation)
	w.holds(got[winner])
}

func takeoverFencesOwner(w *world) {
	s := w.claimed(0)
	next := w.takenOver(1, w.read(1, s.Operation.Key))
	for name, c := range map[string]ledger.Change{
		"outcome": w.outcome(s, payment.StateSucceeded), "park": w.parked(s, w.t0), "failover": w.failover(s, "account-2"),
	} {
		present, err := w.Ledgers[0].Advance(w.ctx(), s, c)
		w.fails("the old owner's "+name, err, ledger.ErrFenced)
		same(w, "the present snapshot", present, next)
	}
	w.holds(next)
	w.holds(w.advance(1, next, w.outcome(next, payment.StateSucceeded)))
}

func takeoverWithoutSession(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	w.EndSession(w.T, 1)
	_, err := w.Ledgers[1].Takeover(w.ctx(), s, w.takeover(1, s))
	w.fails("takeover without a session", err, ledger.ErrSessionLost)
	w.holds(s)
}

func takeoverRepeated(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	c := w.takeover(1, s)
	first, err := w.Ledgers[1].Takeover(w.ctx(), s, c)
	w.ok("takeover", err)
	again, err := w.Ledgers[1].Takeover(w.ctx(), s, c)
	w.ok("the same takeover again", err)
	same(w, "what the repeated takeover returns", again, first)
	w.holds(first)
}

func takeoverRepeatedLate(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	c := w.takeover(1, s)
	first, err := w.Ledgers[1].Takeover(w.ctx(), s, c)
	w.ok("takeover", err)
	second := w.takenOver(2, first)
	present, err := w.Ledgers[1].Takeover(w.ctx(), s, c)
	w.fails("a takeover repeated after another's", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, second)
	w.holds(second)
}

// takeoverRebindsMarker: the end of the old owner's session must not take the
// new owner's marker with it, and the end of the new owner's must.
func takeoverRebindsMarker(w *world) {
	s := w.claimed(0)
	s = w.takenOver(1, w.read(1, s.Operation.Key))
	w.EndSession(w.T, 0)
	w.holds(s)
	w.EndSession(w.T, 1)
	now := w.read(2, s.Operation.Key)
	same(w, "the marker after both sessions ended", now.Marker, ledger.Marker{})
	w.holds(w.takenOver(2, now))
}
