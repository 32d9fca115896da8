// Package amazonpay is the driver of Amazon Pay's API, version 2.
//
// An authorization is a POST of a charge on a charge permission that the buyer
// gave; its capture and its void are calls on that charge, which is captured once.
// A refund is an object of its own, only accepted at first: it is looked up, or a
// notification says that it has changed.
//
// The driver is pure, and guarantees that an effect is reported only with the
// object that shows it. Amazon looks up by its own id alone: a charge or a refund
// whose answer was lost is learnt by the same request under its key, which Amazon
// keeps for ever. A capture has no object and no reference of its own: what a
// look-up shows is taken for ours only if it is of the amount that we asked for.
// What the driver cannot read has no code.
//
// It serves charge permissions that exist; it makes no checkout session and closes
// no permission. It sends the caller's own reference, not the caller's metadata,
// for which Amazon has no place. A chargeback cannot be read: a person is told that
// there is one, and on which charge permission.
//
// It was held to vectors of Amazon's libraries and to a simulator, not yet to
// Amazon Pay itself.
//
// Sources: developer.amazon.com/docs/amazon-pay-api-v2 on charges, refunds,
// idempotency and errors, and amazon-pay-checkout on instant payment notifications;
// Amazon Pay, "Handling errors from Amazon Pay API calls"; the signing of
// amzn/amazon-pay-api-sdk-java.
package amazonpay

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Name is the driver's name in configuration, records and the mapping table.
const Name = "amazonpay"

// Address is where Amazon Pay is in a region: na, eu or jp. It is the same in play
// as in earnest, since the key tells which; "" for a region that is not known.
func Address(region string) string {
	switch region {
	case "na":
		return "https://pay-api.amazon.com"
	case "eu":
		return "https://pay-api.amazon.eu"
	case "jp":
		return "https://pay-api.amazon.jp"
	}
	return ""
}

// Config is what tells one account's driver from another's.
type Config struct {
	// Region is na, eu or jp: where the merchant account is.
	Region string
	// Live says that the account moves money. The credential must say so too.
	Live bool
	// MerchantID is Amazon's id of the merchant. If it is set, a notification of
	// another merchant is not read.
	MerchantID string
	// Credential is the id of a public key, a line break, and the private key that
	// belongs to it, in PEM. The id begins with SANDBOX- or LIVE-: one without can
	// do both, so that nothing would keep play money from money.
	Credential providers.Secret
	// Topics are the ARNs of the SNS topics that the account's notifications come
	// from. Without one nothing that claims to be a notification is believed.
	Topics []providers.Secret
	// Fetch gets what an address under https holds, which is a certificate that SNS
	// signs with. It bounds how long that takes and how much it is, and may keep it.
	// Without it no notification is believed.
	Fetch func(ctx context.Context, address string) ([]byte, error)
	// Algorithm signs the requests. Defaults to AlgorithmV2.
	Algorithm Algorithm
	// Now dates the signatures. Defaults to time.Now.
	Now func() time.Time
}

// Driver speaks to Amazon Pay for one account.
type Driver struct {
	cfg   Config
	keyID string
	key   *rsa.PrivateKey
}

var _ providers.Driver = (*Driver)(nil)

// New returns the driver of an account. Its error says what is wrong with the
// configuration, and never repeats the credential.
func New(c Config) (*Driver, error) {
	if Address(c.Region) == "" {
		return nil, errors.New("the region of an Amazon Pay account is na, eu or jp")
	}
	c.Algorithm = cmp.Or(c.Algorithm, AlgorithmV2)
	if c.Algorithm.salt() == 0 {
		return nil, errors.New("the algorithm of the signature is not known")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for _, topic := range c.Topics {
		if regionOf(string(topic)) == "" {
			return nil, errors.New("what is given as a webhook secret of an Amazon Pay account is the ARN of an SNS topic, arn:aws:sns:…")
		}
	}
	id, key, err := readCredential(c.Credential, c.Live)
	if err != nil {
		return nil, fmt.Errorf("the credential of an Amazon Pay account: %w", err)
	}
	return &Driver{cfg: c, keyID: id, key: key}, nil
}

// Traits implements providers.Driver.
func (d *Driver) Traits() payment.Traits {
	currencies := []string{"USD", "EUR", "GBP"}
	if !d.cfg.Live {
		currencies = append(currencies, "JPY") // how it is written was not seen confirmed, so no money goes that way
	}
	return payment.Traits{
		Driver:           Name,
		Methods:          []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid},
		ManualCapture:    true,
		AutomaticCapture: true,
		MultipleCaptures: false, // charge and capture are one to one, amazonpay-onboarding.com, step 5
		Query:            true,
		// GET /v2/charges/{id} and /v2/refunds/{id} are all there is. A capture and a
		// void are calls on a charge that is known.
		QueryNeedsID: []payment.Method{payment.MethodAuthorize, payment.MethodRefund},
		Fence:        payment.FenceByObject, // DELETE /v2/charges/{id}/cancel
		Asynchronous: []payment.Method{payment.MethodRefund},
		Currencies:   currencies,
		ResendWindow: 7 * 24 * time.Hour, // keys are stored indefinitely, amazon-pay-api-v2/idempotency
		KeyMax:       32,                 // the same page
		// Keys are unique to each merchant account, the same page; so another key pair of
		// it knows them.
		KeyScope: payment.KeyScopeAccount,
	}
}
