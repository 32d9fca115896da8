package providers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

const plantedSecret = "whsec_PLANTED4111111111111111SECRET"

func (d scripted) Webhook(_ context.Context, in providers.Delivery) (providers.Told, error) {
	if d.webhook != nil {
		return d.webhook(in)
	}
	return providers.Told{}, providers.ErrUnsupported
}

// delivered gives a delivery to a guard whose driver says what a test says.
func delivered(t *testing.T, says func(providers.Delivery) (providers.Told, error)) (providers.Told, error) {
	t.Helper()
	b := newBench(t, scripted{webhook: says}, nil, func(c *providers.Config) { c.WebhookSecrets = []providers.Secret{plantedSecret} })
	return b.Webhook(context.Background(), providers.Delivery{
		Method: http.MethodPost, Path: "/webhooks/main", Header: http.Header{"Some-Signature": {"t=1,v1=PLANTEDSIGNATURE"}},
		Body: []byte("PLANTEDBODY"), Received: time.Unix(1, 0),
	})
}

// fit is an event that makes sense.
func fit(change func(*payment.Event)) payment.Event {
	e := payment.Event{
		EventKey: payment.EventKey{Account: "somebody else's", ID: "evt_1"}, Method: payment.MethodAuthorize, Reference: "OURS",
		Answer: payment.Answer{Code: "authorized", Reference: "obj_1", Message: "by " + plantedSecret, RequestID: "a b", HTTPStatus: 500, NextAction: &payment.NextAction{RedirectURL: "https://bank.example"}},
	}
	change(&e)
	return e
}

// Goal: events are the account's whatever the driver says, and carry nothing on that
// is secret, a shopper's or no word of the provider's. Method: a driver that says
// too much.
func TestWebhookIsNotBelieved(t *testing.T) {
	told, err := delivered(t, func(providers.Delivery) (providers.Told, error) {
		return providers.Told{
			Events: []payment.Event{fit(func(*payment.Event) {})}, Forged: 2,
			Unread: []string{"of " + plantedSecret, strings.Repeat("long", 100), "line\nbreak"},
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := providers.Told{
		Events: []payment.Event{{
			EventKey: payment.EventKey{Account: "main", ID: "evt_1"}, Method: payment.MethodAuthorize, Reference: "OURS",
			Answer: payment.Answer{Code: "authorized", Reference: "obj_1", Message: "by [redacted]", Transport: payment.TransportAnswered, HTTPStatus: 200},
		}},
		Forged: 2, Unread: []string{"of [redacted]", strings.Repeat("long", 25), "line break"},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Goal: an event that cannot be told from others, or makes no sense, is not given on, and is not dropped in silence either: the whole delivery is malformed. Method:
// each defect, beside an event that is fit.
func TestWebhookRefusesWhatMakesNoSense(t *testing.T) {
	outside := func(m payment.Method, o payment.Outside) func(*payment.Event) {
		return func(e *payment.Event) { e.Method, e.Outside = m, &o }
	}
	for name, change := range map[string]func(*payment.Event){
		"no id":                     func(e *payment.Event) { e.ID = "" },
		"a long id":                 func(e *payment.Event) { e.ID = strings.Repeat("x", 256) },
		"an id with a line break":   func(e *payment.Event) { e.ID = "a\nb" },
		"the id of another":         func(e *payment.Event) { e.ID = "evt_1" },
		"no method, nothing beside": func(e *payment.Event) { e.Method = "" },
		"an undeclared method":      func(e *payment.Event) { e.Method = payment.MethodVoid },
		"a long reference":          func(e *payment.Event) { e.Answer.Reference = payment.ProviderReference(strings.Repeat("x", 129)) },
		"a strange reference":       func(e *payment.Event) { e.Reference = "a b" },
		"a strange parent":          func(e *payment.Event) { e.Parent = "a/b" },
		"a card number for a code":  func(e *payment.Event) { e.Answer.Code = "4111111111111111" },
		"a decline without a code":  func(e *payment.Event) { e.Answer.Code, e.Answer.Decline = "", "lost" },
		"a secret for a code":       func(e *payment.Event) { e.Answer.Code = "PLANTEDSIGNATURE" },
		"a secret for an id":        func(e *payment.Event) { e.ID = plantedSecret },
		"changed, and how":          func(e *payment.Event) { e.Changed = true },
		"changed, but not what":     func(e *payment.Event) { e.Changed, e.Answer = true, payment.Answer{} },
		"changed, and of no kind": func(e *payment.Event) {
			e.Changed, e.Method, e.Answer = true, "", payment.Answer{Reference: "obj_2"}
		},
		"changed, and how much": func(e *payment.Event) {
			e.Changed, e.Answer = true, payment.Answer{Reference: "obj_2", Amount: &payment.Money{MinorUnits: 1, CurrencyCode: "EUR"}}
		},
		"changed, and outside": func(e *payment.Event) {
			e.Changed, e.Method, e.Answer = true, "", payment.Answer{Reference: "obj_2", Code: "dispute"}
			e.Outside = &payment.Outside{Object: "x", Kind: payment.OutsideDispute, Amount: 1}
		},
		"outside without a name":    outside("", payment.Outside{Kind: payment.OutsideDispute, Amount: 1}),
		"outside of no known kind":  outside("", payment.Outside{Object: "x", Kind: "payout", Amount: 1}),
		"outside, less than none":   outside("", payment.Outside{Object: "x", Kind: payment.OutsideDispute, Amount: -1}),
		"a dispute of an operation": outside(payment.MethodAuthorize, payment.Outside{Object: "x", Kind: payment.OutsideDispute, Amount: 1}),
		"a refund that authorizes":  outside(payment.MethodAuthorize, payment.Outside{Object: "x", Kind: payment.OutsideRefund, Amount: 1}),
		"a strange object outside":  outside("", payment.Outside{Object: "x y", Kind: payment.OutsideDispute, Amount: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			other := fit(func(e *payment.Event) { e.ID = "evt_2" })
			change(&other)
			told, err := delivered(t, func(providers.Delivery) (providers.Told, error) {
				return providers.Told{Events: []payment.Event{fit(func(*payment.Event) {}), other}}, nil
			})
			if !errors.Is(err, providers.ErrMalformed) || len(told.Events) > 0 {
				t.Errorf("told %+v, %v", told, err)
			}
		})
	}
	told, err := delivered(t, func(providers.Delivery) (providers.Told, error) { // somebody else's at the same merchant
		return providers.Told{Events: []payment.Event{fit(func(*payment.Event) {}), fit(func(e *payment.Event) { e.ID, e.Reference, e.Answer.Reference = "evt_2", "", "" })}}, nil
	})
	if err != nil || len(told.Events) != 1 || len(told.Unread) != 1 {
		t.Errorf("beside one about nothing: %+v, %v", told, err)
	}
}

// Goal: a dispute, which no operation of ours makes, is fit.
func TestWebhookGivesOnWhatMovedOutside(t *testing.T) {
	told, err := delivered(t, func(providers.Delivery) (providers.Told, error) {
		return providers.Told{Events: []payment.Event{fit(func(e *payment.Event) {
			e.Method, e.Outside = "", &payment.Outside{Object: "dp_1", Kind: payment.OutsideDispute, Amount: 7}
		})}}, nil
	})
	if err != nil || len(told.Events) != 1 || told.Events[0].Outside.Amount != 7 {
		t.Errorf("told %+v, %v", told, err)
	}
}

// Goal: a driver's error keeps its meaning and loses every secret, and a panic is an
// error like another. Method: errors that quote all that there is to quote.
func TestWebhookErrorsTellNoSecret(t *testing.T) {
	quote := plantedSecret + " PLANTEDSIGNATURE"
	for name, c := range map[string]struct {
		says func() error
		want error
	}{
		"forged":      {func() error { return fmt.Errorf("%w: %s", providers.ErrForged, quote) }, providers.ErrForged},
		"stale":       {func() error { return fmt.Errorf("%s: %w", quote, providers.ErrStale) }, providers.ErrStale},
		"malformed":   {func() error { return fmt.Errorf("%w: %s", providers.ErrMalformed, quote) }, providers.ErrMalformed},
		"unsupported": {func() error { return fmt.Errorf("%w: %s", providers.ErrUnsupported, quote) }, providers.ErrUnsupported},
		"a bug":       {func() error { return errors.New(quote) }, nil},
		"a panic":     {func() error { panic(quote) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			told, err := delivered(t, func(providers.Delivery) (providers.Told, error) {
				return providers.Told{Events: []payment.Event{fit(func(*payment.Event) {})}}, c.says()
			})
			if err == nil || (c.want != nil && !errors.Is(err, c.want)) || len(told.Events) > 0 {
				t.Fatalf("told %+v, %v; want %v", told, err, c.want)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), "PLANTED") || strings.Contains(e.Error(), "SECRET") {
					t.Errorf("an error tells a secret: %v", e)
				}
			}
		})
	}
}
