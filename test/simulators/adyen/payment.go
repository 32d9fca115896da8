package adyen

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Card is what the card of a stored token does.
type Card struct {
	Code, Reason string // why it is refused; Code is "" if it is not
	Action       string // redirect or threeDS2: the shopper must do something first
	Pending      bool   // the outcome comes later
	Error        bool   // the acquirer fails
	Part         int64  // of what is asked for this much is authorized; 0 is all
	Capture      string // refused, or failed after it had succeeded
	Refund       string // refused, failed or reversed after it had succeeded
}

// Cards are the stored tokens that the simulator knows.
func Cards() map[string]Card {
	return map[string]Card{
		"card_ok":                     {},
		"card_refused":                {Code: "2", Reason: "Refused"},
		"card_refused_balance":        {Code: "12", Reason: "Not enough balance"},
		"card_refused_expired":        {Code: "6", Reason: "Expired Card"},
		"card_refused_fraud":          {Code: "20", Reason: "FRAUD"},
		"card_refused_cvc":            {Code: "24", Reason: "CVC Declined"},
		"card_refused_acquirer":       {Code: "4", Reason: "Acquirer Error"},
		"card_refused_authentication": {Code: "38", Reason: "Authentication required"},
		"card_refused_unlisted":       {Code: "999", Reason: "Something new"},
		"card_error":                  {Error: true, Code: "4", Reason: "Acquirer Error"},
		"card_partial":                {Part: 400},
		"card_redirect":               {Action: "redirect"},
		"card_redirect_refused":       {Action: "redirect", Code: "2", Reason: "Refused"},
		"card_native":                 {Action: "threeDS2"},
		"card_pending":                {Pending: true},
		"card_pending_refused":        {Pending: true, Code: "2", Reason: "Refused"},
		"card_capture_refused":        {Capture: "refused"},
		"card_capture_failed":         {Capture: "failed"},
		"card_refund_refused":         {Refund: "refused"},
		"card_refund_failed":          {Refund: "failed"},
		"card_refund_reversed":        {Refund: "reversed"},
	}
}

// payment is a payment and its modifications.
type payment struct {
	ID, Reference       string
	Status              string // waiting, pending, authorised, refused, error or cancelled
	Amount              amount
	Held, Taken, Back   int64 // of the authorized amount: still reserved, captured, refunded
	Automatic, captured bool
	Card                Card
	Token               string // of the action that its shopper was given
	Key                 string // of the request that made it
}

func (s *Simulator) pay(c call) answer {
	invalid := func(code, message string) answer {
		return failure(http.StatusUnprocessableEntity, "validation", code, message)
	}
	token := c.PaymentMethod["storedPaymentMethodId"]
	card, there := Cards()[token]
	if strings.HasPrefix(token, faultTokenPrefix) || c.PaymentMethod["encryptedCardNumber"] != "" {
		card, there = Card{}, true
	}
	switch {
	case c.Reference == "":
		return invalid("130", "Required field 'reference' is not provided.")
	case c.Amount == nil || c.Amount.Value < 1 || len(c.Amount.Currency) != 3:
		return invalid("100", "No amount specified")
	case c.ReturnURL == "":
		return invalid("14_030", "Return URL is missing.")
	case !there:
		return invalid("803", "PaymentDetail not found")
	}
	p := &payment{
		ID: s.next(), Reference: c.Reference, Status: "waiting", Amount: *c.Amount, Card: card, Key: c.key,
		Automatic: c.AdditionalData["manualCapture"] != "true",
	}
	s.payments = append(s.payments, p)
	switch {
	case card.Action != "":
		p.Token = s.next()
		return ok(http.StatusOK, p.ID, p.action())
	case card.Pending:
		p.Status = "pending"
		return ok(http.StatusOK, p.ID, object{"pspReference": p.ID, "resultCode": "Pending", "merchantReference": p.Reference})
	}
	return s.decide(p, c.key)
}

// action sends a shopper away. As in Adyen's examples a page comes with an id of
// the payment, and what the client does by itself without.
func (p *payment) action() object {
	if p.Card.Action == "redirect" {
		return object{"pspReference": p.ID, "resultCode": "RedirectShopper", "action": object{
			"type": "redirect", "paymentMethodType": "scheme", "method": "GET", "url": "https://checkoutshopper-test.adyen.com/redirect?MD=" + p.Token,
		}}
	}
	return object{"resultCode": "IdentifyShopper", "action": object{
		"type": p.Card.Action, "subtype": "fingerprint", "paymentMethodType": "scheme", "token": p.Token, "paymentData": "data_" + p.Token,
	}}
}

// decide ends a payment as its card says, and answers.
func (s *Simulator) decide(p *payment, key string) answer {
	o := object{"pspReference": p.ID, "merchantReference": p.Reference}
	switch {
	case p.Card.Code != "":
		p.Status, o["resultCode"] = "refused", "Refused"
		if p.Card.Error {
			p.Status, o["resultCode"] = "error", "Error"
		}
		o["refusalReason"], o["refusalReasonCode"] = p.Card.Reason, p.Card.Code
		s.happened(notice{code: "AUTHORISATION", of: p, id: p.ID, reference: p.Reference, value: p.Amount.Value, reason: p.Card.Reason})
		return ok(http.StatusOK, p.ID, o)
	case p.Card.Part > 0 && p.Card.Part < p.Amount.Value:
		p.Amount.Value, o["resultCode"] = p.Card.Part, "PartiallyAuthorised"
	default:
		o["resultCode"] = "Authorised"
	}
	p.Status, o["amount"] = "authorised", p.Amount
	s.happened(notice{code: "AUTHORISATION", success: true, of: p, id: p.ID, reference: p.Reference, value: p.Amount.Value})
	if !p.Automatic {
		p.Held = p.Amount.Value
		s.did(KindHold, p, p.ID, p.Held, key)
		return ok(http.StatusOK, p.ID, o)
	}
	p.Taken, p.captured = p.Amount.Value, true
	s.did(KindCharge, p, p.ID, p.Taken, key)
	s.happened(notice{code: "CAPTURE", success: true, of: p, id: s.next(), original: p.ID, reference: p.Reference, value: p.Taken})
	return ok(http.StatusOK, p.ID, o)
}

// details takes what a shopper brought back: the token of the action, and whether
// they passed.
func (s *Simulator) details(c call) answer {
	result := c.Details["redirectResult"]
	if result == "" {
		result = c.Details["threeds2.fingerprint"]
	}
	token, passed := strings.CutSuffix(result, "_passed")
	if !passed {
		token = strings.TrimSuffix(result, "_failed")
	}
	i := slices.IndexFunc(s.payments, func(p *payment) bool { return p.Token != "" && p.Token == token })
	if i < 0 {
		return failure(http.StatusUnprocessableEntity, "validation", "14_0408", "Invalid details")
	}
	p := s.payments[i]
	switch {
	case p.Status == "cancelled":
		return ok(http.StatusOK, p.ID, object{"pspReference": p.ID, "resultCode": "Cancelled", "merchantReference": p.Reference})
	case p.Status != "waiting":
		return failure(http.StatusUnprocessableEntity, "validation", "14_0409", "The payment is finished")
	case !passed:
		p.Card.Code, p.Card.Reason = "11", "3D Not Authenticated"
	}
	return s.decide(p, c.key)
}

// Return is what the browser of a payment's shopper brings back.
func (s *Simulator) Return(reference string, passes bool) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.payments, func(p *payment) bool { return p.Reference == reference && p.Token != "" })
	if i < 0 {
		return nil, fmt.Errorf("no payment %s has sent its shopper away", reference)
	}
	p, result := s.payments[i], "_failed"
	if passes {
		result = "_passed"
	}
	if p.Card.Action == "redirect" {
		return map[string]string{"redirectResult": p.Token + result}, nil
	}
	return map[string]string{"threeds2.fingerprint": p.Token + result, "paymentData": "data_" + p.Token}, nil
}

// Settle is what becomes of a payment that is pending.
func (s *Simulator) Settle(reference string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.payments, func(p *payment) bool { return p.Reference == reference && p.Status == "pending" })
	if i < 0 {
		return fmt.Errorf("no payment %s is pending", reference)
	}
	s.decide(s.payments[i], "")
	return nil
}
