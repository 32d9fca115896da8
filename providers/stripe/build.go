package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	stripego "github.com/stripe/stripe-go/v85"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

const (
	intents = "/v1/payment_intents"
	refunds = "/v1/refunds"
)

// What we write on objects. A capture has no object of its own: it leaves its
// reference on the intent, beside the one of the authorization.
const (
	ours             = "acquit_"
	metaReference    = ours + "reference"
	metaCapture      = ours + "capture"
	metaPayment      = ours + "payment"
	metaMerchant     = ours + "merchant_reference"
	metaRefundReason = ours + "reason"
)

var errNoIntent = errors.New("no PaymentIntent to act on")

// Build implements providers.Driver.
func (d *Driver) Build(s payment.Send) (providers.Request, error) {
	known := slices.Contains(d.Traits().Methods, s.Method)
	switch {
	case !known || s.Step != payment.StepMain || s.Instruction.BankTransfer != nil:
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.Method == payment.MethodAuthorize:
		return d.authorize(s)
	case s.Parent == "":
		return providers.Request{}, errNoIntent
	case s.Method == payment.MethodVoid:
		return d.cancel(s.Parent, s.Key, "requested_by_customer"), nil
	}
	amount, err := toStripe(s.Amount)
	if err != nil {
		return providers.Request{}, err
	}
	if s.Method == payment.MethodRefund {
		return d.refund(s, amount), nil
	}
	return d.post(intents+"/"+url.PathEscape(string(s.Parent))+"/capture", intents+"/{id}/capture", s.Key, &stripego.PaymentIntentCaptureParams{
		AmountToCapture: &amount, Metadata: map[string]string{metaCapture: string(s.Reference)},
	}), nil
}

func (d *Driver) authorize(s payment.Send) (providers.Request, error) {
	in := s.Instruction
	amount, err := toStripe(s.Amount)
	if err != nil {
		return providers.Request{}, err
	}
	p := &stripego.PaymentIntentCreateParams{
		Amount: &amount, Currency: new(strings.ToLower(s.Amount.CurrencyCode)), Confirm: new(true), CaptureMethod: new("manual"),
		PaymentMethodTypes: []*string{new("card")}, Expand: []*string{new("latest_charge")},
		ReturnURL: optional(in.ReturnURL), StatementDescriptorSuffix: optional(in.StatementDescriptor), // a card's whole descriptor is refused
	}
	if in.CaptureMode == payment.CaptureAutomatic {
		p.CaptureMethod = new("automatic") // not automatic_async: the answer shows what was captured
	}
	if p.Metadata, err = metadata(s); err != nil {
		return providers.Request{}, err
	}
	if err := instrument(in.Tokens[s.Account], p); err != nil {
		return providers.Request{}, fmt.Errorf("token for account %s: %w", s.Account, err)
	}
	if in.Customer != nil {
		p.Customer = optional(in.Customer.ProviderCustomerIDs[s.Account])
	}
	if in.StoredCredential != nil && in.StoredCredential.Initiator == "merchant" {
		p.OffSession = new(true)
	}
	return d.post(intents, intents, s.Key, p), nil
}

// instrument sets what the payer pays with.
func instrument(t payment.Token, p *stripego.PaymentIntentCreateParams) error {
	payload := struct {
		PaymentMethod     string `json:"payment_method"`
		ConfirmationToken string `json:"confirmation_token"`
	}{PaymentMethod: t.StoredID}
	if len(t.ClientPayload) > 0 {
		if json.Unmarshal(t.ClientPayload, &payload) != nil { // its error could quote the payload
			return errors.New("the payload is not an object of strings")
		}
	}
	p.PaymentMethod, p.ConfirmationToken = optional(payload.PaymentMethod), optional(payload.ConfirmationToken)
	if (p.PaymentMethod == nil) == (p.ConfirmationToken == nil) {
		return errors.New("neither a payment_method nor a confirmation_token, or both")
	}
	return nil
}

// metadata is the caller's with ours. A key that would be read as another
// parameter, or that is ours, has no form.
func metadata(s payment.Send) (map[string]string, error) {
	m := map[string]string{metaReference: string(s.Reference), metaPayment: string(s.PaymentID)}
	if r := s.Instruction.MerchantReference; r != "" {
		m[metaMerchant] = string(r)
	}
	for k, v := range s.Instruction.Metadata {
		if strings.ContainsAny(k, "[]") || strings.HasPrefix(k, ours) {
			return nil, fmt.Errorf("%w: a metadata key has a bracket or begins with %s", providers.ErrUnsupported, ours)
		}
		m[k] = v
	}
	return m, nil
}

func (d *Driver) refund(s payment.Send, amount int64) providers.Request {
	p := &stripego.RefundCreateParams{
		PaymentIntent: new(string(s.Parent)), Amount: &amount,
		Metadata: map[string]string{metaReference: string(s.Reference), metaPayment: string(s.PaymentID)},
	}
	switch reason := s.Instruction.Reason; reason {
	case "duplicate", "fraudulent", "requested_by_customer":
		p.Reason = &reason
	case "":
	default: // Stripe takes no other words
		p.Metadata[metaRefundReason] = reason
	}
	return d.post(refunds, refunds, s.Key, p)
}

// cancel releases an intent. The key's first answer is stored, so a cancel is
// repeated as another step, under another key.
func (d *Driver) cancel(id payment.ProviderReference, key payment.ProviderKey, reason string) providers.Request {
	return d.post(intents+"/"+url.PathEscape(string(id))+"/cancel", intents+"/{id}/cancel", key, &stripego.PaymentIntentCancelParams{
		CancellationReason: &reason,
	})
}

// Fence implements providers.Driver.
func (d *Driver) Fence(s payment.Send) (providers.Request, error) {
	switch {
	case s.Method != payment.MethodAuthorize || !s.Step.Fence():
		return providers.Request{}, fmt.Errorf("%w: fence of %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.ProviderReference == "":
		return providers.Request{}, errNoIntent
	}
	return d.cancel(s.ProviderReference, s.Key, "abandoned"), nil
}

// Query implements providers.Driver. Without its id an authorization is
// searched for, which lags behind what was written: not found proves nothing.
func (d *Driver) Query(s payment.Send) (providers.Request, error) {
	switch s.Method {
	case payment.MethodAuthorize:
		if s.ProviderReference == "" {
			p := &stripego.PaymentIntentSearchParams{Expand: []*string{new("data.latest_charge")}}
			p.Query = fmt.Sprintf("metadata['%s']:'%s'", metaReference, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(string(s.Reference)))
			return d.get(intents+"/search", intents+"/search", p), nil
		}
		return d.retrieve(s.ProviderReference)
	case payment.MethodCapture, payment.MethodVoid:
		return d.retrieve(s.Parent)
	case payment.MethodRefund:
		if s.ProviderReference != "" {
			return d.get(refunds+"/"+url.PathEscape(string(s.ProviderReference)), refunds+"/{id}", &stripego.RefundRetrieveParams{}), nil
		}
		if s.Parent == "" {
			return providers.Request{}, errNoIntent
		}
		p := &stripego.RefundListParams{PaymentIntent: new(string(s.Parent))}
		p.Limit = new(int64(100))
		return d.get(refunds, refunds, p), nil
	case payment.MethodComplete:
	}
	return providers.Request{}, fmt.Errorf("%w: look-up of %s", providers.ErrUnsupported, s.Method)
}

func (d *Driver) retrieve(id payment.ProviderReference) (providers.Request, error) {
	if id == "" {
		return providers.Request{}, errNoIntent
	}
	return d.get(intents+"/"+url.PathEscape(string(id)), intents+"/{id}", &stripego.PaymentIntentRetrieveParams{
		Expand: []*string{new("latest_charge")},
	}), nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
