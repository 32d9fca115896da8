package payment

import (
	"slices"
	"time"
)

// Traits is what a driver declares about its provider. What is not declared is
// refused by routing before any request.
type Traits struct {
	Driver           string
	Methods          []Method
	ManualCapture    bool // can hold money without taking it
	AutomaticCapture bool // can take money in the authorization
	MultipleCaptures bool
	BankTransfer     bool // serves bank transfers instead of tokens
	Query            bool // can look up by our reference, but for QueryNeedsID
	// QueryNeedsID are the methods whose object is found by the provider's id of it
	// alone. As long as that is not known, only the same request under its key tells.
	QueryNeedsID []Method
	// Fence is how an authorization whose outcome is unknown can be cancelled.
	Fence FenceKind
	// ShopperFirst: an authorization moves no money, whatever its capture mode, before
	// the shopper has acted on what its answer gives them to do. Sent again late, it
	// charges nobody who was not told where to go.
	ShopperFirst bool
	// Completion is how an authorization goes on when the shopper comes back.
	Completion CompletionKind
	// Asynchronous methods are only accepted by the provider; their outcome
	// comes by webhook or query.
	Asynchronous []Method
	// Currencies that the provider takes; nil means every ISO 4217 currency.
	Currencies []string
	// ResendWindow is how long after the intent the same key may be sent again:
	// well inside the provider's documented key lifetime.
	ResendWindow time.Duration
	// KeyMax is the provider's limit on the key's length in characters.
	KeyMax int
	// KeyScope says within what a key is unique at the provider.
	KeyScope KeyScope
}

// FenceKind is how a provider cancels an authorization whose outcome is unknown.
type FenceKind string

// The kinds of fence.
const (
	// FenceNone: not at all. What cannot be looked up stays unknown until a person looks.
	FenceNone FenceKind = ""
	// FenceByObject: by the provider's id of it, which must be known first.
	FenceByObject FenceKind = "object"
	// FenceByReference: by our reference, whether it has arrived or not. A cancel
	// that found nothing says nothing about a copy that arrives later.
	FenceByReference FenceKind = "reference"
)

// CompletionKind is how an authorization that needed the shopper goes on when the
// shopper comes back.
type CompletionKind string

// The kinds of completion.
const (
	// CompletionNone: not by us; the outcome comes by itself.
	CompletionNone CompletionKind = ""
	// CompletionLook: the provider knows already, so the authorization is looked up.
	CompletionLook CompletionKind = "look"
	// CompletionSend: the provider must be sent what the shopper brought back, in a
	// request with a key of its own; its answer is that of the authorization. The
	// driver lists MethodComplete among its methods. An authorization that its
	// provider shows as cancelled cannot be completed any more.
	CompletionSend CompletionKind = "send"
)

// KeyScope says within what a provider key is unique.
type KeyScope string

// The key scopes.
const (
	// KeyScopeAccount: a replaced credential of the same account sees the same keys.
	KeyScopeAccount KeyScope = "account"
	// KeyScopeCredential: another credential may not know the key, so a send with
	// it could have a second effect.
	KeyScopeCredential KeyScope = "credential"
)

// Supports reports whether the driver declares the method.
func (t Traits) Supports(m Method) bool { return slices.Contains(t.Methods, m) }

// Finds reports whether the object of a method can be looked up, by the provider's
// id of it if that is not "".
func (t Traits) Finds(m Method, id ProviderReference) bool {
	return t.Query && (id != "" || !slices.Contains(t.QueryNeedsID, m))
}

// Takes reports whether the provider takes the currency.
func (t Traits) Takes(currency string) bool {
	return t.Currencies == nil || slices.Contains(t.Currencies, currency)
}
