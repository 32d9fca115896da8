// Package registry is the explicit list of drivers: the one place to add one.
//
// It turns the configuration of an account into a driver and the target that
// attempts on the account are recorded with, and refuses what would mix play
// money with money: a live credential with a sandbox's host, and the reverse.
// It does no I/O.
package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/truelayer"
)

// Account is the configuration of a provider account, as far as drivers need it.
type Account struct {
	Name payment.AccountName
	// Environment says whether the account moves money.
	Environment payment.Environment
	// BaseURL is the scheme and host of the provider's API; "" for the driver's own
	// Address of it.
	BaseURL string
	// Region is the provider's, for drivers that have regions.
	Region string
	// MerchantID names the merchant, for drivers where a credential does not.
	MerchantID string
	// MerchantName is how shoppers are shown the merchant, for drivers that say so.
	MerchantName string
	Credential   providers.Secret
	// WebhookSecrets are what the provider signs its deliveries with: two while one
	// replaces the other, none where the account takes no webhooks.
	WebhookSecrets []providers.Secret
	// Fetch gets what a provider publishes under https, for drivers whose provider
	// signs deliveries with a certificate. Without it they believe none.
	Fetch func(ctx context.Context, address string) ([]byte, error)
	// Tokens gets access tokens, for drivers whose credential is not sent with each
	// request but exchanged for one. Without it they send nothing.
	Tokens truelayer.Tokens
}

// entry is a driver in the list.
type entry struct {
	name string
	// address is the scheme and host of the provider's API; "" where an account must say.
	address string
	// complete refuses a configuration that is not this driver's, and fills in what
	// the driver takes for granted.
	complete func(Account) (Account, error)
	make     func(Account) (providers.Driver, error)
}

// list is the list.
func list() []entry {
	return []entry{
		{sandbox.Name, "", completeSandbox, func(a Account) (providers.Driver, error) {
			return sandbox.New(sandbox.Config{MerchantID: a.MerchantID, Credential: a.Credential, WebhookSecrets: a.WebhookSecrets}), nil
		}},
		{stripe.Name, stripe.Address, completeStripe, func(a Account) (providers.Driver, error) {
			return stripe.New(stripe.Config{ConnectedAccount: a.MerchantID, Credential: a.Credential, WebhookSecrets: a.WebhookSecrets}), nil
		}},
		{adyen.Name, adyen.Address, completeAdyen, func(a Account) (providers.Driver, error) {
			return adyen.New(adyen.Config{
				MerchantAccount: a.MerchantID, Live: a.Environment == payment.EnvironmentLive, Credential: a.Credential, WebhookSecrets: a.WebhookSecrets,
			}), nil
		}},
		{amazonpay.Name, "", completeAmazonPay, func(a Account) (providers.Driver, error) {
			return amazonpay.New(amazonpay.Config{
				Region: a.Region, Live: a.Environment == payment.EnvironmentLive, MerchantID: a.MerchantID, Credential: a.Credential,
				Topics: a.WebhookSecrets, Fetch: a.Fetch,
			})
		}},
		{truelayer.Name, "", completeTrueLayer, func(a Account) (providers.Driver, error) {
			return truelayer.New(truelayer.Config{
				Live: a.Environment == payment.EnvironmentLive, MerchantAccountID: a.MerchantID, MerchantName: a.MerchantName,
				Credential: a.Credential, WebhookPaths: a.WebhookSecrets, Tokens: a.Tokens, Fetch: a.Fetch,
			})
		}},
	}
}

// Drivers names the drivers there are, in the order of the list.
func Drivers() []string {
	var names []string
	for _, e := range list() {
		names = append(names, e.name)
	}
	return names
}

// Address is the scheme and host at which the driver's provider is in a region of
// its; "" where each account says its own, where the environment tells, and for a driver
// or region that is not known. The target that New returns has the host in any case.
func Address(driver, region string) string {
	if driver == amazonpay.Name {
		return amazonpay.Address(region)
	}
	for _, e := range list() {
		if e.name == driver {
			return e.address
		}
	}
	return ""
}

// MayFetch reports whether a driver's provider publishes at a host what Account.Fetch gets: the
// limit of the fetcher that accounts share.
func MayFetch(host string) bool {
	return amazonpay.CertificateHost(host) || host == truelayer.KeyHost(true) || host == truelayer.KeyHost(false)
}

// MayGrant reports whether a host gives the access tokens of Account.Tokens. They are
// kept apart from what is fetched for webhooks, which strangers have a hand in.
func MayGrant(host string) bool {
	return host == truelayer.TokenHost(true) || host == truelayer.TokenHost(false)
}

// New returns the driver of an account and the target of its attempts. Errors
// name the account and what is wrong, never the credential.
func New(driver string, a Account) (providers.Driver, payment.Target, error) {
	fail := func(err error) (providers.Driver, payment.Target, error) {
		return nil, payment.Target{}, fmt.Errorf("account %s: %w", a.Name, err)
	}
	i := slices.IndexFunc(list(), func(e entry) bool { return e.name == driver })
	if i < 0 {
		return fail(fmt.Errorf("no driver is named %q; there are %s", driver, strings.Join(Drivers(), ", ")))
	}
	if a.Environment != payment.EnvironmentSandbox && a.Environment != payment.EnvironmentLive {
		return fail(fmt.Errorf("environment %q is neither sandbox nor live", a.Environment))
	}
	if a.Credential == "" {
		return fail(errors.New("no credential"))
	}
	a.BaseURL = cmp.Or(a.BaseURL, Address(driver, a.Region))
	e := list()[i]
	a, err := e.complete(a)
	if err != nil {
		return fail(err)
	}
	base, err := url.Parse(a.BaseURL)
	if err != nil || base.Host == "" {
		return fail(errors.New("the base URL is not an absolute URL")) // the error itself quotes it
	}
	d, err := e.make(a)
	if err != nil {
		return fail(err)
	}
	return d, payment.Target{
		Driver: driver, Environment: a.Environment, Host: base.Host, Region: a.Region, MerchantID: a.MerchantID,
	}, nil
}

func completeSandbox(a Account) (Account, error) {
	if a.Environment != payment.EnvironmentSandbox {
		return a, errors.New("the sandbox driver moves no money: its environment is sandbox")
	}
	if !strings.HasPrefix(string(a.Credential), sandbox.CredentialPrefix) {
		return a, fmt.Errorf("a credential of the sandbox begins with %s; this one may be a live one", sandbox.CredentialPrefix)
	}
	// Accounts of one sandbox are different merchants, or a look-up by our reference,
	// which is the same on every account, would find what another account did.
	a.MerchantID = cmp.Or(a.MerchantID, string(a.Name))
	return a, nil
}

// completeStripe tells play money from money by the key, since the host is the
// same. A live account leads nowhere but to Stripe: what stands elsewhere would be
// believed about people's money.
func completeStripe(a Account) (Account, error) {
	mode := map[payment.Environment]string{payment.EnvironmentSandbox: "test", payment.EnvironmentLive: "live"}[a.Environment]
	key := string(a.Credential)
	switch {
	case !strings.HasPrefix(key, "sk_"+mode+"_") && !strings.HasPrefix(key, "rk_"+mode+"_"):
		return a, fmt.Errorf("a Stripe key of environment %s begins with sk_%s_ or rk_%s_; this one may be of the other environment", a.Environment, mode, mode)
	case a.Environment == payment.EnvironmentLive && strings.TrimSuffix(a.BaseURL, "/") != stripe.Address:
		return a, errors.New("a live account of Stripe leads to " + stripe.Address)
	case slices.ContainsFunc(a.WebhookSecrets, func(s providers.Secret) bool { return !strings.HasPrefix(string(s), "whsec_") }):
		return a, errors.New("what signs webhooks of Stripe begins with whsec_")
	case a.MerchantID != "" && !strings.HasPrefix(a.MerchantID, "acct_"):
		return a, errors.New("the merchant id of a Stripe account is a connected account, acct_…, or empty")
	case a.Region != "":
		return a, errors.New("a Stripe account has no region")
	}
	return a, nil
}

// completeAdyen tells play money from money by the host, since keys of both look
// alike. A live account leads to a host of its company in one region, which keys
// are not known beyond; that host is part of every attempt's target.
func completeAdyen(a Account) (Account, error) {
	const live = "-checkout-live.adyenpayments.com"
	base, err := url.Parse(a.BaseURL)
	if err != nil {
		return a, errors.New("the base URL is malformed")
	}
	prefix, earnest := strings.CutSuffix(strings.ToLower(base.Host), live)
	earnest = earnest && base.Scheme == "https" && prefix != "" && strings.Trim(prefix, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	switch {
	case a.MerchantID == "":
		return a, errors.New("the merchant id of an Adyen account is its merchant account, and required")
	case a.Environment == payment.EnvironmentLive && !earnest:
		return a, errors.New("a live account of Adyen leads to https://PREFIX" + live + ", where PREFIX is the company's")
	case a.Environment == payment.EnvironmentSandbox && strings.HasSuffix(strings.ToLower(base.Hostname()), ".adyenpayments.com"):
		return a, errors.New("a sandbox account of Adyen does not lead to its live hosts; " + adyen.Address + " is the test environment")
	}
	for _, secret := range a.WebhookSecrets {
		if key, err := hex.DecodeString(string(secret)); err != nil || len(key) < sha256.Size/2 {
			return a, errors.New("a webhook secret of an Adyen account is an HMAC key in hexadecimal digits")
		}
	}
	return a, nil
}

// completeAmazonPay pins an account to its region's host, which a live one leads to
// and nowhere else. Play money is told from money by the key, which the driver reads.
func completeAmazonPay(a Account) (Account, error) {
	address := amazonpay.Address(a.Region)
	switch {
	case address == "":
		return a, errors.New("the region of an Amazon Pay account is na, eu or jp")
	case a.Environment == payment.EnvironmentLive && strings.TrimSuffix(a.BaseURL, "/") != address:
		return a, fmt.Errorf("a live account of Amazon Pay in region %s leads to %s", a.Region, address)
	case strings.Contains(a.BaseURL, "://pay-api.amazon.") && strings.TrimSuffix(a.BaseURL, "/") != address:
		return a, fmt.Errorf("an account of Amazon Pay in region %s does not lead to another region's host", a.Region)
	}
	return a, nil
}

// completeTrueLayer tells play money from money by the host: credentials of both look
// alike, and those of one environment are not known in the other. A live account leads
// nowhere but to TrueLayer, and a sandbox account not to its live host.
func completeTrueLayer(a Account) (Account, error) {
	live := a.Environment == payment.EnvironmentLive
	a.BaseURL = cmp.Or(a.BaseURL, truelayer.Address(live))
	base, err := url.Parse(a.BaseURL)
	switch {
	case err != nil:
		return a, errors.New("the base URL is malformed")
	case live && strings.TrimSuffix(a.BaseURL, "/") != truelayer.Address(true):
		return a, errors.New("a live account of TrueLayer leads to " + truelayer.Address(true))
	case !live && strings.HasSuffix("."+strings.ToLower(base.Hostname()), ".truelayer.com"):
		return a, errors.New("a sandbox account of TrueLayer does not lead to its live hosts; " + truelayer.Address(false) + " is the sandbox")
	case a.Region != "":
		return a, errors.New("a TrueLayer account has no region")
	}
	for _, path := range a.WebhookSecrets {
		u, err := url.Parse(string(path))
		if err != nil || u.EscapedPath() != string(path) || !strings.HasPrefix(string(path), "/") || strings.Trim(string(path), "/") == "" {
			return a, errors.New("what is given as a webhook secret of a TrueLayer account is the path of the address that TrueLayer delivers to, such as /webhooks/NAME")
		}
	}
	return a, nil
}

// CredentialID names a credential in records without giving it away: the first
// half of a SHA-256. Two accounts with one credential share it.
func CredentialID(s providers.Secret) string {
	h := sha256.New()
	payment.WriteParts(h, "acquit-credential-1", string(s))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
