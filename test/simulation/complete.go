package simulation

import (
	"fmt"
	"slices"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// complete goes on with an authorization that waits for its shopper, and answers with
// it as it is then. One that does not wait stays as it is: above all a cancelled one.
func (p *provider) complete(r request, with plan) (payment.Answer, bool) {
	for _, o := range p.objects {
		if o.id != r.parent || o.method != payment.MethodAuthorize {
			continue
		}
		if o.status == isAction && with != planAction {
			switch with {
			case planDecline:
				o.status, o.failure = isNegative, p.temper.no(o)
			case planPending:
				o.status = isPending
			case planOK, planPartial, planAction, planRateLimit, planUnauthorized, planInvalid, planBareRefusal,
				planFailBefore, planFailAfter, planFailStored, planFailAfterStored, planInUse, planHidden:
				p.happen(o)
			}
			p.news = append(p.news, o)
		}
		return p.shows(o), true
	}
	return answered(404, "no_such_authorization"), false
}

// completion wants to go on with an authorization whose shopper came back.
func (w *world) completion(on *intent) {
	w.shoppers--
	n := len(w.intents) + 1
	w.want(&intent{
		name: fmt.Sprintf("complete%d", n), tenant: on.tenant, on: on, key: payment.IdempotencyKey(fmt.Sprintf("order-%d", n)),
		method: payment.MethodComplete, rpc: acquitv1.PaymentService_CompleteAuthorization_FullMethodName, amount: on.amount,
		request: &acquitv1.CompleteAuthorizationRequest{PaymentId: string(on.payment), ReturnParameters: map[string]string{"result": "approve"}},
	})
	w.history.logf("the shopper of %s comes back", on.name)
}

// waiting lists the authorizations that wait for their shoppers, or did when their
// callers asked last: a shopper may come back too late.
func (w *world) waiting() []*intent {
	return slices.DeleteFunc(w.payable(), func(i *intent) bool {
		return w.judge.ops[i.operation].Current().NextAction == nil
	})
}

// parentOf is the authorization that a completion is one with.
func (j *judge) parentOf(op payment.Operation) payment.Operation {
	return j.ops[payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Parent}]
}

// joint judges a completion beside its authorization: they are written together, end
// the same way unless the completion failed alone, and of two one is at work.
func (j *judge) joint(old, now payment.Operation) {
	h, name, parent := j.w.history, j.name(now.Key), j.parentOf(now)
	if final(now.State) && !final(old.State) {
		switch {
		case now.State == payment.StateFailed && !final(parent.State):
			h.saw("completion failed alone")
		case now.State != parent.State:
			h.violate("I2", "%s is %s, and its authorization %s", name, now.State, parent.State)
		}
		if old.State != "" && final(parent.State) && !j.answeredBy(now) {
			h.saw("completion ended with its authorization")
		}
	}
	for _, other := range j.ops {
		working := other.Method == payment.MethodComplete && !answers(other.State) && other.PaymentID == now.PaymentID && other.Key != now.Key
		if working && !answers(now.State) && !final(parent.State) {
			h.violate("I10", "%s is at work beside %s", name, j.name(other.Key))
		}
	}
	if !answers(now.State) && !final(parent.State) && parent.Child != now.Key.ID {
		h.violate("I10", "%s is at work, and its authorization does not know it", name)
	}
}

// answeredBy reports whether a completion was told its end by an answer to itself.
func (j *judge) answeredBy(op payment.Operation) bool { return op.Current().Sends > 0 }

// aloneInDoubt says why a completion that failed alone may yet have been executed; ""
// if it may not. It has no object of its own: its sends tell.
func (j *judge) aloneInDoubt(op payment.Operation, e payment.Evidence) string {
	if final(j.parentOf(op).State) {
		return "" // it ended as that did, which is judged there
	}
	a := op.Current()
	if _, looks := stepOf(a, payment.StepLook); looks {
		return ""
	}
	p := j.provider(a.Account)
	switch {
	case e == payment.EvidenceNoEffectSticky:
		return string(p.name) + " keeps no refusal of a completion"
	case p.mayRepeat:
		return "what stands before " + string(p.name) + " may repeat requests"
	case a.Epoch != op.Epoch:
		return "an owner before this one may have sent it"
	}
	return j.unrefused(op, p)
}
