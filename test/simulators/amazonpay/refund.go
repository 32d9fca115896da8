package amazonpay

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// refund is a refund.
type refund struct {
	ID, State, Reason string
	Amount            int64
	Created           time.Time
	Of                *charge
}

func (s *Simulator) refund(c call) answer {
	o := s.find(c.body.ChargeID)
	amount, ok := c.body.RefundAmount.units()
	switch {
	case c.unread:
		return refusal(http.StatusBadRequest, "InvalidRequestFormat", "The body is not JSON of known fields.")
	case o == nil:
		return missing(c.body.ChargeID)
	case !ok:
		return invalid("refundAmount")
	case o.State != "Captured":
		return s.wrongState(o)
	case c.body.RefundAmount.CurrencyCode != o.Currency:
		return refusal(http.StatusBadRequest, "CurrencyMismatch", "The currency is another.")
	case amount > o.Captured-s.refunded(o):
		return refusal(http.StatusBadRequest, "TransactionAmountExceeded", "More than is captured and not refunded.")
	}
	r := &refund{ID: s.next(o.Permission, "R"), State: "RefundInitiated", Amount: amount, Created: s.cfg.Now(), Of: o}
	s.refunds = append(s.refunds, r)
	s.did(KindRefund, o, r.ID, amount, c.key)
	return answer{status: http.StatusCreated, body: r.show()}
}

// refunded is what of a charge was or will be given back.
func (s *Simulator) refunded(o *charge) int64 {
	var sum int64
	for _, r := range s.refunds {
		if r.Of == o && r.State != "Declined" {
			sum += r.Amount
		}
	}
	return sum
}

// SettleRefund is what becomes of a refund that was accepted: it is declined for a
// reason, or, if that is "", the money was given back.
func (s *Simulator) SettleRefund(id, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.refunds, func(r *refund) bool { return r.ID == id && r.State == "RefundInitiated" })
	if i < 0 {
		return fmt.Errorf("refund %s cannot be settled", id)
	}
	r := s.refunds[i]
	r.State = "Refunded"
	if reason != "" {
		r.State, r.Reason = "Declined", reason
		s.did(KindRefundDeclined, r.Of, r.ID, r.Amount, "")
	}
	s.changed("REFUND", r.ID)
	return nil
}

func (s *Simulator) showRefund(id string) answer {
	i := slices.IndexFunc(s.refunds, func(r *refund) bool { return r.ID == id })
	if i < 0 {
		return missing(id)
	}
	return answer{status: http.StatusOK, body: s.refunds[i].show()}
}

// show is the refund as Amazon shows it.
func (r *refund) show() object {
	return object{
		"refundId": r.ID, "chargeId": r.Of.ID, "refundAmount": shownPrice(r.Amount, r.Of.Currency), "softDescriptor": nil,
		"creationTimestamp": stamp(r.Created), "releaseEnvironment": "Sandbox", "statusDetails": shownStatus(r.State, r.Reason),
	}
}
