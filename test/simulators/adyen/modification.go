package adyen

import (
	"net/http"
	"slices"
)

// effectOf makes a modification and tells its outcome by webhook.
type effectOf func(c call, p *payment, id string)

// modify accepts a modification of a payment. Whether it comes about is told later.
func (s *Simulator) modify(c call, of string, effect effectOf) answer {
	i := slices.IndexFunc(s.payments, func(p *payment) bool { return p.ID == of })
	if i < 0 {
		return failure(http.StatusUnprocessableEntity, "validation", "167", "Original pspReference required for this operation")
	}
	id := s.next()
	effect(c, s.payments[i], id)
	o := object{"merchantAccount": c.MerchantAccount, "paymentPspReference": of, "pspReference": id, "reference": c.Reference, "status": "received"}
	if c.Amount != nil {
		o["amount"] = *c.Amount
	}
	return ok(http.StatusCreated, id, o)
}

// value is the amount of a call; 0 is none.
func (c call) value() int64 {
	if c.Amount == nil {
		return 0
	}
	return c.Amount.Value
}

// capture takes a hold once; what it does not take is released.
func (s *Simulator) capture(c call, p *payment, id string) {
	n := notice{code: "CAPTURE", of: p, id: id, original: p.ID, reference: c.Reference, value: c.value()}
	switch {
	case p.Status != "authorised" || n.value < 1 || n.value > p.Held || c.Amount.Currency != p.Amount.Currency:
		n.reason = "Insufficient balance on payment"
	case p.Card.Capture == "refused":
		n.reason = "Capture refused"
	default:
		n.success = true
	}
	s.happened(n)
	if !n.success {
		return
	}
	rest := p.Held - n.value
	p.Taken, p.Held, p.captured = n.value, 0, true
	s.did(KindCapture, p, id, n.value, c.key)
	if rest > 0 {
		s.did(KindRelease, p, id, rest, c.key)
	}
	if p.Card.Capture == "failed" {
		p.Taken = 0
		s.did(KindCaptureFailed, p, id, n.value, "")
		n.code, n.reason = "CAPTURE_FAILED", "Capture Failed"
		s.happened(n)
	}
}

// cancel releases a hold of which nothing was captured.
func (s *Simulator) cancel(c call, p *payment, id string) {
	n := notice{code: "CANCELLATION", of: p, id: id, original: p.ID, reference: c.Reference, value: p.Amount.Value, success: p.cancellable()}
	if n.success {
		s.release(p, id, c.key)
	} else {
		n.reason = "Transaction is not authorised or captured already"
	}
	s.happened(n)
}

// cancellable reports whether there is a payment to end: one that holds money, or
// one that may yet.
func (p *payment) cancellable() bool {
	return p.Status == "authorised" && !p.captured || p.Status == "waiting" || p.Status == "pending"
}

func (s *Simulator) release(p *payment, object, key string) {
	if p.Held > 0 {
		s.did(KindRelease, p, object, p.Held, key)
	}
	p.Status, p.Held = "cancelled", 0
}

// technicalCancel cancels by the payment's reference, whether there is one or not:
// one that arrives later is not touched by it.
func (s *Simulator) technicalCancel(c call) answer {
	if c.PaymentReference == "" {
		return failure(http.StatusUnprocessableEntity, "validation", "130", "Required field 'paymentReference' is not provided.")
	}
	id := s.next()
	n := notice{code: "TECHNICAL_CANCEL", id: id, reference: c.PaymentReference, reason: "No payment to cancel"}
	for _, p := range s.payments {
		if p.Reference != c.PaymentReference {
			continue
		}
		n.of, n.original = p, p.ID
		if p.cancellable() {
			n.success, n.reason, n.value = true, "", p.Amount.Value
			s.release(p, id, c.key)
			break
		}
	}
	s.happened(n)
	return ok(http.StatusCreated, id, object{
		"merchantAccount": c.MerchantAccount, "paymentReference": c.PaymentReference, "pspReference": id, "reference": c.Reference, "status": "received",
	})
}

// refund gives back of what was captured.
func (s *Simulator) refund(c call, p *payment, id string) {
	n := notice{code: "REFUND", of: p, id: id, original: p.ID, reference: c.Reference, value: c.value()}
	switch {
	case n.value < 1 || n.value > p.Taken-p.Back || c.Amount.Currency != p.Amount.Currency:
		n.reason = "Transaction hasn't been captured, refund not possible"
	case p.Card.Refund == "refused":
		n.reason = "Refund refused"
	default:
		n.success = true
	}
	s.happened(n)
	if !n.success {
		return
	}
	p.Back += n.value
	s.did(KindRefund, p, id, n.value, c.key)
	switch p.Card.Refund {
	case "failed":
		n.code, n.reason = "REFUND_FAILED", "Refund Failed"
	case "reversed":
		n.code, n.reason = "REFUNDED_REVERSED", "Refund came back"
	default:
		return
	}
	p.Back -= n.value
	s.did(KindRefundFailed, p, id, n.value, "")
	s.happened(n)
}
