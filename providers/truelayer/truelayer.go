// Package truelayer is the driver of TrueLayer's Payments API, version 3.
//
// An authorization is a POST of a payment by bank transfer into the merchant account
// of the configuration. Its shopper is sent to TrueLayer's hosted page; the money
// moves when their bank executes what they authorized there, so nothing is held and
// nothing is captured later. A void is a cancel before that. A refund is an object of
// its own, only accepted at first. Webhooks and look-ups tell what became of each.
//
// The driver is pure, and guarantees that an effect is reported only with the object
// that shows it, settled in the merchant account; what is on its way there may still
// fail and is pending. TrueLayer looks up by its own id alone: a payment or a refund
// whose answer was lost is learnt by the same request under its key. That a cancel
// was accepted proves nothing, the payment does. What the driver cannot read has no
// code.
//
// It serves one payment at a time to a merchant account: no mandates, no payouts, no
// external accounts. Access tokens and published keys are got and kept by what it is
// given for that.
//
// It was held to vectors and fixtures of TrueLayer's libraries and to a simulator, not
// yet to TrueLayer itself.
//
// Sources: docs.truelayer.com on payments, their statuses, idempotency, signing and
// webhooks; TrueLayer, "Add idempotency to your payments requests"; the signing of
// TrueLayer/truelayer-signing.
package truelayer

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Name is the driver's name in configuration, records and the mapping table.
const Name = "truelayer"

// Address is where the API is, in play or in earnest.
func Address(live bool) string { return "https://api." + domain(live) }

// TokenHost is the only host that is asked for access tokens.
func TokenHost(live bool) string { return "auth." + domain(live) }

// KeyHost is the only host that publishes the keys which webhooks are signed with.
func KeyHost(live bool) string { return "webhooks." + domain(live) }

func domain(live bool) string {
	if live {
		return "truelayer.com"
	}
	return "truelayer-sandbox.com"
}

// Tokens gets access tokens for a form that is posted to an address under https, and
// keeps them while they are good. It is safe for concurrent use.
type Tokens interface {
	Token(ctx context.Context, address string, form url.Values) (string, error)
	// Refused forgets a token that was not taken.
	Refused(token string)
}

// Config is what tells one account's driver from another's.
type Config struct {
	// Live says that the account moves money: it decides every host.
	Live bool
	// MerchantAccountID is TrueLayer's id of the merchant account that is paid.
	// Required: nobody but the configuration says who gets the money.
	MerchantAccountID string
	// MerchantName is the holder of that account as the shopper is shown it. Empty
	// leaves it to TrueLayer.
	MerchantName string
	// Credential has a line each for the client id, the client secret and the id of the
	// signing key, and after them that key, an EC one of P-521 in PEM.
	Credential providers.Secret
	// WebhookPaths are the paths of the addresses at which TrueLayer was told to
	// deliver. TrueLayer signs for all its clients with the same keys, over the path and
	// the body: what is delivered is believed only under one of these.
	WebhookPaths []providers.Secret
	// Tokens gets the access tokens. Without it nothing is signed, so nothing is sent.
	Tokens Tokens
	// Fetch gets what an address under https holds, which is the keys that webhooks are
	// signed with. It bounds how long that takes and how much it is, and may keep it.
	// Without it no webhook is believed.
	Fetch func(ctx context.Context, address string) ([]byte, error)
}

// Driver speaks to TrueLayer for one account.
type Driver struct {
	cfg   Config
	grant url.Values // the form that access tokens are given for
	keyID string
	key   *ecdsa.PrivateKey
}

var (
	_ providers.Driver  = (*Driver)(nil)
	_ providers.Renewer = (*Driver)(nil)
)

// New returns the driver of an account. Its error says what is wrong with the
// configuration, and never repeats the credential.
func New(c Config) (*Driver, error) {
	if c.MerchantAccountID == "" {
		return nil, errors.New("the merchant id of a TrueLayer account is its merchant account, and required")
	}
	d := &Driver{cfg: c}
	if err := d.readCredential(); err != nil {
		return nil, fmt.Errorf("the credential of a TrueLayer account: %w", err)
	}
	return d, nil
}

// Traits implements providers.Driver.
func (d *Driver) Traits() payment.Traits {
	currencies := []string{"GBP", "EUR"} // docs.truelayer.com/docs/creating-a-payment
	if !d.cfg.Live {
		currencies = append(currencies, "PLN", "NOK") // seen in client libraries alone, so no money goes that way
	}
	return payment.Traits{
		Driver:           Name,
		Methods:          []payment.Method{payment.MethodAuthorize, payment.MethodRefund, payment.MethodVoid},
		AutomaticCapture: true,
		BankTransfer:     true,
		Query:            true,
		// GET /v3/payments/{id} and …/refunds/{id} are all there is. A void is a call on a
		// payment that is known.
		QueryNeedsID: []payment.Method{payment.MethodAuthorize, payment.MethodRefund},
		Fence:        payment.FenceByObject, // POST /v3/payments/{id}/actions/cancel
		ShopperFirst: true,                  // the bank executes what the shopper authorized
		Completion:   payment.CompletionLook,
		Asynchronous: []payment.Method{payment.MethodRefund, payment.MethodVoid},
		Currencies:   currencies,
		ResendWindow: 4 * time.Hour, // keys are valid for 30 days; an older page says 6 hours
		KeyMax:       36,            // of a UUID, which is advised; no limit is documented
		// That a key is the client's is assumed and not documented, so another client's
		// credential may not know it.
		KeyScope: payment.KeyScopeCredential,
	}
}
