package adyen_test

import (
	"encoding/json"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	"github.com/acquitpay/acquit/providers/providertest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// Goal: the bytes of a request do not change between builds of acquit: a build
// that makes others may look, not send. Method: each request against a file.
func TestBytes(t *testing.T) {
	d := adyentest.Driver("AQEcredential")
	build := func(s payment.Send) func() (providers.Request, error) {
		return func() (providers.Request, error) { return d.Build(s) }
	}
	reason := adyentest.Send(payment.MethodRefund)
	reason.Instruction.Reason = "requested_by_customer"
	for name, r := range providertest.Golden(t, *update, map[string]func() (providers.Request, error){
		"authorize":           build(adyentest.Send(payment.MethodAuthorize)),
		"authorize_encrypted": build(encrypted()),
		"complete":            build(adyentest.Send(payment.MethodComplete)),
		"capture":             build(adyentest.Send(payment.MethodCapture)),
		"refund":              build(adyentest.Send(payment.MethodRefund)),
		"refund_with_reason":  build(reason),
		"void":                build(adyentest.Send(payment.MethodVoid)),
		"fence":               func() (providers.Request, error) { return d.Fence(fence()) },
	}) {
		if r.Header.Get("Idempotency-Key") != string(r.Key) || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: header %v", name, r.Header)
		}
	}
}

// built is the body of an authorization after a change.
func built(t *testing.T, change func(*payment.Send)) map[string]any {
	t.Helper()
	s := adyentest.Send(payment.MethodAuthorize)
	change(&s)
	r, err := adyentest.Driver("AQEcredential").Build(s)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

// Goal: the merchant account's own setting never decides whether money is taken at
// once. Method: each capture mode.
func TestCaptureIsAskedForExplicitly(t *testing.T) {
	for mode, want := range map[payment.CaptureMode][2]any{
		payment.CaptureManual: {"true", nil}, payment.CaptureAutomatic: {"false", float64(0)}, "": {"true", nil},
	} {
		body := built(t, func(s *payment.Send) { s.Instruction.CaptureMode = mode })
		data, _ := body["additionalData"].(map[string]any)
		if got := [2]any{data["manualCapture"], body["captureDelayHours"]}; got != want {
			t.Errorf("mode %q: manualCapture and delay %v, want %v", mode, got, want)
		}
	}
}

// Goal: who started a payment with a stored instrument, and why it is stored, is
// told in Adyen's words. Method: initiators and purposes, with a token and with a
// client's payload.
func TestStoredCredentials(t *testing.T) {
	payload := payment.Token{ClientPayload: json.RawMessage(`{"type":"scheme","encryptedCardNumber":"x"}`)}
	for name, c := range map[string]struct {
		token payment.Token
		cred  *payment.StoredCredential
		want  [2]any
	}{
		"a token, nothing said":        {payment.Token{StoredID: "M5N7TQ4TG5PFWR50"}, nil, [2]any{"ContAuth", "CardOnFile"}},
		"a token for a top-up":         {payment.Token{StoredID: "M5N7TQ4TG5PFWR50"}, &payment.StoredCredential{Initiator: "merchant", Purpose: "unscheduled"}, [2]any{"ContAuth", "UnscheduledCardOnFile"}},
		"a token for a subscription":   {payment.Token{StoredID: "M5N7TQ4TG5PFWR50"}, &payment.StoredCredential{Initiator: "merchant", Purpose: "subscription"}, [2]any{"ContAuth", "Subscription"}},
		"a card, nothing said":         {payload, nil, [2]any{"Ecommerce", nil}},
		"a card that starts something": {payload, &payment.StoredCredential{Initiator: "customer", Purpose: "installment"}, [2]any{"Ecommerce", "Subscription"}},
		"a payload by the merchant":    {payload, &payment.StoredCredential{Initiator: "merchant", Purpose: "card_on_file"}, [2]any{"ContAuth", "CardOnFile"}},
	} {
		body := built(t, func(s *payment.Send) {
			s.Instruction.Tokens["main"], s.Instruction.StoredCredential = c.token, c.cred
		})
		if got := [2]any{body["shopperInteraction"], body["recurringProcessingModel"]}; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	body := built(t, func(s *payment.Send) { s.Instruction.Customer.ProviderCustomerIDs = nil })
	if body["shopperReference"] != "customer-7" {
		t.Errorf("without an id of the account's own the shopper is %v", body["shopperReference"])
	}
}

// Goal: what Adyen would refuse for certain, or read as something else than was
// meant, has no form, and no error tells what was in it.
func TestBuildRefuses(t *testing.T) {
	tokens := func(t payment.Token) func(*payment.Instruction) {
		return func(in *payment.Instruction) { in.Tokens["main"] = t }
	}
	for name, c := range map[string]struct {
		change      func(*payment.Instruction)
		unsupported bool
	}{
		"a metadata key that is ours":     {func(in *payment.Instruction) { in.Metadata = map[string]string{"acquit_payment": "x"} }, true},
		"no return URL":                   {func(in *payment.Instruction) { in.ReturnURL = "" }, true},
		"a token and nobody whose it is":  {func(in *payment.Instruction) { in.Customer = nil }, true},
		"a token and a payload":           {tokens(payment.Token{StoredID: "sesame", ClientPayload: json.RawMessage(`{"type":"scheme"}`)}), false},
		"a payload that is no object":     {tokens(payment.Token{ClientPayload: json.RawMessage(`["sesame"]`)}), false},
		"a payload without a type":        {tokens(payment.Token{ClientPayload: json.RawMessage(`{"encryptedCard":"sesame"}`)}), false},
		"a payload that is no JSON":       {tokens(payment.Token{ClientPayload: json.RawMessage(`{"type":"scheme",sesame`)}), false},
		"a payload whose type is no text": {tokens(payment.Token{ClientPayload: json.RawMessage(`{"type":7,"a":"sesame"}`)}), false},
	} {
		s := adyentest.Send(payment.MethodAuthorize)
		c.change(&s.Instruction)
		r, err := adyen.New(adyen.Config{}).Build(s)
		if err == nil || errors.Is(err, providers.ErrUnsupported) != c.unsupported || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: built %s, error %v", name, r.Body, err)
		}
	}
}

// Goal: a shopper who comes back completes the payment whether or not it had an id
// when they left; with nothing in hand nothing is sent.
func TestCompletion(t *testing.T) {
	d, s := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodComplete)
	s.Parent = ""
	r, err := d.Build(s)
	if want := `{"details":{"redirectResult":"eyJ0cmFuc1N0YXR1cyI6IlkifQ=="},"paymentData":"Ab02b4c0!BQABAgCuZFJrQOjSsl"}`; err != nil || string(r.Body) != want {
		t.Errorf("body %s, error %v; want %s", r.Body, err, want)
	}
	s.Instruction.ReturnParameters = nil
	if r, err := d.Build(s); err == nil {
		t.Errorf("a completion of nothing: %s", r.Body)
	}
}

// Goal: Adyen counts some currencies otherwise than ISO 4217. Method: the amount of
// a capture, as it is asked for.
func TestCurrencies(t *testing.T) {
	for _, c := range []struct {
		currency string
		minor    int64
		wire     string // "": has no form
	}{
		{"EUR", 1234, `{"currency":"EUR","value":1234}`},
		{"JPY", 1234, `{"currency":"JPY","value":1234}`},
		{"KWD", 1234, `{"currency":"KWD","value":1234}`},
		{"CLP", 1234, `{"currency":"CLP","value":123400}`},
		{"ISK", 1234, `{"currency":"ISK","value":123400}`},
		{"IDR", 123400, `{"currency":"IDR","value":1234}`},
		{"CVE", 123400, `{"currency":"CVE","value":1234}`},
		{"IDR", 1234, ""},
		{"XXX", 1234, ""},
	} {
		s := adyentest.Send(payment.MethodCapture)
		s.Amount = payment.Money{MinorUnits: c.minor, CurrencyCode: c.currency}
		r, err := adyentest.Driver("AQEcredential").Build(s)
		switch {
		case c.wire == "" && !errors.Is(err, providers.ErrUnsupported):
			t.Errorf("%s: body %s, error %v", s.Amount, r.Body, err)
		case c.wire != "" && (err != nil || !strings.Contains(string(r.Body), c.wire)):
			t.Errorf("%s: body %s, error %v; want %s", s.Amount, r.Body, err, c.wire)
		}
	}
}
