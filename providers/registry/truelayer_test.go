package registry_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
)

func trueLayerAccount(change func(*registry.Account)) registry.Account {
	a := registry.Account{
		Name: "main", Environment: payment.EnvironmentSandbox, MerchantID: truelayertest.MerchantAccountID,
		Credential: truelayertest.Credential("PLANTEDCLIENTSECRET"), WebhookSecrets: []providers.Secret{"/webhooks/main"},
	}
	if change != nil {
		change(&a)
	}
	return a
}

// Goal: an account of TrueLayer leads to its environment's host without being told.
func TestTrueLayer(t *testing.T) {
	for environment, host := range map[payment.Environment]string{
		payment.EnvironmentSandbox: "api.truelayer-sandbox.com", payment.EnvironmentLive: "api.truelayer.com",
	} {
		_, target, err := registry.New("truelayer", trueLayerAccount(func(a *registry.Account) { a.Environment = environment }))
		if err != nil {
			t.Fatal(err)
		}
		want := payment.Target{Driver: "truelayer", Environment: environment, Host: host, MerchantID: truelayertest.MerchantAccountID}
		if diff := cmp.Diff(want, target); diff != "" {
			t.Errorf("target (-want +got):\n%s", diff)
		}
	}
}

// Goal: no account of TrueLayer mixes play money with money or pays nobody in
// particular, and no error shows the credential. Method: accounts with one thing wrong.
func TestTrueLayerRefuses(t *testing.T) {
	credential := func(old, changed string) func(*registry.Account) {
		return func(a *registry.Account) {
			a.Credential = providers.Secret(strings.Replace(string(a.Credential), old, changed, 1))
		}
	}
	for name, c := range map[string]struct {
		change func(*registry.Account)
		why    string
	}{
		"a live account at the sandbox": {func(a *registry.Account) {
			a.Environment, a.BaseURL = payment.EnvironmentLive, "https://api.truelayer-sandbox.com"
		}, "leads to https://api.truelayer.com"},
		"a sandbox account in earnest": {func(a *registry.Account) { a.BaseURL = "https://API.truelayer.com" }, "does not lead to its live hosts"},
		"nobody to pay":                {func(a *registry.Account) { a.MerchantID = "" }, "merchant account, and required"},
		"a region":                     {func(a *registry.Account) { a.Region = "eu" }, "no region"},
		"a secret in place of a path":  {func(a *registry.Account) { a.WebhookSecrets = []providers.Secret{"whsec_0123456789"} }, "/webhooks/NAME"},
		"an address in place of one":   {func(a *registry.Account) { a.WebhookSecrets = []providers.Secret{"https://x.example/webhooks/main"} }, "/webhooks/NAME"},
		"no path at all":               {func(a *registry.Account) { a.WebhookSecrets = []providers.Secret{"/"} }, "/webhooks/NAME"},
		"no key":                       {func(a *registry.Account) { a.Credential = "client\nsecret\nkid" }, "a line each"},
		"no client secret":             {credential("PLANTEDCLIENTSECRET", ""), "line 2"},
		"a key that is cut":            {credential("MIHcAgEBBEIB", "MIH"), "in PEM"},
	} {
		_, _, err := registry.New("truelayer", trueLayerAccount(c.change))
		if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "MI") || strings.Contains(err.Error(), "PLANTED") {
			t.Errorf("%s: error %v, want one about %q", name, err, c.why)
		}
	}
}

// Goal: an access token is asked for at TrueLayer alone.
func TestMayGrant(t *testing.T) {
	for host, want := range map[string]bool{
		"auth.truelayer.com": true, "auth.truelayer-sandbox.com": true, "webhooks.truelayer.com": false, "auth.truelayer.com.example": false, "": false,
	} {
		if got := registry.MayGrant(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}
