package simulation

import (
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// longestRest bounds the quiet phase, in steps.
const longestRest = 6000

// rest is the quiet phase: nothing fails any more, everything arrives, everybody
// asks until there is an answer, and what is due is visited. It ends when every
// operation is final or before a person; then all is judged once more.
func (w *world) rest() {
	if w.history.failed() {
		return
	}
	w.calm()
	for range longestRest {
		next := w.next()
		if next == nil {
			w.judge.end()
			return
		}
		w.step([]weighted[func()]{{1, next}})
		if w.history.failed() {
			return
		}
	}
	w.history.violate("I5", "the quiet phase does not end")
}

// calm ends all trouble. Who is paused goes on only when the others have nothing
// left to do, or has to: what it still holds is then as old as it can be.
func (w *world) calm() {
	w.history.logf("quiet")
	w.quiet = true
	w.ledgerComes()
	for _, p := range w.providers {
		w.providerComes(p)
	}
	for _, b := range w.with(serving) {
		b.stop("")
	}
	if len(w.with(serving)) == 0 {
		w.startBoot()
	}
	for _, i := range w.intents {
		i.resigned, i.again, i.patience, i.next = false, 1, callerPatience, time.Now()
	}
}

// next is the first thing that is still to happen; nil if there is none.
func (w *world) next() func() {
	if forced := w.overdue(); forced != nil {
		return forced
	}
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
	if told := w.deliverable(); len(told) > 0 && told[0].open == 0 {
		return func() { w.tell(told[0], at[0]) }
	}
	for n, i := range w.intents {
		if i.open == 0 && w.unsatisfied(i) && !time.Now().Before(i.next) {
			return func() { w.insist(i, at[(n+i.asked)%len(at)]) }
		}
	}
	if due := w.due(at[0]); len(due) > 0 {
		return func() { w.visit(due[0], at[0]) }
	}
	if len(w.judge.claimed()) > 0 && w.matchable(at[0]) {
		return func() { w.match(at[0]) }
	}
	return w.idle()
}

// unsatisfied reports whether a caller of a quiet world still asks: so many times,
// and once more when there is an answer that it has not heard.
func (w *world) unsatisfied(i *intent) bool {
	if i.settled {
		return i.again > 0
	}
	return i.patience > 0 || answers(w.judge.ops[i.operation].State)
}

// insist has a caller ask, who has time.
func (w *world) insist(i *intent, b *boot) {
	i.patience--
	if i.settled {
		i.again--
	}
	w.ask(i, b, 30*time.Second)
}

// stands reports whether a process does nothing: it is dead or paused.
func (w *world) stands(id payment.BootID) bool {
	return slices.ContainsFunc(w.boots, func(b *boot) bool { return b.id == id && (b.is(dead) || b.is(paused)) })
}

// idle lets time pass until there is something to do; nil if there never will be.
func (w *world) idle() func() {
	busy := len(w.openable()) > 0 || len(w.with(draining)) > 0
	for _, i := range w.intents {
		busy = busy || i.open > 0 || w.unsatisfied(i)
	}
	for _, op := range w.judge.ops {
		busy = busy || op.Owner != "" && !final(op.State) && !w.stands(op.Owner)
	}
	for _, v := range w.visits {
		busy = busy || len(v.open) > 0
	}
	if busy || len(w.matching) > 0 {
		return func() { w.wait(2 * time.Second) }
	}
	var next time.Time
	for _, k := range w.judge.keys() {
		op := w.judge.ops[k]
		if due := w.judge.open[k].Due; !final(op.State) && !w.judge.queued(op) && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if stopped := w.with(paused); next.IsZero() && len(stopped) > 0 {
		return func() { w.unpauseBoot(stopped[0]) }
	}
	if next.IsZero() {
		return nil
	}
	return func() { w.wait(max(time.Until(next), sweepEvery)) }
}
