package stripetest

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
	return slices.Concat(authorizeSamples(), declineSamples(), refusalSamples(), lookUpSamples(), fenceSamples(), furtherSamples())
}

func sample(s payment.Send, row string, e payment.Evidence, r providers.Response) providertest.Sample {
	return providertest.Sample{Name: row, Send: s, Response: r, Row: "stripe." + row, Evidence: e}
}

func asked(q providertest.Question, s payment.Send, row string, e payment.Evidence, o Object) providertest.Sample {
	out := sample(s, row, e, found(s, o))
	out.Answers = q
	return out
}

func authorizeSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	action := func(n Object) providers.Response {
		return JSON(200, providertest.With(Intent(s, s.Amount, "requires_action"), Object{"next_action": n}))
	}
	return []providertest.Sample{
		sample(s, "authorize.requires_capture", effect, JSON(200, Intent(s, s.Amount, "requires_capture"))),
		sample(s, "authorize.succeeded", effect, JSON(200, Intent(s, s.Amount, "succeeded"))),
		sample(s, "authorize.processing", pending, JSON(200, Intent(s, s.Amount, "processing"))),
		sample(s, "authorize.requires_action", pending, action(Object{
			"type": "redirect_to_url", "redirect_to_url": Object{"url": "https://hooks.stripe.com/3d_secure_2/hosted?x=y", "return_url": "https://shop.example"},
		})),
		sample(s, "authorize.requires_action", pending, action(Object{"type": "use_stripe_sdk", "use_stripe_sdk": Object{"type": "three_d_secure_redirect"}})),
		sample(s, "authorize.requires_confirmation", unknown, JSON(200, Intent(s, s.Amount, "requires_confirmation"))),
		sample(s, "authorize.requires_payment_method", unknown, JSON(200, Intent(s, s.Amount, "requires_payment_method"))),
		sample(s, "authorize.canceled", sticky, JSON(200, Intent(s, s.Amount, "canceled"))),
	}
}

func declineSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	declined := func(row, code, decline string) providertest.Sample {
		out := sample(s, "authorize."+row, sticky, Declined(s, code, decline))
		out.Declined = true
		return out
	}
	advised := declined("advice_do_not_try_again", "card_declined", "insufficient_funds")
	advised.Response = Error(402, "card_error", "card_declined", Object{
		"decline_code": "insufficient_funds", "advice_code": "do_not_try_again", "network_decline_code": "51", "network_advice_code": "03",
		"payment_intent": Intent(s, s.Amount, "requires_payment_method"),
	})
	unadvised := declined("declined_lost_card", "card_declined", "lost_card")
	unadvised.Response = Error(402, "card_error", "card_declined", Object{
		"decline_code": "lost_card", "advice_code": "something_new", "payment_intent": Intent(s, s.Amount, "requires_payment_method"),
	})
	return []providertest.Sample{
		declined("declined_insufficient_funds", "card_declined", "insufficient_funds"),
		declined("declined_stolen_card", "card_declined", "stolen_card"),
		declined("declined_fraudulent", "card_declined", "fraudulent"),
		declined("declined_authentication_required", "card_declined", "authentication_required"),
		declined("declined", "card_declined", "something_new"),
		declined("declined", "card_declined", ""),
		declined("expired_card", "expired_card", "expired_card"),
		declined("incorrect_cvc", "incorrect_cvc", "incorrect_cvc"),
		declined("processing_error", "processing_error", "processing_error"),
		declined("card_error", "", ""),
		advised, unadvised,
		sample(s, "authorize.declined_duplicate_transaction", unknown, Declined(s, "card_declined", "duplicate_transaction")),
	}
}

func refusalSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	refused := func(status int, kind, code, row string, e payment.Evidence) providertest.Sample {
		return sample(s, row, e, Error(status, kind, code, nil))
	}
	const invalid = "invalid_request_error"
	return []providertest.Sample{
		refused(400, invalid, "parameter_missing", "any.parameter_missing", notSticky),
		refused(400, invalid, "amount_too_small", "any.amount_too_small", notSticky),
		refused(400, invalid, "", "any.invalid_request", notSticky),
		refused(400, invalid, "payment_intent_unexpected_state", "any.payment_intent_unexpected_state", unknown),
		refused(400, "idempotency_error", "", "any.key_reused", unknown),
		refused(401, invalid, "", "any.unauthorized", notSticky),
		refused(401, invalid, "api_key_expired", "any.api_key_expired", notSticky),
		refused(403, invalid, "", "any.forbidden", notSticky),
		refused(404, invalid, "resource_missing", "authorize.resource_missing", notSticky),
		refused(409, "idempotency_error", "idempotency_key_in_use", "any.key_in_use", unknown),
		refused(409, invalid, "idempotency_key_in_use", "any.key_in_use", unknown),
		refused(424, "api_error", "", "any.dependency_failed", unknown),
		refused(429, invalid, "lock_timeout", "any.lock_timeout", notSticky),
		refused(429, invalid, "rate_limit", "any.rate_limit", notSticky),
		refused(500, "api_error", "", "any.server_error", unknown),
		refused(503, "api_error", "", "any.server_error", unknown),
	}
}

func lookUpSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	const q = providertest.ToQuery
	failed := Object{"last_payment_error": Object{"type": "card_error", "code": "card_declined", "decline_code": "lost_card", "message": "No."}}
	late := asked(q, s, "query.canceled_lost_card", sticky, providertest.With(Intent(s, s.Amount, "canceled"), failed))
	late.Declined = true
	return []providertest.Sample{
		asked(q, s, "query.requires_capture", effect, Intent(s, s.Amount, "requires_capture")),
		asked(q, s, "query.succeeded", effect, Intent(s, s.Amount, "succeeded")),
		asked(q, s, "query.processing", pending, Intent(s, s.Amount, "processing")),
		asked(q, s, "query.requires_action", pending, Intent(s, s.Amount, "requires_action")),
		asked(q, s, "query.requires_payment_method", unknown, providertest.With(Intent(s, s.Amount, "requires_payment_method"), failed)),
		asked(q, s, "query.canceled", sticky, Intent(s, s.Amount, "canceled")),
		late,
	}
}

func fenceSamples() []providertest.Sample {
	fence := Send(payment.MethodAuthorize)
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "pi_1"
	s := Send(payment.MethodAuthorize)
	s.ProviderReference = "pi_1"
	const q = providertest.ToFenced
	failed := Object{"last_payment_error": Object{"type": "card_error", "code": "expired_card", "message": "No."}}
	late := asked(q, s, "fenced.canceled_expired_card", sticky, providertest.With(Intent(s, s.Amount, "canceled"), failed))
	late.Declined = true
	return []providertest.Sample{
		sample(fence, "fence.canceled", effect, JSON(200, Intent(fence, s.Amount, "canceled"))),
		sample(fence, "fence.unexpected_state", unknown, Error(400, "invalid_request_error", "payment_intent_unexpected_state", Object{
			"payment_intent": Intent(fence, s.Amount, "succeeded"),
		})),
		asked(q, s, "fenced.canceled", sticky, Intent(s, s.Amount, "canceled")),
		asked(q, s, "fenced.succeeded", effect, Intent(s, s.Amount, "succeeded")),
		asked(q, s, "fenced.requires_capture", unknown, Intent(s, s.Amount, "requires_capture")),
		asked(q, s, "fenced.processing", unknown, Intent(s, s.Amount, "processing")),
		asked(q, s, "fenced.requires_payment_method", unknown, Intent(s, s.Amount, "requires_payment_method")),
		late,
	}
}

func furtherSamples() []providertest.Sample {
	c, v, r := Send(payment.MethodCapture), Send(payment.MethodVoid), Send(payment.MethodRefund)
	const q = providertest.ToQuery
	elsewhere := providertest.With(Intent(c, c.Amount, "succeeded"), Object{"metadata": Object{}})
	failed := providertest.With(Refund(r, r.Amount, "failed"), Object{"failure_reason": "lost_or_stolen_card"})
	poor := sample(r, "refund.balance_insufficient", notSticky, Error(400, "invalid_request_error", "balance_insufficient", nil))
	poor.Declined = true
	return []providertest.Sample{
		sample(c, "capture.succeeded", effect, JSON(200, Intent(c, c.Amount, "succeeded"))),
		sample(c, "capture.canceled", sticky, JSON(200, Intent(c, c.Amount, "canceled"))),
		sample(c, "capture.captured_by_another", unknown, JSON(200, elsewhere)),
		sample(c, "capture.requires_capture", unknown, JSON(200, Intent(c, c.Amount, "requires_capture"))),
		sample(c, "any.charge_already_captured", unknown, Error(400, "invalid_request_error", "charge_already_captured", nil)),
		sample(c, "capture.charge_expired_for_capture", notSticky, Error(400, "invalid_request_error", "charge_expired_for_capture", nil)),
		asked(q, c, "query.capture_succeeded", effect, Intent(c, c.Amount, "succeeded")),
		asked(q, c, "query.captured_by_another", unknown, elsewhere),
		asked(q, c, "query.capture_requires_capture", unknown, Intent(c, c.Amount, "requires_capture")),
		asked(q, c, "query.capture_canceled", sticky, Intent(c, c.Amount, "canceled")),
		sample(v, "void.canceled", effect, JSON(200, Intent(v, v.Amount, "canceled"))),
		sample(v, "void.succeeded", sticky, JSON(200, Intent(v, v.Amount, "succeeded"))),
		asked(q, v, "query.void_canceled", effect, Intent(v, v.Amount, "canceled")),
		asked(q, v, "query.void_requires_capture", unknown, Intent(v, v.Amount, "requires_capture")),
		asked(q, v, "query.void_succeeded", sticky, Intent(v, v.Amount, "succeeded")),
		sample(r, "refund.succeeded", effect, JSON(200, Refund(r, r.Amount, "succeeded"))),
		sample(r, "refund.pending", pending, JSON(200, Refund(r, r.Amount, "pending"))),
		sample(r, "refund.failed_lost_or_stolen_card", sticky, JSON(200, failed)),
		sample(r, "any.charge_already_refunded", unknown, Error(400, "invalid_request_error", "charge_already_refunded", nil)),
		sample(r, "refund.charge_disputed", notSticky, Error(400, "invalid_request_error", "charge_disputed", nil)),
		poor,
		asked(q, r, "query.refund_succeeded", effect, Refund(r, r.Amount, "succeeded")),
		asked(q, r, "query.refund_pending", pending, Refund(r, r.Amount, "pending")),
		asked(q, r, "query.refund_failed_lost_or_stolen_card", sticky, failed),
	}
}
