package stripe

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v85"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

const codeNotFound = "not_found"

// Parse implements providers.Driver.
func (*Driver) Parse(s payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		return refused(s, r)
	}
	return object(s, r, r.Body)
}

// ParseQuery implements providers.Driver.
func (*Driver) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		a := refused(s, r)
		a.Reference, a.OurEcho, a.Decline = "", "", "" // what a refusal holds is not what was asked for
		return a
	}
	if s.ProviderReference != "" || s.Method == payment.MethodCapture || s.Method == payment.MethodVoid {
		return found(object(s, r, r.Body))
	}
	var list struct {
		Data *[]json.RawMessage `json:"data"`
	}
	if json.Unmarshal(r.Body, &list) != nil || list.Data == nil {
		return said(r)
	}
	var matches []json.RawMessage
	for _, raw := range *list.Data {
		var o struct {
			Metadata map[string]string `json:"metadata"`
		}
		if json.Unmarshal(raw, &o) != nil {
			return said(r) // it could be the one
		}
		if o.Metadata[metaReference] == string(s.Reference) {
			matches = append(matches, raw)
		}
	}
	switch len(matches) {
	case 0:
		a := said(r)
		a.Code = codeNotFound
		return a
	case 1:
		return found(object(s, r, matches[0]))
	}
	// Whichever was meant, the other one is an effect that nobody asked for. A
	// person has to look.
	return said(r)
}

func found(a payment.Answer) payment.Answer {
	a.ObjectFound = a.Code != ""
	return a
}

func succeeded(r providers.Response) bool { return r.Status >= 200 && r.Status <= 299 }

// said is an answer of which no more could be read than Stripe's word on sending
// again. A failure that is a replay is what every further copy will bring.
func said(r providers.Response) payment.Answer {
	a := payment.Answer{RequestID: r.Header.Get("Request-Id")}
	again := strings.ToLower(r.Header.Get("Stripe-Should-Retry"))
	switch {
	case again == "false", failed(r.Status) && strings.EqualFold(r.Header.Get("Idempotent-Replayed"), "true"):
		a.Hint = payment.HintStop
	case again == "true":
		a.Hint = payment.HintRetry
	}
	return a
}

// failed reports whether something broke at Stripe, which says nothing about the
// effect. A dependency that failed is such a thing.
func failed(status int) bool { return status >= 500 || status == http.StatusFailedDependency }

// refusal is an error of Stripe's, or the last one of an intent.
type refusal struct {
	Type               string                  `json:"type"`
	Code               string                  `json:"code"`
	DeclineCode        string                  `json:"decline_code"`
	AdviceCode         string                  `json:"advice_code"`
	NetworkAdviceCode  string                  `json:"network_advice_code"`
	NetworkDeclineCode string                  `json:"network_decline_code"`
	Message            string                  `json:"message"`
	PaymentIntent      *stripego.PaymentIntent `json:"payment_intent"`
}

// refused reads an answer that is not 2xx. A refusal that shows an intent that
// is not refused at all was not read right: it has no code.
func refused(s payment.Send, r providers.Response) payment.Answer {
	a := said(r)
	var f struct {
		Error *refusal `json:"error"`
	}
	if json.Unmarshal(r.Body, &f) != nil || f.Error == nil {
		return a
	}
	a.Message = f.Error.words()
	pi := f.Error.PaymentIntent
	if s.Method != payment.MethodAuthorize || pi == nil {
		a.Code, a.Decline = f.Error.code(r.Status)
		return a
	}
	a.Reference, a.OurEcho = payment.ProviderReference(pi.ID), payment.ReferenceID(pi.Metadata[metaReference])
	refused := pi.Status == "" || pi.Status == stripego.PaymentIntentStatusRequiresPaymentMethod || pi.Status == stripego.PaymentIntentStatusCanceled
	if refused || s.Step.Fence() { // a cancel is refused because of what the intent is
		a.Code, a.Decline = f.Error.code(r.Status)
	}
	return a
}

// code is the error as the mapping table spells it: by its code, else by type
// and status. Stripe's advice on a declined card beats the decline code.
func (f *refusal) code(status int) (code, decline string) {
	advised := slices.Contains([]string{"do_not_try_again", "try_again_later", "confirm_card_data"}, f.AdviceCode)
	switch {
	case f.Code == "card_declined" && advised:
		return f.Code + ":" + f.AdviceCode, f.DeclineCode
	case f.Code != "":
		return f.Code, f.DeclineCode
	case f.Type != "":
		return fmt.Sprintf("%s:%d", f.Type, status), f.DeclineCode
	}
	return "", ""
}

// words are for people; the network's codes are worth more to them than to us.
func (f *refusal) words() string {
	if f.NetworkDeclineCode == "" && f.NetworkAdviceCode == "" {
		return f.Message
	}
	return fmt.Sprintf("%s (network decline code %s, advice %s)", f.Message, cmp.Or(f.NetworkDeclineCode, "-"), cmp.Or(f.NetworkAdviceCode, "-"))
}

// object is what the object of s says about itself. One that is not of the kind
// that was asked for, or an effect without an amount, was not read right: it has
// no code.
func object(s payment.Send, r providers.Response, raw []byte) payment.Answer {
	if s.Method == payment.MethodRefund {
		return refundAnswer(s, r, raw)
	}
	var pi stripego.PaymentIntent
	asked := cmp.Or(s.Parent, s.ProviderReference)
	if json.Unmarshal(raw, &pi) != nil || pi.Object != "payment_intent" || pi.ID == "" || pi.Status == "" ||
		(asked != "" && pi.ID != string(asked)) {
		return said(r)
	}
	switch s.Method {
	case payment.MethodCapture:
		return captureAnswer(s, r, pi)
	case payment.MethodVoid:
		a := said(r)
		a.Code, a.Reference = "void_"+string(pi.Status), chargeOf(pi)
		return a
	case payment.MethodAuthorize, payment.MethodRefund, payment.MethodComplete:
	}
	return authorizeAnswer(r, pi, raw)
}

func authorizeAnswer(r providers.Response, pi stripego.PaymentIntent, raw []byte) payment.Answer {
	a := said(r)
	a.Code, a.Reference, a.OurEcho = string(pi.Status), payment.ProviderReference(pi.ID), payment.ReferenceID(pi.Metadata[metaReference])
	held := pi.AmountCapturable
	switch pi.Status {
	case stripego.PaymentIntentStatusSucceeded:
		held, a.Captured = pi.AmountReceived, true
	case stripego.PaymentIntentStatusRequiresCapture:
		a.ExpireTime = captureBefore(pi)
	case stripego.PaymentIntentStatusRequiresAction:
		a.NextAction = nextAction(pi)
		return a
	case stripego.PaymentIntentStatusCanceled, stripego.PaymentIntentStatusRequiresPaymentMethod:
		a.Decline, a.Message = lastError(raw)
		return a
	case stripego.PaymentIntentStatusProcessing, stripego.PaymentIntentStatusRequiresConfirmation:
		return a
	default:
		a.Code = "intent_" + a.Code // not one that Stripe documents: it must not read as a code of an error
		return a
	}
	amount, ok := fromStripe(held, string(pi.Currency))
	if !ok {
		return said(r)
	}
	a.Amount = amount
	return a
}

// lastError is why an intent was last declined: the finest code, and words.
func lastError(raw []byte) (decline, message string) {
	var o struct {
		Last *refusal `json:"last_payment_error"`
	}
	if json.Unmarshal(raw, &o) != nil || o.Last == nil {
		return "", ""
	}
	return cmp.Or(o.Last.DeclineCode, o.Last.Code), o.Last.words()
}

// captureAnswer is what an intent says about our capture of it. An intent is
// captured once, so what it received is what that capture took; that it was
// ours is shown by the answer to it, and else by our reference.
func captureAnswer(s payment.Send, r providers.Response, pi stripego.PaymentIntent) payment.Answer {
	a := said(r)
	a.Code, a.Reference = "capture_"+string(pi.Status), chargeOf(pi)
	if pi.Status != stripego.PaymentIntentStatusSucceeded {
		return a
	}
	if pi.Metadata[metaCapture] != string(s.Reference) {
		a.Code, a.Reference = "captured_by_another", ""
		return a
	}
	amount, ok := fromStripe(pi.AmountReceived, string(pi.Currency))
	if !ok {
		return said(r)
	}
	a.OurEcho, a.Amount, a.Captured = s.Reference, amount, true
	return a
}

func refundAnswer(s payment.Send, r providers.Response, raw []byte) payment.Answer {
	a := said(r)
	var o stripego.Refund
	if json.Unmarshal(raw, &o) != nil || o.Object != "refund" || o.ID == "" || o.Status == "" ||
		(s.Parent != "" && (o.PaymentIntent == nil || o.PaymentIntent.ID != string(s.Parent))) {
		return a
	}
	amount, ok := fromStripe(o.Amount, string(o.Currency))
	if o.Status == stripego.RefundStatusSucceeded && !ok {
		return a
	}
	a.Code, a.Decline = "refund_"+string(o.Status), string(o.FailureReason)
	a.Reference, a.OurEcho = payment.ProviderReference(o.ID), payment.ReferenceID(o.Metadata[metaReference])
	if o.Status == stripego.RefundStatusSucceeded {
		a.Amount = amount
	}
	return a
}

// chargeOf names what a capture takes and a void releases: the charge, so that
// neither is confused with the authorization, which is the intent.
func chargeOf(pi stripego.PaymentIntent) payment.ProviderReference {
	if pi.LatestCharge != nil && pi.LatestCharge.ID != "" {
		return payment.ProviderReference(pi.LatestCharge.ID)
	}
	return payment.ProviderReference(pi.ID)
}

// captureBefore is until when a hold lasts; zero if the charge was not shown.
func captureBefore(pi stripego.PaymentIntent) time.Time {
	c := pi.LatestCharge
	if c == nil || c.PaymentMethodDetails == nil || c.PaymentMethodDetails.Card == nil || c.PaymentMethodDetails.Card.CaptureBefore <= 0 {
		return time.Time{}
	}
	return time.Unix(c.PaymentMethodDetails.Card.CaptureBefore, 0).UTC()
}

// nextAction is what the payer must do. With a page to go to that is all they
// need; else Stripe's own client library does it, which needs the intent's client
// secret: with that alone a payer can pay this intent, and nothing else.
func nextAction(pi stripego.PaymentIntent) *payment.NextAction {
	switch n := pi.NextAction; {
	case n == nil || n.Type == "":
		return nil
	case n.Type == stripego.PaymentIntentNextActionTypeRedirectToURL && n.RedirectToURL != nil:
		return &payment.NextAction{RedirectURL: n.RedirectToURL.URL, RedirectMethod: "GET"}
	case pi.ClientSecret == "":
		return nil
	default:
		raw, err := json.Marshal(map[string]string{"type": string(n.Type), "client_secret": pi.ClientSecret})
		if err != nil {
			return nil
		}
		return &payment.NextAction{ProviderSDK: raw}
	}
}
