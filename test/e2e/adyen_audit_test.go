package e2e

import (
	"maps"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// standing are the effects at an account of Adyen's: without a hold that a technical
// cancel of ours has released, without what a capture released, which is the
// capture's, and without a capture or a refund that was undone, unless the payment
// shows that beside it.
func (h *house) standing(a *adyenAccount) []account.Effect {
	h.Helper()
	all, fences, beside := a.Effects(), h.fences(), h.reversed()
	undone := func(e account.Effect) bool {
		return slices.ContainsFunc(all, func(o account.Effect) bool {
			switch e.Kind {
			case adyensim.KindHold:
				return o.Kind == adyensim.KindRelease && o.Payment == e.Payment && fences[o.Key]
			case adyensim.KindCapture:
				return o.Kind == adyensim.KindCaptureFailed && o.Object == e.Object && !beside[e.Object]
			case adyensim.KindRefund:
				return o.Kind == adyensim.KindRefundFailed && o.Object == e.Object && !beside[e.Object]
			case adyensim.KindRelease:
				return fences[e.Key] || (o.Kind == adyensim.KindCapture && o.Key == e.Key)
			case adyensim.KindCaptureFailed, adyensim.KindRefundFailed:
				return true
			case adyensim.KindCharge:
			}
			return false
		})
	}
	return slices.DeleteFunc(all, undone)
}

// reversed are the objects whose effect a payment shows as taken back later.
func (h *house) reversed() map[string]bool {
	h.Helper()
	objects := map[string]bool{}
	for _, p := range h.dump().Payments {
		for _, o := range p.Outside {
			if o.Kind == payment.OutsideCaptureReversal || o.Kind == payment.OutsideRefundReversal {
				objects[string(o.Object)] = true
			}
		}
	}
	return objects
}

// movedAtAdyenBy are the effects of an attempt: of its kind, and under its key. What
// was authorized counts by our reference, whatever request made it.
func (h *house) movedAtAdyenBy(a *adyenAccount, m payment.Method, attempt payment.Attempt) []movement {
	h.Helper()
	main, _ := attempt.Step(payment.StepMain)
	return movements(h.standing(a), m, func(e account.Effect) bool {
		return e.Key == string(main.Key) || (m == payment.MethodAuthorize && e.Reference == string(attempt.Reference))
	})
}

// auditAdyen holds the records against what arrived at Adyen: nothing came without a
// key, under a key that no record has, or with other bytes than the first time. And
// no telemetry holds what must be kept.
func (h *house) auditAdyen() {
	h.Helper()
	for _, a := range h.adyens {
		h.keyed(a.remote, a.Requests(), asIs)
	}
	if len(h.adyens) > 0 {
		tokens := slices.Collect(maps.Keys(adyensim.Cards()))
		h.keeps(append(tokens, adyenCredential, string(h.adyens[0].webhookSecret()), "hmacSignature", "PLANTED", "redirectResult", "checkoutshopper")...)
	}
}

// keeps checks that spans, log and metrics hold none of these, and no key for
// providers.
func (h *house) keeps(secrets ...string) {
	h.Helper()
	for _, op := range h.dump().Operations {
		for _, attempt := range op.Attempts {
			for _, step := range attempt.Steps {
				if step.Key != "" { // a step that only looks has none
					secrets = append(secrets, string(step.Key))
				}
			}
		}
	}
	for where, text := range h.telemetry() {
		for _, secret := range secrets {
			if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
				h.Errorf("%s hold %q: …%s…", where, secret, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}
