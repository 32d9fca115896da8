// Package adyen simulates Adyen's Checkout API, version 71, for tests: state,
// idempotency keys, webhooks, faults on demand, and a log of every effect.
//
//	POST /v71/payments                    authorize, or send the shopper away first
//	POST /v71/payments/details            what the shopper brought back
//	POST /v71/payments/{psp}/captures     accepted; CAPTURE tells the outcome
//	POST /v71/payments/{psp}/cancels      accepted; CANCELLATION tells the outcome
//	POST /v71/payments/{psp}/refunds      accepted; REFUND tells the outcome
//	POST /v71/cancels                     by the payment's reference; TECHNICAL_CANCEL tells
//
// # Idempotency
//
// The answer to a request that was processed is stored under its key and given
// again, refusals too, whatever the further request asks for; the key is repeated in
// the answer. Errors are not stored. While a key is in use its copies are refused
// with 704, and while the store of keys is away with 703; both are marked transient.
//
// # Steering
//
// The stored token says what its card does; see Cards. A fault is put before the next
// request by Next, or comes with the token fault_ and its name. What a shopper brings
// back is given by Return; what a bank decides later is Settle. Webhooks wait until
// they are delivered, or go to Config.WebhookURL as Steer says.
//
// # Limitations
//
// It knows cards only, and of them nothing but what their token says. A capture
// releases what it does not take. There are no sessions, disputes, payouts, splits,
// orders, expiry of holds or several captures; fields are checked by name and not by
// every rule. Shapes follow Adyen's OpenAPI descriptions; nothing was recorded from a
// live account, so it shows what we understood, not what Adyen does.
package adyen

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
	// MerchantAccount is whose account it is. Defaults to AcquitTest.
	MerchantAccount string
	// WebhookSecret signs webhooks, in hexadecimal digits. Defaults to 32 times AA.
	WebhookSecret string
	// WebhookURL is where webhooks are sent, by Client. Defaults to nowhere: they wait.
	WebhookURL string
	// Client sends webhooks. Defaults to one without a proxy.
	Client *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Executing is called while a request is executed and its key is in use, and may
	// take as long as it likes. Nil does nothing.
	Executing func(key string)
	// InFlight is the status of 704: 409, or 422 as newer pages say. Defaults to 422.
	InFlight int
}

// Simulator is one merchant account at Adyen. It is safe for concurrent use.
type Simulator struct {
	account.Log
	account.Script[Fault]

	cfg Config

	mu       sync.Mutex
	count    int // of ids given
	keys     map[string]*stored
	payments []*payment
	events   []Event
	waiting  []Event // not delivered yet

	steer   Steering
	posting sync.Mutex     // webhooks go out one after another
	sending sync.WaitGroup // of webhooks that follow an answer
}

// New returns an account without any payments.
func New(c Config) *Simulator {
	if c.MerchantAccount == "" {
		c.MerchantAccount = "AcquitTest"
	}
	if c.WebhookSecret == "" {
		c.WebhookSecret = strings.Repeat("AA", 32)
	}
	if c.Client == nil {
		c.Client = &http.Client{Transport: &http.Transport{}}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.InFlight == 0 {
		c.InFlight = http.StatusUnprocessableEntity
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
	KindHold          Kind = "hold"           // reserved by an authorization
	KindCharge        Kind = "charge"         // taken by an authorization that captures at once
	KindCapture       Kind = "capture"        // taken of a hold
	KindRelease       Kind = "release"        // given back of a hold
	KindRefund        Kind = "refund"         // given back of what was taken
	KindCaptureFailed Kind = "capture_failed" // a capture that was undone
	KindRefundFailed  Kind = "refund_failed"  // a refund that came back
)

// ForgetKeys prunes every key, as Adyen does after 31 days at the earliest.
func (s *Simulator) ForgetKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

// TakeKey uses a key for a payment that is none of ours: whatever comes under it
// from now on gets that payment's answer.
func (s *Simulator) TakeKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next()
	s.keys[key] = &stored{done: true, answer: ok(http.StatusOK, id, object{
		"pspReference": id, "resultCode": "Authorised", "merchantReference": "SOMEBODYELSES", "amount": amount{"EUR", 1},
	})}
}

// next is an id that nothing else has, in the form of Adyen's.
func (s *Simulator) next() string {
	s.count++
	return fmt.Sprintf("SIMULATOR%07d", s.count)
}

func (s *Simulator) did(k Kind, p *payment, object string, value int64, key string) {
	s.Moved(Effect{
		Kind: k, Payment: p.ID, Reference: p.Reference, Object: object, Amount: value, Currency: p.Amount.Currency, Key: key,
	})
}

// route finds what serves a path; nil if nothing does.
func (s *Simulator) route(path string) operation {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if parts[0] != "v71" {
		return nil
	}
	switch strings.Join(parts[1:], "/") {
	case "payments":
		return s.pay
	case "payments/details":
		return s.details
	case "cancels":
		return s.technicalCancel
	}
	if len(parts) != 4 || parts[1] != "payments" {
		return nil
	}
	switch parts[3] {
	case "captures":
		return func(c call) answer { return s.modify(c, parts[2], s.capture) }
	case "cancels":
		return func(c call) answer { return s.modify(c, parts[2], s.cancel) }
	case "refunds":
		return func(c call) answer { return s.modify(c, parts[2], s.refund) }
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
	s.tellBefore(r.Context())
	if a.hang {
		<-r.Context().Done()
	}
	request := Request{Method: r.Method, Path: r.URL.Path, Key: c.key, Body: string(c.raw), Status: a.status, Replayed: a.replayed, ID: a.id}
	if a.drop || a.hang {
		request.Status = 0
	}
	s.Arrived(request)
	defer s.tellAfter(r.Context())
	if request.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	a.write(w, c.key)
}
