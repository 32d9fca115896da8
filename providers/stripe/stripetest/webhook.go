package stripetest

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe"
)

// Signature is the Stripe-Signature of a body at a time.
func Signature(secret providers.Secret, body []byte, at time.Time) string {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(h.Sum(nil)))
}

// Deliver is the delivery of a body, signed with a secret at a time.
func Deliver(secret providers.Secret, body []byte, at time.Time) providers.Delivery {
	return providers.Delivery{
		Method: http.MethodPost, Path: "/webhooks/main", Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Stripe-Signature": {Signature(secret, body, at)}},
	}
}

// Event is an event of a type about an object; more are other fields of it.
func Event(id, kind string, about, more Object) []byte {
	raw, err := json.Marshal(providertest.With(Object{
		"id": id, "object": "event", "type": kind, "created": 1700000000, "livemode": false, "data": Object{"object": about},
	}, more))
	if err != nil {
		raw = []byte(err.Error())
	}
	return raw
}

// Webhooks is how Stripe tells what happened.
func Webhooks() *providertest.Webhooks {
	return &providertest.Webhooks{
		New: func(secrets ...providers.Secret) providers.Driver {
			return stripe.New(stripe.Config{Credential: "sk_test_first", WebhookSecrets: secrets})
		},
		Secrets: [3]providers.Secret{"whsec_firstfirstfirst", "whsec_secondsecondsecond", "whsec_anothersanothers"},
		Deliver: Deliver, Tellings: tellings(),
	}
}

// telling is an event and what it says.
func telling(kind string, about Object, want payment.Event) providertest.Telling {
	id := "evt_" + kind + cmp.Or(want.Answer.Code, "x")
	want.ID, want.Time = id, time.Unix(1700000000, 0).UTC()
	return providertest.Telling{Name: kind, Body: Event(id, kind, about, nil), Want: providers.Told{Events: []payment.Event{want}}}
}

func tellings() []providertest.Telling {
	euro := func(n int64) *payment.Money { return &payment.Money{MinorUnits: n, CurrencyCode: "EUR"} }
	auth, capture, refund := Send(payment.MethodAuthorize), Send(payment.MethodCapture), Send(payment.MethodRefund)
	held := payment.Answer{
		Code: "requires_capture", Reference: "pi_1", OurEcho: "OURREFERENCE", Amount: euro(1000), ObjectFound: true, ExpireTime: time.Unix(1800000000, 0).UTC(),
	}
	canceled := payment.Answer{Code: "canceled", Reference: "pi_1", OurEcho: "OURREFERENCE", ObjectFound: true}
	taken := payment.Answer{Code: "succeeded", Reference: "pi_1", OurEcho: "OURREFERENCE", Amount: euro(1000), ObjectFound: true, Captured: true}
	captured := payment.Answer{Code: "capture_succeeded", Reference: "ch_1", OurEcho: "FURTHERREFERENCE", Amount: euro(600), Captured: true, ObjectFound: true}
	byHand := captured
	byHand.OurEcho = ""
	refunded := payment.Answer{Code: "refund_succeeded", Reference: "re_1", OurEcho: "FURTHERREFERENCE", Amount: euro(1000), ObjectFound: true}
	bounced := payment.Answer{Code: "refund_failed", Decline: "expired_or_canceled_card", Reference: "re_1", OurEcho: "FURTHERREFERENCE", ObjectFound: true}
	others := refunded
	others.OurEcho = ""
	manual := Object{"capture_method": "manual"}
	nobodys := Object{"metadata": Object{}}
	failed := providertest.With(Refund(refund, refund.Amount, "failed"), Object{"failure_reason": "expired_or_canceled_card"})
	outside := func(kind payment.OutsideKind, object payment.ProviderReference, n int64) *payment.Outside {
		return &payment.Outside{Kind: kind, Object: object, Amount: n}
	}
	part := payment.Money{MinorUnits: 600, CurrencyCode: "EUR"}
	of := func(m payment.Method, ours payment.ReferenceID, a payment.Answer, o *payment.Outside) payment.Event {
		e := payment.Event{Method: m, Reference: ours, Answer: a, Outside: o}
		if m != payment.MethodAuthorize {
			e.Parent = "pi_1"
		}
		return e
	}
	list := []providertest.Telling{
		telling("payment_intent.amount_capturable_updated", providertest.With(Intent(auth, auth.Amount, "requires_capture"), manual), of(payment.MethodAuthorize, "OURREFERENCE", held, nil)),
		telling("payment_intent.canceled", providertest.With(Intent(auth, auth.Amount, "canceled"), manual), of(payment.MethodAuthorize, "OURREFERENCE", canceled, outside(payment.OutsideVoid, "pi_1", 0))),
		telling("payment_intent.succeeded", providertest.With(Intent(auth, auth.Amount, "succeeded"), Object{"capture_method": "automatic"}), of(payment.MethodAuthorize, "OURREFERENCE", taken, nil)),
		telling("payment_intent.succeeded", providertest.With(Intent(capture, part, "succeeded"), manual),
			of(payment.MethodCapture, "FURTHERREFERENCE", captured, outside(payment.OutsideCapture, "ch_1", 600))),
		telling("refund.updated", Refund(refund, refund.Amount, "succeeded"), of(payment.MethodRefund, "FURTHERREFERENCE", refunded, outside(payment.OutsideRefund, "re_1", 1000))),
		telling("refund.failed", failed, of(payment.MethodRefund, "FURTHERREFERENCE", bounced, outside(payment.OutsideRefundReversal, "re_1", 1000))),
	}
	beside := telling("payment_intent.succeeded", providertest.With(providertest.With(Intent(capture, part, "succeeded"), manual), nobodys), of(payment.MethodCapture, "", byHand, outside(payment.OutsideCapture, "ch_1", 600)))
	dashboard := telling("refund.created", providertest.With(Refund(refund, refund.Amount, "succeeded"), nobodys), of(payment.MethodRefund, "", others, outside(payment.OutsideRefund, "re_1", 1000)))
	beside.Name, dashboard.Name = "captured at the dashboard", "refunded at the dashboard"
	beside.Body, beside.Want.Events[0].ID = Event("evt_by_hand", "payment_intent.succeeded", providertest.With(providertest.With(Intent(capture, part, "succeeded"), manual), nobodys), nil), "evt_by_hand"
	back := providertest.With(providertest.With(failed, nobodys), Object{"failure_reason": ""})
	backAnswer := payment.Answer{Code: "refund_failed", Reference: "re_1", ObjectFound: true}
	const why = "cancellation_reason"
	lapsed := telling("payment_intent.canceled", providertest.With(Intent(auth, auth.Amount, "canceled"), Object{"capture_method": "manual", why: "automatic"}),
		of(payment.MethodAuthorize, "OURREFERENCE", canceled, outside(payment.OutsideExpiry, "pi_1", 0)))
	lapsed.Name = "lapsed"
	lapsed.Body, lapsed.Want.Events[0].ID = Event("evt_lapsed", "payment_intent.canceled", providertest.With(Intent(auth, auth.Amount, "canceled"), Object{"capture_method": "manual", why: "automatic"}), nil), "evt_lapsed"
	list = append(list, beside, dashboard, lapsed, telling("refund.failed", back, of(payment.MethodRefund, "", backAnswer, outside(payment.OutsideRefund, "re_1", 0))))
	list[len(list)-1].Body, list[len(list)-1].Want.Events[0].ID = Event("evt_back", "refund.failed", back, nil), "evt_back"
	return append(append(list, disputes()...), unread()...)
}

// disputes are what a payer's bank takes back, and gives back.
func disputes() []providertest.Telling {
	var list []providertest.Telling
	for _, c := range []struct {
		kind, status string
		amount       int64
	}{
		{"charge.dispute.created", "warning_needs_response", 0},
		{"charge.dispute.created", "needs_response", 700},
		{"charge.dispute.funds_withdrawn", "needs_response", 700},
		{"charge.dispute.updated", "under_review", 700},
		{"charge.dispute.closed", "won", 0},
		{"charge.dispute.closed", "lost", 700},
		{"charge.dispute.funds_reinstated", "under_review", 0},
	} {
		t := telling(c.kind, Object{
			"id": "dp_1", "object": "dispute", "status": c.status, "amount": 700, "currency": "eur", "charge": "ch_1", "payment_intent": "pi_1",
		}, payment.Event{
			Parent: "pi_1", Outside: &payment.Outside{Kind: payment.OutsideDispute, Object: "dp_1", Amount: c.amount},
			Answer: payment.Answer{Code: "dispute_" + c.status, Reference: "dp_1", Amount: &payment.Money{MinorUnits: 700, CurrencyCode: "EUR"}},
		})
		t.Name += " " + c.status
		list = append(list, t)
	}
	return list
}

// unread are types that there is no use for: what repeats another event, what has
// only totals, what is not ours, and what is not known.
func unread() []providertest.Telling {
	var list []providertest.Telling
	auth, refund := Send(payment.MethodAuthorize), Send(payment.MethodRefund)
	for kind, about := range map[string]Object{
		"payment_intent.created": Intent(auth, auth.Amount, "requires_payment_method"),
		"charge.refunded":        {"id": "ch_1", "object": "charge", "amount_refunded": 1000, "payment_intent": "pi_1"},
		"charge.captured":        {"id": "ch_1", "object": "charge", "amount_captured": 1000, "payment_intent": "pi_1"},
		"customer.created":       {"id": "cus_1", "object": "customer"},
		"something.new":          {"id": "xx_1", "object": "something"},
		"refund.created":         providertest.With(Refund(refund, refund.Amount, "pending"), Object{"metadata": Object{}}),
	} {
		list = append(list, providertest.Telling{Name: kind + " is of no use", Body: Event("evt_"+kind, kind, about, nil), Want: providers.Told{Unread: []string{kind}}})
	}
	const other = "payment_intent.succeeded"
	return append(list, providertest.Telling{
		Name: "of another account", Body: Event("evt_other", other, Intent(auth, auth.Amount, "succeeded"), Object{"account": "acct_other"}),
		Want: providers.Told{Unread: []string{other + " of another account"}},
	})
}
