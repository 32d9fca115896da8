package truelayer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/truelayer"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
	simulator "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// account is a simulator with a driver that signs for it.
type account struct {
	*testing.T
	*simulator.Simulator

	server *httptest.Server
	driver *truelayer.Driver
	now    time.Time
	token  string
}

// Token implements truelayer.Tokens.
func (a *account) Token(ctx context.Context, _ string, form url.Values) (string, error) {
	if a.token != "" {
		return a.token, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.server.URL+"/connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var given struct {
		AccessToken string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&given)
	a.token = given.AccessToken
	return a.token, err
}

// Refused implements truelayer.Tokens.
func (a *account) Refused(string) { a.token = "" }

func open(t *testing.T) *account {
	t.Helper()
	a := &account{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	a.Simulator, err = simulator.New(simulator.Config{
		ClientID: truelayertest.ClientID, ClientSecret: "secret-1", KeyID: truelayertest.KeyID, PublicKey: truelayertest.PublicKey(),
		MerchantAccountID: truelayertest.MerchantAccountID, Now: func() time.Time { return a.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	a.server = httptest.NewServer(a.Simulator)
	t.Cleanup(a.server.Close)
	a.driver, err = truelayer.New(truelayer.Config{MerchantAccountID: truelayertest.MerchantAccountID, Credential: truelayertest.Credential("secret-1"), Tokens: a})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// post sends a request as the driver signs it, after a change.
func (a *account) post(s payment.Send, change func(*http.Request)) (status int, retry, body string) {
	a.Helper()
	built, err := a.driver.Build(s)
	if s.Step.Fence() {
		built, err = a.driver.Fence(s)
	}
	return a.do(built, err, change)
}

func (a *account) do(built providers.Request, err error, change func(*http.Request)) (status int, retry, body string) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
	r, err := http.NewRequestWithContext(a.Context(), built.Method, a.server.URL+built.Path, bytes.NewReader(built.Body))
	if err != nil {
		a.Fatal(err)
	}
	r.Header = built.Header
	if err := a.driver.Sign(a.Context(), r); err != nil {
		a.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Tl-Should-Retry"), string(raw)
}

// Goal: the simulator refuses what TrueLayer would: no token or an old one, a signature
// of something else, a key that is no UUID or not ours, and makes nothing of it. Method:
// a good request with one thing changed; then as it is, twice.
func TestRefuses(t *testing.T) {
	a := open(t)
	s := truelayertest.Send(payment.MethodAuthorize)
	for name, c := range map[string]struct {
		status int
		title  string
		change func(*http.Request)
	}{
		"no token":          {401, "Unauthenticated", func(r *http.Request) { r.Header.Del("Authorization") }},
		"another token":     {401, "Unauthenticated", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }},
		"no signature":      {401, "Invalid request signature", func(r *http.Request) { r.Header.Del("Tl-Signature") }},
		"another key":       {401, "Invalid request signature", func(r *http.Request) { r.Header.Set("Idempotency-Key", "11234567-89ab-4def-8123-456789abcdef") }},
		"another path":      {401, "Invalid request signature", func(r *http.Request) { r.URL.Path = "/v3/payments/p/refunds" }},
		"a path that is no": {404, "Not Found", func(r *http.Request) { r.URL.Path = "/v3/payouts" }},
	} {
		if status, _, body := a.post(s, c.change); status != c.status || !strings.Contains(body, c.title) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	status, retry, first := a.post(s, nil)
	_, _, again := a.post(s, nil)
	if status != http.StatusCreated || retry != "false" || first != again || len(a.Effects()) != 0 {
		t.Errorf("%d, %q, again %q, should retry %q", status, first, again, retry)
	}
	s.Amount.MinorUnits++
	if status, _, body := a.post(s, nil); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Idempotency-Key Reuse") {
		t.Errorf("another body under the key: %d %s", status, body)
	}
	a.now = a.now.Add(time.Hour)
	if status, _, body := a.post(s, nil); status != http.StatusUnauthorized || strings.Contains(body, "signature") {
		t.Errorf("with an old token: %d %s", status, body)
	}
}

// Goal: a payment lives as documented, and moves money when the bank executes it. Method:
// one to its settlement and a refund that comes back; one that is cancelled, one that
// expires, one that is taken back; what is out of order is refused.
func TestLife(t *testing.T) {
	a := open(t)
	make1 := func(key payment.ProviderKey) string {
		t.Helper()
		s := truelayertest.Send(payment.MethodAuthorize)
		s.Key, s.Reference = key, payment.ReferenceID("REF"+string(key[:4]))
		a.post(s, nil)
		id, status, err := a.Payment(string(s.Reference))
		if err != nil || status != "authorization_required" {
			t.Fatalf("%s is %s: %v", id, status, err)
		}
		return id
	}
	paid, cancelled, taken, late := make1("0001456789abcdef0123456789abcdef"), make1("0002456789abcdef0123456789abcdef"), make1("0003456789abcdef0123456789abcdef"), make1("0004456789abcdef0123456789abcdef")
	void := truelayertest.Send(payment.MethodVoid)
	void.Parent = payment.ProviderReference(cancelled)
	if status, _, body := a.post(void, nil); status != http.StatusAccepted || body != "" {
		t.Errorf("the cancel: %d %s", status, body)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(a.Authorize(paid))
	must(a.Execute(paid))
	must(a.Settle(paid))
	must(a.Authorize(taken))
	must(a.Execute(taken))
	must(a.Fail(taken, "provider_rejected"))
	refund := truelayertest.Send(payment.MethodRefund)
	refund.Parent, refund.Key = payment.ProviderReference(paid), "0006456789abcdef0123456789abcdef"
	_, _, body := a.post(refund, nil)
	var made struct {
		ID string `json:"id"`
	}
	must(json.Unmarshal([]byte(body), &made))
	must(a.ExecuteRefund(made.ID))
	must(a.FailRefund(made.ID, "returned"))
	a.now = a.now.Add(15 * time.Minute)
	for id, err := range map[string]error{
		"settled again": a.Settle(paid), "failed when settled": a.Fail(paid, "x"), "authorized when cancelled": a.Authorize(cancelled), "authorized when late": a.Authorize(late),
		"executed unauthorized": a.Execute(late), "refund again": a.ExecuteRefund(made.ID),
	} {
		if err == nil {
			t.Error(id)
		}
	}
	var kinds []simulator.Kind
	for _, e := range a.Effects() {
		kinds = append(kinds, e.Kind)
	}
	want := []simulator.Kind{simulator.KindPayment, simulator.KindPayment, simulator.KindReturned, simulator.KindRefund, simulator.KindRefundReturned}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	void.Parent, void.Key = payment.ProviderReference(paid), "0005456789abcdef0123456789abcdef"
	if status, _, body := a.post(void, nil); status != http.StatusBadRequest || !strings.Contains(body, "Invalid State") {
		t.Errorf("the cancel of what is settled: %d %s", status, body)
	}
}
