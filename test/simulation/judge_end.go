package simulation

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// end judges what is left when everything has arrived and nobody asks any more.
func (j *judge) end() {
	j.stale = true
	j.refresh()
	h := j.w.history
	for _, k := range j.keys() {
		op := j.ops[k]
		j.outcome(op)
		j.filed(op)
		if _, marked := j.markers[k]; marked {
			h.violate("I5", "%s is %s and blocked by a marker that nobody works under", j.name(k), op.State)
		}
		if why := j.stuck(op); why != "" {
			h.violate("I5", "%s was left %s (%s), though %s", j.name(k), op.State, op.ParkReason, why)
		}
	}
	for _, i := range j.w.intents {
		j.satisfied(i)
	}
	for _, p := range j.w.providers {
		for _, e := range p.effects {
			if _, known := j.operation(e.reference); !known {
				h.violate("I4", "%s has an effect that the ledger does not know", p.name)
			}
		}
	}
	if j.quietly() {
		h.saw("everything final")
	}
}

func (j *judge) quietly() bool {
	for _, op := range j.ops {
		if !final(op.State) {
			return false
		}
	}
	return true
}

// stuck says why an operation should have come to its end in the quiet phase,
// where everybody asked and nothing failed; "" if it could not.
func (j *judge) stuck(op payment.Operation) string {
	const slack = 6 * time.Minute // clocks differ, and the last try was a while ago
	switch op.State {
	case payment.StateIntent:
		return "nobody works on it"
	case payment.StateUnknown:
	case payment.StateFencing, payment.StatePending, payment.StateRequiresAction, payment.StateSucceeded, payment.StateDeclined, payment.StateFailed:
		return ""
	}
	a := op.Current()
	p := j.provider(a.Account)
	objects := 0
	for _, o := range p.objects {
		if o.method == op.Method && o.reference == op.Reference {
			objects++
		}
	}
	limit := a.ResendNotAfter
	if op.Method == payment.MethodAuthorize && op.ResolveBy.Before(limit) {
		limit = op.ResolveBy
	}
	kept := p.keys[p.slot(request{key: a.Steps[0].Key, credential: a.Credential})]
	switch {
	case p.traits.Query && objects == 1:
		return "a look-up tells"
	case time.Now().Add(slack).After(limit):
		return ""
	case p.traits.KeyScope == payment.KeyScopeCredential && p.replaced:
		return ""
	case kept != nil && kept.answer.Code == "server_error":
		return "" // the provider keeps to it
	}
	return "it could still be sent"
}

// satisfied is that no caller is left without an answer that there is.
func (j *judge) satisfied(i *intent) {
	if i.settled {
		return
	}
	op, exists := j.ops[i.operation()]
	switch {
	case !exists && i.told != payment.ReasonParentUnknown:
		j.w.history.violate("I5", "%s was never carried out, and its caller was told %s last", i.name, i.told)
	case exists && answers(op.State):
		j.w.history.violate("I5", "%s is %s, and its caller does not hear of it", i.name, op.State)
	}
}
