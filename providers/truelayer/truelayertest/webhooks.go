package truelayertest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Deliver is the delivery of a body to a path as TrueLayer's sandbox signs it.
func Deliver(path providers.Secret, body []byte, at time.Time) providers.Delivery {
	return newSigner().deliver(path, body, at)
}

// Sign is a delivery whose signature has the given header. It is written from the
// description, apart from the driver's own.
func Sign(header, path string, body []byte, at time.Time) providers.Delivery {
	return newSigner().sign(header, path, body, at)
}

// signer signs many deliveries: to read the key takes as long as to sign with it.
type signer struct {
	key *ecdsa.PrivateKey
	err error
}

func newSigner() signer {
	block, _ := pem.Decode([]byte(privateKey))
	key, err := x509.ParseECPrivateKey(block.Bytes)
	return signer{key, err}
}

func (s signer) deliver(path providers.Secret, body []byte, at time.Time) providers.Delivery {
	return s.sign(`{"alg":"ES512","kid":"`+KeyID+`","tl_version":"2","tl_headers":"X-TL-Webhook-Timestamp","jku":"`+KeyAddress+`"}`, string(path), body, at)
}

func (s signer) sign(header, path string, body []byte, at time.Time) providers.Delivery {
	sent := at.UTC().Format(time.RFC3339)
	head := base64.RawURLEncoding.EncodeToString([]byte(header))
	signed := head + "." + base64.RawURLEncoding.EncodeToString([]byte("POST "+path+"\nX-TL-Webhook-Timestamp: "+sent+"\n"+string(body)))
	return providers.Delivery{Method: http.MethodPost, Path: "/webhooks/main", Body: body, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Tl-Webhook-Timestamp": {sent}, "Tl-Signature": {head + ".." + s.numbers(signed)},
	}}
}

// numbers are the two of an ES512 signature; what is wrong with the key if it fails.
func (s signer) numbers(signed string) string {
	if s.err != nil {
		return s.err.Error()
	}
	sum := sha512.Sum512([]byte(signed))
	one, two, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return err.Error()
	}
	var both [132]byte
	one.FillBytes(both[:66])
	two.FillBytes(both[66:])
	return base64.RawURLEncoding.EncodeToString(both[:])
}

func webhooks() *providertest.Webhooks {
	return &providertest.Webhooks{
		New: func(paths ...providers.Secret) providers.Driver {
			return Driver(Credential("PLANTEDCLIENTSECRET"), paths...)
		},
		Secrets: [3]providers.Secret{"/webhooks/main-1c5d0b7e", "/webhooks/main-77aa02f9", "/webhooks/other-90ab41c3"},
		Deliver: newSigner().deliver,
		Ageless: "TrueLayer delivers again for 72 hours and documents no tolerance; the driver's own test shows its window",
		Tellings: []providertest.Telling{
			{
				Name: "settled", Body: []byte(`{"type":"payment_settled","event_id":"e1","payment_id":"p1","settled_at":"2026-03-01T11:59:00Z","metadata":{"acquit_reference":"R"}}`),
				Want: told(payment.Event{Method: payment.MethodAuthorize, Answer: payment.Answer{Code: "payment.settled", Reference: "p1", Captured: true}}, "e1"),
			},
			{
				Name: "failed", Body: []byte(`{"type":"payment_failed","event_id":"e2","payment_id":"p1","failed_at":"2026-03-01T11:59:00Z","failure_reason":"expired"}`),
				Want: told(payment.Event{Method: payment.MethodAuthorize, Answer: payment.Answer{Code: "payment.failed", Decline: "expired", Reference: "p1"}}, "e2"),
			},
			{
				Name: "refunded", Body: []byte(`{"type":"refund_executed","event_id":"e3","payment_id":"p1","refund_id":"r1","executed_at":"2026-03-01T11:59:00Z"}`),
				Want: told(payment.Event{Method: payment.MethodRefund, Parent: "p1", Answer: payment.Answer{Code: "refund.executed", Reference: "r1"}}, "e3"),
			},
			{
				Name: "of something else", Body: []byte(`{"type":"payment_settled","event_id":"e4","payment_id":"p9","metadata":{"order":"7"}}`),
				Want: providers.Told{Unread: []string{"payment_settled of something else"}},
			},
			{
				Name: "of no use", Body: []byte(`{"type":"payout_executed","event_id":"e5","payout_id":"o1"}`),
				Want: providers.Told{Unread: []string{"payout_executed"}},
			},
		},
	}
}

// told is one event of a minute to noon, about an object that is there.
func told(e payment.Event, id string) providers.Told {
	e.ID, e.Time, e.Answer.ObjectFound = id, time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC), true
	return providers.Told{Events: []payment.Event{e}}
}
