package providertest_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// plain shows secrets, as a careless driver would.
func plain(secrets []providers.Secret) (all []string) {
	for _, s := range secrets {
		all = append(all, string(s))
	}
	return all
}

// hears changes what is made of a delivery.
func hears(how func(d *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error)) func(*broken) {
	return func(d *broken) {
		whole := d.webhook
		d.webhook = func(in providers.Delivery) (providers.Told, error) { return how(d, in, whole) }
	}
}

// excuses reads a delivery that is refused in one way all the same.
func excuses(reason error, when func(providers.Delivery) bool) func(*broken) {
	return hears(func(_ *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
		told, err := hear(in)
		if errors.Is(err, reason) && when(in) {
			return believed(in.Body), nil
		}
		return told, err
	})
}

// believed is what a body says to those who do not verify it: one type without use.
func believed(body []byte) providers.Told {
	return providers.Told{Unread: []string{fmt.Sprintf("%d bytes", len(body))}}
}

func webhookMutants(count *atomic.Int64) []mutant {
	always := func(providers.Delivery) bool { return true }
	return []mutant{
		{"an event is lost", "webhook/a genuine delivery says what is documented", hears(func(_ *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
			told, err := hear(in)
			told.Events = nil
			return told, err
		})},
		{"a body is read before it is verified", "webhook/a flipped byte of signature or body is a forgery", excuses(providers.ErrForged, func(in providers.Delivery) bool {
			return bytes.Contains(in.Body, []byte(`"object":"event"`)) && in.Header.Get("Stripe-Signature") != ""
		})},
		{"time is not looked at", "webhook/what is old, or from the future, is refused", excuses(providers.ErrStale, always)},
		{"the future is let in", "webhook/what is old, or from the future, is refused", excuses(providers.ErrStale, func(in providers.Delivery) bool {
			at := strings.TrimPrefix(strings.Split(in.Header.Get("Stripe-Signature"), ",")[0], "t=")
			return at > fmt.Sprint(in.Received.Unix())
		})},
		{"each delivery has ids of its own", "webhook/delivered again it is the same events", hears(func(_ *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
			told, err := hear(in)
			for i := range told.Events {
				told.Events[i].ID += fmt.Sprint(count.Add(1))
			}
			return told, err
		})},
		{"another account's secret signs too", "webhook/another account's secret signs nothing here", hears(func(_ *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
			other := stripetest.Webhooks().Secrets[2]
			if in.Header.Get("Stripe-Signature") == stripetest.Signature(other, in.Body, in.Received) {
				return believed(in.Body), nil
			}
			return hear(in)
		})},
		{"one secret is taken", "webhook/two secrets are taken while one replaces the other", hears(func(d *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
			first, _, _ := strings.Cut(strings.Trim(string(d.credential), `[]"`), `"`)
			if in.Header.Get("Stripe-Signature") != stripetest.Signature(providers.Secret(first), in.Body, in.Received) {
				return providers.Told{}, providers.ErrForged
			}
			return hear(in)
		})},
		{"what is not signed is let in", "webhook/without secrets, or a signature, nothing is taken", excuses(providers.ErrForged, func(in providers.Delivery) bool { return in.Header == nil })},
		{"what is cut is read by its beginning", "webhook/what is signed and makes no sense is malformed", excuses(providers.ErrMalformed, func(in providers.Delivery) bool { return len(in.Body) > 100 })},
		{"nothing makes the driver panic", "webhook/what is signed and makes no sense is malformed", hears(func(_ *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
			if len(in.Body) == 0 {
				panic("nothing")
			}
			return hear(in)
		})},
		{"an error tells a secret", "webhook/no error of the driver tells a secret", hears(func(d *broken, in providers.Delivery, hear func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
			told, err := hear(in)
			if err != nil {
				return told, fmt.Errorf("%w: with %s it is not right", err, string(d.credential))
			}
			return told, err
		})},
	}
}
