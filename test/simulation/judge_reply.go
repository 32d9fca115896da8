package simulation

import (
	"bytes"
	"slices"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// said is what an answer to a caller says.
type said struct {
	text    string
	payment payment.ID
}

// answered judges what a caller was told: I3, I13, I14 and I16.
func (j *judge) answered(c *call) said {
	j.refresh()
	if c.answer.reason != "" {
		j.refused(c)
		return said{text: string(c.answer.reason)}
	}
	h, op := j.w.history, j.ops[c.intent.operation]
	got, err := read(c.answer.bytes)
	if err != nil {
		h.violate("contract", "%s cannot read its answer: %v", c.label(), err)
		return said{text: "nonsense"}
	}
	text := string(got.state)
	j.addressee(c, got, op)
	if c.answer.retry {
		if answers(got.state) {
			h.violate("I14", "%s is told %s, which is not stored", c.label(), got.state)
		}
		h.saw("interim answer")
		return said{text + " for now", got.payment}
	}
	switch {
	case !answers(got.state):
		h.violate("I14", "%s is told %s for good", c.label(), got.state)
	case !bytes.Equal(op.Response, c.answer.bytes):
		h.violate("I14", "%s is told %s, and the ledger holds another answer or none", c.label(), got.state)
	}
	if before := j.answers[op.Key]; before.bytes != nil && !bytes.Equal(before.bytes, c.answer.bytes) {
		h.violate("I3", "%s is told other bytes than were told before", c.label())
	}
	j.answers[op.Key] = given{c.intent, c.answer.bytes}
	if c.answer.replayed {
		h.saw("replay")
		text += ", replayed"
	}
	return said{text, got.payment}
}

// addressee is I13: an answer is for the tenant and the payload that asked.
func (j *judge) addressee(c *call, got shown, op payment.Operation) {
	h, i := j.w.history, c.intent
	before, given := j.answers[i.operation], given{to: i}
	switch {
	case before.to != nil && before.to != i:
		h.violate("I13", "%s sees the answer that %s got, for another payload", c.label(), before.to.name)
	case op.State == "":
		h.violate("I14", "%s is told %s, and the ledger knows nothing", c.label(), got.state)
	case op.PaymentID != got.payment:
		h.violate("I13", "%s sees another payment than its own", c.label())
	case i.amount != 0 && got.amount != i.amount:
		h.violate("I13", "%s asked for %d and sees the answer for %d", c.label(), i.amount, got.amount)
	}
	if before.to == nil {
		j.answers[i.operation] = given
	}
}

// refused judges a refusal.
func (j *judge) refused(c *call) {
	h, i, op := j.w.history, c.intent, j.ops[c.intent.operation]
	mine := j.answers[i.operation].to == i
	switch {
	case c.answer.reason == payment.ReasonInternal:
		h.violate("contract", "%s is told of an internal error", c.label())
	case c.answer.reason == payment.ReasonLedgerUnavailable:
		j.unavailable(c)
	case mine && c.settledBefore && !c.answer.retry:
		h.violate("I3", "%s is refused %s, though %s has been answered", c.label(), c.answer.reason, j.name(op.Key))
	case mine && c.answer.reason == payment.ReasonKeyReused:
		h.violate("I3", "%s is told that its key was used with another payload, after an answer to its own", c.label())
	}
	h.saw("refused: " + string(c.answer.reason))
}

// unavailable is I16: who is told that nothing was sent can rely on it.
func (j *judge) unavailable(c *call) {
	l := c.label()
	j.nothing[label{intent: l.intent, call: l.call}] = true
	for _, s := range j.w.sends {
		if s.label.intent == l.intent && s.label.call == l.call {
			j.w.history.violate("I16", "%s is told that nothing was sent, but it sent to %s", l, s.account.name)
		}
	}
}

// heard judges what became of an event: I15, that it is durable before its provider
// may forget it, and that what others did is on record.
func (j *judge) heard(h hearing) {
	j.refresh()
	if !j.kept(h.notice.event.EventKey) {
		j.w.history.violate("I14", "%s is taken in (%s), and not on record", h.label, h.taken)
	}
	if h.known && h.taken != orchestrator.TakenDuplicate {
		j.w.history.violate("I15", "%s is taken in once more: %s", h.label, h.taken)
	}
	if told := h.notice.event.Outside; h.taken == orchestrator.TakenOutside && j.recorded(told.Object) != told.Amount {
		j.w.history.violate("I15", "%s told of %d, and %d is on record", h.label, told.Amount, j.recorded(told.Object))
	}
}

// kept reports whether the ledger has an event. What else it holds is judged by whose
// write it was.
func (j *judge) kept(k payment.EventKey) bool {
	dump, err := j.w.store.Dump()
	return err == nil && slices.ContainsFunc(dump.Events, func(t ledger.Taken) bool { return t.EventKey == k })
}

// recorded is what the ledger has of an effect that was made by hand.
func (j *judge) recorded(object payment.ProviderReference) int64 {
	var sum int64
	for _, p := range j.payments {
		for _, o := range p.Outside {
			if o.Object == object {
				sum += o.Amount
			}
		}
	}
	return sum
}
