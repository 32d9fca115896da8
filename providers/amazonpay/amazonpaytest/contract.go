package amazonpaytest

import (
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Contract is what the driver is held to.
func Contract() providertest.Config {
	return providertest.Config{
		New: func(c providers.Secret) providers.Driver {
			d, err := amazonpay.New(amazonpay.Config{Region: "eu", Credential: c})
			if err != nil {
				return nil
			}
			return d
		},
		// Two ids of a key pair are two credentials: each is part of what is signed.
		Credentials: [2]providers.Secret{Credential(PublicKeyID), Credential(PublicKeyID + "2")},
		Send:        Send,
		Done: func(s payment.Send, m payment.Money) providers.Response {
			return JSON(doneStatus(s), object(s, m, doneState(s)))
		},
		Found: func(s payment.Send, m payment.Money) providers.Response {
			state := doneState(s)
			if s.Method == payment.MethodRefund {
				state = "Refunded"
			}
			return JSON(200, object(s, m, state))
		},
		Missing: func(payment.Send) providers.Response { return Error(404, "ResourceNotFound", "No.") },
		Odd: func(s payment.Send) providers.Response {
			return JSON(200, object(s, s.Amount, "Teleported"))
		},
		Refused:  Error,
		Samples:  samples(),
		Webhooks: webhooks(),
		Cannot: []providertest.Inability{
			{Ability: providertest.CanFinish(payment.MethodRefund), Reason: "a refund is always asynchronous"},
			{Ability: providertest.CanEcho(payment.MethodRefund), Reason: "a refund has no reference of ours; its id is known from the answer to our key"},
			{Ability: providertest.CanEcho(payment.MethodCapture), Reason: "a capture has no reference of ours; its amount and that a charge is captured once tell it"},
			{Ability: providertest.CanEcho(payment.MethodVoid), Reason: "a cancel takes no reference; whoever canceled a charge, nothing is held any more"},
			{Ability: providertest.CanSayAmount(payment.MethodVoid), Reason: "a cancel releases whatever is held"},
		},
	}
}

// Send is a send that uses all that the driver can express.
func Send(m payment.Method) payment.Send {
	s := providertest.Send(m, "S01-1234567-1234567-C000001")
	if m != payment.MethodAuthorize {
		if m == payment.MethodCapture {
			s.Instruction.StatementDescriptor = "SHOP <&>"
		}
		return s
	}
	s.Instruction.Tokens = map[payment.AccountName]payment.Token{"main": {StoredID: Permission}}
	s.Instruction.Metadata = map[string]string{"a": "nowhere to go"}
	return s
}

// object is the object of a send.
func object(s payment.Send, m payment.Money, state string) Object {
	if s.Method == payment.MethodRefund {
		return Refund(s, m, state, "")
	}
	return Charge(s, m, state, "")
}

func doneState(s payment.Send) string {
	switch {
	case s.Method == payment.MethodRefund:
		return "RefundInitiated"
	case s.Method == payment.MethodVoid || s.Step.Fence():
		return "Canceled"
	case s.Method == payment.MethodAuthorize && s.Instruction.CaptureMode == payment.CaptureManual:
		return "Authorized"
	}
	return "Captured"
}

func doneStatus(s payment.Send) int {
	if s.Step.Fence() || s.Method == payment.MethodVoid || s.Method == payment.MethodCapture {
		return 200
	}
	return 201
}
