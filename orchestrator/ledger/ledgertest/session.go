package ledgertest

import (
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// sessionProperties: a process knows its own name, and whether its markers stand.
func sessionProperties() []property {
	return []property{
		{"has a name of its own", "", sessionNames},
		{"that lives is held", "", sessionHeld},
		{"that ended is not held, and takes only its own markers along", "", sessionEnded},
		{"lists who lives, in one order, and not who ended", "", sessionLiving},
	}
}

func sessionNames(w *world) {
	seen := map[payment.BootID]bool{}
	for _, l := range w.Ledgers {
		if b := l.Boot(); b == "" || seen[b] || b != l.Boot() {
			w.Fatalf("boot %q is empty, not its own, or not constant", b)
		}
		seen[l.Boot()] = true
	}
}

func sessionHeld(w *world) {
	for _, l := range w.Ledgers {
		for _, margin := range []time.Duration{0, time.Millisecond, time.Second} {
			w.ok("hold", l.Hold(w.ctx(), margin))
		}
	}
}

func sessionEnded(w *world) {
	mine := []ledger.Snapshot{w.claimed(0), w.claimed(0), w.claimed(0)}
	others := w.claimed(1)
	w.EndSession(w.T, 0)
	w.fails("hold of an ended session", w.Ledgers[0].Hold(w.ctx(), time.Millisecond), ledger.ErrSessionLost)
	w.ok("hold of another session", w.Ledgers[1].Hold(w.ctx(), time.Millisecond))
	for _, s := range mine {
		now := w.read(1, s.Operation.Key)
		same(w, "the marker of the ended session", now.Marker, ledger.Marker{})
		same(w, "the operation", now.Operation, s.Operation)
	}
	w.holds(others)
}

func sessionLiving(w *world) {
	var all []payment.BootID
	for _, l := range w.Ledgers {
		all = append(all, l.Boot())
	}
	slices.Sort(all)
	living := func(want []payment.BootID) {
		w.Helper()
		for _, l := range w.Ledgers {
			got, err := l.Living(w.ctx())
			w.ok("living", err)
			same(w, "who lives", got, want)
		}
	}
	living(all)
	w.claimed(1) // whoever works is listed once
	living(all)
	for _, i := range []int{1, 0, 2} {
		w.EndSession(w.T, i)
		all = slices.DeleteFunc(all, func(b payment.BootID) bool { return b == w.Ledgers[i].Boot() })
		living(all)
	}
}
