package simulator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Webhook is where a merchant is told what becomes of its objects, and what goes
// wrong with that.
type Webhook struct {
	URL    string // empty: nowhere
	Secret string // that signs
	// First: the answer to a request waits until the event of what it made was
	// delivered once, or could not be.
	First bool
	// Copies are delivered behind each event, as an answer that got lost causes.
	Copies int
	// Forged: ahead of each event comes one with its id that says the opposite and is
	// signed by somebody else.
	Forged bool
}

// happening is an event as it is delivered.
type happening struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Created time.Time `json:"created"`
	Object  object    `json:"object"`
}

// tell lets the merchant know of objects, as they are now.
func (s *Simulator) tell(ctx context.Context, ids ...string) {
	if s.cfg.Webhooks == nil {
		return
	}
	for _, id := range ids {
		s.state.mu.Lock()
		o := s.state.objects[id]
		if o == nil {
			s.state.mu.Unlock()
			continue
		}
		e := happening{ID: newID("evt_"), Created: time.Now().UTC(), Object: *o}
		s.state.mu.Unlock()
		if e.Type = string(e.Object.Kind); e.Type == "" {
			e.Type = "authorization"
		}
		e.Type += "." + e.Object.Status
		if w := s.cfg.Webhooks(e.Object.Merchant); w.URL != "" {
			s.announce(ctx, w, e)
		}
	}
}

// announce delivers an event, and what goes wrong with it.
func (s *Simulator) announce(ctx context.Context, w Webhook, e happening) {
	told := make(chan struct{})
	s.later(ctx, e.Created, func(ctx context.Context) {
		if w.Forged {
			lie := e
			if lie.Object.Status = StatusDeclined; lie.Object.Kind != verbAuthorize {
				lie.Object.Status = StatusFailed
			}
			s.try(ctx, Webhook{URL: w.URL, Secret: "somebody else's"}, lie)
		}
		done := s.try(ctx, w, e)
		close(told)
		if !done {
			s.insist(ctx, w, e)
		}
		for range w.Copies {
			s.try(ctx, w, e)
		}
	})
	if !w.First {
		return
	}
	select {
	case <-told:
	case <-s.stop:
	}
}

// insist delivers an event again until it is taken in, or for about an hour.
func (s *Simulator) insist(ctx context.Context, w Webhook, e happening) {
	const tries = 12
	for i := range tries {
		if !s.sleep(ctx, time.Second<<i) || s.try(ctx, w, e) {
			return
		}
	}
	s.cfg.Logger.WarnContext(ctx, "simulator gave up on a webhook", "event_id", e.ID)
}

// try delivers an event once and reports whether it was taken in.
func (s *Simulator) try(ctx context.Context, w Webhook, e happening) bool {
	status, err := s.push(ctx, w, show(e))
	if err != nil {
		s.cfg.Logger.DebugContext(ctx, "simulator could not deliver a webhook", "event_id", e.ID, "error", err)
	}
	return err == nil && status >= 200 && status <= 299
}

// push posts a body, signed now, and returns the status of the answer. It ends when
// the simulator closes.
func (s *Simulator) push(ctx context.Context, w Webhook, body []byte) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the webhook's URL is malformed")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Acquit-Sandbox-Signature", Signature(w.Secret, body, time.Now()))
	resp, err := s.cfg.WebhookClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, err
}

// Signature is the signature of a body under a secret at a time, as it is sent in
// Acquit-Sandbox-Signature.
func Signature(secret string, body []byte, at time.Time) string {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(h.Sum(nil)))
}
