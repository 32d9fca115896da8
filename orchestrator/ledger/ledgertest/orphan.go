package ledgertest

import (
	"errors"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// orphanProperties: an event that was kept for want of its operation is applied to
// that once, and is then nobody's orphan any more.
func orphanProperties() []property {
	return []property{
		{"ends with the change that it told", "", orphanMatched},
		{"ends with the news of a payment that it told", "", orphanOfPayment},
		{"becomes somebody's attention in one write", "", orphanBecomes},
		{"matched by all at once is matched by one", "", orphanAtOnce},
		{"stays when its change is refused", "", orphanStays},
		{"matched again with its change is one write", "", orphanRepeated},
		{"of a stranger's write is not taken for its own", "", orphanOfStranger},
		{"is named by its id and by nothing else", "", orphanNames},
	}
}

// matched is a change that an orphan told.
func matched(c ledger.Change, a *payment.Attention) ledger.Change {
	c.Orphan = a.ID
	return c
}

// orphans are one that is to be matched and one that is to stay.
func (w *world) orphans() (one, other *payment.Attention) {
	w.Helper()
	one, other = w.orphan(), w.orphan()
	w.attention(0, one)
	w.attention(1, other)
	return one, other
}

func orphanMatched(w *world) {
	s := w.claimed(0)
	one, other := w.orphans()
	w.holds(w.advance(1, s, matched(w.outcome(s, payment.StateSucceeded), one)))
	w.attentive("", *other)
	second := w.claimed(1)
	for i, l := range w.Ledgers {
		now, err := l.Advance(w.ctx(), second, matched(w.outcome(second, payment.StateSucceeded), one))
		w.fails("a second change told by one orphan", err, ledger.ErrEventKnown)
		same(w, "the present snapshot", now, second)
		_, err = w.Ledgers[i].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Orphan: one.ID})
		w.fails("a record told by an orphan that is matched", err, ledger.ErrEventKnown)
	}
	w.holds(second)
	w.recorded(2, ledger.Snapshot{}, nil, ledger.News{Orphan: other.ID})
	w.attentive("")
}

func orphanOfPayment(w *world) {
	s := w.captured(0)
	one, other := w.orphans()
	p := w.refunded(s, "re_1", 10)
	now := w.recorded(1, s, p, ledger.News{Orphan: one.ID})
	same(w, "the payment", now.Payment, *p)
	w.attentive("", *other)
	_, err := w.Ledgers[2].Record(w.ctx(), s, p, ledger.News{Orphan: one.ID})
	w.fails("the same again", err, ledger.ErrEventKnown)
}

func orphanBecomes(w *world) {
	s := w.claimed(0)
	one, other := w.orphans()
	found := w.contradiction(s)
	w.recorded(1, ledger.Snapshot{}, nil, ledger.News{Orphan: one.ID, Attention: found})
	w.attentive("", *other)
	w.attentive(tenant, *found)
	_, err := w.Ledgers[0].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Orphan: one.ID, Attention: w.contradiction(s)})
	w.fails("another finding of an orphan that is matched", err, ledger.ErrEventKnown)
	w.attentive(tenant, *found)
}

func orphanAtOnce(w *world) {
	one, other := w.orphans()
	var of [Boots]ledger.Snapshot
	var changes [Boots]ledger.Change
	errs := make([]error, Boots)
	for i := range of {
		of[i] = w.claimed(i)
		changes[i] = matched(w.outcome(of[i], payment.StateSucceeded), one)
	}
	race(Boots, func(i int) { _, errs[i] = w.Ledgers[i].Advance(w.ctx(), of[i], changes[i]) })
	w.oneWinner(errs, ledger.ErrEventKnown)
	for i, err := range errs {
		if err != nil {
			w.holds(of[i])
		}
	}
	w.attentive("", *other)
}

func orphanStays(w *world) {
	s := w.captured(0)
	one, other := w.orphans()
	w.recorded(1, s, w.refunded(s, "re_1", 10), ledger.News{Event: w.event()})
	_, err := w.Ledgers[0].Record(w.ctx(), s, w.refunded(s, "re_2", 10), ledger.News{Orphan: one.ID})
	w.fails("news of a payment that moved", err, ledger.ErrPaymentMoved)
	op := w.claimed(0)
	w.advance(0, op, w.outcome(op, payment.StatePending))
	_, err = w.Ledgers[1].Advance(w.ctx(), op, matched(w.outcome(op, payment.StateSucceeded), one))
	w.fails("a change of an operation that moved", err, ledger.ErrFenced)
	list, err := w.Ledgers[2].Attention(w.ctx(), "", "", ledger.PageMax)
	w.ok("attention", err)
	if len(list) != 2 {
		w.Fatalf("%d orphans are left of %s and %s", len(list), one.ID, other.ID)
	}
}

func orphanRepeated(w *world) {
	s := w.claimed(0)
	one, _ := w.orphans()
	c := matched(w.outcome(s, payment.StateSucceeded), one)
	next := w.advance(0, s, c)
	same(w, "the same write again", w.advance(0, s, c), next)
}

// orphanOfStranger: an equal change that something else told has left the orphan,
// whose own change has still to be refused, or it would never be matched.
func orphanOfStranger(w *world) {
	s := w.claimed(0)
	one, other := w.orphans()
	c := w.outcome(s, payment.StateSucceeded)
	w.advance(1, s, c)
	_, err := w.Ledgers[0].Advance(w.ctx(), s, matched(c, one))
	w.fails("a change that somebody else has made", err, ledger.ErrFenced)
	w.recorded(0, ledger.Snapshot{}, nil, ledger.News{Orphan: one.ID})
	w.attentive("", *other)
}

func orphanNames(w *world) {
	s := w.claimed(0)
	one, _ := w.orphans()
	for _, n := range []ledger.News{
		{Orphan: one.ID, Event: w.event()}, {Orphan: one.ID[:30]}, {Orphan: "../" + one.ID}, {Orphan: strings.Repeat("z", 32)},
	} {
		c := w.outcome(s, payment.StateSucceeded)
		c.News = n
		_, err := w.Ledgers[0].Advance(w.ctx(), s, c)
		if _, recorded := w.Ledgers[0].Record(w.ctx(), ledger.Snapshot{}, nil, n); err == nil || recorded == nil || errors.Is(err, ledger.ErrEventKnown) {
			w.Errorf("news %+v: %v, %v", n, err, recorded)
		}
	}
	w.holds(s)
	c := w.outcome(s, payment.StateSucceeded)
	c.Orphan = strings.Repeat("0", 32)
	_, err := w.Ledgers[1].Advance(w.ctx(), s, c)
	w.fails("a change told by an orphan that never was", err, ledger.ErrEventKnown)
}
