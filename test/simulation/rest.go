package simulation

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// longestRest bounds the quiet phase in steps of time.
const longestRest = 600

// rest is the quiet phase: nothing fails any more, everything arrives, and
// everybody asks until there is an answer. Then all is judged once more.
func (w *world) rest() {
	if w.history.failed() {
		return
	}
	w.history.logf("quiet")
	w.quiet = true
	w.ledgerComes()
	for _, b := range w.with(paused) {
		w.unpauseBoot(b)
	}
	if len(w.with(serving)) == 0 {
		w.startBoot()
	}
	for _, i := range w.intents {
		i.resigned, i.again, i.patience, i.next = false, 1, callerPatience, time.Now()
	}
	for range longestRest {
		if w.history.failed() {
			return
		}
		next := w.next()
		if next == nil {
			break
		}
		w.step([]weighted[func()]{{1, next}})
	}
	w.judge.end()
}

// next is the first thing that is still to happen; nil if there is none.
func (w *world) next() func() {
	if open := w.openable(); len(open) > 0 {
		return func() { w.open(open[0]) }
	}
	if len(w.copies) > 0 {
		return func() { w.deliver(0) }
	}
	if pending := w.pending(); len(pending) > 0 {
		return func() { pending[0].settle(w) }
	}
	at := w.with(serving)
	if len(at) == 0 { // the last one was draining
		return w.startBoot
	}
	for _, i := range w.intents {
		if i.open == 0 && i.patience > 0 && (!i.settled || i.again > 0) && !time.Now().Before(i.next) {
			return func() {
				i.patience--
				if i.settled {
					i.again--
				}
				w.ask(i, at[i.patience%len(at)], 30*time.Second)
			}
		}
	}
	if w.busy() {
		return func() { w.wait(5 * time.Second) }
	}
	return nil
}

// busy reports whether somebody works or waits still.
func (w *world) busy() bool {
	for _, i := range w.intents {
		if i.open > 0 || (i.patience > 0 && (!i.settled || i.again > 0)) {
			return true
		}
	}
	for _, op := range w.judge.ops {
		if op.Owner != "" && (op.State == payment.StateIntent || op.State == payment.StateFencing) {
			return true
		}
	}
	return len(w.gates.all()) > 0
}
