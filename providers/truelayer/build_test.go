package truelayer_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/truelayer"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// Goal: what goes out is what TrueLayer's reference shows, to the byte. Method: a golden
// file for each request.
func TestRequests(t *testing.T) {
	d := truelayertest.Driver(truelayertest.Credential("PLANTEDCLIENTSECRET"))
	bare := truelayertest.Send(payment.MethodAuthorize)
	bare.Instruction.BankTransfer, bare.Instruction.Metadata, bare.Instruction.StatementDescriptor = &payment.BankTransfer{}, nil, ""
	bare.Instruction.Customer = &payment.Customer{Name: "Jo Doe", Phone: "+4915112345678"}
	fence := truelayertest.Send(payment.MethodAuthorize)
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "p/1"
	refund := truelayertest.Send(payment.MethodRefund)
	refund.ProviderReference = "r/1"
	for name, build := range map[string]func() (providers.Request, error){
		"authorize":      func() (providers.Request, error) { return d.Build(truelayertest.Send(payment.MethodAuthorize)) },
		"authorize_bare": func() (providers.Request, error) { return driver(t).Build(bare) },
		"refund":         func() (providers.Request, error) { return d.Build(refund) },
		"void":           func() (providers.Request, error) { return d.Build(truelayertest.Send(payment.MethodVoid)) },
		"fence":          func() (providers.Request, error) { return d.Fence(fence) },
		"query":          func() (providers.Request, error) { return d.Query(fence) },
		"query_refund":   func() (providers.Request, error) { return d.Query(refund) },
		"query_void":     func() (providers.Request, error) { return d.Query(truelayertest.Send(payment.MethodVoid)) },
	} {
		r, err := build()
		if err != nil {
			t.Fatal(err)
		}
		got := r.Method + " " + r.Path + "\n" + string(r.Key) + "\n" + string(r.Body) + "\n"
		file := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Goal: the money goes where the configuration says, whatever a caller writes. Method:
// an instruction whose every free field names another account.
func TestBeneficiary(t *testing.T) {
	const other = "beneficiary merchant_account_id 00000000-aaaa"
	s := truelayertest.Send(payment.MethodAuthorize)
	s.Instruction.Metadata = map[string]string{"merchant_account_id": other}
	s.Instruction.BankTransfer.RemitterName, s.Instruction.StatementDescriptor, s.Instruction.MerchantReference = other, other, other
	r, err := driver(t).Build(s)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		PaymentMethod struct {
			Beneficiary map[string]string `json:"beneficiary"`
		} `json:"payment_method"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"type": "merchant_account", "merchant_account_id": truelayertest.MerchantAccountID, "reference": other}
	if diff := cmp.Diff(want, body.PaymentMethod.Beneficiary); diff != "" {
		t.Errorf("who is paid (-want +got):\n%s", diff)
	}
}

// Goal: what TrueLayer has no form of is refused before any request, and never sent as
// something else. Method: instructions that lack or ask for one thing; in earnest only
// the currencies that TrueLayer's pages name.
func TestNoForm(t *testing.T) {
	live := func(c *truelayer.Config) { c.Live = true }
	pairs := map[string]string{}
	for _, k := range "abcdefgh" {
		pairs[string(k)] = "x"
	}
	for name, change := range map[string]func(*payment.Send){
		"a hold":               func(s *payment.Send) { s.Instruction.CaptureMode = payment.CaptureManual },
		"no page to return to": func(s *payment.Send) { s.Instruction.ReturnURL = "" },
		"a stored credential": func(s *payment.Send) {
			s.Instruction.StoredCredential = &payment.StoredCredential{Initiator: "merchant"}
		},
		"a token":                 func(s *payment.Send) { s.Instruction.BankTransfer = nil },
		"nobody":                  func(s *payment.Send) { s.Instruction.Customer = nil },
		"a customer without name": func(s *payment.Send) { s.Instruction.Customer.Name = "" },
		"nowhere to reach them":   func(s *payment.Send) { s.Instruction.Customer.Email, s.Instruction.Customer.Phone = "", "" },
		"pounds by SEPA":          func(s *payment.Send) { s.Amount.CurrencyCode = "GBP" },
		"SEPA from any bank":      func(s *payment.Send) { s.Instruction.BankTransfer.RemitterBankID = "" },
		"a scheme that is new":    func(s *payment.Send) { s.Instruction.BankTransfer.Scheme = "pigeon" },
		"dollars":                 func(s *payment.Send) { s.Amount.CurrencyCode, s.Instruction.BankTransfer.Scheme = "USD", "" },
		"zloty in earnest":        func(s *payment.Send) { s.Amount.CurrencyCode, s.Instruction.BankTransfer.Scheme = "PLN", "" },
		"nothing":                 func(s *payment.Send) { s.Amount.MinorUnits = 0 },
		"less than nothing":       func(s *payment.Send) { s.Amount.MinorUnits = -1 },
		"a name that is ours":     func(s *payment.Send) { s.Instruction.Metadata = map[string]string{"acquit_reference": "x"} },
		"a long name":             func(s *payment.Send) { s.Instruction.Metadata = map[string]string{strings.Repeat("x", 41): "x"} },
		"too many pairs":          func(s *payment.Send) { s.Instruction.Metadata = pairs },
	} {
		s := truelayertest.Send(payment.MethodAuthorize)
		change(&s)
		if r, err := driver(t, live).Build(s); !errors.Is(err, providers.ErrUnsupported) {
			t.Errorf("%s: %s, error %v", name, r.Body, err)
		}
	}
}
