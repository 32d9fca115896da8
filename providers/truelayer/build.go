package truelayer

import (
	"bytes"
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

const payments = "/v3/payments"

// What we write in the metadata of a payment and of a refund.
const (
	ours          = "acquit_"
	metaReference = ours + "reference" // what a look-up is told by
	metaPayment   = ours + "payment"
	metaMerchant  = ours + "merchant_ref"
)

// TrueLayer's limits on metadata.
const (
	maxMetadata      = 10
	maxMetadataName  = 40
	maxMetadataValue = 500
)

var (
	errNoObject = errors.New("no payment to act on")
	errNoForm   = errors.New("the body has no form")
	errKey      = errors.New("a provider key of TrueLayer is made of 32 hexadecimal digits")
)

// paymentRequest is the body of POST /v3/payments.
type paymentRequest struct {
	AmountInMinor int64             `json:"amount_in_minor"`
	Currency      string            `json:"currency"`
	PaymentMethod paymentMethod     `json:"payment_method"`
	User          user              `json:"user"`
	Metadata      map[string]string `json:"metadata"`
}

type paymentMethod struct {
	Type              string      `json:"type"`
	ProviderSelection selection   `json:"provider_selection"`
	Beneficiary       beneficiary `json:"beneficiary"`
}

// selection is how the shopper's bank is chosen, and the way that the money takes.
type selection struct {
	Type            string  `json:"type"`
	ProviderID      string  `json:"provider_id,omitempty"`
	SchemeSelection *scheme `json:"scheme_selection,omitempty"`
}

type scheme struct {
	Type     string `json:"type"`
	SchemeID string `json:"scheme_id,omitempty"`
}

type beneficiary struct {
	Type              string `json:"type"`
	MerchantAccountID string `json:"merchant_account_id"`
	AccountHolderName string `json:"account_holder_name,omitempty"`
	Reference         string `json:"reference,omitempty"`
}

type user struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// refundRequest is the body of POST /v3/payments/{id}/refunds.
type refundRequest struct {
	AmountInMinor int64             `json:"amount_in_minor"`
	Reference     string            `json:"reference"`
	Metadata      map[string]string `json:"metadata"`
}

// Build implements providers.Driver.
func (d *Driver) Build(s payment.Send) (providers.Request, error) {
	switch {
	case !slices.Contains(d.Traits().Methods, s.Method) || s.Step != payment.StepMain:
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.Method == payment.MethodAuthorize:
		return d.authorize(s)
	case s.Parent == "":
		return providers.Request{}, errNoObject
	case s.Method == payment.MethodVoid:
		return cancel(s.Parent, s.Key)
	}
	if err := d.takes(s.Amount); err != nil {
		return providers.Request{}, err
	}
	return post(one(s.Parent)+"/refunds", payments+"/{id}/refunds", s.Key, refundRequest{
		s.Amount.MinorUnits, string(s.Reference), map[string]string{metaReference: string(s.Reference), metaPayment: string(s.PaymentID)},
	})
}

// authorize makes a payment, which its shopper has yet to authorize.
func (d *Driver) authorize(s payment.Send) (providers.Request, error) {
	in := s.Instruction
	if in.BankTransfer == nil || in.CaptureMode != payment.CaptureAutomatic || in.ReturnURL == "" || in.StoredCredential != nil {
		return providers.Request{}, fmt.Errorf("%w: TrueLayer makes bank transfers that are captured at once and that the shopper confirms at a page, from which they return", providers.ErrUnsupported)
	}
	if err := d.takes(s.Amount); err != nil {
		return providers.Request{}, err
	}
	who, err := payer(in.Customer, s.Account)
	if err != nil {
		return providers.Request{}, err
	}
	from, err := bank(*in.BankTransfer, s.Amount.CurrencyCode)
	if err != nil {
		return providers.Request{}, err
	}
	data, err := metadata(s)
	if err != nil {
		return providers.Request{}, err
	}
	return post(payments, payments, s.Key, paymentRequest{
		s.Amount.MinorUnits, s.Amount.CurrencyCode,
		paymentMethod{"bank_transfer", from, beneficiary{"merchant_account", d.cfg.MerchantAccountID, d.cfg.MerchantName, in.StatementDescriptor}},
		who, data,
	})
}

// payer is who pays. TrueLayer asks for a name, and an address or a number.
func payer(c *payment.Customer, account payment.AccountName) (user, error) {
	if c == nil || c.Name == "" || (c.Email == "" && c.Phone == "") {
		return user{}, fmt.Errorf("%w: TrueLayer asks for the customer's name, and an email address or a phone number", providers.ErrUnsupported)
	}
	return user{c.ProviderCustomerIDs[account], c.Name, c.Email, c.Phone}, nil
}

// bank is where the money comes from. A scheme that is not instant can be asked for
// only of a bank that is known. The remitter's name would need an account number
// beside it, which nobody has here.
func bank(b payment.BankTransfer, currency string) (selection, error) {
	id, home := schemeOf(b.Scheme)
	known := b.RemitterBankID != ""
	switch {
	case b.Scheme != "" && home != currency:
		return selection{}, fmt.Errorf("%w: TrueLayer has no scheme %q in %s", providers.ErrUnsupported, b.Scheme, currency)
	case known && id != "":
		return selection{"preselected", b.RemitterBankID, &scheme{"preselected", id}}, nil
	case known:
		return selection{"preselected", b.RemitterBankID, &scheme{"instant_preferred", ""}}, nil
	case id == "":
		return selection{Type: "user_selected"}, nil
	case b.Scheme == "sepa_credit_transfer":
		return selection{}, fmt.Errorf("%w: TrueLayer takes scheme %q only with the bank", providers.ErrUnsupported, b.Scheme)
	}
	return selection{"user_selected", "", &scheme{"instant_only", ""}}, nil
}

// schemeOf is TrueLayer's id of a scheme, and the currency that it is for.
func schemeOf(scheme string) (id, currency string) {
	switch scheme {
	case "faster_payments":
		return "faster_payments_service", "GBP"
	case "sepa_credit_transfer":
		return "sepa_credit_transfer", "EUR"
	case "sepa_instant_credit_transfer":
		return "sepa_credit_transfer_instant", "EUR"
	}
	return "", ""
}

// metadata is the caller's with ours. A name that is ours, and what is too much for
// TrueLayer, have no form.
func metadata(s payment.Send) (map[string]string, error) {
	m := map[string]string{metaReference: string(s.Reference), metaPayment: string(s.PaymentID)}
	if r := s.Instruction.MerchantReference; r != "" {
		m[metaMerchant] = string(r)
	}
	for k, v := range s.Instruction.Metadata {
		if strings.HasPrefix(k, ours) || len(k) > maxMetadataName || len(v) > maxMetadataValue {
			return nil, fmt.Errorf("%w: a metadata key begins with %s, or it or its value is too long", providers.ErrUnsupported, ours)
		}
		m[k] = v
	}
	if len(m) > maxMetadata {
		return nil, fmt.Errorf("%w: TrueLayer keeps %d pairs of metadata, with the %d that are acquit's", providers.ErrUnsupported, maxMetadata, len(m)-len(s.Instruction.Metadata))
	}
	return m, nil
}

// takes refuses what the account has no form of.
func (d *Driver) takes(m payment.Money) error {
	if m.MinorUnits <= 0 || !d.Traits().Takes(m.CurrencyCode) {
		return fmt.Errorf("%w: TrueLayer has no form of %s", providers.ErrUnsupported, m)
	}
	return nil
}

// cancel ends a payment that its shopper has not authorized yet.
func cancel(id payment.ProviderReference, key payment.ProviderKey) (providers.Request, error) {
	return post(one(id)+"/actions/cancel", payments+"/{id}/actions/cancel", key, nil)
}

// Fence implements providers.Driver.
func (d *Driver) Fence(s payment.Send) (providers.Request, error) {
	switch {
	case s.Method != payment.MethodAuthorize || !s.Step.Fence():
		return providers.Request{}, fmt.Errorf("%w: fence of %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	case s.ProviderReference == "":
		return providers.Request{}, errNoObject
	}
	return cancel(s.ProviderReference, s.Key)
}

// Query implements providers.Driver. TrueLayer knows nothing by our reference: without
// its id neither a payment nor a refund can be asked about.
func (d *Driver) Query(s payment.Send) (providers.Request, error) {
	switch s.Method {
	case payment.MethodAuthorize:
		if s.ProviderReference != "" {
			return read(one(s.ProviderReference), payments+"/{id}"), nil
		}
	case payment.MethodVoid:
		if id := paymentOf(s); id != "" {
			return read(one(id), payments+"/{id}"), nil
		}
	case payment.MethodRefund:
		if s.ProviderReference != "" && s.Parent != "" {
			return read(one(s.Parent)+"/refunds/"+url.PathEscape(string(s.ProviderReference)), payments+"/{id}/refunds/{id}"), nil
		}
	case payment.MethodCapture, payment.MethodComplete:
	}
	return providers.Request{}, fmt.Errorf("%w: look-up of %s without TrueLayer's id of it", providers.ErrUnsupported, s.Method)
}

// paymentOf names the payment that a send is about; "" if it is to make it.
func paymentOf(s payment.Send) payment.ProviderReference {
	return cmp.Or(s.ProviderReference, s.Parent)
}

func one(id payment.ProviderReference) string { return payments + "/" + url.PathEscape(string(id)) }

// post is a request that has an effect.
func post(path, template string, key payment.ProviderKey, params any) (providers.Request, error) {
	spelled, err := Key(key)
	if err != nil {
		return providers.Request{}, err
	}
	r := read(path, template)
	r.Method, r.Key = http.MethodPost, spelled
	r.Header.Set("Idempotency-Key", string(spelled))
	if params == nil {
		return r, nil
	}
	var body bytes.Buffer
	out := json.NewEncoder(&body)
	out.SetEscapeHTML(false)
	if err := out.Encode(params); err != nil {
		return providers.Request{}, errNoForm // the error itself quotes the body
	}
	r.Body = bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// read is a request that has none.
func read(path, template string) providers.Request {
	return providers.Request{Method: http.MethodGet, Path: path, Template: template, Header: http.Header{"Accept": {"application/json"}}}
}

// Key is a provider key as TrueLayer is sent it: the same bits as a UUID of version 4,
// but for the six that say so.
func Key(k payment.ProviderKey) (payment.ProviderKey, error) {
	const digits, clock = "0123456789abcdef", "89ab"
	if len(k) != 32 || strings.Trim(string(k), digits) != "" {
		return "", errKey
	}
	variant := clock[strings.IndexByte(digits, k[16])%len(clock)]
	return payment.ProviderKey(fmt.Sprintf("%s-%s-4%s-%c%s-%s", k[:8], k[8:12], k[13:16], variant, k[17:20], k[20:])), nil
}
