package adyen

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// What we write in the metadata of a payment. Adyen's limit on a name is 20 characters.
const (
	ours         = "acquit_"
	metaPayment  = ours + "payment"
	metaMerchant = ours + "merchant_ref"
)

var (
	errNoPayment   = errors.New("no payment to act on")
	errUnencodable = errors.New("the payload is no JSON")
)

// paymentRequest is the body of POST /payments, as far as it is used.
type paymentRequest struct {
	MerchantAccount   string            `json:"merchantAccount"`
	Reference         string            `json:"reference"`
	Amount            amount            `json:"amount"`
	PaymentMethod     any               `json:"paymentMethod"`
	ReturnURL         string            `json:"returnUrl"`
	AdditionalData    map[string]string `json:"additionalData"`
	CaptureDelayHours *int32            `json:"captureDelayHours,omitempty"`
	Metadata          map[string]string `json:"metadata"`
	ShopperStatement  string            `json:"shopperStatement,omitempty"`

	ShopperReference         string       `json:"shopperReference,omitempty"`
	ShopperInteraction       string       `json:"shopperInteraction,omitempty"`
	RecurringProcessingModel string       `json:"recurringProcessingModel,omitempty"`
	ShopperEmail             string       `json:"shopperEmail,omitempty"`
	ShopperIP                string       `json:"shopperIP,omitempty"`
	TelephoneNumber          string       `json:"telephoneNumber,omitempty"`
	Channel                  string       `json:"channel,omitempty"`
	BrowserInfo              *browserInfo `json:"browserInfo,omitempty"`
}

type browserInfo struct {
	AcceptHeader      string `json:"acceptHeader"`
	ColorDepth        int32  `json:"colorDepth"`
	JavaEnabled       bool   `json:"javaEnabled"`
	JavaScriptEnabled bool   `json:"javaScriptEnabled"`
	Language          string `json:"language"`
	ScreenHeight      int32  `json:"screenHeight"`
	ScreenWidth       int32  `json:"screenWidth"`
	TimeZoneOffset    int32  `json:"timeZoneOffset"`
	UserAgent         string `json:"userAgent"`
}

// modification is the body of a capture, a refund and both kinds of cancel.
type modification struct {
	MerchantAccount      string  `json:"merchantAccount"`
	Reference            string  `json:"reference"`
	PaymentReference     string  `json:"paymentReference,omitempty"`
	Amount               *amount `json:"amount,omitempty"`
	MerchantRefundReason string  `json:"merchantRefundReason,omitempty"`
}

// Build implements providers.Driver.
func (d *Driver) Build(s payment.Send) (providers.Request, error) {
	if s.Step != payment.StepMain || s.Instruction.BankTransfer != nil {
		return providers.Request{}, fmt.Errorf("%w: %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	}
	switch s.Method {
	case payment.MethodAuthorize:
		return d.authorize(s)
	case payment.MethodComplete:
		return d.complete(s)
	case payment.MethodCapture, payment.MethodRefund, payment.MethodVoid:
		return d.modify(s)
	}
	return providers.Request{}, fmt.Errorf("%w: %s", providers.ErrUnsupported, s.Method)
}

func (d *Driver) authorize(s payment.Send) (providers.Request, error) {
	in := s.Instruction
	a, err := toAdyen(s.Amount)
	if err != nil {
		return providers.Request{}, err
	}
	if in.ReturnURL == "" {
		return providers.Request{}, fmt.Errorf("%w: Adyen takes no payment without a return URL", providers.ErrUnsupported)
	}
	p := paymentRequest{
		MerchantAccount: d.cfg.MerchantAccount, Reference: string(s.Reference), Amount: a, ReturnURL: in.ReturnURL,
		AdditionalData: map[string]string{"manualCapture": "true"}, ShopperStatement: in.StatementDescriptor,
	}
	if in.CaptureMode == payment.CaptureAutomatic {
		p.AdditionalData["manualCapture"], p.CaptureDelayHours = "false", new(int32(0))
	}
	if p.Metadata, err = metadata(s); err != nil {
		return providers.Request{}, err
	}
	p.shopper(s)
	if err := p.instrument(in.Tokens[s.Account], in.StoredCredential); err != nil {
		return providers.Request{}, fmt.Errorf("token for account %s: %w", s.Account, err)
	}
	return d.post("/payments", "/payments", s.Key, p)
}

// shopper sets what is known of the payer.
func (p *paymentRequest) shopper(s payment.Send) {
	if c := s.Instruction.Customer; c != nil {
		p.ShopperReference = cmp.Or(c.ProviderCustomerIDs[s.Account], c.CustomerID)
		p.ShopperEmail, p.ShopperIP, p.TelephoneNumber = c.Email, c.IPAddress, c.Phone
	}
	if b := s.Instruction.Browser; b != nil {
		p.Channel = "Web"
		p.BrowserInfo = &browserInfo{
			AcceptHeader: b.AcceptHeader, ColorDepth: b.ColorDepth, JavaEnabled: b.JavaEnabled, JavaScriptEnabled: b.JavaScriptEnabled,
			Language: b.Language, ScreenHeight: b.ScreenHeight, ScreenWidth: b.ScreenWidth, TimeZoneOffset: b.TimeZoneOffset, UserAgent: b.UserAgent,
		}
	}
}

// instrument sets what the payer pays with, and who started that.
func (p *paymentRequest) instrument(t payment.Token, c *payment.StoredCredential) error {
	p.ShopperInteraction = "Ecommerce"
	if c != nil {
		p.RecurringProcessingModel = model(c.Purpose)
	}
	switch {
	case (t.StoredID == "") == (len(t.ClientPayload) == 0):
		return errors.New("neither a stored token nor a client's payload, or both")
	case t.StoredID != "":
		if p.ShopperReference == "" {
			return fmt.Errorf("%w: a token that Adyen stored is used only with the customer's id", providers.ErrUnsupported)
		}
		p.ShopperInteraction, p.RecurringProcessingModel = "ContAuth", cmp.Or(p.RecurringProcessingModel, "CardOnFile")
		p.PaymentMethod = map[string]string{"type": "scheme", "storedPaymentMethodId": t.StoredID}
		return nil
	}
	var payload struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(t.ClientPayload, &payload) != nil || payload.Type == "" { // its error could quote the payload
		return errors.New("the payload is not a paymentMethod with a type")
	}
	if c != nil && c.Initiator == "merchant" {
		p.ShopperInteraction = "ContAuth"
	}
	p.PaymentMethod = t.ClientPayload
	return nil
}

// model is Adyen's word for why an instrument is stored. It knows parts of one
// purchase as a fixed schedule.
func model(purpose string) string {
	switch purpose {
	case "subscription", "installment":
		return "Subscription"
	case "unscheduled":
		return "UnscheduledCardOnFile"
	}
	return "CardOnFile"
}

// metadata is the caller's with ours. A name that is ours has no form.
func metadata(s payment.Send) (map[string]string, error) {
	m := map[string]string{metaPayment: string(s.PaymentID)}
	if r := s.Instruction.MerchantReference; r != "" {
		m[metaMerchant] = string(r)
	}
	for k, v := range s.Instruction.Metadata {
		if strings.HasPrefix(k, ours) {
			return nil, fmt.Errorf("%w: a metadata key begins with %s", providers.ErrUnsupported, ours)
		}
		m[k] = v
	}
	return m, nil
}

// complete sends what the shopper brought back. It names the payment by itself:
// the answer that sent the shopper away need not have given it an id.
func (d *Driver) complete(s payment.Send) (providers.Request, error) {
	if len(s.Instruction.ReturnParameters) == 0 {
		return providers.Request{}, errNoPayment
	}
	body := struct {
		Details     map[string]string `json:"details"`
		PaymentData string            `json:"paymentData,omitempty"`
	}{Details: map[string]string{}}
	for k, v := range s.Instruction.ReturnParameters {
		if k == "paymentData" { // it stands beside the details
			body.PaymentData = v
			continue
		}
		body.Details[k] = v
	}
	return d.post("/payments/details", "/payments/details", s.Key, body)
}

// modify asks for a capture, a refund or the release of a payment.
func (d *Driver) modify(s payment.Send) (providers.Request, error) {
	if s.Parent == "" {
		return providers.Request{}, errNoPayment
	}
	body, verb := modification{MerchantAccount: d.cfg.MerchantAccount, Reference: string(s.Reference)}, "/cancels"
	if s.Method != payment.MethodVoid {
		a, err := toAdyen(s.Amount)
		if err != nil {
			return providers.Request{}, err
		}
		body.Amount, verb = &a, "/captures"
	}
	if s.Method == payment.MethodRefund {
		body.MerchantRefundReason, verb = refundReason(s.Instruction.Reason), "/refunds"
	}
	return d.post("/payments/"+url.PathEscape(string(s.Parent))+verb, "/payments/{id}"+verb, s.Key, body)
}

// refundReason is a reason in the only words that Adyen takes.
func refundReason(reason string) string {
	word := strings.ToUpper(strings.ReplaceAll(reason, "_", " "))
	switch {
	case word == "":
		return ""
	case word == "FRAUDULENT":
		return "FRAUD"
	case word == "REQUESTED BY CUSTOMER":
		return "CUSTOMER REQUEST"
	case slices.Contains([]string{"FRAUD", "CUSTOMER REQUEST", "RETURN", "DUPLICATE"}, word):
		return word
	}
	return "OTHER"
}

// Fence implements providers.Driver. The cancel has the authorization's own
// reference too, so that whichever of the two its webhook repeats is ours.
func (d *Driver) Fence(s payment.Send) (providers.Request, error) {
	if s.Method != payment.MethodAuthorize || !s.Step.Fence() {
		return providers.Request{}, fmt.Errorf("%w: fence of %s, step %s", providers.ErrUnsupported, s.Method, s.Step)
	}
	return d.post("/cancels", "/cancels", s.Key, modification{
		MerchantAccount: d.cfg.MerchantAccount, Reference: string(s.Reference), PaymentReference: string(s.Reference),
	})
}

// Query implements providers.Driver.
func (*Driver) Query(s payment.Send) (providers.Request, error) {
	return providers.Request{}, fmt.Errorf("%w: look-up of %s", providers.ErrUnsupported, s.Method)
}
