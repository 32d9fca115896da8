package amazonpay

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// The paths of the API for keys that say which environment they are of.
const (
	charges = "/v2/charges"
	refunds = "/v2/refunds"
)

var (
	errNoObject   = errors.New("no object to act on")
	errNoForm     = errors.New("the body has no form")
	errPermission = errors.New("no charge permission as a stored token")
)

// price is an amount as Amazon writes it: a decimal number in the major unit.
type price struct {
	Amount       string `json:"amount"`
	CurrencyCode string `json:"currencyCode"`
}

// metadata is what Amazon keeps with a charge and shows to the merchant.
type metadata struct {
	MerchantReferenceID string `json:"merchantReferenceId"`         // ours: what a look-up is told by
	CustomInformation   string `json:"customInformation,omitempty"` // the caller's reference
}

// chargeRequest is the body of POST /v2/charges.
type chargeRequest struct {
	ChargePermissionID            string   `json:"chargePermissionId"`
	ChargeAmount                  price    `json:"chargeAmount"`
	CaptureNow                    bool     `json:"captureNow"`
	CanHandlePendingAuthorization bool     `json:"canHandlePendingAuthorization"`
	SoftDescriptor                string   `json:"softDescriptor,omitempty"`
	MerchantMetadata              metadata `json:"merchantMetadata"`
}

// captureRequest is the body of POST /v2/charges/{id}/capture.
type captureRequest struct {
	CaptureAmount  price  `json:"captureAmount"`
	SoftDescriptor string `json:"softDescriptor,omitempty"`
}

// refundRequest is the body of POST /v2/refunds.
type refundRequest struct {
	ChargeID     string `json:"chargeId"`
	RefundAmount price  `json:"refundAmount"`
}

// cancelRequest is the body of DELETE /v2/charges/{id}/cancel.
type cancelRequest struct {
	CancellationReason string `json:"cancellationReason"`
}

// Build implements providers.Driver.
func (d *Driver) Build(s payment.Send) (providers.Request, error) {
	known := slices.Contains(d.Traits().Methods, s.Method)
	switch {
	case !known || s.Step != payment.StepMain || s.Instruction.BankTransfer != nil:
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.Method == payment.MethodAuthorize:
		return d.authorize(s)
	case s.Parent == "":
		return providers.Request{}, errNoObject
	case s.Method == payment.MethodVoid:
		return d.cancel(s.Parent, s.Key, "requested by the merchant")
	}
	amount, err := d.price(s.Amount)
	if err != nil {
		return providers.Request{}, err
	}
	if s.Method == payment.MethodRefund {
		return d.write(http.MethodPost, refunds, refunds, s.Key, refundRequest{string(s.Parent), amount})
	}
	return d.write(http.MethodPost, charge(s.Parent)+"/capture", charges+"/{id}/capture", s.Key, captureRequest{
		amount, s.Instruction.StatementDescriptor,
	})
}

// authorize makes a charge. One that holds may be decided later; one that takes the
// money at once is decided in the answer, since Amazon refuses both together.
func (d *Driver) authorize(s payment.Send) (providers.Request, error) {
	in := s.Instruction
	amount, err := d.price(s.Amount)
	if err != nil {
		return providers.Request{}, err
	}
	token := in.Tokens[s.Account]
	if token.StoredID == "" || len(token.ClientPayload) > 0 {
		return providers.Request{}, fmt.Errorf("token for account %s: %w", s.Account, errPermission)
	}
	r := chargeRequest{
		ChargePermissionID: token.StoredID, ChargeAmount: amount, CanHandlePendingAuthorization: true,
		MerchantMetadata: metadata{string(s.Reference), string(in.MerchantReference)},
	}
	if in.CaptureMode == payment.CaptureAutomatic {
		r.CaptureNow, r.CanHandlePendingAuthorization = true, false
		r.SoftDescriptor = in.StatementDescriptor // of a hold it is refused; its capture brings it
	}
	return d.write(http.MethodPost, charges, charges, s.Key, r)
}

// cancel releases a charge. Amazon ignores the key of a DELETE: it is harmless to
// repeat, and what it did is told by the charge alone.
func (d *Driver) cancel(id payment.ProviderReference, key payment.ProviderKey, reason string) (providers.Request, error) {
	return d.write(http.MethodDelete, charge(id)+"/cancel", charges+"/{id}/cancel", key, cancelRequest{reason})
}

// Fence implements providers.Driver.
func (d *Driver) Fence(s payment.Send) (providers.Request, error) {
	switch {
	case s.Method != payment.MethodAuthorize || !s.Step.Fence():
		return providers.Request{}, fmt.Errorf("%w: fence of %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.ProviderReference == "":
		return providers.Request{}, errNoObject
	}
	return d.cancel(s.ProviderReference, s.Key, "nobody waits for it any more")
}

// Query implements providers.Driver. Amazon knows nothing by our reference: without
// its id neither a charge nor a refund can be asked about.
func (d *Driver) Query(s payment.Send) (providers.Request, error) {
	switch s.Method {
	case payment.MethodAuthorize:
		if s.ProviderReference != "" {
			return d.read(charge(s.ProviderReference), charges+"/{id}"), nil
		}
	case payment.MethodCapture, payment.MethodVoid:
		if id := chargeOf(s); id != "" {
			return d.read(charge(id), charges+"/{id}"), nil
		}
	case payment.MethodRefund:
		if s.ProviderReference != "" {
			return d.read(refunds+"/"+url.PathEscape(string(s.ProviderReference)), refunds+"/{id}"), nil
		}
	case payment.MethodComplete:
	}
	return providers.Request{}, fmt.Errorf("%w: look-up of %s without Amazon's id of it", providers.ErrUnsupported, s.Method)
}

// chargeOf names the charge that a send is about; "" if it is to make it.
func chargeOf(s payment.Send) payment.ProviderReference { return cmp.Or(s.ProviderReference, s.Parent) }

func charge(id payment.ProviderReference) string { return charges + "/" + url.PathEscape(string(id)) }

// write is a request that has an effect.
func (d *Driver) write(method, path, template string, key payment.ProviderKey, body any) (providers.Request, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return providers.Request{}, errNoForm // the error itself quotes the body
	}
	r := d.read(path, template)
	r.Method, r.Key, r.Body = method, key, raw
	r.Header.Set("X-Amz-Pay-Idempotency-Key", string(key))
	return r, nil
}

// read is a request that has none.
func (d *Driver) read(path, template string) providers.Request {
	return providers.Request{Method: http.MethodGet, Path: path, Template: template, Header: http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "X-Amz-Pay-Region": {d.cfg.Region},
	}}
}

// price is an amount as Amazon writes it, exactly. Errors: ErrUnsupported for a
// currency that the account does not take, and for nothing and what is less.
func (d *Driver) price(m payment.Money) (price, error) {
	if m.MinorUnits <= 0 || !d.Traits().Takes(m.CurrencyCode) {
		return price{}, fmt.Errorf("%w: Amazon Pay has no form of %s", providers.ErrUnsupported, m)
	}
	amount, _, _ := strings.Cut(m.String(), " ")
	return price{amount, m.CurrencyCode}, nil
}

// money is the inverse of Driver.price; ok is false for what is no amount that we
// could have asked for or could record. Zeros at the end say nothing.
func (p *price) money() (m *payment.Money, ok bool) {
	if p == nil {
		return nil, false
	}
	amount := p.Amount
	if strings.Contains(amount, ".") {
		amount = strings.TrimSuffix(strings.TrimRight(amount, "0"), ".")
	}
	got, err := payment.ParseMoney(amount, p.CurrencyCode)
	if err != nil || got.MinorUnits <= 0 {
		return nil, false
	}
	return &got, true
}
