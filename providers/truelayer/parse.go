package truelayer

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// What an object's status is the status of. With a dot after it, it begins the code
// that the status makes; no title of an error has a dot.
const (
	ofPayment = "payment"
	ofVoid    = "void"
	ofRefund  = "refund"
)

// Codes that are not the status of an object.
const (
	codeCancelAccepted  = "cancel.accepted" // proves nothing: the payment tells
	codeUnauthenticated = "Unauthenticated"
	declineSignature    = "signature" // it was the signature that was refused, not the token
)

// Statuses that are more than looked up in the table.
const (
	statusRequired      = "authorization_required"
	statusAuthorizing   = "authorizing"
	statusAttemptFailed = "attempt_failed"
	statusExecuted      = "executed"
	statusSettled       = "settled"
	statusFailed        = "failed"
	statusAccepted      = "accepted" // of a refund that has none yet
)

// object is a payment or a refund, as far as it is read.
type object struct {
	ID            string            `json:"id"`
	Status        string            `json:"status"`
	AmountInMinor int64             `json:"amount_in_minor"`
	Currency      string            `json:"currency"`
	FailureReason string            `json:"failure_reason"`
	ResourceToken string            `json:"resource_token"` // the shopper's, of a payment that was just made
	Metadata      map[string]string `json:"metadata"`
}

// Parse implements providers.Driver.
func (d *Driver) Parse(s payment.Send, r providers.Response) payment.Answer {
	switch {
	case r.Status < 200 || r.Status > 299:
		return refused(r)
	case s.Step.Fence() || s.Method == payment.MethodVoid:
		a := said(r)
		if id := paymentOf(s); r.Status == http.StatusAccepted && len(r.Body) == 0 && id != "" {
			a.Code, a.Reference = codeCancelAccepted, id
		}
		return a
	case s.Method == payment.MethodRefund:
		var o object
		switch {
		case json.Unmarshal(r.Body, &o) != nil || o.ID == "" || r.Status != http.StatusAccepted:
			return said(r)
		case o.Status == "":
			o.Status = statusAccepted
		}
		return o.answer(r, ofRefund)
	}
	return d.payment(s, r)
}

// ParseQuery implements providers.Driver.
func (d *Driver) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	if r.Status < 200 || r.Status > 299 {
		return refused(r)
	}
	var a payment.Answer
	if s.Method == payment.MethodRefund {
		a = refund(s, r)
	} else {
		a = d.payment(s, r)
	}
	a.ObjectFound = a.Code != ""
	return a
}

// said is TrueLayer's word on sending again. False means that the same key brings the
// same answer. True, or nothing, which means the same, says that it may bring another
// one: whether that is of use is the answer's own matter, as the table has it.
func said(r providers.Response) payment.Answer {
	var a payment.Answer
	if strings.EqualFold(strings.TrimSpace(r.Header.Get("Tl-Should-Retry")), "false") {
		a.Hint = payment.HintStop
	}
	return a
}

// refused reads an error. A title with a dot would read as the status of an object.
func refused(r providers.Response) payment.Answer {
	a := said(r)
	var e struct {
		Title   string `json:"title"`
		Detail  string `json:"detail"`
		TraceID string `json:"trace_id"`
		Error   string `json:"error"` // of the older form
	}
	if json.Unmarshal(r.Body, &e) != nil || strings.Contains(e.Title+e.Error, ".") {
		return a
	}
	a.Code, a.Message, a.RequestID = cmp.Or(e.Title, e.Error), e.Detail, e.TraceID
	if a.Code == codeUnauthenticated && strings.Contains(strings.ToLower(e.Detail), "signature") {
		a.Decline = declineSignature
	}
	return a
}

// payment reads the payment that a send is about. One that is not the one that was
// asked about, or settled without an amount, was not read right: it has no code.
func (d *Driver) payment(s payment.Send, r providers.Response) payment.Answer {
	var o object
	asked := paymentOf(s)
	if json.Unmarshal(r.Body, &o) != nil || o.ID == "" || o.Status == "" || (asked != "" && o.ID != string(asked)) {
		return said(r)
	}
	if s.Method == payment.MethodVoid {
		return o.answer(r, ofVoid)
	}
	a := o.answer(r, ofPayment)
	a.OurEcho = payment.ReferenceID(o.Metadata[metaReference])
	switch o.Status {
	case statusRequired, statusAuthorizing, statusAttemptFailed:
		a.NextAction = d.page(o, s.Instruction.ReturnURL)
	case statusSettled:
		if o.AmountInMinor <= 0 {
			return said(r)
		}
		a.Amount, a.Captured = &payment.Money{MinorUnits: o.AmountInMinor, CurrencyCode: o.Currency}, true
	}
	return a
}

// page is where the shopper authorizes a payment; nil for one that does not say how.
// What stands after the # is not sent to any server.
func (d *Driver) page(o object, back string) *payment.NextAction {
	if o.ResourceToken == "" || back == "" {
		return nil
	}
	to := url.Values{"payment_id": {o.ID}, "resource_token": {o.ResourceToken}, "return_uri": {back}}
	return &payment.NextAction{
		RedirectURL: "https://payment." + domain(d.cfg.Live) + "/payments#" + to.Encode(), RedirectMethod: http.MethodGet,
	}
}

// refund reads the refund of s.
func refund(s payment.Send, r providers.Response) payment.Answer {
	var o object
	if json.Unmarshal(r.Body, &o) != nil || o.ID == "" || o.Status == "" || (s.ProviderReference != "" && o.ID != string(s.ProviderReference)) {
		return said(r)
	}
	a := o.answer(r, ofRefund)
	a.OurEcho = payment.ReferenceID(o.Metadata[metaReference])
	if o.Status != statusExecuted {
		return a
	}
	if o.AmountInMinor <= 0 {
		return said(r)
	}
	a.Amount = &payment.Money{MinorUnits: o.AmountInMinor, CurrencyCode: o.Currency}
	return a
}

// answer is a status as the mapping table spells it, with why it failed.
func (o object) answer(r providers.Response, of string) payment.Answer {
	a := said(r)
	a.Code, a.Reference = of+"."+o.Status, payment.ProviderReference(o.ID)
	if o.Status == statusFailed {
		a.Decline = o.FailureReason
	}
	return a
}
