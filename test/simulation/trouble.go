package simulation

import (
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// mostBoots is how many process lives a history has at most.
const mostBoots = 6

// trouble lets something happen to a process, to the ledger, or to an account.
func (w *world) trouble() {
	list := []weighted[func()]{
		{4, w.ledgerGoes}, {5, w.credentialGoes}, {1, w.ledgerFills},
	}
	p := w.providers[w.rng.IntN(len(w.providers))]
	if p.away {
		list = append(list, weighted[func()]{12, func() { w.providerComes(p) }})
	} else {
		list = append(list, weighted[func()]{6, func() { w.providerGoes(p) }})
	}
	if len(w.down) > 0 {
		list = append(list, weighted[func()]{12, w.ledgerComes})
	}
	if up := w.with(serving); len(up) > 0 {
		b := up[w.rng.IntN(len(up))]
		list = append(list, weighted[func()]{5, func() { w.pauseBoot(b) }}, weighted[func()]{14, func() { w.stopSomewhere(b) }},
			weighted[func()]{4, func() { w.sessionEnds(b) }})
		if len(w.boots) < mostBoots || len(up) > 1 {
			list = append(list, weighted[func()]{5, func() { w.killBoot(b) }}, weighted[func()]{2, func() { w.drainBoot(b) }})
		}
	}
	if stopped := w.with(paused); len(stopped) > 0 {
		b := stopped[w.rng.IntN(len(stopped))]
		list = append(list, weighted[func()]{6, func() { w.unpauseBoot(b) }})
	}
	if len(w.boots) < mostBoots {
		list = append(list, weighted[func()]{4, w.startBoot})
	}
	draw(w.rng, list)()
}

func (w *world) startBoot() {
	b := w.start(payment.BootID(fmt.Sprintf("boot%d", len(w.boots)+1)))
	w.history.logf("%s starts", b.id)
}

func (w *world) killBoot(b *boot) {
	w.history.logf("%s is killed", b.id)
	w.history.saw("kill")
	for _, g := range w.gates.all() {
		if g.boot == b && g.place == atWire && w.rng.IntN(2) == 0 {
			w.copy(g.send) // the bytes had left
		}
	}
	w.kill(b)
	if len(w.with(serving)) == 0 && len(w.boots) < mostBoots {
		w.startBoot()
	}
}

func (w *world) drainBoot(b *boot) {
	w.history.logf("%s drains", b.id)
	w.history.saw("drain")
	w.drain(b)
}

func (w *world) pauseBoot(b *boot) {
	w.history.logf("%s is paused", b.id)
	w.pausedAt[b] = time.Now()
	w.pause(b)
}

func (w *world) unpauseBoot(b *boot) {
	long := time.Since(w.pausedAt[b])
	w.history.logf("%s goes on after %s", b.id, long.Round(time.Second))
	if long > sessionTTL {
		w.history.saw("pause past the session, and return")
	}
	w.unpause(b)
}

// stopSomewhere pauses a process at the moment at which it comes by a point.
func (w *world) stopSomewhere(b *boot) {
	p := draw(w.rng, stoppable())
	w.history.logf("%s will stop at %s", b.id, p)
	b.stop(p)
}

func (w *world) sessionEnds(b *boot) {
	w.history.logf("the session of %s ends early", b.id)
	w.history.saw("session lost")
	w.store.EndSession(b.id)
	if w.rng.IntN(2) == 0 {
		w.store.NewSession(b.id)
	}
}

// ledgerGoes cuts one process off from the ledger, or all of them.
func (w *world) ledgerGoes() {
	for _, b := range w.boots {
		if !b.is(dead) && w.rng.IntN(2) == 0 {
			w.down[b] = true
			w.history.logf("the ledger is away for %s", b.id)
			w.history.saw("ledger away")
		}
	}
}

// ledgerComes ends all trouble of the ledger, and gives everybody a session.
func (w *world) ledgerComes() {
	clear(w.down)
	w.history.logf("the ledger is back")
	w.store.SetFull(false)
	for _, b := range w.with(serving) {
		w.store.Resume(b.id)
	}
}

// providerGoes takes a provider off the net, or lets something before it answer
// for it.
func (w *world) providerGoes(p *provider) {
	p.away = true
	w.history.logf("%s is away", p.name)
	w.history.saw("provider away")
}

func (w *world) providerComes(p *provider) {
	p.away = false
	w.history.logf("%s is back", p.name)
}

func (w *world) ledgerFills() {
	w.history.logf("the ledger takes no claims")
	w.store.SetFull(true)
	w.down[nil] = true // so that ledgerComes comes
}

func (w *world) credentialGoes() {
	p := w.providers[w.rng.IntN(len(w.providers))]
	w.history.logf("the credential of %s is replaced, for processes that start from now on", p.name)
	w.history.saw("credential replaced")
	p.credential += "'"
	if len(w.boots) < mostBoots {
		w.startBoot()
	}
}
