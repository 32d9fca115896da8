package ledgertest

import (
	"context"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// awaitProperties: a waiter is woken by whatever may change its caller's answer,
// however close to the start of its wait that happens.
func awaitProperties() []property {
	return []property{
		{"returns at once when there is nothing to wait for", "", awaitAtOnce},
		{"wakes on an outcome", "", func(w *world) {
			awaitWakes(w, func(s ledger.Snapshot) { w.advance(0, s, w.outcome(s, payment.StateSucceeded)) })
		}},
		{"wakes on a pending outcome", "", func(w *world) {
			awaitWakes(w, func(s ledger.Snapshot) { w.advance(0, s, w.outcome(s, payment.StatePending)) })
		}},
		{"wakes on a park", "", func(w *world) {
			awaitWakes(w, func(s ledger.Snapshot) { w.advance(0, s, w.parked(s, w.t0)) })
		}},
		{"wakes when the owner's session ends", "", func(w *world) {
			awaitWakes(w, func(ledger.Snapshot) { w.EndSession(w.T, 0) })
		}},
		{"wakes on an outcome after a takeover", "", func(w *world) {
			awaitWakes(w, func(s ledger.Snapshot) {
				s = w.takenOver(1, s)
				w.advance(1, s, w.outcome(s, payment.StateDeclined))
			})
		}},
		{"never misses an outcome written as it begins", "", awaitRace},
		{"ends with its context", "", awaitContext},
	}
}

func awaitAtOnce(w *world) {
	unclaimed := w.call(tenant, payment.MethodAuthorize).OperationKey()
	final := w.authorized(0).Operation.Key
	s := w.claimed(0)
	pending := w.advance(0, s, w.outcome(s, payment.StatePending)).Operation.Key
	s = w.claimed(0)
	parked := w.advance(0, s, w.parked(s, w.t0)).Operation.Key
	orphan := w.claimed(2).Operation.Key
	w.EndSession(w.T, 2)
	for name, k := range map[string]payment.OperationKey{
		"that does not exist": unclaimed, "that is final": final, "that is pending": pending,
		"that is parked": parked, "of an ended session": orphan,
	} {
		for _, l := range w.Ledgers {
			w.ok("await of an operation "+name, l.Await(w.ctx(), k))
		}
	}
}

// awaitWakes: a waiter on each ledger waits until what wakes them happens.
func awaitWakes(w *world, wake func(s ledger.Snapshot)) {
	s := w.claimed(0)
	woken := make(chan error, Boots)
	for _, l := range w.Ledgers {
		ctx := w.ctx()
		go func() { woken <- l.Await(ctx, s.Operation.Key) }()
	}
	early := time.NewTimer(50 * time.Millisecond)
	defer early.Stop()
	select {
	case err := <-woken:
		w.Fatalf("a waiter came back before anything happened: %v", err)
	case <-early.C:
	}
	wake(s)
	for range w.Ledgers {
		w.ok("await", <-woken)
	}
}

func awaitRace(w *world) {
	for range 30 {
		s := w.claimed(0)
		c := w.outcome(s, payment.StateSucceeded)
		errs := make([]error, Boots+1)
		race(Boots+1, func(i int) {
			if i == Boots {
				_, errs[i] = w.Ledgers[0].Advance(w.ctx(), s, c)
				return
			}
			errs[i] = w.Ledgers[i].Await(w.ctx(), s.Operation.Key)
		})
		for _, err := range errs {
			w.ok("await against the outcome", err)
		}
	}
}

func awaitContext(w *world) {
	s := w.claimed(0)
	for _, l := range w.Ledgers {
		ctx, cancel := context.WithTimeout(w.ctx(), 20*time.Millisecond)
		w.fails("await past its deadline", l.Await(ctx, s.Operation.Key), context.DeadlineExceeded)
		cancel()
		ctx, cancel = context.WithCancel(w.ctx())
		cancel()
		w.fails("await of a canceled caller", l.Await(ctx, s.Operation.Key), context.Canceled)
	}
	w.holds(s)
}
