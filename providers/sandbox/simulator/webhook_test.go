package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

const webhookSecret = "a secret of the merchant"

// hook receives webhooks, and answers with the statuses that it is given, then 200.
type hook struct {
	mu       sync.Mutex
	statuses []int
	types    []string
	ids      []string
	forged   int
}

func (k *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	if err != nil || json.Unmarshal(raw, &e) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	signed := false
	for _, ago := range []time.Duration{0, time.Second, 2 * time.Second} {
		signed = signed || r.Header.Get("Acquit-Sandbox-Signature") == simulator.Signature(webhookSecret, raw, time.Now().Add(-ago))
	}
	if !signed {
		k.forged++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	k.types, k.ids = append(k.types, e.Type), append(k.ids, e.ID)
	if len(k.statuses) > 0 {
		w.WriteHeader(k.statuses[0])
		k.statuses = k.statuses[1:]
	}
}

// seen is what was delivered so far.
func (k *hook) seen() (types, ids []string, forged int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.types), slices.Clone(k.ids), k.forged
}

// hooked is a simulator that tells its merchant "default" of everything.
func hooked(t *testing.T, k *hook, w simulator.Webhook) *harness {
	t.Helper()
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	w.URL, w.Secret = server.URL, webhookSecret
	return start(t, simulator.Config{Webhooks: func(merchant string) simulator.Webhook {
		if merchant != "default" {
			return simulator.Webhook{}
		}
		return w
	}})
}

// Goal: the merchant is told of every object, and of every change of one, and nobody
// else's merchant is. Method: a life of an authorization, with ends that come later.
func TestWebhooksTellWhatHappened(t *testing.T) {
	k := &hook{}
	h := hooked(t, k, simulator.Webhook{First: true})
	id := h.hold(t, "tok_ok_capture_pending_50ms_refund_pending_fail_50ms", false)
	h.move(t, simulator.KindCapture, id, "c", 600)
	until(t, "captured", func() bool { types, _, _ := k.seen(); return slices.Contains(types, "capture.succeeded") })
	h.move(t, simulator.KindRefund, id, "r", 100)
	until(t, "failed", func() bool { types, _, _ := k.seen(); return slices.Contains(types, "refund.failed") })
	h.post(t, "declined", body("tok_decline_generic"))
	other := h.post(t, "cancelled", `{"reference":"OTHER","amount":10,"currency":"EUR","capture":"manual","token":"tok_ok"}`)
	h.cancel(t, "cancel", "OTHER")
	want := []string{
		"authorization.authorized", "capture.pending", "capture.succeeded", "refund.pending", "refund.failed",
		"authorization.declined", "authorization.authorized", "authorization.cancelled",
	}
	types, ids, _ := k.seen()
	until(t, "all of it", func() bool { types, ids, _ = k.seen(); return len(types) >= len(want) })
	if !slices.Equal(types, want) || other.Status != http.StatusOK {
		t.Errorf("told %q, want %q", types, want)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(want) {
		t.Errorf("events share their ids: %q", ids)
	}
}

// Goal: what goes wrong with webhooks can be asked for. Method: an event that is
// refused once and delivered again, copies, and forgeries ahead of it.
func TestWebhookFaults(t *testing.T) {
	for name, c := range map[string]struct {
		hook     simulator.Webhook
		statuses []int
		times    int
		forged   int
	}{
		"as it should be": {times: 1},
		"refused once":    {statuses: []int{503}, times: 2},
		"copies":          {hook: simulator.Webhook{Copies: 2}, times: 3},
		"forged":          {hook: simulator.Webhook{Forged: true}, times: 1, forged: 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := &hook{statuses: c.statuses}
			h := hooked(t, k, c.hook)
			h.post(t, "key", body("tok_ok"))
			until(t, "told", func() bool { types, _, forged := k.seen(); return len(types) >= c.times && forged >= c.forged })
			_, ids, forged := k.seen()
			slices.Sort(ids)
			if len(ids) != c.times || len(slices.Compact(ids)) != 1 || forged != c.forged {
				t.Errorf("told %d times as %q, and %d forgeries", c.times, ids, forged)
			}
		})
	}
}

// Goal: the answer waits for the webhook where that is asked for, but not for ever.
// Method: by the time of the answer the event was told, and refused.
func TestWebhookFirst(t *testing.T) {
	k := &hook{statuses: []int{500, 500, 500}}
	h := hooked(t, k, simulator.Webhook{First: true})
	if a := h.post(t, "key", body("tok_ok")); a.Status != http.StatusOK {
		t.Errorf("answered %+v", a.got)
	}
	if types, _, _ := k.seen(); len(types) != 1 {
		t.Errorf("told %q before the answer", types)
	}
}
