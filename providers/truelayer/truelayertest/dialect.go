// Package truelayertest speaks TrueLayer's dialect for tests: the payments, refunds
// and errors that it answers with, as far as its driver reads them, webhooks as it
// signs them, credentials, and the contract that the driver is held to.
//
// The shapes are those of TrueLayer's reference of its Payments API, version 3, and of
// the fixtures of its libraries; nothing here was recorded from a live account. The
// key pair is the one that TrueLayer/truelayer-signing publishes; see testdata/README.md
// of the driver.
package truelayertest

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"net/http"
	"net/url"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
)

//go:embed testdata/ec512-private.pem
var privateKey string

//go:embed testdata/ec512-public.pem
var publicKey string

//go:embed testdata/jwks.json
var keySet string

const (
	// KeyID is the id of the key pair.
	KeyID = "45fc75cf-5649-4134-84b3-192c2c78e990"
	// ClientID is the client of every credential.
	ClientID = "acquit-test-client"
	// MerchantAccountID is the merchant account that is paid.
	MerchantAccountID = "e83c4c20-b2ad-4b73-8a32-000000000001"
	// KeyAddress is where the sandbox publishes the keys of its webhooks.
	KeyAddress = "https://webhooks.truelayer-sandbox.com/.well-known/jwks"
)

// PublicKey is the public key in PEM, as TrueLayer was given it.
func PublicKey() string { return publicKey }

// Credential is the key pair with a client secret.
func Credential(secret string) providers.Secret {
	return providers.Secret(ClientID + "\n" + secret + "\n" + KeyID + "\n" + privateKey)
}

// Keys publishes the key pair's public half as TrueLayer publishes what it signs
// webhooks with, at KeyAddress alone.
func Keys(_ context.Context, address string) ([]byte, error) {
	if address != KeyAddress {
		return nil, errors.New("nobody publishes keys there")
	}
	return []byte(keySet), nil
}

// Tokens gives every client the same access token.
type Tokens struct{}

// Token implements truelayer.Tokens.
func (Tokens) Token(context.Context, string, url.Values) (string, error) {
	return "eyJhbGciOiJub25lIn0.token", nil
}

// Refused implements truelayer.Tokens.
func (Tokens) Refused(string) {}

// Object is a JSON object.
type Object = providertest.Object

// Created is the answer to the request that makes a payment.
func Created(s payment.Send, status, reason string) Object {
	o := Object{
		"id": cmp.Or(string(s.ProviderReference), "c7f3f6c5-ae17-4d43-829c-000000000001"), "user": Object{"id": "ac459f9f-37df-4cd7-ada5-000000000001"},
		"status": status,
	}
	o["resource_token"] = "eyJhbGciOiJIUzI1NiJ9.resource"
	return because(o, reason)
}

// Payment is the payment that a send is about as a look-up shows it, with an amount.
func Payment(s payment.Send, m payment.Money, status, reason string) Object {
	o := Object{
		"id": cmp.Or(string(s.ProviderReference), string(s.Parent), "c7f3f6c5-ae17-4d43-829c-000000000001"), "amount_in_minor": m.MinorUnits, "currency": m.CurrencyCode,
		"user": Object{"id": "ac459f9f-37df-4cd7-ada5-000000000001"}, "created_at": "2026-03-01T11:59:00.000Z", "status": status,
		"payment_method": Object{"type": "bank_transfer", "beneficiary": Object{"type": "merchant_account", "merchant_account_id": MerchantAccountID}},
		"metadata":       Object{"acquit_reference": s.Reference},
	}
	return because(o, reason)
}

// Refund is the refund of a send as a look-up shows it.
func Refund(s payment.Send, m payment.Money, status, reason string) Object {
	o := Object{
		"id": cmp.Or(string(s.ProviderReference), "38c76ba9-322f-46a9-b754-000000000001"), "amount_in_minor": m.MinorUnits, "currency": m.CurrencyCode,
		"reference": s.Reference, "created_at": "2026-03-01T11:59:00.000Z", "status": status, "metadata": Object{"acquit_reference": s.Reference},
	}
	return because(o, reason)
}

func because(o Object, reason string) Object {
	if reason != "" {
		o["failure_reason"], o["failure_stage"] = reason, "authorizing"
	}
	return o
}

// JSON is a response.
func JSON(status int, body any) providers.Response {
	return providertest.JSON(status, body, "Tl-Should-Retry", "false")
}

// Accepted is the answer to a cancel: nothing but its status.
func Accepted() providers.Response {
	return providers.Response{Status: http.StatusAccepted, Header: http.Header{"Tl-Should-Retry": {"false"}}}
}

// Error is an error of TrueLayer's. It does not say whether to send again.
func Error(status int, title, detail string) providers.Response {
	r := JSON(status, Object{
		"type": "https://docs.truelayer.com/docs/error-types", "title": title, "status": status, "detail": detail, "trace_id": "2dcda79d9a30654d878a9daf69eeea15",
	})
	r.Header.Del("Tl-Should-Retry")
	return r
}
