package simulation

import (
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// actions lists what may happen next, with how often it does.
func (w *world) actions() []weighted[func()] {
	if forced := w.overdue(); forced != nil {
		return []weighted[func()]{{1, forced}}
	}
	list := []weighted[func()]{{6, w.shortWhile}, {3, w.longWhile}, {2, w.trouble}}
	if open := w.openable(); len(open) > 0 {
		list = append(list, weighted[func()]{70, func() { w.open(open[w.rng.IntN(len(open))]) }})
	} else {
		list = append(list, weighted[func()]{10, w.longWhile})
	}
	if ready, at := w.ready(), w.with(serving); len(ready) > 0 && len(at) > 0 {
		list = append(list, weighted[func()]{14, func() { w.callSomebody(ready, at) }})
	}
	if on := w.payable(); len(on) > 0 && w.orders > 0 {
		list = append(list, weighted[func()]{6, func() { w.order(on[w.rng.IntN(len(on))]) }})
	}
	if on := w.waiting(); len(on) > 0 && w.shoppers > 0 {
		list = append(list, weighted[func()]{8, func() { w.completion(on[w.rng.IntN(len(on))]) }})
	}
	if on := w.unsettled(); len(on) > 0 && w.orders > 0 {
		list = append(list, weighted[func()]{5, func() { w.callOff(on[w.rng.IntN(len(on))]) }})
	}
	if n := len(w.copies); n > 0 {
		list = append(list, weighted[func()]{4, func() { w.deliver(w.rng.IntN(n)) }})
	}
	if pending := w.pending(); len(pending) > 0 {
		list = append(list, weighted[func()]{4, func() { pending[w.rng.IntN(len(pending))].settle(w) }})
	}
	list = append(list, w.background()...)
	if running := w.running(); len(running) > 0 {
		list = append(list, weighted[func()]{1, func() { w.hangUp(running[w.rng.IntN(len(running))]) }})
	}
	return list
}

// overdue is what has to happen now for the assumptions to hold: no copy is
// later, and no pause longer, than a provider's memory allows for.
func (w *world) overdue() func() {
	for n, c := range w.copies {
		if time.Since(c.sent) > longestDelay-time.Minute {
			return func() { w.deliver(n) }
		}
	}
	for _, b := range w.with(paused) {
		if time.Since(w.pausedAt[b]) > longestDelay-time.Minute {
			return func() { w.unpauseBoot(b) }
		}
	}
	return nil
}

// openable lists the gates that may be opened, in order.
func (w *world) openable() []*gate {
	var list []*gate
	for _, g := range w.gates.all() {
		if !g.hung && !g.boot.is(paused) {
			list = append(list, g)
		}
	}
	return list
}

// open lets the goroutine at a gate go on, or sends its request on its way.
func (w *world) open(g *gate) {
	switch g.place {
	case beforeStore:
		w.consult(g)
	case atWire:
		w.transmit(g)
	case atAnswer:
		w.respond(g)
	case atQuery:
		w.inform(g)
	case afterStore, atPoint:
		w.gates.release(g, opening{})
	}
}

// detail says what a goroutine at a gate is about.
func (w *world) detail(g *gate) string {
	switch g.place {
	case beforeStore, afterStore:
		return fmt.Sprintf(": %s", g.call.Kind)
	case atWire, atQuery:
		return fmt.Sprintf(" to %s: %s of %d", g.send.account.name, g.send.request.what(), g.send.request.amount.MinorUnits)
	case atPoint:
		return fmt.Sprintf(" at %s", g.point)
	case atAnswer:
	}
	return ""
}

func (w *world) shortWhile() {
	w.wait(time.Duration(1+w.rng.IntN(2000)) * time.Millisecond)
}

func (w *world) longWhile() {
	w.wait(draw(w.rng, []weighted[time.Duration]{
		{12, time.Duration(2+w.rng.IntN(18)) * time.Second},
		{8, time.Duration(20+w.rng.IntN(100)) * time.Second},
		{3, time.Duration(2+w.rng.IntN(13)) * time.Minute},
		{1, time.Duration(15+w.rng.IntN(45)) * time.Minute},
	}))
}

// wait lets time pass, but not so much that the assumptions break.
func (w *world) wait(d time.Duration) {
	for _, c := range w.copies {
		d = min(d, longestDelay-time.Since(c.sent))
	}
	for _, b := range w.with(paused) {
		d = min(d, longestDelay-time.Since(w.pausedAt[b]))
	}
	d += time.Duration(w.rng.IntN(1_000_000))
	w.history.logf("%s pass", d.Round(time.Millisecond))
	time.Sleep(d)
}

// hangUp lets a caller leave in the middle of its call.
func (w *world) hangUp(c *call) {
	w.history.logf("%s hangs up", c.label())
	w.history.saw("caller left")
	c.cancel()
}

// unsettled is an object that will come to an end.
type unsettled struct {
	p *provider
	o *object
}

func (u unsettled) settle(w *world) {
	u.p.settle(u.o)
	w.announce(u.p)
	w.history.logf("%s settles %s: %s", u.p.name, u.o.id, u.o.status)
}

func (w *world) pending() []unsettled {
	var list []unsettled
	for _, p := range w.providers {
		for _, o := range p.pending() {
			list = append(list, unsettled{p, o})
		}
	}
	return list
}

// stoppable are the points at which it matters to be stopped.
func stoppable() []weighted[payment.Point] {
	return []weighted[payment.Point]{
		{8, payment.PointOutcomeBefore},
		{4, payment.PointSendAfterCheck},
		{1, payment.PointClaimAfter},
		{1, payment.PointTakeoverAfter},
		{1, payment.PointFailoverBefore},
		{1, payment.PointParkBefore},
		{1, payment.PointReplyBefore},
	}
}
