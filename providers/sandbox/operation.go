package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// verb is how the sandbox speaks of a capture, refund or void.
type verb struct {
	kind    string // of the object
	action  string // the last part of the path that it is asked for at
	objects string // where it is looked up
	done    string // the code of its effect, as the mapping table spells it
}

// verbOf returns the verb of a method; ok is false for an authorization, and for
// what the sandbox has no form of.
func verbOf(m payment.Method) (v verb, ok bool) {
	switch m {
	case payment.MethodCapture:
		return verb{kind: "capture", action: "captures", objects: "/v1/captures", done: "captured"}, true
	case payment.MethodRefund:
		return verb{kind: "refund", action: "refunds", objects: "/v1/refunds", done: "refunded"}, true
	case payment.MethodVoid:
		return verb{kind: "void", action: "void", objects: "/v1/voids", done: "voided"}, true
	case payment.MethodAuthorize, payment.MethodComplete:
	}
	return verb{}, false
}

// operation is the body of a request for a capture, refund or void. A void says
// no amount: it releases whatever is left.
type operation struct {
	Reference payment.ReferenceID `json:"reference"`
	Amount    int64               `json:"amount,omitempty"` // minor units
	Currency  string              `json:"currency,omitempty"`
	Reason    string              `json:"reason,omitempty"`
}

// buildOperation makes the request of a capture, refund or void.
func (d *Driver) buildOperation(s payment.Send, v verb) (providers.Request, error) {
	if s.Parent == "" {
		return providers.Request{}, errors.New("no authorization to act on")
	}
	in := operation{Reference: s.Reference}
	if s.Method != payment.MethodVoid {
		if s.Amount.MinorUnits <= 0 {
			return providers.Request{}, fmt.Errorf("an amount of %s", s.Amount)
		}
		in.Amount, in.Currency = s.Amount.MinorUnits, s.Amount.CurrencyCode
	}
	if s.Method == payment.MethodRefund {
		in.Reason = s.Instruction.Reason
	}
	body, err := json.Marshal(in)
	if err != nil {
		return providers.Request{}, fmt.Errorf("marshal %s: %w", v.kind, err)
	}
	return d.write(
		authorizations+"/"+url.PathEscape(string(s.Parent))+"/"+v.action, authorizations+"/{id}/"+v.action, s.Key, body,
	), nil
}

// write is a request that has an effect.
func (d *Driver) write(path, template string, key payment.ProviderKey, body []byte) providers.Request {
	header := d.header()
	header.Set("Content-Type", "application/json")
	header.Set("Idempotency-Key", string(key))
	return providers.Request{Method: http.MethodPost, Path: path, Template: template, Key: key, Header: header, Body: body}
}

// operationAnswer is what a capture, refund or void says about itself; nothing
// about any other object is believed, its parent's totals included.
func (o object) operationAnswer(s payment.Send, v verb, r providers.Response) payment.Answer {
	a := said(r)
	done := o.Status == "succeeded"
	if o.ID == "" || o.Status == "" || o.Kind != v.kind || (s.Parent != "" && o.Parent != s.Parent) || (done && o.Amount <= 0) {
		return a
	}
	a.Reference, a.OurEcho = o.ID, o.Reference
	switch o.Status {
	case "succeeded":
		a.Code, a.Captured = v.done, s.Method == payment.MethodCapture
		a.Amount = &payment.Money{MinorUnits: o.Amount, CurrencyCode: o.Currency}
	case statusFailed:
		a.Code, a.Decline = statusFailed, o.FailureCode
	case statusPending:
		a.Code = statusPending
	default:
		a.Code = v.kind + "_" + o.Status
	}
	return a
}
