package e2e

import (
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// standingAtAmazon are the effects at an account of Amazon Pay's: without a hold that
// a cancel of ours has fenced, without what a capture released, which is the capture's,
// or Amazon by itself, and without a refund that came to nothing.
func (h *house) standingAtAmazon(a *amazonAccount) []amazonsim.Effect {
	h.Helper()
	all, fences := a.Effects(), h.fences()
	undone := func(e amazonsim.Effect) bool {
		if e.Kind == amazonsim.KindRefundDeclined || (e.Kind == amazonsim.KindRelease && (fences[e.Key] || e.Key == "")) {
			return true
		}
		return slices.ContainsFunc(all, func(o amazonsim.Effect) bool {
			switch e.Kind {
			case amazonsim.KindHold:
				return o.Kind == amazonsim.KindRelease && o.Charge == e.Charge && fences[o.Key]
			case amazonsim.KindRefund:
				return o.Kind == amazonsim.KindRefundDeclined && o.Object == e.Object
			case amazonsim.KindRelease:
				return o.Kind == amazonsim.KindCapture && o.Key == e.Key
			case amazonsim.KindCharge, amazonsim.KindCapture, amazonsim.KindRefundDeclined:
			}
			return false
		})
	}
	return slices.DeleteFunc(all, undone)
}

// movedAtAmazonBy are the effects of an attempt: of its kind, and under its key.
func (h *house) movedAtAmazonBy(a *amazonAccount, m payment.Method, attempt payment.Attempt) []movement {
	h.Helper()
	kinds := map[payment.Method][]amazonsim.Kind{
		payment.MethodAuthorize: {amazonsim.KindHold, amazonsim.KindCharge}, payment.MethodCapture: {amazonsim.KindCapture},
		payment.MethodRefund: {amazonsim.KindRefund}, payment.MethodVoid: {amazonsim.KindRelease}, payment.MethodComplete: nil,
	}[m]
	main, _ := attempt.Step(payment.StepMain)
	var found []movement
	for _, e := range h.standingAtAmazon(a) {
		if e.Key == string(main.Key) && slices.Contains(kinds, e.Kind) {
			found = append(found, movement{e.Amount, e.Currency})
		}
	}
	return found
}

// auditAmazon holds the records against what arrived at Amazon Pay: no write came
// without a key, under a key that no record has, or with other bytes than the first
// time. And no telemetry holds what must be kept; a charge permission is part of the ids
// of Amazon's objects, which are shown.
func (h *house) auditAmazon() {
	h.Helper()
	dump := h.dump()
	for _, a := range h.amazons {
		steps, first := map[string]int{}, map[string]amazonsim.Request{}
		for _, op := range dump.Operations {
			for _, attempt := range op.Attempts {
				for _, step := range attempt.Steps {
					if attempt.Account == a.account {
						steps[string(step.Key)]++
					}
				}
			}
		}
		for _, r := range a.writes("") {
			known, again := first[r.Key]
			switch {
			case steps[r.Key] != 1:
				h.Errorf("a request is under a key that %d recorded steps have: %+v", steps[r.Key], r)
			case again && (known.Method != r.Method || known.Path != r.Path || known.Body != r.Body):
				h.Errorf("two requests under one key:\n%+v\n%+v", known, r)
			}
			first[r.Key] = r
		}
		h.keeps(append(a.secrets(), "PLANTED", "PublicKeyId", "SigningCertURL")...)
	}
}
