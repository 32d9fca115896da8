package amazonpay_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/providertest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// driver is the driver of an account in the sandbox, with other settings.
func driver(t *testing.T, change ...func(*amazonpay.Config)) *amazonpay.Driver {
	t.Helper()
	c := amazonpay.Config{Region: "eu", Credential: amazonpaytest.Credential(amazonpaytest.PublicKeyID)}
	for _, f := range change {
		f(&c)
	}
	d, err := amazonpay.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Goal: the bytes of a request do not change between builds of acquit: a build
// that makes others may look, not send. Method: each request against a file.
func TestBytes(t *testing.T) {
	d := driver(t)
	at := amazonpaytest.Send(payment.MethodAuthorize)
	at.Instruction.CaptureMode = payment.CaptureAutomatic
	fence := providertest.Fence(amazonpaytest.Send(payment.MethodAuthorize), "C/1")
	asked := func(m payment.Method, id payment.ProviderReference) func() (providers.Request, error) {
		s := amazonpaytest.Send(m)
		s.ProviderReference = id
		return func() (providers.Request, error) { return d.Query(s) }
	}
	built := func(s payment.Send) func() (providers.Request, error) {
		return func() (providers.Request, error) { return d.Build(s) }
	}
	providertest.Golden(t, *update, map[string]func() (providers.Request, error){
		"authorize":           built(amazonpaytest.Send(payment.MethodAuthorize)),
		"authorize_automatic": built(at),
		"capture":             built(amazonpaytest.Send(payment.MethodCapture)),
		"refund":              built(amazonpaytest.Send(payment.MethodRefund)),
		"void":                built(amazonpaytest.Send(payment.MethodVoid)),
		"fence":               func() (providers.Request, error) { return d.Fence(fence) },
		"query_authorize":     asked(payment.MethodAuthorize, "C/1"),
		"query_capture":       asked(payment.MethodCapture, ""),
		"query_void":          asked(payment.MethodVoid, ""),
		"query_refund":        asked(payment.MethodRefund, "R1"),
	})
}

// Goal: an amount is written exactly, or not at all. Method: amounts in both kinds
// of unit, and what has no form; in the sandbox and in earnest.
func TestAmounts(t *testing.T) {
	live := func(c *amazonpay.Config) {
		c.Live, c.Credential = true, amazonpaytest.Credential("LIVE-AHEYMBRZ3WYUKAWZQEZQAAAA")
	}
	for _, c := range []struct {
		money payment.Money
		live  bool
		want  string
	}{
		{payment.Money{MinorUnits: 1, CurrencyCode: "EUR"}, true, `"amount":"0.01"`},
		{payment.Money{MinorUnits: 1400, CurrencyCode: "USD"}, true, `"amount":"14.00"`},
		{payment.Money{MinorUnits: 9007199254740993, CurrencyCode: "GBP"}, true, `"amount":"90071992547409.93"`},
		{payment.Money{MinorUnits: 1400, CurrencyCode: "JPY"}, false, `"amount":"1400"`},
		{payment.Money{MinorUnits: 1400, CurrencyCode: "JPY"}, true, ""},
		{payment.Money{MinorUnits: 1400, CurrencyCode: "KWD"}, false, ""},
		{payment.Money{MinorUnits: 0, CurrencyCode: "EUR"}, false, ""},
		{payment.Money{MinorUnits: -1, CurrencyCode: "EUR"}, false, ""},
	} {
		d := driver(t)
		if c.live {
			d = driver(t, live)
		}
		s := amazonpaytest.Send(payment.MethodAuthorize)
		s.Amount = c.money
		r, err := d.Build(s)
		if (err == nil) != (c.want != "") || !strings.Contains(string(r.Body), c.want) {
			t.Errorf("%s, live %t: body %s, error %v", c.money, c.live, r.Body, err)
		}
	}
}

// Goal: an amount that comes back is read exactly, or not at all. Method: a charge
// that holds as much as Amazon's number says.
func TestAmountsThatComeBack(t *testing.T) {
	s := amazonpaytest.Send(payment.MethodAuthorize)
	for amount, want := range map[string]int64{
		"10.00": 1000, "10": 1000, "10.0": 1000, "10.000": 1000, "0.01": 1, "10.001": 0, "1e3": 0, "-10.00": 0, "": 0, ".": 0, "0.00": 0, "10,00": 0,
		"92233720368547758.08": 0,
	} {
		o := providertest.With(amazonpaytest.Charge(s, s.Amount, "Authorized", ""), amazonpaytest.Object{
			"chargeAmount": amazonpaytest.Object{"amount": amount, "currencyCode": "EUR"},
		})
		a := driver(t).Parse(s, amazonpaytest.JSON(201, o))
		if want == 0 && a.Code == "" && a.Amount == nil {
			continue
		}
		if a.Amount == nil || a.Amount.MinorUnits != want {
			t.Errorf("%q is read as %v (code %q), want %d", amount, a.Amount, a.Code, want)
		}
	}
}

// Goal: an account that could mix play money with money, or could not sign, does
// not start; and no error shows the credential. Method: configurations that are
// wrong in one thing.
func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*amazonpay.Config)
		why    string
	}{
		"a live account with a sandbox's key": {func(c *amazonpay.Config) { c.Live = true }, "begins with LIVE-"},
		"a sandbox with a live key": {func(c *amazonpay.Config) {
			c.Credential = amazonpaytest.Credential("LIVE-AHEYMBRZ3WYUKAWZQEZQAAAA")
		}, "begins with SANDBOX-"},
		"a key of both":  {func(c *amazonpay.Config) { c.Credential = amazonpaytest.Credential("AHEYMBRZ3WYUKAWZQEZQAAAA") }, "begins with SANDBOX-"},
		"no id":          {func(c *amazonpay.Config) { c.Credential = amazonpaytest.Credential("SANDBOX-") }, "begins with SANDBOX-"},
		"no private key": {func(c *amazonpay.Config) { c.Credential = "SANDBOX-AHEYMBRZ\nsecretsecret" }, "private key in PEM"},
		"another kind of key": {func(c *amazonpay.Config) {
			c.Credential = "SANDBOX-AHEYMBRZ\n" + providers.Secret(amazonpaytest.PublicKey())
		}, "not one of RSA"},
		"no region":             {func(c *amazonpay.Config) { c.Region = "" }, "na, eu or jp"},
		"an unknown algorithm":  {func(c *amazonpay.Config) { c.Algorithm = "none" }, "algorithm"},
		"a topic that is none":  {func(c *amazonpay.Config) { c.Topics = []providers.Secret{"secretsecret"} }, "arn:aws:sns"},
		"a queue, not a topic":  {func(c *amazonpay.Config) { c.Topics = []providers.Secret{"arn:aws:sqs:eu-west-1:1:x"} }, "arn:aws:sns"},
		"a topic of no account": {func(c *amazonpay.Config) { c.Topics = []providers.Secret{"arn:aws:sns:eu-west-1::x"} }, "arn:aws:sns"},
	} {
		cfg := amazonpay.Config{Region: "eu", Credential: amazonpaytest.Credential(amazonpaytest.PublicKeyID)}
		c.change(&cfg)
		_, err := amazonpay.New(cfg)
		if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secretsecret") || strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: error %v, want one about %q", name, err, c.why)
		}
	}
}
