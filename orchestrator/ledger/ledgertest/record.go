package ledgertest

import (
	"errors"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// recordProperties: what happened to a payment without any of its operations is
// kept beside them, and moves none.
func recordProperties() []property {
	return []property{
		{"keeps what others did, keyed by its object", "", recordOutside},
		{"is guarded by its payment", "", recordGuarded},
		{"moves no operation", "", recordBeside},
		{"of several at once loses none", "", recordAtOnce},
		{"with its event repeated is known", "", recordRepeated},
		{"without an event repeated is one write", "", recordRepeatedPlain},
		{"without a payment returns it as it is", "", recordWithoutPayment},
		{"needs no session", "", recordWithoutSession},
		{"of what it cannot mean is refused", "", recordRefused},
		{"is posted to one operation once that is known to be its own", "", recordOurs},
	}
}

func recordOutside(w *world) {
	s := w.captured(0)
	for _, x := range []struct {
		object payment.ProviderReference
		amount int64
		sum    int64
	}{{"re_1", 100, 100}, {"re_2", 50, 150}, {"re_1", 70, 120}, {"re_2", 0, 70}} {
		p := w.refunded(s, x.object, x.amount)
		got := w.recorded(1, s, p, ledger.News{Event: w.event()})
		same(w, "what it returns", got, ledger.Snapshot{Payment: *p, Revision: ledger.Revision{Payment: got.Revision.Payment}})
		if got.Revision.Payment == s.Revision.Payment || got.Payment.ExternalRefunded() != x.sum {
			w.Fatalf("after %d by %s: %d refunded by others, want %d", x.amount, x.object, got.Payment.ExternalRefunded(), x.sum)
		}
		s.Payment, s.Revision.Payment = got.Payment, got.Revision.Payment
		w.holds(s)
	}
	if n := len(s.Payment.Outside); n != 2 {
		w.Fatalf("two objects have %d rows", n)
	}
}

func recordGuarded(w *world) {
	s, e, a := w.captured(0), w.event(), w.contradiction(w.captured(0))
	moved := w.capturing(1, s, 100)
	now, err := w.Ledgers[0].Record(w.ctx(), s, w.refunded(s, "re_1", 10), ledger.News{Event: e, Attention: a})
	w.fails("a record on a payment that moved", err, ledger.ErrPaymentMoved)
	same(w, "the present payment", now, ledger.Snapshot{Payment: moved.Payment, Revision: ledger.Revision{Payment: moved.Revision.Payment}})
	w.holds(moved)
	w.attentive(tenant)
	_, err = w.Ledgers[0].Record(w.ctx(), s, w.refunded(s, "re_1", 10), ledger.News{})
	w.fails("a record without an event on a payment that moved", err, ledger.ErrPaymentMoved)
	got := w.recorded(0, now, w.refunded(now, "re_1", 10), ledger.News{Event: e, Attention: a})
	if got.Payment.CaptureReserved != 100 || got.Payment.ExternalRefunded() != 10 {
		w.Fatalf("rebuilt it left %d reserved and %d refunded by others", got.Payment.CaptureReserved, got.Payment.ExternalRefunded())
	}
	w.attentive(tenant, *a)
}

func recordBeside(w *world) {
	s := w.capturing(0, w.captured(0), 100)
	got := w.recorded(1, s, w.refunded(s, "re_1", 10), ledger.News{Event: w.event()})
	now := w.read(2, s.Operation.Key)
	same(w, "the operation", now.Operation, s.Operation)
	same(w, "the marker", now.Marker, s.Marker)
	same(w, "the payment", now.Payment, got.Payment)
	same(w, "the revisions", now.Revision, ledger.Revision{Operation: s.Revision.Operation, Marker: s.Revision.Marker, Payment: got.Revision.Payment})
	_, err := w.Ledgers[0].Advance(w.ctx(), s, w.outcome(s, payment.StateSucceeded))
	w.fails("an outcome built before the record", err, ledger.ErrPaymentMoved)
	next := w.advance(0, now, w.outcome(now, payment.StateSucceeded))
	if next.Payment.Captured != 600 || next.Payment.ExternalRefunded() != 10 {
		w.Fatalf("captured %d, refunded by others %d", next.Payment.Captured, next.Payment.ExternalRefunded())
	}
	w.holds(next)
}

func recordAtOnce(w *world) {
	const callers = 16
	s := w.captured(0)
	errs := make([]error, callers)
	events := make([]*payment.EventKey, callers)
	for i := range events {
		events[i] = w.event()
	}
	race(callers, func(i int) {
		now := s
		for range callers + 1 {
			p, _, err := now.Payment.WithOutside(payment.Outside{Object: payment.ProviderReference(fmt.Sprint("re_", i)), Kind: payment.OutsideRefund, Amount: 2}, w.t0)
			if err != nil {
				errs[i] = err
				return
			}
			now, errs[i] = w.Ledgers[i%Boots].Record(w.ctx(), now, &p, ledger.News{Event: events[i]})
			if !errors.Is(errs[i], ledger.ErrPaymentMoved) {
				return
			}
		}
	})
	for _, err := range errs {
		w.ok("record", err)
	}
	now := w.read(1, s.Operation.Key)
	if now.Payment.ExternalRefunded() != 2*callers || now.Payment.Version != s.Payment.Version+callers {
		w.Fatalf("%d refunds of 2 add up to %d, in version %d after %d", callers, now.Payment.ExternalRefunded(), now.Payment.Version, s.Payment.Version)
	}
}

func recordRepeated(w *world) {
	s, e := w.captured(0), w.event()
	p := w.refunded(s, "re_1", 10)
	first := w.recorded(0, s, p, ledger.News{Event: e})
	for _, l := range w.Ledgers {
		now, err := l.Record(w.ctx(), s, p, ledger.News{Event: e})
		w.fails("a record repeated with its event", err, ledger.ErrEventKnown)
		same(w, "the present payment", now, first)
	}
}

func recordRepeatedPlain(w *world) {
	s := w.captured(0)
	p := w.refunded(s, "re_1", 10)
	first := w.recorded(0, s, p, ledger.News{})
	for i := range w.Ledgers {
		same(w, "what the repeated record returns", w.recorded(i, s, p, ledger.News{}), first)
	}
	s.Payment, s.Revision.Payment = first.Payment, first.Revision.Payment
	w.holds(s)
	w.recorded(0, s, w.refunded(s, "re_1", 20), ledger.News{})
	_, err := w.Ledgers[0].Record(w.ctx(), s, w.refunded(s, "re_1", 30), ledger.News{})
	w.fails("another record from a payment that moved", err, ledger.ErrPaymentMoved)
}

func recordWithoutPayment(w *world) {
	s := w.captured(0)
	moved := w.capturing(1, s, 100)
	a := w.contradiction(s)
	got := w.recorded(0, s, nil, ledger.News{Event: w.event(), Attention: a})
	same(w, "what it returns", got, ledger.Snapshot{Payment: moved.Payment, Revision: ledger.Revision{Payment: moved.Revision.Payment}})
	same(w, "what an orphan's returns", w.recorded(0, ledger.Snapshot{}, nil, ledger.News{Event: w.event()}), ledger.Snapshot{})
	w.holds(moved)
	w.attentive(tenant, *a)
}

func recordWithoutSession(w *world) {
	s := w.captured(0)
	w.EndSession(w.T, 0)
	got := w.recorded(0, s, w.refunded(s, "re_1", 10), ledger.News{Event: w.event(), Attention: w.orphan()})
	s.Payment, s.Revision.Payment = got.Payment, got.Revision.Payment
	w.holds(s)
}

func recordRefused(w *world) {
	s, other := w.captured(0), w.captured(0)
	fresh := *w.refunded(s, "re_1", 10)
	fresh.ID = w.paymentID(w.t0)
	for name, r := range map[string]struct {
		from ledger.Snapshot
		p    *payment.Payment
		news ledger.News
	}{
		"nothing":                     {s, nil, ledger.News{}},
		"another payment":             {other, w.refunded(s, "re_1", 10), ledger.News{Event: w.event()}},
		"a payment that was not read": {ledger.Snapshot{Payment: s.Payment}, w.refunded(s, "re_1", 10), ledger.News{}},
		"a new payment":               {ledger.Snapshot{Payment: fresh}, &fresh, ledger.News{}},
	} {
		_, err := w.Ledgers[0].Record(w.ctx(), r.from, r.p, r.news)
		if err == nil || errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrAmbiguous) || errors.Is(err, ledger.ErrPaymentMoved) {
			w.Fatalf("a record of %s: %v, want an error that nobody repeats", name, err)
		}
	}
	w.holds(s)
	w.holds(other)
}

// recordOurs: an effect that was taken for somebody else's counts once when its
// operation turns out to have made it.
func recordOurs(w *world) {
	s := w.ordering(0, w.captured(0), payment.MethodRefund, 100)
	got := w.recorded(1, s, w.refunded(s, "re_1", 100), ledger.News{Event: w.event()})
	w.recorded(1, got, w.refunded(got, "re_2", 7), ledger.News{Event: w.event()})
	s = w.read(0, s.Operation.Key)
	op := w.settled(s.Operation, payment.StateSucceeded)
	op.Attempts[0].ProviderReference = "re_1"
	next := w.advance(0, s, told(w.change(s, op, 100), w.event()))
	if p := next.Payment; p.Refunded != 100 || p.ExternalRefunded() != 7 || len(p.Outside) != 1 {
		w.Fatalf("refunded %d, by others %d, in %d rows", p.Refunded, p.ExternalRefunded(), len(p.Outside))
	}
	w.holds(next)
}
