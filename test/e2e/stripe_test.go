package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// step is one call about a payment at Stripe, and what is true after it.
type step struct {
	verb  string
	units int64 // 0 is the rest
	row   string
	of    sums
}

// life is a payment from its authorization on.
type life struct {
	change []func(*acquitv1.AuthorizeRequest)
	steps  []step
	moved  []account.Effect
}

// Goal: each verb moves at Stripe what was asked for, once; the payment shows it,
// the attempt says by which row, and the same key brings the same bytes. Method:
// lives of payments, each call twice, then the effect log.
//
// Shows R3.
func TestLivesAtStripe(t *testing.T) {
	t.Parallel()
	const (
		held1000, took, released0 = "authorize.requires_capture", "capture.succeeded", "void.canceled"
		charged1000, gave         = "authorize.succeeded", "refund.succeeded"
	)
	for name, l := range map[string]life{
		"held, captured, refunded in parts": {nil, []step{
			{"authorize", 0, held1000, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}},
			{"capture", 0, took, sums{"CAPTURED", 1000, 1000, 0, 0, 0}},
			{"refund", 300, gave, sums{"PARTIALLY_REFUNDED", 1000, 1000, 300, 0, 0}},
			{"refund", 0, gave, sums{"REFUNDED", 1000, 1000, 1000, 0, 0}},
		}, []account.Effect{held(), taken(1000), refunded(300), refunded(700)}},
		"held, captured by its whole amount": {nil, []step{
			{"authorize", 0, held1000, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}},
			{"capture", 1000, took, sums{"CAPTURED", 1000, 1000, 0, 0, 0}},
		}, []account.Effect{held(), taken(1000)}},
		"held, captured in part, the rest released": {nil, []step{
			{"authorize", 0, held1000, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}},
			{"capture finally", 400, took, sums{"CAPTURED", 400, 400, 0, 0, 600}},
			{"refund", 0, gave, sums{"REFUNDED", 400, 400, 400, 0, 600}},
		}, []account.Effect{held(), taken(400), released(600), refunded(400)}},
		"held, voided": {nil, []step{
			{"authorize", 0, held1000, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}},
			{"void", 0, released0, sums{"VOIDED", 0, 0, 0, 0, 1000}},
		}, []account.Effect{held(), released(1000)}},
		"captured at once, refunded": {[]func(*acquitv1.AuthorizeRequest){automatic}, []step{
			{"authorize", 0, charged1000, sums{"CAPTURED", 1000, 1000, 0, 0, 0}},
			{"refund", 0, gave, sums{"REFUNDED", 1000, 1000, 1000, 0, 0}},
		}, []account.Effect{charged(), refunded(1000)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
				h.lives(a, h.sweeps("one"), l)
			})
		})
	}
}

// lives makes the calls of a life, each twice, and checks what they bring.
func (h *house) lives(a *stripeAccount, p *process, l life) {
	h.Helper()
	id := ""
	for i, s := range l.steps {
		key := planted(fmt.Sprint(i))
		call := func() result {
			if s.verb == "authorize" {
				return p.authorize(h.Context(), key, pays("pm_card_visa", l.change...))
			}
			return p.orders(h, key, s.verb, id, s.units)
		}
		first, arrived := call(), len(a.writes(""))
		first.tells(false, "false")
		again := call()
		again.tells(true, "false")
		if string(again.bytes) != string(first.bytes) || len(a.writes("")) != arrived {
			h.Errorf("%s again: the same bytes: %t, %d requests more", s.verb, string(again.bytes) == string(first.bytes), len(a.writes(""))-arrived)
		}
		id = first.answer().GetPayment().GetPaymentId()
		read := p.shows(id, seen{"SUCCEEDED", "stripe." + s.row, "effect", 1}, s.of)
		if got := sumsOf(first.answer().GetPayment()); got != s.of {
			h.Errorf("%s was answered with %+v, want %+v", s.verb, got, s.of)
		}
		if len(read.GetOperations()) != i+1 || len(a.writes("")) != i+1 {
			h.Errorf("%d operations, %d writes after %d calls", len(read.GetOperations()), len(a.writes("")), i+1)
		}
	}
	h.moved(a, l.moved...)
}

// orders is order, which can also be a capture that is the last.
func (p *process) orders(h *house, key, verb, id string, units int64) result {
	h.Helper()
	if verb != "capture finally" {
		return p.order(h.Context(), key, verb, id, units)
	}
	return p.invoke(h.Context(), acquitv1.PaymentService_Capture_FullMethodName, &acquitv1.CaptureRequest{
		PaymentId: id, Amount: &acquitv1.Money{MinorUnits: units, CurrencyCode: "EUR"}, Final: true,
	}, "idempotency-key", key)
}

// Goal: a hold tells until when it lasts, where it is, and by which intent.
func TestAHoldAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{}, func(h *house, a *stripeAccount) {
		began := time.Now()
		got := h.sweeps("one").authorize(h.Context(), planted("a"), pays("pm_card_visa")).answer()
		p, attempt := got.GetPayment(), got.GetOperation().GetAttempts()[0]
		if until := p.GetAuthorizationExpireTime().AsTime(); !until.Equal(began.Add(7 * 24 * time.Hour)) {
			t.Errorf("held until %s", until)
		}
		if id := a.Effects()[0].Payment; p.GetProviderReference() != id || attempt.GetProviderReference() != id || p.GetAccount() != "stripe" {
			t.Errorf("payment at %s by %s, attempt by %s; want %s", p.GetAccount(), p.GetProviderReference(), attempt.GetProviderReference(), id)
		}
		if attempt.GetHttpStatus() != 200 || attempt.GetRequestId() != a.Requests()[0].ID {
			t.Errorf("attempt: status %d, request %s; want that of %s", attempt.GetHttpStatus(), attempt.GetRequestId(), a.Requests()[0].ID)
		}
	})
}

// Goal: what Stripe cannot do is refused before any request: to capture a part and
// leave the rest for later. What is refused leaves the payment and the key as they
// were. Method: such a capture, then the final one under the same key.
func TestAnOpenCaptureIsUnsupportedAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{}, func(h *house, a *stripeAccount) {
		p := h.sweeps("one")
		id := p.authorize(h.Context(), planted("a"), pays("pm_card_visa")).answer().GetPayment().GetPaymentId()
		arrived := len(a.Requests())
		p.order(h.Context(), planted("c"), "capture", id, 400).refused(codes.FailedPrecondition, "UNSUPPORTED_BY_PROVIDER", "final")
		if n := len(a.Requests()) - arrived; n != 0 {
			t.Errorf("%d requests", n)
		}
		p.shows(id, seen{"SUCCEEDED", "stripe.authorize.requires_capture", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
		p.orders(h, planted("c"), "capture finally", id, 400)
		p.shows(id, seen{"SUCCEEDED", "stripe.capture.succeeded", "effect", 1}, sums{"CAPTURED", 400, 400, 0, 0, 600})
		p.order(h.Context(), planted("v"), "void", id, 0).refused(codes.FailedPrecondition, "PAYMENT_NOT_VOIDABLE", "")
		p.order(h.Context(), planted("c2"), "capture", id, 600).refused(codes.FailedPrecondition, "PAYMENT_NOT_CAPTURABLE", "")
	})
}

// Goal: a refund that Stripe has only accepted keeps its amount reserved, is
// looked up until it is decided, and the answer to its call stays as it was.
// Method: a card whose refunds are pending, settled after an hour either way.
func TestARefundThatIsPendingAtStripe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure, state, row, evidence string
		of                            sums
		moved                         []account.Effect
	}{
		"done": {
			"", "SUCCEEDED", "stripe.query.refund_succeeded", "effect",
			sums{"PARTIALLY_REFUNDED", 1000, 1000, 400, 0, 0},
			[]account.Effect{charged(), refunded(400)},
		},
		"failed": {
			"lost_or_stolen_card", "FAILED", "stripe.query.refund_failed_lost_or_stolen_card", "no_effect_sticky",
			sums{"CAPTURED", 1000, 1000, 0, 0, 0},
			[]account.Effect{charged(), refunded(400), bounced(400)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{}, func(h *house, a *stripeAccount) {
				p := h.sweeps("one")
				id := p.authorize(h.Context(), planted("a"), pays("pm_card_pendingRefund", automatic)).answer().GetPayment().GetPaymentId()
				first := p.order(h.Context(), planted("r"), "refund", id, 400)
				first.tells(false, "false")
				pending := sums{"CAPTURED", 1000, 1000, 0, 400, 0}
				p.shows(id, seen{"PENDING", "stripe.refund.pending", "pending", 1}, pending)
				time.Sleep(time.Hour)
				p.shows(id, seen{"PENDING", "stripe.query.refund_pending", "pending", 1}, pending)
				if err := a.SettleRefund(a.Effects(stripesim.KindRefund)[0].Object, c.failure); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				read := p.shows(id, seen{c.state, c.row, c.evidence, 1}, c.of)
				if got := read.GetOperations()[1].GetFailure().GetCode(); got != "" && got != "refund_failed_"+c.failure || (c.failure == "") != (got == "") {
					t.Errorf("failed by %q", got)
				}
				again := p.order(h.Context(), planted("r"), "refund", id, 400)
				again.tells(true, "false")
				if string(again.bytes) != string(first.bytes) || len(a.writes("")) != 2 {
					t.Errorf("the same bytes: %t, %d writes", string(again.bytes) == string(first.bytes), len(a.writes("")))
				}
				h.moved(a, c.moved...)
			})
		})
	}
}

// declined is what a declined card brings.
type declined struct {
	row, category, code, shopper, advice string
	elsewhere                            bool // another account may try
}

// Goal: a declined card is an answer with its reasons, final, without effect; only
// where its row allows another account is asked, under another key. Method: cards
// of Stripe's on the only account, and on the first of two.
//
// Shows R44, R58, R61, R62 and R63.
func TestDeclinesAtStripe(t *testing.T) {
	t.Parallel()
	for card, c := range map[string]declined{
		"pm_card_visa_chargeDeclined":                      {"declined_generic_decline", "SOFT_DECLINE", "generic_decline", "generic_decline", "NEW_KEY_LATER", true},
		"pm_card_visa_chargeDeclinedInsufficientFunds":     {"declined_insufficient_funds", "SOFT_DECLINE", "insufficient_funds", "insufficient_funds", "NEW_KEY_LATER", true},
		"pm_card_visa_chargeDeclinedVelocityLimitExceeded": {"declined_card_velocity_exceeded", "SOFT_DECLINE", "card_velocity_exceeded", "card_velocity_exceeded", "NEW_KEY_LATER", true},
		"pm_card_visa_chargeDeclinedUnlisted":              {"declined", "SOFT_DECLINE", "generic_decline", "generic_decline", "NEW_KEY_LATER", true},
		"pm_card_chargeDeclinedProcessingError":            {"processing_error", "SOFT_DECLINE", "processing_error", "processing_error", "NEW_KEY_LATER", true},
		"pm_card_visa_chargeDeclinedLostCard":              {"declined_lost_card", "HARD_DECLINE", "lost_card", "generic_decline", "NEW_KEY_OTHER_METHOD", false},
		"pm_card_visa_chargeDeclinedStolenCard":            {"declined_stolen_card", "HARD_DECLINE", "stolen_card", "generic_decline", "NEW_KEY_OTHER_METHOD", false},
		"pm_card_visa_chargeDeclinedFraudulent":            {"declined_fraudulent", "HARD_DECLINE", "fraudulent", "generic_decline", "NEW_KEY_OTHER_METHOD", false},
		"pm_card_visa_chargeDeclinedAdvice":                {"advice_do_not_try_again", "HARD_DECLINE", "do_not_try_again", "generic_decline", "NEVER", false},
		"pm_card_chargeDeclinedExpiredCard":                {"expired_card", "HARD_DECLINE", "expired_card", "expired_card", "NEW_KEY_OTHER_METHOD", false},
		"pm_card_chargeDeclinedIncorrectCvc":               {"incorrect_cvc", "BAD_DATA", "incorrect_cvc", "incorrect_cvc", "NEW_KEY_OTHER_METHOD", false},
	} {
		t.Run(card, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{}, func(h *house, a *stripeAccount) { h.declines(a, card, c) })
		})
		t.Run(card+" of two accounts", func(t *testing.T) {
			t.Parallel()
			two := setting{accounts: []payment.AccountName{"first", "second"}, stripe: &stripesim.Config{}}
			inHouse(t, two, func(h *house) { h.goesOn(card, c) })
		})
	}
}

// declines checks a decline on the only account.
func (h *house) declines(a *stripeAccount, card string, c declined) {
	h.Helper()
	p := h.sweeps("one")
	first := p.authorize(h.Context(), planted("a"), pays(card))
	first.tells(false, "false")
	d := first.answer().GetOperation().GetDecline()
	short := func(enum fmt.Stringer, prefix string) string { return strings.TrimPrefix(enum.String(), prefix) }
	got := declined{
		c.row, short(d.GetCategory(), "DECLINE_CATEGORY_"), d.GetCode(), d.GetShopperCode(), short(d.GetAdvice(), "RETRY_ADVICE_"), c.elsewhere,
	}
	if got != c || d.GetProviderMessage() != "Your card was declined." || d.GetProviderCode() == "" {
		h.Errorf("declined as\n%+v, want\n%+v (%s: %s)", got, c, d.GetProviderCode(), d.GetProviderMessage())
	}
	if again := p.authorize(h.Context(), planted("a"), pays(card)); string(again.bytes) != string(first.bytes) {
		h.Error("the same key brought other bytes")
	}
	id := first.answer().GetPayment().GetPaymentId()
	p.shows(id, seen{"DECLINED", "stripe.authorize." + c.row, "no_effect_sticky", 1}, sums{"DECLINED", 0, 0, 0, 0, 0})
	h.moved(a)
	if n := len(a.Requests()); n != 1 {
		h.Errorf("%d requests", n)
	}
}

// goesOn checks whether a decline at the first of two accounts lets the second try.
func (h *house) goesOn(card string, c declined) {
	h.Helper()
	r := with(request(card, "first"), func(r *acquitv1.AuthorizeRequest) {
		set := r.GetPaymentMethod().GetTokenSet()
		set.Tokens = append(set.Tokens, request("pm_card_visa", "second").GetPaymentMethod().GetTokenSet().GetTokens()...)
	})
	p, first, second := h.sweeps("one"), h.stripe("first"), h.stripe("second")
	answer := p.authorize(h.Context(), planted("a"), r).answer()
	attempts := answer.GetOperation().GetAttempts()
	if row := attempts[0].GetMappingRow(); row != "stripe.authorize."+c.row || evidenceOf(attempts[0]) != "no_effect_sticky" {
		h.Errorf("the first attempt is judged by %s, %s", row, evidenceOf(attempts[0]))
	}
	if !c.elsewhere {
		if got := stateOf(answer.GetOperation()); got != "DECLINED" || len(attempts) != 1 || len(second.Requests()) != 0 {
			h.Errorf("%s after %d attempts, %d requests at the second account", got, len(attempts), len(second.Requests()))
		}
		return
	}
	p.shows(answer.GetPayment().GetPaymentId(), seen{"SUCCEEDED", "stripe.authorize.requires_capture", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
	if len(attempts) != 2 || len(first.writes("")) != 1 || len(second.writes("")) != 1 || first.writes("")[0].Key == second.writes("")[0].Key {
		h.Errorf("%d attempts; writes %v, then %v", len(attempts), first.writes(""), second.writes(""))
	}
	h.moved(first)
	h.moved(second, held())
}
