package payment

import (
	"encoding/json"
	"time"
)

// Evidence is what an answer proves about the effect of an attempt. Whatever
// is not listed in the mapping table proves nothing: EvidenceUnknown.
type Evidence string

// The five kinds of evidence. The empty value means that no answer is in yet.
const (
	// EvidenceEffect: the provider shows the effect, with its own id for it.
	EvidenceEffect Evidence = "effect"
	// EvidencePending: accepted; a webhook or a query brings the outcome.
	EvidencePending Evidence = "pending"
	// EvidenceNoEffectSticky: no effect, and the provider stored that answer under
	// our key, so no later copy of the request can have one.
	EvidenceNoEffectSticky Evidence = "no_effect_sticky"
	// EvidenceNoEffectNotSticky: this send had no effect; another copy of it might.
	EvidenceNoEffectNotSticky Evidence = "no_effect_not_sticky"
	// EvidenceUnknown: nobody can tell. Never treated as failed, never failed over.
	EvidenceUnknown Evidence = "unknown"
)

// Category is the family of an answer: what callers and people are told.
// It never decides about money; evidence does.
type Category string

// The categories of the mapping table.
const (
	CategoryOK             Category = "ok"
	CategoryInFlight       Category = "in_flight"
	CategoryTransientSafe  Category = "transient_safe"
	CategoryAmbiguous      Category = "ambiguous"
	CategoryRateLimited    Category = "rate_limited"
	CategorySoftDecline    Category = "soft_decline"
	CategoryHardDecline    Category = "hard_decline"
	CategoryAuthnRequired  Category = "authn_required"
	CategoryBadData        Category = "bad_data"
	CategoryInvalidRequest Category = "invalid_request"
	CategoryAuthConfig     Category = "auth_config"
	CategoryKeyReused      Category = "key_reused"
	CategoryStateConflict  Category = "state_conflict"
	CategoryProviderError  Category = "provider_error"
)

// Decline reports whether the category is somebody's "no" to this payment, as
// opposed to a fault of ours or of the provider.
func (c Category) Decline() bool {
	switch c {
	case CategorySoftDecline, CategoryHardDecline, CategoryAuthnRequired, CategoryBadData:
		return true
	case CategoryOK, CategoryInFlight, CategoryTransientSafe, CategoryAmbiguous, CategoryRateLimited,
		CategoryInvalidRequest, CategoryAuthConfig, CategoryKeyReused, CategoryStateConflict, CategoryProviderError:
		return false
	}
	return false
}

// Resend says whether the same bytes may go out again under the same key.
type Resend string

// The resend rules of the mapping table.
const (
	ResendNever Resend = "never"
	// ResendAfterTokenRefresh: once, after the access token was renewed.
	ResendAfterTokenRefresh Resend = "token_refresh"
	// ResendImmediate: once without a wait, then with backoff.
	ResendImmediate Resend = "immediate"
	ResendBackoff   Resend = "backoff"
)

// Hint is a provider's own word on whether to send again (Stripe-Should-Retry,
// Transient-Error, Tl-Should-Retry). It bears on resending only, never on evidence.
type Hint string

// The hints.
const (
	HintNone  Hint = ""
	HintRetry Hint = "retry"
	// HintLater: not by whoever got this answer. A look that comes later may send again.
	HintLater Hint = "later"
	// HintStop: never again. A copy would bring the same answer, or not be known as one.
	HintStop Hint = "stop"
)

// Transport says how far an exchange got. Only TransportAnswered carries a
// provider's words; of the rest, only TransportNeverSent, TransportUntrusted
// and TransportRefusedStream prove that the provider did not act.
type Transport string

// The classes of transport outcome.
const (
	// TransportAnswered: a complete HTTP response was read.
	TransportAnswered Transport = "answered"
	// TransportNeverSent: no connection was obtained (DNS, dial, handshake), so not
	// a byte of the request left.
	TransportNeverSent Transport = "never_sent"
	// TransportUntrusted: as TransportNeverSent, since whoever answered did not show,
	// by TLS, that it is the provider.
	TransportUntrusted Transport = "untrusted"
	// TransportRefusedStream: the HTTP/2 server refused the stream unprocessed.
	TransportRefusedStream Transport = "refused_stream"
	// TransportTimeout: a connection was obtained and time ran out.
	TransportTimeout Transport = "timeout"
	// TransportBroken: a connection was obtained and reset, closed or cut.
	TransportBroken Transport = "broken"
	// TransportOversized: the response exceeded the cap; its content is not known.
	TransportOversized Transport = "oversized"
)

// Unsent reports whether not a byte of a request left.
func (t Transport) Unsent() bool { return t == TransportNeverSent || t == TransportUntrusted }

// Answer is what a provider said to one send, in the provider's words. Drivers
// return it; the mapping table judges it. Anything a driver could not read
// stays empty, which the table maps to unknown.
type Answer struct {
	Transport  Transport `json:"transport"`
	HTTPStatus int       `json:"http_status,omitempty"` // 0 unless TransportAnswered
	Code       string    `json:"code,omitempty"`        // the provider's code or object status, as the table spells it
	Decline    string    `json:"decline,omitempty"`     // finer decline code, where the provider has one
	Hint       Hint      `json:"hint,omitempty"`

	Reference   ProviderReference `json:"reference,omitempty"` // the provider's id of the object
	OurEcho     ReferenceID       `json:"our_echo,omitempty"`  // our reference as the provider repeated it; "" if it does not
	Amount      *Money            `json:"amount,omitempty"`    // what the provider applied; nil if it does not say
	Captured    bool              `json:"captured,omitempty"`  // the applied amount is captured, not only held
	NextAction  *NextAction       `json:"next_action,omitempty"`
	ExpireTime  time.Time         `json:"expire_time,omitzero"`   // until when a hold lasts; zero if not said
	Message     string            `json:"message,omitempty"`      // the provider's words for people; never card data
	RequestID   string            `json:"request_id,omitempty"`   // the provider's id of this exchange, for its support desk
	RetryAfter  time.Duration     `json:"retry_after,omitempty"`  // nanoseconds
	ObjectFound bool              `json:"object_found,omitempty"` // a look-up found our object
}

// Verdict is what the mapping table makes of an Answer.
type Verdict struct {
	Row      string // id of the table's row
	Evidence Evidence
	Category Category
	Resend   Resend
	Failover bool // the row allows another account, provided the evidence closes the attempt
	Alert    bool
}

// NextAction is what the shopper must do before the payment can go on.
type NextAction struct {
	RedirectURL    string            `json:"redirect_url,omitempty"`
	RedirectMethod string            `json:"redirect_method,omitempty"`
	RedirectForm   map[string]string `json:"redirect_form,omitempty"`
	ProviderSDK    json.RawMessage   `json:"provider_sdk,omitempty"`
}
