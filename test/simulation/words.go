package simulation

import (
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Answers are spelled as the sandbox spells them, so that the real mapping table
// judges them.

func answered(httpStatus int, code string) payment.Answer {
	return payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: httpStatus, Code: code}
}

// shows is what a provider says about an object.
func (p *provider) shows(o *object) payment.Answer {
	switch o.status {
	case isPending:
		return o.identified(answered(202, "pending"))
	case isAction:
		a := o.identified(answered(202, "requires_action"))
		a.NextAction = &payment.NextAction{RedirectURL: "https://shopper.example/act", RedirectMethod: "GET"}
		return a
	case isNegative:
		a := answered(422, "failed")
		if o.method == payment.MethodAuthorize {
			a = answered(402, "declined")
		}
		a.Decline = o.failure
		return o.identified(a)
	case isCancelled:
		return o.identified(answered(200, "cancelled"))
	case isEffect:
	}
	a := o.identified(answered(201, o.done()))
	a.Amount = &payment.Money{MinorUnits: o.amount, CurrencyCode: o.currency}
	a.Captured = o.method == payment.MethodAuthorize && o.automatic
	return a
}

func (o *object) identified(a payment.Answer) payment.Answer {
	a.Reference, a.OurEcho = o.id, o.reference
	return a
}

// done is the status of an object that has its effect.
func (o *object) done() string {
	switch o.method {
	case payment.MethodCapture:
		return "captured"
	case payment.MethodRefund:
		return "refunded"
	case payment.MethodVoid:
		return "voided"
	case payment.MethodAuthorize, payment.MethodComplete:
	}
	if o.automatic {
		return "captured"
	}
	return "authorized"
}

// meaning is what an answer to a send tells its sender: how the provider means
// it, whatever acquit makes of it.
func meaning(a payment.Answer) outcome {
	if a.Transport.Unsent() || a.Transport == payment.TransportRefusedStream {
		return outcomeRefused
	}
	switch a.Code {
	case "authorized", "captured", "refunded", "voided":
		return outcomeEffect
	case "pending", "requires_action":
		return outcomePending
	case "declined", "failed":
		return outcomeNegative
	case "rate_limited", "unauthorized", "invalid_request", "nothing_held", "no_such_authorization":
		return outcomeRefused
	}
	return outcomeUnknown
}
