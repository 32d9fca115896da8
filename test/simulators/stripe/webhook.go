package stripe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Event is what Stripe would tell by webhook.
type Event struct {
	ID, Type string
	Raw      []byte // the body
}

// Events returns what happened, oldest first. Nothing is delivered by itself.
func (s *Simulator) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Signature is the Stripe-Signature of a body at a time: v1 is the hex HMAC-SHA256
// of time, dot and body.
func (s *Simulator) Signature(body []byte, at time.Time) string {
	h := hmac.New(sha256.New, []byte(s.cfg.WebhookSecret))
	fmt.Fprintf(h, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(h.Sum(nil)))
}

// Deliver posts an event to a URL with a fresh signature and returns the status.
// Called again it is a redelivery.
func (s *Simulator) Deliver(ctx context.Context, client *http.Client, url string, e Event) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Raw))
	if err != nil {
		return 0, fmt.Errorf("deliver %s: %w", e.ID, err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Stripe-Signature", s.Signature(e.Raw, s.cfg.Now()))
	resp, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("deliver %s: %w", e.ID, err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// changed notes that an intent is another than it was.
func (s *Simulator) changed(in *intent, event string) {
	in.Changed = s.cfg.Now()
	s.happened(event, s.show(in, false))
}

func (s *Simulator) happened(kind string, about object) {
	e := Event{ID: s.next("evt"), Type: kind}
	raw, err := json.Marshal(object{
		"id": e.ID, "object": "event", "type": kind, "created": s.cfg.Now().Unix(), "livemode": false, "data": object{"object": about},
	})
	if err != nil {
		raw = []byte(err.Error()) // what is shown is made of strings and numbers
	}
	e.Raw = raw
	s.events = append(s.events, e)
}
