package ledgertest

import (
	"errors"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// eventProperties: what a provider tells is taken in once, with all that it calls
// for or not at all, whoever hears it and whether anybody works on the operation.
func eventProperties() []property {
	all := []property{
		{"is taken in once", "", eventOnce},
		{"that is known changes nothing", "", eventKnown},
		{"heard by all at once is taken in by one", "", eventAtOnce},
		{"heard by all at once about two operations moves one", "", eventOfTwoAtOnce},
		{"of another account with the same id is another", "", eventOfAnotherAccount},
		{"may have an id of any form", "", eventForms},
		{"of a refused change is not kept", "", eventAtomic},
		{"of a stranger's write is not taken for its own", "", eventOfStranger},
		{"repeated with its change is one write", "", eventRepeated},
		{"is refused in the order of what the caller must do", "", eventOrder},
		{"in a fence adds evidence only", "", eventInFence},
		{"makes no claim and no owner", "", eventOwnsNothing},
		{"makes what waits for it due, and moves nothing else", "", eventHastens},
	}
	for name, from := range unowned() {
		all = append(all, property{"settles an operation that is " + name + ", without a session", "", func(w *world) { eventLate(w, from) }})
	}
	return all
}

func eventOnce(w *world) {
	s, e := w.claimed(0), w.event()
	s = w.advance(0, s, told(w.outcome(s, payment.StateSucceeded), e))
	w.holds(s)
	for i, l := range w.Ledgers {
		other := w.claimed(i)
		present, err := l.Advance(w.ctx(), other, told(w.outcome(other, payment.StateSucceeded), e))
		w.fails("a second change told by one event", err, ledger.ErrEventKnown)
		same(w, "the present snapshot", present, other)
		_, err = l.Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Event: e})
		w.fails("a record told by an event that is kept", err, ledger.ErrEventKnown)
		w.holds(w.advance(i, other, told(w.outcome(other, payment.StateSucceeded), w.event())))
	}
}

func eventKnown(w *world) {
	s, e := w.captured(0), w.event()
	w.recorded(1, ledger.Snapshot{}, nil, ledger.News{Event: e})
	other := w.capturing(0, s, 100)
	for _, c := range []ledger.Change{w.outcome(other, payment.StateSucceeded), w.parked(other, w.t0), w.noted(other)} {
		c.Attention = w.contradiction(s)
		_, err := w.Ledgers[0].Advance(w.ctx(), other, told(c, e))
		w.fails("a change told by an event that is kept", err, ledger.ErrEventKnown)
		w.holds(other)
	}
	now, err := w.Ledgers[2].Record(w.ctx(), other, w.refunded(other, "re_1", 10), ledger.News{Event: e, Attention: w.contradiction(s)})
	w.fails("a record told by an event that is kept", err, ledger.ErrEventKnown)
	same(w, "the present payment", now.Payment, other.Payment)
	w.holds(other)
	w.attentive(tenant)
}

func eventAtOnce(w *world) {
	const callers = 12
	s, e, orphan := w.claimed(0), w.event(), w.event()
	s = w.advance(0, s, w.outcome(s, payment.StatePending))
	c := told(w.outcome(s, payment.StateSucceeded), e)
	c.Operation = w.settled(s.Operation, payment.StateSucceeded)
	late, orphans := make([]error, Boots), make([]error, callers)
	race(Boots, func(i int) { _, late[i] = w.Ledgers[i].Advance(w.ctx(), s, c) })
	w.oneWinner(late, ledger.ErrFenced)
	race(callers, func(i int) {
		_, orphans[i] = w.Ledgers[i%Boots].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Event: orphan})
	})
	w.oneWinner(orphans, ledger.ErrEventKnown)
	now := w.read(1, s.Operation.Key)
	if now.Payment.Version != s.Payment.Version+1 {
		w.Fatalf("the payment went from version %d to %d", s.Payment.Version, now.Payment.Version)
	}
	w.holds(now)
}

// oneWinner checks that one of several calls was made, and how the others were
// refused.
func (w *world) oneWinner(errs []error, refusal error) {
	w.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		w.fails("a loser", err, refusal)
	}
	if won != 1 {
		w.Fatalf("%d of %d calls were made, want one", won, len(errs))
	}
}

func eventOfTwoAtOnce(w *world) {
	e := w.event()
	var of [Boots]ledger.Snapshot
	var changes [Boots]ledger.Change
	errs := make([]error, Boots)
	for i := range of {
		of[i] = w.claimed(i)
		changes[i] = told(w.outcome(of[i], payment.StateSucceeded), e)
	}
	race(Boots, func(i int) { _, errs[i] = w.Ledgers[i].Advance(w.ctx(), of[i], changes[i]) })
	w.oneWinner(errs, ledger.ErrEventKnown)
	for i, err := range errs {
		if err != nil {
			w.holds(of[i])
		}
	}
}

func eventOfAnotherAccount(w *world) {
	e := w.event()
	for _, account := range []payment.AccountName{"account-1", "account-2", "account-1x", "account-"} {
		s := w.claimed(0)
		w.holds(w.advance(0, s, told(w.outcome(s, payment.StateSucceeded), &payment.EventKey{Account: account, ID: e.ID})))
	}
	w.kept(e, true)
	w.kept(&payment.EventKey{Account: "account", ID: "-1" + e.ID}, false)
}

func eventForms(w *world) {
	for _, id := range []string{"a/b", "/", "..", "a b", "é€", "%2f\n", "\x00", "A", "a", strings.Repeat("long", 300)} {
		e := &payment.EventKey{Account: "account-1", ID: id}
		s := w.claimed(0)
		w.holds(w.advance(0, s, told(w.outcome(s, payment.StateSucceeded), e)))
		w.kept(e, true)
	}
	_, err := w.Ledgers[0].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Event: &payment.EventKey{Account: "account-1"}})
	if err == nil {
		w.Fatal("an event without an id was taken in")
	}
}

// eventAtomic: an event that was kept although its change was refused would never
// be told again.
func eventAtomic(w *world) {
	parent := w.authorized(0)
	one := w.capturing(0, parent, 100)
	other := w.capturing(1, one, 200)
	e, a := w.event(), w.contradiction(one)
	c := told(w.outcome(one, payment.StateSucceeded), e)
	c.Attention = a
	present, err := w.Ledgers[0].Advance(w.ctx(), one, c)
	w.fails("a change of a payment that moved", err, ledger.ErrPaymentMoved)
	w.attentive(tenant)
	stale := one
	one = w.takenOver(2, present)
	_, err = w.Ledgers[0].Advance(w.ctx(), stale, c)
	w.fails("a change of an operation that moved", err, ledger.ErrFenced)
	w.attentive(tenant)
	w.holds(one)
	c = told(w.outcome(one, payment.StateSucceeded), e)
	c.Attention = a
	one = w.advance(0, one, c)
	w.holds(one)
	w.attentive(tenant, *a)
	w.kept(e, true)
	same(w, "the other operation", w.read(1, other.Operation.Key).Operation, other.Operation)
}

// eventOfStranger: two processes hear the same news and write what looks the same.
func eventOfStranger(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	mine := w.noted(s)
	theirs := mine
	won := w.advance(1, s, told(theirs, w.event()))
	e, elsewhere := w.event(), w.event()
	w.recorded(0, ledger.Snapshot{}, nil, ledger.News{Event: elsewhere})
	for name, e := range map[string]*payment.EventKey{"another event": e, "what this process took in elsewhere": elsewhere} {
		present, err := w.Ledgers[0].Advance(w.ctx(), s, told(mine, e))
		w.fails("an equal note told by "+name, err, ledger.ErrFenced)
		same(w, "the present snapshot", present, won)
	}
	w.kept(e, false)
	w.holds(won)
}

func eventRepeated(w *world) {
	e, s := w.event(), w.claimed(0)
	c := told(w.outcome(s, payment.StateSucceeded), e)
	first := w.advance(0, s, c)
	for range 2 {
		same(w, "what the repeated change returns", w.advance(0, s, c), first)
	}
	present, err := w.Ledgers[1].Advance(w.ctx(), s, c)
	w.fails("the same change by another process", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, first)
	w.holds(first)
}

func eventOrder(w *world) {
	parent := w.authorized(0)
	one := w.capturing(0, parent, 100)
	e := w.event()
	moved := w.capturing(1, one, 200)
	w.recorded(1, ledger.Snapshot{}, nil, ledger.News{Event: e})
	c := told(w.outcome(one, payment.StateSucceeded), e)
	present, err := w.Ledgers[0].Advance(w.ctx(), one, c)
	w.fails("a known event on a payment that moved", err, ledger.ErrEventKnown)
	same(w, "the present payment", present.Payment, moved.Payment)
	now := w.takenOver(2, w.read(2, one.Operation.Key))
	_, err = w.Ledgers[0].Advance(w.ctx(), one, c)
	w.fails("a known event on an operation that moved", err, ledger.ErrFenced)
	_, err = w.Ledgers[0].Record(w.ctx(), parent, w.refunded(parent, "re_1", 10), ledger.News{Event: e})
	w.fails("a known event about a payment that moved", err, ledger.ErrEventKnown)
	w.holds(now)
}

func eventInFence(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.fenced(s))
	w.EndSession(w.T, 2)
	for _, owned := range []bool{true, false} {
		if !owned {
			s = w.advance(0, s, w.parked(s, w.t0.Add(time.Minute)))
		}
		e, c := w.event(), w.noted(s)
		next := w.advance(2, w.read(2, s.Operation.Key), told(c, e))
		if next.Operation.State != payment.StateFencing || next.Revision.Payment != s.Revision.Payment {
			w.Fatalf("a note in a fence left state %s and payment revision %d of %d", next.Operation.State, next.Revision.Payment, s.Revision.Payment)
		}
		same(w, "the operation", next.Operation, c.Operation)
		same(w, "the marker", next.Marker, s.Marker)
		same(w, "what repeating it returns", w.advance(2, s, told(c, e)), next)
		w.kept(e, true)
		w.holds(next)
		s = next
	}
}

func eventOwnsNothing(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	e := w.event()
	refused := func(what string, err error) {
		w.Helper()
		if err == nil || errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrAmbiguous) || errors.Is(err, ledger.ErrSessionLost) {
			w.Fatalf("%s with news: %v, want an error that nobody repeats", what, err)
		}
	}
	claim, takeover := w.authorize(0, w.call(tenant, payment.MethodAuthorize)), w.takeover(1, s)
	_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, told(claim, e))
	refused("a claim", err)
	takeover.Attention = w.contradiction(s)
	_, err = w.Ledgers[1].Takeover(w.ctx(), s, takeover)
	refused("a takeover", err)
	w.absent(claim)
	w.holds(s)
	w.attentive(tenant)
	w.kept(e, false)
}

// unowned are operations that nobody works on, or nobody any more.
func unowned() map[string]func(w *world) ledger.Snapshot {
	return map[string]func(w *world) ledger.Snapshot{
		"unknown": func(w *world) ledger.Snapshot {
			s := w.claimed(0)
			return w.advance(0, s, w.parked(s, w.t0))
		},
		"pending": func(w *world) ledger.Snapshot {
			s := w.claimed(0)
			return w.advance(0, s, w.outcome(s, payment.StatePending))
		},
		"an intent whose owner is gone": func(w *world) ledger.Snapshot {
			s := w.claimed(0)
			w.EndSession(w.T, 0)
			return s
		},
		"an intent whose owner lives": func(w *world) ledger.Snapshot { return w.claimed(0) },
		"halted": func(w *world) ledger.Snapshot {
			s := w.claimed(0)
			return w.advance(0, s, w.halting(s))
		},
	}
}

func eventLate(w *world, from func(w *world) ledger.Snapshot) {
	k := from(w).Operation.Key
	w.EndSession(w.T, 2)
	s := w.read(2, k)
	c := told(w.outcome(s, payment.StateSucceeded), w.event())
	next := w.advance(2, s, c)
	same(w, "the operation", next.Operation, c.Operation)
	same(w, "the marker", next.Marker, ledger.Marker{})
	w.holds(next)
	if _, open := w.due(k); open {
		w.Fatal("an operation that late news settled is still in the open index")
	}
	w.ok("await of what late news settled", w.Ledgers[1].Await(w.ctx(), k))
}
