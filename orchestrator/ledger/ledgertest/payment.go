package ledgertest

import (
	"context"
	"errors"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// paymentProperties: a payment is read with its operations, as of one moment, by
// its own tenant.
func paymentProperties() []property {
	return []property{
		{"is read with its operations, oldest first", "", paymentOperations},
		{"is read with what guards a claim on it", "", paymentGuards},
		{"of another tenant is not found", "", paymentOfAnother},
		{"and its operations are of one moment", "", paymentMoment},
		{"and the operation of a read are of one moment", "", readMoment},
		{"read by a caller whose context ended fails", "", readContext},
	}
}

func paymentOperations(w *world) {
	s := w.authorized(0)
	want := []payment.Operation{s.Operation}
	for i := range 4 {
		s = w.capturing(i%Boots, s, 100)
		if i%2 == 0 {
			s = w.advance(i%Boots, s, w.outcome(s, payment.StateSucceeded))
		}
		want = append(want, s.Operation)
	}
	for _, l := range w.Ledgers {
		p, ops, err := l.Payment(w.ctx(), tenant, s.Payment.ID)
		w.ok("payment", err)
		same(w, "the payment", p, ledger.Snapshot{Payment: s.Payment, Revision: ledger.Revision{Payment: s.Revision.Payment}})
		same(w, "its operations", ops, want)
	}
}

func paymentGuards(w *world) {
	parent := w.authorized(0)
	now, _, err := w.Ledgers[1].Payment(w.ctx(), tenant, parent.Payment.ID)
	w.ok("payment", err)
	first := w.capturing(1, now, 400)
	w.holds(first)
	c := w.capture(2, now, w.call(tenant, payment.MethodCapture), 400)
	present, err := w.Ledgers[2].Claim(w.ctx(), now, c)
	w.fails("claim on a payment that moved since it was read", err, ledger.ErrPaymentMoved)
	again, _, err := w.Ledgers[2].Payment(w.ctx(), tenant, parent.Payment.ID)
	w.ok("payment", err)
	same(w, "the present payment", present.Payment, again.Payment)
	same(w, "what guards it", again.Revision, ledger.Revision{Payment: first.Revision.Payment})
	w.absent(c)
}

func paymentOfAnother(w *world) {
	s := w.authorized(0)
	for _, l := range w.Ledgers {
		for _, t := range []payment.TenantID{"merchan", "merchant-2", "m", "other"} {
			_, _, err := l.Payment(w.ctx(), t, s.Payment.ID)
			w.fails("another tenant's payment", err, ledger.ErrNotFound)
		}
		for _, id := range []payment.ID{"payment-none", s.Payment.ID + "0", s.Payment.ID[:len(s.Payment.ID)-1]} {
			_, _, err := l.Payment(w.ctx(), tenant, id)
			w.fails("a payment that does not exist", err, ledger.ErrNotFound)
		}
	}
}

// written runs a flow of captures on a payment, and on each ledger what looks at
// it meanwhile.
func (w *world) written(parent ledger.Snapshot, look func(ctx context.Context, i int) error) {
	w.Helper()
	ctx, done := w.ctx(), make(chan struct{})
	looks := make(chan error, Boots)
	for i := range Boots {
		go func() {
			for {
				select {
				case <-done:
					looks <- nil
					return
				default:
				}
				if err := look(ctx, i); err != nil {
					looks <- err
					return
				}
			}
		}()
	}
	func() {
		defer close(done)
		s := parent
		for n := range 16 {
			s = w.capturing(n%Boots, s, 10)
			s = w.advance(n%Boots, s, w.outcome(s, payment.StateSucceeded))
		}
	}()
	for range Boots {
		w.ok("look at a payment while it is written", <-looks)
	}
}

func paymentMoment(w *world) {
	parent := w.authorized(0)
	w.written(parent, func(ctx context.Context, i int) error {
		now, ops, err := w.Ledgers[i].Payment(ctx, tenant, parent.Payment.ID)
		if err != nil {
			return err
		}
		p := now.Payment
		var ids []payment.OperationID
		var reserved, captured int64
		for _, op := range ops {
			ids = append(ids, op.Key.ID)
			if op.Method == payment.MethodCapture && op.State == payment.StateSucceeded {
				captured += op.Amount.MinorUnits
			} else if op.Method == payment.MethodCapture {
				reserved += op.Amount.MinorUnits
			}
		}
		if !slices.Equal(ids, p.Operations) || p.CaptureReserved != reserved || p.Captured != captured {
			return errors.New("the payment's amounts are not those of its operations")
		}
		return nil
	})
}

func readMoment(w *world) {
	parent := w.authorized(0)
	w.written(parent, func(ctx context.Context, i int) error {
		p, _, err := w.Ledgers[i].Payment(ctx, tenant, parent.Payment.ID)
		if err != nil {
			return err
		}
		s, err := w.Ledgers[i].Read(ctx, payment.OperationKey{Tenant: tenant, ID: p.Payment.Operations[len(p.Payment.Operations)-1]})
		if err != nil {
			return err
		}
		last := s.Payment.Operations[len(s.Payment.Operations)-1] == s.Operation.Key.ID
		if last && (s.Payment.CaptureReserved == 0) != s.Operation.State.Final() {
			return errors.New("the payment is not of the operation's moment")
		}
		if s.Marker.Present != (s.Operation.Owner != "") {
			return errors.New("the marker is not of the operation's moment")
		}
		return nil
	})
}

func readContext(w *world) {
	s := w.claimed(0)
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	for _, l := range w.Ledgers {
		if _, err := l.Read(ctx, s.Operation.Key); err == nil {
			w.Fatal("a read whose context had ended said that it succeeded")
		}
		if _, _, err := l.Payment(ctx, tenant, s.Payment.ID); err == nil || errors.Is(err, ledger.ErrNotFound) {
			w.Fatalf("a payment's read whose context had ended: %v", err)
		}
	}
	w.holds(s)
}
