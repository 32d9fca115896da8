//go:build live

package live

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/transport"
	"github.com/acquitpay/acquit/providers/truelayer"
)

const account payment.AccountName = "live"

// rig is an account of a provider's own sandbox, built as the server builds it.
type rig struct {
	*testing.T

	driver string
	guard  *providers.Guard
	table  *mapping.Table
}

// Goal: the provider itself does what its driver and its simulation say. Method: the
// life of a payment and of another one, and a decline, in the sandbox of each provider.
func TestScenarios(t *testing.T) {
	type scenario struct {
		name string
		run  func(*rig)
	}
	cards := []scenario{
		{"authorize and again under its key", duplicate},
		{"capture and refund", captureAndRefund},
		{"void", void},
		{"decline", decline},
	}
	// Without a shopper at the hosted page nothing is paid, refunded or declined.
	transfers := []scenario{{"authorize and again under its key, and void", transfer}}
	for driver, scenarios := range map[string][]scenario{
		stripe.Name: cards, adyen.Name: cards, amazonpay.Name: cards, truelayer.Name: transfers,
	} {
		t.Run(driver, func(t *testing.T) {
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) { s.run(newRig(t, driver)) })
			}
		})
	}
}

// transfer shows that one key is one payment, whose shopper is told where to go, and
// that it can be cancelled before they do.
func transfer(r *rig) {
	s := r.fresh(payment.MethodAuthorize)
	s.PaymentID = "01980000-0000-7000-8000-000000000000"
	s.Instruction = payment.Instruction{
		MerchantReference: "acquit-live", Amount: s.Amount, CaptureMode: payment.CaptureAutomatic, BankTransfer: &payment.BankTransfer{},
		ReturnURL: "https://shop.example/return", Customer: &payment.Customer{Name: "Jane Roe", Email: "jane@shop.example"},
	}
	first := r.send(s, payment.EvidencePending)
	again := r.send(s, payment.EvidencePending)
	if first.Reference == "" || again.Reference != first.Reference || first.NextAction == nil {
		r.Errorf("under one key it is %q and then %q, with %+v to do", first.Reference, again.Reference, first.NextAction)
	}
	r.send(r.further(payment.MethodVoid, first), payment.EvidencePending)
}

// duplicate shows that one key is one hold.
func duplicate(r *rig) {
	s := r.pay("TOKEN")
	first := r.send(s, payment.EvidenceEffect)
	again := r.send(s, payment.EvidenceEffect)
	if first.Reference == "" || again.Reference != first.Reference {
		r.Errorf("under one key it is %q and then %q", first.Reference, again.Reference)
	}
	r.send(r.further(payment.MethodVoid, first), payment.EvidenceEffect, payment.EvidencePending) // nothing stays held
}

func captureAndRefund(r *rig) {
	held := r.send(r.pay("TOKEN"), payment.EvidenceEffect)
	capture := r.further(payment.MethodCapture, held)
	first := r.send(capture, payment.EvidenceEffect, payment.EvidencePending)
	if again := r.send(capture, payment.EvidenceEffect, payment.EvidencePending); again.Reference != first.Reference {
		r.Errorf("one capture is %q and then %q", first.Reference, again.Reference)
	}
	r.send(r.further(payment.MethodRefund, held), payment.EvidenceEffect, payment.EvidencePending)
}

func void(r *rig) {
	held := r.send(r.pay("TOKEN"), payment.EvidenceEffect)
	r.send(r.further(payment.MethodVoid, held), payment.EvidenceEffect, payment.EvidencePending)
}

// decline shows that a no is one, and the same under its key.
func decline(r *rig) {
	s := r.pay("DECLINED")
	first := r.send(s, payment.EvidenceNoEffectSticky)
	if v := r.judge(s, first); !v.Category.Decline() {
		r.Errorf("it is of category %s, by %s", v.Category, v.Row)
	}
	if again := r.send(s, payment.EvidenceNoEffectSticky); again.Code != first.Code || again.Decline != first.Decline {
		r.Errorf("under one key it is %s %s and then %s %s", first.Code, first.Decline, again.Code, again.Decline)
	}
}

func newRig(t *testing.T, driver string) *rig {
	t.Helper()
	r := &rig{T: t, driver: driver}
	a := registry.Account{
		Name: account, Environment: payment.EnvironmentSandbox, Credential: providers.Secret(r.must("CREDENTIAL")),
		MerchantID: r.env("MERCHANT"), Region: r.env("REGION"),
	}
	wire := transport.New(transport.Config{})
	t.Cleanup(wire.CloseIdleConnections)
	tokens, err := transport.NewFetcher(transport.FetcherConfig{Transport: wire, Allowed: registry.MayGrant})
	if err != nil {
		t.Fatal(err)
	}
	a.Tokens = tokens
	a.BaseURL = cmp.Or(r.env("ADDRESS"), registry.Address(driver, a.Region))
	d, target, err := registry.New(driver, a)
	if err != nil {
		t.Fatal(err)
	}
	r.guard, err = providers.New(providers.Config{
		Name: account, Driver: d, Target: target, Credential: registry.CredentialID(a.Credential), BaseURL: cmp.Or(a.BaseURL, "https://"+target.Host), Transport: wire,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.table, err = mapping.Load(); err != nil {
		t.Fatal(err)
	}
	return r
}

// env is a variable of the driver's; "" if it is not set.
func (r *rig) env(name string) string {
	return os.Getenv("ACQUIT_LIVE_" + strings.ToUpper(r.driver) + "_" + name)
}

func (r *rig) must(name string) string {
	r.Helper()
	value := r.env(name)
	if value == "" {
		r.Fatalf("ACQUIT_LIVE_%s_%s is not set", strings.ToUpper(r.driver), name)
	}
	return value
}

// pay is a new authorization of 10.00 with an instrument.
func (r *rig) pay(instrument string) payment.Send {
	r.Helper()
	token, said := payment.Token{}, r.must(instrument)
	if strings.HasPrefix(said, "{") {
		token.ClientPayload = json.RawMessage(said)
	} else {
		token.StoredID = said
	}
	s := r.fresh(payment.MethodAuthorize)
	s.PaymentID = "01980000-0000-7000-8000-000000000000"
	s.Instruction = payment.Instruction{
		MerchantReference: "acquit-live", Amount: s.Amount, CaptureMode: payment.CaptureManual,
		Tokens: map[payment.AccountName]payment.Token{account: token}, ReturnURL: "https://shop.example/return",
	}
	if customer := r.env("CUSTOMER"); customer != "" {
		s.Instruction.Customer = &payment.Customer{ProviderCustomerIDs: map[payment.AccountName]string{account: customer}}
	}
	return s
}

// further is a new operation on an authorization, for all of it.
func (r *rig) further(m payment.Method, held payment.Answer) payment.Send {
	s := r.fresh(m)
	s.Parent = held.Reference
	return s
}

// fresh is a send that nobody has made before.
func (r *rig) fresh(m payment.Method) payment.Send {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	name := hex.EncodeToString(id)
	return payment.Send{
		Method: m, Step: payment.StepMain, Account: account, Key: payment.ProviderKey(name), Reference: payment.ReferenceID(strings.ToUpper(name[:24])),
		Amount: payment.Money{MinorUnits: 1000, CurrencyCode: cmp.Or(r.env("CURRENCY"), "EUR")},
	}
}

// send makes one send, which must prove one of these.
func (r *rig) send(s payment.Send, want ...payment.Evidence) payment.Answer {
	r.Helper()
	hash, err := r.guard.Prepare(s)
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	a, err := r.guard.Send(ctx, s, hash)
	if err != nil {
		r.Fatal(err)
	}
	if v := r.judge(s, a); !slices.Contains(want, v.Evidence) {
		r.Fatalf("%s proves %s by %s, want %v (status %d, code %q, request %s)", s.Method, v.Evidence, v.Row, want, a.HTTPStatus, a.Code, a.RequestID)
	}
	return a
}

func (r *rig) judge(s payment.Send, a payment.Answer) payment.Verdict {
	return r.table.Judge(r.driver, s.Method, a)
}
