package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/transport"
	"github.com/acquitpay/acquit/providers/truelayer"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
	"github.com/acquitpay/acquit/test/simulators/account"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// trueLayerSecret is what access tokens are given for.
const trueLayerSecret = "PLANTEDCLIENTSECRET"

// trueLayerToken is what every access token begins with.
const trueLayerToken = "PLANTEDTOKEN"

// trueLayerAccount is one client of TrueLayer's. Its API is where accounts of the house
// are; tokens and keys are at TrueLayer's own hosts, over TLS, as in earnest.
type trueLayerAccount struct {
	remote

	*truelayersim.Simulator
	secure      *pipes
	certificate *x509.Certificate
}

func newTrueLayer(h *house, account payment.AccountName, c truelayersim.Config) *trueLayerAccount {
	h.Helper()
	a := &trueLayerAccount{remote: newRemote(account, truelayer.Name, truelayertest.Credential(trueLayerSecret))}
	a.merchant = truelayertest.MerchantAccountID
	c.ClientID, c.ClientSecret, c.KeyID, c.PublicKey = truelayertest.ClientID, trueLayerSecret, truelayertest.KeyID, truelayertest.PublicKey()
	c.MerchantAccountID, c.KeyAddress = a.merchant, truelayertest.KeyAddress
	c.WebhookURL, c.WebhookPath, c.Client = webhookURL(account), string(a.webhookSecret()), h.courier()
	var err error
	if a.Simulator, err = truelayersim.New(c); err != nil {
		h.Fatal(err)
	}
	pair := h.certificate(truelayer.TokenHost(false), truelayer.KeyHost(false))
	a.secure, a.certificate = &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, pair.Leaf
	h.serves(a.remote, a.Simulator, tls.NewListener(a.secure, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}))
	return a
}

// certificate is one of hosts, of an authority that nobody else knows.
func (h *house) certificate(hosts ...string) tls.Certificate {
	h.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		h.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		h.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// authorities are those of the providers in the house.
func (h *house) authorities() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, a := range h.layers {
		pool.AddCert(a.certificate)
	}
	return pool
}

// fetchers are those of a process, as the server has them.
func (h *house) fetchers(wire *transport.Transport) (published, tokens *transport.Fetcher) {
	h.Helper()
	published, err := transport.NewFetcher(transport.FetcherConfig{Transport: wire, Allowed: registry.MayFetch})
	if err != nil {
		h.Fatal(err)
	}
	if tokens, err = transport.NewFetcher(transport.FetcherConfig{Transport: wire, Allowed: registry.MayGrant}); err != nil {
		h.Fatal(err)
	}
	return published, tokens
}

// atTrueLayer runs a test in a house whose only account, truelayer, is at TrueLayer.
func atTrueLayer(t *testing.T, c truelayersim.Config, body func(*house, *trueLayerAccount)) {
	t.Helper()
	inHouse(t, setting{accounts: []payment.AccountName{"truelayer"}, truelayer: &c}, func(h *house) { body(h, h.layers[0]) })
}

// trueLayer is an account of TrueLayer's; nil if it is none.
func (h *house) trueLayer(account payment.AccountName) *trueLayerAccount {
	return at(h.layers, account)
}

// transfers is a request of ten euro by bank transfer from a bank; "" lets the shopper
// choose. Its idempotency key is to be planted: see planted.
func transfers(bank string) *acquitv1.AuthorizeRequest {
	return &acquitv1.AuthorizeRequest{
		MerchantReference: "order-1",
		Amount:            &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		CaptureMode:       acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC,
		PaymentMethod:     &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_BankTransfer{BankTransfer: &acquitv1.BankTransfer{RemitterBankId: bank}}},
		ReturnUrl:         "https://shop.example/PLANTEDRETURN",
		Customer:          &acquitv1.Customer{CustomerId: "PLANTEDCUSTOMER", Name: "PLANTEDNAME", Email: "PLANTED@shop.example"},
	}
}

// hears has TrueLayer tell what happened, and checks that it was taken in.
func (h *house) hears(a *trueLayerAccount) {
	h.Helper()
	if err := a.Release(h.Context()); err != nil {
		h.Error(err)
	}
}

// goes has something happen at TrueLayer, which tells it.
func (h *house) goes(a *trueLayerAccount, err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
	h.hears(a)
}

// begun makes a call whose shopper is sent away, and returns it with the payment's id at
// acquit and at TrueLayer.
func (h *house) begun(p *process, a *trueLayerAccount) (first result, id, of string) {
	h.Helper()
	first = p.insist(h.Context(), planted("a"), transfers(""))
	if got := sumsOf(first.answer().GetPayment()); first.state() != "REQUIRES_ACTION" || got != (sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0}) {
		h.Errorf("answered with %s, %+v", first.state(), got)
	}
	of, _, err := a.Payment(string(h.operation(payment.IdempotencyKey(planted("a"))).Reference))
	if err != nil {
		h.Fatal(err)
	}
	return first, first.answer().GetPayment().GetPaymentId(), of
}

// paid is a payment that is settled in the merchant account, after so many sends.
func (h *house) paid(p *process, a *trueLayerAccount, sends int) (id, of string) {
	h.Helper()
	_, id, of = h.begun(p, a)
	h.goes(a, errors.Join(a.Authorize(of), a.Execute(of), a.Settle(of)))
	p.shows(id, seen{"SUCCEEDED", "truelayer.query.settled", "effect", sends}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
	return id, of
}

// cancels are the cancels that arrived.
func (a *trueLayerAccount) cancels() int {
	return len(slices.DeleteFunc(a.Requests(), func(r account.Request) bool { return r.Path == "/v3/payments" || r.Body != "" }))
}

// postsLayer delivers an event signed for a path as if sent at a time, and checks the
// answer.
func (h *house) postsLayer(a *trueLayerAccount, path string, at time.Time, want int, e truelayersim.Event) {
	h.Helper()
	status, err := a.Deliver(context.WithoutCancel(h.Context()), webhookURL(a.account), path, e, at)
	if err != nil || status != want {
		h.Errorf("a webhook is answered with %d, want %d (%v)", status, want, err)
	}
}

// standingAtTrueLayer are the effects at an account of TrueLayer's: without a payment
// and a refund that came back. A refund that came back after its operation had succeeded
// is before a person, and stands.
func (h *house) standingAtTrueLayer(a *trueLayerAccount) []account.Effect {
	h.Helper()
	all, told := a.Effects(), map[string]bool{}
	for _, n := range h.dump().Attention {
		told[string(n.Object)] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(e account.Effect) bool {
		back := slices.ContainsFunc(all, func(o account.Effect) bool {
			return o.Object == e.Object && (o.Kind == truelayersim.KindReturned || o.Kind == truelayersim.KindRefundReturned)
		})
		return e.Kind == truelayersim.KindReturned || e.Kind == truelayersim.KindRefundReturned || back && !told[e.Object]
	})
}

// movedAtTrueLayerBy are the effects of an attempt: of its kind, and under its key.
func (h *house) movedAtTrueLayerBy(a *trueLayerAccount, m payment.Method, attempt payment.Attempt) []movement {
	h.Helper()
	main, _ := attempt.Step(payment.StepMain)
	return movements(h.standingAtTrueLayer(a), m, func(e account.Effect) bool {
		return e.Key == spelled(main.Key)
	})
}

// spelled is a key as TrueLayer is sent it; "" for a step that only looks.
func spelled(k payment.ProviderKey) string {
	sent, err := truelayer.Key(k)
	if err != nil {
		return ""
	}
	return string(sent)
}

// auditTrueLayer holds the records against what arrived at TrueLayer: nothing came under
// a key that no record has, or with other bytes than the first time. And no telemetry
// holds what must be kept.
func (h *house) auditTrueLayer() {
	h.Helper()
	for _, a := range h.layers {
		h.keyed(a.remote, a.Requests(), spelled)
		h.keeps("PLANTED", "resource_token", "PRIVATE KEY", "jwks")
	}
}
