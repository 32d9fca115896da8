package truelayertest

import (
	"net/http"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/truelayer"
)

// Driver is a driver of one sandbox account. Its configuration is good, so it is nil
// only if that is not true any more.
func Driver(c providers.Secret, paths ...providers.Secret) *truelayer.Driver {
	d, err := truelayer.New(truelayer.Config{
		MerchantAccountID: MerchantAccountID, MerchantName: "Shop & Söhne", Credential: c, WebhookPaths: paths, Tokens: Tokens{}, Fetch: Keys,
	})
	if err != nil {
		return nil
	}
	return d
}

// Contract is what the driver is held to.
func Contract() providertest.Config {
	return providertest.Config{
		New:         func(c providers.Secret) providers.Driver { return Driver(c) },
		Credentials: [2]providers.Secret{Credential("PLANTEDCLIENTSECRET"), Credential("PLANTEDOTHERSECRET")},
		Send:        Send,
		Key: func(k payment.ProviderKey) payment.ProviderKey {
			spelled, err := truelayer.Key(k)
			if err != nil {
				return payment.ProviderKey(err.Error())
			}
			return spelled
		},
		Done: func(s payment.Send, _ payment.Money) providers.Response {
			switch {
			case s.Step.Fence() || s.Method == payment.MethodVoid:
				return Accepted()
			case s.Method == payment.MethodRefund:
				return JSON(http.StatusAccepted, Object{"id": Refund(s, s.Amount, "pending", "")["id"]})
			}
			return JSON(http.StatusCreated, Created(s, "authorization_required", ""))
		},
		Found: found,
		Missing: func(payment.Send) providers.Response {
			return Error(http.StatusNotFound, "Not Found", "Payment could not be found.")
		},
		Odd: func(s payment.Send) providers.Response {
			o := Payment(s, s.Amount, "teleported", "")
			if s.Method == payment.MethodRefund {
				o = Refund(s, s.Amount, "teleported", "")
			}
			return JSON(http.StatusOK, o)
		},
		Refused:  Error,
		Samples:  samples(),
		Webhooks: webhooks(),
		Cannot: []providertest.Inability{
			{Ability: providertest.CanFinish(payment.MethodAuthorize), Reason: "the shopper has to authorize the payment first"},
			{Ability: providertest.CanFinish(payment.MethodRefund), Reason: "a refund is always asynchronous"},
			{Ability: providertest.CanFinish(payment.MethodVoid), Reason: "a cancel is an attempt, and its answer is empty"},
			{Ability: providertest.CanEcho(payment.MethodVoid), Reason: "a cancel takes no reference; whoever cancelled a payment, nobody can authorize it any more"},
			{Ability: providertest.CanSayAmount(payment.MethodVoid), Reason: "a cancel is of a payment that has not moved anything"},
		},
	}
}

// found is the answer to a look-up of what has had its effect.
func found(s payment.Send, m payment.Money) providers.Response {
	switch s.Method {
	case payment.MethodVoid:
		return JSON(http.StatusOK, Payment(s, m, "failed", "canceled"))
	case payment.MethodRefund:
		return JSON(http.StatusOK, Refund(s, m, "executed", ""))
	case payment.MethodAuthorize, payment.MethodCapture, payment.MethodComplete:
	}
	return JSON(http.StatusOK, Payment(s, m, "settled", ""))
}

// Send is a send that uses all that the driver can express.
func Send(m payment.Method) payment.Send {
	s := providertest.Send(m, "c7f3f6c5-ae17-4d43-829c-000000000001")
	if m != payment.MethodAuthorize {
		return s
	}
	in := &s.Instruction
	in.CaptureMode, in.ReturnURL = payment.CaptureAutomatic, "https://shop.example/back?order=7&x=<>"
	in.BankTransfer = &payment.BankTransfer{Scheme: "sepa_credit_transfer", RemitterName: "Jo Doe", RemitterBankID: "mock-payments-eu-redirect"}
	in.Customer = &payment.Customer{
		CustomerID: "customer-1", ProviderCustomerIDs: map[payment.AccountName]string{"main": "ac459f9f-37df-4cd7-ada5-000000000001", "elsewhere": "another"},
		Name: "Jo Doe", Email: "jo@shop.example", Phone: "+4915112345678",
	}
	in.Metadata = map[string]string{"basket": "17"}
	return s
}
