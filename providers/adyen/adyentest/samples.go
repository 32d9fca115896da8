package adyentest

import (
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
)

const (
	effect    = payment.EvidenceEffect
	pending   = payment.EvidencePending
	sticky    = payment.EvidenceNoEffectSticky
	notSticky = payment.EvidenceNoEffectNotSticky
	unknown   = payment.EvidenceUnknown
)

// samples are documented answers to each verb.
func samples() []providertest.Sample {
	return slices.Concat(
		resultSamples(payment.MethodAuthorize), resultSamples(payment.MethodComplete), unechoedSamples(), strangeSamples(),
		refusalSamples(), modificationSamples(),
	)
}

func sample(s payment.Send, row string, e payment.Evidence, r providers.Response) providertest.Sample {
	return providertest.Sample{Name: row, Send: s, Response: r, Row: "adyen." + row, Evidence: e}
}

// declined is a sample of somebody's "no".
func declined(s providertest.Sample) providertest.Sample {
	s.Declined = true
	return s
}

// Redirect is the action that sends a shopper to a page.
func Redirect() Object {
	return Object{"type": "redirect", "paymentMethodType": "scheme", "method": "POST", "url": "https://checkoutshopper-test.adyen.com/3ds?x=y", "data": Object{"MD": "m", "PaReq": "p"}}
}

// Native is the action that Adyen's client library carries out.
func Native() Object {
	return Object{"type": "threeDS2", "subtype": "fingerprint", "paymentMethodType": "scheme", "token": "eyJ0", "paymentData": "Ab02", "authorisationToken": "Ab03"}
}

func resultSamples(m payment.Method) []providertest.Sample {
	s := Send(m)
	of := string(m) + "."
	result := func(code string, more Object) providers.Response {
		return JSON(s, 200, providertest.With(Payment(s, code), more))
	}
	refused := func(code, reason string) providertest.Sample {
		return declined(sample(s, of+"refused_"+code, sticky, JSON(s, 200, Refused(s, code, reason))))
	}
	redirect, voucher := Redirect(), Object{"type": "voucher", "reference": "7"}
	if m == payment.MethodComplete { // what follows an action is described as an authentication alone
		redirect, voucher = Native(), Native()
	}
	partial := Object{"additionalData": Object{"authorisedAmountValue": "400", "authorisedAmountCurrency": "EUR"}}
	return []providertest.Sample{
		sample(s, of+"authorised", effect, result("Authorised", nil)),
		sample(s, of+"authorised", effect, result("Authorised", Object{"amount": Amount(s.Amount), "refusalReasonCode": "0"})),
		sample(s, of+"partially_authorised", effect, result("PartiallyAuthorised", partial)),
		sample(s, "any.partially_authorised_no_amount", unknown, result("PartiallyAuthorised", nil)),
		sample(s, of+"pending", pending, result("Pending", nil)),
		sample(s, of+"received", pending, result("Received", nil)),
		sample(s, of+"redirect_shopper", pending, result("RedirectShopper", Object{"action": redirect})),
		sample(s, of+"identify_shopper", pending, result("IdentifyShopper", Object{"action": Native()})),
		sample(s, of+"challenge_shopper", pending, result("ChallengeShopper", Object{"action": Native()})),
		sample(s, of+"present_to_shopper", pending, result("PresentToShopper", Object{"action": voucher})),
		sample(s, "any.redirect_shopper_no_action", unknown, result("RedirectShopper", nil)),
		sample(s, of+"error", sticky, result("Error", Object{"refusalReason": "Acquirer Error", "refusalReasonCode": "4"})),
		sample(s, of+"cancelled", sticky, result("Cancelled", nil)),
		sample(s, of+"success", unknown, result("Success", nil)),
		sample(s, of+"authentication_finished", unknown, result("AuthenticationFinished", nil)),
		refused("2", "Refused"), refused("6", "Expired Card"), refused("12", "Not enough balance"), refused("20", "FRAUD"),
		refused("24", "CVC Declined"), refused("38", "Authentication required"),
		declined(sample(s, of+"refused", sticky, JSON(s, 200, Refused(s, "9999", "Something new")))),
		declined(sample(s, of+"refused", sticky, JSON(s, 200, Payment(s, "Refused")))),
		sample(s, of+"refused_4", sticky, JSON(s, 200, Refused(s, "4", "Acquirer Error"))),
	}
}

// unechoedSamples are answers that do not repeat the key.
func unechoedSamples() []providertest.Sample {
	s, c, v := Send(payment.MethodAuthorize), Send(payment.MethodCapture), Send(payment.MethodVoid)
	return []providertest.Sample{
		sample(s, "authorize.authorised_no_echo", effect, Unechoed(200, Payment(s, "Authorised"))),
		sample(s, "authorize.pending_no_echo", pending, Unechoed(200, Payment(s, "Pending"))),
		declined(sample(s, "authorize.refused_no_echo", notSticky, Unechoed(200, Refused(s, "2", "Refused")))),
		sample(s, "authorize.error_no_echo", notSticky, Unechoed(200, Payment(s, "Error"))),
		sample(c, "capture.received_no_echo", pending, Unechoed(201, Modification(c, c.Amount))),
		sample(v, "void.received_no_echo", pending, Unechoed(201, Modification(v, v.Amount))),
	}
}

// strangeSamples are answers to something else than was asked.
func strangeSamples() []providertest.Sample {
	s, c, back := Send(payment.MethodAuthorize), Send(payment.MethodCapture), Send(payment.MethodComplete)
	other := s
	other.Key = "ffffffffffffffffffffffffffffffff"
	half := payment.Money{MinorUnits: 500, CurrencyCode: "EUR"}
	return []providertest.Sample{
		sample(s, "any.another_key", unknown, JSON(other, 200, Payment(s, "Authorised"))),
		sample(s, "any.another_key", unknown, JSON(other, 200, Refused(s, "2", "Refused"))),
		sample(s, "any.another_request", unknown, JSON(s, 200, providertest.With(Payment(s, "Authorised"), Object{"merchantReference": "ANOTHER"}))),
		sample(back, "complete.another_request", sticky, JSON(back, 200, providertest.With(Payment(back, "Authorised"), Object{"merchantReference": "ANOTHER"}))),
		sample(back, "complete.no_reference", unknown, JSON(back, 200, providertest.With(Payment(back, "Authorised"), Object{"merchantReference": ""}))),
		sample(back, "complete.another_request_no_echo", notSticky, Unechoed(200, providertest.With(Payment(back, "Authorised"), Object{"merchantReference": "ANOTHER"}))),
		sample(s, "any.another_amount", unknown, JSON(s, 200, providertest.With(Payment(s, "Authorised"), Object{"amount": Amount(half)}))),
		sample(c, "any.another_request", unknown, JSON(c, 201, providertest.With(Modification(c, c.Amount), Object{"paymentPspReference": "ANOTHER"}))),
		sample(c, "any.another_request", unknown, JSON(c, 201, providertest.With(Modification(c, c.Amount), Object{"merchantAccount": "Another"}))),
		sample(c, "any.another_amount", unknown, JSON(c, 201, Modification(c, half))),
	}
}

func refusalSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	refused := func(status int, kind, code, row string, e payment.Evidence) providertest.Sample {
		return sample(s, row, e, Error(status, kind, code, "No.", false))
	}
	transient := func(status int, code, row string) providertest.Sample {
		return sample(s, row, unknown, Error(status, "internal", code, "Later.", true))
	}
	limited := sample(s, "any.00_500_too_many_requests", unknown, Unechoed(500, Object{
		"type": "https://docs.adyen.com/errors/internal", "title": "An internal error happened", "detail": "Too many requests", "errorCode": "00_500",
	}))
	return []providertest.Sample{
		refused(401, "security", "000", "any.000", notSticky),
		refused(403, "security", "901", "any.901", notSticky),
		refused(403, "security", "010", "any.010", notSticky),
		refused(400, "validation", "702", "any.702", notSticky),
		refused(422, "validation", "14_030", "any.14_030", notSticky),
		declined(refused(422, "validation", "101", "any.101", notSticky)),
		declined(refused(422, "validation", "105", "any.105", notSticky)),
		refused(422, "validation", "803", "authorize.803", notSticky),
		refused(422, "validation", "137", "any.137", unknown),
		refused(422, "validation", "167", "any.167", unknown),
		refused(422, "validation", "", "any.validation_422", notSticky),
		refused(401, "security", "", "any.security_401", notSticky),
		refused(500, "configuration", "905", "any.905", unknown),
		refused(500, "configuration", "", "any.configuration_500", unknown),
		refused(500, "internal", "00_500", "any.00_500", unknown),
		refused(409, "validation", "704", "any.704", unknown),
		transient(409, "704", "any.704"), transient(422, "704", "any.704"), transient(503, "703", "any.703"),
		limited,
	}
}

func modificationSamples() []providertest.Sample {
	fence := providertest.Fence(Send(payment.MethodAuthorize), "")
	list := []providertest.Sample{
		sample(fence, "fence.received", pending, JSON(fence, 201, Modification(fence, fence.Amount))),
		sample(fence, "any.another_request", unknown, JSON(fence, 201, providertest.With(Modification(fence, fence.Amount), Object{"paymentReference": "ANOTHER"}))),
		sample(fence, "any.901", notSticky, Error(403, "security", "901", "Invalid Merchant Account", false)),
	}
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		s := Send(m)
		list = append(list,
			sample(s, string(m)+".received", pending, JSON(s, 201, Modification(s, s.Amount))),
			sample(s, "any.803", unknown, Error(422, "validation", "803", "PaymentDetail not found", false)))
	}
	return list
}
