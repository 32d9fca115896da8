package ledgertest

import (
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// amountProperties: operations on one payment never take more than there is,
// whoever makes them: the guard makes each look at the payment as it is, and what
// is held stays held until the outcome is known.
func amountProperties() []property {
	return []property{
		{"of two captures that exceed the limit together holds one", "", captureLimit},
		{"of two refunds that exceed the limit together holds one", "", refundLimit},
		{"of captures and refunds at once never exceeds the limits", "", limitsAtOnce},
		{"that is held stays held while its capture is parked, taken over and pending", "", heldWhileParked},
		{"that is held is given back by a failure", "", heldGivenBack},
		{"that is held is posted as far as it was applied", "", heldPosted},
		{"is blocked by a void until that has ended", "", heldByVoid},
	}
}

// refused checks that the payment of s does not allow an operation.
func (w *world) refused(s ledger.Snapshot, m payment.Method, x int64, why payment.Reason) {
	w.Helper()
	_, err := w.order(0, s, w.call(tenant, m), x)
	if refusal, ok := errors.AsType[*payment.Error](err); !ok || refusal.Reason != why {
		w.Fatalf("%s of %d on %+v: got %v, want %v", m, x, s.Payment, err, why)
	}
}

// secondTooMany: two ledgers see the same payment and each asks for more than
// half of it.
func secondTooMany(w *world, parent ledger.Snapshot, m payment.Method, x int64, why payment.Reason) ledger.Snapshot {
	w.Helper()
	var seen [2]ledger.Snapshot
	var changes [2]ledger.Change
	for i := range seen {
		var err error
		seen[i], _, err = w.Ledgers[i].Payment(w.ctx(), tenant, parent.Payment.ID)
		w.ok("payment", err)
		changes[i] = w.capture(i, seen[i], w.call(tenant, m), x)
	}
	first, err := w.Ledgers[0].Claim(w.ctx(), seen[0], changes[0])
	w.ok("the first claim", err)
	present, err := w.Ledgers[1].Claim(w.ctx(), seen[1], changes[1])
	w.fails("the second claim", err, ledger.ErrPaymentMoved)
	same(w, "the present payment", present.Payment, first.Payment)
	w.refused(present, m, x, why)
	w.absent(changes[1])
	w.holds(first)
	return first
}

func captureLimit(w *world) {
	s := secondTooMany(w, w.authorized(0), payment.MethodCapture, 600, payment.ReasonExceedsAuthorized)
	if s.Payment.CaptureReserved != 600 || s.Payment.Capturable() != amount-600 {
		w.Fatalf("one capture of 600 left %+v", s.Payment)
	}
}

func refundLimit(w *world) {
	s := w.capturing(0, w.authorized(0), 800)
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	s = secondTooMany(w, s, payment.MethodRefund, 500, payment.ReasonExceedsCaptured)
	if s.Payment.RefundReserved != 500 || s.Payment.Refundable() != 300 {
		w.Fatalf("one refund of 500 left %+v", s.Payment)
	}
}

// limitsAtOnce: of many more than fit, what was refused could not have fitted,
// and what was held stays within the limits, though a third is never heard of
// again. Nothing is given back, so what did not fit then does not fit at the end.
func limitsAtOnce(w *world) {
	const callers = 50
	parent := w.capturing(0, w.authorized(0), 300)
	parent = w.advance(0, parent, w.outcome(parent, payment.StateSucceeded))
	calls, asked := make([]payment.Call, callers), make([]int64, callers)
	for i := range calls {
		m := payment.MethodCapture
		if i%2 == 0 {
			m = payment.MethodRefund
		}
		calls[i], asked[i] = w.call(tenant, m), int64(11+i%5*11)
	}
	errs := make([]error, callers)
	race(callers, func(i int) {
		errs[i] = w.ordered(i, parent, calls[i], asked[i])
	})
	now, ops, err := w.Ledgers[2].Payment(w.ctx(), tenant, parent.Payment.ID)
	w.ok("payment", err)
	p, made := now.Payment, 0
	for i, err := range errs {
		refusal, isRefusal := errors.AsType[*payment.Error](err)
		switch {
		case err == nil:
			made++
		case !isRefusal:
			w.Fatalf("%s of %d: %v", calls[i].Method, asked[i], err)
		case refusal.Reason == payment.ReasonExceedsAuthorized && asked[i] <= p.Capturable():
			w.Errorf("a capture of %d was refused, and %d are left", asked[i], p.Capturable())
		}
	}
	if p.Captured+p.CaptureReserved > p.Authorized || p.Refunded+p.RefundReserved > p.Captured || len(ops) != made+2 {
		w.Fatalf("after %d operations of %d: %+v", len(ops), made, p)
	}
	if p.CaptureReserved == 0 || p.RefundReserved == 0 || made == callers {
		w.Fatalf("the property shows nothing: %d made, %+v", made, p)
	}
}

// ordered claims an operation of x on the payment of s, however often that moves,
// and records its success; every third time it does not.
func (w *world) ordered(i int, s ledger.Snapshot, call payment.Call, x int64) error {
	l := w.Ledgers[i%Boots]
	for {
		c, err := w.order(i%Boots, s, call, x)
		if err != nil {
			return err
		}
		if s, err = l.Claim(w.ctx(), s, c); !errors.Is(err, ledger.ErrPaymentMoved) {
			if err != nil {
				return err
			}
			break
		}
	}
	for i%3 != 0 {
		var err error
		if s, err = l.Advance(w.ctx(), s, w.outcome(s, payment.StateSucceeded)); !errors.Is(err, ledger.ErrPaymentMoved) {
			return err
		}
	}
	return nil
}

func heldWhileParked(w *world) {
	s := w.capturing(0, w.authorized(0), 600)
	held := s.Payment
	still := func(after string) {
		w.Helper()
		same(w, "the payment after a "+after, s.Payment, held)
		w.holds(s)
		w.refused(w.read(2, s.Operation.Key), payment.MethodCapture, 401, payment.ReasonExceedsAuthorized)
	}
	s = w.advance(0, s, w.parked(s, w.t0))
	still("park")
	s = w.takenOver(1, s)
	still("takeover")
	s = w.advance(1, s, w.parked(s, w.t0))
	still("second park")
	s = w.takenOver(2, s)
	s = w.advance(2, s, w.outcome(s, payment.StatePending))
	still("pending outcome")
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	if s.Payment.CaptureReserved != 0 || s.Payment.Captured != 600 {
		w.Fatalf("a capture of 600 that succeeded left %+v", s.Payment)
	}
	w.holds(s)
}

func heldGivenBack(w *world) {
	parent := w.authorized(0)
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund} {
		before := parent.Payment
		s := w.ordering(0, parent, m, 300)
		s = w.advance(1, s, w.outcome(s, payment.StateFailed))
		if got := s.Payment; got.Capturable() != before.Capturable() || got.Refundable() != before.Refundable() || got.Status != before.Status {
			w.Fatalf("a %s that failed left %+v of %+v", m, got, before)
		}
		w.holds(s)
		parent = w.ordering(1, s, payment.MethodCapture, 300) // what was given back can be taken; and refunded
		parent = w.advance(1, parent, w.outcome(parent, payment.StateSucceeded))
		w.holds(parent)
	}
}

func heldPosted(w *world) {
	s := w.capturing(0, w.authorized(0), 600)
	s = w.advance(0, s, w.applied(s, payment.StateSucceeded, 500)) // less than was asked for
	w.holds(s)
	if p := s.Payment; p.Captured != 500 || p.CaptureReserved != 0 || p.Capturable() != 500 {
		w.Fatalf("500 of 600 that were applied left %+v", p)
	}
	s = w.ordering(1, s, payment.MethodRefund, 100)
	s = w.advance(1, s, w.applied(s, payment.StateSucceeded, 130)) // more
	w.holds(s)
	if p := s.Payment; p.Refunded != 100 || p.ExternalRefunded() != 30 || p.RefundReserved != 0 {
		w.Fatalf("130 of 100 that were applied left %+v", p)
	}
}

func heldByVoid(w *world) {
	parent := w.authorized(0)
	c := w.capture(1, parent, w.call(tenant, payment.MethodCapture), 100)
	void := w.ordering(0, parent, payment.MethodVoid, 0)
	present, err := w.Ledgers[1].Claim(w.ctx(), parent, c)
	w.fails("a capture beside a void", err, ledger.ErrPaymentMoved)
	w.refused(present, payment.MethodCapture, 100, payment.ReasonNotCapturable)
	w.refused(present, payment.MethodVoid, 0, payment.ReasonNotVoidable)

	failed := w.advance(0, void, w.outcome(void, payment.StateFailed))
	s := w.capturing(1, failed, 100)
	w.refused(s, payment.MethodVoid, 0, payment.ReasonNotVoidable)
	s = w.advance(1, s, w.outcome(s, payment.StateSucceeded))
	s = w.ordering(2, s, payment.MethodVoid, 0)
	s = w.advance(2, s, w.outcome(s, payment.StateSucceeded))
	if p := s.Payment; p.Authorized != 100 || p.Released != amount-100 || p.Voiding != "" || p.Capturable() != 0 {
		w.Fatalf("a void after a capture of 100 left %+v", p)
	}
	w.holds(s)
}
