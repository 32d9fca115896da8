package e2e

import (
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// standingAtAmazon are the effects at an account of Amazon Pay's: without a hold that
// a cancel of ours has fenced, without what a capture released, which is the capture's,
// or Amazon by itself, and without a refund that came to nothing.
func (h *house) standingAtAmazon(a *amazonAccount) []account.Effect {
	h.Helper()
	all, fences := a.Effects(), h.fences()
	undone := func(e account.Effect) bool {
		if e.Kind == amazonsim.KindRefundDeclined || (e.Kind == amazonsim.KindRelease && (fences[e.Key] || e.Key == "")) {
			return true
		}
		return slices.ContainsFunc(all, func(o account.Effect) bool {
			switch e.Kind {
			case amazonsim.KindHold:
				return o.Kind == amazonsim.KindRelease && o.Payment == e.Payment && fences[o.Key]
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
	main, _ := attempt.Step(payment.StepMain)
	return movements(h.standingAtAmazon(a), m, func(e account.Effect) bool {
		return e.Key == string(main.Key)
	})
}

// auditAmazon holds the records against what arrived at Amazon Pay: no write came
// without a key, under a key that no record has, or with other bytes than the first
// time. And no telemetry holds what must be kept; a charge permission is part of the ids
// of Amazon's objects, which are shown.
func (h *house) auditAmazon() {
	h.Helper()
	for _, a := range h.amazons {
		h.keyed(a.remote, a.writes(""), asIs)
		h.keeps(append(a.secrets(), "PLANTED", "PublicKeyId", "SigningCertURL")...)
	}
}
