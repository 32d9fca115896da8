package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Limits on what a driver may report of a delivery.
const (
	maxEventID   = 255
	maxEventType = 100
	maxEvents    = 1000
)

// Webhook has the driver verify and read a delivery to the account, and checks what
// it says. An event that cannot be told from others, or that is about nothing, makes
// the whole delivery malformed: the provider brings it again, and it is seen in the
// meantime. The events are the account's, whatever the driver says; what they repeat
// of a secret is blanked, and so is their advice to a shopper.
//
// Errors: ErrForged, ErrStale, ErrMalformed, ErrUnsupported; anything else, a panic
// included, is a bug of the driver. None of them quotes the delivery or a secret.
// Nothing of a delivery with an error may be taken in, and it may come again.
func (g *Guard) Webhook(ctx context.Context, d Delivery) (Told, error) {
	var told Told
	secrets := g.secretsOf(d)
	err := g.call("webhook", func() (err error) {
		if told, err = g.cfg.Driver.Webhook(ctx, d); err != nil {
			return &driverError{text: without(err.Error(), secrets), err: kindOf(err)}
		}
		told, err = g.believed(told, secrets)
		return err
	})
	if err != nil {
		return Told{}, err
	}
	return told, nil
}

// kindOf keeps of a driver's error what it is, and drops the error itself, whose
// text may quote the delivery.
func kindOf(err error) error {
	for _, known := range []error{ErrForged, ErrStale, ErrMalformed, ErrUnsupported} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// secretsOf are the account's webhook secrets and what proves the delivery, the
// longest first.
func (g *Guard) secretsOf(d Delivery) []string {
	const shortest = 8
	var secrets []string
	for _, s := range g.cfg.WebhookSecrets {
		secrets = append(secrets, string(s))
	}
	for name, values := range d.Header {
		if !strings.Contains(name, "Signature") && name != "Authorization" {
			continue
		}
		for _, v := range values {
			secrets = append(append(secrets, v), strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" ,=;", r) })...)
		}
	}
	secrets = slices.DeleteFunc(secrets, func(v string) bool { return len(v) < shortest })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// believed is what a driver told, if all of it makes sense.
func (g *Guard) believed(t Told, secrets []string) (Told, error) {
	if len(t.Events)+len(t.Unread) > maxEvents || t.Forged < 0 {
		return Told{}, fmt.Errorf("%w: %d events, %d unread, %d forged", ErrMalformed, len(t.Events), len(t.Unread), t.Forged)
	}
	ids := make(map[string]bool, len(t.Events))
	out := Told{Forged: t.Forged}
	for i, e := range t.Events {
		if namesNothing(e) { // of somebody else at the same merchant, who has to be told nothing
			t.Unread = append(t.Unread, e.Answer.Code)
			continue
		}
		if why := g.unfit(e); why != "" {
			return Told{}, fmt.Errorf("%w: event %d: %s", ErrMalformed, i, why)
		}
		if ids[e.ID] {
			return Told{}, fmt.Errorf("%w: event %d has the id of another one", ErrMalformed, i)
		}
		ids[e.ID] = true
		e.Account = g.cfg.Name
		e.Answer.NextAction = nil
		e.Answer.Transport, e.Answer.HTTPStatus = payment.TransportAnswered, http.StatusOK // as of a look-up that found the object
		e.Answer.Message, e.Answer.RequestID = clean(without(e.Answer.Message, secrets)), requestID(e.Answer.RequestID)
		e.Time, e.Answer.ExpireTime = instant(e.Time), instant(e.Answer.ExpireTime)
		if e.Outside != nil {
			outside := *e.Outside
			outside.Time = instant(outside.Time)
			e.Outside = &outside
		}
		if said := e.ID + " " + e.Answer.Code + " " + e.Answer.Decline + " " + e.Answer.RequestID; without(said, secrets) != said {
			return Told{}, fmt.Errorf("%w: event %d repeats a secret", ErrMalformed, i)
		}
		out.Events = append(out.Events, e)
	}
	for _, kind := range t.Unread {
		kind = clean(without(kind, secrets))
		out.Unread = append(out.Unread, kind[:min(len(kind), maxEventType)])
	}
	return out, nil
}

// namesNothing reports whether an event is about no object that could be looked for.
func namesNothing(e payment.Event) bool {
	return e.Answer.Reference == "" && e.Reference == "" && e.Parent == ""
}

// unfit says why an event cannot be taken in; "" if it can. What it says about the
// money is judged later, like any answer.
func (g *Guard) unfit(e payment.Event) string {
	references := []string{string(e.Answer.Reference), string(e.Reference), string(e.Parent), string(e.Answer.OurEcho), string(e.Cancel)}
	if e.Outside != nil {
		references = append(references, string(e.Outside.Object))
	}
	for _, r := range references {
		if r != "" && !isReference(r) {
			return "a reference is malformed"
		}
	}
	switch {
	case e.ID == "" || len(e.ID) > maxEventID || !printable(e.ID):
		return "it has no id, or one that is malformed"
	case e.Changed && !onlyChanged(e):
		return "it tells only that something has changed, and yet more"
	case e.Method == "" && e.Outside == nil && !e.Changed:
		return "it is about no object that operations make, and nothing moved outside"
	case e.Method != "" && !slices.Contains(g.traits.Methods, e.Method):
		return fmt.Sprintf("it is about a %s, which the driver does not declare", e.Method)
	case !isCode(e.Answer.Code) || !isCode(e.Answer.Decline) || (e.Answer.Decline != "" && e.Answer.Code == ""):
		return "a code is malformed"
	case e.Outside != nil && !fits(*e.Outside, e.Method):
		return "what moved outside is not named, is less than nothing or does not fit its method"
	}
	return ""
}

// onlyChanged reports whether an event that leaves the rest to a look-up names what
// to look at, and says nothing about it but, of what no operation makes, its kind.
func onlyChanged(e payment.Event) bool {
	said := e.Answer.Decline != "" || e.Answer.Amount != nil || e.Outside != nil || e.Fenced
	return e.Answer.Reference != "" && !said && (e.Answer.Code == "") == (e.Method != "")
}

// fits reports whether an effect outside makes sense with the method of its event.
func fits(o payment.Outside, m payment.Method) bool {
	if o.Object == "" || o.Amount < 0 {
		return false
	}
	switch o.Kind {
	case payment.OutsideCapture, payment.OutsideCaptureReversal:
		return m == payment.MethodCapture
	case payment.OutsideRefund, payment.OutsideRefundReversal:
		return m == payment.MethodRefund
	case payment.OutsideVoid:
		return m == payment.MethodVoid || m == payment.MethodAuthorize
	case payment.OutsideExpiry:
		return m == payment.MethodAuthorize
	case payment.OutsideDispute:
		return m == ""
	}
	return false
}
