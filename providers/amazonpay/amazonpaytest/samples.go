package amazonpaytest

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
	return providertest.Sample{Name: row, Send: s, Response: r, Row: "amazonpay." + row, Evidence: e}
}

// declined is a sample of somebody's "no".
func declined(s providertest.Sample) providertest.Sample {
	s.Declined = true
	return s
}

// asked is a sample of a look-up, by the id that is known by then.
func asked(q providertest.Question, s payment.Send, row string, e payment.Evidence, state, reason string) providertest.Sample {
	var o Object
	if s.Method == payment.MethodRefund {
		s.ProviderReference = "S01-1234567-1234567-R000001"
		o = Refund(s, s.Amount, state, reason)
	} else {
		s.ProviderReference = "S01-1234567-1234567-C000001"
		o = Charge(s, s.Amount, state, reason)
	}
	out := sample(s, row, e, JSON(200, o))
	out.Answers = q
	return out
}

func authorizeSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	made := func(row string, e payment.Evidence, state, reason string) providertest.Sample {
		return sample(s, "authorize."+row, e, JSON(201, Charge(s, s.Amount, state, reason)))
	}
	foreign := func(fields Object) providertest.Sample {
		return providertest.Sample{
			Name: "foreign", Send: s, Response: JSON(201, providertest.With(Charge(s, s.Amount, "Authorized", ""), fields)), Row: "any.http.2xx", Evidence: unknown,
		}
	}
	return []providertest.Sample{
		made("authorized", effect, "Authorized", ""),
		made("captured", effect, "Captured", ""),
		made("authorization_initiated", pending, "AuthorizationInitiated", ""),
		made("capture_initiated", pending, "CaptureInitiated", ""),
		made("canceled", sticky, "Canceled", "MerchantCanceled"),
		made("canceled_expired_unused", sticky, "Canceled", "ExpiredUnused"),
		foreign(Object{"chargePermissionId": "S01-7654321-7654321"}),
		foreign(Object{"releaseEnvironment": "Live"}),
	}
}

func declineSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	var list []providertest.Sample
	for reason, name := range map[string]string{
		"SoftDeclined": "soft_declined", "HardDeclined": "hard_declined", "AmazonRejected": "amazon_rejected",
		"TransactionTimedOut": "transaction_timed_out", "MFANotCompleted": "mfa_not_completed", "PaymentMethodNotAllowed": "payment_method_not_allowed",
	} {
		list = append(list,
			declined(sample(s, "authorize.declined_"+name, sticky, JSON(201, Charge(s, s.Amount, "Declined", reason)))),
			declined(sample(s, "authorize."+name, sticky, Error(422, reason, "No."))),
			declined(asked(providertest.ToQuery, s, "query.declined_"+name, sticky, "Declined", reason)),
			declined(asked(providertest.ToFenced, s, "fenced.declined_"+name, sticky, "Declined", reason)))
	}
	return append(list,
		declined(sample(s, "authorize.declined", sticky, JSON(201, Charge(s, s.Amount, "Declined", "SomethingNew")))),
		sample(s, "authorize.declined_processing_failure", sticky, JSON(201, Charge(s, s.Amount, "Declined", "ProcessingFailure"))))
}

func refusalSamples() []providertest.Sample {
	s, c, r := Send(payment.MethodAuthorize), Send(payment.MethodCapture), Send(payment.MethodRefund)
	refused := func(s payment.Send, status int, reason, row string, e payment.Evidence) providertest.Sample {
		return sample(s, row, e, Error(status, reason, "No."))
	}
	return []providertest.Sample{
		refused(s, 400, "InvalidParameterValue", "any.invalid_parameter_value", notSticky),
		refused(s, 400, "CurrencyMismatch", "any.currency_mismatch", notSticky),
		refused(s, 400, "TransactionAmountExceeded", "any.transaction_amount_exceeded", notSticky),
		refused(s, 400, "DuplicateIdempotencyKey", "any.duplicate_idempotency_key", unknown),
		refused(s, 401, "UnauthorizedAccess", "any.unauthorized_access", notSticky),
		refused(s, 403, "InvalidRequestSignature", "any.invalid_request_signature", notSticky),
		refused(s, 404, "ResourceNotFound", "authorize.resource_not_found", notSticky),
		refused(c, 404, "ResourceNotFound", "any.resource_not_found", unknown),
		refused(s, 408, "RequestTimeout", "any.request_timeout", unknown),
		refused(s, 422, "InvalidChargePermissionStatus", "authorize.invalid_charge_permission_status", notSticky),
		refused(c, 422, "InvalidChargeStatus", "any.invalid_charge_status", unknown),
		refused(r, 422, "InvalidChargeStatus", "refund.invalid_charge_status", notSticky),
		refused(s, 425, "", "any.too_early", unknown),
		refused(s, 426, "TLSVersionNotSupported", "any.tls_version_not_supported", notSticky),
		refused(s, 429, "TooManyRequests", "any.too_many_requests", notSticky),
		refused(s, 500, "InternalServerError", "any.internal_server_error", unknown),
		refused(s, 500, "ProcessingFailure", "any.processing_failure", unknown),
		refused(s, 502, "", "any.bad_gateway", unknown),
		refused(s, 503, "ServiceUnavailable", "any.service_unavailable", unknown),
		refused(s, 503, "RequestThrottled", "any.request_throttled", unknown),
		refused(s, 504, "", "any.gateway_timeout", unknown),
	}
}

func lookUpSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	const q = providertest.ToQuery
	return []providertest.Sample{
		asked(q, s, "query.authorized", effect, "Authorized", ""),
		asked(q, s, "query.captured", effect, "Captured", ""),
		asked(q, s, "query.authorization_initiated", pending, "AuthorizationInitiated", ""),
		asked(q, s, "query.capture_initiated", pending, "CaptureInitiated", ""),
		asked(q, s, "query.canceled", sticky, "Canceled", "AmazonCanceled"),
		asked(q, s, "query.canceled_expired_unused", sticky, "Canceled", "ExpiredUnused"),
	}
}

func fenceSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	fence := s
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "S01-1234567-1234567-C000001"
	const q = providertest.ToFenced
	return []providertest.Sample{
		sample(fence, "fence.canceled", effect, JSON(200, Charge(fence, s.Amount, "Canceled", "MerchantCanceled"))),
		sample(fence, "any.invalid_charge_status", unknown, Error(422, "InvalidChargeStatus", "No.")),
		asked(q, s, "fenced.canceled", sticky, "Canceled", "MerchantCanceled"),
		asked(q, s, "fenced.canceled_expired_unused", sticky, "Canceled", "ExpiredUnused"),
		asked(q, s, "fenced.captured", effect, "Captured", ""),
		asked(q, s, "fenced.authorized", unknown, "Authorized", ""),
		asked(q, s, "fenced.authorization_initiated", unknown, "AuthorizationInitiated", ""),
		asked(q, s, "fenced.capture_initiated", unknown, "CaptureInitiated", ""),
	}
}

func furtherSamples() []providertest.Sample {
	c, v, r := Send(payment.MethodCapture), Send(payment.MethodVoid), Send(payment.MethodRefund)
	const q = providertest.ToQuery
	half := c
	half.Amount.MinorUnits /= 2
	elsewhere := asked(q, half, "query.capture_another_amount", unknown, "Captured", "")
	elsewhere.Send.Amount = c.Amount
	return []providertest.Sample{
		sample(c, "capture.captured", effect, JSON(200, Charge(c, c.Amount, "Captured", ""))),
		sample(c, "capture.capture_initiated", pending, JSON(200, Charge(c, c.Amount, "CaptureInitiated", ""))),
		sample(c, "capture.capture_declined_amazon_rejected", sticky, JSON(200, Charge(c, c.Amount, "Declined", "AmazonRejected"))),
		sample(c, "capture.capture_canceled", sticky, JSON(200, Charge(c, c.Amount, "Canceled", "ExpiredUnused"))),
		sample(c, "capture.capture_authorized", unknown, JSON(200, Charge(c, c.Amount, "Authorized", ""))),
		asked(q, c, "query.capture_captured", effect, "Captured", ""),
		asked(q, c, "query.capture_capture_initiated", pending, "CaptureInitiated", ""),
		asked(q, c, "query.capture_declined_processing_failure", sticky, "Declined", "ProcessingFailure"),
		asked(q, c, "query.capture_canceled", sticky, "Canceled", ""),
		asked(q, c, "query.capture_authorized", unknown, "Authorized", ""),
		elsewhere,
		sample(v, "void.void_canceled", effect, JSON(200, Charge(v, v.Amount, "Canceled", "MerchantCanceled"))),
		sample(v, "void.void_captured", sticky, JSON(200, Charge(v, v.Amount, "Captured", ""))),
		sample(v, "any.invalid_charge_status", unknown, Error(422, "InvalidChargeStatus", "No.")),
		asked(q, v, "query.void_canceled", effect, "Canceled", "MerchantCanceled"),
		asked(q, v, "query.void_captured", sticky, "Captured", ""),
		asked(q, v, "query.void_declined", sticky, "Declined", "SoftDeclined"),
		asked(q, v, "query.void_authorized", unknown, "Authorized", ""),
		sample(r, "refund.refund_initiated", pending, JSON(201, Refund(r, r.Amount, "RefundInitiated", ""))),
		sample(r, "refund.refunded", effect, JSON(201, Refund(r, r.Amount, "Refunded", ""))),
		sample(r, "refund.refund_declined", sticky, JSON(201, Refund(r, r.Amount, "Declined", ""))),
		asked(q, r, "query.refund_initiated", pending, "RefundInitiated", ""),
		asked(q, r, "query.refunded", effect, "Refunded", ""),
		asked(q, r, "query.refund_declined_amazon_rejected", sticky, "Declined", "AmazonRejected"),
		asked(q, r, "query.refund_declined_processing_failure", sticky, "Declined", "ProcessingFailure"),
		asked(q, r, "query.refund_declined", sticky, "Declined", "SomethingNew"),
	}
}
