package simulation

import (
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// sent judges a request that a process has just decided to send: I4, I11 and I16.
func (j *judge) sent(s *send) {
	j.refresh()
	h, p := j.w.history, s.account
	op, known := j.operation(s.request.reference)
	if !known {
		h.violate("I4", "%s sends to %s what the ledger does not know", s.label, p.name)
		return
	}
	name := j.name(op.Key)
	if j.nothing[label{intent: s.label.intent, call: s.label.call}] {
		h.violate("I16", "%s was told that nothing was sent, and sends %s", s.label, name)
	}
	for _, a := range op.Attempts {
		if a.Account == p.name {
			j.asRecorded(s, name, a)
			return
		}
	}
	h.violate("I4", "%s sends %s to %s, where it was never to be", s.label, name, p.name)
}

// asRecorded is I11: inside the window, and with the recorded bytes, key,
// account and credential.
func (j *judge) asRecorded(s *send, name string, a payment.Attempt) {
	h := j.w.history
	step, recorded := stepOf(a, s.request.step)
	switch {
	case !recorded:
		h.violate("I4", "%s sends %s of %s, which was never recorded", s.label, s.request.step, name)
	case s.checked.IsZero():
		h.violate("I11", "%s sends %s without having checked its session", s.label, name)
	case !s.checked.Before(a.ResendNotAfter):
		h.violate("I11", "%s sends %s %s after the window has closed", s.label, name, s.checked.Sub(a.ResendNotAfter))
	case s.request.key != step.Key:
		h.violate("I11", "%s sends %s under another key than recorded", s.label, name)
	case s.hash != step.RequestHash || s.request.hash() != s.hash:
		h.violate("I11", "%s sends %s with other bytes than recorded", s.label, name)
	case s.account.traits.KeyScope == payment.KeyScopeCredential && s.request.credential != a.Credential:
		h.violate("I11", "%s sends %s with another credential than recorded", s.label, name)
	}
	for _, earlier := range j.w.sends {
		if earlier.account == s.account && earlier.request.reference == s.request.reference && earlier.request.step == s.request.step && earlier.request.bytes() != s.request.bytes() {
			h.violate("I11", "%s sends %s otherwise than %s did", s.label, name, earlier.label)
			return
		}
	}
	if s.request.step.Fence() {
		h.saw("cancel")
	}
}

func stepOf(a payment.Attempt, name payment.StepName) (payment.Step, bool) {
	for _, s := range a.Steps {
		if s.Name == name {
			return s, true
		}
	}
	return payment.Step{}, false
}
