package ledgertest

import (
	"context"
	"errors"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// kindOfWrite is one write of boot 0, ready to be made.
type kindOfWrite struct {
	name    string
	prepare func(w *world) (ledger.Snapshot, ledger.Change)
	write   func(l ledger.Ledger, ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error)
}

func kindsOfWrite() []kindOfWrite {
	advance := func(name string, change func(w *world, s ledger.Snapshot) ledger.Change) kindOfWrite {
		return kindOfWrite{name, func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.claimed(0)
			return s, change(w, s)
		}, ledger.Ledger.Advance}
	}
	return []kindOfWrite{
		{"claim", func(w *world) (ledger.Snapshot, ledger.Change) {
			return ledger.Snapshot{}, w.authorize(0, w.call(tenant, payment.MethodAuthorize))
		}, ledger.Ledger.Claim},
		{"claim on a payment", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.authorized(1)
			return s, w.capture(0, s, w.call(tenant, payment.MethodCapture), 100)
		}, ledger.Ledger.Claim},
		{"claim of a completion", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.waiting(1)
			return s.ForChild(), w.completion(0, s, w.call(tenant, payment.MethodComplete))
		}, ledger.Ledger.Claim},
		{"takeover", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.claimed(1)
			s = w.advance(1, s, w.parked(s, w.t0))
			return s, w.takeover(0, s)
		}, ledger.Ledger.Takeover},
		{"outcome of a capture", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.capturing(0, w.authorized(1), 100)
			return s, w.outcome(s, payment.StateSucceeded)
		}, ledger.Ledger.Advance},
		{"park of a capture", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.capturing(0, w.authorized(1), 100)
			return s, w.parked(s, w.t0.Add(time.Minute))
		}, ledger.Ledger.Advance},
		{"outcome of a completion", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.completing(0, w.waiting(1))
			return s, w.both(s, payment.StateSucceeded)
		}, ledger.Ledger.Advance},
		advance("success", func(w *world, s ledger.Snapshot) ledger.Change { return w.outcome(s, payment.StateSucceeded) }),
		advance("decline", func(w *world, s ledger.Snapshot) ledger.Change { return w.outcome(s, payment.StateDeclined) }),
		advance("pending outcome", func(w *world, s ledger.Snapshot) ledger.Change { return w.outcome(s, payment.StatePending) }),
		advance("park", func(w *world, s ledger.Snapshot) ledger.Change { return w.parked(s, w.t0.Add(time.Minute)) }),
		advance("failover", func(w *world, s ledger.Snapshot) ledger.Change { return w.failover(s, "account-2") }),
		advance("fence", func(w *world, s ledger.Snapshot) ledger.Change { return w.fenced(s) }),
		advance("halt", func(w *world, s ledger.Snapshot) ledger.Change {
			c := w.halting(s)
			c.Attention = w.contradiction(s)
			return c
		}),
		advance("note", func(w *world, s ledger.Snapshot) ledger.Change { return w.noted(s) }),
		advance("late success", func(w *world, s ledger.Snapshot) ledger.Change {
			c := told(w.outcome(s, payment.StateSucceeded), w.event())
			c.Attention = w.contradiction(s)
			return c
		}),
		{"further fence", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.claimed(0)
			s = w.advance(0, s, w.fenced(s))
			return s, w.canceling(s, 2)
		}, ledger.Ledger.Advance},
		{"note in a fence, told by an event", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.claimed(1)
			s = w.advance(1, s, w.fenced(s))
			return s, told(w.noted(s), w.event())
		}, ledger.Ledger.Advance},
		{"postponed look", func(w *world) (ledger.Snapshot, ledger.Change) {
			s := w.claimed(1)
			s = w.advance(1, s, w.outcome(s, payment.StatePending))
			return s, w.postponed(s, w.t0.Add(3*time.Hour))
		}, ledger.Ledger.Advance},
	}
}

// kindsOfRecord are the writes that move no operation. Repeated with its event
// one is refused as known, which says that it was made; what is there is then
// read with an operation of the payment.
func kindsOfRecord() []kindOfWrite {
	record := func(name string, what func(w *world, s ledger.Snapshot) (*payment.Payment, ledger.News)) kindOfWrite {
		return kindOfWrite{
			name, func(w *world) (ledger.Snapshot, ledger.Change) {
				s := w.captured(1)
				p, n := what(w, s)
				return s, ledger.Change{Operation: s.Operation, Payment: p, News: n}
			},
			func(l ledger.Ledger, ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if _, err := l.Record(ctx, s, c.Payment, c.News); err != nil && !errors.Is(err, ledger.ErrEventKnown) {
					return ledger.Snapshot{}, err
				}
				return l.Read(ctx, c.Operation.Key)
			},
		}
	}
	return []kindOfWrite{
		record("record told by an event", func(w *world, s ledger.Snapshot) (*payment.Payment, ledger.News) {
			return w.refunded(s, "re_1", 10), ledger.News{Event: w.event(), Attention: w.contradiction(s)}
		}),
		record("record of a look", func(w *world, s ledger.Snapshot) (*payment.Payment, ledger.News) {
			return w.refunded(s, "re_1", 10), ledger.News{}
		}),
		record("record of an event alone", func(w *world, _ ledger.Snapshot) (*payment.Payment, ledger.News) {
			return nil, ledger.News{Event: w.event()}
		}),
		record("record of attention alone", func(w *world, s ledger.Snapshot) (*payment.Payment, ledger.News) {
			return nil, ledger.News{Attention: w.contradiction(s)}
		}),
	}
}
