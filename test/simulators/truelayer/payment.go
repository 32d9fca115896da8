package truelayer

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ourReference is where acquit leaves its reference.
const ourReference = "acquit_reference"

// payment is a payment.
type payment struct {
	ID, Status, Reason, Currency string
	Amount                       int64
	Metadata                     map[string]string
	Created                      time.Time
	Key                          string // of the request that made it
}

// refund is a refund.
type refund struct {
	ID, Status, Reason, Reference string
	Amount                        int64
	Metadata                      map[string]string
	Of                            *payment
	Key                           string
}

func (s *Simulator) create(c call) answer {
	b := c.body
	to := b.PaymentMethod.Beneficiary
	switch {
	case b.AmountInMinor < 1 || len(b.Currency) != 3:
		return invalid("amount_in_minor or currency")
	case b.PaymentMethod.Type != "bank_transfer" || to.Type != "merchant_account" || to.MerchantAccountID != s.cfg.MerchantAccountID:
		return invalid("payment_method")
	case b.User.Name == "" || (b.User.Email == "" && b.User.Phone == ""):
		return invalid("user")
	case len(b.Metadata) > 10:
		return invalid("metadata")
	}
	p := &payment{
		ID: s.next("payment"), Status: "authorization_required", Amount: b.AmountInMinor, Currency: b.Currency, Metadata: b.Metadata,
		Created: s.cfg.Now(), Key: c.key,
	}
	s.payments = append(s.payments, p)
	if reason, fails := strings.CutPrefix(b.PaymentMethod.ProviderSelection.ProviderID, "fails_"); fails {
		p.Status, p.Reason = "failed", reason
	}
	o := object{"id": p.ID, "user": object{"id": s.next("user")}, "resource_token": "PLANTEDRESOURCETOKEN." + p.ID, "status": p.Status}
	if p.Reason != "" {
		o["failure_reason"], o["failure_stage"] = p.Reason, "authorization_required"
	}
	return done(http.StatusCreated, o)
}

func (s *Simulator) cancel(id string) answer {
	p := s.find(id)
	switch {
	case p == nil:
		return missing()
	case !p.waits():
		a := refusal(http.StatusBadRequest, "Invalid State", "The payment is "+p.Status+".")
		a.unexecuted, a.retry = false, "false"
		return a
	}
	s.fails(p, "canceled")
	return done(http.StatusAccepted, nil)
}

// waits reports whether the shopper has not authorized a payment yet, and may.
func (p *payment) waits() bool {
	return slices.Contains([]string{"authorization_required", "authorizing", "attempt_failed"}, p.Status)
}

// expire fails the payments that nobody authorized in time.
func (s *Simulator) expire() {
	for _, p := range s.payments {
		if p.waits() && !s.cfg.Now().Before(p.Created.Add(s.cfg.Patience)) {
			s.fails(p, "expired")
		}
	}
}

func (s *Simulator) fails(p *payment, reason string) {
	if p.Status == "executed" {
		s.did(KindReturned, p)
	}
	p.Status, p.Reason = "failed", reason
	s.happened("payment_failed", object{"payment_id": p.ID, "failure_reason": reason, "failed_at": s.stamp(), "metadata": p.Metadata})
}

func (s *Simulator) did(k Kind, p *payment) {
	s.Moved(Effect{Kind: k, Payment: p.ID, Reference: p.Metadata[ourReference], Object: p.ID, Amount: p.Amount, Currency: p.Currency, Key: p.Key})
}

// step moves a payment on from one of the statuses.
func (s *Simulator) step(id, to string, from ...string) (*payment, error) {
	s.expire()
	p := s.find(id)
	if p == nil || !slices.Contains(from, p.Status) {
		return nil, fmt.Errorf("no payment %s can become %s", id, to)
	}
	p.Status = to
	s.happened("payment_"+to, object{"payment_id": p.ID, to + "_at": s.stamp(), "metadata": p.Metadata})
	return p, nil
}

// Authorize is a shopper who authorizes a payment at the hosted page.
func (s *Simulator) Authorize(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.step(id, "authorized", "authorization_required", "authorizing", "attempt_failed")
	return err
}

// Execute is a bank that executes a payment.
func (s *Simulator) Execute(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.step(id, "executed", "authorized")
	if err == nil {
		s.did(KindPayment, p)
	}
	return err
}

// Settle is that a payment has arrived in the merchant account.
func (s *Simulator) Settle(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.step(id, "settled", "executed")
	return err
}

// Fail is a shopper who gives up, or a bank that does not execute a payment or takes it
// back.
func (s *Simulator) Fail(id, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(id)
	if p == nil || p.Status == "settled" || p.Status == "failed" {
		return fmt.Errorf("no payment %s can fail", id)
	}
	s.fails(p, reason)
	return nil
}

// Payment is the id of the payment with a reference of ours, and its status.
func (s *Simulator) Payment(reference string) (id, status string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	for _, p := range s.payments {
		if p.Metadata[ourReference] == reference {
			return p.ID, p.Status, nil
		}
	}
	return "", "", fmt.Errorf("no payment has reference %s", reference)
}

func (s *Simulator) find(id string) *payment {
	i := slices.IndexFunc(s.payments, func(p *payment) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return s.payments[i]
}

func (s *Simulator) show(id string) answer {
	p := s.find(id)
	if p == nil {
		return missing()
	}
	o := object{
		"id": p.ID, "amount_in_minor": p.Amount, "currency": p.Currency, "status": p.Status, "metadata": p.Metadata, "created_at": p.Created.UTC().Format(time.RFC3339),
	}
	if p.Reason != "" {
		o["failure_reason"], o["failure_stage"] = p.Reason, "authorizing"
	}
	return answer{status: http.StatusOK, body: o}
}

func (s *Simulator) stamp() string { return s.cfg.Now().UTC().Format(time.RFC3339) }

// refund accepts a refund of a settled payment.
func (s *Simulator) refund(c call, id string) answer {
	p, back := s.find(id), int64(0)
	for _, r := range s.refunds {
		if r.Of.ID == id && r.Status != "failed" {
			back += r.Amount
		}
	}
	switch {
	case p == nil:
		return missing()
	case c.body.AmountInMinor < 1 || c.body.Reference == "" || len(c.body.Reference) > 35:
		return invalid("amount_in_minor or reference")
	case p.Status != "settled":
		return refusal(http.StatusBadRequest, "Invalid State", "The payment is "+p.Status+".")
	case c.body.AmountInMinor > p.Amount-back:
		return invalid("amount_in_minor is more than is left")
	}
	r := &refund{ID: s.next("refund"), Status: "pending", Amount: c.body.AmountInMinor, Reference: c.body.Reference, Metadata: c.body.Metadata, Of: p, Key: c.key}
	s.refunds = append(s.refunds, r)
	return done(http.StatusAccepted, object{"id": r.ID})
}

// ExecuteRefund is a bank that executes a refund.
func (s *Simulator) ExecuteRefund(id string) error { return s.endRefund(id, "") }

// FailRefund is a refund that is not executed, or comes back.
func (s *Simulator) FailRefund(id, reason string) error { return s.endRefund(id, reason) }

func (s *Simulator) endRefund(id, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.refunds, func(r *refund) bool { return r.ID == id })
	if i < 0 || s.refunds[i].Status == "failed" || (reason == "" && s.refunds[i].Status == "executed") {
		return fmt.Errorf("refund %s cannot end so", id)
	}
	r := s.refunds[i]
	e := Effect{
		Kind: KindRefund, Payment: r.Of.ID, Reference: r.Metadata[ourReference], Object: r.ID, Amount: r.Amount, Currency: r.Of.Currency, Key: r.Key,
	}
	o := object{"payment_id": r.Of.ID, "refund_id": r.ID, "metadata": r.Metadata}
	if reason == "" {
		r.Status, o["executed_at"] = "executed", s.stamp()
		s.Moved(e)
		s.happened("refund_executed", o)
		return nil
	}
	if e.Kind = KindRefundReturned; r.Status == "executed" {
		s.Moved(e)
	}
	r.Status, r.Reason, o["failed_at"], o["failure_reason"] = "failed", reason, s.stamp(), reason
	s.happened("refund_failed", o)
	return nil
}

func (s *Simulator) showRefund(of, id string) answer {
	i := slices.IndexFunc(s.refunds, func(r *refund) bool { return r.ID == id && r.Of.ID == of })
	if i < 0 {
		return missing()
	}
	r := s.refunds[i]
	o := object{"id": r.ID, "amount_in_minor": r.Amount, "currency": r.Of.Currency, "reference": r.Reference, "status": r.Status, "metadata": r.Metadata}
	if r.Reason != "" {
		o["failure_reason"] = r.Reason
	}
	return answer{status: http.StatusOK, body: o}
}
