//go:build linux

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

const webhookSecret = "the provider's secret of this test"

// told lets processes take in what the provider tells, and look after nothing by
// themselves: what settles, an event has settled.
func (c *cluster) told(t *testing.T) *cluster {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhook-secret")
	if err := os.WriteFile(file, []byte(webhookSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.idle().with(func(s *settings) { s.webhookSecret = file })
}

// webhooks is the setting of an account that takes webhooks, if it does.
func (s settings) webhooks() string {
	if s.webhookSecret == "" {
		return ""
	}
	return fmt.Sprintf(", webhook_secrets: ['file:%s']", s.webhookSecret)
}

// deliver posts an event as the provider does, and returns the status of the answer.
func (s *server) deliver(t *testing.T, event []byte) (int, error) {
	t.Helper()
	said := regexp.MustCompile(`webhooks (\S+) `).FindStringSubmatch(s.line(t, "webhooks "))
	if said == nil {
		t.Fatalf("%s does not say where it takes webhooks", s.process.name)
	}
	r, err := http.NewRequestWithContext(bounded(t, patience), http.MethodPost, "http://"+said[1]+"/webhooks/"+accountName, bytes.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Acquit-Sandbox-Signature", simulator.Signature(webhookSecret, event, time.Now()))
	resp, err := (&http.Client{}).Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// results is how often an event was taken in so, as the process counts.
func (s *server) results(t *testing.T, taken string) int {
	t.Helper()
	_, metrics, err := s.ask("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.SplitSeq(metrics, "\n") {
		if strings.HasPrefix(line, "acquit_webhook_results_total{") && strings.Contains(line, `acquit_webhook_result="`+taken+`"`) {
			_, _ = fmt.Sscanf(line[strings.LastIndex(line, " ")+1:], "%d", &n)
		}
	}
	return n
}

// TestKilledOverAWebhook: an event that a process dies of is not lost, and what it
// calls for is done once. A process kills itself when it knows that the event is
// authentic, or when the event is on record and not answered; the provider brings it
// again, three times, to another one.
func TestKilledOverAWebhook(t *testing.T) {
	t.Parallel()
	c := newCluster(t).told(t)
	for _, at := range []struct {
		point   payment.Point
		before  acquitv1.PaymentStatus // before it is brought again
		settled int                    // by the survivor
	}{
		{payment.PointWebhookVerified, acquitv1.PaymentStatus_PAYMENT_STATUS_PENDING, 1},
		{payment.PointWebhookCommitted, acquitv1.PaymentStatus_PAYMENT_STATUS_AUTHORIZED, 0},
	} {
		t.Run(string(at.point), func(t *testing.T) {
			t.Parallel()
			survivor := c.serve(t, "survivor", "") // whose counts are of this event alone
			i := intent{key: string(at.point), token: "tok_pending", amount: 1000}
			first := survivor.insist(t, i)
			id, object := first.response.GetPayment().GetPaymentId(), first.response.GetPayment().GetProviderReference()
			c.sandbox.awaitEffect(t, i)
			event, err := json.Marshal(map[string]any{
				"id": "evt_" + i.key, "type": "authorization.authorized", "created": time.Now(),
				"object": map[string]any{"id": object, "status": "authorized", "amount": 1000, "currency": "EUR", "reference": i.reference()},
			})
			if err != nil {
				t.Fatal(err)
			}
			victim := c.serve(t, "victim", string(at.point)+":kill")
			if code, err := victim.deliver(t, event); err == nil {
				t.Fatalf("the victim answered with %d", code)
			}
			victim.awaitKilled(t)
			survivor.shows(t, id, at.before)
			duplicates, settled := survivor.results(t, "duplicate"), survivor.results(t, "settled")
			version := int64(0)
			for n := range 3 {
				if code, err := survivor.deliver(t, event); err != nil || code != http.StatusOK {
					t.Fatalf("brought again it is answered with %d, %v", code, err)
				}
				now := survivor.shows(t, id, acquitv1.PaymentStatus_PAYMENT_STATUS_AUTHORIZED)
				if n > 0 && now != version {
					t.Errorf("brought again it takes the payment from version %d to %d", version, now)
				}
				version = now
			}
			if d, s := survivor.results(t, "duplicate")-duplicates, survivor.results(t, "settled")-settled; s != at.settled || d != 3-at.settled {
				t.Errorf("the survivor settled by %d and knew %d, want %d and %d", s, d, at.settled, 3-at.settled)
			}
			if again := survivor.insist(t, i); !bytes.Equal(again.raw, first.raw) {
				t.Errorf("the answer changed from %x to %x", first.raw, again.raw)
			}
			c.sandbox.oneEffect(t, i, [2]int{1, 1})
		})
	}
}

// shows checks the status of a payment, and returns its version.
func (s *server) shows(t *testing.T, id string, want acquitv1.PaymentStatus) int64 {
	t.Helper()
	read, err := s.read(bounded(t, patience), id)
	if err != nil || read.GetPayment().GetStatus() != want {
		t.Errorf("the payment is %s, want %s (%v)", read.GetPayment().GetStatus(), want, err)
	}
	return read.GetPayment().GetVersion()
}
