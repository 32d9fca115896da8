package providers_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// scripted is a driver that does as a test says; what is not scripted is
// well-behaved.
type scripted struct {
	traits     func(*payment.Traits)
	build      func(*providers.Request)
	sign       func(*http.Request)
	parse      func(*payment.Answer)
	query      func(*providers.Request)
	parseQuery func(*payment.Answer)
	webhook    func(providers.Delivery) (providers.Told, error)
	unsigned   error // why it does not sign
	err        error
}

func (d scripted) Traits() payment.Traits {
	t := payment.Traits{Driver: "scripted", Methods: []payment.Method{payment.MethodAuthorize}, KeyMax: 32, ResendWindow: time.Hour}
	if d.traits != nil {
		d.traits(&t)
	}
	return t
}

func (d scripted) Build(s payment.Send) (providers.Request, error) {
	r := providers.Request{
		Method: http.MethodPost, Path: "/v1/pay/secret-path?secret-query=1", Template: "/v1/pay/{id}", Key: s.Key,
		Header: http.Header{"Idempotency-Key": {string(s.Key)}}, Body: []byte("secret-body " + s.Amount.String()),
	}
	if d.build != nil {
		d.build(&r)
	}
	return r, d.err
}

func (d scripted) Sign(_ context.Context, r *http.Request) error {
	r.Header.Set("Authorization", "Bearer secret-token")
	if d.sign != nil {
		d.sign(r)
	}
	if d.unsigned != nil {
		return d.unsigned
	}
	return d.err
}

func (d scripted) Parse(s payment.Send, r providers.Response) payment.Answer {
	a := payment.Answer{Code: "authorized", Reference: "obj_1", OurEcho: s.Reference, Message: string(r.Body)}
	if d.parse != nil {
		d.parse(&a)
	}
	return a
}

func (d scripted) Fence(s payment.Send) (providers.Request, error) { return d.Build(s) }

func (d scripted) Query(payment.Send) (providers.Request, error) {
	r := providers.Request{Method: http.MethodGet, Path: "/v1/pay?reference=x"}
	if d.query != nil {
		d.query(&r)
	}
	return r, d.err
}

func (d scripted) ParseQuery(payment.Send, providers.Response) payment.Answer {
	a := payment.Answer{Code: "authorized", Reference: "obj_1", ObjectFound: true}
	if d.parseQuery != nil {
		d.parseQuery(&a)
	}
	return a
}

func someSend() payment.Send {
	return payment.Send{
		Method: payment.MethodAuthorize, Step: payment.StepMain, Account: "main", Key: "0123456789abcdef0123456789abcdef",
		Reference: "OURREFERENCE", Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
	}
}

// send prepares and sends, as the flow does.
func (b *bench) send(t *testing.T, s payment.Send) (payment.Answer, error) {
	t.Helper()
	hash, err := b.Prepare(s)
	if err != nil {
		return payment.Answer{}, err
	}
	return b.Send(t.Context(), s, hash)
}

// Goal: a well-behaved driver's request arrives as built and signed, its answer
// as read, and the hash is the documented one.
func TestSend(t *testing.T) {
	var got http.Request
	var body []byte
	b := newBench(t, scripted{}, func(w http.ResponseWriter, r *http.Request) {
		got, body = *r, must(io.ReadAll(r.Body))
		w.Header().Set("Retry-After", "3")
		_, _ = io.WriteString(w, "thank\x00you 4111 1111 1111 1111")
	})
	hash := must(b.Prepare(someSend()))
	h := sha256.New()
	payment.WriteParts(h, "POST", "/v1/pay/secret-path?secret-query=1", string(someSend().Key), "secret-body 10.00 EUR")
	if want := hex.EncodeToString(h.Sum(nil)); hash != want {
		t.Errorf("hash %s, want %s", hash, want)
	}
	answer, err := b.Send(t.Context(), someSend(), hash)
	if err != nil {
		t.Fatal(err)
	}
	want := payment.Answer{
		Transport: payment.TransportAnswered, HTTPStatus: 200, Code: "authorized", Reference: "obj_1", OurEcho: "OURREFERENCE",
		Message: "thank you [digits]", RetryAfter: 3 * time.Second,
	}
	if d := cmp.Diff(want, answer); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
	if got.RequestURI != "/v1/pay/secret-path?secret-query=1" || string(body) != "secret-body 10.00 EUR" ||
		got.Header.Get("Authorization") != "Bearer secret-token" || got.Header.Get("Idempotency-Key") != string(someSend().Key) {
		t.Errorf("received %s %v %q", got.RequestURI, got.Header, body)
	}
	if b.log.Len() > 0 {
		t.Errorf("a success was logged: %s", &b.log)
	}
}

// Goal: an error means that nothing was sent. Method: drivers that misbehave
// before the send, each in one way; the server counts.
func TestNothingIsSentWhen(t *testing.T) {
	build := func(f func(*providers.Request)) scripted { return scripted{build: f} }
	sign := func(f func(*http.Request)) scripted { return scripted{sign: f} }
	cases := map[string]providers.Driver{
		"build fails":                         scripted{err: errors.New("no form of it")},
		"build is unsupported":                scripted{err: providers.ErrUnsupported},
		"build panics":                        build(func(*providers.Request) { panic("secret-body") }),
		"a write is a GET":                    build(func(r *providers.Request) { r.Method = http.MethodGet }),
		"a write has no key":                  build(func(r *providers.Request) { r.Key = "" }),
		"the key is not in the request":       build(func(r *providers.Request) { r.Header.Del("Idempotency-Key") }),
		"the key is too long":                 build(func(r *providers.Request) { r.Key += "0"; r.Header.Set("Idempotency-Key", string(r.Key)) }),
		"the key has a foreign character":     build(func(r *providers.Request) { r.Key = "a b"; r.Header.Set("Idempotency-Key", "a b") }),
		"the path leads to another host":      build(func(r *providers.Request) { r.Path = "//elsewhere.example/v1" }),
		"the path makes another host":         build(func(r *providers.Request) { r.Path = "@elsewhere.example/v1" }),
		"the path climbs":                     build(func(r *providers.Request) { r.Path = "/v1/pay/..%2f../admin" }),
		"the path has a line break":           build(func(r *providers.Request) { r.Path = "/v1\r\nX: y" }),
		"the body is huge":                    build(func(r *providers.Request) { r.Body = make([]byte, 1<<20) }),
		"a header belongs to the transport":   build(func(r *providers.Request) { r.Header.Set("Transfer-Encoding", "chunked") }),
		"a header value breaks the line":      build(func(r *providers.Request) { r.Header.Set("X", "a\r\nb") }),
		"a credential is built":               build(func(r *providers.Request) { r.Header.Set("Authorization", "secret") }),
		"signing panics":                      sign(func(*http.Request) { panic(errors.New("secret")) }),
		"signing changes the method":          sign(func(r *http.Request) { r.Method = http.MethodPut }),
		"signing changes the path":            sign(func(r *http.Request) { r.URL.Path = "/v1/other" }),
		"signing changes the query":           sign(func(r *http.Request) { r.URL.RawQuery = "" }),
		"signing changes the host":            sign(func(r *http.Request) { r.URL.Host = "elsewhere.example" }),
		"signing drops the URL":               sign(func(r *http.Request) { r.URL = nil }),
		"signing changes the body":            sign(func(r *http.Request) { r.Body = http.NoBody }),
		"signing changes the key":             sign(func(r *http.Request) { r.Header.Set("Idempotency-Key", "other") }),
		"signing adds a header of transports": sign(func(r *http.Request) { r.Header.Set("Connection", "close") }),
	}
	for name, d := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, d, nil)
			answer, err := b.send(t, someSend())
			if err == nil || b.received.Load() != 0 {
				t.Errorf("sent %d requests, answer %+v, error %v; want an error and nothing sent", b.received.Load(), answer, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells too much: %v", err)
			}
			if errors.Is(err, providers.ErrUnsupported) != (name == "build is unsupported") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Goal: other bytes than the recorded ones are never sent. Method: a driver
// that builds differently the second time, and a recorded hash of another send.
func TestChangedBytesAreNotSent(t *testing.T) {
	n := 0
	b := newBench(t, scripted{build: func(r *providers.Request) {
		n++
		r.Body = append(r.Body, byte('0'+n))
	}}, nil)
	if _, err := b.send(t, someSend()); !errors.Is(err, providers.ErrRequestChanged) {
		t.Errorf("error %v, want %v", err, providers.ErrRequestChanged)
	}
	if b.received.Load() != 0 {
		t.Error("changed bytes were sent")
	}
}

// Goal: an answer that makes no sense proves nothing: no code, no status, no
// reference is left of it. Method: drivers that read it wrongly, each in one way.
func TestImplausibleAnswersProveNothing(t *testing.T) {
	money := func(n int64, c string) *payment.Money { return &payment.Money{MinorUnits: n, CurrencyCode: c} }
	action := func(n payment.NextAction) func(*payment.Answer) { return func(a *payment.Answer) { a.NextAction = &n } }
	cases := map[string]func(*payment.Answer){
		"parse panics":                 func(*payment.Answer) { panic("secret-body") },
		"about another reference":      func(a *payment.Answer) { a.OurEcho = "ANOTHER" },
		"code with a control":          func(a *payment.Answer) { a.Code = "ok\n" },
		"code too long":                func(a *payment.Answer) { a.Code = strings.Repeat("x", 65) },
		"code like a card number":      func(a *payment.Answer) { a.Code = "4111111111111111" },
		"decline without a code":       func(a *payment.Answer) { a.Code, a.Decline = "", "lost_card" },
		"reference with a space":       func(a *payment.Answer) { a.Reference = "obj 1" },
		"reference too long":           func(a *payment.Answer) { a.Reference = payment.ProviderReference(strings.Repeat("x", 129)) },
		"reference with a slash":       func(a *payment.Answer) { a.Reference = "../x" },
		"negative amount":              func(a *payment.Answer) { a.Amount = money(-1, "EUR") },
		"zero amount":                  func(a *payment.Answer) { a.Amount = money(0, "EUR") },
		"amount in another currency":   func(a *payment.Answer) { a.Amount = money(1000, "USD") },
		"unknown hint":                 func(a *payment.Answer) { a.Hint = "whatever" },
		"action that runs a script":    action(payment.NextAction{RedirectURL: "javascript:alert(1)"}),
		"action without a host":        action(payment.NextAction{RedirectURL: "https:///x"}),
		"action by a strange method":   action(payment.NextAction{RedirectURL: "https://a.example", RedirectMethod: "DELETE"}),
		"action that is nothing":       action(payment.NextAction{}),
		"action with malformed JSON":   action(payment.NextAction{ProviderSDK: []byte("{")}),
		"action that is a list":        action(payment.NextAction{ProviderSDK: []byte(`["a"]`)}),
		"action that is null":          action(payment.NextAction{ProviderSDK: []byte("null")}),
		"action nobody can show":       action(payment.NextAction{ProviderSDK: []byte(`{"a":1e999}`)}),
		"action with a very long form": action(payment.NextAction{RedirectURL: "https://a.example", RedirectForm: bigForm()}),
	}
	for name, parse := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, scripted{parse: parse, parseQuery: parse}, nil)
			want := payment.Answer{Transport: payment.TransportAnswered}
			sent, err := b.send(t, someSend())
			if d := cmp.Diff(want, sent); d != "" || err != nil {
				t.Errorf("send: error %v, answer (-want +got):\n%s", err, d)
			}
			asked, err := b.Query(t.Context(), someSend())
			if d := cmp.Diff(want, asked); d != "" || err != nil {
				t.Errorf("query: error %v, answer (-want +got):\n%s", err, d)
			}
			if !strings.Contains(b.log.String(), "driver not believed") || strings.Contains(b.log.String(), "secret") {
				t.Errorf("logged: %s", &b.log)
			}
		})
	}
}

func bigForm() map[string]string {
	form := map[string]string{}
	for i := range 51 {
		form[strings.Repeat("x", i)] = ""
	}
	return form
}

// Goal: sensible answers pass unchanged, whatever provider they come from.
func TestPlausibleAnswersPass(t *testing.T) {
	cases := map[string]func(*payment.Answer){
		"no echo":              func(a *payment.Answer) { a.OurEcho = "" },
		"numeric reference":    func(a *payment.Answer) { a.Reference = "8835544088660594" },
		"partial amount":       func(a *payment.Answer) { a.Amount = &payment.Money{MinorUnits: 500, CurrencyCode: "EUR"} },
		"greater amount":       func(a *payment.Answer) { a.Amount = &payment.Money{MinorUnits: 2000, CurrencyCode: "EUR"} },
		"no code":              func(a *payment.Answer) { a.Code = "" },
		"redirect":             func(a *payment.Answer) { a.NextAction = &payment.NextAction{RedirectURL: "https://a.example/x?y=z"} },
		"redirect in sandbox":  func(a *payment.Answer) { a.NextAction = &payment.NextAction{RedirectURL: "http://127.0.0.1:1/x"} },
		"action for an SDK":    func(a *payment.Answer) { a.NextAction = &payment.NextAction{ProviderSDK: []byte(`{"a":1}`)} },
		"odd request id":       func(*payment.Answer) {},
		"hint and decline":     func(a *payment.Answer) { a.Decline, a.Hint = "do_not_honor", payment.HintStop },
		"error code in phrase": func(a *payment.Answer) { a.Code = "Invalid Card Number: 103/1" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, scripted{parse: change}, nil)
			want := payment.Answer{Transport: payment.TransportAnswered, HTTPStatus: 200, Code: "authorized", Reference: "obj_1", OurEcho: "OURREFERENCE"}
			change(&want)
			got, err := b.send(t, someSend())
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("error %v, answer (-want +got):\n%s", err, d)
			}
		})
	}
}

// Goal: a look-up is a GET without key and body, and what it finds is the object
// that was asked for.
func TestQuery(t *testing.T) {
	for name, change := range map[string]func(*providers.Request){
		"a POST":     func(r *providers.Request) { r.Method = http.MethodPost },
		"with a key": func(r *providers.Request) { r.Key = "x" },
		"with an idempotency header": func(r *providers.Request) {
			r.Header = http.Header{"Idempotency-Key": {"x"}}
		},
		"with a body": func(r *providers.Request) { r.Body = []byte("x") },
		"panicking":   func(*providers.Request) { panic("secret") },
	} {
		b := newBench(t, scripted{query: change}, nil)
		if _, err := b.Query(t.Context(), someSend()); err == nil || b.received.Load() != 0 {
			t.Errorf("a look-up %s: error %v, %d requests sent", name, err, b.received.Load())
		}
	}
	b := newBench(t, scripted{}, nil)
	s := someSend()
	for reference, want := range map[payment.ProviderReference]string{"": "authorized", "obj_1": "authorized", "obj_2": ""} {
		s.ProviderReference = reference
		if a, err := b.Query(t.Context(), s); err != nil || a.Code != want {
			t.Errorf("a look-up of %q found obj_1 with code %q (%v), want %q", reference, a.Code, err, want)
		}
	}
}

// Goal: failed exchanges are logged with what finds them and nothing secret.
// Method: a refusal, a failure, no answer.
func TestFailedExchangesAreLogged(t *testing.T) {
	b := newBench(t, scripted{parse: func(a *payment.Answer) { a.Code, a.RequestID, a.OurEcho = "declined", "req_7", "" }},
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPaymentRequired)
			_, _ = io.WriteString(w, "secret-answer")
		})
	if _, err := b.send(t, someSend()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"level":"INFO"`, `"msg":"provider refused"`, `"account":"main"`, `"http_status":402`, `"reference_id":"OURREFERENCE"`,
		`"provider_request_id":"req_7"`, `"provider_code":"declined"`, `/v1/pay/{id}"`, `"payload_hash":"`,
	} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the record lacks %s: %s", want, &b.log)
		}
	}
	if strings.Contains(b.log.String(), "secret") || strings.Contains(b.log.String(), string(someSend().Key)) {
		t.Errorf("the record tells too much: %s", &b.log)
	}

	b = newBench(t, scripted{}, func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	})
	answer, err := b.send(t, someSend())
	if d := cmp.Diff(payment.Answer{Transport: payment.TransportBroken}, answer); d != "" || err != nil {
		t.Errorf("error %v, answer (-want +got):\n%s", err, d)
	}
	if !strings.Contains(b.log.String(), `"level":"WARN","msg":"provider exchange failed"`) || strings.Contains(b.log.String(), "secret") {
		t.Errorf("logged: %s", &b.log)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
