package amazonpaytest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/providertest"
)

// webhooks are notifications as SNS signs them. What an account takes for a secret is
// the topic that they come from.
func webhooks() *providertest.Webhooks {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sns, err := newSNS(at)
	fetch := func(ctx context.Context, address string) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return sns.Fetch(ctx, address)
	}
	return &providertest.Webhooks{
		New: func(topics ...providers.Secret) providers.Driver {
			d, err := amazonpay.New(amazonpay.Config{Region: "eu", Credential: Credential(PublicKeyID), MerchantID: MerchantID, Topics: topics, Fetch: fetch})
			if err != nil {
				return nil
			}
			return d
		},
		Secrets: [3]providers.Secret{Topic, Topic + "2", "arn:aws:sns:eu-west-1:1:OTHER"},
		Deliver: func(topic providers.Secret, body []byte, _ time.Time) providers.Delivery {
			d, failed := providers.Delivery{Body: body}, err
			if failed == nil {
				speaker := SNS{Topic: string(topic), key: sns.key}
				d, failed = speaker.deliver(Message{messageID(body), string(body), "2", at}, nil) // of its first time, however late it comes
			}
			if failed != nil { // nobody takes it in
				return providers.Delivery{Method: http.MethodPost, Body: []byte(failed.Error())}
			}
			d.Received = time.Time{} // whoever receives it says when
			return d
		},
		Tellings: []providertest.Telling{
			telling("CHARGE", "S01-1234567-1234567-C000001", payment.MethodAuthorize, at),
			telling("REFUND", "S01-1234567-1234567-R000001", payment.MethodRefund, at),
			telling("CHARGEBACK", "S01-1234567-1234567-B000001", "", at),
			{Name: "CHARGE_PERMISSION", Body: []byte(Notification("CHARGE_PERMISSION", Permission)), Want: providers.Told{Unread: []string{"CHARGE_PERMISSION:STATE_CHANGE"}}},
		},
		Ageless: "SNS brings a notification again for 14 days, with its first time and signature",
		Loose:   "the body is what the signed envelope holds; what is changed in an envelope is tried with the driver's own tests",
	}
}

// telling is a notification of an object, and what it tells.
func telling(kind, object string, m payment.Method, at time.Time) providertest.Telling {
	body := []byte(Notification(kind, object))
	e := payment.Event{
		EventKey: payment.EventKey{ID: messageID(body)}, Method: m, Time: at, Changed: true,
		Answer: payment.Answer{Reference: payment.ProviderReference(object), ObjectFound: true},
	}
	if m == "" {
		e.Answer.Code, e.Parent = kind, Permission
	}
	return providertest.Telling{Name: kind, Body: body, Want: providers.Told{Events: []payment.Event{e}}}
}

// messageID is the id under which SNS delivers a message, again and again.
func messageID(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}
