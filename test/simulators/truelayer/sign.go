package truelayer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

// signed reports whether a request is signed as TrueLayer asks for. It is written from
// the description, apart from the driver's own.
func (s *Simulator) signed(r *http.Request, body string) bool {
	parts := strings.Split(r.Header.Get("Tl-Signature"), ".")
	if len(parts) != 3 || parts[1] != "" {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	numbers, other := base64.RawURLEncoding.DecodeString(parts[2])
	var head map[string]string
	if err != nil || other != nil || json.Unmarshal(raw, &head) != nil || len(numbers) != 132 ||
		head["alg"] != "ES512" || head["kid"] != s.cfg.KeyID || head["tl_version"] != "2" || head["tl_headers"] != "Idempotency-Key" {
		return false
	}
	payload := r.Method + " " + r.URL.Path + "\nIdempotency-Key: " + r.Header.Get("Idempotency-Key") + "\n" + body
	sum := sha512.Sum512([]byte(parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))))
	return ecdsa.Verify(s.signer, sum[:], new(big.Int).SetBytes(numbers[:66]), new(big.Int).SetBytes(numbers[66:]))
}

// keyID is the id of the key that webhooks are signed with.
const keyID = "simulator"

// keySet is what is published of it. As with TrueLayer a coordinate has no zeros at its
// front.
func (s *Simulator) keySet() object {
	point, err := s.key.PublicKey.Bytes()
	if err != nil || len(point) != 133 {
		return object{}
	}
	x, y := bytes.TrimLeft(point[1:67], "\x00"), bytes.TrimLeft(point[67:], "\x00")
	return object{"keys": []object{
		{"kty": "RSA", "alg": "RS512", "kid": "older", "n": "AQAB", "e": "AQAB"},
		{"kty": "EC", "alg": "ES512", "kid": keyID, "crv": "P-521", "x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y)},
	}}
}

// Event is what TrueLayer tells by webhook.
type Event struct {
	Type string
	ID   string
	Body []byte
}

// happened has an event wait.
func (s *Simulator) happened(kind string, fields object) {
	e := Event{Type: kind, ID: s.next("event")}
	fields["type"], fields["event_id"], fields["event_version"] = kind, e.ID, 1
	raw, err := json.Marshal(fields)
	if err != nil {
		raw = []byte(err.Error()) // what is shown is made of strings and numbers
	}
	e.Body = raw
	s.events, s.waiting = append(s.events, e), append(s.waiting, e)
}

// Events returns what happened, oldest first.
func (s *Simulator) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Forget drops the webhooks that wait: they are never sent.
func (s *Simulator) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = nil
}

// Release sends what waits to Config.WebhookURL. What is not taken waits on.
func (s *Simulator) Release(ctx context.Context) error {
	s.mu.Lock()
	due := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for i, e := range due {
		status, err := s.Deliver(ctx, s.cfg.WebhookURL, s.cfg.WebhookPath, e, s.cfg.Now())
		if err == nil && status > 299 {
			err = fmt.Errorf("%s %s was not taken: status %d", e.Type, e.ID, status)
		}
		if err == nil {
			continue
		}
		s.mu.Lock()
		s.waiting = append(slices.Clone(due[i:]), s.waiting...)
		s.mu.Unlock()
		return err
	}
	return nil
}

// Deliver posts an event to a URL as if it was sent at a time, signed for a path, and
// returns the status. Called again it is a redelivery.
func (s *Simulator) Deliver(ctx context.Context, to, path string, e Event, at time.Time) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(e.Body))
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	sent := at.UTC().Format(time.RFC3339)
	signature, err := s.signature(path, sent, e.Body)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tl-Webhook-Timestamp", sent)
	r.Header.Set("Tl-Signature", signature)
	resp, err := s.cfg.Client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// signature is the Tl-Signature of a webhook.
func (s *Simulator) signature(path, sent string, body []byte) (string, error) {
	raw, err := json.Marshal(map[string]string{
		"alg": "ES512", "kid": keyID, "tl_version": "2", "tl_headers": "X-TL-Webhook-Timestamp", "jku": s.cfg.KeyAddress,
	})
	if err != nil {
		return "", err
	}
	head := base64.RawURLEncoding.EncodeToString(raw)
	payload := "POST " + path + "\nX-TL-Webhook-Timestamp: " + sent + "\n" + string(body)
	sum := sha512.Sum512([]byte(head + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))))
	a, b, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", err
	}
	var both [132]byte
	a.FillBytes(both[:66])
	b.FillBytes(both[66:])
	return head + ".." + base64.RawURLEncoding.EncodeToString(both[:]), nil
}
