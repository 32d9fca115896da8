package adyentest

import (
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Driver is the driver of the test account.
func Driver(credential providers.Secret) *adyen.Driver {
	return adyen.New(adyen.Config{MerchantAccount: MerchantAccount, Credential: credential, WebhookSecrets: []providers.Secret{WebhookSecret}})
}

// Contract is what the driver is held to.
func Contract() providertest.Config {
	const later, none = "Adyen only accepts it; a webhook tells the outcome", "Adyen has no look-up"
	config := providertest.Config{
		New:         func(c providers.Secret) providers.Driver { return Driver(c) },
		Credentials: [2]providers.Secret{"AQEfirstcredential", "AQEsecondcredential"},
		Send:        Send,
		Done:        done,
		Found:       done, // never asked
		Missing:     func(payment.Send) providers.Response { return Error(404, "", "", "", false) },
		Odd: func(s payment.Send) providers.Response {
			if s.Method == payment.MethodAuthorize && !s.Step.Fence() || s.Method == payment.MethodComplete {
				return JSON(s, 200, Payment(s, "Teleported"))
			}
			return JSON(s, 201, providertest.With(Modification(s, s.Amount), Object{"status": "teleported"}))
		},
		Refused: func(status int, code, message string) providers.Response {
			return Error(status, "validation", code, message, false)
		},
		Samples:  samples(),
		Webhooks: Webhooks(),
		Cannot: []providertest.Inability{{
			Ability: providertest.CanEcho(payment.MethodComplete),
			Reason:  "the answer repeats the reference of the authorization, which is another operation",
		}},
	}
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		config.Cannot = append(config.Cannot, providertest.Inability{Ability: providertest.CanFinish(m), Reason: later},
			providertest.Inability{Ability: providertest.CanSayAmount(m), Reason: later})
	}
	for _, m := range (&adyen.Driver{}).Traits().Methods {
		config.Cannot = append(config.Cannot, providertest.Inability{Ability: providertest.CanMiss(m), Reason: none})
	}
	return config
}

// Send is a send that uses all that the driver can express.
func Send(m payment.Method) payment.Send {
	s := providertest.Send(m, "PSPREFERENCE0001")
	if m != payment.MethodAuthorize {
		switch m {
		case payment.MethodRefund:
			s.Instruction.Reason = "too small <&>"
		case payment.MethodComplete:
			s.ParentReference = "OURREFERENCE"
			s.Instruction.ReturnParameters = map[string]string{"redirectResult": "eyJ0cmFuc1N0YXR1cyI6IlkifQ==", "paymentData": "Ab02b4c0!BQABAgCuZFJrQOjSsl"}
		case payment.MethodAuthorize, payment.MethodCapture, payment.MethodVoid:
		}
		return s
	}
	s.Instruction.Tokens = map[payment.AccountName]payment.Token{"main": {StoredID: "M5N7TQ4TG5PFWR50"}}
	s.Instruction.ReturnURL = "https://shop.example/return?a=b&c=d"
	s.Instruction.Customer = &payment.Customer{
		CustomerID: "customer-7", ProviderCustomerIDs: map[payment.AccountName]string{"main": "shopper-7", "other": "cus_2"},
		Email: "payer@shop.example", Phone: "+31201234567", IPAddress: "192.0.2.7",
	}
	s.Instruction.Browser = &payment.Browser{
		AcceptHeader: "text/html", UserAgent: "Mozilla/5.0", Language: "nl-NL", ColorDepth: 24, ScreenHeight: 1080, ScreenWidth: 1920,
		TimeZoneOffset: -60, JavaScriptEnabled: true,
	}
	s.Instruction.StoredCredential = &payment.StoredCredential{Initiator: "customer", Purpose: "card_on_file"}
	s.Instruction.Metadata = map[string]string{"z": "last", "a": "first", "ü": "\u2028"}
	return s
}

// done is the answer to a send once it has had its effect. One of less than was
// asked for is a partial authorization.
func done(s payment.Send, m payment.Money) providers.Response {
	if s.Method != payment.MethodAuthorize && s.Method != payment.MethodComplete || s.Step.Fence() {
		return JSON(s, 201, Modification(s, m))
	}
	result := "Authorised"
	if m.MinorUnits > 0 && m.MinorUnits < s.Amount.MinorUnits {
		result = "PartiallyAuthorised"
	}
	return JSON(s, 200, providertest.With(Payment(s, result), Object{"amount": Amount(m)}))
}
