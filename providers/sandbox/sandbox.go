// Package sandbox is the driver of the simulated provider, the smallest whole
// driver there is: what a newcomer tries, what tests run against, and the
// pattern for a new one.
//
// It is pure: no I/O, clock, state or goroutine. What it cannot read has no
// code, and it never reports an effect without the provider's id of it.
//
// Source: the API of the simulator, which is described on its package.
package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Name is the driver's name in configuration, records and the mapping table.
const Name = "sandbox"

// CredentialPrefix begins every credential of the sandbox.
const CredentialPrefix = "sandbox_sk_"

const (
	authorizations = "/v1/authorizations"
	cancels        = "/v1/cancels"
	merchantHeader = "Sandbox-Merchant"
)

// Config is what tells one account's driver from another's.
type Config struct {
	MerchantID string // "" for the sandbox's default merchant
	Credential providers.Secret
	// WebhookSecrets are what deliveries are signed with: two while one replaces the other.
	WebhookSecrets []providers.Secret
}

// Driver speaks to the sandbox for one account.
type Driver struct{ cfg Config }

var _ providers.Driver = (*Driver)(nil)

// New returns the driver of an account.
func New(c Config) *Driver { return &Driver{c} }

// Traits implements providers.Driver.
func (*Driver) Traits() payment.Traits {
	return payment.Traits{
		Driver:           Name,
		Methods:          []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, payment.MethodComplete},
		ManualCapture:    true,
		AutomaticCapture: true,
		MultipleCaptures: true,
		Query:            true,
		Fence:            payment.FenceByReference,
		Completion:       payment.CompletionSend,
		ResendWindow:     20 * time.Hour,          // the simulator keeps keys for ever; real providers often for a day
		KeyMax:           64,                      // simulator
		KeyScope:         payment.KeyScopeAccount, // simulator: keys belong to the merchant
	}
}

// order is the body of every request; which fields are set depends on the verb. They
// are encoded in this order and maps by key, so the same send has the same bytes.
type order struct {
	Reference           payment.ReferenceID       `json:"reference"`
	Amount              int64                     `json:"amount,omitempty"` // minor units
	Currency            string                    `json:"currency,omitempty"`
	Capture             string                    `json:"capture,omitempty"`
	Token               string                    `json:"token,omitempty"`
	MerchantReference   payment.MerchantReference `json:"merchant_reference,omitempty"`
	ReturnURL           string                    `json:"return_url,omitempty"`
	StatementDescriptor string                    `json:"statement_descriptor,omitempty"`
	Metadata            map[string]string         `json:"metadata,omitempty"`
	Reason              string                    `json:"reason,omitempty"`
	Parameters          map[string]string         `json:"parameters,omitempty"`
}

// Build implements providers.Driver.
func (d *Driver) Build(s payment.Send) (providers.Request, error) {
	v := verbOf(s.Method)
	in := order{Reference: s.Reference, Amount: s.Amount.MinorUnits, Currency: s.Amount.CurrencyCode}
	switch {
	case v.action == "" && s.Method != payment.MethodAuthorize || s.Step != payment.StepMain || s.Instruction.BankTransfer != nil:
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.Amount.MinorUnits <= 0 && s.Method != payment.MethodVoid && s.Method != payment.MethodComplete:
		return providers.Request{}, fmt.Errorf("an amount of %s", s.Amount)
	case s.Method == payment.MethodAuthorize:
		return d.buildAuthorization(s, in)
	case s.Parent == "":
		return providers.Request{}, errors.New("no authorization to act on")
	case s.Method == payment.MethodRefund:
		in.Reason = s.Instruction.Reason
	case s.Method == payment.MethodComplete: // the whole of what waits
		in.Amount, in.Currency, in.Parameters = 0, "", s.Instruction.ReturnParameters
	case s.Method == payment.MethodVoid: // it releases whatever is left
		in.Amount, in.Currency = 0, ""
	}
	return d.write(authorizations+"/"+url.PathEscape(string(s.Parent))+"/"+v.action, authorizations+"/{id}/"+v.action, s.Key, in)
}

func (d *Driver) buildAuthorization(s payment.Send, in order) (providers.Request, error) {
	if in.Token = s.Instruction.Tokens[s.Account].StoredID; in.Token == "" {
		return providers.Request{}, fmt.Errorf("no stored token for account %s", s.Account)
	}
	in.Capture = "manual"
	if s.Instruction.CaptureMode == payment.CaptureAutomatic {
		in.Capture = "automatic"
	}
	in.MerchantReference, in.StatementDescriptor = s.Instruction.MerchantReference, s.Instruction.StatementDescriptor
	in.ReturnURL, in.Metadata = s.Instruction.ReturnURL, s.Instruction.Metadata
	return d.write(authorizations, authorizations, s.Key, in)
}

// Fence implements providers.Driver.
func (d *Driver) Fence(s payment.Send) (providers.Request, error) {
	if s.Method != payment.MethodAuthorize || !s.Step.Fence() {
		return providers.Request{}, fmt.Errorf("%w: fence of %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	}
	return d.write(cancels, cancels, s.Key, order{Reference: s.Reference})
}

// write is a request that has an effect.
func (d *Driver) write(path, template string, key payment.ProviderKey, in order) (providers.Request, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return providers.Request{}, fmt.Errorf("marshal request: %w", err)
	}
	header := d.header()
	header.Set("Content-Type", "application/json")
	header.Set("Idempotency-Key", string(key))
	return providers.Request{Method: http.MethodPost, Path: path, Template: template, Key: key, Header: header, Body: body}, nil
}

// Query implements providers.Driver.
func (d *Driver) Query(s payment.Send) (providers.Request, error) {
	v := verbOf(s.Method)
	if v.objects == "" {
		return providers.Request{}, fmt.Errorf("%w: look-up of %s", providers.ErrUnsupported, s.Method)
	}
	r := providers.Request{Method: http.MethodGet, Header: d.header()}
	if s.ProviderReference != "" {
		r.Path, r.Template = v.objects+"/"+url.PathEscape(string(s.ProviderReference)), v.objects+"/{id}"
		return r, nil
	}
	r.Path, r.Template = v.objects+"?"+url.Values{"reference": {string(s.Reference)}}.Encode(), v.objects
	return r, nil
}

func (d *Driver) header() http.Header {
	h := http.Header{"Accept": {"application/json"}}
	if d.cfg.MerchantID != "" {
		h.Set(merchantHeader, d.cfg.MerchantID)
	}
	return h
}

// Sign implements providers.Driver.
func (d *Driver) Sign(_ context.Context, r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+string(d.cfg.Credential))
	return nil
}

// object is an authorization, capture, refund or void as the sandbox shows it.
type object struct {
	ID          payment.ProviderReference `json:"id"`
	Kind        string                    `json:"kind"`   // empty: an authorization
	Parent      payment.ProviderReference `json:"parent"` // the authorization that it acts on
	Status      string                    `json:"status"`
	DeclineCode string                    `json:"decline_code"`
	FailureCode string                    `json:"failure_code"`
	Amount      int64                     `json:"amount"` // minor units
	Currency    string                    `json:"currency"`
	Reference   payment.ReferenceID       `json:"reference"`
	ExpiresAt   time.Time                 `json:"expires_at"`
	NextAction  *struct {
		URL    string `json:"url"`
		Method string `json:"method"`
	} `json:"next_action"`
}

// Parse implements providers.Driver.
func (*Driver) Parse(s payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		return refused(s, failed(r))
	}
	if !s.Step.Fence() {
		return shown(s, verbOf(s.Method), r)
	}
	a := shown(s, fence(), r)
	if a.Code != "" && r.Status == http.StatusAccepted { // shown is what the cancel has still to act on
		a.Code, a.Decline = statusPending, ""
	}
	return a
}

// ParseQuery implements providers.Driver. Several objects under one reference of ours
// have no code: whichever was ours, the others are effects that nobody asked for.
func (*Driver) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	a := said(r)
	var list struct {
		Data *[]object `json:"data"`
	}
	switch {
	case !succeeded(r):
		if f := failed(r); f.Code != statusDeclined && f.Code != statusFailed { // those are said to a request, or by an object
			a = f
		}
	case s.ProviderReference != "":
		a = shown(s, verbOf(s.Method), r)
		a.ObjectFound = a.Code != ""
	case json.Unmarshal(r.Body, &list) != nil || list.Data == nil:
	case len(*list.Data) == 0:
		a.Code = "not_found"
	case len(*list.Data) == 1:
		a = (*list.Data)[0].answer(s, verbOf(s.Method), r)
		a.ObjectFound = a.Code != ""
	}
	return a
}

// shown reads an answer that is an object.
func shown(s payment.Send, v verb, r providers.Response) payment.Answer {
	var o object
	if json.Unmarshal(r.Body, &o) != nil {
		return said(r)
	}
	return o.answer(s, v, r)
}

// refused is an answer that is not 2xx, to a send. What a completion is refused with is
// about its authorization, whose reference is not that of the completion.
func refused(s payment.Send, a payment.Answer) payment.Answer {
	if s.Method != payment.MethodComplete || s.Step.Fence() {
		return a
	}
	if a.OurEcho = ""; a.Reference != "" && a.Reference != s.Parent {
		a.Code, a.Decline, a.Reference = "", "", ""
	}
	return a
}

func succeeded(r providers.Response) bool { return r.Status >= 200 && r.Status <= 299 }

// said is an answer of which nothing could be read.
func said(r providers.Response) payment.Answer {
	return payment.Answer{RequestID: r.Header.Get("Request-Id")}
}

// failed reads an answer that is not 2xx: what is known of the object, and why it
// is not shown.
func failed(r providers.Response) payment.Answer {
	a := said(r)
	var f struct {
		Error struct {
			object

			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(r.Body, &f) != nil {
		return a
	}
	a.Code, a.Message = f.Error.Code, f.Error.Message
	if a.Code != "" {
		a.Decline = cmp.Or(f.Error.DeclineCode, f.Error.FailureCode)
	}
	a.Reference, a.OurEcho = f.Error.ID, f.Error.Reference
	return a
}

// answer is what an object says about itself; nothing about any other object is
// believed, its parent's totals included. One without an id, of another kind or
// parent than was asked for, or an effect without an amount, was not read right: it
// has no code.
func (o object) answer(s payment.Send, v verb, r providers.Response) payment.Answer {
	a := said(r)
	code, effect := v.code(o.Status)
	about := o.Parent
	if s.Method == payment.MethodComplete {
		// The authorization itself, whose reference is not that of the completion.
		about, o.Reference = o.ID, ""
	}
	if o.ID == "" || o.Status == "" || o.Kind != v.kind || (s.Parent != "" && about != s.Parent) || (effect && o.Amount <= 0) {
		return a
	}
	a.Code, a.Reference, a.OurEcho = code, o.ID, o.Reference
	switch {
	case effect:
		a.Amount = &payment.Money{MinorUnits: o.Amount, CurrencyCode: o.Currency}
		a.Captured, a.ExpireTime = code == statusCaptured, o.ExpiresAt
	case code == statusDeclined || code == statusFailed:
		a.Decline = cmp.Or(o.DeclineCode, o.FailureCode)
	case code == statusRequiresAction && o.NextAction != nil:
		a.NextAction = &payment.NextAction{RedirectURL: o.NextAction.URL, RedirectMethod: o.NextAction.Method}
	}
	return a
}
