package stripetest

import (
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe"
)

// Contract is what the driver is held to.
func Contract() providertest.Config {
	return providertest.Config{
		New:         func(c providers.Secret) providers.Driver { return stripe.New(stripe.Config{Credential: c}) },
		Credentials: [2]providers.Secret{"sk_test_first", "rk_test_second"},
		Send:        Send,
		Done: func(s payment.Send, m payment.Money) providers.Response {
			return JSON(200, done(s, m, doneStatus(s)))
		},
		Found: func(s payment.Send, m payment.Money) providers.Response {
			return found(s, done(s, m, doneStatus(s)))
		},
		Missing: func(s payment.Send) providers.Response {
			if s.ProviderReference == "" && (s.Method == payment.MethodAuthorize || s.Method == payment.MethodRefund) {
				return Listed()
			}
			return Error(404, "invalid_request_error", "resource_missing", Object{"param": "intent"})
		},
		Odd: func(s payment.Send) providers.Response { return JSON(200, done(s, s.Amount, "teleported")) },
		Refused: func(status int, code, message string) providers.Response {
			return Error(status, "invalid_request_error", code, Object{"message": message})
		},
		Samples:  samples(),
		Webhooks: Webhooks(),
		Cannot: []providertest.Inability{
			{Ability: providertest.CanSayAmount(payment.MethodVoid), Reason: "a cancel releases whatever is held"},
			{Ability: providertest.CanEcho(payment.MethodVoid), Reason: "a cancel takes no metadata; whoever canceled an intent, nothing is held any more"},
		},
	}
}

// Send is a send that uses all that the driver can express.
func Send(m payment.Method) payment.Send {
	s := providertest.Send(m, "pi_1")
	if m != payment.MethodAuthorize {
		if m == payment.MethodRefund {
			s.Instruction.Reason = "too small <&>"
		}
		return s
	}
	s.Instruction.Tokens = map[payment.AccountName]payment.Token{"main": {StoredID: "pm_card_visa_secret"}}
	s.Instruction.ReturnURL = "https://shop.example/return?a=b&c=d"
	s.Instruction.Customer = &payment.Customer{ProviderCustomerIDs: map[payment.AccountName]string{"main": "cus_1", "other": "cus_2"}}
	s.Instruction.StoredCredential = &payment.StoredCredential{Initiator: "merchant", Purpose: "unscheduled"}
	s.Instruction.Metadata = map[string]string{"z": "last", "a": "first", "ü": "\u2028"}
	return s
}

// done is the object of a send.
func done(s payment.Send, m payment.Money, status string) Object {
	if s.Method == payment.MethodRefund {
		return Refund(s, m, status)
	}
	return Intent(s, m, status)
}

func doneStatus(s payment.Send) string {
	switch {
	case s.Method == payment.MethodVoid || s.Step.Fence():
		return "canceled"
	case s.Method == payment.MethodAuthorize && s.Instruction.CaptureMode == payment.CaptureManual:
		return "requires_capture"
	}
	return "succeeded"
}

// found is the answer to a look-up of s that shows an object.
func found(s payment.Send, o Object) providers.Response {
	if s.ProviderReference == "" && (s.Method == payment.MethodAuthorize || s.Method == payment.MethodRefund) {
		return Listed(providertest.With(o, Object{"id": "xx_other", "metadata": Object{}}), o)
	}
	return JSON(200, o)
}
