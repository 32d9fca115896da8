package providertest

import (
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Send is a send of ten euro with what every driver expresses: an authorization, or
// another verb on the parent. A driver's own send adds what this driver can express.
func Send(m payment.Method, parent payment.ProviderReference) payment.Send {
	s := payment.Send{
		Method: m, Step: payment.StepMain, Account: "main", Key: "0123456789abcdef0123456789abcdef", Reference: "OURREFERENCE",
		PaymentID: "01980000-0000-7000-8000-000000000000", Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		Instruction: payment.Instruction{IdempotencyKey: "the caller's own key"},
	}
	if m != payment.MethodAuthorize {
		s.Key, s.Parent, s.Reference = "fedcba9876543210fedcba9876543210", parent, "FURTHERREFERENCE"
		return s
	}
	s.Instruction.MerchantReference, s.Instruction.CaptureMode = "order-7 <&>", payment.CaptureManual
	s.Instruction.StatementDescriptor = "SHOP"
	return s
}

// Further is a driver's send of another verb as one on a payment, with a key that is
// its verb's.
func Further(s payment.Send, parent payment.ProviderReference, units int64) payment.Send {
	s.Parent, s.Amount.MinorUnits = parent, units
	s.Key = payment.ProviderKey(fmt.Sprintf("%032x", string(s.Method)))
	return s
}

// Fence is the first cancel of the authorization of a send, by the provider's id if
// there is one.
func Fence(s payment.Send, id payment.ProviderReference) payment.Send {
	s.Step, s.Key, s.ProviderReference = payment.StepCancel(1), "fencefencefencefencefencefence01", id
	return s
}
