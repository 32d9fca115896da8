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
	"context"
	"encoding/json"
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
	merchantHeader = "Sandbox-Merchant"
	codeNotFound   = "not_found"
)

// The statuses of an authorization that the driver treats apart.
const (
	statusAuthorized     = "authorized"
	statusCaptured       = "captured"
	statusRequiresAction = "requires_action"
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
		Methods:          []payment.Method{payment.MethodAuthorize},
		ManualCapture:    true,
		AutomaticCapture: true,
		MultipleCaptures: true,
		Query:            true,
		ResendWindow:     20 * time.Hour,          // the simulator keeps keys for ever; real providers often for a day
		KeyMax:           64,                      // simulator
		KeyScope:         payment.KeyScopeAccount, // simulator: keys belong to the merchant
	}
}

// authorization is the body of a request. Its fields are encoded in this order
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
	if s.Method != payment.MethodAuthorize || s.Step != payment.StepMain || s.Instruction.BankTransfer != nil {
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
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
	header := d.header()
	header.Set("Content-Type", "application/json")
	header.Set("Idempotency-Key", string(s.Key))
	return providers.Request{
		Method: http.MethodPost, Path: authorizations, Template: authorizations, Key: s.Key, Header: header, Body: body,
	}, nil
}

// Query implements providers.Driver.
func (d *Driver) Query(s payment.Send) (providers.Request, error) {
	if s.Method != payment.MethodAuthorize {
		return providers.Request{}, fmt.Errorf("%w: look-up of %s", providers.ErrUnsupported, s.Method)
	}
	r := providers.Request{Method: http.MethodGet, Header: d.header()}
	if s.ProviderReference != "" {
		r.Path, r.Template = authorizations+"/"+url.PathEscape(string(s.ProviderReference)), authorizations+"/{id}"
		return r, nil
	}
	r.Path, r.Template = authorizations+"?"+url.Values{"reference": {string(s.Reference)}}.Encode(), authorizations
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

// object is an authorization as the sandbox shows it.
type object struct {
	ID          payment.ProviderReference `json:"id"`
	Status      string                    `json:"status"`
	DeclineCode string                    `json:"decline_code"`
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

// failure is an answer that is no authorization.
type failure struct {
	Error struct {
		Code        string                    `json:"code"`
		DeclineCode string                    `json:"decline_code"`
		Message     string                    `json:"message"`
		ID          payment.ProviderReference `json:"id"`
		Reference   payment.ReferenceID       `json:"reference"`
	} `json:"error"`
}

// Parse implements providers.Driver.
func (*Driver) Parse(_ payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		return failed(r)
	}
	var o object
	if json.Unmarshal(r.Body, &o) != nil {
		return said(r)
	}
	return o.answer(r)
}

// ParseQuery implements providers.Driver.
func (*Driver) ParseQuery(s payment.Send, r providers.Response) payment.Answer {
	if !succeeded(r) {
		return failed(r)
	}
	if s.ProviderReference != "" {
		var o object
		if json.Unmarshal(r.Body, &o) != nil {
			return said(r)
		}
		return found(o.answer(r))
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
		return found(objects[0].answer(r))
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
		a.Decline = f.Error.DeclineCode
	}
	a.Reference, a.OurEcho = f.Error.ID, f.Error.Reference
	return a
}

// answer is what an object says. One without an id, or an effect without an
// amount, was not read right: it has no code.
func (o object) answer(r providers.Response) payment.Answer {
	a := said(r)
	effect := o.Status == statusAuthorized || o.Status == statusCaptured
	if o.ID == "" || o.Status == "" || (effect && o.Amount <= 0) {
		return a
	}
	a.Code, a.Decline, a.Reference, a.OurEcho = o.Status, o.DeclineCode, o.ID, o.Reference
	if effect {
		a.Amount = &payment.Money{MinorUnits: o.Amount, CurrencyCode: o.Currency}
		a.Captured, a.ExpireTime = o.Status == statusCaptured, o.ExpiresAt
	}
	if o.Status == statusRequiresAction && o.NextAction != nil {
		a.NextAction = &payment.NextAction{RedirectURL: o.NextAction.URL, RedirectMethod: o.NextAction.Method}
	}
	return a
}
