package sandbox_test

import (
	"cmp"
	"encoding/json"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/sandbox"
)

// Goal: the sandbox's driver shows what every driver shows.
func TestContract(t *testing.T) { providertest.Run(t, contract()) }

// Goal: nothing that can be received makes the driver panic or claim an effect
// without an object.
func FuzzContract(f *testing.F) { providertest.FuzzParse(f, contract()) }

func contract() providertest.Config {
	return providertest.Config{
		New: func(c providers.Secret) providers.Driver {
			return sandbox.New(sandbox.Config{MerchantID: "m-1", Credential: c})
		},
		Credentials: [2]providers.Secret{"sandbox_sk_first", "sandbox_sk_second"},
		Send:        contractSend,
		Done: func(s payment.Send, m payment.Money) providers.Response {
			return shown(200, contractObject(s, m, doneStatus(s)))
		},
		Found: func(s payment.Send, m payment.Money) providers.Response {
			return looked(s, contractObject(s, m, doneStatus(s)))
		},
		Missing: func(s payment.Send) providers.Response {
			if s.ProviderReference != "" {
				return refusedAs(404, "not_found", "")
			}
			return shown(200, map[string]any{"data": []any{}})
		},
		Odd: func(s payment.Send) providers.Response {
			return looked(payment.Send{ProviderReference: "by id"}, contractObject(s, s.Amount, "teleported"))
		},
		Refused:  refusedAs,
		Samples:  contractSamples(),
		Webhooks: contractWebhooks(),
		Cannot: []providertest.Inability{
			{Ability: providertest.CanEcho(payment.MethodComplete), Reason: "the answer is the authorization, with the authorization's reference"},
		},
	}
}

// contractSend is a send with secrets that are long enough to be found.
func contractSend(m payment.Method) payment.Send {
	if m != payment.MethodAuthorize {
		s := furtherSend(m)
		s.Instruction.IdempotencyKey = "the caller's own"
		return s
	}
	s := fullSend()
	s.Instruction.Tokens["main"] = payment.Token{StoredID: "tok_ok_600s_secret"}
	return s
}

func doneStatus(s payment.Send) string {
	switch {
	case s.Method == payment.MethodComplete:
		return "authorized"
	case s.Method != payment.MethodAuthorize:
		return "succeeded"
	case s.Instruction.CaptureMode == payment.CaptureManual:
		return "authorized"
	}
	return "captured"
}

// contractObject is the object of a send as the sandbox shows it.
func contractObject(s payment.Send, m payment.Money, status string) map[string]any {
	o := map[string]any{
		"id": cmp.Or(string(s.ProviderReference), "obj_1"), "status": status, "amount": m.MinorUnits, "currency": m.CurrencyCode, "reference": s.Reference,
	}
	switch s.Method {
	case payment.MethodComplete: // the authorization itself
		o["id"], o["reference"] = s.Parent, "THEAUTHORIZATION"
	case payment.MethodCapture, payment.MethodRefund, payment.MethodVoid:
		o["kind"], o["parent"] = s.Method, s.Parent
	case payment.MethodAuthorize:
	}
	return o
}

func looked(s payment.Send, o map[string]any) providers.Response {
	if s.ProviderReference != "" {
		return shown(200, o)
	}
	return shown(200, map[string]any{"data": []any{o}})
}

func refusedAs(status int, code, message string) providers.Response {
	return shown(status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

func shown(status int, body any) providers.Response {
	raw, err := json.Marshal(body)
	if err != nil {
		raw = []byte(err.Error())
	}
	return providers.Response{Status: status, Body: raw}
}

// contractSamples are the documented endings of each verb.
func contractSamples() []providertest.Sample {
	decline := func(code string) map[string]any {
		return map[string]any{"error": map[string]any{"code": "declined", "decline_code": code, "message": "no", "id": "obj_1", "reference": "OURREFERENCE"}}
	}
	auth := contractSend(payment.MethodAuthorize)
	cancel := auth
	cancel.Step = payment.StepCancel(1)
	declinedObject := contractObject(auth, auth.Amount, "declined")
	declinedObject["decline_code"] = "generic"
	const sticky, notSticky = payment.EvidenceNoEffectSticky, payment.EvidenceNoEffectNotSticky
	samples := []providertest.Sample{
		{Name: "captured at once", Send: auth, Response: shown(200, contractObject(auth, auth.Amount, "captured")), Row: "sandbox.authorize.captured", Evidence: payment.EvidenceEffect},
		{Name: "pending", Send: auth, Response: shown(200, contractObject(auth, auth.Amount, "pending")), Row: "sandbox.authorize.pending", Evidence: payment.EvidencePending},
		{Name: "declined", Send: auth, Response: shown(402, decline("insufficient_funds")), Row: "sandbox.authorize.declined_insufficient_funds", Evidence: sticky, Declined: true},
		{Name: "lost card", Send: auth, Response: shown(402, decline("lost_card")), Row: "sandbox.authorize.declined_lost_card", Evidence: sticky, Declined: true},
		{Name: "declined, unlisted", Send: auth, Response: shown(402, decline("something_new")), Row: "sandbox.authorize.declined", Evidence: sticky, Declined: true},
		{Name: "limited", Send: auth, Response: refusedAs(429, "rate_limited", ""), Row: "sandbox.any.rate_limited", Evidence: notSticky},
		{Name: "unauthorized", Send: auth, Response: refusedAs(401, "unauthorized", ""), Row: "sandbox.any.unauthorized", Evidence: notSticky},
		{Name: "key in use", Send: auth, Response: refusedAs(409, "key_in_use", ""), Row: "sandbox.any.key_in_use", Evidence: payment.EvidenceUnknown},
		{Name: "key reused", Send: auth, Response: refusedAs(422, "key_reused", ""), Row: "sandbox.any.key_reused", Evidence: payment.EvidenceUnknown},
		{Name: "found captured", Send: auth, Answers: providertest.ToQuery, Response: looked(auth, contractObject(auth, auth.Amount, "captured")), Row: "sandbox.query.captured", Evidence: payment.EvidenceEffect},
		{Name: "cancelled", Send: cancel, Response: shown(200, contractObject(auth, auth.Amount, "cancelled")), Row: "sandbox.fence.cancelled", Evidence: payment.EvidenceEffect},
		{Name: "nothing to cancel", Send: cancel, Response: refusedAs(404, "nothing_found", ""), Row: "sandbox.fence.nothing_found", Evidence: sticky},
		{Name: "after the cancel, released", Send: auth, Answers: providertest.ToFenced, Response: looked(auth, contractObject(auth, auth.Amount, "cancelled")), Row: "sandbox.fenced.cancelled", Evidence: sticky},
		{Name: "after the cancel, held", Send: auth, Answers: providertest.ToFenced, Response: looked(auth, contractObject(auth, auth.Amount, "authorized")), Row: "sandbox.fenced.authorized", Evidence: payment.EvidenceUnknown},
		{Name: "after the cancel, captured", Send: auth, Answers: providertest.ToFenced, Response: looked(auth, contractObject(auth, auth.Amount, "captured")), Row: "sandbox.fenced.captured", Evidence: payment.EvidenceEffect},
		{Name: "found declined", Send: auth, Answers: providertest.ToQuery, Response: looked(auth, declinedObject), Row: "sandbox.query.declined_generic", Evidence: sticky, Declined: true},
	}
	complete := contractSend(payment.MethodComplete)
	completed := func(status string) providers.Response {
		return shown(200, contractObject(complete, complete.Amount, status))
	}
	samples = append(samples, []providertest.Sample{
		{Name: "completed", Send: complete, Response: completed("authorized"), Row: "sandbox.complete.authorized", Evidence: payment.EvidenceEffect},
		{Name: "completed and captured", Send: complete, Response: completed("captured"), Row: "sandbox.complete.captured", Evidence: payment.EvidenceEffect},
		{Name: "completed, pending", Send: complete, Response: completed("pending"), Row: "sandbox.complete.pending", Evidence: payment.EvidencePending},
		{Name: "completed, another action", Send: complete, Response: completed("requires_action"), Row: "sandbox.complete.requires_action", Evidence: payment.EvidencePending},
		{Name: "completed too late", Send: complete, Response: completed("cancelled"), Row: "sandbox.complete.cancelled", Evidence: sticky},
		{Name: "declined on completion", Send: complete, Response: shown(402, map[string]any{"error": map[string]any{
			"code": "declined", "decline_code": "authentication_required", "message": "no", "id": complete.Parent, "reference": "THEAUTHORIZATION",
		}}), Row: "sandbox.complete.declined_authentication_required", Evidence: sticky, Declined: true},
	}...)
	for _, v := range verbs() {
		s := contractSend(v.method)
		failed := contractObject(s, s.Amount, "failed")
		failed["failure_code"] = string(v.method) + "_failed"
		row := string(v.method)
		samples = append(samples, []providertest.Sample{
			{Name: row, Send: s, Response: shown(200, contractObject(s, s.Amount, "succeeded")), Row: "sandbox." + row + "." + v.done, Evidence: payment.EvidenceEffect},
			{Name: row + " pending", Send: s, Response: shown(200, contractObject(s, s.Amount, "pending")), Row: "sandbox." + row + ".pending", Evidence: payment.EvidencePending},
			{Name: row + " failed", Send: s, Response: shown(200, failed), Row: "sandbox." + row + ".failed_" + row + "_failed", Evidence: sticky},
			{Name: row + " of nothing", Send: s, Response: refusedAs(404, "no_such_authorization", ""), Row: "sandbox.any.no_such_authorization", Evidence: notSticky},
			{Name: row + " found", Send: s, Answers: providertest.ToQuery, Response: looked(s, contractObject(s, s.Amount, "succeeded")), Row: "sandbox.query." + v.done, Evidence: payment.EvidenceEffect},
			{Name: row + " found failed", Send: s, Answers: providertest.ToQuery, Response: looked(s, failed), Row: "sandbox.query.failed_" + row + "_failed", Evidence: sticky},
		}...)
	}
	return samples
}
