package amazonpay_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
)

// listening is a driver that takes notifications of SNS as it is played here.
func listening(tb testing.TB, sns *amazonpaytest.SNS) *amazonpay.Driver {
	tb.Helper()
	d, err := amazonpay.New(amazonpay.Config{
		Region: "eu", Credential: amazonpaytest.Credential(amazonpaytest.PublicKeyID), MerchantID: amazonpaytest.MerchantID,
		Topics: []providers.Secret{amazonpaytest.Topic}, Fetch: sns.Fetch,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// Goal: an authentic notification names the object that has changed, and proves
// nothing about it. Method: each kind of object, as SNS delivers it, in both
// versions of its signature.
func TestWebhook(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sns := amazonpaytest.NewSNS(t, at)
	d := listening(t, sns)
	event := func(m payment.Method, id payment.ProviderReference) providers.Told {
		return providers.Told{Events: []payment.Event{{
			EventKey: payment.EventKey{ID: "message-1"}, Method: m, Time: at, Changed: true, Answer: payment.Answer{Reference: id, ObjectFound: true},
		}}}
	}
	chargeback := event("", "B1")
	chargeback.Events[0].Answer.Code, chargeback.Events[0].Parent = "CHARGEBACK", amazonpaytest.Permission
	for name, c := range map[string]struct {
		message string
		want    providers.Told
	}{
		"a charge":            {amazonpaytest.Notification("CHARGE", "C1"), event(payment.MethodAuthorize, "C1")},
		"a refund":            {amazonpaytest.Notification("REFUND", "R1"), event(payment.MethodRefund, "R1")},
		"a permission":        {amazonpaytest.Notification("CHARGE_PERMISSION", "P1"), providers.Told{Unread: []string{"CHARGE_PERMISSION:STATE_CHANGE"}}},
		"a chargeback":        {amazonpaytest.Notification("CHARGEBACK", "B1"), chargeback},
		"another's charge":    {`{"MerchantID":"OTHER","ObjectType":"CHARGE","ObjectId":"C1"}`, providers.Told{Unread: []string{"CHARGE of another merchant"}}},
		"an older form of it": {`{"merchantID":"` + amazonpaytest.MerchantID + `","objectType":"CHARGE","objectId":"C1"}`, event(payment.MethodAuthorize, "C1")},
	} {
		for _, version := range []string{"1", "2"} {
			got, err := d.Webhook(t.Context(), sns.Deliver(t, c.message, version, nil))
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s, version %s: error %v (-want +got):\n%s", name, version, err, diff)
			}
		}
	}
}

// Goal: what SNS did not sign for a topic of ours is not believed, and nothing is
// fetched from where SNS is not. Method: a genuine notification changed in one thing.
func TestForgedWebhook(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const elsewhere = "https://sns.eu-west-1.amazonaws.com.example/SimpleNotificationService-00.pem"
	for name, c := range map[string]struct {
		field, value string
		late         time.Duration
		fetched      bool
		want         error
	}{
		"genuine":                           {"", "", 0, true, nil},
		"genuine, at the last":              {"", "", 14 * 24 * time.Hour, true, nil},
		"another message":                   {"Message", amazonpaytest.Notification("CHARGE", "C2"), 0, true, providers.ErrForged},
		"another id":                        {"MessageId", "message-2", 0, true, providers.ErrForged},
		"another time":                      {"Timestamp", "2026-01-01T00:00:01Z", 0, true, providers.ErrForged},
		"a subject added":                   {"Subject", "x", 0, true, providers.ErrForged},
		"another topic":                     {"TopicArn", "arn:aws:sns:eu-west-1:1:OTHER", 0, false, providers.ErrForged},
		"another type":                      {"Type", "SubscriptionConfirmation", 0, false, providers.ErrForged},
		"another version":                   {"SignatureVersion", "2", 0, true, providers.ErrForged},
		"a version that is none":            {"SignatureVersion", "3", 0, true, providers.ErrForged},
		"another signature":                 {"Signature", "AAAA", 0, true, providers.ErrForged},
		"a signature that is none":          {"Signature", "-", 0, true, providers.ErrForged},
		"a certificate from elsewhere":      {"SigningCertURL", elsewhere, 0, false, providers.ErrForged},
		"a certificate of another name":     {"SigningCertURL", amazonpaytest.CertificateURL("0e"), 0, true, providers.ErrForged},
		"a certificate that cannot be read": {"SigningCertURL", amazonpaytest.CertificateURL("0f"), 0, true, providers.ErrForged},
		"a certificate that has expired":    {"", "", 400 * 24 * time.Hour, true, providers.ErrForged},
		"too old":                           {"", "", 16 * 24 * time.Hour, true, providers.ErrStale},
	} {
		sns := amazonpaytest.NewSNS(t, at)
		in := sns.Deliver(t, amazonpaytest.Notification("CHARGE", "C1"), "1", func(e amazonpaytest.Object) {
			if c.field != "" {
				e[c.field] = c.value
			}
		})
		in.Received = in.Received.Add(c.late)
		got, err := listening(t, sns).Webhook(t.Context(), in)
		if !errors.Is(err, c.want) || (c.want != nil && (len(got.Events) > 0 || len(got.Unread) > 0)) {
			t.Errorf("%s: told %+v, error %v, want %v", name, got, err, c.want)
		}
		if fetched := len(sns.Fetched()) > 0; fetched != c.fetched {
			t.Errorf("%s: fetched %v", name, sns.Fetched())
		}
	}
}

// Goal: a header that contradicts the body is not overlooked, and what cannot be
// read, or verified just now, is told apart from a forgery. Method: one of each.
func TestWebhookThatCannotBeRead(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sns := amazonpaytest.NewSNS(t, at)
	d := listening(t, sns)
	contradicted := sns.Deliver(t, amazonpaytest.Notification("CHARGE", "C1"), "1", nil)
	contradicted.Header.Set("X-Amz-Sns-Topic-Arn", "arn:aws:sns:eu-west-1:1:OTHER")
	other := amazonpaytest.NewSNS(t, at)
	other.Topic = "arn:aws:sns:eu-west-1:1:OTHER"
	stranger := other.Deliver(t, amazonpaytest.Notification("CHARGE", "C1"), "1", nil)
	for name, c := range map[string]struct {
		in   providers.Delivery
		want error
	}{
		"no object":               {sns.Deliver(t, `{"MerchantID":"M"}`, "1", nil), providers.ErrMalformed},
		"no JSON in it":           {sns.Deliver(t, "hello", "1", nil), providers.ErrMalformed},
		"no JSON":                 {providers.Delivery{Body: []byte("hello"), Received: at}, providers.ErrForged},
		"a header of another one": {contradicted, providers.ErrForged},
	} {
		if got, err := d.Webhook(t.Context(), c.in); !errors.Is(err, c.want) || len(got.Events) > 0 {
			t.Errorf("%s: told %+v, error %v, want %v", name, got, err, c.want)
		}
	}
	if _, err := listening(t, other).Webhook(t.Context(), stranger); !errors.Is(err, providers.ErrForged) || len(other.Fetched()) > 0 {
		t.Errorf("what SNS signed for a stranger's topic: error %v, want %v; fetched %v", err, providers.ErrForged, other.Fetched())
	}
	in := sns.Deliver(t, amazonpaytest.Notification("CHARGE", "C1"), "1", nil)
	for name, change := range map[string]func(*amazonpay.Config){
		"no topic":   func(c *amazonpay.Config) { c.Fetch = sns.Fetch },
		"no fetcher": func(c *amazonpay.Config) { c.Topics = []providers.Secret{amazonpaytest.Topic} },
	} {
		if _, err := driver(t, change).Webhook(t.Context(), in); !errors.Is(err, providers.ErrUnsupported) {
			t.Errorf("%s: error %v, want %v", name, err, providers.ErrUnsupported)
		}
	}
	away := errors.New("the network is away")
	off := driver(t, func(c *amazonpay.Config) {
		c.Topics = []providers.Secret{amazonpaytest.Topic}
		c.Fetch = func(context.Context, string) ([]byte, error) { return nil, away }
	})
	if _, err := off.Webhook(t.Context(), in); !errors.Is(err, away) || errors.Is(err, providers.ErrForged) {
		t.Errorf("without a certificate: error %v, want %v", err, away)
	}
}

// Goal: a signature that SNS made is verified. Method: a message of 2015 from
// Amazon's Python library, of an older kind of notification: it is genuine, then,
// and only then found to name no object of ours.
func TestSignatureOfSNS(t *testing.T) {
	body, cert := read(t, "sns-valid-body.json"), read(t, "sns-test-cert.pem")
	var headers map[string]string
	if err := json.Unmarshal(read(t, "sns-valid-headers.json"), &headers); err != nil {
		t.Fatal(err)
	}
	in := providers.Delivery{Method: http.MethodPost, Header: http.Header{}, Body: body, Received: time.Date(2015, 4, 30, 0, 7, 0, 0, time.UTC)}
	for name, value := range headers {
		in.Header.Set(name, value)
	}
	d := driver(t, func(c *amazonpay.Config) {
		c.Topics = []providers.Secret{providers.Secret(headers["X-Amz-Sns-Topic-Arn"])}
		c.Fetch = func(context.Context, string) ([]byte, error) { return cert, nil }
	})
	if _, err := d.Webhook(t.Context(), in); !errors.Is(err, providers.ErrMalformed) {
		t.Errorf("error %v, want %v after a signature that holds", err, providers.ErrMalformed)
	}
	in.Body = []byte(strings.Replace(string(body), "15e7412b", "15e7412c", 1))
	if _, err := d.Webhook(t.Context(), in); !errors.Is(err, providers.ErrForged) {
		t.Errorf("with another id: error %v, want %v", err, providers.ErrForged)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Goal: nothing that anybody can send panics, or tells of an object unless SNS
// signed just that. Method: bodies made from a genuine one; what is taken in says
// what the genuine one says.
func FuzzWebhook(f *testing.F) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sns := amazonpaytest.NewSNS(f, at)
	d := listening(f, sns)
	genuine := sns.Deliver(f, amazonpaytest.Notification("CHARGE", "C1"), "1", nil)
	want, err := d.Webhook(f.Context(), genuine)
	if err != nil || len(want.Events) != 1 {
		f.Fatalf("told %+v, error %v", want, err)
	}
	f.Add(genuine.Body)
	f.Add([]byte(strings.Replace(string(genuine.Body), "message-1", "message-2", 1)))
	f.Add([]byte(`{"Type":"Notification","TopicArn":"` + amazonpaytest.Topic + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in := genuine
		in.Body = body
		got, err := d.Webhook(t.Context(), in)
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a body that was not signed was taken in (-genuine +got):\n%s", diff)
		}
	})
}
