package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

const (
	// signatureHeader proves a delivery: t=UNIX,v1=HEX, the HMAC-SHA256 of t, a dot and
	// the body under the webhook secret.
	signatureHeader = "Acquit-Sandbox-Signature"
	// tolerance is how far that time may be from when the delivery came: the simulator
	// signs each delivery anew.
	tolerance = 5 * time.Minute
)

// Webhook implements providers.Driver. A delivery holds one event, with the object
// as a look-up would have shown it.
func (d *Driver) Webhook(_ context.Context, in providers.Delivery) (providers.Told, error) {
	if len(d.cfg.WebhookSecrets) == 0 {
		return providers.Told{}, fmt.Errorf("%w: no webhook secret", providers.ErrUnsupported)
	}
	if err := d.verify(in); err != nil {
		return providers.Told{}, err
	}
	var e struct {
		ID      string    `json:"id"`
		Type    string    `json:"type"`
		Created time.Time `json:"created"`
		Object  object    `json:"object"`
	}
	if json.Unmarshal(in.Body, &e) != nil || e.ID == "" || e.Type == "" {
		return providers.Told{}, fmt.Errorf("%w: it is no event", providers.ErrMalformed)
	}
	method, known := payment.Method(e.Object.Kind), slices.Contains([]string{"", "capture", "refund", "void"}, e.Object.Kind)
	if !known {
		return providers.Told{Unread: []string{e.Type}}, nil
	}
	if method == "" {
		method = payment.MethodAuthorize
	}
	a := e.Object.answer(payment.Send{}, verbOf(method), providers.Response{})
	if a.Code == "" {
		return providers.Told{}, fmt.Errorf("%w: it shows no object", providers.ErrMalformed)
	}
	a.ObjectFound, a.NextAction = true, nil
	event := payment.Event{
		EventKey: payment.EventKey{ID: e.ID}, Time: e.Created, Method: method, Reference: a.OurEcho, Parent: e.Object.Parent, Answer: a,
	}
	if kind := payment.OutsideKind(e.Object.Kind); kind.Ordinary() && a.Amount != nil { // made by somebody else, if by no operation
		event.Outside = &payment.Outside{Kind: kind, Object: a.Reference, Amount: a.Amount.MinorUnits}
	}
	return providers.Told{Events: []payment.Event{event}}, nil
}

// verify checks that one of the secrets signed the body, and when. The signature
// comes first: what time a forgery claims is nobody's word.
func (d *Driver) verify(in providers.Delivery) error {
	values := in.Header.Values(signatureHeader)
	if len(values) != 1 {
		return fmt.Errorf("%w: %d headers %s", providers.ErrForged, len(values), signatureHeader)
	}
	at, signatures, err := readSignature(values[0])
	if err != nil {
		return fmt.Errorf("%w: %w", providers.ErrForged, err)
	}
	signed := false
	for _, secret := range d.cfg.WebhookSecrets {
		h := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(h, "%s.%s", at, in.Body)
		want := h.Sum(nil)
		signed = signed || (secret != "" && slices.ContainsFunc(signatures, func(s []byte) bool { return hmac.Equal(s, want) }))
	}
	if !signed {
		return fmt.Errorf("%w: no secret of the account signed it", providers.ErrForged)
	}
	unix, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: its time is no number", providers.ErrForged)
	}
	if age := in.Received.Sub(time.Unix(unix, 0)); age > tolerance || age < -tolerance {
		return fmt.Errorf("%w: signed %s before it came", providers.ErrStale, age.Round(time.Second))
	}
	return nil
}

// readSignature takes a signature header apart: its one time, as it is signed, and
// the signatures of the version that is known.
func readSignature(header string) (at string, signatures [][]byte, err error) {
	for pair := range strings.SplitSeq(header, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return "", nil, errors.New("its signature is malformed")
		}
		switch name {
		case "t":
			if at != "" {
				return "", nil, errors.New("it has two times")
			}
			at = value
		case "v1":
			if raw, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, raw)
			}
		}
	}
	if at == "" || len(signatures) == 0 {
		return "", nil, errors.New("it has no time or no signature")
	}
	return at, signatures, nil
}
