package stripe_test

import (
	"encoding/json"
	"flag"
	"strconv"
	"testing"

	stripego "github.com/stripe/stripe-go/v85"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func text(n int64) string { return strconv.FormatInt(n, 10) }

// Goal: the bytes of a request do not change between builds of acquit: a build
// that makes others may look, not send. Method: each request against a file.
func TestBytes(t *testing.T) {
	d := stripe.New(stripe.Config{Credential: "sk_test_secret"})
	fence := providertest.Fence(stripetest.Send(payment.MethodAuthorize), "pi_1")
	reason := stripetest.Send(payment.MethodRefund)
	reason.Instruction.Reason = "requested_by_customer"
	asked := func(m payment.Method, id payment.ProviderReference) payment.Send {
		s := stripetest.Send(m)
		s.ProviderReference = id
		return s
	}
	for name, r := range providertest.Golden(t, *update, map[string]func() (providers.Request, error){
		"authorize":              func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodAuthorize)) },
		"capture":                func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodCapture)) },
		"refund":                 func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodRefund)) },
		"refund_with_reason":     func() (providers.Request, error) { return d.Build(reason) },
		"void":                   func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodVoid)) },
		"fence":                  func() (providers.Request, error) { return d.Fence(fence) },
		"query_authorize":        func() (providers.Request, error) { return d.Query(asked(payment.MethodAuthorize, "")) },
		"query_authorize_by_id":  func() (providers.Request, error) { return d.Query(asked(payment.MethodAuthorize, "pi/1")) },
		"query_capture":          func() (providers.Request, error) { return d.Query(asked(payment.MethodCapture, "ch_1")) },
		"query_refund":           func() (providers.Request, error) { return d.Query(asked(payment.MethodRefund, "")) },
		"query_refund_by_id":     func() (providers.Request, error) { return d.Query(asked(payment.MethodRefund, "re_1")) },
		"query_void_as_its_hold": func() (providers.Request, error) { return d.Query(asked(payment.MethodVoid, "")) },
	}) {
		if r.Header.Get("Stripe-Version") != stripego.APIVersion || r.Header.Get("Stripe-Account") != "" {
			t.Errorf("%s: header %v", name, r.Header)
		}
	}
}

// Goal: what Stripe would read as something else than was meant has no form.
func TestBuildRefuses(t *testing.T) {
	for name, change := range map[string]func(*payment.Instruction){
		"a metadata key that nests":   func(in *payment.Instruction) { in.Metadata = map[string]string{"a][b": "x"} },
		"a metadata key that is ours": func(in *payment.Instruction) { in.Metadata = map[string]string{"acquit_reference": "x"} },
		"a payload that is no object": func(in *payment.Instruction) {
			in.Tokens["main"] = payment.Token{ClientPayload: json.RawMessage(`["secret"]`)}
		},
		"a payload of two instruments": func(in *payment.Instruction) {
			in.Tokens["main"] = payment.Token{ClientPayload: json.RawMessage(`{"payment_method":"pm_1","confirmation_token":"ctoken_1"}`)}
		},
		"a payload without an instrument": func(in *payment.Instruction) { in.Tokens["main"] = payment.Token{ClientPayload: json.RawMessage(`{}`)} },
	} {
		s := stripetest.Send(payment.MethodAuthorize)
		change(&s.Instruction)
		if r, err := stripe.New(stripe.Config{}).Build(s); err == nil {
			t.Errorf("%s: built %s", name, r.Body)
		}
	}
}
