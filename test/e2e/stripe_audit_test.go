package e2e

import (
	"net/http"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// existing are the effects at an account of Stripe's, without a hold that a cancel
// of ours has released, without a refund that came back, and without what a
// capture released, which is the capture's.
func (h *house) existing(a *stripeAccount) []stripesim.Effect {
	h.Helper()
	all, fences := a.Effects(), h.fences()
	undone := func(e stripesim.Effect) bool {
		return slices.ContainsFunc(all, func(o stripesim.Effect) bool {
			switch e.Kind {
			case stripesim.KindHold:
				return o.Kind == stripesim.KindRelease && o.Intent == e.Intent && fences[o.Key]
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
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	keys := map[string]bool{}
	for _, op := range dump.Operations {
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
	kinds := map[payment.Method][]stripesim.Kind{
		payment.MethodAuthorize: {stripesim.KindHold, stripesim.KindCharge}, payment.MethodCapture: {stripesim.KindCapture},
		payment.MethodRefund: {stripesim.KindRefund}, payment.MethodVoid: {stripesim.KindRelease}, payment.MethodComplete: nil,
	}[m]
	main, _ := attempt.Step(payment.StepMain)
	var found []movement
	for _, e := range h.existing(a) {
		mine := e.Key == string(main.Key) || (e.Key == "" && e.Intent == string(attempt.ProviderReference))
		if mine && slices.Contains(kinds, e.Kind) {
			found = append(found, movement{e.Amount, strings.ToUpper(e.Currency)})
		}
	}
	return found
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
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	for _, a := range h.stripes {
		steps, first := map[string]int{}, map[string]stripesim.Request{}
		for _, op := range dump.Operations {
			for _, attempt := range op.Attempts {
				if attempt.Account != a.account {
					continue
				}
				for _, step := range attempt.Steps {
					if step.Name != payment.StepLook { // nothing is sent for it
						steps[string(step.Key)]++
					}
				}
				h.identified(a, attempt)
			}
		}
		for _, r := range a.Requests() {
			known, again := first[r.Key]
			switch {
			case r.Method == http.MethodGet && r.Key == "":
			case r.Method == http.MethodGet:
				h.Errorf("a look-up has a key: %+v", r)
			case steps[r.Key] != 1:
				h.Errorf("a write is under a key that %d recorded steps have: %+v", steps[r.Key], r)
			case again && (known.Path != r.Path || known.Body != r.Body):
				h.Errorf("two requests under one key:\n%+v\n%+v", known, r)
			}
			first[r.Key] = r
		}
	}
	h.discreet()
}

// identified checks that an attempt's request id is one that Stripe gave to an
// answer that could be about the attempt.
func (h *house) identified(a *stripeAccount, attempt payment.Attempt) {
	h.Helper()
	if attempt.HTTPStatus == 0 {
		return // no answer
	}
	main, _ := attempt.Step(payment.StepMain)
	if !slices.ContainsFunc(a.Requests(), func(r stripesim.Request) bool {
		return r.ID == attempt.RequestID && r.Status == attempt.HTTPStatus && (r.Method == http.MethodGet || r.Key == string(main.Key))
	}) {
		h.Errorf("no answer %d of Stripe's has the attempt's request id %q", attempt.HTTPStatus, attempt.RequestID)
	}
}

// discreet checks that spans, log and metrics hold no credential, no client
// secret, no token, and no key, of callers or for providers.
func (h *house) discreet() {
	h.Helper()
	secrets := []string{stripeCredential, "PLANTED", "_secret_", "pm_", "ctoken_", "Bearer", "hooks.stripe.com"}
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	for _, op := range dump.Operations {
		for _, attempt := range op.Attempts {
			for _, step := range attempt.Steps {
				if step.Name != payment.StepLook { // it has no key
					secrets = append(secrets, string(step.Key))
				}
			}
		}
	}
	for where, text := range h.telemetry() {
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				h.Errorf("%s hold %q: …%s…", where, secret, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}
