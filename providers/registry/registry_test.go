package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/registry"
)

func sandboxAccount() registry.Account {
	return registry.Account{
		Name: "main", Environment: payment.EnvironmentSandbox, BaseURL: "http://127.0.0.1:7403",
		Region: "eu", MerchantID: "m-1", Credential: "sandbox_sk_secret",
	}
}

// Goal: a good account gives its driver and the target that attempts are
// recorded with.
func TestNew(t *testing.T) {
	d, target, err := registry.New("sandbox", sandboxAccount())
	if err != nil {
		t.Fatal(err)
	}
	want := payment.Target{Driver: "sandbox", Environment: payment.EnvironmentSandbox, Host: "127.0.0.1:7403", Region: "eu", MerchantID: "m-1"}
	if diff := cmp.Diff(want, target); diff != "" || d.Traits().Driver != "sandbox" {
		t.Errorf("driver %s, target (-want +got):\n%s", d.Traits().Driver, diff)
	}
}

// Goal: two accounts of one sandbox do not see each other's objects.
func TestSandboxAccountsAreMerchantsOfTheirOwn(t *testing.T) {
	a := sandboxAccount()
	a.MerchantID = ""
	d, target, err := registry.New("sandbox", a)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Query(payment.Send{Method: payment.MethodAuthorize, Reference: "REF"})
	if err != nil || target.MerchantID != "main" || r.Header.Get("Sandbox-Merchant") != "main" {
		t.Errorf("target %+v, header %v, error %v; want merchant main", target, r.Header, err)
	}
}

// Goal: no account mixes play money with money, and no error shows a credential.
//
// Shows R9.
func TestNewRefuses(t *testing.T) {
	cases := map[string]struct {
		driver string
		change func(*registry.Account)
		why    string
	}{
		"an unknown driver":              {"paypal", func(*registry.Account) {}, `no driver is named "paypal"; there are sandbox, stripe, adyen, amazonpay, truelayer`},
		"a sandbox that is live":         {"sandbox", func(a *registry.Account) { a.Environment = payment.EnvironmentLive }, "moves no money"},
		"a live credential in a sandbox": {"sandbox", func(a *registry.Account) { a.Credential = "sk_live_secret" }, "may be a live one"},
		"no environment":                 {"sandbox", func(a *registry.Account) { a.Environment = "" }, "neither sandbox nor live"},
		"no credential":                  {"sandbox", func(a *registry.Account) { a.Credential = "" }, "no credential"},
		"no base URL":                    {"sandbox", func(a *registry.Account) { a.BaseURL = "" }, "not an absolute URL"},
		"a base URL without host":        {"sandbox", func(a *registry.Account) { a.BaseURL = "/secret" }, "not an absolute URL"},
		"a malformed base URL":           {"sandbox", func(a *registry.Account) { a.BaseURL = "http://secret%zz" }, "not an absolute URL"},
	}
	for name, c := range cases {
		a := sandboxAccount()
		c.change(&a)
		_, _, err := registry.New(c.driver, a)
		if err == nil || !strings.Contains(err.Error(), c.why) || !strings.HasPrefix(err.Error(), "account main: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.why)
		}
	}
}

func stripeAccount() registry.Account {
	return registry.Account{Name: "main", Environment: payment.EnvironmentLive, Credential: "sk_live_secret"}
}

// Goal: an account of Stripe needs no address, in either environment, and acts
// for a connected account where one is named.
func TestStripe(t *testing.T) {
	for environment, key := range map[payment.Environment]providers.Secret{
		payment.EnvironmentLive: "rk_live_secret", payment.EnvironmentSandbox: "sk_test_secret",
	} {
		a := stripeAccount()
		a.Environment, a.Credential, a.MerchantID = environment, key, "acct_1"
		d, target, err := registry.New("stripe", a)
		if err != nil {
			t.Fatal(err)
		}
		want := payment.Target{Driver: "stripe", Environment: environment, Host: "api.stripe.com", MerchantID: "acct_1"}
		if diff := cmp.Diff(want, target); diff != "" || registry.Address("stripe", "") != "https://api.stripe.com" {
			t.Errorf("address %s, target (-want +got):\n%s", registry.Address("stripe", ""), diff)
		}
		r, err := d.Query(payment.Send{Method: payment.MethodAuthorize, Reference: "REF"})
		if err != nil || r.Header.Get("Stripe-Account") != "acct_1" {
			t.Errorf("header %v, error %v", r.Header, err)
		}
	}
}

// Goal: no account of Stripe mixes play money with money, or leads live keys
// elsewhere; no error shows a key.
//
// Shows R9.
func TestStripeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*registry.Account)
		why    string
	}{
		"a test key in earnest":             {func(a *registry.Account) { a.Credential = "sk_test_secret" }, "sk_live_"},
		"a restricted test key in earnest":  {func(a *registry.Account) { a.Credential = "rk_test_secret" }, "sk_live_"},
		"a live key in a sandbox":           {func(a *registry.Account) { a.Environment = payment.EnvironmentSandbox }, "sk_test_"},
		"a restricted live key in one":      {func(a *registry.Account) { a.Environment, a.Credential = payment.EnvironmentSandbox, "rk_live_secret" }, "sk_test_"},
		"a publishable key":                 {func(a *registry.Account) { a.Credential = "pk_live_secret" }, "sk_live_"},
		"a key of something else":           {func(a *registry.Account) { a.Credential = "secret" }, "sk_live_"},
		"a live account elsewhere":          {func(a *registry.Account) { a.BaseURL = "https://api.stripe.com.example" }, "leads to https://api.stripe.com"},
		"a live account without encryption": {func(a *registry.Account) { a.BaseURL = "http://api.stripe.com" }, "leads to https://api.stripe.com"},
		"a merchant that is none":           {func(a *registry.Account) { a.MerchantID = "secret" }, "acct_"},
		"a webhook secret of another kind":  {func(a *registry.Account) { a.WebhookSecrets = []providers.Secret{"whsec_a", "secret"} }, "whsec_"},
		"a region":                          {func(a *registry.Account) { a.Region = "eu" }, "no region"},
	} {
		a := stripeAccount()
		c.change(&a)
		_, _, err := registry.New("stripe", a)
		if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.why)
		}
	}
}

func adyenAccount() registry.Account {
	return registry.Account{
		Name: "main", Environment: payment.EnvironmentLive, BaseURL: "https://1797a841fbb37ca7-acquit-checkout-live.adyenpayments.com",
		Region: "eu", MerchantID: "AcquitCOM", Credential: "AQEsecret", WebhookSecrets: []providers.Secret{"00112233445566778899aabbccddeeff"},
	}
}

// Goal: an account of Adyen is pinned to a host and a region, and asks on the
// paths of its environment. Method: one in earnest, and one in the test environment,
// which needs no address.
//
// Shows R20.
func TestAdyen(t *testing.T) {
	for path, c := range map[string]struct {
		change func(*registry.Account)
		host   string
	}{
		"/checkout/v71/payments/PSP/cancels": {func(*registry.Account) {}, "1797a841fbb37ca7-acquit-checkout-live.adyenpayments.com"},
		"/v71/payments/PSP/cancels": {func(a *registry.Account) {
			a.Environment, a.BaseURL = payment.EnvironmentSandbox, ""
		}, "checkout-test.adyen.com"},
	} {
		a := adyenAccount()
		c.change(&a)
		d, target, err := registry.New("adyen", a)
		if err != nil {
			t.Fatal(err)
		}
		want := payment.Target{Driver: "adyen", Environment: a.Environment, Host: c.host, Region: "eu", MerchantID: "AcquitCOM"}
		if diff := cmp.Diff(want, target); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
		r, err := d.Build(payment.Send{Method: payment.MethodVoid, Step: payment.StepMain, Parent: "PSP", Reference: "REF", Key: "key"})
		if err != nil || r.Path != path || !strings.Contains(string(r.Body), `"merchantAccount":"AcquitCOM"`) {
			t.Errorf("path %s, body %s, error %v; want %s", r.Path, r.Body, err, path)
		}
	}
}

// Goal: no account of Adyen mixes play money with money, or has keys that cannot
// be ones; no error shows a secret.
//
// Shows R9.
func TestAdyenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*registry.Account)
		why    string
	}{
		"no merchant account":                    {func(a *registry.Account) { a.MerchantID = "" }, "merchant account"},
		"a live account without an address":      {func(a *registry.Account) { a.BaseURL = "" }, "leads to https://PREFIX"},
		"a live account in the test environment": {func(a *registry.Account) { a.BaseURL = "https://checkout-test.adyen.com" }, "leads to https://PREFIX"},
		"a live account without a prefix":        {func(a *registry.Account) { a.BaseURL = "https://-checkout-live.adyenpayments.com" }, "leads to https://PREFIX"},
		"a live account without encryption":      {func(a *registry.Account) { a.BaseURL = strings.Replace(a.BaseURL, "https", "http", 1) }, "leads to https://PREFIX"},
		"a live account elsewhere":               {func(a *registry.Account) { a.BaseURL += ".example" }, "leads to https://PREFIX"},
		"a live account under another's name":    {func(a *registry.Account) { a.BaseURL = "https://x.example/-checkout-live.adyenpayments.com" }, "leads to https://PREFIX"},
		"a live account at another port":         {func(a *registry.Account) { a.BaseURL += ":444" }, "leads to https://PREFIX"},
		"a sandbox at a live host":               {func(a *registry.Account) { a.Environment = payment.EnvironmentSandbox }, "does not lead to its live hosts"},
		"a sandbox at a live host's port": {func(a *registry.Account) {
			a.Environment, a.BaseURL = payment.EnvironmentSandbox, a.BaseURL+":443"
		}, "does not lead to its live hosts"},
		"a webhook secret that is no number": {func(a *registry.Account) { a.WebhookSecrets = append(a.WebhookSecrets, "whsec_secret") }, "hexadecimal"},
		"a webhook secret that is too short": {func(a *registry.Account) { a.WebhookSecrets = []providers.Secret{"5ec7e7"} }, "hexadecimal"},
	} {
		a := adyenAccount()
		c.change(&a)
		_, _, err := registry.New("adyen", a)
		if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secret_") || strings.Contains(err.Error(), "5ec7e7") || strings.Contains(err.Error(), "AQEsecret") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.why)
		}
	}
}

// Goal: every driver in the list declares itself under the name it is listed by.
func TestDriversAreListedUnderTheirNames(t *testing.T) {
	if !slices.Equal(registry.Drivers(), []string{"sandbox", "stripe", "adyen", "amazonpay", "truelayer"}) {
		t.Errorf("drivers %v", registry.Drivers())
	}
}

// Goal: the id of a credential is stable, tells credentials apart, and is none.
func TestCredentialID(t *testing.T) {
	a, b := registry.CredentialID("sandbox_sk_a"), registry.CredentialID("sandbox_sk_b")
	if a != registry.CredentialID("sandbox_sk_a") || a == b || len(a) != 32 || strings.Contains(a, "sandbox") {
		t.Errorf("ids %s and %s", a, b)
	}
}

func amazonAccount() registry.Account {
	return registry.Account{
		Name: "main", Environment: payment.EnvironmentSandbox, Region: "eu", MerchantID: amazonpaytest.MerchantID,
		Credential: amazonpaytest.Credential(amazonpaytest.PublicKeyID), WebhookSecrets: []providers.Secret{amazonpaytest.Topic},
	}
}

// Goal: an account of Amazon Pay leads to its region's host, and asks there on one
// path in play as in earnest. Method: one in each region and environment.
func TestAmazonPay(t *testing.T) {
	for region, host := range map[string]string{"na": "pay-api.amazon.com", "eu": "pay-api.amazon.eu", "jp": "pay-api.amazon.jp"} {
		for environment, key := range map[payment.Environment]string{payment.EnvironmentSandbox: "SANDBOX-A", payment.EnvironmentLive: "LIVE-A"} {
			a := amazonAccount()
			a.Region, a.Environment, a.Credential = region, environment, amazonpaytest.Credential(key)
			d, target, err := registry.New("amazonpay", a)
			if err != nil {
				t.Fatal(err)
			}
			want := payment.Target{Driver: "amazonpay", Environment: environment, Host: host, Region: region, MerchantID: amazonpaytest.MerchantID}
			if diff := cmp.Diff(want, target); diff != "" || registry.Address("amazonpay", region) != "https://"+host {
				t.Errorf("address %s, target (-want +got):\n%s", registry.Address("amazonpay", region), diff)
			}
			r, err := d.Build(amazonpaytest.Send(payment.MethodAuthorize))
			if err != nil || r.Path != "/v2/charges" || r.Header.Get("X-Amz-Pay-Region") != region {
				t.Errorf("path %s, header %v, error %v", r.Path, r.Header, err)
			}
		}
	}
}

// Goal: no account of Amazon Pay mixes play money with money, or regions, and no
// error shows the credential.
//
// Shows R9.
func TestAmazonPayRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*registry.Account)
		why    string
	}{
		"a live account with a sandbox's key": {func(a *registry.Account) { a.Environment = payment.EnvironmentLive }, "begins with LIVE-"},
		"a sandbox with a live key":           {func(a *registry.Account) { a.Credential = amazonpaytest.Credential("LIVE-A") }, "begins with SANDBOX-"},
		"a live account elsewhere": {func(a *registry.Account) {
			a.Environment, a.BaseURL, a.Credential = payment.EnvironmentLive, "https://pay-api.amazon.eu.example", amazonpaytest.Credential("LIVE-A")
		}, "leads to https://pay-api.amazon.eu"},
		"another region's host":       {func(a *registry.Account) { a.BaseURL = "https://pay-api.amazon.com" }, "another region's host"},
		"a region that is none":       {func(a *registry.Account) { a.Region, a.BaseURL = "us", "https://pay-api.amazon.com" }, "na, eu or jp"},
		"no region":                   {func(a *registry.Account) { a.Region = "" }, "na, eu or jp"},
		"a secret in place of topics": {func(a *registry.Account) { a.WebhookSecrets = []providers.Secret{"secret"} }, "arn:aws:sns"},
	} {
		a := amazonAccount()
		c.change(&a)
		if _, _, err := registry.New("amazonpay", a); err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: error %v, want one about %q", name, err, c.why)
		}
	}
}

// Goal: what accounts fetch comes from their providers alone.
func TestMayFetch(t *testing.T) {
	for host, want := range map[string]bool{
		"sns.eu-west-1.amazonaws.com": true, "webhooks.truelayer.com": true, "webhooks.truelayer-sandbox.com": true,
		"auth.truelayer.com": false, "webhooks.truelayer.com.example": false, "example.com": false, "": false,
	} {
		if got := registry.MayFetch(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}
