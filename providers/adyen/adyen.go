// Package adyen is the driver of Adyen's Checkout API, version 71.
//
// An authorization is a POST of a payment; what its shopper brings back is sent
// in another one. A capture, a void and a refund are modifications of it, which
// Adyen only accepts: their outcome is told by webhook. There is no look-up.
// What is not known is learnt by the same request under its key, by a webhook, or
// by a cancel that names our reference, whose end a webhook tells too.
//
// The driver is pure, and guarantees that an answer is believed only where it is
// about the request that was sent: the key that Adyen repeats, our reference and
// the amount must be those. An answer without its key was not processed under it,
// so that another copy of the request could be executed again: it says so by its
// code. What the driver cannot read has no code.
//
// It serves what the paymentMethod of Adyen's client libraries describes, and
// tokens that Adyen stored. It stores none, asks for no partial authorization and
// for no authentication alone, and captures a payment once: several captures are
// a setting of the merchant account that nothing here can see.
//
// It was held to Adyen's own description of its API and of its webhooks and to a
// simulator, not yet to Adyen itself.
//
// Sources: Adyen's OpenAPI descriptions of Checkout v71 and of its webhooks;
// docs.adyen.com on API idempotency, refusal reasons, currency codes and webhooks.
package adyen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Name is the driver's name in configuration, records and the mapping table.
const Name = "adyen"

// Address is where Adyen's test environment is. In earnest each company account has
// a host of its own in each of Adyen's regions.
const Address = "https://checkout-test.adyen.com"

// Config is what tells one account's driver from another's.
type Config struct {
	// MerchantAccount is Adyen's name of the account that is paid. Required.
	MerchantAccount string
	// Live says that the account moves money. Test and live have other paths, and a
	// webhook says which of them it comes from.
	Live bool
	// Credential is an API key.
	Credential providers.Secret
	// WebhookSecrets are the HMAC keys of the account's webhooks, in hexadecimal
	// digits. Without one nothing that claims to be a webhook is believed.
	WebhookSecrets []providers.Secret
}

// Driver speaks to Adyen for one account.
type Driver struct{ cfg Config }

var _ providers.Driver = (*Driver)(nil)

// New returns the driver of an account.
func New(c Config) *Driver { return &Driver{c} }

// Traits implements providers.Driver.
func (*Driver) Traits() payment.Traits {
	return payment.Traits{
		Driver: Name,
		Methods: []payment.Method{
			payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, payment.MethodComplete,
		},
		ManualCapture:    true,
		AutomaticCapture: true,
		MultipleCaptures: false,                    // by default the rest is released, docs.adyen.com/online-payments/capture
		Query:            false,                    // Checkout has no read of a payment
		Fence:            payment.FenceByReference, // POST /cancels
		Completion:       payment.CompletionSend,   // POST /payments/details
		Asynchronous:     []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid},
		ResendWindow:     7 * 24 * time.Hour, // keys live for 31 days at least, docs.adyen.com on API idempotency
		KeyMax:           64,                 // the same page
		// Keys are unique in the company account, so another credential of it knows them.
		KeyScope: payment.KeyScopeAccount,
	}
}

// Sign implements providers.Driver.
func (d *Driver) Sign(_ context.Context, r *http.Request) error {
	r.Header.Set("X-Api-Key", string(d.cfg.Credential))
	return nil
}

// post is a request that has an effect. Its path begins where the environment's does.
func (d *Driver) post(path, template string, key payment.ProviderKey, params any) (providers.Request, error) {
	root := "/v71"
	if d.cfg.Live {
		root = "/checkout/v71"
	}
	var body bytes.Buffer
	out := json.NewEncoder(&body)
	out.SetEscapeHTML(false)
	if err := out.Encode(params); err != nil {
		return providers.Request{}, fmt.Errorf("encode the body: %w", errUnencodable) // the error itself quotes it
	}
	return providers.Request{
		Method: http.MethodPost, Path: root + path, Template: root + template, Key: key,
		Header: http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {string(key)}},
		Body:   bytes.TrimSuffix(body.Bytes(), []byte("\n")),
	}, nil
}
