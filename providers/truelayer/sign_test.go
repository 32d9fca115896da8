package truelayer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/truelayer"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
)

// grants records what access tokens are asked for.
type grants struct {
	address string
	form    url.Values
	err     error
	refused []string
}

func (g *grants) Token(_ context.Context, address string, form url.Values) (string, error) {
	g.address, g.form = address, form
	return "token-1", g.err
}

func (g *grants) Refused(token string) { g.refused = append(g.refused, token) }

func driver(t *testing.T, change ...func(*truelayer.Config)) *truelayer.Driver {
	t.Helper()
	c := truelayer.Config{
		MerchantAccountID: truelayertest.MerchantAccountID, Credential: truelayertest.Credential("PLANTEDCLIENTSECRET"),
		Tokens: truelayertest.Tokens{}, Fetch: truelayertest.Keys,
	}
	for _, f := range change {
		f(&c)
	}
	d, err := truelayer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// signed is a request of a send as it goes out.
func signed(t *testing.T, d *truelayer.Driver, built providers.Request) (*http.Request, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), built.Method, "https://api.truelayer-sandbox.com"+built.Path, strings.NewReader(string(built.Body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = built.Header
	return r, d.Sign(t.Context(), r)
}

// verifies checks a signature by hand over what is to be signed.
func verifies(t *testing.T, signature, payload string) bool {
	t.Helper()
	block, _ := pem.Decode([]byte(truelayertest.PublicKey()))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	part := strings.Split(signature, ".")
	if !ok || len(part) != 3 || part[1] != "" {
		t.Fatalf("a key of type %T, a signature of %d parts", parsed, len(part))
	}
	numbers, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil || len(numbers) != 132 {
		t.Fatalf("%d bytes of numbers: %v", len(numbers), err)
	}
	sum := sha512.Sum512([]byte(part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))))
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(numbers[:66]), new(big.Int).SetBytes(numbers[66:]))
}

// Goal: the check that is used here is TrueLayer's own. Method: the signature that
// TrueLayer publishes, and the same with a word changed.
func TestTheVector(t *testing.T) {
	raw, err := os.ReadFile("testdata/tl-signature.txt")
	if err != nil {
		t.Fatal(err)
	}
	payload := "POST /merchant_accounts/a61acaef-ee05-4077-92f3-25543a11bd8d/sweeping\n" +
		"Idempotency-Key: idemp-2076717c-9005-4811-a321-9e0787fa0382\n" + `{"currency":"GBP","max_amount_in_minor":5000000,"name":"Foo???"}`
	if !verifies(t, strings.TrimSpace(string(raw)), payload) || verifies(t, strings.TrimSpace(string(raw)), strings.Replace(payload, "Foo", "Bar", 1)) {
		t.Error("the published signature is not verified, or another one is")
	}
}

// Goal: TrueLayer can verify what the driver signs: method, path, the key that is among
// the signed headers, and the body, in numbers of full length. Method: signatures of which
// each number has a zero at its front as often as not; what is to be signed is written
// out here by hand.
//
// Shows R72.
func TestSignature(t *testing.T) {
	g := &grants{}
	d := driver(t, func(c *truelayer.Config) { c.Tokens = g })
	for _, m := range []payment.Method{payment.MethodAuthorize, payment.MethodVoid} {
		built, err := d.Build(truelayertest.Send(m))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			r, err := signed(t, d, built)
			if err != nil {
				t.Fatal(err)
			}
			payload := "POST " + built.Path + "\nIdempotency-Key: " + string(built.Key) + "\n" + string(built.Body)
			if !verifies(t, r.Header.Get("Tl-Signature"), payload) {
				t.Fatalf("%s: the signature is not of the request", m)
			}
			head, err := base64.RawURLEncoding.DecodeString(strings.Split(r.Header.Get("Tl-Signature"), ".")[0])
			want := `{"alg":"ES512","kid":"` + truelayertest.KeyID + `","tl_version":"2","tl_headers":"Idempotency-Key"}`
			if string(head) != want || err != nil || r.Header.Get("Authorization") != "Bearer token-1" {
				t.Fatalf("signed as %s, with %v (%v)", head, r.Header, err)
			}
		}
	}
	want := url.Values{"grant_type": {"client_credentials"}, "client_id": {truelayertest.ClientID}, "client_secret": {"PLANTEDCLIENTSECRET"}, "scope": {"payments"}}
	if diff := cmp.Diff(want, g.form); diff != "" || g.address != "https://auth.truelayer-sandbox.com/connect/token" {
		t.Errorf("asked %s (-want +got):\n%s", g.address, diff)
	}
}

// Goal: a read is not signed and has no key, and without a token nothing goes out.
func TestReadsAndTokens(t *testing.T) {
	g := &grants{}
	d := driver(t, func(c *truelayer.Config) { c.Tokens, c.Live = g, true })
	s := truelayertest.Send(payment.MethodAuthorize)
	s.ProviderReference = "p1"
	built, err := d.Query(s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := signed(t, d, built)
	if err != nil || r.Header.Get("Tl-Signature") != "" || r.Header.Get("Authorization") != "Bearer token-1" || g.address != "https://auth.truelayer.com/connect/token" {
		t.Errorf("a read goes out with %v, by a token of %s (%v)", r.Header, g.address, err)
	}
	g.err = errors.New("away")
	if r, err := signed(t, d, built); !errors.Is(err, g.err) {
		t.Errorf("without a token %v goes out (%v)", r.Header, err)
	}
	if _, err := signed(t, driver(t, func(c *truelayer.Config) { c.Tokens = nil }), built); err == nil {
		t.Error("without anything that gets tokens a request is signed")
	}
}

// Goal: a token is given up when it was refused, and for nothing else: not for a
// signature, nor for what a proxy or another status says.
//
// Shows R40.
func TestRenew(t *testing.T) {
	for _, c := range []struct {
		status  int
		title   string
		detail  string
		refused int
	}{
		{401, "Unauthenticated", "A Bearer token must be provided in the Authorization header.", 1},
		{401, "Unauthenticated", "", 1},
		{401, "Unauthenticated", "Invalid request signature.", 0},
		{401, "Something", "", 0},
		{403, "Forbidden", "", 0},
		{500, "Unauthenticated", "", 0},
	} {
		g := &grants{}
		d := driver(t, func(c *truelayer.Config) { c.Tokens = g })
		a := d.Parse(truelayertest.Send(payment.MethodRefund), truelayertest.Error(c.status, c.title, c.detail))
		a.HTTPStatus = c.status // as the guard says
		d.Renew(a, http.Header{"Authorization": {"Bearer token-1"}})
		if len(g.refused) != c.refused || (c.refused == 1 && g.refused[0] != "token-1") {
			t.Errorf("%d %s %q: gave up %v", c.status, c.title, c.detail, g.refused)
		}
	}
}

// Goal: a key is a UUID of version 4 that keeps the recorded bits. Method: keys by
// hand, and what is none.
//
// Shows R73.
func TestKey(t *testing.T) {
	for in, want := range map[payment.ProviderKey]payment.ProviderKey{
		"0123456789abcdef0123456789abcdef": "01234567-89ab-4def-8123-456789abcdef",
		"ffffffffffffffffffffffffffffffff": "ffffffff-ffff-4fff-bfff-ffffffffffff",
		"00000000000000006000000000000000": "00000000-0000-4000-a000-000000000000",
		"0123456789ABCDEF0123456789abcdef": "",
		"0123":                             "",
	} {
		if got, err := truelayer.Key(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is sent as %s, want %s (%v)", in, got, want, err)
		}
	}
}

// Goal: a webhook is believed within its window and no longer: TrueLayer delivers again
// for 72 hours. Method: each side of both ends.
func TestWebhookWindow(t *testing.T) {
	const path = "/webhooks/main-1c5d0b7e"
	d := driver(t, func(c *truelayer.Config) { c.WebhookPaths = []providers.Secret{path} })
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		age  time.Duration
		want error
	}{
		{-5 * time.Minute, nil},
		{0, nil},
		{72 * time.Hour, nil},
		{96 * time.Hour, nil},
		{-5*time.Minute - time.Second, providers.ErrStale},
		{96*time.Hour + time.Second, providers.ErrStale},
	} {
		in := truelayertest.Deliver(path, []byte(`{"type":"payment_settled","event_id":"e1","payment_id":"p1"}`), now.Add(-c.age))
		in.Received = now
		if _, err := d.Webhook(t.Context(), in); !errors.Is(err, c.want) {
			t.Errorf("sent %s before it came: %v, want %v", c.age, err, c.want)
		}
	}
}

// Goal: TrueLayer's own signature of a webhook is verified, over a key whose coordinate
// lacks a zero at its front. Method: the published one, live and over the path that it
// was made for; with another environment's keys, path or header, it is a forgery.
func TestTheWebhookVector(t *testing.T) {
	raw, err := os.ReadFile("testdata/webhook-signature.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := func(ctx context.Context, address string) ([]byte, error) {
		if address != "https://webhooks.truelayer.com/.well-known/jwks" {
			return nil, errors.New("another address")
		}
		return truelayertest.Keys(ctx, truelayertest.KeyAddress)
	}
	in := func() providers.Delivery {
		return providers.Delivery{
			Method: http.MethodPost, Path: "/webhooks/main", Received: time.Date(2021, 11, 29, 12, 0, 0, 0, time.UTC),
			Header: http.Header{"Tl-Signature": {strings.TrimSpace(string(raw))}, "X-Tl-Webhook-Timestamp": {"2021-11-29T11:42:55Z"}, "Content-Type": {"application/json"}},
			Body:   []byte(`{"event_type":"example","event_id":"18b2842b-a57b-4887-a0a6-d3c7c36f1020"}`),
		}
	}
	at := func(path providers.Secret, live bool) *truelayer.Driver {
		return driver(t, func(c *truelayer.Config) { c.Live, c.WebhookPaths, c.Fetch = live, []providers.Secret{path}, keys })
	}
	for _, path := range []providers.Secret{"/tl-webhook", "/tl-webhook/"} {
		// It is genuine, and its body is of an older form that has no type.
		if _, err := at(path, true).Webhook(t.Context(), in()); !errors.Is(err, providers.ErrMalformed) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for name, c := range map[string]struct {
		d      *truelayer.Driver
		change func(*providers.Delivery)
	}{
		"another path":        {at("/tl-webhooks", true), func(*providers.Delivery) {}},
		"another environment": {at("/tl-webhook", false), func(*providers.Delivery) {}},
		"another method":      {at("/tl-webhook", true), func(d *providers.Delivery) { d.Method = http.MethodPut }},
		"another time":        {at("/tl-webhook", true), func(d *providers.Delivery) { d.Header.Set("X-Tl-Webhook-Timestamp", "2021-11-29T11:42:56Z") }},
		"two times":           {at("/tl-webhook", true), func(d *providers.Delivery) { d.Header.Add("X-Tl-Webhook-Timestamp", "2021-11-29T11:42:55Z") }},
		"another type":        {at("/tl-webhook", true), func(d *providers.Delivery) { d.Header.Set("Content-Type", "text/plain") }},
	} {
		d := in()
		c.change(&d)
		if _, err := c.d.Webhook(t.Context(), d); !errors.Is(err, providers.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Goal: a signature is not believed for what it says of itself: another algorithm, key,
// version or place of keys, or a time that it does not cover. Method: each, signed with
// the genuine key; keys that cannot be had refuse nothing for good.
func TestWebhookSignatureHeader(t *testing.T) {
	const path = "/webhooks/main-1c5d0b7e"
	body, now := []byte(`{"type":"payment_settled","event_id":"e1","payment_id":"p1"}`), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	good := `{"alg":"ES512","kid":"` + truelayertest.KeyID + `","tl_version":"2","tl_headers":"X-TL-Webhook-Timestamp","jku":"` + truelayertest.KeyAddress + `"}`
	asked := []string{}
	d := driver(t, func(c *truelayer.Config) {
		c.WebhookPaths = []providers.Secret{path}
		c.Fetch = func(ctx context.Context, address string) ([]byte, error) {
			asked = append(asked, address)
			return truelayertest.Keys(ctx, truelayertest.KeyAddress)
		}
	})
	for old, changed := range map[string]string{
		`"ES512"`: `"none"`, `"2"`: `"1"`, truelayertest.KeyID: "db2e0bb4-e33d-4fc6-a8c5-645e70331127", `"X-TL-Webhook-Timestamp"`: `""`,
		truelayertest.KeyAddress:    "https://webhooks.truelayer-sandbox.com.evil.example/.well-known/jwks",
		"https://webhooks":          "http://webhooks",
		"-sandbox.com/.well-known/": "-sandbox.com:444/.well-known/",
		"truelayer-sandbox.com":     "truelayer.com",
		`"kid":"`:                   `"kid":" `,
	} {
		in := truelayertest.Sign(strings.Replace(good, old, changed, 1), path, body, now)
		in.Received = now
		if told, err := d.Webhook(t.Context(), in); !errors.Is(err, providers.ErrForged) {
			t.Errorf("%s in place of %s: %+v, %v", changed, old, told, err)
		}
	}
	in := truelayertest.Sign(good, path, body, now)
	in.Received = now
	if told, err := d.Webhook(t.Context(), in); err != nil || len(told.Events) != 1 {
		t.Errorf("the genuine one: %+v, %v", told, err)
	}
	for _, address := range asked {
		if address != truelayertest.KeyAddress {
			t.Errorf("keys were fetched from %s", address)
		}
	}
	away := driver(t, func(c *truelayer.Config) {
		c.WebhookPaths, c.Fetch = []providers.Secret{path}, func(context.Context, string) ([]byte, error) { return nil, errors.New("away") }
	})
	if _, err := away.Webhook(t.Context(), in); err == nil || errors.Is(err, providers.ErrForged) || errors.Is(err, providers.ErrStale) {
		t.Errorf("without keys: %v", err)
	}
}
