package truelayertest

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
	return slices.Concat(authorizeSamples(), failureSamples(), refusalSamples(), lookUpSamples(), fenceSamples(), furtherSamples())
}

func sample(s payment.Send, row string, e payment.Evidence, r providers.Response) providertest.Sample {
	return providertest.Sample{Name: row, Send: s, Response: r, Row: "truelayer." + row, Evidence: e}
}

// declined is a sample of somebody's "no".
func declined(s providertest.Sample) providertest.Sample {
	s.Declined = true
	return s
}

// asked is a sample of a look-up, by the id that is known by then.
func asked(q providertest.Question, s payment.Send, row string, e payment.Evidence, status, reason string) providertest.Sample {
	var o Object
	if s.Method == payment.MethodRefund {
		s.ProviderReference = "38c76ba9-322f-46a9-b754-000000000001"
		o = Refund(s, s.Amount, status, reason)
	} else {
		s.ProviderReference = "c7f3f6c5-ae17-4d43-829c-000000000001"
		o = Payment(s, s.Amount, status, reason)
	}
	out := sample(s, row, e, JSON(200, o))
	out.Answers = q
	return out
}

func authorizeSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	made := func(status string) providertest.Sample {
		return sample(s, "authorize."+status, pending, JSON(201, Created(s, status, "")))
	}
	settled := Payment(s, s.Amount, "settled", "")
	return []providertest.Sample{
		made("authorization_required"),
		made("authorizing"),
		made("attempt_failed"),
		made("authorized"),
		made("executed"),
		sample(s, "authorize.settled", effect, JSON(201, settled)),
		{Name: "settled without an amount", Send: s, Response: JSON(201, Created(s, "settled", "")), Row: "any.http.2xx", Evidence: unknown},
		{Name: "without an id", Send: s, Response: JSON(201, providertest.With(settled, Object{"id": ""})), Row: "any.http.2xx", Evidence: unknown},
	}
}

func failureSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	list := []providertest.Sample{
		sample(s, "authorize.failed_provider_error", sticky, JSON(201, Created(s, "failed", "provider_error"))),
		sample(s, "authorize.failed_invalid_request", sticky, JSON(201, Created(s, "failed", "invalid_request"))),
		sample(s, "authorize.failed", sticky, JSON(201, Created(s, "failed", "failed"))), // as in a fixture of TrueLayer's
		asked(providertest.ToQuery, s, "query.failed_canceled", sticky, "failed", "canceled"),
		asked(providertest.ToQuery, s, "query.failed_user_canceled_at_provider", sticky, "failed", "user_canceled_at_provider"),
		asked(providertest.ToQuery, s, "query.failed_expired", sticky, "failed", "expired"),
		asked(providertest.ToQuery, s, "query.failed", sticky, "failed", ""),
	}
	for _, reason := range []string{"insufficient_funds", "payment_limit_exceeded", "authorization_failed", "blocked", "invalid_otp"} {
		list = append(list,
			declined(sample(s, "authorize.failed_"+reason, sticky, JSON(201, Created(s, "failed", reason)))),
			declined(asked(providertest.ToQuery, s, "query.failed_"+reason, sticky, "failed", reason)),
			declined(asked(providertest.ToFenced, s, "fenced.failed_"+reason, sticky, "failed", reason)))
	}
	return list
}

func refusalSamples() []providertest.Sample {
	s, r := Send(payment.MethodAuthorize), Send(payment.MethodRefund)
	refused := func(s payment.Send, status int, title, row string, e payment.Evidence) providertest.Sample {
		return sample(s, row, e, Error(status, title, "No."))
	}
	return []providertest.Sample{
		refused(s, 400, "Invalid Parameters", "any.invalid_parameters", notSticky),
		refused(s, 400, "Invalid State", "any.invalid_state", unknown),
		refused(r, 400, "Invalid State", "refund.invalid_state", notSticky),
		sample(s, "any.invalid_client", notSticky, JSON(400, Object{"error": "invalid_client"})),
		sample(s, "any.unauthenticated", notSticky, Error(401, "Unauthenticated", "A Bearer token must be provided in the Authorization header.")),
		sample(s, "any.unauthenticated_signature", notSticky, Error(401, "Unauthenticated", "Invalid request signature.")),
		refused(s, 403, "Forbidden", "any.forbidden", notSticky),
		refused(s, 404, "Not Found", "any.not_found", unknown),
		refused(s, 409, "Concurrency Conflict", "any.concurrency_conflict", unknown),
		refused(s, 409, "Idempotency-Key Concurrency Conflict", "any.key_in_use", unknown),
		refused(s, 409, "", "any.conflict", unknown),
		refused(s, 422, "Idempotency-Key Reuse", "any.key_reused", unknown),
		refused(s, 429, "Rate Limit Exceeded", "any.rate_limit_exceeded", notSticky),
		refused(s, 500, "Unknown Error", "any.unknown_error", unknown),
		refused(s, 502, "Provider Error", "any.provider_error", unknown),
		refused(s, 502, "Feature Not Supported", "any.feature_not_supported", unknown),
	}
}

func lookUpSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	const q = providertest.ToQuery
	return []providertest.Sample{
		asked(q, s, "query.authorization_required", pending, "authorization_required", ""),
		asked(q, s, "query.authorizing", pending, "authorizing", ""),
		asked(q, s, "query.attempt_failed", pending, "attempt_failed", ""),
		asked(q, s, "query.authorized", pending, "authorized", ""),
		asked(q, s, "query.executed", pending, "executed", ""),
		asked(q, s, "query.settled", effect, "settled", ""),
	}
}

func fenceSamples() []providertest.Sample {
	s := Send(payment.MethodAuthorize)
	fence := s
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "c7f3f6c5-ae17-4d43-829c-000000000001"
	const q = providertest.ToFenced
	return []providertest.Sample{
		sample(fence, "fence.cancel_accepted", unknown, Accepted()),
		sample(fence, "any.invalid_state", unknown, Error(400, "Invalid State", "No.")),
		asked(q, s, "fenced.authorization_required", unknown, "authorization_required", ""),
		asked(q, s, "fenced.authorizing", unknown, "authorizing", ""),
		asked(q, s, "fenced.attempt_failed", unknown, "attempt_failed", ""),
		asked(q, s, "fenced.authorized", unknown, "authorized", ""),
		asked(q, s, "fenced.executed", unknown, "executed", ""),
		asked(q, s, "fenced.settled", effect, "settled", ""),
		asked(q, s, "fenced.failed_canceled", sticky, "failed", "canceled"),
		asked(q, s, "fenced.failed_expired", sticky, "failed", "expired"),
	}
}

func furtherSamples() []providertest.Sample {
	v, r := Send(payment.MethodVoid), Send(payment.MethodRefund)
	const q = providertest.ToQuery
	return []providertest.Sample{
		sample(v, "void.cancel_accepted", pending, Accepted()),
		sample(v, "any.invalid_state", unknown, Error(400, "Invalid State", "No.")),
		asked(q, v, "query.void_failed_canceled", effect, "failed", "canceled"),
		asked(q, v, "query.void_failed", sticky, "failed", "expired"),
		asked(q, v, "query.void_executed", sticky, "executed", ""),
		asked(q, v, "query.void_settled", sticky, "settled", ""),
		asked(q, v, "query.void_authorized", unknown, "authorized", ""),
		asked(q, v, "query.void_authorization_required", unknown, "authorization_required", ""),
		sample(r, "refund.accepted", pending, JSON(202, Object{"id": "38c76ba9-322f-46a9-b754-000000000001"})),
		asked(q, r, "query.refund_pending", pending, "pending", ""),
		asked(q, r, "query.refund_authorized", pending, "authorized", ""),
		asked(q, r, "query.refund_executed", effect, "executed", ""),
		asked(q, r, "query.refund_failed_insufficient_funds", sticky, "failed", "insufficient_funds"),
		asked(q, r, "query.refund_failed_returned", sticky, "failed", "returned"),
		asked(q, r, "query.refund_failed", sticky, "failed", "something new"),
	}
}
