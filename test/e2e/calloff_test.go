package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/payment"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// untilQuiet is when nothing of an authorization can be in the air any more, so that
// a void cancels it at once.
const untilQuiet = 2 * time.Minute

// calledOff checks how a void that called an authorization off and the payment stand.
func (h *house) calledOff(p *process, id, state, status string) {
	h.Helper()
	got := p.order(h.Context(), planted("v"), "void", id, 0)
	if got.state() != state || sumsOf(got.answer().GetPayment()) != (sums{Status: status}) && state != "FAILED" {
		h.Errorf("the void is %s, the payment %+v; want %s, %s", got.state(), sumsOf(got.answer().GetPayment()), state, status)
	}
	got.tells(true, "false")
	read, err := p.payment(h.Context(), id)
	if err != nil || sumsOf(read.GetPayment()).Status != status {
		h.Errorf("the payment is %s, %v; want %s", sumsOf(read.GetPayment()).Status, err, status)
	}
}

// Goal: at Stripe a void of an intent whose shopper has not acted cancels it once, and
// the shopper finds nothing to pay. Method: a void when nothing is in the air.
func TestAVoidBeforeTheShopperActsAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
		p, r := h.sweeps("one"), pays(secure)
		began, _, _ := h.begins(p, r)
		id := began.answer().GetPayment().GetPaymentId()
		time.Sleep(untilQuiet)
		p.order(h.Context(), planted("v"), "void", id, 0).tells(false, "false")
		h.calledOff(p, id, "SUCCEEDED", "FAILED")
		if a.Authenticate(a.intent(h), true) == nil {
			t.Error("the shopper can still pay")
		}
		if n := len(a.writes("")); n != 2 {
			t.Errorf("%d writes, want the authorization and one cancel", n)
		}
		h.replays(p, a, began, r)
		p.order(h.Context(), planted("other"), "void", id, 0).refused(codes.FailedPrecondition, "PAYMENT_NOT_VOIDABLE", "")
	})
}

// Goal: a void right after the authorization is unknown at first, since a copy of that
// may be in the air, and nothing else begins beside it; if the shopper is faster than
// the cancel it fails, nothing is sent, and the hold is shown for another void. Method:
// such a void, and a shopper who acts meanwhile or does not.
func TestAVoidRightAfterTheAuthorizationAtStripe(t *testing.T) {
	t.Parallel()
	for _, acts := range []bool{false, true} {
		t.Run(fmt.Sprintf("shopper acts %t", acts), func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
				p := h.sweeps("one")
				began, _, _ := h.begins(p, pays(secure))
				id := began.answer().GetPayment().GetPaymentId()
				p.order(h.Context(), planted("v"), "void", id, 0).tells(false, "true")
				p.order(h.Context(), planted("other"), "void", id, 0).refused(codes.FailedPrecondition, "PAYMENT_NOT_VOIDABLE", "")
				p.complete(h.Context(), planted("back"), id, "").refused(codes.FailedPrecondition, "PAYMENT_NOT_COMPLETABLE", "")
				if !acts {
					time.Sleep(5 * time.Minute)
					h.calledOff(p, id, "SUCCEEDED", "FAILED")
					h.moved(a)
					return
				}
				if err := a.Authenticate(a.intent(h), true); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				h.calledOff(p, id, "FAILED", "AUTHORIZED")
				h.moved(a, held())
				p.order(h.Context(), planted("again"), "void", id, 0).tells(false, "false")
				p.shows(id, seen{"SUCCEEDED", "stripe.void.canceled", "effect", 1}, sums{"VOIDED", 0, 0, 0, 0, 1000})
			})
		})
	}
}

// Goal: at Adyen a void of a payment whose shopper was sent away is unknown until the
// webhook tells of the cancel, and then both end; what the shopper brings back later
// completes nothing. Method: a void, what is seen before and after the webhook.
func TestAVoidBeforeTheShopperReturnsToAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		a.Steer(adyensim.Steering{Withhold: true})
		p := h.sweeps("one")
		_, id, brought := h.sentAway(p, a, "card_redirect", true)
		time.Sleep(untilQuiet)
		answer := p.order(h.Context(), planted("v"), "void", id, 0)
		answer.tells(false, "true")
		if state := h.operation(payment.IdempotencyKey(planted("a"))).State; answer.state() != "UNKNOWN" || state != payment.StateFencing {
			t.Errorf("the void is %s, the authorization %s", answer.state(), state)
		}
		p.returns(planted("back"), id, brought).refused(codes.FailedPrecondition, "PARENT_UNKNOWN", "")
		h.speaks(a)
		time.Sleep(5 * time.Minute)
		h.calledOff(p, id, "SUCCEEDED", "FAILED")
		p.returns(planted("late"), id, brought).refused(codes.FailedPrecondition, "PAYMENT_NOT_COMPLETABLE", "")
		h.moved(a)
	})
}

// Goal: at the sandbox a void ends an authorization whose shopper has not come back, also
// when the process that carried it out is gone; a completion after that has nothing to
// complete. Method: a void, at a process that dies with the cancel decided or does not,
// and another that sweeps; nobody asks again meanwhile.
func TestAVoidBeforeTheShopperReturnsToTheSandbox(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %t", killed), func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p, arm := h.mortal("one", payment.PointFenceAfter)
				id := p.authorize(h.Context(), planted("a"), request("tok_requires_action")).answer().GetPayment().GetPaymentId()
				time.Sleep(untilQuiet)
				if killed {
					arm()
					h.leaves(func(ctx context.Context) result { return p.order(ctx, planted("v"), "void", id, 0) })
					if now := h.operation(payment.IdempotencyKey(planted("a"))); now.State != payment.StateFencing {
						t.Errorf("it died with the authorization %s", now.State)
					}
					h.store.EndSession("one")
					p = h.sweeps("two")
					time.Sleep(5 * time.Minute)
				} else {
					p.order(h.Context(), planted("v"), "void", id, 0).tells(false, "false")
				}
				h.calledOff(p, id, "SUCCEEDED", "FAILED")
				p.complete(h.Context(), planted("late"), id, "approve").refused(codes.FailedPrecondition, "PAYMENT_NOT_COMPLETABLE", "")
			})
		})
	}
}

// Goal: at TrueLayer, whose accepted cancel proves nothing, a void ends by the payment: it
// is cancelled before its shopper acts, and a payment whose shopper was at their bank
// first settles, so that the void fails. Method: a void when nothing is in the air, and
// one when the bank is at work.
func TestAVoidBeforeTheShopperActsAtTrueLayer(t *testing.T) {
	t.Parallel()
	for _, acts := range []bool{false, true} {
		t.Run(fmt.Sprintf("shopper acts %t", acts), func(t *testing.T) {
			t.Parallel()
			atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
				p := h.sweeps("one")
				_, id, of := h.begun(p, a)
				time.Sleep(untilQuiet)
				if !acts {
					p.order(h.Context(), planted("v"), "void", id, 0)
					time.Sleep(5 * time.Minute)
					h.calledOff(p, id, "SUCCEEDED", "FAILED")
					if a.Authorize(of) == nil {
						t.Error("the shopper can still authorize it")
					}
					return
				}
				if err := errors.Join(a.Authorize(of), a.Execute(of)); err != nil {
					t.Fatal(err)
				}
				p.order(h.Context(), planted("v"), "void", id, 0).tells(false, "true")
				h.goes(a, a.Settle(of))
				time.Sleep(5 * time.Minute)
				h.calledOff(p, id, "FAILED", "CAPTURED")
			})
		})
	}
}
