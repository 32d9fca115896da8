// Package providers is the house of everything that speaks to payment
// providers: the interface a driver implements and the guard that alone runs it.
//
// A driver translates. It does no I/O, reads no clock, keeps no state, starts no
// goroutine and reads no environment; the guard builds, signs, sends and
// parses, and believes nothing a driver returns without a check.
package providers

import (
	"context"
	"errors"
	"net/http"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// ErrUnsupported is returned by a driver for a request it has no form of.
// Routing prevents that; where it happens all the same, nothing is sent.
var ErrUnsupported = errors.ErrUnsupported

// ErrRequestChanged says that the driver builds other bytes for a send than
// were recorded before its first one. Nothing was sent, and nothing may be: under
// the same key the provider would see another request.
var ErrRequestChanged = errors.New("the request differs from the recorded one")

// ErrUnsigned says that a driver could not sign a request, as without an access token.
// Not a byte of it left. Nothing is wrong with it: later it may be signed and sent.
var ErrUnsigned = errors.New("the request could not be signed")

// Request is the part of an HTTP request that must not change between sends:
// its hash is recorded before the first one.
type Request struct {
	Method string
	Path   string // absolute, with query, without host
	// Template is the path with its variable parts named, as in "/v1/payments/{id}":
	// what logs and spans show, since a path may hold what is secret. Empty shows nothing.
	Template string
	// Key is sent as the provider's idempotency header by the driver's Header;
	// it is named here too because it is part of the hash. Empty for reads.
	Key    payment.ProviderKey
	Header http.Header // never credentials, dates or signatures
	Body   []byte      // nil for reads
}

// Response is a complete HTTP response; Body is at most 1 MiB.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Driver is one provider's dialect, configured for one account. All methods
// but Sign are pure; all are safe for concurrent use.
type Driver interface {
	// Traits declares what the provider can do. It never changes.
	Traits() payment.Traits

	// Build makes the request of s.Step. The same s gives the same method, path,
	// key and body, in any process. Errors: ErrUnsupported; anything else is a
	// bug or an instruction that validation should have refused: nothing was sent.
	Build(s payment.Send) (Request, error)

	// Sign adds what authenticates the request: date, token, signature. It never
	// touches method, path or body. Errors mean that nothing was sent.
	Sign(ctx context.Context, r *http.Request) error

	// Parse reads the response to a Build or a Fence of s. It never fails: what it cannot
	// read has no code, which means unknown. It sets no transport class, no HTTP
	// status and no RetryAfter: the guard does, for all drivers alike. An Amount is
	// what was applied, so it is positive and in the currency of s, or nil.
	Parse(s payment.Send, r Response) payment.Answer

	// Fence makes the request that cancels the authorization of s, whose outcome is
	// unknown: by s.ProviderReference where the traits say FenceByObject, else by our
	// reference. s.Step is a payment.StepCancel. It is as deterministic as Build, and
	// its response is read by Parse. Errors: ErrUnsupported.
	Fence(s payment.Send) (Request, error)

	// Query makes a read of the object of s, by the provider's reference if s has
	// one, else by ours; its response is read by ParseQuery.
	// Errors: ErrUnsupported.
	Query(s payment.Send) (Request, error)

	// ParseQuery reads the response to a Query of s. An object that was not found
	// is answered as such by its code; it proves nothing.
	ParseQuery(s payment.Send, r Response) payment.Answer

	// Webhook verifies a delivery with the account's secrets and only then reads it.
	// It tells every authentic event: those that the driver has a use for as events,
	// each with an id that is the same whenever the provider delivers it again, the
	// others by their types. An event is about one object: its Answer is what
	// ParseQuery would have said of that, its Method of the operations that make such
	// objects. Its account is the guard's to say. Of a delivery with an error nothing
	// is taken in.
	//
	// Errors, wrapped, none of which repeats what was delivered: ErrForged, ErrStale,
	// ErrMalformed; ErrUnsupported where the account has no secrets or the provider
	// sends nothing. Anything else is a bug.
	Webhook(ctx context.Context, d Delivery) (Told, error)
}

// Renewer is what a Driver implements too if its requests carry an access token that
// lives shorter than the credential.
type Renewer interface {
	// Renew is given every answer, to a send and to a look-up, and the header of the
	// request that it answers. Where the provider has refused the token in that, the
	// next request is signed with another one. It may be told the same again.
	Renew(a payment.Answer, sent http.Header)
}
