package stripe

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// intent is a PaymentIntent.
type intent struct {
	ID, Status, Currency, CaptureMethod string
	Amount, Capturable, Received        int64
	Created                             time.Time
	Changed                             time.Time // when search should have seen it
	Metadata                            map[string]string
	Secret, ReturnURL, Cancellation     string
	Charge                              string // of the last attempt; "" if none
	Card                                Card
	LastError                           object
	Key                                 string // of the request that made it
}

func (s *Simulator) create(c call) answer {
	const known = "amount currency confirm capture_method payment_method confirmation_token payment_method_types return_url statement_descriptor_suffix customer off_session metadata"
	if name := c.unknown(strings.Fields(known)...); name != "" {
		return invalid("parameter_unknown", name, "Received unknown parameter: "+name)
	}
	for _, name := range []string{"amount", "currency"} {
		if c.get(name) == "" {
			return invalid("parameter_missing", name, "Missing required param: "+name+".")
		}
	}
	amount, whole := c.number("amount", 0)
	switch {
	case !whole:
		return invalid("parameter_invalid_integer", "amount", "Invalid integer: "+c.get("amount"))
	case amount < 1:
		return invalid("amount_too_small", "amount", "Amount must be at least 1.")
	case !regexp.MustCompile(`^[a-z]{3}$`).MatchString(c.get("currency")):
		return invalid("", "currency", "Invalid currency: "+c.get("currency"))
	}
	card, there := cardOf(c)
	if !there {
		return missing("PaymentMethod", c.get("payment_method"))
	}
	in := &intent{
		ID: s.next("pi"), Status: "requires_confirmation", Currency: c.get("currency"), CaptureMethod: c.get("capture_method"),
		Amount: amount, Created: s.cfg.Now(), Metadata: c.metadata(), ReturnURL: c.get("return_url"), Card: card, Key: c.key,
	}
	in.Secret = in.ID + "_secret_" + s.next("cs")
	s.intents = append(s.intents, in)
	s.changed(in, "payment_intent.created")
	if c.get("confirm") != "true" {
		return ok(s.show(in, c.expands("latest_charge")))
	}
	if c.get("off_session") == "true" && card.Authenticate {
		return s.decline(in, Card{Code: "authentication_required", Decline: "authentication_required"})
	}
	return s.confirm(in, c.expands("latest_charge"), c.key)
}

// confirm charges the card of an intent, or asks the payer to authenticate first.
func (s *Simulator) confirm(in *intent, expand bool, key string) answer {
	if in.Card.Authenticate {
		in.Status = "requires_action"
		s.changed(in, "payment_intent.requires_action")
		return ok(s.show(in, expand))
	}
	return s.charge(in, expand, key)
}

func (s *Simulator) charge(in *intent, expand bool, key string) answer {
	if in.Card.Code != "" {
		return s.decline(in, in.Card)
	}
	in.Charge, in.LastError = s.next("ch"), nil
	switch {
	case in.Card.Processing:
		in.Status = "processing"
		s.changed(in, "payment_intent.processing")
	case in.CaptureMethod == "manual":
		in.Status, in.Capturable = "requires_capture", in.Amount
		s.did(KindHold, in, in.ID, in.Amount, key)
		s.changed(in, "payment_intent.amount_capturable_updated")
	default:
		in.Status, in.Received = "succeeded", in.Amount
		s.did(KindCharge, in, in.ID, in.Amount, key)
		s.changed(in, "payment_intent.succeeded")
	}
	return ok(s.show(in, expand))
}

// decline is the 402 of a card that was refused; the intent can be confirmed anew.
func (s *Simulator) decline(in *intent, card Card) answer {
	in.Status, in.Charge = "requires_payment_method", s.next("ch")
	in.LastError = object{"type": "card_error", "code": card.Code, "message": "Your card was declined.", "charge": in.Charge}
	if card.Decline != "" {
		in.LastError["decline_code"] = card.Decline
	}
	if card.Advice != "" {
		in.LastError["advice_code"] = card.Advice
	}
	s.changed(in, "payment_intent.payment_failed")
	more := maps.Clone(in.LastError)
	more["payment_intent"] = s.show(in, false)
	return failure(402, "card_error", card.Code, "Your card was declined.", more)
}

func (s *Simulator) find(id string) *intent {
	i := slices.IndexFunc(s.intents, func(in *intent) bool { return in.ID == id })
	if i < 0 {
		return nil
	}
	return s.intents[i]
}

// unexpected refuses what the state of an intent does not allow.
func (s *Simulator) unexpected(in *intent, what string) answer {
	return failure(400, invalidRequest, "payment_intent_unexpected_state",
		"This PaymentIntent could not be "+what+" because it has a status of "+in.Status+".", object{"payment_intent": s.show(in, false)})
}

func (s *Simulator) capture(c call, id string) answer {
	in := s.find(id)
	if in == nil {
		return missing("payment_intent", id)
	}
	if name := c.unknown("amount_to_capture", "metadata"); name != "" {
		return invalid("parameter_unknown", name, "Received unknown parameter: "+name)
	}
	amount, whole := c.number("amount_to_capture", in.Capturable)
	switch {
	case !whole:
		return invalid("parameter_invalid_integer", "amount_to_capture", "Invalid integer: "+c.get("amount_to_capture"))
	case in.Status != "requires_capture":
		return s.unexpected(in, "captured")
	case amount < 1 || amount > in.Capturable:
		return failure(400, invalidRequest, "amount_too_large", "The amount is greater than what can be captured.", nil)
	}
	maps.Copy(in.Metadata, c.metadata())
	rest := in.Capturable - amount
	in.Status, in.Received, in.Capturable = "succeeded", amount, 0
	s.did(KindCapture, in, in.Charge, amount, c.key)
	if rest > 0 {
		s.did(KindRelease, in, in.Charge, rest, c.key)
	}
	s.changed(in, "payment_intent.succeeded")
	return ok(s.show(in, c.expands("latest_charge")))
}

func (s *Simulator) cancel(c call, id string) answer {
	in := s.find(id)
	if in == nil {
		return missing("payment_intent", id)
	}
	reason := c.get("cancellation_reason")
	if name := c.unknown("cancellation_reason"); name != "" {
		return invalid("parameter_unknown", name, "Received unknown parameter: "+name)
	}
	if !slices.Contains([]string{"", "duplicate", "fraudulent", "requested_by_customer", "abandoned"}, reason) {
		return invalid("", "cancellation_reason", "Invalid cancellation_reason.")
	}
	if !slices.Contains([]string{"requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"}, in.Status) {
		return s.unexpected(in, "canceled")
	}
	if in.Capturable > 0 {
		s.did(KindRelease, in, in.Charge, in.Capturable, c.key)
	}
	in.Status, in.Cancellation, in.Capturable = "canceled", reason, 0
	s.changed(in, "payment_intent.canceled")
	return ok(s.show(in, c.expands("latest_charge")))
}

func (s *Simulator) retrieve(c call, id string) answer {
	in := s.find(id)
	if in == nil {
		return missing("payment_intent", id)
	}
	return ok(s.show(in, c.expands("latest_charge")))
}

func (s *Simulator) listIntents(c call) answer {
	since, whole := c.number("created[gte]", 0)
	if !whole {
		return invalid("parameter_invalid_integer", "created", "Invalid integer.")
	}
	return s.page(c, "list", func(in *intent) bool { return in.Created.Unix() >= since })
}

// search sees what was so before the lag: an intent that has changed since then is
// not found at all, which is the worst that the documentation allows.
func (s *Simulator) search(c call) answer {
	m := regexp.MustCompile(`^metadata\['((?:[^'\\]|\\.)*)'\]:'((?:[^'\\]|\\.)*)'$`).FindStringSubmatch(c.get("query"))
	if m == nil {
		return invalid("", "query", "We were unable to parse your search query.")
	}
	plain := regexp.MustCompile(`\\(.)`)
	key, value := plain.ReplaceAllString(m[1], "$1"), plain.ReplaceAllString(m[2], "$1")
	seen := s.cfg.Now().Add(-s.cfg.SearchLag)
	return s.page(c, "search_result", func(in *intent) bool { return in.Metadata[key] == value && !in.Changed.After(seen) })
}

func (s *Simulator) page(c call, kind string, fits func(*intent) bool) answer {
	limit, _ := c.number("limit", 10)
	data, more := []any{}, false
	for _, in := range slices.Backward(s.intents) {
		switch {
		case !fits(in):
		case int64(len(data)) >= limit:
			more = true
		default:
			data = append(data, s.show(in, c.expands("data.latest_charge")))
		}
	}
	return ok(object{"object": kind, "url": "/v1/payment_intents", "has_more": more, "data": data})
}

// show is the intent as Stripe shows it.
func (s *Simulator) show(in *intent, expand bool) object {
	o := object{
		"id": in.ID, "object": "payment_intent", "status": in.Status, "amount": in.Amount, "amount_capturable": in.Capturable,
		"amount_received": in.Received, "currency": in.Currency, "capture_method": in.CaptureMethod, "client_secret": in.Secret,
		"created": in.Created.Unix(), "livemode": false, "metadata": maps.Clone(in.Metadata), "latest_charge": nil,
		"last_payment_error": nil, "next_action": nil, "cancellation_reason": nil, "payment_method_types": []string{"card"},
	}
	if in.LastError != nil {
		o["last_payment_error"] = maps.Clone(in.LastError)
	}
	if in.Cancellation != "" {
		o["cancellation_reason"] = in.Cancellation
	}
	if in.Charge != "" {
		o["latest_charge"] = in.Charge
		if expand {
			o["latest_charge"] = object{
				"id": in.Charge, "object": "charge", "payment_intent": in.ID,
				"payment_method_details": object{"type": "card", "card": object{"brand": "visa", "last4": "4242", "capture_before": in.Created.Add(7 * 24 * time.Hour).Unix()}},
			}
		}
	}
	if in.Status == "requires_action" {
		o["next_action"] = object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect", "source": "src_1"}}
		if in.ReturnURL != "" {
			o["next_action"] = object{"type": "redirect_to_url", "redirect_to_url": object{
				"url": "https://hooks.stripe.com/redirect/authenticate/" + in.ID, "return_url": in.ReturnURL,
			}}
		}
	}
	return o
}
