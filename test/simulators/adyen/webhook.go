package adyen

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is what Adyen tells by webhook.
type Event struct {
	Code      string // eventCode
	Success   bool
	ID        string // pspReference
	Reference string // merchantReference
	Raw       []byte // the signed notification: an item of a webhook
}

// Steering says how webhooks go out to Config.WebhookURL.
type Steering struct {
	Withhold  bool // not at all, until Release
	Before    bool // before the answer that they belong to, not after it
	Twice     bool
	Backwards bool // the newest first
}

// notice is an event before it is signed.
type notice struct {
	code, id, original, reference, reason string
	success                               bool
	of                                    *payment // nil if there is none
	value                                 int64
}

// Steer changes how webhooks go out from now on.
func (s *Simulator) Steer(how Steering) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steer = how
}

// Events returns what happened, oldest first.
func (s *Simulator) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Webhook is the body of a webhook with these events.
func (s *Simulator) Webhook(events ...Event) []byte {
	items := []any{}
	for _, e := range events {
		items = append(items, object{"NotificationRequestItem": json.RawMessage(e.Raw)})
	}
	raw, err := json.Marshal(object{"live": "false", "notificationItems": items})
	if err != nil {
		return []byte(err.Error()) // what is shown is made of strings and numbers
	}
	return raw
}

// Deliver posts events to a URL in one webhook and returns the status. Called again
// it is a redelivery.
func (s *Simulator) Deliver(ctx context.Context, client *http.Client, url string, events ...Event) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(s.Webhook(events...)))
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// Release sends what waits to Config.WebhookURL, whatever was withheld. As with
// Adyen an event that is not taken holds back what comes behind it: both wait on.
func (s *Simulator) Release(ctx context.Context) error {
	s.posting.Lock()
	defer s.posting.Unlock()
	s.mu.Lock()
	due, how := s.waiting, s.steer
	s.waiting = nil
	s.mu.Unlock()
	if how.Backwards {
		due = slices.Clone(due)
		slices.Reverse(due)
	}
	for i, e := range due {
		times := 1
		if how.Twice {
			times = 2
		}
		for range times {
			status, err := s.Deliver(ctx, s.cfg.Client, s.cfg.WebhookURL, e)
			if err == nil && status > 299 {
				err = fmt.Errorf("%s %s was not taken: status %d", e.Code, e.ID, status)
			}
			if err == nil {
				continue
			}
			s.mu.Lock()
			s.waiting = append(slices.Clone(due[i:]), s.waiting...)
			s.mu.Unlock()
			return err
		}
	}
	return nil
}

// Wait returns when every webhook that follows an answer has gone out or failed to.
func (s *Simulator) Wait() { s.sending.Wait() }

// told reports whether webhooks go out by themselves now.
func (s *Simulator) told(before bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.WebhookURL != "" && !s.steer.Withhold && s.steer.Before == before && len(s.waiting) > 0
}

// tellBefore sends webhooks ahead of the answer. What is not taken waits on.
func (s *Simulator) tellBefore(ctx context.Context) {
	if s.told(true) {
		_ = s.Release(context.WithoutCancel(ctx))
	}
}

// tellAfter sends webhooks behind the answer, on a way of their own.
func (s *Simulator) tellAfter(ctx context.Context) {
	if s.told(false) {
		s.sending.Go(func() { _ = s.Release(context.WithoutCancel(ctx)) })
	}
}

// happened signs an event and has it wait.
func (s *Simulator) happened(n notice) {
	currency := "EUR"
	if n.of != nil {
		currency = n.of.Amount.Currency
	}
	data := strings.Join([]string{
		n.id, n.original, s.cfg.MerchantAccount, n.reference, strconv.FormatInt(n.value, 10), currency, n.code, strconv.FormatBool(n.success),
	}, ":")
	o := object{
		"additionalData": object{"hmacSignature": s.Signature(data)}, "amount": amount{currency, n.value}, "eventCode": n.code,
		"eventDate": s.cfg.Now().Format(time.RFC3339), "merchantAccountCode": s.cfg.MerchantAccount, "merchantReference": n.reference,
		"paymentMethod": "visa", "pspReference": n.id, "reason": n.reason, "success": strconv.FormatBool(n.success),
	}
	if n.original != "" {
		o["originalReference"] = n.original
	}
	raw, err := json.Marshal(o)
	if err != nil {
		raw = []byte(err.Error()) // what is shown is made of strings and numbers
	}
	e := Event{Code: n.code, Success: n.success, ID: n.id, Reference: n.reference, Raw: raw}
	s.events, s.waiting = append(s.events, e), append(s.waiting, e)
}

// Signature is the hmacSignature of what is signed in an event.
func (s *Simulator) Signature(data string) string {
	key, err := hex.DecodeString(s.cfg.WebhookSecret)
	if err != nil {
		return err.Error()
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
