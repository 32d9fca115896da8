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
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	merchantHeader = "Sandbox-Merchant"
	codeNotFound   = "not_found"
)

// The statuses of objects. A capture, refund or void has succeeded besides.
const (
	statusAuthorized     = "authorized"
	statusCaptured       = "captured"
	statusDeclined       = "declined"
	statusPending        = "pending"
	statusRequiresAction = "requires_action"
	statusFailed         = "failed"
)

// Config is what tells one account's driver from another's.
type Config struct {
	MerchantID string // "" for the sandbox's default merchant
	Credential providers.Secret
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
		Methods:          []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid},
		ManualCapture:    true,
		AutomaticCapture: true,
		MultipleCaptures: true,
		Query:            true,
		ResendWindow:     20 * time.Hour,          // the simulator keeps keys for ever; real providers often for a day
		KeyMax:           64,                      // simulator
		KeyScope:         payment.KeyScopeAccount, // simulator: keys belong to the merchant
	}
}

// authorization is the body of a request for one. Its fields are encoded in this order
// and maps by key, so the same send has the same bytes.
type authorization struct {
	Reference           payment.ReferenceID       `json:"reference"`
	Amount              int64                     `json:"amount"` // minor units
	Currency            string                    `json:"currency"`
	Capture             string                    `json:"capture"`
	Token               string                    `json:"token"`
	MerchantReference   payment.MerchantReference `json:"merchant_reference,omitempty"`
	ReturnURL           string                    `json:"return_url,omitempty"`
	StatementDescriptor string                    `json:"statement_descriptor,omitempty"`
	Metadata            map[string]string         `json:"metadata,omitempty"`
}

// Build implements providers.Driver.
func (d *Driver) Build(s payment.Send) (providers.Request, error) {
	v, further := verbOf(s.Method)
	switch {
	case (!further && s.Method != payment.MethodAuthorize) || s.Step != payment.StepMain || s.Instruction.BankTransfer != nil:
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case further:
		return d.buildOperation(s, v)
	}
	token := s.Instruction.Tokens[s.Account].StoredID
	if token == "" {
		return providers.Request{}, fmt.Errorf("no stored token for account %s", s.Account)
	}
	capture := "manual"
	if s.Instruction.CaptureMode == payment.CaptureAutomatic {
		capture = "automatic"
	}
	body, err := json.Marshal(authorization{
		Reference: s.Reference, Amount: s.Amount.MinorUnits, Currency: s.Amount.CurrencyCode, Capture: capture, Token: token,
		MerchantReference: s.Instruction.MerchantReference, ReturnURL: s.Instruction.ReturnURL,
		StatementDescriptor: s.Instruction.StatementDescriptor, Metadata: s.Instruction.Metadata,
	})
	if err != nil {
		return providers.Request{}, fmt.Errorf("marshal authorization: %w", err)
	}
	return d.write(authorizations, authorizations, s.Key, body), nil
}

// Fence implements providers.Driver.
func (*Driver) Fence(s payment.Send) (providers.Request, error) {
	return providers.Request{}, fmt.Errorf("%w: %s", providers.ErrUnsupported, s.Step)
}

// Query implements providers.Driver.
func (d *Driver) Query(s payment.Send) (providers.Request, error) {
	objects := authorizations
	if v, further := verbOf(s.Method); further {
		objects = v.objects
	} else if s.Method != payment.MethodAuthorize {
		return providers.Request{}, fmt.Errorf("%w: look-up of %s", providers.ErrUnsupported, s.Method)
	}
	r := providers.Request{Method: http.MethodGet, Header: d.header()}
	if s.ProviderReference != "" {
		r.Path, r.Template = objects+"/"+url.PathEscape(string(s.ProviderReference)), objects+"/{id}"
		return r, nil
	}
	r.Path, r.Template = objects+"?"+url.Values{"reference": {string(s.Reference)}}.Encode(), objects
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
		Type   string `json:"type"`
		URL    string `json:"url"`
		Method string `json:"method"`
	} `json:"next_action"`
}

// failure is an answer that is no object.
type failure struct {
	Error struct {
		Code        string                    `json:"code"`
		DeclineCode string                    `json:"decline_code"`
		FailureCode string                    `json:"failure_code"`
		Message     string                    `json:"message"`
		ID          payment.ProviderReference `json:"id"`
		Reference   payment.ReferenceID       `json:"reference"`
	} `json:"error"`
}

// Parse implements providers.Driver.
func (*Driver) Parse(s payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		return failed(r)
	}
	var o object
	if json.Unmarshal(r.Body, &o) != nil {
		return said(r)
	}
	return o.answer(s, r)
}

// ParseQuery implements providers.Driver.
func (*Driver) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		a := failed(r)
		if a.Code == statusDeclined || a.Code == statusFailed { // that is said to a request, or by an object
			return said(r)
		}
		return a
	}
	if s.ProviderReference != "" {
		var o object
		if json.Unmarshal(r.Body, &o) != nil {
			return said(r)
		}
		return found(o.answer(s, r))
	}
	var list struct {
		Data *[]object `json:"data"`
	}
	if json.Unmarshal(r.Body, &list) != nil || list.Data == nil {
		return said(r)
	}
	switch objects := *list.Data; len(objects) {
	case 0:
		a := said(r)
		a.Code = codeNotFound
		return a
	case 1:
		return found(objects[0].answer(s, r))
	}
	// More than one object under one reference of ours: whichever was ours, the
	// other is an effect that nobody asked for. A person has to look.
	return said(r)
}

func found(a payment.Answer) payment.Answer {
	a.ObjectFound = a.Code != ""
	return a
}

func succeeded(r providers.Response) bool { return r.Status >= 200 && r.Status <= 299 }

// said is an answer of which nothing could be read.
func said(r providers.Response) payment.Answer {
	return payment.Answer{RequestID: r.Header.Get("Request-Id")}
}

// failed reads an answer that is not 2xx.
func failed(r providers.Response) payment.Answer {
	a := said(r)
	var f failure
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

// answer is what an object says. One without an id, of another kind than was asked
// for, or an effect without an amount, was not read right: it has no code.
//
// A code that the sandbox does not document begins with what it is about, so that
// it never reads as that of another verb: look-ups share their rows of the table.
func (o object) answer(s payment.Send, r providers.Response) payment.Answer {
	if v, further := verbOf(s.Method); further {
		return o.operationAnswer(s, v, r)
	}
	a := said(r)
	effect := o.Status == statusAuthorized || o.Status == statusCaptured
	if o.ID == "" || o.Status == "" || o.Kind != "" || (effect && o.Amount <= 0) {
		return a
	}
	a.Code, a.Decline, a.Reference, a.OurEcho = o.Status, o.DeclineCode, o.ID, o.Reference
	if !slices.Contains([]string{statusAuthorized, statusCaptured, statusDeclined, statusPending, statusRequiresAction}, o.Status) {
		a.Code = "authorization_" + o.Status
	}
	if effect {
		a.Amount = &payment.Money{MinorUnits: o.Amount, CurrencyCode: o.Currency}
		a.Captured, a.ExpireTime = o.Status == statusCaptured, o.ExpiresAt
	}
	if o.Status == statusRequiresAction && o.NextAction != nil {
		a.NextAction = &payment.NextAction{RedirectURL: o.NextAction.URL, RedirectMethod: o.NextAction.Method}
	}
	return a
}
