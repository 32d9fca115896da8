// Package amazonpay simulates Amazon Pay's charges and refunds, version 2, for
// tests: state, idempotency keys, signatures, faults on demand, and a log of every
// effect.
//
//	POST   /v2/charges                  authorize, or take at once with captureNow
//	POST   /v2/charges/{id}/capture     once; what is not captured is released
//	DELETE /v2/charges/{id}/cancel      before the capture has begun
//	GET    /v2/charges/{id}
//	POST   /v2/refunds                  accepted; settled later
//	GET    /v2/refunds/{id}
//
// # Idempotency
//
// A POST needs a key. The response to the first request that was executed is saved
// under it for ever and given again: charges that were declined and errors that
// decline (422) too. What came before the execution is not saved: signatures,
// throttling, values that do not validate, a wrong state. Another body or path under
// a key is a DuplicateIdempotencyKey; a key whose first request is being executed is
// answered 425. The key of a DELETE is ignored.
//
// # Steering
//
// The charge permission says what its buyer and bank do; see Permissions. A fault is
// put before the next write by Next, or comes with the permission fault_ and its
// name. What is decided later is a call: Decide, SettleCapture, SettleRefund.
//
// # Limitations
//
// There are no checkout sessions, no limits of a charge permission, no chargebacks,
// reports, throttling that counts, expiry by itself, or currencies beside those with
// two decimals and JPY. A refund is limited by what was captured, without Amazon's
// margin above it. The date of a signature is signed and not compared with a clock.
// Whether a refusal or a failure is saved under its key is not documented: here it
// is not, so that the same key may be executed later. Shapes follow Amazon's
// reference; nothing was recorded from a live account, so it shows what we
// understood, not what Amazon does.
package amazonpay

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/acquitpay/acquit/test/simulators/account"
)

// Config configures a Simulator.
type Config struct {
	// PublicKeys are the keys in PEM that may sign, by their ids. Required.
	PublicKeys map[string]string
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Executing is called while a request is executed and its key is in use, and may
	// take as long as it likes. Nil does nothing.
	Executing func(key string)
}

// Simulator is one merchant account at Amazon Pay. It is safe for concurrent use.
type Simulator struct {
	account.Log
	account.Script[Fault]

	cfg  Config
	keys map[string]*rsa.PublicKey // that may sign

	mu            sync.Mutex
	count         int // of ids given
	saved         map[string]*saved
	charges       []*charge
	refunds       []*refund
	notifications []Notification
}

// New returns an account without any payments.
func New(c Config) (*Simulator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Simulator{cfg: c, keys: map[string]*rsa.PublicKey{}, saved: map[string]*saved{}}
	for id, text := range c.PublicKeys {
		key, err := publicKey(text)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", id, err)
		}
		s.keys[id] = key
	}
	if len(s.keys) == 0 {
		return nil, errors.New("without a public key nothing could be signed")
	}
	return s, nil
}

// Kind, Effect and Request are what the log is made of.
type (
	Kind    = account.Kind
	Effect  = account.Effect
	Request = account.Request
)

// The kinds of effect.
const (
	KindHold           Kind = "hold"            // reserved by an authorization
	KindCharge         Kind = "charge"          // taken by an authorization that captures at once
	KindCapture        Kind = "capture"         // taken of a hold
	KindRelease        Kind = "release"         // given back of a hold
	KindRefund         Kind = "refund"          // accepted to be given back
	KindRefundDeclined Kind = "refund_declined" // a refund that came to nothing
)

// Notification is what Amazon would tell of an object that has changed.
type Notification struct {
	ObjectType string
	ObjectID   string
}

// Notifications returns what there was to tell, oldest first. Nothing is delivered
// by itself.
func (s *Simulator) Notifications() []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notifications)
}

// TakeKey uses a key for a request that is none of the account's owner: whatever
// comes under it from now on has other values.
func (s *Simulator) TakeKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved[key] = &saved{request: "another", done: true}
}

// next is an id that nothing else has, on a charge permission.
func (s *Simulator) next(permission, letter string) string {
	s.count++
	return fmt.Sprintf("%s-%s%06d", permission, letter, s.count)
}

func (s *Simulator) did(k Kind, c *charge, object string, amount int64, key string) {
	s.Moved(Effect{Kind: k, Payment: c.ID, Object: object, Amount: amount, Currency: c.Currency, Key: key})
}

func (s *Simulator) changed(kind, id string) {
	s.notifications = append(s.notifications, Notification{kind, id})
}

// route finds what serves a request; nil if nothing does.
func (s *Simulator) route(method, path string) operation {
	part := strings.Split(strings.Trim(path, "/"), "/")
	if len(part) < 2 || len(part) > 4 || part[0] != "v2" {
		return nil
	}
	key, id := method+" "+part[1], ""
	if len(part) > 2 {
		id = part[2]
	}
	if len(part) > 3 {
		key += " " + part[3]
	}
	switch {
	case key == "POST charges" && id == "":
		return s.create
	case key == "POST charges capture":
		return func(c call) answer { return s.capture(c, id) }
	case key == "DELETE charges cancel":
		return func(c call) answer { return s.cancel(c, id) }
	case key == "GET charges" && id != "":
		return func(call) answer { return s.showCharge(id) }
	case key == "POST refunds" && id == "":
		return s.refund
	case key == "GET refunds" && id != "":
		return func(call) answer { return s.showRefund(id) }
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
	request := Request{Method: r.Method, Path: r.RequestURI, Key: c.key, Body: c.raw, Status: a.status, Replayed: a.replayed}
	if a.drop || a.hang {
		request.Status = 0
	}
	s.mu.Lock()
	s.count++
	request.ID = fmt.Sprintf("request-%06d", s.count)
	s.mu.Unlock()
	s.Arrived(request)
	if request.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	a.write(w, request.ID)
}
