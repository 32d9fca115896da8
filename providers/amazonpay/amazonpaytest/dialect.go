// Package amazonpaytest speaks Amazon Pay's dialect for tests: the charges, refunds
// and errors that it answers with, as far as its driver reads them, credentials to
// sign with, and the contract that the driver is held to.
//
// The shapes are those of Amazon's reference of version 2 of its API; nothing here
// was recorded from a live account. The key is the one that the unit tests of
// amzn/amazon-pay-api-sdk-java publish; see testdata/README.md.
package amazonpaytest

import (
	"cmp"
	_ "embed"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
)

//go:embed testdata/unit_test_private_key.txt
var privateKey string

//go:embed testdata/unit_test_public_key.txt
var publicKey string

// Permission is the charge permission that a buyer gave.
const Permission = "S01-1234567-1234567"

// PublicKeyID is Amazon's id of the public key.
const PublicKeyID = "SANDBOX-AHEYMBRZ3WYUKAWZQEZQAAAA"

// PublicKey is the public key in PEM, as Amazon was given it.
func PublicKey() string { return publicKey }

// Credential is the key pair under an id that Amazon gave it.
func Credential(publicKeyID string) providers.Secret {
	return providers.Secret(publicKeyID + "\n" + privateKey)
}

// Object is a JSON object.
type Object = providertest.Object

// Price is an amount as Amazon writes it.
func Price(m payment.Money) Object {
	amount, _, _ := strings.Cut(m.String(), " ")
	return Object{"amount": amount, "currencyCode": m.CurrencyCode}
}

// Status is the state of an object, and why.
func Status(state, reason string) Object {
	s := Object{"state": state, "reasonCode": nil, "reasonDescription": nil, "lastUpdatedTimestamp": "20260101T000000Z"}
	if reason != "" {
		s["reasonCode"], s["reasonDescription"] = reason, "No."
	}
	return s
}

// Charge is the charge of a send, in a state and with an amount.
func Charge(s payment.Send, m payment.Money, state, reason string) Object {
	o := Object{
		"chargeId": cmp.Or(string(s.ProviderReference), string(s.Parent), "S01-1234567-1234567-C000001"), "chargePermissionId": Permission,
		"chargeAmount": Price(m), "captureAmount": nil, "refundedAmount": nil, "expirationTimestamp": "20260131T000000Z",
		"releaseEnvironment": "Sandbox", "statusDetails": Status(state, reason), "merchantMetadata": Object{"merchantReferenceId": "THEAUTHORIZATION"},
	}
	if s.Method == payment.MethodAuthorize {
		o["merchantMetadata"] = Object{"merchantReferenceId": s.Reference}
	}
	if state == "Captured" {
		o["captureAmount"] = Price(m)
	}
	return o
}

// Refund is the refund of a send, in a state.
func Refund(s payment.Send, m payment.Money, state, reason string) Object {
	return Object{
		"refundId": cmp.Or(string(s.ProviderReference), "S01-1234567-1234567-R000001"), "chargeId": s.Parent, "refundAmount": Price(m),
		"releaseEnvironment": "Sandbox", "statusDetails": Status(state, reason),
	}
}

// JSON is a response.
func JSON(status int, body any) providers.Response {
	return providertest.JSON(status, body, "X-Amz-Pay-Request-Id", "request-1")
}

// Error is an error of Amazon's.
func Error(status int, reason, message string) providers.Response {
	return JSON(status, Object{"reasonCode": reason, "message": message})
}
