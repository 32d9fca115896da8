package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// tolerance is how far the time of a signature may be from when the delivery came.
// Stripe signs each delivery anew, so an older one was recorded and sent again.
const tolerance = 5 * time.Minute // docs.stripe.com/webhooks, stripe-go webhook.DefaultTolerance

// Webhook implements providers.Driver. A delivery holds one event; of an intent
// that was captured by hand it tells what became of the capture, else of the
// authorization.
//
// What says no more than another event does, and what gives only a charge's
// totals, is not read: evidence for a refund is the refund itself. So the endpoint
// has to be subscribed to payment_intent.*, refund.* and charge.dispute.*.
func (d *Driver) Webhook(_ context.Context, in providers.Delivery) (providers.Told, error) {
	if len(d.cfg.WebhookSecrets) == 0 {
		return providers.Told{}, fmt.Errorf("%w: no webhook secret", providers.ErrUnsupported)
	}
	if err := d.verify(in); err != nil {
		return providers.Told{}, err
	}
	var e stripego.Event
	if json.Unmarshal(in.Body, &e) != nil || e.Object != "event" || e.ID == "" || e.Type == "" || e.Data == nil {
		return providers.Told{}, fmt.Errorf("%w: it is no event", providers.ErrMalformed)
	}
	if e.Account != d.cfg.ConnectedAccount {
		// All accounts that a platform acts for share the endpoint's secret.
		return providers.Told{Unread: []string{string(e.Type) + " of another account"}}, nil
	}
	event, read, err := about(e)
	if err != nil {
		return providers.Told{}, err
	}
	if !read {
		return providers.Told{Unread: []string{string(e.Type)}}, nil
	}
	event.ID, event.Time = e.ID, time.Unix(e.Created, 0).UTC()
	return providers.Told{Events: []payment.Event{event}}, nil
}

// verify checks that one of the secrets signed the body, and when.
func (d *Driver) verify(in providers.Delivery) error {
	values := in.Header.Values("Stripe-Signature")
	if len(values) != 1 {
		return fmt.Errorf("%w: %d headers Stripe-Signature", providers.ErrForged, len(values))
	}
	signed := slices.ContainsFunc(d.cfg.WebhookSecrets, func(s providers.Secret) bool {
		// Its own check of the time would read the clock.
		return s != "" && webhook.ValidatePayloadIgnoringTolerance(in.Body, values[0], string(s)) == nil
	})
	if !signed {
		return fmt.Errorf("%w: no secret of the account signed it", providers.ErrForged)
	}
	at, err := signedAt(values[0])
	if err != nil {
		return fmt.Errorf("%w: %w", providers.ErrForged, err)
	}
	if age := in.Received.Sub(at); age > tolerance || age < -tolerance {
		return fmt.Errorf("%w: signed %s before it came", providers.ErrStale, age.Round(time.Second))
	}
	return nil
}

// signedAt is the time that the signature covers: the last one of the header, as in
// stripe-go, which has verified it.
func signedAt(header string) (time.Time, error) {
	at := time.Time{}
	for pair := range strings.SplitSeq(header, ",") {
		text, ok := strings.CutPrefix(pair, "t=")
		if !ok {
			continue
		}
		unix, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, errors.New("its time is no number")
		}
		at = time.Unix(unix, 0)
	}
	if at.IsZero() {
		return time.Time{}, errors.New("it has no time")
	}
	return at, nil
}
