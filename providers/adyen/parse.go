package adyen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Codes of answers that are not about the request that was sent, or that lack what
// they must have: each has a row that believes nothing and alerts.
const (
	codeOtherKey     = "another_key"     // the key that the answer repeats is not ours
	codeOtherRequest = "another_request" // our reference, the payment or the merchant account is another
	codeOtherAmount  = "another_amount"
	// codeNoReference: the answer to a completion does not say whose it is.
	codeNoReference = "no_reference"
	// codeInFlight: another copy of the request is being worked on.
	codeInFlight = "704"
	// noEcho ends the code of an answer that does not repeat our key: nothing shows
	// that it is stored under it.
	noEcho = ":no_echo"
)

// Parse implements providers.Driver.
func (d *Driver) Parse(s payment.Send, r providers.Response) payment.Answer {
	a := said(r)
	switch {
	case r.Status < 200 || r.Status > 299:
		refused(&a, r)
	case s.Step.Fence(), s.Method != payment.MethodAuthorize && s.Method != payment.MethodComplete:
		d.modified(&a, s, r.Body)
	default:
		paid(&a, s, r.Body)
	}
	switch echo := r.Header.Get("Idempotency-Key"); {
	case a.Code == "":
	case echo != "" && echo != string(s.Key):
		return payment.Answer{Code: codeOtherKey, Hint: payment.HintStop, RequestID: a.RequestID}
	case echo == "" && r.Status < 300:
		a.Code, a.Hint = a.Code+noEcho, payment.HintStop
	}
	return a
}

// ParseQuery implements providers.Driver. Nothing is asked, so nothing is read.
func (*Driver) ParseQuery(payment.Send, providers.Response) payment.Answer { return payment.Answer{} }

// said is Adyen's word on sending again, which it gives about failures: what it does
// not call transient is not to be repeated. A later copy is still the only way to
// learn what became of it.
func said(r providers.Response) payment.Answer {
	var a payment.Answer
	switch {
	case strings.EqualFold(r.Header.Get("Transient-Error"), "true"):
		a.Hint = payment.HintRetry
	case r.Status >= 300:
		a.Hint = payment.HintLater
	}
	return a
}

// refused reads an answer that is not 2xx: by its code, else by type and status.
// The type comes first because a fault of ours is told with a status of theirs.
func refused(a *payment.Answer, r providers.Response) {
	var e struct {
		ErrorCode    string `json:"errorCode"`
		ErrorType    string `json:"errorType"`
		Message      string `json:"message"`
		Detail       string `json:"detail"` // of the newer form of an error
		PspReference string `json:"pspReference"`
	}
	if json.Unmarshal(r.Body, &e) != nil {
		return
	}
	a.Message, a.RequestID = cmp.Or(e.Message, e.Detail), e.PspReference
	switch {
	case e.ErrorCode == "" && e.ErrorType == "":
	case e.ErrorCode == "":
		a.Code = fmt.Sprintf("%s:%d", e.ErrorType, r.Status)
	case e.ErrorCode[0] < '0' || e.ErrorCode[0] > '9':
		a.Code = "error_" + e.ErrorCode // it must not read as the result of a payment
	default:
		a.Code = e.ErrorCode
		if a.Code == codeInFlight && a.Hint == payment.HintLater {
			a.Hint = payment.HintNone // waited for, whatever comes with it
		}
		if r.Status >= http.StatusInternalServerError && strings.Contains(strings.ToLower(a.Message), "too many requests") {
			a.Decline = "too_many_requests"
		}
	}
}

// paymentResult is the answer to a payment and to what its shopper brought back.
type paymentResult struct {
	PspReference      string                     `json:"pspReference"`
	ResultCode        string                     `json:"resultCode"`
	RefusalReason     string                     `json:"refusalReason"`
	RefusalReasonCode string                     `json:"refusalReasonCode"`
	MerchantReference string                     `json:"merchantReference"`
	Amount            *amount                    `json:"amount"`
	AdditionalData    map[string]json.RawMessage `json:"additionalData"`
	Action            json.RawMessage            `json:"action"`
}

// paid reads the result of a payment. That of a completion repeats the reference of
// the authorization: with another one, the shopper brought back somebody else's result.
func paid(a *payment.Answer, s payment.Send, raw []byte) {
	var p paymentResult
	if json.Unmarshal(raw, &p) != nil || p.ResultCode == "" {
		return
	}
	a.RequestID = p.PspReference
	reference := s.Reference
	if s.Method == payment.MethodComplete {
		reference = s.ParentReference
	}
	applied, ok := p.applied(s.Amount)
	other := p.MerchantReference != "" && p.MerchantReference != string(reference)
	switch {
	case !ok && (!other || s.Method == payment.MethodAuthorize):
		a.Code, a.Hint = codeOtherAmount, payment.HintStop
		return
	case other:
		a.Code, a.Hint = codeOtherRequest, payment.HintStop
		return
	case p.MerchantReference == "" && s.Method == payment.MethodComplete:
		a.Code, a.Hint = codeNoReference, payment.HintStop
		return
	}
	a.Code, a.Message = p.ResultCode, p.RefusalReason
	switch p.ResultCode {
	case "RedirectShopper", "IdentifyShopper", "ChallengeShopper", "PresentToShopper":
		// The payment's id comes with the result of the action. One that is given
		// already need not be the same.
		if a.NextAction = nextAction(p.Action); a.NextAction == nil {
			a.Code += ":no_action"
		}
		return
	case "Authorised":
		a.Amount = applied
	case "PartiallyAuthorised":
		if a.Amount = applied; applied == nil {
			a.Code += ":no_amount" // it would be taken for the whole
		}
	case "Refused", "Error", "Cancelled":
		a.Decline = p.RefusalReasonCode
	case "Pending", "Received", "AuthenticationFinished", "AuthenticationNotRequired", "Success":
	default:
		a.Code = "result_" + p.ResultCode // not one that Adyen documents: it must not read as a code of ours
	}
	a.Reference = payment.ProviderReference(p.PspReference)
	if s.Method == payment.MethodAuthorize {
		a.OurEcho = payment.ReferenceID(p.MerchantReference)
	}
}

// applied is the amount of a payment, nil if the answer names none; ok is false if
// it cannot be of the request: only a partial authorization is of less.
func (p paymentResult) applied(asked payment.Money) (m *payment.Money, ok bool) {
	partial := p.ResultCode == "PartiallyAuthorised"
	if p.Amount == nil && partial {
		p.Amount = p.authorised()
	}
	if p.Amount == nil {
		return nil, true
	}
	m, ok = p.Amount.money()
	if !ok || m.CurrencyCode != asked.CurrencyCode || m.MinorUnits > asked.MinorUnits || m.MinorUnits < asked.MinorUnits && !partial {
		return nil, false
	}
	return m, true
}

// authorised is the authorized amount as the additional data spell it.
func (p paymentResult) authorised() *amount {
	var value, currency string
	if json.Unmarshal(p.AdditionalData["authorisedAmountValue"], &value) != nil ||
		json.Unmarshal(p.AdditionalData["authorisedAmountCurrency"], &currency) != nil {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil
	}
	return &amount{currency, n}
}

// nextAction is what the payer must do: go to a page, or what Adyen's own client
// library makes of the action.
func nextAction(raw json.RawMessage) *payment.NextAction {
	var action struct {
		Type   string            `json:"type"`
		URL    string            `json:"url"`
		Method string            `json:"method"`
		Data   map[string]string `json:"data"`
	}
	if json.Unmarshal(raw, &action) != nil || action.Type == "" {
		return nil
	}
	if action.Type == "redirect" && action.URL != "" {
		return &payment.NextAction{
			RedirectURL: action.URL, RedirectMethod: cmp.Or(strings.ToUpper(action.Method), http.MethodGet), RedirectForm: action.Data,
		}
	}
	var sdk bytes.Buffer
	if json.Compact(&sdk, raw) != nil {
		return nil
	}
	return &payment.NextAction{ProviderSDK: sdk.Bytes()}
}

// modified reads the answer to a capture, a refund or a cancel.
func (d *Driver) modified(a *payment.Answer, s payment.Send, raw []byte) {
	var m struct {
		Status              string  `json:"status"`
		PspReference        string  `json:"pspReference"`
		PaymentPspReference string  `json:"paymentPspReference"`
		PaymentReference    string  `json:"paymentReference"`
		MerchantAccount     string  `json:"merchantAccount"`
		Reference           string  `json:"reference"`
		Amount              *amount `json:"amount"`
	}
	if json.Unmarshal(raw, &m) != nil || m.Status == "" || m.PspReference == "" {
		return
	}
	a.RequestID = m.PspReference
	of, asked := m.PaymentPspReference, string(s.Parent)
	if s.Step.Fence() {
		of, asked = m.PaymentReference, string(s.Reference)
	}
	switch {
	case of != asked, m.Reference != "" && m.Reference != string(s.Reference),
		m.MerchantAccount != "" && !strings.EqualFold(m.MerchantAccount, d.cfg.MerchantAccount):
		a.Code, a.Hint = codeOtherRequest, payment.HintStop
		return
	case slices.Contains([]payment.Method{payment.MethodCapture, payment.MethodRefund}, s.Method) && m.Amount != nil:
		if got, ok := m.Amount.money(); !ok || *got != s.Amount {
			a.Code = codeOtherAmount
			return
		}
	}
	a.Code = m.Status
	if m.Status != "received" {
		a.Code = "status_" + m.Status // not one that Adyen documents: it must not read as a result
	}
	a.Reference, a.OurEcho = payment.ProviderReference(m.PspReference), payment.ReferenceID(m.Reference)
}
