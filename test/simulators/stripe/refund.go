package stripe

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// refund is a Refund.
type refund struct {
	ID, Status, Reason, FailureReason string
	Amount                            int64
	Created                           time.Time
	Metadata                          map[string]string
	Of                                *intent
}

func (s *Simulator) refund(c call) answer {
	if name := c.unknown("payment_intent", "charge", "amount", "reason", "metadata"); name != "" {
		return invalid("parameter_unknown", name, "Received unknown parameter: "+name)
	}
	if reason := c.get("reason"); !slices.Contains([]string{"", "duplicate", "fraudulent", "requested_by_customer"}, reason) {
		return invalid("", "reason", "Invalid reason.")
	}
	in := s.refundable(c)
	if in == nil {
		return missing("payment_intent", c.get("payment_intent"))
	}
	left := in.Received - s.refunded(in)
	amount, whole := c.number("amount", left)
	switch {
	case !whole || amount < 1 && c.params.Has("amount"):
		return invalid("parameter_invalid_integer", "amount", "Invalid integer: "+c.get("amount"))
	case in.Received == 0:
		return failure(400, invalidRequest, "payment_intent_unexpected_state", "This PaymentIntent does not have a successful charge to refund.", object{"payment_intent": s.show(in, false)})
	case left == 0:
		return failure(400, invalidRequest, "charge_already_refunded", "Charge "+in.Charge+" has already been refunded.", nil)
	case amount > left:
		return failure(400, invalidRequest, "amount_too_large", "Refund amount is greater than unrefunded amount on charge.", nil)
	}
	r := &refund{ID: s.next("re"), Status: "succeeded", Reason: c.get("reason"), Amount: amount, Created: s.cfg.Now(), Metadata: c.metadata(), Of: in}
	if in.Card.RefundPending {
		r.Status = "pending"
	}
	s.refunds = append(s.refunds, r)
	s.did(KindRefund, in, r.ID, amount, c.key)
	s.happened("refund.created", r.show())
	return ok(r.show())
}

func (s *Simulator) refundable(c call) *intent {
	i := slices.IndexFunc(s.intents, func(in *intent) bool {
		return in.ID == c.get("payment_intent") || (in.Charge != "" && in.Charge == c.get("charge"))
	})
	if i < 0 {
		return nil
	}
	return s.intents[i]
}

// refunded is what of an intent was or will be given back.
func (s *Simulator) refunded(in *intent) int64 {
	var sum int64
	for _, r := range s.refunds {
		if r.Of == in && r.Status != "failed" && r.Status != "canceled" {
			sum += r.Amount
		}
	}
	return sum
}

// SettleRefund is what becomes of a refund later: it fails for a reason, or, if
// that is "", has succeeded.
func (s *Simulator) SettleRefund(id, failureReason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.refunds, func(r *refund) bool { return r.ID == id })
	if i < 0 || s.refunds[i].Status == "failed" {
		return fmt.Errorf("refund %s cannot be settled", id)
	}
	r := s.refunds[i]
	if failureReason == "" {
		r.Status = "succeeded"
		s.happened("refund.updated", r.show())
		return nil
	}
	r.Status, r.FailureReason = "failed", failureReason
	s.did(KindRefundFailed, r.Of, r.ID, r.Amount, "")
	s.happened("refund.failed", r.show())
	return nil
}

func (s *Simulator) retrieveRefund(_ call, id string) answer {
	i := slices.IndexFunc(s.refunds, func(r *refund) bool { return r.ID == id })
	if i < 0 {
		return missing("refund", id)
	}
	return ok(s.refunds[i].show())
}

func (s *Simulator) listRefunds(c call) answer {
	limit, _ := c.number("limit", 10)
	data, more := []any{}, false
	for _, r := range slices.Backward(s.refunds) {
		other := c.params.Has("payment_intent") && c.get("payment_intent") != r.Of.ID || c.params.Has("charge") && c.get("charge") != r.Of.Charge
		switch {
		case other:
		case int64(len(data)) >= limit:
			more = true
		default:
			data = append(data, r.show())
		}
	}
	return ok(object{"object": "list", "url": "/v1/refunds", "has_more": more, "data": data})
}

// show is the refund as Stripe shows it.
func (r *refund) show() object {
	o := object{
		"id": r.ID, "object": "refund", "status": r.Status, "amount": r.Amount, "currency": r.Of.Currency, "created": r.Created.Unix(),
		"charge": r.Of.Charge, "payment_intent": r.Of.ID, "metadata": maps.Clone(r.Metadata), "reason": nil,
	}
	if r.Reason != "" {
		o["reason"] = r.Reason
	}
	if r.FailureReason != "" {
		o["failure_reason"] = r.FailureReason
	}
	return o
}
