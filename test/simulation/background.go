package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// background lists what happens without a caller: operations are visited, and
// providers tell.
func (w *world) background() []weighted[func()] {
	at := w.with(serving)
	if len(at) == 0 {
		return nil
	}
	b := at[w.rng.IntN(len(at))]
	var list []weighted[func()]
	if due := w.due(b); len(due) > 0 {
		list = append(list, weighted[func()]{5, func() { w.visit(due[w.rng.IntN(len(due))], b) }})
	}
	if told := w.deliverable(); len(told) > 0 {
		list = append(list, weighted[func()]{5, func() { w.tell(told[w.rng.IntN(len(told))], b) }})
	}
	if w.matchable(b) {
		list = append(list, weighted[func()]{2, func() { w.match(b) }})
	}
	if at := w.refundable(); len(at) > 0 && w.rng.IntN(8) == 0 {
		list = append(list, weighted[func()]{2, func() { w.refundByHand(at[w.rng.IntN(len(at))]) }})
	}
	return list
}

// sweepEvery is how often a process looks for what is due, as in production.
const sweepEvery = 5 * time.Second

// visits are those of one operation.
type visits struct {
	made int
	open map[*boot]bool
	next time.Time // no visit earlier: the index is not read all the time
}

// visitEnd is a visit that has ended.
type visitEnd struct {
	label label
	key   payment.OperationKey
	boot  *boot
	err   error
}

// due lists the operations that a process's sweep would take up now, in order:
// those that are due, and those whose owner is gone.
func (w *world) due(b *boot) []payment.OperationKey {
	var list []payment.OperationKey
	for _, k := range w.judge.keys() {
		entry, open := w.judge.open[k]
		op := w.judge.ops[k]
		orphan := op.Owner != "" && w.killed(op.Owner)
		if v := w.visits[k]; open && (orphan || !entry.Due.After(b.now())) && (v == nil || len(v.open) < 2 && !v.open[b] && !time.Now().Before(v.next)) {
			list = append(list, k)
		}
	}
	return list
}

func (w *world) killed(id payment.BootID) bool {
	return slices.ContainsFunc(w.boots, func(b *boot) bool { return b.id == id && b.is(dead) })
}

// visit has a process look after an operation, as its sweep does. Sharing the work
// out is the sweep's own business: here any process may be first, or two at once.
func (w *world) visit(k payment.OperationKey, b *boot) {
	v := w.visits[k]
	if v == nil {
		v = &visits{open: map[*boot]bool{}}
		w.visits[k] = v
	}
	v.made++
	v.open[b] = true
	v.next = time.Now().Add(sweepEvery)
	l := label{intent: "visit of " + w.judge.name(k), call: v.made}
	w.history.logf("%s begins at %s", l, b.id)
	w.history.saw("visit")
	go func() {
		end := visitEnd{label: l, key: k, boot: b}
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.left = append(w.left, end)
		}()
		end.err = b.flow.Visit(thread{label: l, boot: b}.in(context.Background()), k)
	}()
}

func (w *world) endVisits(list []visitEnd) {
	slices.SortFunc(list, func(a, b visitEnd) int { return a.label.compare(b.label) })
	for _, e := range list {
		delete(w.visits[e.key].open, e.boot)
		w.history.logf("%s ends, could be made: %t", e.label, e.err == nil)
	}
}

// notice is an event that a provider tells, maybe more than once.
type notice struct {
	event  payment.Event
	told   int
	open   int
	taken  bool
	repeat int // times that it is told again although it was taken in
}

// hearing is how one telling ended.
type hearing struct {
	label  label
	notice *notice
	boot   *boot
	known  bool // when it began
	taken  orchestrator.Taken
	err    error
	ended  bool // its process lived
}

// announce has a provider tell what has changed. Where it can be asked it may
// also forget to tell.
func (w *world) announce(p *provider) {
	for _, o := range p.news {
		if p.traits.Query && w.rng.IntN(3) == 0 {
			continue
		}
		a := p.shows(o)
		a.HTTPStatus, a.ObjectFound = 200, true
		id := fmt.Sprintf("%s %s %s", o.id, o.status, o.reference[:4])
		w.notices = append(w.notices, &notice{repeat: w.rng.IntN(3) / 2, event: payment.Event{
			EventKey: payment.EventKey{Account: p.name, ID: id}, Time: time.Now(), Method: o.method, Reference: o.reference, Answer: a,
		}})
	}
	p.news = nil
}

// deliverable lists the events that may be told now, in the order in which they
// came to be.
func (w *world) deliverable() []*notice {
	var list []*notice
	for _, n := range w.notices {
		if n.open < 2 && (!n.taken || n.repeat > 0) {
			list = append(list, n)
		}
	}
	return list
}

// tell delivers an event to a process.
func (w *world) tell(n *notice, b *boot) {
	if n.taken {
		n.repeat--
	}
	n.told++
	n.open++
	h := hearing{label: label{intent: "event " + n.event.ID, call: n.told}, notice: n, boot: b, known: n.taken}
	w.history.logf("%s is told to %s", h.label, b.id)
	go func() {
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.heard = append(w.heard, h)
		}()
		ctx, cancel := context.WithTimeout(thread{label: h.label, boot: b}.in(context.Background()), 20*time.Second)
		defer cancel()
		h.taken, h.err = b.flow.Apply(ctx, n.event)
		h.ended = true
	}()
}

func (w *world) endHearings(list []hearing) {
	slices.SortFunc(list, func(a, b hearing) int { return a.label.compare(b.label) })
	for _, h := range list {
		h.notice.open--
		if !h.ended || h.boot.is(dead) || h.err != nil {
			w.history.logf("%s is not taken in", h.label)
			continue
		}
		w.history.logf("%s is taken in: %s", h.label, h.taken)
		w.history.saw("event: " + string(h.taken))
		h.notice.taken = true
		w.judge.heard(h)
	}
}

// handRefund is a captured authorization whose payer gets something back at the
// provider's own desk.
type handRefund struct {
	p *provider
	o *object
}

func (w *world) refundable() []handRefund {
	var list []handRefund
	for _, p := range w.providers {
		for _, o := range p.objects {
			if o.method == payment.MethodAuthorize && o.captured-o.refunded-o.refunding > 1 {
				list = append(list, handRefund{p, o})
			}
		}
	}
	return list
}

// refundByHand moves money that no operation of ours asked for (T8).
func (w *world) refundByHand(r handRefund) {
	amount := 1 + (r.o.captured-r.o.refunded-r.o.refunding)/3
	r.o.refunded += amount
	id := payment.ProviderReference(fmt.Sprintf("%s-%d", r.p.name, len(r.p.objects)+1))
	r.p.objects = append(r.p.objects, &object{id: id, method: payment.MethodRefund, status: isEffect, amount: amount, currency: r.o.currency, parent: r.o})
	w.history.logf("somebody refunds %d of %s by hand: %s", amount, r.o.id, id)
	a := answered(200, "refunded")
	a.Reference, a.Amount = id, &payment.Money{MinorUnits: amount, CurrencyCode: r.o.currency}
	w.notices = append(w.notices, &notice{event: payment.Event{
		EventKey: payment.EventKey{Account: r.p.name, ID: string(id) + " by hand"}, Time: time.Now(), Method: payment.MethodRefund, Parent: r.o.id, Answer: a,
		Outside: &payment.Outside{Object: id, Kind: payment.OutsideRefund, Amount: amount},
	}})
}
