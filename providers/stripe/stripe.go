// Package stripe is the driver of Stripe's PaymentIntents.
//
// An authorization is one POST that creates and confirms a PaymentIntent; its
// capture and its void are calls on that intent, a refund is an object of its
// own. The driver is pure, and guarantees that an effect is reported only with
// the object that shows it: a capture that a look-up finds is ours only if it
// left our reference on the intent. What it cannot read has no code.
//
// stripe-go gives the parameters, their encoding and the types of the answers.
// Its client is not used: it makes the bytes while it sends them, repeats
// requests by itself and makes keys of its own.
//
// It serves cards, by the id of a PaymentMethod or of a ConfirmationToken. It
// never confirms an intent again, which would charge anew, and captures an
// intent once. It does not send the network's transaction id of an earlier
// payment: Stripe keeps that with the PaymentMethod.
//
// It was held to Stripe's own description of its API and to a simulator, not yet
// to Stripe itself.
//
// Sources: Stripe API of stripe.APIVersion; docs.stripe.com on idempotent
// requests, low-level errors, declines, currencies and search.
package stripe

import (
	"context"
	"net/http"
	"time"

	stripego "github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/form"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Name is the driver's name in configuration, records and the mapping table.
const Name = "stripe"

// Address is where Stripe's API is, in play as in earnest: the key tells which.
const Address = "https://api.stripe.com"

// Config is what tells one account's driver from another's.
type Config struct {
	// ConnectedAccount is the acct_… on whose behalf a platform acts; "" for the key's own.
	ConnectedAccount string
	// Credential is a secret or restricted key.
	Credential providers.Secret
	// WebhookSecrets are those of the account's endpoint, whsec_…: two while one
	// replaces the other.
	WebhookSecrets []providers.Secret
}

// Driver speaks to Stripe for one account.
type Driver struct{ cfg Config }

var _ providers.Driver = (*Driver)(nil)

// New returns the driver of an account.
func New(c Config) *Driver { return &Driver{c} }

// Traits implements providers.Driver.
func (*Driver) Traits() payment.Traits {
	return payment.Traits{
		Driver:           Name,
		Methods:          []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid},
		ManualCapture:    true,
		AutomaticCapture: true,
		MultipleCaptures: false, // a partial capture releases the rest, docs.stripe.com/payments/place-a-hold-on-a-payment-method
		Query:            true,
		Fence:            payment.FenceByObject,  // POST /v1/payment_intents/{id}/cancel
		Completion:       payment.CompletionLook, // a confirmation would charge anew; the intent knows what the payer did
		ResendWindow:     20 * time.Hour,         // keys live for 24 h at least, docs.stripe.com/api/idempotent_requests
		KeyMax:           255,                    // the same page
		// Sources disagree: keys are unique in an account, or for an API key. So another
		// key of the account may not know them.
		KeyScope: payment.KeyScopeCredential,
	}
}

// Sign implements providers.Driver.
func (d *Driver) Sign(_ context.Context, r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+string(d.cfg.Credential))
	return nil
}

// post is a request that has an effect.
func (d *Driver) post(path, template string, key payment.ProviderKey, params any) providers.Request {
	header := d.header()
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Idempotency-Key", string(key))
	return providers.Request{
		Method: http.MethodPost, Path: path, Template: template, Key: key, Header: header, Body: []byte(encoded(params)),
	}
}

// get is a request that has none.
func (d *Driver) get(path, template string, params any) providers.Request {
	if query := encoded(params); query != "" {
		path += "?" + query
	}
	return providers.Request{Method: http.MethodGet, Path: path, Template: template, Header: d.header()}
}

// encoded is the form of params: fields in the order of their type, maps by key.
func encoded(params any) string {
	values := &form.Values{}
	form.AppendTo(values, params)
	return values.Encode()
}

func (d *Driver) header() http.Header {
	h := http.Header{"Stripe-Version": {stripego.APIVersion}}
	if d.cfg.ConnectedAccount != "" {
		h.Set("Stripe-Account", d.cfg.ConnectedAccount)
	}
	return h
}
