package amazonpay

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// What an object's state is the state of. With a dot after it, it begins the code
// that the state makes; no reason of an error has a dot.
const (
	ofCharge  = "charge"
	ofCapture = "capture"
	ofVoid    = "void"
	ofRefund  = "refund"
)

// codeAnotherAmount is of a charge that was captured, with another amount than we
// asked for.
const codeAnotherAmount = ofCapture + ".another_amount"

// status is what state an object is in, and why.
type status struct {
	State             string `json:"state"`
	ReasonCode        string `json:"reasonCode"`
	ReasonDescription string `json:"reasonDescription"`
}

// chargeObject is a charge, as far as it is read.
type chargeObject struct {
	ChargeID            string   `json:"chargeId"`
	ChargePermissionID  string   `json:"chargePermissionId"`
	ChargeAmount        *price   `json:"chargeAmount"`
	CaptureAmount       *price   `json:"captureAmount"`
	ExpirationTimestamp string   `json:"expirationTimestamp"`
	ReleaseEnvironment  string   `json:"releaseEnvironment"`
	StatusDetails       status   `json:"statusDetails"`
	MerchantMetadata    metadata `json:"merchantMetadata"`
}

// refundObject is a refund, as far as it is read.
type refundObject struct {
	RefundID           string `json:"refundId"`
	ChargeID           string `json:"chargeId"`
	RefundAmount       *price `json:"refundAmount"`
	ReleaseEnvironment string `json:"releaseEnvironment"`
	StatusDetails      status `json:"statusDetails"`
}

// Parse implements providers.Driver.
func (d *Driver) Parse(s payment.Send, r providers.Response) payment.Answer {
	switch {
	case r.Status < 200 || r.Status > 299:
		return refused(r)
	case s.Method == payment.MethodRefund:
		return d.refund(s, r)
	}
	return d.charge(s, r)
}

// ParseQuery implements providers.Driver.
func (d *Driver) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	a := d.Parse(s, r)
	if r.Status < 200 || r.Status > 299 {
		return a // the refusal of a question
	}
	if s.Method == payment.MethodCapture && a.Amount != nil && *a.Amount != s.Amount {
		// A charge is captured once, and not by us.
		return payment.Answer{Code: codeAnotherAmount, RequestID: a.RequestID, ObjectFound: true}
	}
	a.ObjectFound = a.Code != ""
	return a
}

// said is an answer without a code, which proves nothing.
func said(r providers.Response) payment.Answer {
	return payment.Answer{RequestID: r.Header.Get("X-Amz-Pay-Request-Id")}
}

// refused reads an error. A reason with a dot would read as the state of an object.
func refused(r providers.Response) payment.Answer {
	a := said(r)
	var e struct {
		ReasonCode string `json:"reasonCode"`
		Message    string `json:"message"`
	}
	if json.Unmarshal(r.Body, &e) != nil || strings.Contains(e.ReasonCode, ".") {
		return a
	}
	a.Code, a.Message = e.ReasonCode, e.Message
	return a
}

// charge reads the charge of s. One that is not the charge that was asked about or
// of the charge permission that was given, or an effect without an amount, was not
// read right: it has no code.
func (d *Driver) charge(s payment.Send, r providers.Response) payment.Answer {
	var o chargeObject
	asked := chargeOf(s)
	if json.Unmarshal(r.Body, &o) != nil || o.ChargeID == "" || o.StatusDetails.State == "" || !d.here(o.ReleaseEnvironment) ||
		(asked != "" && o.ChargeID != string(asked)) {
		return said(r)
	}
	permission := s.Instruction.Tokens[s.Account].StoredID
	switch {
	case s.Method == payment.MethodAuthorize && permission != "" && o.ChargePermissionID != permission:
		return said(r)
	case s.Method == payment.MethodAuthorize:
		return o.authorized(r)
	case s.Method == payment.MethodCapture:
		return o.captured(r)
	}
	a := o.StatusDetails.answer(r, ofVoid)
	a.Reference = payment.ProviderReference(o.ChargeID)
	return a
}

// authorized is what a charge says about the authorization that made it.
func (o chargeObject) authorized(r providers.Response) payment.Answer {
	a := o.StatusDetails.answer(r, ofCharge)
	a.Reference, a.OurEcho = payment.ProviderReference(o.ChargeID), payment.ReferenceID(o.MerchantMetadata.MerchantReferenceID)
	ok := true
	switch o.StatusDetails.State {
	case "Authorized":
		a.Amount, ok = o.ChargeAmount.money()
		a.ExpireTime, _ = time.Parse("20060102T150405Z", o.ExpirationTimestamp) // zero if it is none
	case "Captured":
		a.Amount, ok = o.CaptureAmount.money()
		a.Captured = true
	}
	if !ok {
		return said(r)
	}
	return a
}

// captured is what a charge says about its capture, whose object it is too.
func (o chargeObject) captured(r providers.Response) payment.Answer {
	a := o.StatusDetails.answer(r, ofCapture)
	a.Reference = payment.ProviderReference(o.ChargeID)
	if o.StatusDetails.State != "Captured" {
		return a
	}
	amount, ok := o.CaptureAmount.money()
	if !ok {
		return said(r)
	}
	a.Amount, a.Captured = amount, true
	return a
}

// refund reads the refund of s.
func (d *Driver) refund(s payment.Send, r providers.Response) payment.Answer {
	var o refundObject
	if json.Unmarshal(r.Body, &o) != nil || o.RefundID == "" || o.StatusDetails.State == "" || !d.here(o.ReleaseEnvironment) ||
		o.ChargeID != string(s.Parent) || (s.ProviderReference != "" && o.RefundID != string(s.ProviderReference)) {
		return said(r)
	}
	a := o.StatusDetails.answer(r, ofRefund)
	a.Reference = payment.ProviderReference(o.RefundID)
	if o.StatusDetails.State != "Refunded" {
		return a
	}
	amount, ok := o.RefundAmount.money()
	if !ok {
		return said(r)
	}
	a.Amount = amount
	return a
}

// answer is a state as the mapping table spells it.
func (s status) answer(r providers.Response, of string) payment.Answer {
	a := said(r)
	a.Code, a.Decline, a.Message = of+"."+s.State, s.ReasonCode, s.ReasonDescription
	return a
}

// here reports whether an object is of the account's environment, if it says so.
func (d *Driver) here(environment string) bool {
	return environment == "" || strings.EqualFold(environment, "Live") == d.cfg.Live
}
