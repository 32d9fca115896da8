package sandbox_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

func fullSend() payment.Send {
	return payment.Send{
		Method: payment.MethodAuthorize, Step: payment.StepMain, Account: "main", Key: "0123456789abcdef0123456789abcdef",
		Reference: "OURREFERENCE", PaymentID: "p", Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		Instruction: payment.Instruction{
			IdempotencyKey: "the caller's own", MerchantReference: "order-7 <&>", CaptureMode: payment.CaptureAutomatic,
			Tokens:    map[payment.AccountName]payment.Token{"main": {StoredID: "tok_ok"}, "other": {StoredID: "tok_secret"}},
			ReturnURL: "https://shop.example/return?a=b&c=d", StatementDescriptor: "SHOP",
			Metadata: map[string]string{"z": "last", "a": "first", "ü": "\u2028"},
		},
	}
}

// parent is the authorization that further sends act on.
const parent payment.ProviderReference = "auth_1"

// furtherSend is a send of a capture, refund or void.
func furtherSend(m payment.Method) payment.Send {
	s := payment.Send{
		Method: m, Step: payment.StepMain, Account: "main", Key: "fedcba9876543210fedcba9876543210",
		Reference: "FURTHERREFERENCE", PaymentID: "p", Parent: parent, Amount: payment.Money{MinorUnits: 400, CurrencyCode: "EUR"},
		Instruction: payment.Instruction{IdempotencyKey: "the caller's own", Reason: "too small <&>"},
	}
	if m == payment.MethodComplete {
		s.Instruction.ReturnParameters = map[string]string{"result": "approve", "payload": "a&b=<c>"}
	}
	return s
}

// Goal: the bytes of a request never change between builds, processes and
// versions, for a resend with other bytes is refused by the provider and by our
// own hash. Method: a golden file; a hundred builds by two drivers, since Go
// walks maps in another order each time.
func TestBuildIsByteStable(t *testing.T) {
	for _, s := range []payment.Send{
		fullSend(), furtherSend(payment.MethodCapture), furtherSend(payment.MethodRefund), furtherSend(payment.MethodVoid),
		furtherSend(payment.MethodComplete),
	} {
		t.Run(string(s.Method), func(t *testing.T) { checkStable(t, s, string(s.Method), (*sandbox.Driver).Build) })
	}
	t.Run("fence", func(t *testing.T) { checkStable(t, fenceSend(1), "fence", (*sandbox.Driver).Fence) })
	s := furtherSend(payment.MethodVoid)
	s.Amount.MinorUnits++
	checkSame(t, furtherSend(payment.MethodVoid), s) // its amount only informs
}

// checkSame compares the requests of two sends.
func checkSame(t *testing.T, a, b payment.Send) {
	t.Helper()
	d := sandbox.New(sandbox.Config{})
	one, err := d.Build(a)
	other, failed := d.Build(b)
	if diff := cmp.Diff(one, other); err != nil || failed != nil || diff != "" {
		t.Errorf("errors %v and %v, requests (-one +other):\n%s", err, failed, diff)
	}
}

func checkStable(t *testing.T, s payment.Send, name string, build func(*sandbox.Driver, payment.Send) (providers.Request, error)) {
	t.Helper()
	const config = "m-1"
	golden := filepath.Join("testdata", name+".golden")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		for _, d := range []*sandbox.Driver{
			sandbox.New(sandbox.Config{MerchantID: config, Credential: "sandbox_sk_a"}),
			sandbox.New(sandbox.Config{MerchantID: config, Credential: "sandbox_sk_b"}),
		} {
			r, err := build(d, s)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(r.Template, string(parent)) {
				t.Errorf("the template %s names the object", r.Template)
			}
			got := r.Method + " " + r.Path + "\n" + string(r.Key) + "\n" + string(r.Body) + "\n"
			if d := cmp.Diff(string(want), got); d != "" {
				t.Fatalf("request (-want +got):\n%s", d)
			}
			header := http.Header{
				"Accept": {"application/json"}, "Content-Type": {"application/json"},
				"Idempotency-Key": {string(s.Key)}, "Sandbox-Merchant": {config},
			}
			if d := cmp.Diff(header, r.Header); d != "" {
				t.Fatalf("header (-want +got):\n%s", d)
			}
		}
	}
}

// Goal: what the sandbox has no form of is refused before anything is sent.
func TestBuildRefuses(t *testing.T) {
	d := sandbox.New(sandbox.Config{Credential: "sandbox_sk_x"})
	cases := map[string]struct {
		change      func(*payment.Send)
		unsupported bool
	}{
		"a completion of what": {func(s *payment.Send) { s.Method = payment.MethodComplete }, false},
		"another step":         {func(s *payment.Send) { s.Step = "another" }, true},
		"a capture's fence":    {func(s *payment.Send) { *s = furtherSend(payment.MethodCapture); s.Step = payment.StepCancel(1) }, true},
		"nothing":              {func(s *payment.Send) { s.Amount.MinorUnits = 0 }, false},
		"a capture of what":    {func(s *payment.Send) { *s = furtherSend(payment.MethodCapture); s.Parent = "" }, false},
		"a refund of what":     {func(s *payment.Send) { *s = furtherSend(payment.MethodRefund); s.Parent = "" }, false},
		"a void of what":       {func(s *payment.Send) { *s = furtherSend(payment.MethodVoid); s.Parent = "" }, false},
		"a capture of nothing": {func(s *payment.Send) { *s = furtherSend(payment.MethodCapture); s.Amount.MinorUnits = 0 }, false},
		"a negative refund":    {func(s *payment.Send) { *s = furtherSend(payment.MethodRefund); s.Amount.MinorUnits = -1 }, false},
		"a bank transfer":      {func(s *payment.Send) { s.Instruction.BankTransfer = &payment.BankTransfer{} }, true},
		"no token for it":      {func(s *payment.Send) { s.Account = "third" }, false},
		"only a client's data": {func(s *payment.Send) { s.Instruction.Tokens["main"] = payment.Token{ClientPayload: []byte(`{}`)} }, false},
	}
	for name, c := range cases {
		s := fullSend()
		c.change(&s)
		if _, err := d.Build(s); err == nil || errors.Is(err, providers.ErrUnsupported) != c.unsupported {
			t.Errorf("%s: error %v", name, err)
		}
	}
	s := fullSend()
	s.Method = payment.MethodComplete
	if _, err := d.Query(s); !errors.Is(err, providers.ErrUnsupported) {
		t.Errorf("a look-up of a completion: error %v", err)
	}
}

// Goal: answers are read as the simulator documents them, and what is not as
// documented has no code, so that it proves nothing.
func TestParse(t *testing.T) {
	ours := func(a payment.Answer) payment.Answer {
		a.Reference, a.OurEcho, a.RequestID = "auth_1", "OURREFERENCE", "req_1"
		return a
	}
	unread := payment.Answer{RequestID: "req_1"}
	eur := func(n int64) *payment.Money { return &payment.Money{MinorUnits: n, CurrencyCode: "EUR"} }
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	cases := map[string]struct {
		status int
		body   string
		want   payment.Answer
	}{
		"authorized": {
			200, `{"id":"auth_1","status":"authorized","amount":1000,"currency":"EUR","reference":"OURREFERENCE","expires_at":"2030-01-02T03:04:05Z"}`,
			ours(payment.Answer{Code: "authorized", Amount: eur(1000), ExpireTime: expires}),
		},
		"captured": {
			200, `{"id":"auth_1","status":"captured","amount":400,"currency":"EUR","reference":"OURREFERENCE"}`,
			ours(payment.Answer{Code: "captured", Amount: eur(400), Captured: true}),
		},
		"pending": {
			200, `{"id":"auth_1","status":"pending","amount":1000,"currency":"EUR","reference":"OURREFERENCE"}`,
			ours(payment.Answer{Code: "pending"}),
		},
		"requires action": {
			200, `{"id":"auth_1","status":"requires_action","amount":1,"currency":"EUR","reference":"OURREFERENCE","next_action":{"type":"redirect","url":"https://a.example","method":"GET"}}`,
			ours(payment.Answer{Code: "requires_action", NextAction: &payment.NextAction{RedirectURL: "https://a.example", RedirectMethod: "GET"}}),
		},
		"declined": {
			402, `{"error":{"code":"declined","decline_code":"lost_card","message":"no","id":"auth_1","reference":"OURREFERENCE"}}`,
			ours(payment.Answer{Code: "declined", Decline: "lost_card", Message: "no"}),
		},
		"limited": {429, `{"error":{"code":"rate_limited","message":"slow"}}`, payment.Answer{Code: "rate_limited", Message: "slow", RequestID: "req_1"}},
		"cancelled": {
			200, `{"id":"auth_1","status":"cancelled","currency":"EUR","reference":"OURREFERENCE"}`,
			ours(payment.Answer{Code: "cancelled"}),
		},
		"unknown status":           {200, `{"id":"auth_1","status":"teleported","reference":"OURREFERENCE"}`, ours(payment.Answer{Code: "authorization_teleported"})},
		"another verb's status":    {200, `{"id":"auth_1","status":"voided","reference":"OURREFERENCE"}`, ours(payment.Answer{Code: "authorization_voided"})},
		"another verb's object":    {200, `{"id":"capture_1","kind":"capture","status":"captured","amount":1,"currency":"EUR","reference":"OURREFERENCE"}`, unread},
		"no id":                    {200, `{"status":"authorized","amount":1000,"currency":"EUR"}`, unread},
		"no status":                {200, `{"id":"auth_1","amount":1000,"currency":"EUR"}`, unread},
		"an effect of nothing":     {200, `{"id":"auth_1","status":"authorized","currency":"EUR"}`, unread},
		"a negative effect":        {200, `{"id":"auth_1","status":"captured","amount":-1,"currency":"EUR"}`, unread},
		"nothing":                  {200, ``, unread},
		"null":                     {200, `null`, unread},
		"HTML":                     {200, `<html>`, unread},
		"cut":                      {200, `{"id":"auth_1","status":"authori`, unread},
		"two":                      {200, `{"id":"auth_1","status":"authorized","amount":1,"currency":"EUR"}{}`, unread},
		"an error that succeeded":  {200, `{"error":{"code":"declined"}}`, unread},
		"an object that failed":    {500, `{"id":"auth_1","status":"authorized","amount":1000,"currency":"EUR"}`, unread},
		"a redirect":               {307, `{"error":{"code":""}}`, unread},
		"a decline without a code": {402, `{"error":{"decline_code":"lost_card"}}`, unread},
		"an unreadable failure":    {503, `unavailable`, unread},
	}
	d := sandbox.New(sandbox.Config{})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := providers.Response{Status: c.status, Header: http.Header{"Request-Id": {"req_1"}}, Body: []byte(c.body)}
			if diff := cmp.Diff(c.want, d.Parse(fullSend(), r)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// Goal: a look-up asks by the provider's id where it is known, else by our
// reference; what it finds is read as the answer to the send would be; nothing
// found, or too much, is no proof.
func TestQuery(t *testing.T) {
	const one = `{"id":"auth_1","status":"captured","amount":1000,"currency":"EUR","reference":"OURREFERENCE"}`
	found := payment.Answer{
		Code: "captured", Captured: true, Reference: "auth_1", OurEcho: "OURREFERENCE", ObjectFound: true,
		Amount: &payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
	}
	cases := map[string]struct {
		reference payment.ProviderReference
		path      string
		status    int
		body      string
		want      payment.Answer
	}{
		"by reference":       {"", "/v1/authorizations?reference=OURREFERENCE", 200, `{"data":[` + one + `]}`, found},
		"nothing found":      {"", "/v1/authorizations?reference=OURREFERENCE", 200, `{"data":[]}`, payment.Answer{Code: "not_found"}},
		"two found":          {"", "/v1/authorizations?reference=OURREFERENCE", 200, `{"data":[` + one + `,` + one + `]}`, payment.Answer{}},
		"no list":            {"", "/v1/authorizations?reference=OURREFERENCE", 200, one, payment.Answer{}},
		"a null list":        {"", "/v1/authorizations?reference=OURREFERENCE", 200, `{"data":null}`, payment.Answer{}},
		"by id":              {"auth_1", "/v1/authorizations/auth_1", 200, one, found},
		"by an id to escape": {"a/../b?c", "/v1/authorizations/a%2F..%2Fb%3Fc", 200, `{}`, payment.Answer{}},
		"no such id":         {"auth_2", "/v1/authorizations/auth_2", 404, `{"error":{"code":"not_found","message":"no"}}`, payment.Answer{Code: "not_found", Message: "no"}},
		"declined": {"auth_1", "/v1/authorizations/auth_1", 200, `{"id":"auth_1","status":"declined","decline_code":"generic","amount":1,"currency":"EUR"}`, payment.Answer{
			Code: "declined", Decline: "generic", Reference: "auth_1", ObjectFound: true,
		}},
		"cancelled": {"auth_1", "/v1/authorizations/auth_1", 200, `{"id":"auth_1","status":"cancelled","amount":1000,"currency":"EUR","voided_amount":1000}`, payment.Answer{
			Code: "cancelled", Reference: "auth_1", ObjectFound: true,
		}},
		"unreadable": {"auth_1", "/v1/authorizations/auth_1", 200, `<html>`, payment.Answer{}},
		"a refusal":  {"auth_1", "/v1/authorizations/auth_1", 402, `{"error":{"code":"declined","decline_code":"generic"}}`, payment.Answer{}},
	}
	d := sandbox.New(sandbox.Config{})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := fullSend()
			s.ProviderReference = c.reference
			r, err := d.Query(s)
			if err != nil || r.Path != c.path || r.Method != http.MethodGet || r.Key != "" || strings.Contains(r.Template, "auth_") {
				t.Errorf("asks %s %s (%s), key %q, error %v; want GET %s", r.Method, r.Path, r.Template, r.Key, err, c.path)
			}
			got := d.ParseQuery(s, providers.Response{Status: c.status, Body: []byte(c.body)})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// Goal: the simulator and the driver agree on what a credential looks like.
func TestCredentialPrefix(t *testing.T) {
	if sandbox.CredentialPrefix != simulator.CredentialPrefix {
		t.Errorf("%q and %q", sandbox.CredentialPrefix, simulator.CredentialPrefix)
	}
}

// Goal: no bytes whatever make the driver panic, or report an effect that has no
// id, no amount, a status that failed, or that is another verb's; a cancel has none.
func FuzzParse(f *testing.F) {
	f.Add(200, byte(0), "", `{"id":"auth_1","status":"authorized","amount":1000,"currency":"EUR","reference":"OURREFERENCE"}`)
	f.Add(200, byte(0), "", `{"data":[{"id":"auth_1","status":"captured","amount":1,"currency":"EUR"}]}`)
	f.Add(200, byte(0), "auth_1", `{"id":"","status":"authorized","amount":1000}`)
	f.Add(402, byte(0), "", `{"error":{"code":"declined","decline_code":"lost_card","id":"auth_1"}}`)
	f.Add(200, byte(0), "", `{"data":[]}`)
	f.Add(500, byte(0), "", `{"error":{"code":"server_error"}}`)
	f.Add(200, byte(0), "", `{"id":"auth_1","status":"requires_action","next_action":{"url":"javascript:"}}`)
	f.Add(200, byte(1), "", `{"id":"capture_1","kind":"capture","parent":"auth_1","status":"succeeded","amount":1,"currency":"EUR"}`)
	f.Add(200, byte(1), "", `{"id":"capture_1","kind":"capture","parent":"auth_1","status":"captured","amount":0}`)
	f.Add(200, byte(2), "", `{"data":[{"id":"refund_1","kind":"refund","parent":"auth_1","status":"failed","failure_code":"refund_failed"}]}`)
	f.Add(422, byte(3), "void_1", `{"error":{"code":"failed","failure_code":"already_voided","id":"void_1"}}`)
	f.Add(200, byte(4), "", `{"id":"auth_1","status":"cancelled","amount":1000,"currency":"EUR","reference":"OURREFERENCE"}`)
	f.Add(202, byte(4), "auth_1", `{"id":"auth_1","status":"captured","amount":1000,"currency":"EUR"}`)
	f.Add(422, byte(4), "", `{"error":{"code":"failed","failure_code":"already_captured"}}`)
	d := sandbox.New(sandbox.Config{})
	f.Fuzz(func(t *testing.T, status int, method byte, reference, body string) {
		s, effects := fullSend(), []string{"authorized", "captured"}
		switch method %= 5; method {
		case 0:
		case 4:
			s = fenceSend(1)
		default:
			v := verbs()[method-1]
			s, effects = furtherSend(v.method), []string{v.done}
		}
		s.ProviderReference = payment.ProviderReference(reference)
		r := providers.Response{Status: status, Header: http.Header{}, Body: []byte(body)}
		if a := d.Parse(s, r); s.Step.Fence() && (a.Amount != nil || a.Captured || a.Code == "cancelled" && a.Reference == "" && status/100 == 2) {
			t.Errorf("an effect of a cancel: %+v", a)
		}
		for _, a := range []payment.Answer{d.Parse(s, r), d.ParseQuery(s, r)} {
			effect := status >= 200 && status <= 299 && slices.Contains([]string{"authorized", "captured", "refunded", "voided"}, a.Code)
			if effect && (a.Reference == "" || a.Amount == nil || a.Amount.MinorUnits <= 0 || !slices.Contains(effects, a.Code)) {
				t.Errorf("an effect of a %s without id or amount, or another's: %+v", s.Method, a)
			}
			if a.Captured && a.Code != "captured" {
				t.Errorf("captured with code %q", a.Code)
			}
			if a.Decline != "" && a.Code == "" {
				t.Errorf("a decline without a code: %+v", a)
			}
			if a.Transport != "" || a.HTTPStatus != 0 || a.RetryAfter != 0 {
				t.Errorf("set what is the guard's: %+v", a)
			}
		}
	})
}
