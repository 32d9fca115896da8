package simulation

import (
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// copied is a copy of a request that is still on its way.
type copied struct {
	from    label
	account *provider
	request request
	sent    time.Time
}

// copy leaves a copy of a request on its way.
func (w *world) copy(s *send) {
	w.copies = append(w.copies, &copied{from: s.label, account: s.account, request: s.request, sent: time.Now()})
	w.history.logf("a copy of %s stays on its way", s.label)
}

// deliver lets a copy arrive. Nobody hears of the answer.
func (w *world) deliver(n int) {
	c := w.copies[n]
	w.copies = append(w.copies[:n], w.copies[n+1:]...)
	how := w.treatment(c.account, c.request)
	before := len(c.account.effects)
	a := c.account.receive(c.request, how)
	w.announce(c.account)
	w.history.logf("a copy of %s arrives at %s, which %s: %s", c.from, c.account.name, how, spelled(a))
	w.history.saw("delayed copy")
	if op, known := w.judge.operation(c.request.reference); known && final(op.State) {
		w.history.saw("delayed copy after completion")
	}
	if len(c.account.effects) > before {
		w.history.saw("effect of a delayed copy")
	}
}

// treatment is how a provider treats what comes next, if the key is new to it.
func (w *world) treatment(p *provider, r request) plan {
	switch {
	case w.quiet && r.step.Fence():
		return draw(w.rng, []weighted[plan]{{1, planOK}, {1, planPending}}) // which is no failure
	case w.quiet:
		return planOK
	case r.step.Fence():
		return draw(w.rng, p.temper.cancels)
	}
	return draw(w.rng, p.temper.plans)
}

// unanswered is what becomes of a request to a provider that is away.
func (w *world) unanswered(g *gate) {
	w.conclude(g, draw(w.rng, []weighted[payment.Answer]{
		{3, payment.Answer{Transport: payment.TransportBroken}},
		{2, payment.Answer{Transport: payment.TransportNeverSent}},
		{3, answered(503, "unavailable")},
		{1, answered(502, "")},
	}))
}

// transmit decides what becomes of a request that is about to leave.
func (w *world) transmit(g *gate) {
	const (
		arrives = iota
		answersAtOnce
		neverSent
		lost
		late
		lateAndSilent
		twice
	)
	fate := answersAtOnce
	switch {
	case g.send.account.away:
		w.unanswered(g)
		return
	case !w.quiet:
		fate = draw(w.rng, []weighted[int]{
			{40, arrives}, {40, answersAtOnce}, {4, neverSent}, {4, lost}, {6, late}, {4, lateAndSilent}, {6, twice},
		})
	}
	switch fate {
	case neverSent:
		w.conclude(g, payment.Answer{Transport: payment.TransportNeverSent})
		return
	case lost:
		w.conclude(g, payment.Answer{Transport: payment.TransportBroken})
		return
	case late:
		w.copy(g.send)
		w.conclude(g, payment.Answer{Transport: payment.TransportBroken})
		return
	case lateAndSilent:
		w.copy(g.send)
		g.place, g.hung = atAnswer, true
		w.history.logf("%s %s hears nothing", g.boot.id, g.label)
		return
	}
	how := w.treatment(g.send.account, g.send.request)
	g.send.answer = g.send.account.receive(g.send.request, how)
	w.announce(g.send.account)
	w.history.logf("%s gets %s, and %s: %s", g.send.account.name, g.label, how, spelled(g.send.answer))
	if fate == twice && (meaning(g.send.answer) != outcomeRefused || g.send.account.mayRepeat) { // else A8 would not hold
		w.copy(g.send)
	}
	if fate == answersAtOnce {
		w.conclude(g, g.send.answer)
		return
	}
	g.place = atAnswer
}

// respond decides what becomes of an answer that is on its way.
func (w *world) respond(g *gate) {
	const (
		arrives = iota
		broken
		silent
	)
	switch draw(w.rng, []weighted[int]{{70, arrives}, {12, broken}, {10, silent}}) {
	case broken:
		w.conclude(g, payment.Answer{Transport: payment.TransportBroken})
	case silent:
		g.hung = true
		w.history.logf("%s %s hears nothing", g.boot.id, g.label)
	default:
		w.conclude(g, g.send.answer)
	}
}

// conclude gives the sender its answer.
func (w *world) conclude(g *gate, a payment.Answer) {
	w.history.logf("%s %s hears %s", g.boot.id, g.label, spelled(a))
	w.closed(g, meaning(a))
	w.gates.release(g, opening{answer: a})
}

// inform answers a look-up.
func (w *world) inform(g *gate) {
	const (
		tells = iota
		fails
		notAsked
		silent
	)
	how := tells
	switch {
	case g.send.account.away:
		how = fails
	case !w.quiet:
		how = draw(w.rng, []weighted[int]{{70, tells}, {10, fails}, {5, notAsked}, {5, silent}})
	}
	a := g.send.account.find(g.send.request)
	switch how {
	case fails:
		a = answered(503, "unavailable")
	case notAsked:
		w.history.logf("%s %s cannot ask", g.boot.id, g.label)
		w.gates.release(g, opening{err: errNotAsked})
		return
	case silent:
		g.hung = true
		return
	}
	w.history.logf("%s %s is shown %s", g.boot.id, g.label, spelled(a))
	w.history.saw("look-up")
	w.gates.release(g, opening{answer: a})
}

// spelled is an answer for people.
func spelled(a payment.Answer) string {
	if a.Transport != payment.TransportAnswered {
		return string(a.Transport)
	}
	text := fmt.Sprintf("%d %s %s %s", a.HTTPStatus, a.Code, a.Decline, a.Reference)
	if a.Amount != nil {
		text += fmt.Sprintf(" of %d", a.Amount.MinorUnits)
	}
	return text
}
