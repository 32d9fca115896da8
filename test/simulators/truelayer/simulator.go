// Package truelayer simulates TrueLayer's Payments API, version 3, for tests: access
// tokens, signatures, state, idempotency keys, webhooks, faults on demand, and a log of
// every effect.
//
//	POST /connect/token                        an access token that expires
//	GET  /.well-known/jwks                     the keys that webhooks are signed with
//	POST /v3/payments                          a payment that its shopper has to authorize
//	GET  /v3/payments/{id}
//	POST /v3/payments/{id}/actions/cancel      202 and nothing more; before it is authorized
//	POST /v3/payments/{id}/refunds             accepted, of a settled payment
//	GET  /v3/payments/{id}/refunds/{id}
//
// # Idempotency
//
// A POST needs a key that is a UUID of version 4, which is signed. The answer to the
// first request that was executed is kept under it and given again; another body or
// path under it is an Idempotency-Key Reuse (422), and while the first is being executed
// a copy is answered 409. What came before the execution is not kept.
//
// # Steering
//
// What shoppers and banks do are calls: Authorize, Execute, Settle, Fail, ExecuteRefund,
// FailRefund. A payment that nobody authorizes in time fails. The bank
// "fails_" and a reason fails a payment as it is made. A fault is put before the next
// POST by Next. Webhooks wait until they are released or delivered.
//
// # Limitations
//
// There are no mandates, payouts, external accounts, disputes, nor the steps of an
// authorization within the hosted page. Which refusals are kept under a key is not
// documented: here only what was executed is. Shapes follow TrueLayer's reference and
// the fixtures of its libraries; nothing was recorded from a live account, so it shows
// what we understood, not what TrueLayer does.
package truelayer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/acquitpay/acquit/test/simulators/account"
)

// Config configures a Simulator.
type Config struct {
	// ClientID and ClientSecret are what tokens are given for. Required.
	ClientID, ClientSecret string
	// KeyID and PublicKey, in PEM, verify requests. Required.
	KeyID, PublicKey string
	// MerchantAccountID is what is paid. Required.
	MerchantAccountID string
	// TokenLife is how long a token is good. Defaults to 1 h.
	TokenLife time.Duration
	// Patience is how long a shopper has to authorize. Defaults to 15 min.
	Patience time.Duration
	// WebhookURL is where webhooks are sent, by Client, and WebhookPath what they are
	// signed for: what is before acquit may have changed the one into the other. Defaults
	// to nowhere: they wait.
	WebhookURL, WebhookPath string
	// KeyAddress is where webhooks say that their keys are.
	KeyAddress string
	// Client sends webhooks. Defaults to one without a proxy.
	Client *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Executing is called while a request is executed and its key is in use, and may
	// take as long as it likes. Nil does nothing.
	Executing func(key string)
}

// Simulator is one client of TrueLayer's. It is safe for concurrent use.
type Simulator struct {
	account.Log
	account.Script[Fault]

	cfg    Config
	signer *ecdsa.PublicKey  // of requests
	key    *ecdsa.PrivateKey // of webhooks

	mu       sync.Mutex
	count    int // of ids given
	tokens   map[string]time.Time
	grants   int
	refusals int // of tokens, that are still to come
	keys     map[string]*kept
	payments []*payment
	refunds  []*refund
	events   []Event
	waiting  []Event // not delivered yet
}

// New returns a client without any payments.
func New(c Config) (*Simulator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.TokenLife == 0 {
		c.TokenLife = time.Hour
	}
	if c.Patience == 0 {
		c.Patience = 15 * time.Minute
	}
	if c.Client == nil {
		c.Client = &http.Client{Transport: &http.Transport{}}
	}
	block, _ := pem.Decode([]byte(c.PublicKey))
	if block == nil {
		return nil, errors.New("the public key is not PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	signer, ok := parsed.(*ecdsa.PublicKey)
	if !ok || signer.Curve != elliptic.P521() {
		return nil, errors.New("the public key is not of P-521")
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of webhooks: %w", err)
	}
	return &Simulator{cfg: c, signer: signer, key: key, tokens: map[string]time.Time{}, keys: map[string]*kept{}}, nil
}

// Kind, Effect and Request are what the log is made of.
type (
	Kind    = account.Kind
	Effect  = account.Effect
	Request = account.Request
)

// The kinds of effect.
const (
	KindPayment        Kind = "payment"         // the bank executed it
	KindReturned       Kind = "returned"        // a payment that was executed and failed after all
	KindRefund         Kind = "refund"          // the bank executed it
	KindRefundReturned Kind = "refund_returned" // a refund that was executed and came back
)

// Grants is how many access tokens were given.
func (s *Simulator) Grants() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants
}

// GrantNone has nobody given an access token for the next n times.
func (s *Simulator) GrantNone(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = n
}

// RevokeTokens has every access token refused that was given so far.
func (s *Simulator) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// TakeKey uses a key for a request that is none of ours.
func (s *Simulator) TakeKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = &kept{request: "another", done: true}
}

// next is an id that nothing else has.
func (s *Simulator) next(kind string) string {
	s.count++
	return fmt.Sprintf("%s-%08d", kind, s.count)
}

// route finds what serves a request; nil if nothing does.
func (s *Simulator) route(method, path string) operation {
	part := strings.Split(strings.Trim(path, "/"), "/")
	if len(part) < 2 || part[0] != "v3" || part[1] != "payments" {
		return nil
	}
	rest := part[2:]
	switch {
	case method == http.MethodPost && len(rest) == 0:
		return s.create
	case method == http.MethodGet && len(rest) == 1:
		return func(call) answer { return s.show(rest[0]) }
	case method == http.MethodPost && len(rest) == 3 && rest[1] == "actions" && rest[2] == "cancel":
		return func(call) answer { return s.cancel(rest[0]) }
	case method == http.MethodPost && len(rest) == 2 && rest[1] == "refunds":
		return func(c call) answer { return s.refund(c, rest[0]) }
	case method == http.MethodGet && len(rest) == 3 && rest[1] == "refunds":
		return func(call) answer { return s.showRefund(rest[0], rest[2]) }
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := readCall(r)
	if err != nil {
		return // the client gave up
	}
	a := s.serve(r, c)
	if a.hang {
		<-r.Context().Done()
	}
	if a.drop || a.hang {
		a.status = 0
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v3/") {
		s.Arrived(Request{Method: r.Method, Path: r.URL.Path, Key: c.key, Body: c.raw, Status: a.status, Replayed: a.replayed})
	}
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	a.write(w)
}
