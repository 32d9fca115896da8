package e2e

import (
	"maps"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// standing are the effects at an account of Adyen's: without a hold that a technical
// cancel of ours has released, without what a capture released, which is the
// capture's, and without a capture or a refund that was undone, unless the payment
// shows that beside it.
func (h *house) standing(a *adyenAccount) []adyensim.Effect {
	h.Helper()
	all, fences, beside := a.Effects(), h.fences(), h.reversed()
	undone := func(e adyensim.Effect) bool {
		return slices.ContainsFunc(all, func(o adyensim.Effect) bool {
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
	kinds := map[payment.Method][]adyensim.Kind{
		payment.MethodAuthorize: {adyensim.KindHold, adyensim.KindCharge}, payment.MethodCapture: {adyensim.KindCapture},
		payment.MethodRefund: {adyensim.KindRefund}, payment.MethodVoid: {adyensim.KindRelease}, payment.MethodComplete: nil,
	}[m]
	main, _ := attempt.Step(payment.StepMain)
	var found []movement
	for _, e := range h.standing(a) {
		mine := e.Key == string(main.Key) || (m == payment.MethodAuthorize && e.Reference == string(attempt.Reference))
		if mine && slices.Contains(kinds, e.Kind) {
			found = append(found, movement{e.Amount, e.Currency})
		}
	}
	return found
}

// auditAdyen holds the records against what arrived at Adyen: nothing came without a
// key, under a key that no record has, or with other bytes than the first time. And
// no telemetry holds what must be kept.
func (h *house) auditAdyen() {
	h.Helper()
	dump := h.dump()
	for _, a := range h.adyens {
		steps, first := map[string]int{}, map[string]adyensim.Request{}
		for _, op := range dump.Operations {
			for _, attempt := range op.Attempts {
				for _, step := range attempt.Steps {
					if attempt.Account == a.account {
						steps[string(step.Key)]++
					}
				}
			}
		}
		for _, r := range a.Requests() {
			known, again := first[r.Key]
			switch {
			case steps[r.Key] != 1:
				h.Errorf("a request is under a key that %d recorded steps have: %+v", steps[r.Key], r)
			case again && (known.Path != r.Path || known.Body != r.Body):
				h.Errorf("two requests under one key:\n%+v\n%+v", known, r)
			}
			first[r.Key] = r
		}
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
