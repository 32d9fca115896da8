package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	gocmpopts "github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/test/simulators/account"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// stage is a modification of a payment at Amazon Pay: what is true when it is
// answered, and what Amazon decides later, if it does.
type stage struct {
	verb  string
	units int64 // 0 is the rest
	op    seen
	of    sums

	decides func(a *amazonAccount, object, reason string) error // nil: the answer was the last word
	reason  string                                              // of a refusal; "" if it comes about
	later   seen
	then    sums
}

// journey is a payment from its hold of ten euro on.
type journey struct {
	permission string
	stages     []stage
	moved      []account.Effect // after the hold
	alerts     map[string]int64
}

func refundDecided(a *amazonAccount, object, reason string) error {
	return a.SettleRefund(object, reason)
}

func captureDecided(a *amazonAccount, object, reason string) error {
	return a.SettleCapture(object, reason)
}

// journeys are the ways that a payment can go.
func journeys() map[string]journey {
	const proven, pending, none = "effect", "pending", "no_effect_sticky"
	held, captured := sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, sums{"CAPTURED", 1000, 1000, 0, 0, 0}
	capturing, refunding := sums{"AUTHORIZED", 1000, 0, 0, 1000, 0}, sums{"CAPTURED", 1000, 1000, 0, 1000, 0}
	capture := stage{verb: "capture", op: seen{"SUCCEEDED", "capture.captured", proven, 1}, of: captured}
	refund := func(units int64, of sums, reason, row string, then sums) stage {
		state, evidence := "SUCCEEDED", proven
		if reason != "" {
			state, evidence = "FAILED", none
		}
		return stage{"refund", units, seen{"PENDING", "refund.refund_initiated", pending, 1}, of, refundDecided, reason, seen{state, row, evidence, 1}, then}
	}
	later := func(reason, state, row, evidence string, then sums) stage {
		return stage{"capture", 0, seen{"PENDING", "capture.capture_initiated", pending, 1}, capturing, captureDecided, reason, seen{state, row, evidence, 1}, then}
	}
	return map[string]journey{
		"captured, refunded in parts": {"S01-1234567-1234567", []stage{
			capture,
			refund(300, sums{"CAPTURED", 1000, 1000, 0, 300, 0}, "", "query.refunded", sums{"PARTIALLY_REFUNDED", 1000, 1000, 300, 0, 0}),
			refund(0, sums{"PARTIALLY_REFUNDED", 1000, 1000, 300, 700, 0}, "", "query.refunded", sums{"REFUNDED", 1000, 1000, 1000, 0, 0}),
		}, []account.Effect{effect("capture", 1000), effect("refund", 300), effect("refund", 700)}, nil},
		"captured in part, the rest released": {"S01-1234567-1234567", []stage{
			{verb: "capture finally", units: 400, op: seen{"SUCCEEDED", "capture.captured", proven, 1}, of: sums{"CAPTURED", 400, 400, 0, 0, 600}},
		}, []account.Effect{effect("capture", 400), effect("release", 600)}, nil},
		"voided": {"S01-1234567-1234567", []stage{
			{verb: "void", op: seen{"SUCCEEDED", "void.void_canceled", proven, 1}, of: sums{"VOIDED", 0, 0, 0, 0, 1000}},
		}, []account.Effect{effect("release", 1000)}, nil},
		"captured later": {"S01-CAPTURE-LATER", []stage{
			later("", "SUCCEEDED", "query.capture_captured", proven, captured),
		}, []account.Effect{effect("capture", 1000)}, nil},
		"capture declined later": {"S01-CAPTURE-LATER", []stage{
			later("ProcessingFailure", "FAILED", "query.capture_declined_processing_failure", none, held),
		}, []account.Effect{effect("release", 1000)}, map[string]int64{"amazonpay.query.capture_declined_processing_failure": 1}},
		"capture declined": {"S01-CAPTURE-AMAZONREJECTED", []stage{
			{verb: "capture", op: seen{"FAILED", "capture.capture_declined_amazon_rejected", none, 1}, of: held},
		}, []account.Effect{effect("release", 1000)}, map[string]int64{"amazonpay.capture.capture_declined_amazon_rejected": 1}},
		"refund declined": {"S01-1234567-1234567", []stage{
			capture,
			refund(400, sums{"CAPTURED", 1000, 1000, 0, 400, 0}, "AmazonRejected", "query.refund_declined_amazon_rejected", captured),
			refund(0, refunding, "", "query.refunded", sums{"REFUNDED", 1000, 1000, 1000, 0, 0}),
		}, []account.Effect{effect("capture", 1000), effect("refund", 400), effect("refund_declined", 400), effect("refund", 1000)}, map[string]int64{"amazonpay.query.refund_declined_amazon_rejected": 1}},
	}
}

// Goal: a capture and a void are final in their answer unless Amazon decides later,
// and a refund always is decided later: by a notification within seconds, or by a look
// without one. Whatever is declined gives back what it reserved, and somebody is
// called. Method: journeys of payments, each call twice, told and not told; the bytes
// of each answer, the rows, the amounts and the effect log.
func TestJourneysAtAmazonPay(t *testing.T) {
	t.Parallel()
	for name, j := range journeys() {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, told %t", name, told), func(t *testing.T) {
				t.Parallel()
				atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) { h.journey(a, j, told) })
			})
		}
	}
}

// journey plays one.
func (h *house) journey(a *amazonAccount, j journey, told bool) {
	h.Helper()
	p := h.sweeps("one")
	held := p.authorize(h.Context(), planted("a"), buys(j.permission))
	held.tells(false, "false")
	id := held.answer().GetPayment().GetPaymentId()
	p.shows(id, seen{"SUCCEEDED", "amazonpay.authorize.authorized", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
	for i, s := range j.stages {
		key := planted(fmt.Sprint(s.verb, i))
		first := p.orders(h, key, s.verb, id, s.units)
		first.tells(false, "false")
		s.op.Row = "amazonpay." + s.op.Row
		p.shows(id, s.op, s.of)
		if s.decides != nil {
			h.decides(p, a, s, id, told)
		}
		written := len(a.writes(""))
		again := p.orders(h, key, s.verb, id, s.units)
		again.tells(true, "false")
		if string(again.bytes) != string(first.bytes) || len(a.writes("")) != written {
			h.Errorf("%s again: the same bytes: %t, %d requests more", s.verb, string(again.bytes) == string(first.bytes), len(a.writes(""))-written)
		}
	}
	h.moved(a, append([]account.Effect{effect("hold", 1000)}, j.moved...)...)
	if diff := gocmp.Diff(j.alerts, h.alerts(), gocmpopts.EquateEmpty()); diff != "" {
		h.Errorf("alerts (-want +got):\n%s", diff)
	}
	if all := h.dump().Attention; len(all) > 0 {
		h.Errorf("people were told %+v", all)
	}
}

// decides has Amazon decide what it had only accepted, and checks how soon that shows.
func (h *house) decides(p *process, a *amazonAccount, s stage, id string, told bool) {
	h.Helper()
	read, err := p.payment(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	ops := read.GetOperations()
	last := ops[len(ops)-1].GetAttempts()
	if err := s.decides(a, last[len(last)-1].GetProviderReference(), s.reason); err != nil {
		h.Fatal(err)
	}
	if wait := 6 * time.Second; told { // until the index is read
		h.notifies(a)
		time.Sleep(wait)
	} else {
		a.told = len(a.Notifications()) // for ever
		time.Sleep(time.Minute)
	}
	s.later.Row = "amazonpay." + s.later.Row
	p.shows(id, s.later, s.then)
}

// Goal: an authorization that Amazon decides later is pending until it has, and then
// ends as it was decided, with its reason; the answer under its key stays as it was.
// Method: a hold and every reason of a decline, told twice, and not told.
func TestPendingAtAmazonPay(t *testing.T) {
	t.Parallel()
	for reason, row := range map[string]string{
		"": "authorized", "SoftDeclined": "declined_soft_declined", "HardDeclined": "declined_hard_declined",
		"AmazonRejected": "declined_amazon_rejected", "ProcessingFailure": "declined_processing_failure",
		"TransactionTimedOut": "declined_transaction_timed_out", "MFANotCompleted": "declined_mfa_not_completed", "SomethingNew": "declined",
	} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, told %t", row, told), func(t *testing.T) {
				t.Parallel()
				atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
					p := h.sweeps("one")
					first := p.authorize(h.Context(), planted("a"), buys("S01-PENDING"))
					first.tells(false, "false")
					id := first.answer().GetPayment().GetPaymentId()
					p.shows(id, seen{"PENDING", "amazonpay.authorize.authorization_initiated", "pending", 1}, sums{Status: "PENDING"})
					end, of := seen{"DECLINED", "amazonpay.query." + row, "no_effect_sticky", 1}, sums{Status: "DECLINED"}
					switch reason {
					case "":
						end, of = seen{"SUCCEEDED", "amazonpay.query." + row, "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}
					case "ProcessingFailure":
						end.State, of.Status = "FAILED", "FAILED"
					}
					s := stage{later: seen{end.State, "query." + row, end.Evidence, 1}, then: of, reason: reason, decides: func(a *amazonAccount, object, reason string) error {
						return a.Decide(object, reason)
					}}
					h.decides(p, a, s, id, told)
					a.told = 0
					h.notifies(a) // again, or late: it is known by then
					p.shows(id, end, of)
					if again := p.authorize(h.Context(), planted("a"), buys("S01-PENDING")); string(again.bytes) != string(first.bytes) || len(a.writes("")) != 1 {
						t.Errorf("the same bytes: %t, %d writes", string(again.bytes) == string(first.bytes), len(a.writes("")))
					}
				})
			})
		}
	}
}

// Goal: a refusal is an answer, with Amazon's reason in our words, final and without
// effect, whether it comes with a charge or as an error. Method: every reason, in both.
func TestDeclinesAtAmazonPay(t *testing.T) {
	t.Parallel()
	for reason, c := range map[string]struct{ state, row, category, code, shopper string }{
		"SoftDeclined":            {"DECLINED", "soft_declined", "SOFT_DECLINE", "soft_declined", "soft_declined"},
		"HardDeclined":            {"DECLINED", "hard_declined", "HARD_DECLINE", "hard_declined", "hard_declined"},
		"AmazonRejected":          {"DECLINED", "amazon_rejected", "HARD_DECLINE", "amazon_rejected", "generic_decline"},
		"ProcessingFailure":       {"FAILED", "processing_failure", "", "", ""},
		"TransactionTimedOut":     {"DECLINED", "transaction_timed_out", "SOFT_DECLINE", "transaction_timed_out", "transaction_timed_out"},
		"MFANotCompleted":         {"DECLINED", "mfa_not_completed", "AUTHENTICATION_REQUIRED", "mfa_not_completed", "mfa_not_completed"},
		"PaymentMethodNotAllowed": {"DECLINED", "payment_method_not_allowed", "HARD_DECLINE", "payment_method_not_allowed", "payment_method_not_allowed"},
	} {
		for _, how := range []string{"S01-", "S01-ERROR-"} {
			if how == "S01-ERROR-" && reason == "ProcessingFailure" {
				continue // with a status of 500 or 503: among the faults
			}
			t.Run(how+reason, func(t *testing.T) {
				t.Parallel()
				atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
					p, permission := h.sweeps("one"), how+strings.ToUpper(reason)
					first := p.authorize(h.Context(), planted("a"), buys(permission))
					first.tells(false, "false")
					d := first.answer().GetOperation().GetDecline()
					if got := [3]string{strings.TrimPrefix(d.GetCategory().String(), "DECLINE_CATEGORY_"), d.GetCode(), d.GetShopperCode()}; c.state == "DECLINED" && got != [3]string{c.category, c.code, c.shopper} {
						t.Errorf("declined as %q", got)
					}
					row := map[string]string{"S01-": "amazonpay.authorize.declined_", "S01-ERROR-": "amazonpay.authorize."}[how] + c.row
					p.shows(first.answer().GetPayment().GetPaymentId(), seen{c.state, row, "no_effect_sticky", 1}, sums{Status: c.state})
					if again := p.authorize(h.Context(), planted("a"), buys(permission)); string(again.bytes) != string(first.bytes) || len(a.Requests()) != 1 {
						t.Errorf("the same bytes: %t, %d requests", string(again.bytes) == string(first.bytes), len(a.Requests()))
					}
					h.moved(a)
				})
			})
		}
	}
}

// Goal: what is taken at once is captured, with one request, and can be refunded.
func TestTakesAtOnceAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
		p := h.sweeps("one")
		id := p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567", automatic)).answer().GetPayment().GetPaymentId()
		p.shows(id, seen{"SUCCEEDED", "amazonpay.authorize.captured", "effect", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
		p.order(h.Context(), planted("c"), "capture", id, 0).refused(codes.FailedPrecondition, "PAYMENT_NOT_CAPTURABLE", "")
		p.order(h.Context(), planted("r"), "refund", id, 250)
		if err := a.SettleRefund(h.objectOf(a), ""); err != nil {
			t.Fatal(err)
		}
		h.notifies(a)
		time.Sleep(6 * time.Second)
		p.shows(id, seen{"SUCCEEDED", "amazonpay.query.refunded", "effect", 1}, sums{"PARTIALLY_REFUNDED", 1000, 1000, 250, 0, 0})
		h.moved(a, effect("charge", 1000), effect("refund", 250))
	})
}

// Goal: what an account at Amazon Pay cannot do is refused before any request. Method:
// a bank transfer, a token that is no charge permission, a currency without a form, and
// a capture of a part that leaves the rest for later.
func TestUnsupportedAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
		p := h.sweeps("one")
		for name, change := range map[string]func(*acquitv1.AuthorizeRequest){
			"a bank transfer": func(r *acquitv1.AuthorizeRequest) {
				r.PaymentMethod = &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_BankTransfer{BankTransfer: &acquitv1.BankTransfer{Scheme: acquitv1.BankScheme_BANK_SCHEME_FASTER_PAYMENTS}}}
			},
			"a currency": func(r *acquitv1.AuthorizeRequest) { r.Amount.CurrencyCode = "CHF" },
		} {
			if got := p.authorize(h.Context(), planted(name), buys("S01-1234567-1234567", change)); got.code() != codes.FailedPrecondition && got.code() != codes.InvalidArgument {
				t.Errorf("%s: %v", name, got.err)
			}
		}
		if n := len(a.Requests()) + h.records(); n != 0 {
			t.Errorf("%d requests and records", n)
		}
		id := p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567")).answer().GetPayment().GetPaymentId()
		p.order(h.Context(), planted("c"), "capture", id, 400).refused(codes.FailedPrecondition, "UNSUPPORTED_BY_PROVIDER", "final")
		if n := len(a.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
		h.moved(a, effect("hold", 1000))
	})
}
