package simulation

import (
	"fmt"
	"slices"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// callOff wants an authorization cancelled that has not ended.
func (w *world) callOff(on *intent) {
	w.orders--
	n := len(w.intents) + 1
	w.want(&intent{
		name: fmt.Sprintf("calloff%d", n), tenant: on.tenant, on: on, key: payment.IdempotencyKey(fmt.Sprintf("order-%d", n)),
		method: payment.MethodVoid, rpc: acquitv1.PaymentService_Void_FullMethodName,
		request: &acquitv1.VoidRequest{PaymentId: string(on.payment)},
	})
	w.history.logf("somebody gives up on %s", on.name)
}

// unsettled lists the authorizations that a provider has accepted and not ended.
func (w *world) unsettled() []*intent {
	return slices.DeleteFunc(w.payable(), func(i *intent) bool {
		s := w.judge.ops[i.operation].State
		return s != payment.StateRequiresAction && s != payment.StatePending
	})
}

// callsOff reports whether an operation is a void that sends nothing, for there was
// nothing held when it was claimed.
func callsOff(op payment.Operation) bool {
	_, looks := stepOf(op.Current(), payment.StepLook)
	return op.Method == payment.MethodVoid && looks
}

// callOff judges a void that called its authorization off: it ends after that, and as
// that calls for; while it is open nothing else that is one with that is.
func (j *judge) callOff(old, now payment.Operation) {
	h, name, parent := j.w.history, j.name(now.Key), j.parentOf(now)
	switch {
	case now.Current().Sends > 0:
		h.violate("I1", "%s has sent something", name)
	case !final(now.State) && !final(parent.State) && parent.Child != now.Key.ID:
		h.violate("I10", "%s is open, and its authorization does not know it", name)
	case !final(now.State) || final(old.State):
		return
	case !final(parent.State):
		h.violate("I2", "%s is %s, and its authorization %s", name, now.State, parent.State)
	case (now.State == payment.StateSucceeded) == (parent.State == payment.StateSucceeded):
		h.violate("I2", "%s is %s beside an authorization that is %s", name, now.State, parent.State)
	case now.State == payment.StateSucceeded:
		h.saw("called off")
	default:
		h.saw("called off too late")
	}
}

// voidedFirst is I2 for a void that called its authorization off: where it succeeded,
// nothing is held or taken, now or ever after.
func (j *judge) voidedFirst(op payment.Operation) {
	if !callsOff(op) || op.State != payment.StateSucceeded {
		return
	}
	if effects := j.effectsOf(j.parentOf(op)); len(effects) > 0 {
		j.w.history.violate("I2", "%s is SUCCEEDED, and its authorization has an effect at %s", j.name(op.Key), effects[0].account)
	}
}
