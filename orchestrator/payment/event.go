package payment

import "time"

// EventKey names an event of a provider, so that it is taken in once.
type EventKey struct {
	Account AccountName `json:"account"`
	ID      string      `json:"id"` // the provider's; never empty
}

// Event is what a provider told unasked about one of its objects.
type Event struct {
	EventKey

	Time time.Time `json:"time,omitzero"` // when it happened, as the provider says; zero if it does not
	// Method is of the operations that make such objects; "" for an object that none
	// of ours makes, such as a dispute. What is told of another kind of object under
	// an operation's name is not about that operation.
	Method    Method            `json:"method,omitempty"`
	Reference ReferenceID       `json:"reference,omitempty"` // ours, as the provider repeats it
	Parent    ProviderReference `json:"parent,omitempty"`    // the authorization's object, where the event is about another on it
	// Answer is what it says about the object, in the provider's words; its
	// Reference is the object's id. It is judged like the answer to a look-up.
	Answer Answer `json:"answer"`
	// Fenced is set where it tells what became of a cancel by our reference, at a
	// provider that cannot be asked: it is then judged like the object read after a fence.
	Fenced bool `json:"fenced,omitempty"`
	// Cancel is the provider's id of that cancel, where it has one.
	Cancel ProviderReference `json:"cancel,omitempty"`
	// Changed is set where the provider tells only that the object has changed, not
	// how: whatever waits for that is looked up. The answer then names the object, and
	// at most the kind of one that no operation makes.
	Changed bool `json:"changed,omitempty"`
	// Outside is set where the provider documents that money moved without an
	// operation of ours, or that it undid one later.
	Outside *Outside `json:"outside,omitempty"`
}

// OutsideKind says what happened to a payment's money beside our operations.
type OutsideKind string

// The kinds of outside effect.
const (
	// OutsideCapture: captured by somebody else, such as a person at the provider's dashboard.
	OutsideCapture OutsideKind = "capture"
	// OutsideRefund: refunded by somebody else.
	OutsideRefund OutsideKind = "refund"
	// OutsideDispute: taken back by the payer's bank.
	OutsideDispute OutsideKind = "dispute"
	// OutsideCaptureReversal: the provider undid a capture that had succeeded.
	OutsideCaptureReversal OutsideKind = "capture_reversal"
	// OutsideRefundReversal: the provider undid a refund that had succeeded.
	OutsideRefundReversal OutsideKind = "refund_reversal"
	// OutsideVoid: somebody else cancelled what was held. All of the rest ended, whatever its amount.
	OutsideVoid OutsideKind = "void"
	// OutsideExpiry: the provider let the hold lapse, all of the rest.
	OutsideExpiry OutsideKind = "expiry"
)

// Outside is one such effect. The provider's id of its object names it: told
// again, it replaces what was told before.
type Outside struct {
	Object ProviderReference `json:"object"`
	Kind   OutsideKind       `json:"kind"`
	Amount int64             `json:"amount"` // minor units of the payment's currency; 0 takes the effect back
	Time   time.Time         `json:"time"`   // when it happened, else when we heard of it
}
