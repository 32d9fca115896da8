package ledgertest

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// payment checks a payment's change against the one it was made from.
func (f *faults) payment(name string, snap ledger.Snapshot, c ledger.Change) {
	p, old := *c.Payment, snap.Payment
	f.unless(p.Tenant == c.Operation.Key.Tenant && p.ID == c.Operation.PaymentID, "%s on payment %s of tenant %s", name, p.ID, p.Tenant)
	f.unique(name, snap, p)
	f.unless(p.Version == old.Version+1, "%s takes the payment from version %d to %d", name, old.Version, p.Version)
	f.unless(p.Captured+p.CaptureReserved <= p.Authorized, "%s takes or reserves more than was authorized", name)
	var back int64 // of what was refunded, since the provider undid it
	for _, o := range p.Outside {
		if o.Kind == payment.OutsideRefundReversal {
			back += o.Amount
		}
	}
	f.unless(p.Refunded-back+p.RefundReserved <= p.Captured, "%s gives back or reserves more than was captured", name)
	if snap.Revision.Payment == 0 {
		id, err := uuid.Parse(string(p.ID))
		made := time.Unix(id.Time().UnixTime())
		f.unless(err == nil && id.Version() == 7 && id.String() == string(p.ID) && made.UnixMilli() == p.Created.UnixMilli(),
			"%s makes payment %q, which no list would find by its time", name, p.ID)
		return
	}
	f.unless(p.ID == old.ID && p.Tenant == old.Tenant && p.Amount == old.Amount, "%s changes which payment it is", name)
	f.unless(len(p.Operations) >= len(old.Operations) && slices.Equal(p.Operations[:min(len(p.Operations), len(old.Operations))], old.Operations),
		"%s drops operations of the payment", name)
}

// holdings is what operations hold of a payment until they are final.
type holdings struct {
	capture, refund int64
	voiding         payment.OperationID
}

func holdingsOf(p payment.Payment) holdings {
	return holdings{p.CaptureReserved, p.RefundReserved, p.Voiding}
}

// with is what is held once op's part is taken too.
func (h holdings) with(op payment.Operation) holdings {
	switch op.Method {
	case payment.MethodCapture:
		h.capture += op.Held
	case payment.MethodRefund:
		h.refund += op.Held
	case payment.MethodVoid:
		h.voiding = op.Key.ID
	case payment.MethodAuthorize, payment.MethodComplete:
	}
	return h
}

// reserves checks that a claim takes its part of an existing payment, and moves
// nothing yet.
func (f *faults) reserves(name string, snap ledger.Snapshot, c ledger.Change) {
	if snap.Revision.Payment == 0 {
		return
	}
	before, after := snap.Payment, *c.Payment
	f.unless(before.Voiding == "" || c.Operation.Method == payment.MethodRefund, "%s beside a void", name)
	f.unless(holdingsOf(after) == holdingsOf(before).with(c.Operation), "%s reserves %+v after %+v, to hold %d",
		name, holdingsOf(after), holdingsOf(before), c.Operation.Held)
	f.unless(moved(before) == moved(after), "%s moves money", name)
	f.unless(slices.Equal(before.Outside, after.Outside), "%s changes what others did", name)
}

// settles checks that what an operation holds is given back when it is final, and
// not before, and that only a success moves money. An authorization holds nothing
// of a payment: it makes it.
func (f *faults) settles(name string, op payment.Operation, before, after payment.Payment) {
	if op.Method == payment.MethodAuthorize {
		f.unless(after.CaptureReserved >= before.CaptureReserved && after.RefundReserved >= before.RefundReserved && after.Voiding == before.Voiding,
			"%s releases another's reservation", name)
		return
	}
	if !op.State.Final() {
		f.unless(holdingsOf(after) == holdingsOf(before), "%s releases a reservation without an outcome", name)
		f.unless(moved(before) == moved(after), "%s moves money", name)
		return
	}
	f.unless(holdingsOf(after).with(op) == holdingsOf(before), "%s leaves %+v held of %+v, and held %d",
		name, holdingsOf(after), holdingsOf(before), op.Held)
	ended := slices.ContainsFunc(before.Outside, func(o payment.Outside) bool { // so that what is given back is released
		return o.Kind == payment.OutsideVoid || o.Kind == payment.OutsideExpiry
	})
	f.unless(op.State == payment.StateSucceeded || ended || moved(before) == moved(after), "%s moves money", name)
}

// moved is what of a payment's amounts only a success changes.
func moved(p payment.Payment) [6]int64 {
	return [6]int64{p.Authorized, p.Captured, p.Refunded, p.Released, p.ExcessCaptured, p.ExcessRefunded}
}
