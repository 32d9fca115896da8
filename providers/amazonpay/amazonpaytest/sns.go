package amazonpaytest

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/providers"
)

// Topic is where the account's notifications come from.
const Topic = "arn:aws:sns:eu-west-1:291180941288:A3BXB0YN3XH17HA3VS1A1BZ6ZIM"

// MerchantID is Amazon's id of the merchant.
const MerchantID = "A3VS1A1BZ6ZIM"

// CertificateURL is the address of a certificate of SNS in the topic's region.
func CertificateURL(name string) string {
	return "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-" + name + ".pem"
}

// Notification is what Amazon Pay says in a notification about an object.
func Notification(kind, id string) string {
	return `{"MerchantID":"` + MerchantID + `","ObjectType":"` + kind + `","ObjectId":"` + id + `","ChargePermissionId":"` + Permission +
		`","NotificationType":"STATE_CHANGE","NotificationId":"n1","NotificationVersion":"V2"}`
}

// SNS plays the service that signs and delivers notifications, with a certificate
// of its own that is valid for a year.
type SNS struct {
	// Topic is what the notifications come from; Topic by default.
	Topic string

	at    time.Time
	key   *rsa.PrivateKey
	files map[string][]byte // by address

	mu      sync.Mutex
	fetched []string
}

// NewSNS returns it as it is at a time.
func NewSNS(tb testing.TB, at time.Time) *SNS {
	tb.Helper()
	s, err := newSNS(at)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newSNS(at time.Time) (*SNS, error) {
	block, _ := pem.Decode([]byte(privateKey))
	if block == nil {
		return nil, errors.New("the key is not in PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	s := &SNS{Topic: Topic, at: at, key: key, files: map[string][]byte{CertificateURL("0f"): []byte("no certificate")}}
	for name, host := range map[string]string{"00": "sns.amazonaws.com", "0e": "somebody.example"} {
		if s.files[CertificateURL(name)], err = s.certificate(host); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *SNS) certificate(name string) ([]byte, error) {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: s.at.Add(-time.Hour), NotAfter: s.at.Add(365 * 24 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, s.key.Public(), s.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), nil
}

// Fetch is what stands at an address.
func (s *SNS) Fetch(_ context.Context, address string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = append(s.fetched, address)
	raw, there := s.files[address]
	if !there {
		return nil, errors.New("nothing is there")
	}
	return raw, nil
}

// Fetched are the addresses that were asked for.
func (s *SNS) Fetched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fetched)
}

// Message is one that SNS delivers.
type Message struct {
	ID, Text string
	Version  string // of the signature: 1 or 2
	Sent     time.Time
}

// Deliver is a message, message-1, as it is signed and delivered, in a version of
// the signature; change alters the envelope after that, and may be nil.
func (s *SNS) Deliver(tb testing.TB, message, version string, change func(Object)) providers.Delivery {
	tb.Helper()
	return s.DeliverMessage(tb, Message{"message-1", message, version, s.at}, change)
}

// DeliverMessage is any message as it is signed and delivered.
func (s *SNS) DeliverMessage(tb testing.TB, m Message, change func(Object)) providers.Delivery {
	tb.Helper()
	d, err := s.deliver(m, change)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func (s *SNS) deliver(m Message, change func(Object)) (providers.Delivery, error) {
	sent := m.Sent.UTC().Format(time.RFC3339)
	text := "Message\n" + m.Text + "\nMessageId\n" + m.ID + "\nTimestamp\n" + sent + "\nTopicArn\n" + s.Topic + "\nType\nNotification\n"
	hash := crypto.SHA256
	if m.Version == "1" {
		hash = crypto.SHA1
	}
	digest := hash.New()
	digest.Write([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, hash, digest.Sum(nil))
	if err != nil {
		return providers.Delivery{}, err
	}
	e := Object{
		"Type": "Notification", "MessageId": m.ID, "TopicArn": s.Topic, "Message": m.Text, "Timestamp": sent, "SignatureVersion": m.Version,
		"Signature": base64.StdEncoding.EncodeToString(signature), "SigningCertURL": CertificateURL("00"),
	}
	if change != nil {
		change(e)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return providers.Delivery{}, err
	}
	return providers.Delivery{
		Method: http.MethodPost, Header: http.Header{"X-Amz-Sns-Message-Type": {"Notification"}, "X-Amz-Sns-Topic-Arn": {s.Topic}}, Body: body, Received: m.Sent.Add(time.Second),
	}, nil
}
