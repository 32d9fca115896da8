package amazonpay_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Goal: an answer about another object than the one that was acted on or asked
// about says nothing. Method: good answers to each verb in which one id is another's,
// beside the same with the right one.
func TestAnotherObject(t *testing.T) {
	type object = amazonpaytest.Object
	const other = "S01-7654321-7654321-X000009"
	authorize, capture := amazonpaytest.Send(payment.MethodAuthorize), amazonpaytest.Send(payment.MethodCapture)
	void, refund := amazonpaytest.Send(payment.MethodVoid), amazonpaytest.Send(payment.MethodRefund)
	fence := authorize
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "S01-1234567-1234567-C000001"
	d := driver(t)
	for name, c := range map[string]struct {
		send   payment.Send
		parse  func(payment.Send, providers.Response) payment.Answer
		good   object
		wrong  object
		status int
	}{
		"a charge of another permission": {authorize, d.Parse, amazonpaytest.Charge(authorize, authorize.Amount, "Authorized", ""), object{"chargePermissionId": other}, 201},
		"a charge without an id":         {authorize, d.Parse, amazonpaytest.Charge(authorize, authorize.Amount, "Authorized", ""), object{"chargeId": ""}, 201},
		"a capture of another charge":    {capture, d.Parse, amazonpaytest.Charge(capture, capture.Amount, "Captured", ""), object{"chargeId": other}, 200},
		"a void of another charge":       {void, d.Parse, amazonpaytest.Charge(void, void.Amount, "Canceled", ""), object{"chargeId": other}, 200},
		"a fence of another charge":      {fence, d.Parse, amazonpaytest.Charge(fence, fence.Amount, "Canceled", ""), object{"chargeId": other}, 200},
		"a refund of another charge":     {refund, d.Parse, amazonpaytest.Refund(refund, refund.Amount, "RefundInitiated", ""), object{"chargeId": other}, 201},
		"a refund without an id":         {refund, d.Parse, amazonpaytest.Refund(refund, refund.Amount, "RefundInitiated", ""), object{"refundId": ""}, 201},
		"another charge was found":       {fence, d.ParseQuery, amazonpaytest.Charge(fence, fence.Amount, "Canceled", ""), object{"chargeId": other}, 200},
		"another refund was found": {
			known(refund, "R1"), d.ParseQuery, amazonpaytest.Refund(known(refund, "R1"), refund.Amount, "Refunded", ""), object{"refundId": other}, 200,
		},
	} {
		if a := c.parse(c.send, amazonpaytest.JSON(c.status, c.good)); a.Code == "" || a.Reference == "" {
			t.Errorf("%s: the right one is read as %+v", name, a)
		}
		want := payment.Answer{RequestID: "request-1"}
		if diff := cmp.Diff(want, c.parse(c.send, amazonpaytest.JSON(c.status, providertest.With(c.good, c.wrong)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
