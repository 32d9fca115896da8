package providertest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/transport"
)

// Webhooks is how a provider tells what happened unasked.
type Webhooks struct {
	// New returns a driver of the account of Config.New, with these webhook secrets; nil
	// where an account does not start with them.
	New func(secrets ...providers.Secret) providers.Driver
	// Secrets are two that the provider could give to that account, and one of
	// another account.
	Secrets [3]providers.Secret
	// Deliver is the delivery of a body as the provider signs it with a secret at a
	// time.
	Deliver func(secret providers.Secret, body []byte, at time.Time) providers.Delivery
	// Tellings are documented deliveries and what they say; at least one has an event,
	// and one a type that the driver has no use for.
	Tellings []Telling
	// Ageless is why a signature tells no time; "" if it does, and is good for five
	// minutes in either direction.
	Ageless string
	// Loose is why not every byte of a body is signed; "" if it is.
	Loose string
}

// Telling is a documented delivery.
type Telling struct {
	Name string
	Body []byte
	Want providers.Told // without accounts, which are the guard's to say
}

func webhookProperties() []property {
	return []property{
		{"a genuine delivery says what is documented", genuine},
		{"a flipped byte of signature or body is a forgery", forged},
		{"what is old, or from the future, is refused", stale},
		{"delivered again it is the same events", replayed},
		{"another account's secret signs nothing here", othersSecret},
		{"two secrets are taken while one replaces the other", rotated},
		{"without secrets, or a signature, nothing is taken", unsigned},
		{"what is signed and makes no sense is malformed", senseless},
		{"no error of the driver tells a secret", keepsSecrets},
	}
}

// told are the webhooks that the provider is declared to send; ok is false, and
// logged, if it sends none.
func (w *world) told() (h Webhooks, ok bool) {
	w.Helper()
	if w.Webhooks == nil {
		w.Log("not shown, since this provider sends no webhooks")
		return Webhooks{}, false
	}
	h = *w.Webhooks
	if !slices.ContainsFunc(h.Tellings, func(t Telling) bool { return len(t.Want.Events) > 0 }) ||
		!slices.ContainsFunc(h.Tellings, func(t Telling) bool { return len(t.Want.Unread) > 0 }) {
		w.Fatal("the config shows no event, or no type without use")
	}
	return h, true
}

// noon is when deliveries come in.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// hears gives a delivery, received at noon, to the account with these secrets.
func (w *world) hears(d providers.Delivery, secrets ...providers.Secret) (providers.Told, error) {
	w.Helper()
	if d.Received.IsZero() {
		d.Received = noon()
	}
	return w.hearing(secrets).Webhook(w.Context(), d)
}

// hearing is the guard of the account with these secrets, made once.
func (w *world) hearing(secrets []providers.Secret) *providers.Guard {
	w.Helper()
	var name string
	for _, s := range secrets {
		name = fmt.Sprintf("%s|%s", name, string(s))
	}
	if g := w.ears[name]; g != nil {
		return g
	}
	g, err := providers.New(providers.Config{
		Name: "main", Driver: w.Webhooks.New(secrets...), BaseURL: w.server.URL, Transport: transport.New(transport.Config{}), WebhookSecrets: secrets,
		Target: payment.Target{Driver: w.traits.Driver, Environment: payment.EnvironmentSandbox, Host: strings.TrimPrefix(w.server.URL, "http://")},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.ears[name] = g
	return g
}

// refuses checks that nothing is taken of a delivery, for one of the reasons.
func (w *world) refuses(what string, d providers.Delivery, secrets []providers.Secret, reasons ...error) {
	w.Helper()
	told, err := w.hears(d, secrets...)
	known := slices.ContainsFunc(reasons, func(r error) bool { return errors.Is(err, r) })
	if !known || len(told.Events) > 0 || len(told.Unread) > 0 {
		w.Errorf("%s: told %+v, error %v; want %v", what, told, err, reasons)
	}
}

// Goal: what the provider tells is read as documented. Method: every telling.
func genuine(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	for _, t := range h.Tellings {
		got, err := w.hears(h.Deliver(h.Secrets[0], t.Body, noon()), h.Secrets[0])
		want := t.Want
		want.Events = slices.Clone(want.Events)
		for i := range want.Events {
			e := &want.Events[i]
			e.Account, e.Answer.Transport, e.Answer.HTTPStatus = "main", payment.TransportAnswered, http.StatusOK
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			w.Errorf("%s: %v (-want +got):\n%s", t.Name, err, diff)
		}
	}
}

// Goal: nothing can be changed on the way. Method: every byte of every telling's body
// and signature with its lowest bit flipped, and every signature cut short.
func forged(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	for _, t := range h.Tellings {
		whole := h.Deliver(h.Secrets[0], t.Body, noon())
		for i := range t.Body {
			if h.Loose != "" {
				w.Logf("not shown of bodies: %s", h.Loose)
				break
			}
			d := whole
			d.Body = bytes.Clone(t.Body)
			d.Body[i] ^= 1
			w.refuses(fmt.Sprintf("%s: byte %d of the body", t.Name, i), d, h.Secrets[:1], providers.ErrForged)
		}
		for name, values := range whole.Header {
			if !strings.Contains(name, "Signature") {
				continue
			}
			for i := range values[0] {
				changed := []byte(values[0])
				changed[i] ^= 1
				for _, v := range []string{string(changed), values[0][:i]} {
					d := whole
					d.Header = http.Header{name: {v}}
					w.refuses(fmt.Sprintf("%s: %s %q", t.Name, name, v), d, h.Secrets[:1], providers.ErrForged)
				}
			}
		}
	}
}

// Goal: what was recorded and is sent again later changes nothing. Method: signatures
// from either side of both bounds.
func stale(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	if h.Ageless != "" {
		w.Logf("not shown: %s", h.Ageless)
		return
	}
	t := h.Tellings[0]
	for _, age := range []time.Duration{-5 * time.Minute, -time.Minute, 0, 5 * time.Minute} {
		if _, err := w.hears(h.Deliver(h.Secrets[0], t.Body, noon().Add(-age)), h.Secrets[0]); err != nil {
			w.Errorf("signed %s before it came: %v", age, err)
		}
	}
	for _, age := range []time.Duration{-10 * 365 * 24 * time.Hour, -5*time.Minute - time.Second, 5*time.Minute + time.Second, 10 * 365 * 24 * time.Hour} {
		w.refuses(fmt.Sprintf("signed %s before it came", age), h.Deliver(h.Secrets[0], t.Body, noon().Add(-age)), h.Secrets[:1], providers.ErrStale)
	}
}

// Goal: a redelivery is known as one. Method: each telling, signed anew by the other
// secret a minute later.
//
// Shows R36.
func replayed(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	ids := map[string]string{}
	for _, t := range h.Tellings {
		first, err := w.hears(h.Deliver(h.Secrets[0], t.Body, noon()), h.Secrets[:2]...)
		again, second := w.hears(h.Deliver(h.Secrets[1], t.Body, noon().Add(time.Minute)), h.Secrets[:2]...)
		if diff := cmp.Diff(first, again); diff != "" || err != nil || second != nil {
			w.Errorf("%s: %v, %v (-first +again):\n%s", t.Name, err, second, diff)
		}
		for _, e := range first.Events {
			if other, taken := ids[e.ID]; taken {
				w.Errorf("%s and %s tell an event of one id, %s", t.Name, other, e.ID)
			}
			ids[e.ID] = t.Name
		}
	}
}

// Goal: who can sign for another account cannot for this one.
func othersSecret(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	for _, t := range h.Tellings {
		w.refuses(t.Name, h.Deliver(h.Secrets[2], t.Body, noon()), h.Secrets[:2], providers.ErrForged)
		w.refuses(t.Name+", by the old secret once it is gone", h.Deliver(h.Secrets[0], t.Body, noon()), h.Secrets[1:2], providers.ErrForged)
	}
}

// Goal: no delivery is refused while a secret is replaced. Method: signed by either,
// with the secrets in either order.
func rotated(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	for _, t := range h.Tellings {
		for _, order := range [][]providers.Secret{{h.Secrets[0], h.Secrets[1]}, {h.Secrets[1], h.Secrets[0]}} {
			for _, by := range h.Secrets[:2] {
				if _, err := w.hears(h.Deliver(by, t.Body, noon()), order...); err != nil {
					w.Errorf("%s: %v", t.Name, err)
				}
			}
		}
	}
}

// Goal: what nobody vouches for is not even read. Method: the same delivery without
// its signature, with an empty one, with two; and to an account without secrets, or
// with an empty one.
func unsigned(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	t := h.Tellings[0]
	whole := h.Deliver(h.Secrets[0], t.Body, noon())
	w.refuses("no secrets", whole, nil, providers.ErrUnsupported)
	if h.New("") != nil { // else no account starts with one
		w.refuses("an empty secret", h.Deliver("", t.Body, noon()), []providers.Secret{""}, providers.ErrForged)
	}
	bare := whole
	bare.Header = nil
	if h.Loose == "" {
		w.refuses("no signature", bare, h.Secrets[:1], providers.ErrForged)
	}
	for name, values := range whole.Header {
		for what, v := range map[string][]string{"empty": {""}, "two": {values[0], values[0]}, "other first": {"x", values[0]}} {
			if bare.Header = (http.Header{name: v}); strings.Contains(name, "Signature") {
				w.refuses(what, bare, h.Secrets[:1], providers.ErrForged)
			}
		}
	}
}

// Goal: what is no event is no news, though it is signed, and breaks nothing. Method:
// every telling cut at each byte, and bodies of other kinds, signed and not.
func senseless(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	bodies := map[string][]byte{
		"nothing": nil, "null": []byte("null"), "a list": []byte("[]"), "an empty object": []byte("{}"), "a number": []byte("7"),
		"HTML": []byte("<html><body>It works!</body></html>"), "2 MiB": bytes.Repeat([]byte("x"), 2<<20),
		"deep": bytes.Repeat([]byte("["), 1<<17), "no UTF-8": {0xff, 0xfe, 0},
	}
	for _, t := range h.Tellings {
		for i := range t.Body {
			bodies[fmt.Sprintf("%s, %d bytes of it", t.Name, i)] = t.Body[:i]
		}
	}
	for what, body := range bodies {
		w.refuses(what, h.Deliver(h.Secrets[0], body, noon()), h.Secrets[:1], providers.ErrMalformed, providers.ErrForged)
		w.refuses(what+", signed by another", h.Deliver(h.Secrets[2], body, noon()), h.Secrets[:1], providers.ErrForged, providers.ErrMalformed)
	}
}

// Goal: whoever logs the driver's own errors shows no secret. Method: a refusal of
// every kind, of the driver itself, since the guard would blank them.
func keepsSecrets(w *world) {
	h, ok := w.told()
	if !ok {
		return
	}
	body := h.Tellings[0].Body
	for what, d := range map[string]providers.Delivery{
		"another's": h.Deliver(h.Secrets[2], body, noon()), "old": h.Deliver(h.Secrets[0], body, noon().Add(-time.Hour)),
		"cut": h.Deliver(h.Secrets[0], body[:len(body)/2], noon()), "bare": {Method: http.MethodPost, Body: body},
		"quoting": h.Deliver(h.Secrets[0], []byte(h.Secrets[0]), noon()),
	} {
		d.Received = noon()
		_, err := h.New(h.Secrets[:2]...).Webhook(w.Context(), d)
		if err == nil && (what != "old" || h.Ageless == "") {
			w.Errorf("%s: it is taken", what)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			for _, s := range h.Secrets {
				if strings.Contains(err.Error(), string(s)) {
					w.Errorf("%s: an error tells a webhook secret", what)
				}
			}
		}
	}
}

// FuzzWebhook feeds a driver deliveries that no provider should send, signed and
// not. It never panics, reads the same twice, tells nothing that is not signed. The seeds
// are the Config's tellings.
func FuzzWebhook(f *testing.F, c Config) {
	f.Helper()
	h := c.Webhooks
	if h == nil {
		f.Fatal("the config has no webhooks")
	}
	for _, t := range h.Tellings {
		f.Add(t.Body, "", true)
		f.Add(t.Body, fmt.Sprint(h.Deliver(h.Secrets[0], t.Body, noon()).Header), false)
	}
	d := h.New(h.Secrets[0])
	f.Fuzz(func(t *testing.T, body []byte, signature string, signed bool) {
		in := h.Deliver(h.Secrets[0], body, noon())
		in.Received = noon()
		if !signed {
			for name := range in.Header {
				in.Header[name] = []string{signature}
			}
		}
		told, err := d.Webhook(t.Context(), in)
		again, twice := d.Webhook(t.Context(), in)
		if diff := cmp.Diff(told, again); diff != "" || (err == nil) != (twice == nil) {
			t.Errorf("read twice, differently: %v, %v\n%s", err, twice, diff)
		}
		if err != nil && len(told.Events)+len(told.Unread) > 0 {
			t.Errorf("told with error %v: %+v", err, told)
		}
		if !signed && err == nil && h.Loose == "" && !strings.Contains(fmt.Sprint(h.Deliver(h.Secrets[0], body, noon()).Header), signature) {
			t.Errorf("told without a signature: %+v", told)
		}
	})
}
