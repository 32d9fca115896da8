package adyentest

import (
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Webhooks is how Adyen tells what happened.
func Webhooks() *providertest.Webhooks {
	return &providertest.Webhooks{
		New: func(secrets ...providers.Secret) providers.Driver {
			return adyen.New(adyen.Config{MerchantAccount: MerchantAccount, WebhookSecrets: secrets})
		},
		Secrets: [3]providers.Secret{
			WebhookSecret, "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
			"DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00",
		},
		Deliver: Deliver, Tellings: tellings(),
		Ageless: "the signature of an event is over no time; its id is the same whenever it comes again",
		Loose:   "the signature of an event is over what it says of the money, not over its date, its reason and its additional data",
	}
}

func tellings() []providertest.Telling {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).In(time.FixedZone("", 3600))
	euro := &payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"}
	original := Object{"originalReference": "PSPREFERENCE0001"}
	events := func(e ...payment.Event) providers.Told { return providers.Told{Events: e} }
	return []providertest.Telling{
		{Name: "authorised", Body: Webhook(Notification("AUTHORISATION", true, nil)), Want: events(payment.Event{
			EventKey: payment.EventKey{ID: "AUTHORISATION:PSPREFERENCE0003:true"}, Time: at, Method: payment.MethodAuthorize, Reference: "OURREFERENCE",
			Answer: payment.Answer{Code: "AUTHORISATION:true", Reference: "PSPREFERENCE0003", Amount: euro, ObjectFound: true},
		})},
		{Name: "captured, and a report", Body: Webhook(Notification("CAPTURE", true, original), Notification("REPORT_AVAILABLE", true, nil)), Want: providers.Told{
			Events: []payment.Event{{
				EventKey: payment.EventKey{ID: "CAPTURE:PSPREFERENCE0003:true"}, Time: at, Method: payment.MethodCapture, Reference: "OURREFERENCE", Parent: "PSPREFERENCE0001",
				Answer:  payment.Answer{Code: "CAPTURE:true", Reference: "PSPREFERENCE0003", Amount: euro, Captured: true, ObjectFound: true},
				Outside: &payment.Outside{Object: "PSPREFERENCE0003", Kind: payment.OutsideCapture, Amount: 1000},
			}},
			Unread: []string{"REPORT_AVAILABLE:true"},
		}},
		{Name: "cancelled by our reference", Body: Webhook(Notification("TECHNICAL_CANCEL", true, original)), Want: events(payment.Event{
			EventKey: payment.EventKey{ID: "TECHNICAL_CANCEL:PSPREFERENCE0003:true"}, Time: at, Method: payment.MethodAuthorize, Reference: "OURREFERENCE", Fenced: true, Cancel: "PSPREFERENCE0003",
			Answer: payment.Answer{Code: "TECHNICAL_CANCEL:true", Reference: "PSPREFERENCE0001", ObjectFound: true},
		})},
	}
}
