package simulation

import (
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// effect judges one that has just come to be: I1, I2 and I4.
func (j *judge) effect(p *provider, e *effect) {
	h := j.w.history
	op, known := j.operation(e.reference)
	if !known {
		h.violate("I4", "%s has an effect that nobody intended", p.name)
		return
	}
	name := j.name(op.Key)
	if n := len(j.effectsOf(op)); n > 1 {
		h.violate("I1", "%s has %d effects", name, n)
	}
	if negative(op.State) {
		h.violate("I2", "%s is %s, and %s has now made its effect", name, op.State, p.name)
	}
	if !tried(op, p) {
		h.violate("I4", "%s has an effect at %s, where it was never to be", name, p.name)
	}
}

// release judges that a cancel of ours has released an effect: I2.
func (j *judge) release(p *provider, e *effect) {
	op, known := j.operation(e.reference)
	switch {
	case !known:
		j.w.history.violate("I4", "%s released what the ledger does not know", p.name)
	case op.State == payment.StateSucceeded:
		j.w.history.violate("I2", "%s is SUCCEEDED, and a cancel has now released it", j.name(op.Key))
	}
	j.w.history.saw("cancelled with effect")
}

// effectsOf are an operation's effects that are not released, over all providers.
func (j *judge) effectsOf(op payment.Operation) []*effect {
	var list []*effect
	for _, p := range j.w.providers {
		for _, e := range p.effects {
			if e.reference == op.Reference && !e.released {
				list = append(list, e)
			}
		}
	}
	return list
}

func tried(op payment.Operation, p *provider) bool {
	for _, a := range op.Attempts {
		if a.Account == p.name {
			return true
		}
	}
	return false
}

// outcome is I2 for one operation: what the record says is what the providers did.
func (j *judge) outcome(op payment.Operation) {
	h, name, effects := j.w.history, j.name(op.Key), j.effectsOf(op)
	switch {
	case op.Method == payment.MethodComplete, callsOff(op):
		if len(effects) > 0 {
			h.violate("I1", "%s has an effect of its own", name)
		}
		j.voidedFirst(op)
	case len(effects) > 1:
		h.violate("I1", "%s has %d effects", name, len(effects))
	case op.State == payment.StateSucceeded && len(effects) == 0:
		h.violate("I2", "%s is SUCCEEDED, and nothing has happened", name)
	case op.State == payment.StateSucceeded && effects[0].account != op.Current().Account:
		h.violate("I2", "%s is SUCCEEDED at %s, but happened at %s", name, op.Current().Account, effects[0].account)
	case negative(op.State) && len(effects) > 0:
		h.violate("I2", "%s is %s, but has an effect at %s", name, op.State, effects[0].account)
	}
}

// sums are what a payment's operations add up to, by the judge's own arithmetic.
type sums struct {
	authorized, captured, refunded   int64 // by the providers' effects of operations that succeeded
	capturing, refunding             int64 // held by operations that are not final
	voiding                          payment.OperationID
	released, voided, capturesAtWork bool
}

func (j *judge) sums(p payment.Payment) sums {
	var s sums
	for _, k := range j.keys() {
		op := j.ops[k]
		if op.PaymentID != p.ID || op.Key.Tenant != p.Tenant {
			continue
		}
		if !final(op.State) {
			s.hold(op)
			continue
		}
		if effects := j.effectsOf(op); op.State == payment.StateSucceeded && len(effects) == 1 {
			s.post(op, effects[0].amount, p.CaptureMode == payment.CaptureAutomatic)
		}
	}
	return s
}

func (s *sums) hold(op payment.Operation) {
	switch op.Method {
	case payment.MethodCapture:
		s.capturing += op.Held
		s.capturesAtWork = true
	case payment.MethodRefund:
		s.refunding += op.Held
	case payment.MethodVoid:
		s.voiding = op.Key.ID
	case payment.MethodAuthorize, payment.MethodComplete:
	}
}

func (s *sums) post(op payment.Operation, amount int64, automatic bool) {
	switch op.Method {
	case payment.MethodAuthorize:
		s.authorized = amount
		if automatic {
			s.captured += amount
		}
	case payment.MethodCapture:
		s.captured += amount
		s.released = s.released || op.Last
	case payment.MethodRefund:
		s.refunded += amount
	case payment.MethodVoid:
		s.released, s.voided = true, true
	case payment.MethodComplete:
	}
}

// amounts judges a payment: I6, I7, I8, and that what was posted is what happened.
func (j *judge) amounts(p payment.Payment) {
	h, s, name := j.w.history, j.sums(p), j.paymentName(p)
	switch {
	case p.Captured+p.CaptureReserved > p.Authorized:
		h.violate("I6", "%s: %d captured and %d reserved of %d authorized", name, p.Captured, p.CaptureReserved, p.Authorized)
	case p.Refunded+p.RefundReserved > p.Captured:
		h.violate("I7", "%s: %d refunded and %d reserved of %d captured", name, p.Refunded, p.RefundReserved, p.Captured)
	case s.captured+s.capturing > s.authorized:
		h.violate("I6", "%s: %d captured and %d on the way of %d authorized", name, s.captured, s.capturing, s.authorized)
	case s.refunded+s.refunding > s.captured:
		h.violate("I7", "%s: %d refunded and %d on the way of %d captured", name, s.refunded, s.refunding, s.captured)
	case s.voiding != "" && s.capturesAtWork:
		h.violate("I6", "%s: a capture beside a void that is not closed", name)
	case p.CaptureReserved != s.capturing || p.RefundReserved != s.refunding || p.Voiding != s.voiding:
		h.violate("I8", "%s reserves %d for captures and %d for refunds, voiding: %t; its open operations hold %d and %d, void: %t",
			name, p.CaptureReserved, p.RefundReserved, p.Voiding != "", s.capturing, s.refunding, s.voiding != "")
	case p.Authorized+p.Released != s.authorized || p.Captured != s.captured || p.Refunded != s.refunded:
		h.violate("I2", "%s shows %d authorized, %d released, %d captured, %d refunded; the providers did %d, %d captured, %d refunded",
			name, p.Authorized, p.Released, p.Captured, p.Refunded, s.authorized, s.captured, s.refunded)
	case p.Released > 0 && !s.released, p.Released < 0, s.voided && p.Authorized != p.Captured:
		h.violate("I8", "%s released %d; a void or last capture succeeded: %t", name, p.Released, s.released)
	}
}

// paymentName is the logical name of a payment: that of its authorization.
func (j *judge) paymentName(p payment.Payment) string {
	if len(p.Operations) == 0 {
		return "a payment without operations"
	}
	return "the payment of " + j.name(payment.OperationKey{Tenant: p.Tenant, ID: p.Operations[0]})
}
