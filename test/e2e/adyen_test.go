package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	gocmpopts "github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/test/simulators/account"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// turn is a modification of a payment at Adyen: what is true when it is accepted,
// and once Adyen has told the rest.
type turn struct {
	verb     string
	units    int64 // 0 is the rest
	accepted sums
	state    string
	row      string
	of       sums
}

// course is a payment from its hold of ten euro on.
type course struct {
	card       string
	turns      []turn
	moved      []account.Effect // after the hold
	refundable int64            // in the end
	alerts     map[string]int64
}

// Goal: a capture, a refund and a void are pending until Adyen tells by webhook that
// they came about or did not: then the payment has moved, or what was reserved is
// given back. What comes back later is on the payment, and somebody is called. Method:
// courses of payments, by card, each call twice, its webhook in between; the bytes of
// each answer, the rows, the amounts and the effect log.
func TestCoursesAtAdyen(t *testing.T) {
	t.Parallel()
	held1000, captured1000 := sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, sums{"CAPTURED", 1000, 1000, 0, 0, 0}
	refunded1000 := sums{"CAPTURED", 1000, 1000, 1000, 0, 0} // all of it came back since
	capturing, refunding := sums{"AUTHORIZED", 1000, 0, 0, 1000, 0}, sums{"CAPTURED", 1000, 1000, 0, 1000, 0}
	capture := turn{"capture", 0, capturing, "SUCCEEDED", "query.capture", captured1000}
	for name, c := range map[string]course{
		"captured, refunded in parts": {"card_ok", []turn{
			capture,
			{"refund", 300, sums{"CAPTURED", 1000, 1000, 0, 300, 0}, "SUCCEEDED", "query.refund", sums{"PARTIALLY_REFUNDED", 1000, 1000, 300, 0, 0}},
			{"refund", 0, sums{"PARTIALLY_REFUNDED", 1000, 1000, 300, 700, 0}, "SUCCEEDED", "query.refund", sums{"REFUNDED", 1000, 1000, 1000, 0, 0}},
		}, []account.Effect{effect("capture", 1000), effect("refund", 300), effect("refund", 700)}, 0, nil},
		"captured in part, the rest released": {"card_ok", []turn{
			{"capture finally", 400, capturing, "SUCCEEDED", "query.capture", sums{"CAPTURED", 400, 400, 0, 0, 600}},
		}, []account.Effect{effect("capture", 400), effect("release", 600)}, 400, nil},
		"voided": {"card_ok", []turn{
			{"void", 0, held1000, "SUCCEEDED", "query.cancellation", sums{"VOIDED", 0, 0, 0, 0, 1000}},
		}, []account.Effect{effect("release", 1000)}, 0, nil},
		"capture refused, then voided": {"card_capture_refused", []turn{
			{"capture", 0, capturing, "FAILED", "query.capture_refused", held1000},
			{"void", 0, held1000, "SUCCEEDED", "query.cancellation", sums{"VOIDED", 0, 0, 0, 0, 1000}},
		}, []account.Effect{effect("release", 1000)}, 0, map[string]int64{"adyen.query.capture_refused": 1}},
		"capture that fails later": {"card_capture_failed", []turn{
			{"capture", 0, capturing, "SUCCEEDED", "query.capture", sums{"AUTHORIZED", 1000, 1000, 0, 0, 0}}, // which was undone
		}, []account.Effect{effect("capture", 1000), effect("capture_failed", 1000)}, 0, map[string]int64{"adyen.query.capture_failed": 1}},
		"refund refused": {"card_refund_refused", []turn{
			capture,
			{"refund", 400, sums{"CAPTURED", 1000, 1000, 0, 400, 0}, "FAILED", "query.refund_refused", captured1000},
		}, []account.Effect{effect("capture", 1000)}, 1000, map[string]int64{"adyen.query.refund_refused": 1}},
		"refund that fails later": {"card_refund_failed", []turn{
			capture,
			{"refund", 0, refunding, "SUCCEEDED", "query.refund", refunded1000},
		}, []account.Effect{effect("capture", 1000), effect("refund", 1000), effect("refund_failed", 1000)}, 1000, map[string]int64{"adyen.query.refund_failed": 1}},
		"refund that comes back": {"card_refund_reversed", []turn{
			capture,
			{"refund", 0, refunding, "SUCCEEDED", "query.refund", refunded1000},
		}, []account.Effect{effect("capture", 1000), effect("refund", 1000), effect("refund_failed", 1000)}, 1000, map[string]int64{"adyen.query.refund_reversed": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) { h.takes(a, c) })
		})
	}
}

// takes plays a course.
func (h *house) takes(a *adyenAccount, c course) {
	h.Helper()
	p := h.sweeps("one")
	a.silent()
	held := p.authorize(h.Context(), planted("a"), spends(c.card))
	held.tells(false, "false")
	id := held.answer().GetPayment().GetPaymentId()
	p.shows(id, seen{"SUCCEEDED", "adyen.authorize.authorised", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
	h.speaks(a)
	for i, s := range c.turns {
		key := planted(fmt.Sprint(s.verb, i))
		first, arrived := p.orders(h, key, s.verb, id, s.units), len(a.Requests())
		first.tells(false, "false")
		verb, _, _ := strings.Cut(s.verb, " ")
		p.shows(id, seen{"PENDING", "adyen." + verb + ".received", "pending", 1}, s.accepted)
		h.speaks(a)
		evidence := map[string]string{"SUCCEEDED": "effect", "FAILED": "no_effect_sticky"}[s.state]
		p.shows(id, seen{s.state, "adyen." + s.row, evidence, 1}, s.of)
		again := p.orders(h, key, s.verb, id, s.units)
		again.tells(true, "false")
		if string(again.bytes) != string(first.bytes) || len(a.Requests()) != arrived {
			h.Errorf("%s again: the same bytes: %t, %d requests more", s.verb, string(again.bytes) == string(first.bytes), len(a.Requests())-arrived)
		}
	}
	h.moved(a, append([]account.Effect{effect("hold", 1000)}, c.moved...)...)
	if diff := gocmp.Diff(c.alerts, h.alerts(), gocmpopts.EquateEmpty()); diff != "" {
		h.Errorf("alerts (-want +got):\n%s", diff)
	}
	read, err := p.payment(h.Context(), id)
	if got := read.GetPayment().GetRefundable().GetMinorUnits(); err != nil || got != c.refundable || read.GetPayment().GetCapturable().GetMinorUnits() != 0 {
		h.Errorf("%d may be refunded, want %d, and %s captured (%v)", got, c.refundable, read.GetPayment().GetCapturable(), err)
	}
	var undone [2]int64
	for _, e := range c.moved {
		if e.Kind == adyensim.KindCaptureFailed {
			undone[0] += e.Amount
		}
		if e.Kind == adyensim.KindRefundFailed {
			undone[1] += e.Amount
		}
	}
	of := read.GetPayment()
	if shown := [2]int64{of.GetCapturedReversed().GetMinorUnits(), of.GetRefundedReversed().GetMinorUnits()}; shown != undone {
		h.Errorf("shown as undone of captures and refunds are %v, want %v", shown, undone)
	}
	if all := h.dump().Attention; len(all) > 0 {
		h.Errorf("people were told %+v", all)
	}
}

// Goal: a refusal is an answer, with Adyen's reason in our words, final, without
// effect, and the webhook that tells it again changes nothing. Method: cards that are
// refused, then their AUTHORISATION.
func TestDeclinesAtAdyen(t *testing.T) {
	t.Parallel()
	for card, c := range map[string]struct {
		row, state, category, code, shopper, reason string
	}{
		"card_refused":          {"refused_2", "DECLINED", "SOFT_DECLINE", "generic_decline", "generic_decline", "Refused"},
		"card_refused_balance":  {"refused_12", "DECLINED", "SOFT_DECLINE", "insufficient_funds", "insufficient_funds", "Not enough balance"},
		"card_refused_expired":  {"refused_6", "DECLINED", "HARD_DECLINE", "expired_card", "expired_card", "Expired Card"},
		"card_refused_fraud":    {"refused_20", "DECLINED", "HARD_DECLINE", "fraud", "generic_decline", "FRAUD"},
		"card_refused_cvc":      {"refused_24", "DECLINED", "BAD_DATA", "incorrect_cvc", "incorrect_cvc", "CVC Declined"},
		"card_refused_unlisted": {"refused", "DECLINED", "SOFT_DECLINE", "generic_decline", "generic_decline", "Something new"},
		"card_refused_acquirer": {"refused_4", "FAILED", "", "", "", ""},
		"card_error":            {"error", "FAILED", "", "", "", ""},
	} {
		t.Run(card, func(t *testing.T) {
			t.Parallel()
			atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
				p := h.sweeps("one")
				a.silent()
				first := p.authorize(h.Context(), planted("a"), spends(card))
				first.tells(false, "false")
				d := first.answer().GetOperation().GetDecline()
				got := []string{strings.TrimPrefix(d.GetCategory().String(), "DECLINE_CATEGORY_"), d.GetCode(), d.GetShopperCode(), d.GetProviderMessage()}
				if want := []string{c.category, c.code, c.shopper, c.reason}; c.state == "DECLINED" && !slices.Equal(got, want) {
					t.Errorf("declined as %q, want %q", got, want)
				}
				id, of := first.answer().GetPayment().GetPaymentId(), sums{c.state, 0, 0, 0, 0, 0}
				for range 2 {
					p.shows(id, seen{c.state, "adyen.authorize." + c.row, "no_effect_sticky", 1}, of)
					h.speaks(a)
				}
				if again := p.authorize(h.Context(), planted("a"), spends(card)); string(again.bytes) != string(first.bytes) || len(a.Requests()) != 1 {
					t.Errorf("the same bytes: %t, %d requests", string(again.bytes) == string(first.bytes), len(a.Requests()))
				}
				h.moved(a)
				if got := h.results(); got["noted"] != 1 || len(h.dump().Attention) > 0 {
					t.Errorf("counted %v; to look at: %+v", got, h.dump().Attention)
				}
			})
		})
	}
}

// Goal: what an account at Adyen cannot do is refused before any request: to capture a
// part and leave the rest for later; the final capture of it goes under the same key.
func TestAnOpenCaptureIsUnsupportedAtAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		p := h.sweeps("one")
		id := p.authorize(h.Context(), planted("a"), spends("card_ok")).answer().GetPayment().GetPaymentId()
		p.order(h.Context(), planted("c"), "capture", id, 400).refused(codes.FailedPrecondition, "UNSUPPORTED_BY_PROVIDER", "final")
		if n := len(a.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
		a.Wait()
		a.silent() // or its webhook may be faster than its answer
		p.orders(h, planted("c"), "capture finally", id, 400)
		h.speaks(a)
		p.shows(id, seen{"SUCCEEDED", "adyen.query.capture", "effect", 1}, sums{"CAPTURED", 400, 400, 0, 0, 600})
		p.order(h.Context(), planted("c2"), "capture", id, 600).refused(codes.FailedPrecondition, "PAYMENT_NOT_CAPTURABLE", "")
		h.moved(a, effect("hold", 1000), effect("capture", 400), effect("release", 600))
	})
}
