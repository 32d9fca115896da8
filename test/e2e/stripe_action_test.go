package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

const (
	secure         = "pm_card_threeDSecure2Required"
	secureDeclined = "pm_card_threeDSecureRequiredChargeDeclined"
	waiting        = "stripe.query.requires_action"
)

// onAPage has the shopper act on a page, not in Stripe's own library.
func onAPage(r *acquitv1.AuthorizeRequest) { r.ReturnUrl = "https://shop.example/PLANTEDRETURN" }

// begins makes a call that waits for its shopper, and returns what they are given:
// a page to go to, or the client secret for Stripe's library.
func (h *house) begins(p *process, r *acquitv1.AuthorizeRequest) (first result, page, secret string) {
	h.Helper()
	first = p.authorize(h.Context(), planted("a"), r)
	first.tells(false, "false")
	got := first.answer()
	if of := sumsOf(got.GetPayment()); first.state() != "REQUIRES_ACTION" || of != (sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0}) {
		h.Errorf("answered with %s, %+v", first.state(), of)
	}
	action := got.GetPayment().GetNextAction()
	return first, action.GetRedirect().GetUrl(), action.GetProviderSdk().GetPayload().GetFields()["client_secret"].GetStringValue()
}

// intent is the only one at an account.
func (a *stripeAccount) intent(h *house) string {
	h.Helper()
	return string(h.operation(payment.IdempotencyKey(planted("a"))).Current().ProviderReference)
}

// replays checks that a call is answered with the bytes of its first answer, and
// that its request was sent once.
func (h *house) replays(p *process, a *stripeAccount, first result, r *acquitv1.AuthorizeRequest) {
	h.Helper()
	again := p.authorize(h.Context(), planted("a"), r)
	again.tells(true, "false")
	main := h.operation(payment.IdempotencyKey(planted("a"))).Current().Steps[0]
	if string(again.bytes) != string(first.bytes) || len(a.writes(main.Key)) != 1 {
		h.Errorf("the same bytes: %t, %d sends", string(again.bytes) == string(first.bytes), len(a.writes(main.Key)))
	}
}

// Goal: a shopper who must act is told how; when they have, a look finds it, and
// the payment is held or taken. The answer to the call stays as it was. Method: a
// page and Stripe's library, both capture modes, and a look after the shopper.
func TestAShopperActsAtStripe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change []func(*acquitv1.AuthorizeRequest)
		page   bool
		row    string
		of     sums
		moved  account.Effect
	}{
		"on a page, held":     {[]func(*acquitv1.AuthorizeRequest){onAPage}, true, "requires_capture", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, held()},
		"in the library":      {nil, false, "requires_capture", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, held()},
		"on a page, captured": {[]func(*acquitv1.AuthorizeRequest){onAPage, automatic}, true, "succeeded", sums{"CAPTURED", 1000, 1000, 0, 0, 0}, charged()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
				p, r := h.sweeps("one"), pays(secure, c.change...)
				first, page, secret := h.begins(p, r)
				id := first.answer().GetPayment().GetPaymentId()
				if c.page != strings.HasPrefix(page, "https://hooks.stripe.com/") || c.page == strings.HasPrefix(secret, a.intent(h)+"_secret_") {
					t.Errorf("page %q, secret %q", page, secret)
				}
				time.Sleep(5 * time.Minute)
				read := p.shows(id, seen{"REQUIRES_ACTION", waiting, "pending", 1}, sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0})
				if read.GetPayment().GetNextAction() == nil {
					t.Error("a reader is not told what the shopper must do")
				}
				if err := a.Authenticate(a.intent(h), true); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				read = p.shows(id, seen{"SUCCEEDED", "stripe.query." + c.row, "effect", 1}, c.of)
				if read.GetPayment().GetNextAction() != nil {
					t.Error("there is nothing left to do for the shopper")
				}
				h.replays(p, a, first, r)
				h.moved(a, c.moved)
			})
		})
	}
}

// Goal: a shopper who does not act in time finds nothing to pay any more: the
// authorization is cancelled, and is called failed only when it is read as such. One
// who was declined may try again until then; the reason of the decline is kept.
// Method: a shopper who never acts, who fails, whose card is declined; what they
// can do before and after the window.
func TestAShopperIsTooLateAtStripe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		card   string
		acts   bool // the shopper does, and passes or fails
		passes bool
		op     seen
		status string
		code   string // of the decline
	}{
		"never acts": {secure, false, false, seen{"FAILED", "stripe.fenced.canceled", "no_effect_sticky", 1}, "FAILED", ""},
		"fails": {
			secure, true, false,
			seen{"DECLINED", "stripe.fenced.canceled_authentication_failure", "no_effect_sticky", 1},
			"DECLINED",
			"payment_intent_authentication_failure",
		},
		"is declined": {
			secureDeclined, true, true,
			seen{"DECLINED", "stripe.fenced.canceled_generic_decline", "no_effect_sticky", 1},
			"DECLINED",
			"generic_decline",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
				p, r := h.sweeps("one"), pays(c.card)
				first, _, secret := h.begins(p, r)
				id := first.answer().GetPayment().GetPaymentId()
				if c.acts {
					if err := a.Authenticate(a.intent(h), c.passes); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(29 * time.Minute)
				p.shows(id, seen{"REQUIRES_ACTION", waitingFor(c.acts), "pending", 1}, sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0})
				if n := len(a.writes("")); n != 1 {
					t.Errorf("%d writes within the window", n)
				}
				time.Sleep(5 * time.Minute)
				read := p.shows(id, c.op, sums{c.status, 0, 0, 0, 0, 0})
				if got := read.GetOperations()[0].GetDecline().GetCode(); got != c.code {
					t.Errorf("declined by %q, want %q", got, c.code)
				}
				if a.Authenticate(a.intent(h), true) == nil || a.Confirm(a.intent(h), secret, "pm_card_visa") == nil {
					t.Error("the shopper could still pay")
				}
				h.fenced(a, "abandoned")
				h.replays(p, a, first, r)
				h.moved(a)
			})
		})
	}
}

// waitingFor is by which row an operation waits for its shopper: what says that a
// card was declined proves nothing, so the row before it stays.
func waitingFor(declined bool) string {
	if declined {
		return "stripe.authorize.requires_action"
	}
	return waiting
}

// fenced checks that an authorization was cancelled once, for a reason, by its
// intent and under a key of its own, and was read after that.
func (h *house) fenced(a *stripeAccount, reason string) {
	h.Helper()
	attempt, all := h.operation(payment.IdempotencyKey(planted("a"))).Current(), a.Requests()
	if len(attempt.Steps) != 2 || !attempt.Steps[1].Name.Fence() || attempt.Steps[1].Key == attempt.Steps[0].Key {
		h.Fatalf("steps %+v", attempt.Steps)
	}
	cancels := a.writes(attempt.Steps[1].Key)
	if len(cancels) != 1 || cancels[0].Path != "/v1/payment_intents/"+a.intent(h)+"/cancel" || cancels[0].Body != "cancellation_reason="+reason {
		h.Errorf("cancels %+v", cancels)
	}
	if last := all[len(all)-1]; last.Method != http.MethodGet || !strings.HasPrefix(last.Path, "/v1/payment_intents/"+a.intent(h)) || last.ID != attempt.RequestID {
		h.Errorf("after the cancel came %+v", last)
	}
}

// Goal: a shopper whose card was declined can pay with another one, while there is
// time. Method: they try again after ten minutes.
func TestAShopperTriesAgainAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
		p, r := h.sweeps("one"), pays(secureDeclined)
		first, _, secret := h.begins(p, r)
		if err := a.Authenticate(a.intent(h), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if err := a.Confirm(a.intent(h), secret, "pm_card_visa"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		id := first.answer().GetPayment().GetPaymentId()
		p.shows(id, seen{"SUCCEEDED", "stripe.query.requires_capture", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
		h.replays(p, a, first, r)
		h.moved(a, held())
	})
}

// Goal: what a shopper pays at the very end of the window is either held, and
// shown, or released, and shown: never held and forgotten. Method: they act a
// second at a time around its end.
func TestAShopperIsJustInTimeAtStripe(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]time.Duration{"before": -time.Second, "at": 0, "after": time.Second, "a pass later": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
				p := h.sweeps("one")
				began := time.Now()
				first, _, _ := h.begins(p, pays(secure))
				time.Sleep(30*time.Minute + second - time.Since(began))
				paid := a.Authenticate(a.intent(h), true) == nil
				time.Sleep(10 * time.Minute)
				read, err := p.payment(h.Context(), first.answer().GetPayment().GetPaymentId())
				if err != nil {
					t.Fatal(err)
				}
				got := read.GetPayment().GetStatus().String()
				heldNow := len(a.Effects(stripesim.KindHold)) - len(a.Effects(stripesim.KindRelease))
				if want := map[bool]string{true: "PAYMENT_STATUS_AUTHORIZED", false: "PAYMENT_STATUS_FAILED"}[heldNow == 1]; got != want || (heldNow == 1 && !paid) {
					t.Errorf("%s while %d is held (paid: %t), want %s", got, heldNow, paid, want)
				}
			})
		})
	}
}
