package stripe

import (
	"fmt"
	"strings"
)

// Card is what the card of a payment method does.
type Card struct {
	Code, Decline, Advice string // why it is declined; Code is "" if it is not
	Authenticate          bool   // the payer must authenticate first
	Processing            bool   // the outcome comes later; not of cards
	RefundPending         bool   // its refunds are pending until they are settled
	RefundFails           bool   // its refunds succeed and fail when they are settled
}

// Cards are the payment methods that the simulator knows. Names are those of
// Stripe's test cards where there is one.
func Cards() map[string]Card {
	declined := func(decline string) Card { return Card{Code: "card_declined", Decline: decline} }
	return map[string]Card{
		"pm_card_visa":                                     {},
		"pm_card_mastercard":                               {},
		"pm_card_visa_chargeDeclined":                      declined("generic_decline"),
		"pm_card_chargeDeclined":                           declined("generic_decline"),
		"pm_card_visa_chargeDeclinedInsufficientFunds":     declined("insufficient_funds"),
		"pm_card_visa_chargeDeclinedLostCard":              declined("lost_card"),
		"pm_card_visa_chargeDeclinedStolenCard":            declined("stolen_card"),
		"pm_card_visa_chargeDeclinedVelocityLimitExceeded": declined("card_velocity_exceeded"),
		"pm_card_visa_chargeDeclinedFraudulent":            declined("fraudulent"),
		"pm_card_visa_chargeDeclinedUnlisted":              declined("something_new"),
		"pm_card_visa_chargeDeclinedAdvice":                {Code: "card_declined", Decline: "do_not_honor", Advice: "do_not_try_again"},
		"pm_card_chargeDeclinedExpiredCard":                {Code: "expired_card"},
		"pm_card_chargeDeclinedIncorrectCvc":               {Code: "incorrect_cvc"},
		"pm_card_chargeDeclinedProcessingError":            {Code: "processing_error"},
		"pm_card_threeDSecure2Required":                    {Authenticate: true},
		"pm_card_threeDSecureRequiredChargeDeclined":       {Authenticate: true, Code: "card_declined", Decline: "generic_decline"},
		"pm_card_pendingRefund":                            {RefundPending: true},
		"pm_card_refundFail":                               {RefundFails: true},
		"pm_processing":                                    {Processing: true},
		"ctoken_visa":                                      {},
	}
}

// cardOf is the card that a call pays with. That of a fault is good.
func cardOf(c call) (Card, bool) {
	name, prefix := c.get("payment_method"), "pm_"
	if name == "" {
		name, prefix = c.get("confirmation_token"), "ctoken_"
	}
	if strings.HasPrefix(name, faultTokenPrefix) {
		return Card{}, true
	}
	card, there := Cards()[name]
	return card, there && strings.HasPrefix(name, prefix)
}

// Authenticate is the payer's part of an intent that requires action: it passes,
// and the card is charged, or fails.
func (s *Simulator) Authenticate(id string, passes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.find(id)
	if in == nil || in.Status != "requires_action" {
		return fmt.Errorf("no PaymentIntent %s requires action", id)
	}
	if !passes {
		s.decline(in, Card{Code: "payment_intent_authentication_failure"})
		return nil
	}
	s.charge(in, false, "")
	return nil
}

// Confirm is a payer who has an intent's client secret and tries another card.
func (s *Simulator) Confirm(id, secret, paymentMethod string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.find(id)
	card, there := Cards()[paymentMethod]
	if in == nil || in.Secret != secret || in.Status != "requires_payment_method" || !there {
		return fmt.Errorf("PaymentIntent %s cannot be confirmed", id)
	}
	in.Card = card
	s.confirm(in, false, "")
	return nil
}
