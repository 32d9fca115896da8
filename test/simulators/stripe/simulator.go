// Package stripe simulates Stripe's PaymentIntents and refunds for tests: state,
// idempotency keys, faults on demand, and a log of every effect.
//
//	POST /v1/payment_intents                  create, and confirm with confirm=true
//	POST /v1/payment_intents/{id}/capture     once; what is not captured is released
//	POST /v1/payment_intents/{id}/cancel
//	GET  /v1/payment_intents[/{id}]           created[gte] and limit on the list
//	GET  /v1/payment_intents/search           query=metadata['key']:'value', late
//	POST /v1/refunds                          by payment_intent or charge
//	GET  /v1/refunds[/{id}]                   payment_intent, charge and limit on the list
//
// # Idempotency
//
// The first answer of a request that was executed is stored under its key and
// replayed with Idempotent-Replayed: declines (402), refusals of a state (400) and
// failures (500) too. What came before the execution is not stored: 401, 429,
// parameters that do not validate, a key in use (409). Other parameters or another
// endpoint under a key are an idempotency_error (400).
//
// # Steering
//
// The payment method says what its card does; see Cards. A fault is put before the
// next write by Next, or comes with the token pm_fault_ and its name. What a payer
// or a bank does later is a call: Authenticate, Confirm, SettleRefund.
//
// # Limitations
//
// It knows cards only, and of them nothing but what their test token says. There
// are no customers, charges endpoint, disputes, payouts, balances, fees, Radar,
// Connect permissions or several captures; no paging; parameters are checked by
// name and not by every rule. Amounts have Stripe's unit and no limits but the
// least. Authorizations do not expire by themselves. Rate limits are faults, not
// counted. Shapes follow Stripe's reference and stripe-go; nothing was recorded
// from a live account, so it shows what we understood, not what Stripe does.
package stripe

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/acquitpay/acquit/test/simulators/account"
)

// Config configures a Simulator. The zero value is fit for use.
type Config struct {
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// SearchLag is how long after a change search does not see it yet. Defaults to none.
	SearchLag time.Duration
	// Executing is called while a request is executed and its key is in use, and may
	// take as long as it likes. Nil does nothing.
	Executing func(key string)
	// WebhookSecret signs events. Defaults to whsec_simulator.
	WebhookSecret string
}

// Simulator is one account at Stripe. It is safe for concurrent use.
type Simulator struct {
	account.Log
	account.Script[Fault]

	cfg Config

	mu      sync.Mutex
	count   int // of ids given
	keys    map[string]*stored
	intents []*intent
	refunds []*refund
	events  []Event
}

// New returns an account without any payments.
func New(c Config) *Simulator {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.WebhookSecret == "" {
		c.WebhookSecret = "whsec_simulator"
	}
	return &Simulator{cfg: c, keys: map[string]*stored{}}
}

// Kind, Effect and Request are what the log is made of.
type (
	Kind    = account.Kind
	Effect  = account.Effect
	Request = account.Request
)

// The kinds of effect.
const (
	KindHold         Kind = "hold"          // reserved by an authorization
	KindCharge       Kind = "charge"        // taken by an authorization that captures at once
	KindCapture      Kind = "capture"       // taken of a hold
	KindRelease      Kind = "release"       // given back of a hold
	KindRefund       Kind = "refund"        // given back of what was taken
	KindRefundFailed Kind = "refund_failed" // a refund that came back
)

// ForgetKeys prunes every key, as Stripe does after 24 h at the earliest.
func (s *Simulator) ForgetKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

// TakeKey uses a key for a request that is none of the account's owner: whatever
// comes under it from now on has other parameters.
func (s *Simulator) TakeKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys["/"+key] = &stored{request: "another", done: true}
}

// next is an id that nothing else has.
func (s *Simulator) next(prefix string) string {
	s.count++
	return fmt.Sprintf("%s_%08d", prefix, s.count)
}

func (s *Simulator) did(k Kind, in *intent, object string, amount int64, key string) {
	s.Moved(Effect{Kind: k, Payment: in.ID, Object: object, Amount: amount, Currency: in.Currency, Key: key})
}

// route finds what serves a request; nil if nothing does.
func (s *Simulator) route(method, path string) operation {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 2 || parts[0] != "v1" {
		return nil
	}
	id, verb := "", ""
	if len(parts) > 2 {
		id = parts[2]
	}
	if len(parts) > 3 {
		verb = parts[3]
	}
	key := method + " " + parts[1]
	switch {
	case len(parts) > 4:
	case key == "POST payment_intents" && id == "":
		return s.create
	case key == "POST payment_intents" && verb == "capture":
		return func(c call) answer { return s.capture(c, id) }
	case key == "POST payment_intents" && verb == "cancel":
		return func(c call) answer { return s.cancel(c, id) }
	case key == "GET payment_intents" && id == "search":
		return s.search
	case key == "GET payment_intents" && id == "":
		return s.listIntents
	case key == "GET payment_intents" && verb == "":
		return func(c call) answer { return s.retrieve(c, id) }
	case key == "POST refunds" && id == "":
		return s.refund
	case key == "GET refunds" && id == "":
		return s.listRefunds
	case key == "GET refunds" && verb == "":
		return func(c call) answer { return s.retrieveRefund(c, id) }
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := readCall(r)
	if err != nil {
		return // the client gave up
	}
	serve := s.serveRead
	if r.Method == http.MethodPost {
		serve = s.serveWrite
	}
	a := serve(r, c)
	if a.hang {
		<-r.Context().Done()
	}
	request := Request{Method: r.Method, Path: r.RequestURI, Key: c.key, Body: c.raw, Status: a.status, Replayed: a.replayed}
	if a.drop || a.hang {
		request.Status = 0
	}
	s.mu.Lock()
	request.ID = s.next("req")
	s.mu.Unlock()
	s.Arrived(request)
	if request.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	a.write(w, r, request.ID)
}
