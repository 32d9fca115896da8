package sandbox_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// Goal: nothing that can be delivered makes the driver panic, or tells what is not
// signed.
func FuzzWebhook(f *testing.F) { providertest.FuzzWebhook(f, contract()) }

// contractWebhooks is how the simulator tells what happened.
func contractWebhooks() *providertest.Webhooks {
	return &providertest.Webhooks{
		New: func(secrets ...providers.Secret) providers.Driver {
			return sandbox.New(sandbox.Config{MerchantID: "m-1", Credential: "sandbox_sk_first", WebhookSecrets: secrets})
		},
		Secrets: [3]providers.Secret{"first webhook secret", "second webhook secret", "another's webhook secret"},
		Deliver: func(secret providers.Secret, body []byte, at time.Time) providers.Delivery {
			return providers.Delivery{
				Method: http.MethodPost, Path: "/webhooks/main", Body: body,
				Header: http.Header{"Acquit-Sandbox-Signature": {simulator.Signature(string(secret), body, at)}},
			}
		},
		Tellings: contractTellings(),
	}
}

// contractTellings are the events of each verb.
func contractTellings() []providertest.Telling {
	at := time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC)
	auth, capture := contractSend(payment.MethodAuthorize), contractSend(payment.MethodCapture)
	refund, void := contractSend(payment.MethodRefund), contractSend(payment.MethodVoid)
	telling := func(id string, s payment.Send, status, code string, more map[string]any, want payment.Event) providertest.Telling {
		o := contractObject(s, s.Amount, status)
		maps.Copy(o, more)
		want.ID, want.Time, want.Method, want.Reference, want.Parent = id, at, s.Method, s.Reference, s.Parent
		want.Answer.Code, want.Answer.Reference, want.Answer.OurEcho, want.Answer.ObjectFound = code, "obj_1", s.Reference, true
		return providertest.Telling{Name: id, Body: happening(id, string(s.Method)+"."+status, at, o), Want: providers.Told{Events: []payment.Event{want}}}
	}
	done := func(s payment.Send) payment.Answer { return payment.Answer{Amount: &s.Amount} }
	taken := done(auth)
	taken.Captured = true
	captured := done(capture)
	captured.Captured = true
	outside := func(kind payment.OutsideKind, s payment.Send) *payment.Outside {
		return &payment.Outside{Kind: kind, Object: "obj_1", Amount: s.Amount.MinorUnits}
	}
	return []providertest.Telling{
		telling("evt_authorized", auth, "authorized", "authorized", nil, payment.Event{Answer: done(auth)}),
		telling("evt_taken", auth, "captured", "captured", nil, payment.Event{Answer: taken}),
		telling("evt_pending", auth, "pending", "pending", nil, payment.Event{}),
		telling("evt_declined", auth, "declined", "declined", map[string]any{"decline_code": "lost_card"}, payment.Event{Answer: payment.Answer{Decline: "lost_card"}}),
		telling("evt_captured", capture, "succeeded", "captured", nil, payment.Event{Answer: captured, Outside: outside(payment.OutsideCapture, capture)}),
		telling("evt_refunded", refund, "succeeded", "refunded", nil, payment.Event{Answer: done(refund), Outside: outside(payment.OutsideRefund, refund)}),
		telling("evt_failed", refund, "failed", "failed", map[string]any{"failure_code": "refund_failed"}, payment.Event{Answer: payment.Answer{Decline: "refund_failed"}}),
		telling("evt_voided", void, "succeeded", "voided", nil, payment.Event{Answer: done(void), Outside: outside(payment.OutsideVoid, void)}),
		{Name: "of no use", Body: happening("evt_new", "payout.made", at, map[string]any{"kind": "payout"}), Want: providers.Told{Unread: []string{"payout.made"}}},
	}
}

func happening(id, kind string, at time.Time, object map[string]any) []byte {
	raw, err := json.Marshal(map[string]any{"id": id, "type": kind, "created": at, "object": object})
	if err != nil {
		raw = []byte(err.Error())
	}
	return raw
}
