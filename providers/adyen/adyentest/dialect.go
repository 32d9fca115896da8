// Package adyentest speaks Adyen's dialect for tests: the results, modifications
// and errors that Adyen answers with, the webhooks that it sends, as far as its
// driver reads them, and the contract that the driver is held to.
//
// The shapes are those of Adyen's OpenAPI descriptions; nothing here was recorded
// from a live account.
package adyentest

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
)

// MerchantAccount is whose account it is.
const MerchantAccount = "AcquitTest"

// WebhookSecret is the HMAC key of the account's webhooks.
const WebhookSecret = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"

// Object is a JSON object.
type Object = providertest.Object

// Amount is an amount as Adyen writes it, in Adyen's unit.
func Amount(m payment.Money) Object {
	return Object{"currency": m.CurrencyCode, "value": m.MinorUnits}
}

// Payment is the result of a payment, or of what its shopper brought back.
func Payment(s payment.Send, result string) Object {
	o := Object{"pspReference": cmp.Or(string(s.ProviderReference), "PSPREFERENCE0001"), "resultCode": result}
	switch s.Method {
	case payment.MethodAuthorize:
		o["merchantReference"] = s.Reference
	case payment.MethodComplete:
		o["merchantReference"] = s.ParentReference
	case payment.MethodCapture, payment.MethodRefund, payment.MethodVoid:
	}
	return o
}

// Refused is the result of a payment that was refused.
func Refused(s payment.Send, code, reason string) Object {
	return providertest.With(Payment(s, "Refused"), Object{"refusalReason": reason, "refusalReasonCode": code})
}

// Modification is the answer to a capture, a refund or a cancel.
func Modification(s payment.Send, m payment.Money) Object {
	o := Object{
		"merchantAccount": MerchantAccount, "reference": s.Reference, "pspReference": cmp.Or(string(s.ProviderReference), "PSPREFERENCE0002"), "status": "received",
	}
	if s.Step.Fence() {
		o["paymentReference"] = s.Reference
		return o
	}
	o["paymentPspReference"] = s.Parent
	if s.Method != payment.MethodVoid {
		o["amount"] = Amount(m)
	}
	return o
}

// JSON is a response to s, which repeats its key.
func JSON(s payment.Send, status int, body any) providers.Response {
	r := Unechoed(status, body)
	r.Header.Set("Idempotency-Key", string(s.Key))
	return r
}

// Unechoed is a response that repeats no key.
func Unechoed(status int, body any) providers.Response { return providertest.JSON(status, body) }

// Error is an error of Adyen's; transient says so in the header.
func Error(status int, kind, code, message string, transient bool) providers.Response {
	e := Object{"status": status, "message": message, "pspReference": "PSPREFERENCE0009"}
	if kind != "" {
		e["errorType"] = kind
	}
	if code != "" {
		e["errorCode"] = code
	}
	r := Unechoed(status, e)
	if transient {
		r.Header.Set("Transient-Error", "true")
	}
	return r
}

// Notification is an event of a payment of ten euro, as a webhook holds it.
func Notification(code string, success bool, more Object) Object {
	return providertest.With(Object{
		"amount": Object{"currency": "EUR", "value": 1000}, "eventCode": code, "eventDate": "2026-01-01T01:00:00+01:00",
		"merchantAccountCode": MerchantAccount, "merchantReference": "OURREFERENCE", "paymentMethod": "visa",
		"pspReference": "PSPREFERENCE0003", "reason": "", "success": fmt.Sprint(success),
	}, more)
}

// Signed is a notification with its signature under a key in hexadecimal digits.
func Signed(o Object, key string) Object {
	more := Object{}
	if had, ok := o["additionalData"].(Object); ok {
		more = maps.Clone(had)
	}
	more["hmacSignature"] = signature(o, key)
	return providertest.With(o, Object{"additionalData": more})
}

// signature is written from Adyen's description, apart from the driver's own.
func signature(o Object, key string) string {
	text := func(name string) string {
		if v, ok := o[name]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	value, currency := "", ""
	if a, ok := o["amount"].(Object); ok {
		value, currency = fmt.Sprint(a["value"]), fmt.Sprint(a["currency"])
	}
	raw, err := hex.DecodeString(key)
	if err != nil {
		return err.Error()
	}
	h := hmac.New(sha256.New, raw)
	fmt.Fprintf(h, "%s:%s:%s:%s:%s:%s:%s:%s", text("pspReference"), text("originalReference"), text("merchantAccountCode"),
		text("merchantReference"), value, currency, text("eventCode"), text("success"))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Webhook is a webhook of the test environment with these notifications.
func Webhook(notifications ...Object) []byte {
	items := []any{}
	for _, n := range notifications {
		items = append(items, Object{"NotificationRequestItem": n})
	}
	raw, err := json.Marshal(Object{"live": "false", "notificationItems": items})
	if err != nil {
		raw = []byte(err.Error())
	}
	return raw
}

// Deliver is the delivery of a webhook whose notifications are signed with a secret,
// whatever they were signed with before. What is no webhook is delivered as it is. The
// signature tells no time.
func Deliver(secret providers.Secret, body []byte, _ time.Time) providers.Delivery {
	var v struct {
		Live  any                 `json:"live"`
		Items []map[string]Object `json:"notificationItems"`
	}
	in := json.NewDecoder(bytes.NewReader(body))
	in.UseNumber() // amounts stay as they are written
	if in.Decode(&v) == nil && len(v.Items) > 0 {
		for _, item := range v.Items {
			for name, n := range item {
				item[name] = Signed(n, string(secret))
			}
		}
		raw, err := json.Marshal(Object{"live": v.Live, "notificationItems": v.Items})
		if err == nil {
			body = raw
		}
	}
	return providers.Delivery{Method: http.MethodPost, Path: "/webhooks/main", Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}
