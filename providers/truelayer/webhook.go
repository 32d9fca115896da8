package truelayer

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

const (
	// oldest is how old a webhook may be: TrueLayer delivers it again for 72 hours, and
	// does not say with which time. A further delivery is known by its id.
	oldest = 4 * 24 * time.Hour
	// ahead is how much later than ours TrueLayer's clock may be.
	ahead = 5 * time.Minute
)

// timestamp is the header that says when a webhook was sent, and is signed.
const timestamp = "X-Tl-Webhook-Timestamp"

// notification is what a webhook says.
type notification struct {
	Type          string            `json:"type"`
	EventID       string            `json:"event_id"`
	PaymentID     string            `json:"payment_id"`
	RefundID      string            `json:"refund_id"`
	FailureReason string            `json:"failure_reason"`
	AuthorizedAt  string            `json:"authorized_at"`
	ExecutedAt    string            `json:"executed_at"`
	SettledAt     string            `json:"settled_at"`
	FailedAt      string            `json:"failed_at"`
	Metadata      map[string]string `json:"metadata"`
}

// Webhook reads a webhook. It is signed with one of the keys that TrueLayer publishes
// for the account's environment, over one of the account's paths.
//
// An event names its object by TrueLayer's id alone. TrueLayer signs for all its
// clients with the same keys, and metadata are what a client likes: our reference in
// them does not make a payment ours. The id that the answer to our own request gave
// does; an event that is faster than that answer waits for it.
//
// Errors: ErrUnsupported if the account has no path or nothing fetches keys;
// ErrForged, ErrStale and ErrMalformed. Anything else means that the keys could not
// be had: the delivery may be genuine, and is to come again.
func (d *Driver) Webhook(ctx context.Context, in providers.Delivery) (providers.Told, error) {
	if len(d.cfg.WebhookPaths) == 0 || d.cfg.Fetch == nil {
		return providers.Told{}, fmt.Errorf("%w: no path, or nothing that fetches keys", providers.ErrUnsupported)
	}
	if err := d.genuine(ctx, in); err != nil {
		return providers.Told{}, err
	}
	sent, err := time.Parse(time.RFC3339, in.Header.Get(timestamp))
	switch {
	case err != nil:
		return providers.Told{}, fmt.Errorf("%w: it has no time", providers.ErrMalformed)
	case in.Received.Sub(sent) > oldest, sent.Sub(in.Received) > ahead:
		return providers.Told{}, fmt.Errorf("%w: TrueLayer gives up before, or has not sent it yet", providers.ErrStale)
	}
	var n notification
	if json.Unmarshal(in.Body, &n) != nil || n.Type == "" || n.EventID == "" {
		return providers.Told{}, fmt.Errorf("%w: it has no type or no id", providers.ErrMalformed)
	}
	e, read := n.event()
	switch {
	case !read:
		return providers.Told{Unread: []string{n.Type}}, nil
	case len(n.Metadata) > 0 && n.Metadata[metaReference] == "": // every object of ours has one
		return providers.Told{Unread: []string{n.Type + " of something else"}}, nil
	case e.Answer.Reference == "":
		return providers.Told{}, fmt.Errorf("%w: it names no object", providers.ErrMalformed)
	}
	return providers.Told{Events: []payment.Event{e}}, nil
}

// event is what a notification tells; read is false if nothing here has a use for it.
func (n notification) event() (e payment.Event, read bool) {
	e.ID = n.EventID
	e.Time, _ = time.Parse(time.RFC3339, cmp.Or(n.AuthorizedAt, n.ExecutedAt, n.SettledAt, n.FailedAt)) // zero if there is none
	of, status, _ := strings.Cut(n.Type, "_")
	e.Answer = payment.Answer{Code: of + "." + status, ObjectFound: true}
	if status == statusFailed {
		e.Answer.Decline = n.FailureReason
	}
	switch n.Type {
	case "payment_authorized", "payment_executed", "payment_failed":
	case "payment_settled":
		e.Answer.Captured = true
	case "refund_executed", "refund_failed":
		e.Method, e.Answer.Reference, e.Parent = payment.MethodRefund, payment.ProviderReference(n.RefundID), payment.ProviderReference(n.PaymentID)
		return e, true
	default:
		return e, false
	}
	e.Method, e.Answer.Reference = payment.MethodAuthorize, payment.ProviderReference(n.PaymentID)
	return e, true
}

// genuine checks the signature of a delivery. Keys are fetched from TrueLayer's own
// address of the account's environment and from nowhere else, whatever the delivery
// says.
func (d *Driver) genuine(ctx context.Context, in providers.Delivery) error {
	values := in.Header.Values("Tl-Signature")
	if len(values) != 1 {
		return fmt.Errorf("%w: it has no signature, or several", providers.ErrForged)
	}
	header, rest, _ := strings.Cut(values[0], "..")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(header)
	signature, other := base64.RawURLEncoding.Strict().DecodeString(rest)
	var j jwsHeader
	if err != nil || other != nil || json.Unmarshal(raw, &j) != nil {
		return fmt.Errorf("%w: its signature has no form", providers.ErrForged)
	}
	names := strings.Split(j.Headers, ",")
	dated := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, timestamp) })
	for _, name := range names {
		dated = dated && len(in.Header.Values(name)) == 1
	}
	keys := "https://" + KeyHost(d.cfg.Live) + "/.well-known/jwks"
	if j.Algorithm != "ES512" || j.Version != version || j.KeySet != keys || !dated {
		return fmt.Errorf("%w: its signature is of another kind, or leaves out when it was sent", providers.ErrForged)
	}
	published, err := d.cfg.Fetch(ctx, keys)
	if err != nil {
		return fmt.Errorf("fetch the keys of webhooks: %w", err)
	}
	key := published512(published, j.KeyID)
	for _, path := range d.cfg.WebhookPaths {
		// As TrueLayer's own libraries do, a slash at the end makes no difference.
		bare := strings.TrimSuffix(string(path), "/")
		for _, path := range []string{bare, bare + "/"} {
			if bare != "" && key != nil && verified(key, digestOf(header, payload(in.Method, path, names, in.Header, in.Body)), signature) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: the signature is not of this delivery", providers.ErrForged)
}

// published512 is the key of an id in a JSON Web Key Set; nil if there is none of
// P-521. A coordinate may lack zeros at its front.
func published512(set []byte, id string) *ecdsa.PublicKey {
	var published struct {
		Keys []struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			ID    string `json:"kid"`
			X     string `json:"x"`
			Y     string `json:"y"`
		} `json:"keys"`
	}
	if json.Unmarshal(set, &published) != nil {
		return nil
	}
	for _, k := range published.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		y, other := base64.RawURLEncoding.DecodeString(k.Y)
		if k.ID != id || k.Type != "EC" || k.Curve != "P-521" || err != nil || other != nil || len(x) > coordinate || len(y) > coordinate {
			continue
		}
		point := make([]byte, 1+2*coordinate)
		point[0] = 4 // uncompressed, SEC 1 section 2.3.3
		copy(point[1+coordinate-len(x):], x)
		copy(point[1+2*coordinate-len(y):], y)
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P521(), point)
		if err == nil {
			return key
		}
	}
	return nil
}
