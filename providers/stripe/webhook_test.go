package stripe_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// vectors are Stripe's own of its signatures.
type vectors struct {
	Vectors []struct {
		BodyFile  string           `json:"body_file"`
		Secret    providers.Secret `json:"secret"`
		Timestamp int64            `json:"timestamp"`
		Header    string           `json:"header"`
	} `json:"vectors"`
	Clock []struct {
		Offset int  `json:"now_offset"`
		OK     bool `json:"ok"`
	} `json:"clock_cases"`
	Malformed []string `json:"malformed_headers"`
}

func readVector(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "webhook", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// told is what the driver with a secret makes of a body under a header.
func told(body []byte, header string, received time.Time, connected string, secrets ...providers.Secret) (providers.Told, error) {
	d := stripe.New(stripe.Config{Credential: "sk_test_x", ConnectedAccount: connected, WebhookSecrets: secrets})
	return d.Webhook(context.Background(), providers.Delivery{
		Method: http.MethodPost, Body: body, Received: received, Header: http.Header{"Stripe-Signature": {header}},
	})
}

// Goal: what Stripe's own libraries take and refuse is taken and refused. Method:
// their vectors, at the times that these name and at the like from the future.
func TestSignatureVectors(t *testing.T) {
	var v vectors
	if err := json.Unmarshal(readVector(t, "webhook-signature-vectors.json"), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Vectors) == 0 || len(v.Clock) == 0 || len(v.Malformed) == 0 {
		t.Fatal("the vectors are not all there")
	}
	for _, c := range v.Vectors {
		body, at := readVector(t, c.BodyFile), time.Unix(c.Timestamp, 0)
		takes := func(what, header string, received time.Time, want error, secret providers.Secret, body []byte) {
			t.Helper()
			got, err := told(body, header, received, "acct_123", secret)
			if !errors.Is(err, want) || (want == nil && len(got.Unread) != 1) {
				t.Errorf("%s: told %+v, %v; want %v", what, got, err, want)
			}
		}
		takes("the vector", c.Header, at, nil, c.Secret, body)
		takes("with a signature that is none", c.Header+",v1=bad_signature", at, nil, c.Secret, body)
		takes("only v0", strings.ReplaceAll(c.Header, "v1=", "v2="), at, providers.ErrForged, c.Secret, body)
		takes("another secret", c.Header, at, providers.ErrForged, "whsec_other", body)
		takes("a byte more", c.Header, at, providers.ErrForged, c.Secret, append(slices.Clip(body), ' '))
		for _, clock := range v.Clock {
			want := providers.ErrStale
			if clock.OK {
				want = nil
			}
			offset := time.Duration(clock.Offset) * time.Second
			takes("later", c.Header, at.Add(offset), want, c.Secret, body)
			takes("earlier", c.Header, at.Add(-offset), want, c.Secret, body)
		}
		for _, header := range v.Malformed {
			takes(header, header, at, providers.ErrForged, c.Secret, body)
		}
	}
}

// Goal: a v0 signature proves nothing, though its hash is right: it is of test mode.
// Method: the right v1 hash, said to be v0.
func TestOldSchemeProvesNothing(t *testing.T) {
	body := stripetest.Event("evt_1", "customer.created", stripetest.Object{}, nil)
	header := stripetest.Signature("whsec_secret", body, time.Unix(1000, 0))
	for _, scheme := range []string{"v0", "V1", " v1", "v11", ""} {
		if _, err := told(body, strings.Replace(header, "v1", scheme, 1), time.Unix(1000, 0), "", "whsec_secret"); !errors.Is(err, providers.ErrForged) {
			t.Errorf("scheme %q: %v", scheme, err)
		}
	}
	if _, err := told(body, header, time.Unix(1000, 0), "", "whsec_secret"); err != nil {
		t.Errorf("the same with v1: %v", err)
	}
}

// Goal: the accounts of one platform, which share its endpoint's secret, do not hear
// each other's events. Method: the same event told to its account, to another and to
// the platform.
func TestEventsOfConnectedAccounts(t *testing.T) {
	about := stripetest.Intent(stripetest.Send(payment.MethodAuthorize), payment.Money{MinorUnits: 10, CurrencyCode: "EUR"}, "requires_capture")
	for _, of := range []string{"acct_1", ""} {
		body := stripetest.Event("evt_1", "payment_intent.amount_capturable_updated", about, stripetest.Object{"account": of})
		for _, account := range []string{"acct_1", "acct_2", ""} {
			got, err := told(body, stripetest.Signature("whsec_secret", body, time.Unix(1000, 0)), time.Unix(1000, 0), account, "whsec_secret")
			if err != nil || (len(got.Events) == 1) != (account == of) || (len(got.Unread) == 1) == (account == of) {
				t.Errorf("of %q told to %q: %+v, %v", of, account, got, err)
			}
		}
	}
}

// Goal: an authentic event whose object cannot be read is malformed, never read by
// half. Method: each type that is read, with an object that lacks something.
func TestEventsThatCannotBeRead(t *testing.T) {
	auth, refund := stripetest.Send(payment.MethodAuthorize), stripetest.Send(payment.MethodRefund)
	intent := providertest.With(stripetest.Intent(auth, auth.Amount, "succeeded"), stripetest.Object{"capture_method": "manual"})
	back := stripetest.Refund(refund, refund.Amount, "succeeded")
	dispute := stripetest.Object{"id": "dp_1", "object": "dispute", "status": "lost", "amount": 1, "currency": "eur", "payment_intent": "pi_1"}
	type object = stripetest.Object
	for _, c := range []struct {
		kind  string
		whole object
		lacks []object
	}{
		{"payment_intent.succeeded", intent, []object{{"id": ""}, {"object": "charge"}, {"status": ""}, {"amount_received": 0}, {"currency": "zzz"}, {"status": "requires_capture", "amount_capturable": 0}}},
		{"refund.updated", back, []object{{"id": ""}, {"object": "charge"}, {"status": ""}, {"amount": 0}, {"currency": ""}}},
		{"charge.dispute.closed", dispute, []object{{"id": ""}, {"object": "charge"}, {"status": ""}, {"amount": -1}, {"currency": ""}}},
	} {
		tell := func(o object) (providers.Told, error) {
			body := stripetest.Event("evt_1", c.kind, o, nil)
			return told(body, stripetest.Signature("whsec_secret", body, time.Unix(1000, 0)), time.Unix(1000, 0), "", "whsec_secret")
		}
		if got, err := tell(c.whole); err != nil || len(got.Events) != 1 {
			t.Errorf("%s: %+v, %v", c.kind, got, err)
		}
		for _, lack := range c.lacks {
			if got, err := tell(providertest.With(c.whole, lack)); !errors.Is(err, providers.ErrMalformed) || len(got.Events) > 0 {
				t.Errorf("%s with %v: %+v, %v", c.kind, lack, got, err)
			}
		}
		if c.kind == "payment_intent.succeeded" {
			continue
		}
		for _, none := range []object{{"payment_intent": nil}, {"payment_intent": ""}} { // of a charge that is none of ours
			if got, err := tell(providertest.With(c.whole, none)); err != nil || len(got.Events) > 0 || len(got.Unread) != 1 {
				t.Errorf("%s with %v: %+v, %v", c.kind, none, got, err)
			}
		}
	}
}
