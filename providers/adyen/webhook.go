package adyen

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// notification is one event in a webhook. What its signature does not cover, which
// is the reason, the date and the additional data, bears on words and order alone,
// but for one: see reversal.
type notification struct {
	PspReference        string                     `json:"pspReference"`
	OriginalReference   string                     `json:"originalReference"`
	MerchantAccountCode string                     `json:"merchantAccountCode"`
	MerchantReference   string                     `json:"merchantReference"`
	Amount              *amount                    `json:"amount"`
	EventCode           string                     `json:"eventCode"`
	Success             string                     `json:"success"`
	EventDate           string                     `json:"eventDate"`
	Reason              string                     `json:"reason"`
	AdditionalData      map[string]json.RawMessage `json:"additionalData"`
}

// Webhook reads Adyen's standard webhook. Each event in it is signed by itself; one
// that is not, or that is another merchant account's, is counted and left out: the
// latter as unread, or Adyen would hold back what comes behind it.
//
// Errors: ErrForged if that leaves none, or the delivery comes from the other of
// test and live; ErrUnsupported if the account has no key to tell.
func (d *Driver) Webhook(_ context.Context, v providers.Delivery) (providers.Told, error) {
	var body struct {
		Live  string `json:"live"`
		Items []struct {
			Item json.RawMessage `json:"NotificationRequestItem"`
		} `json:"notificationItems"`
	}
	if len(d.cfg.WebhookSecrets) == 0 {
		return providers.Told{}, providers.ErrUnsupported
	}
	if json.Unmarshal(v.Body, &body) != nil || body.Live != strconv.FormatBool(d.cfg.Live) {
		return providers.Told{}, providers.ErrForged
	}
	var told providers.Told
	seen := map[string]bool{}
	for _, raw := range body.Items {
		var n notification
		if json.Unmarshal(raw.Item, &n) != nil || !d.genuine(n) {
			told.Forged++
			continue
		}
		switch e, read := n.event(); {
		case !read, n.MerchantAccountCode != d.cfg.MerchantAccount: // the company's keys may sign for all its accounts
			told.Unread = append(told.Unread, n.code())
		case !seen[e.ID]: // the same one twice is one
			seen[e.ID] = true
			told.Events = append(told.Events, e)
		}
	}
	if told.Forged == len(body.Items) {
		return providers.Told{}, providers.ErrForged
	}
	return told, nil
}

// genuine reports whether an event is signed with one of our keys.
func (d *Driver) genuine(n notification) bool {
	var signature string
	if json.Unmarshal(n.AdditionalData["hmacSignature"], &signature) != nil {
		return false
	}
	signed, genuine := n.signed(), false
	for _, secret := range d.cfg.WebhookSecrets {
		key, err := hex.DecodeString(string(secret))
		if err != nil || len(key) == 0 {
			continue
		}
		h := hmac.New(sha256.New, key)
		h.Write([]byte(signed))
		want := base64.StdEncoding.EncodeToString(h.Sum(nil))
		genuine = hmac.Equal([]byte(want), []byte(signature)) || genuine
	}
	return genuine
}

// signed is what the signature is over. Nothing in it is escaped, as in Adyen's own
// libraries.
func (n notification) signed() string {
	value, currency := "", ""
	if n.Amount != nil {
		value, currency = strconv.FormatInt(n.Amount.Value, 10), n.Amount.Currency
	}
	return strings.Join([]string{
		n.PspReference, n.OriginalReference, n.MerchantAccountCode, n.MerchantReference, value, currency, n.EventCode, n.Success,
	}, ":")
}

// code is the event as the mapping table spells it: with whether it came about.
func (n notification) code() string { return n.EventCode + ":" + n.Success }

// event is what a notification tells; read is false if nothing here has a use for it.
func (n notification) event() (e payment.Event, read bool) {
	e.ID = strings.Join([]string{n.EventCode, n.PspReference, n.Success}, ":")
	e.Reference, e.Parent = n.reference(), payment.ProviderReference(n.OriginalReference)
	e.Time, _ = time.Parse(time.RFC3339, n.EventDate) // zero if it is none
	e.Answer = payment.Answer{
		Code: n.code(), Reference: payment.ProviderReference(n.PspReference), Message: n.Reason, ObjectFound: true,
	}
	happened := n.Success == "true"
	if n.PspReference == "" || !happened && n.Success != "false" {
		return e, false
	}
	switch n.EventCode {
	case "AUTHORISATION":
		e.Method = payment.MethodAuthorize
		if happened {
			return n.applied(e), true
		}
		e.Answer.Decline = reason(n.Reason)
	case "EXPIRE": // of what was held, or was never decided
		e.Method = payment.MethodAuthorize
		e.Outside = &payment.Outside{Object: e.Answer.Reference, Kind: payment.OutsideExpiry}
		return e, happened
	case "OFFER_CLOSED":
		e.Method = payment.MethodAuthorize
		return e, happened
	case "TECHNICAL_CANCEL": // the object is the authorization's, if the cancel found one
		e.Cancel = e.Answer.Reference
		e.Method, e.Fenced, e.Parent, e.Answer.Reference = payment.MethodAuthorize, true, "", e.Parent
		e.Answer.ObjectFound = e.Answer.Reference != ""
	case "CANCELLATION":
		e.Method = payment.MethodVoid
		if happened {
			e.Outside = &payment.Outside{Object: e.Answer.Reference, Kind: payment.OutsideVoid}
		}
	case "CAPTURE":
		e.Method = payment.MethodCapture
		if e = n.moved(e, payment.OutsideCapture, happened); !happened { // Adyen's own capture came to nothing, if it is that
			e.Outside = &payment.Outside{Object: e.Answer.Reference, Kind: payment.OutsideCapture}
		}
		return e, true
	case "REFUND":
		e.Method = payment.MethodRefund
		return n.moved(e, payment.OutsideRefund, happened), true
	case "CAPTURE_FAILED":
		e.Method = payment.MethodCapture
		return n.moved(e, payment.OutsideCaptureReversal, happened), happened
	case "REFUND_FAILED", "REFUNDED_REVERSED":
		e.Method = payment.MethodRefund
		return n.moved(e, payment.OutsideRefundReversal, happened), happened
	case "CANCEL_OR_REFUND":
		return n.reversal(e), happened
	case "CHARGEBACK", "SECOND_CHARGEBACK", "CHARGEBACK_REVERSED":
		e = n.dispute(e)
		return e, e.Outside != nil && happened
	default:
		return e, false
	}
	return e, true
}

// reference is ours if it can be: everything else at the merchant account has
// references too.
func (n notification) reference() payment.ReferenceID {
	const length, set = 32, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	if len(n.MerchantReference) > length || strings.Trim(n.MerchantReference, set) != "" {
		return ""
	}
	return payment.ReferenceID(n.MerchantReference)
}

// reason is why a payment was refused, if it can be looked up in a table: words, and
// no number that could be a card's.
func reason(words string) string {
	const longest, most, set = 64, 12, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -"
	digits := 0
	for d := range strings.SplitSeq("0123456789", "") {
		digits += strings.Count(words, d)
	}
	if len(words) > longest || digits > most || strings.Trim(words, set) != "" {
		return ""
	}
	return words
}

// applied adds what the event says was applied. Money that has no form here is not
// what any operation asked for: it is not said to be about one of ours.
func (n notification) applied(e payment.Event) payment.Event {
	ok := false
	if n.Amount != nil {
		e.Answer.Amount, ok = n.Amount.money()
	}
	if !ok {
		e.Reference, e.Answer.Amount, e.Answer.Code = "", nil, codeOtherAmount
	}
	return e
}

// moved adds that money moved, which is outside unless an operation of ours did it,
// if it did.
func (n notification) moved(e payment.Event, k payment.OutsideKind, happened bool) payment.Event {
	if !happened {
		return e
	}
	if e = n.applied(e); e.Answer.Amount == nil {
		return e
	}
	e.Answer.Captured = k == payment.OutsideCapture
	e.Outside = &payment.Outside{Object: e.Answer.Reference, Kind: k, Amount: e.Answer.Amount.MinorUnits}
	return e
}

// reversal is what somebody asked for at Adyen's own pages: whichever of a cancel
// and a refund was possible. Which it was is not signed; a person looks where no
// money is said to have gone back.
func (n notification) reversal(e payment.Event) payment.Event {
	var action string
	if json.Unmarshal(n.AdditionalData["modification.action"], &action) == nil && action == "refund" {
		e.Method = payment.MethodRefund
		return n.moved(e, payment.OutsideRefund, true)
	}
	e.Method = payment.MethodVoid
	return e
}

// dispute is money that the payer's bank took, or gave back, under one id for the
// whole of the dispute. Where the payment's id is left out, our reference names it.
func (n notification) dispute(e payment.Event) payment.Event {
	if e.Parent == "" {
		e.Parent = payment.ProviderReference(e.Reference)
	}
	e.Reference = ""
	e = n.moved(e, payment.OutsideDispute, true)
	if e.Outside != nil && n.EventCode == "CHARGEBACK_REVERSED" {
		e.Outside.Amount = 0
	}
	e.Answer.Amount = nil
	return e
}
