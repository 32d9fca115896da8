package simulation

import (
	"slices"

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
		if !final(op.State) && !j.queued(op) {
			h.violate("I5", "%s was left %s (%s), and nobody is told", j.name(k), op.State, op.ParkReason)
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
	for _, orphan := range j.claimed() {
		h.violate("I15", "nobody applied %s", orphan)
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

// queued reports whether an operation is before a person.
func (j *judge) queued(op payment.Operation) bool {
	return slices.ContainsFunc(j.noticed, func(a payment.Attention) bool {
		// A completion and a void that calls off wait for their authorization, which may
		// be before a person.
		waits := op.Method == payment.MethodComplete || callsOff(op)
		return a.Tenant == op.Key.Tenant && (a.Operation == op.Key.ID || waits && a.Operation == op.Parent)
	})
}

// satisfied is that no caller is left without an answer that there is.
func (j *judge) satisfied(i *intent) {
	if i.settled {
		return
	}
	op, exists := j.ops[i.operation]
	switch {
	case !exists && i.told != payment.ReasonParentUnknown:
		j.w.history.violate("I5", "%s was never carried out, and its caller was told %s last", i.name, i.told)
	case exists && answers(op.State):
		j.w.history.violate("I5", "%s is %s, and its caller does not hear of it", i.name, op.State)
	}
}
