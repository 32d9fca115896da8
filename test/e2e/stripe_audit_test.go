package e2e

import (
	"net/http"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// existing are the effects at an account of Stripe's, without a hold that a cancel
// of ours has released, without a refund that came back, and without what a
// capture released, which is the capture's.
func (h *house) existing(a *stripeAccount) []account.Effect {
	h.Helper()
	all, fences := a.Effects(), h.fences()
	undone := func(e account.Effect) bool {
		return slices.ContainsFunc(all, func(o account.Effect) bool {
			switch e.Kind {
			case stripesim.KindHold:
				return o.Kind == stripesim.KindRelease && o.Payment == e.Payment && fences[o.Key]
			case stripesim.KindRefund:
				return o.Kind == stripesim.KindRefundFailed && o.Object == e.Object
			case stripesim.KindRelease:
				return fences[e.Key] || (o.Kind == stripesim.KindCapture && o.Key == e.Key)
			case stripesim.KindRefundFailed:
				return true
			case stripesim.KindCharge, stripesim.KindCapture:
			}
			return false
		})
	}
	return slices.DeleteFunc(slices.Clone(all), undone)
}

// fences are the provider keys of all cancels that fence.
func (h *house) fences() map[string]bool {
	h.Helper()
	keys := map[string]bool{}
	for _, op := range h.dump().Operations {
		for _, attempt := range op.Attempts {
			for _, step := range attempt.Steps {
				keys[string(step.Key)] = step.Name.Fence()
			}
		}
	}
	return keys
}

// movedBy are the effects of an attempt: of its kind, and under its key or, where
// the payer made them, on its intent.
func (h *house) movedBy(a *stripeAccount, m payment.Method, attempt payment.Attempt) []movement {
	h.Helper()
	main, _ := attempt.Step(payment.StepMain)
	return movements(h.existing(a), m, func(e account.Effect) bool {
		return e.Key == string(main.Key) || (e.Key == "" && e.Payment == string(attempt.ProviderReference))
	})
}

// auditStripe holds the records against what arrived at Stripe: nothing that can
// have an effect came without a key, under a key that no record has, or with
// other bytes than the first time; a look-up has no key; the request id on an
// attempt is of one of its answers. And no telemetry holds what must be kept.
func (h *house) auditStripe() {
	h.Helper()
	if len(h.stripes) == 0 {
		return
	}
	for _, a := range h.stripes {
		h.keyed(a.remote, a.writes(""), asIs)
		for _, op := range h.dump().Operations {
			for _, attempt := range op.Attempts {
				if attempt.Account == a.account {
					h.identified(a, attempt)
				}
			}
		}
		for _, r := range a.Requests() {
			if r.Method == http.MethodGet && r.Key != "" {
				h.Errorf("a look-up has a key: %+v", r)
			}
		}
	}
	h.keeps(stripeCredential, "PLANTED", "_secret_", "pm_", "ctoken_", "Bearer", "hooks.stripe.com")
}

// identified checks that an attempt's request id is one that Stripe gave to an
// answer that could be about the attempt.
func (h *house) identified(a *stripeAccount, attempt payment.Attempt) {
	h.Helper()
	if attempt.HTTPStatus == 0 {
		return // no answer
	}
	main, _ := attempt.Step(payment.StepMain)
	if !slices.ContainsFunc(a.Requests(), func(r account.Request) bool {
		return r.ID == attempt.RequestID && r.Status == attempt.HTTPStatus && (r.Method == http.MethodGet || r.Key == string(main.Key))
	}) {
		h.Errorf("no answer %d of Stripe's has the attempt's request id %q", attempt.HTTPStatus, attempt.RequestID)
	}
}
