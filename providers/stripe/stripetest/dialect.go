// Package stripetest speaks Stripe's dialect for tests: the objects and errors
// that Stripe answers with, as far as its driver reads them, and the contract
// that the driver is held to.
//
// The shapes are those of Stripe's API reference; nothing here was recorded from
// a live account.
package stripetest

import (
	"cmp"
	"maps"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Object is a JSON object.
type Object = providertest.Object

// Intent is the PaymentIntent of a send, with a status and an amount in Stripe's unit.
func Intent(s payment.Send, m payment.Money, status string) Object {
	id, charge := cmp.Or(string(s.ProviderReference), "pi_1"), "ch_1"
	meta := Object{"acquit_reference": s.Reference, "acquit_payment": s.PaymentID}
	if s.Method != payment.MethodAuthorize {
		id, charge = string(s.Parent), cmp.Or(string(s.ProviderReference), charge)
		meta["acquit_reference"] = "THEAUTHORIZATION"
	}
	if s.Method == payment.MethodCapture {
		meta["acquit_capture"] = s.Reference
	}
	o := Object{
		"id": id, "object": "payment_intent", "status": status, "amount": m.MinorUnits, "amount_capturable": 0, "amount_received": 0,
		"currency": strings.ToLower(m.CurrencyCode), "client_secret": id + "_secret_payers", "livemode": false, "metadata": meta,
		"latest_charge": Object{"id": charge, "object": "charge", "payment_method_details": Object{"type": "card", "card": Object{"capture_before": 1800000000}}},
	}
	switch status {
	case "requires_capture":
		o["amount_capturable"] = m.MinorUnits
	case "succeeded":
		o["amount_received"] = m.MinorUnits
	}
	return o
}

// Refund is the refund of a send, with a status.
func Refund(s payment.Send, m payment.Money, status string) Object {
	return Object{
		"id": cmp.Or(string(s.ProviderReference), "re_1"), "object": "refund", "status": status, "amount": m.MinorUnits,
		"currency": strings.ToLower(m.CurrencyCode), "payment_intent": s.Parent, "metadata": Object{"acquit_reference": s.Reference},
	}
}

// JSON is a response.
func JSON(status int, body any) providers.Response {
	return providertest.JSON(status, body, "Request-Id", "req_1")
}

// Error is an error of Stripe's with a code.
func Error(status int, kind, code string, more Object) providers.Response {
	e := Object{"type": kind, "message": "No."}
	if code != "" {
		e["code"] = code
	}
	maps.Copy(e, more)
	return JSON(status, Object{"error": e})
}

// Declined is the refusal of a card: the intent of s, and why.
func Declined(s payment.Send, code, decline string) providers.Response {
	more := Object{"payment_intent": Intent(s, s.Amount, "requires_payment_method")}
	if decline != "" {
		more["decline_code"] = decline
	}
	return Error(402, "card_error", code, more)
}

// Listed is a page of a list or of a search.
func Listed(objects ...Object) providers.Response {
	if objects == nil {
		objects = []Object{}
	}
	return JSON(200, Object{"object": "list", "has_more": false, "data": objects})
}
