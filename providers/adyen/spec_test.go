package adyen_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	simulator "github.com/acquitpay/acquit/test/simulators/adyen"
)

// description is one of Adyen's own descriptions of what goes over the wire.
type description struct {
	*testing.T

	compiler *jsonschema.Compiler
	hooks    map[string]struct {
		Ref string `json:"$ref"`
	}
}

func described(t *testing.T, file string) description {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	d := description{T: t, compiler: jsonschema.NewCompiler()}
	if err := d.compiler.AddResource("description.json", doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &struct {
		Hooks any `json:"webhooks"`
	}{&d.hooks}); err != nil {
		t.Fatal(err)
	}
	return d
}

// allows is what a schema says against a body; nil if nothing.
func (d description) allows(schema string, body []byte) error {
	d.Helper()
	s, err := d.compiler.Compile("description.json#/components/schemas/" + schema)
	if err != nil {
		d.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		d.Fatalf("%s: %v", body, err)
	}
	return s.Validate(v)
}

// requests are one of each that the driver makes, by the schema that describes it.
func requests(t *testing.T) map[string][]providers.Request {
	t.Helper()
	d := adyentest.Driver("AQEcredential")
	list := map[string][]providers.Request{}
	add := func(schema string, r providers.Request, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		list[schema] = append(list[schema], r)
	}
	for schema, m := range map[string]payment.Method{
		"PaymentRequest": payment.MethodAuthorize, "PaymentDetailsRequest": payment.MethodComplete, "PaymentCaptureRequest": payment.MethodCapture,
		"PaymentRefundRequest": payment.MethodRefund, "PaymentCancelRequest": payment.MethodVoid,
	} {
		r, err := d.Build(adyentest.Send(m))
		add(schema, r, err)
	}
	r, err := d.Build(encrypted())
	add("PaymentRequest", r, err)
	r, err = d.Fence(fence())
	add("StandalonePaymentCancelRequest", r, err)
	for _, reason := range []string{"", "fraudulent", "requested_by_customer", "duplicate", "return", "CUSTOMER REQUEST"} {
		s := adyentest.Send(payment.MethodRefund)
		s.Instruction.Reason = reason
		r, err = d.Build(s)
		add("PaymentRefundRequest", r, err)
	}
	for purpose, initiator := range map[string]string{"subscription": "merchant", "installment": "merchant", "unscheduled": "merchant", "": "customer"} {
		s := adyentest.Send(payment.MethodAuthorize)
		s.Instruction.StoredCredential = &payment.StoredCredential{Initiator: initiator, Purpose: purpose}
		r, err = d.Build(s)
		add("PaymentRequest", r, err)
	}
	return list
}

// encrypted is an authorization with a client's payload, captured at once.
func encrypted() payment.Send {
	s := adyentest.Send(payment.MethodAuthorize)
	s.Instruction.CaptureMode, s.Instruction.StoredCredential = payment.CaptureAutomatic, nil
	s.Instruction.Tokens["main"] = payment.Token{ClientPayload: json.RawMessage(`{
		"type": "scheme", "encryptedCardNumber": "adyenjs_0_1_25$n<&>", "encryptedExpiryMonth": "adyenjs_0_1_25$m",
		"encryptedExpiryYear": "adyenjs_0_1_25$y", "encryptedSecurityCode": "adyenjs_0_1_25$c"}`)}
	return s
}

// fence is the cancel of an authorization whose outcome is unknown.
func fence() payment.Send {
	s := adyentest.Send(payment.MethodAuthorize)
	s.Step, s.Key = payment.StepCancel(1), "fencefencefencefencefencefence01"
	return s
}

// Goal: every request that the driver makes is one that Adyen's own description of
// its API knows. Method: the bodies against its schemas, each again with one field
// too many, which shows that they do check.
func TestRequestsAreDescribed(t *testing.T) {
	checkout := described(t, "checkout-v71.json")
	all := requests(t)
	if len(all) != 6 {
		t.Fatalf("requests of %d schemas", len(all))
	}
	for schema, list := range all {
		for _, r := range list {
			if err := checkout.allows(schema, r.Body); err != nil {
				t.Errorf("%s: %s\n%v", schema, r.Body, err)
			}
			more := append([]byte(`{"acquit":1,`), r.Body[1:]...)
			if err := checkout.allows(schema, more); err == nil {
				t.Errorf("%s with a field that there is not is allowed", schema)
			}
		}
	}
}

// Goal: what the contract takes for Adyen's answers has the form of Adyen's
// answers. Method: the bodies of the samples against its schemas.
func TestSamplesAreDescribed(t *testing.T) {
	checkout := described(t, "checkout-v71.json")
	schemas := map[payment.Method]string{
		payment.MethodAuthorize: "PaymentResponse", payment.MethodComplete: "PaymentDetailsResponse", payment.MethodCapture: "PaymentCaptureResponse",
		payment.MethodRefund: "PaymentRefundResponse", payment.MethodVoid: "PaymentCancelResponse",
	}
	for _, s := range adyentest.Contract().Samples {
		schema := schemas[s.Send.Method]
		switch {
		case s.Response.Status >= 300:
			schema = "ServiceError"
		case s.Send.Step.Fence():
			schema = "StandalonePaymentCancelResponse"
		}
		if strings.Contains(s.Row, "00_500_too_many") {
			continue // of the newer APIs, which have a form of their own
		}
		if err := checkout.allows(schema, s.Response.Body); err != nil {
			t.Errorf("%s, %s: %s\n%v", schema, s.Name, s.Response.Body, err)
		}
	}
}

// Goal: what the tests take for Adyen's webhooks has the form of Adyen's webhooks.
// Method: one of each that the driver reads against its schema, and one with an
// item that is none.
func TestWebhooksAreDescribed(t *testing.T) {
	webhooks := described(t, "webhooks-v1.json")
	var names []string
	for name, hook := range webhooks.hooks {
		names = append(names, name)
		schema := hook.Ref[strings.LastIndexByte(hook.Ref, '/')+1:]
		n := adyentest.Signed(adyentest.Notification(name, true, adyentest.Object{"originalReference": "PSPREFERENCE0001"}), adyentest.WebhookSecret)
		if slices.Contains([]string{"AUTHORISATION", "EXPIRE", "OFFER_CLOSED", "REPORT_AVAILABLE"}, name) {
			delete(n, "originalReference")
		}
		if name == "OFFER_CLOSED" {
			delete(n, "additionalData") // the schema forgets the signature that its own example shows
		}
		if err := webhooks.allows(schema, adyentest.Webhook(n)); err != nil {
			t.Errorf("%s, %s: %v", name, schema, err)
		}
		delete(n, "pspReference")
		if err := webhooks.allows(schema, adyentest.Webhook(n)); err == nil {
			t.Errorf("%s, %s: an item without an id is allowed", name, schema)
		}
	}
	if len(names) != 15 {
		t.Errorf("webhooks %v", names)
	}
}

// Goal: the simulator speaks as Adyen describes itself. Method: its answers to the
// driver's requests, and the webhooks that follow, against Adyen's schemas, with every
// card that it knows.
func TestTheSimulatorIsDescribed(t *testing.T) {
	checkout, webhooks := described(t, "checkout-v71.json"), described(t, "webhooks-v1.json")
	d := adyentest.Driver("AQEcredential")
	told := map[string]bool{}
	for card := range simulator.Cards() {
		s := simulator.New(simulator.Config{})
		ask := func(schema string, send payment.Send, build func(payment.Send) (providers.Request, error)) {
			r, err := build(send)
			if err != nil {
				t.Fatal(err)
			}
			in := httptest.NewRequestWithContext(t.Context(), r.Method, r.Path, bytes.NewReader(r.Body))
			in.Header = r.Header
			if err := d.Sign(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			out := httptest.NewRecorder()
			s.ServeHTTP(out, in)
			if out.Code >= 300 {
				schema = "ServiceError"
			}
			if err := checkout.allows(schema, out.Body.Bytes()); err != nil {
				t.Errorf("%s, %s: %s\n%v", card, schema, out.Body, err)
			}
		}
		ask("PaymentResponse", pay(card, manual), d.Build)
		psp := payment.ProviderReference(s.Requests()[0].ID)
		if back, err := s.Return("OURREFERENCE", true); err == nil {
			c := adyentest.Send(payment.MethodComplete)
			c.Instruction.ReturnParameters = back
			ask("PaymentDetailsResponse", c, d.Build)
		}
		ask("PaymentCaptureResponse", further(payment.MethodCapture, psp, 400), d.Build)
		ask("PaymentRefundResponse", further(payment.MethodRefund, psp, 400), d.Build)
		ask("PaymentCancelResponse", further(payment.MethodVoid, psp, 400), d.Build)
		ask("StandalonePaymentCancelResponse", fence(), d.Fence)
		ask("PaymentCaptureResponse", further(payment.MethodCapture, "NONE", 400), d.Build)
		for _, e := range s.Events() {
			ref := webhooks.hooks[e.Code].Ref
			if err := webhooks.allows(ref[strings.LastIndexByte(ref, '/')+1:], s.Webhook(e)); err != nil {
				t.Errorf("%s: %s: %v", card, e.Raw, err)
			}
			told[e.Code] = true
		}
	}
	if len(told) != 8 {
		t.Errorf("only %v were told", told)
	}
}
