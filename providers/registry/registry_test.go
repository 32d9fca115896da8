package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
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
func TestNewRefuses(t *testing.T) {
	cases := map[string]struct {
		driver string
		change func(*registry.Account)
		why    string
	}{
		"an unknown driver":              {"paypal", func(*registry.Account) {}, `no driver is named "paypal"; there are sandbox`},
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

// Goal: every driver in the list declares itself under the name it is listed by.
func TestDriversAreListedUnderTheirNames(t *testing.T) {
	if !slices.Equal(registry.Drivers(), []string{"sandbox"}) {
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
