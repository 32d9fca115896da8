package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// Goal: only what TrueLayer has signed for the account's path, and not long ago, is
// believed, and only once. Method: the news of a settled payment changed, old, from the
// future, signed for another client's path and by another key; then genuine, three
// times, hours apart; the payment and the counter after each.
func TestForgedWebhooksOfTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.one()
		_, id, of := h.begun(p, a)
		if err := errors.Join(a.Authorize(of), a.Execute(of), a.Settle(of)); err != nil {
			t.Fatal(err)
		}
		a.Forget()
		events := a.Events()
		e, path, now := events[len(events)-1], string(a.webhookSecret()), time.Now()
		h.postsLayer(a, "/PLANTEDWEBHOOK/another", now, http.StatusUnauthorized, e)
		h.postsLayer(a, "/webhooks/truelayer", now, http.StatusUnauthorized, e) // where it comes in is not what is signed
		h.postsLayer(a, path, now.Add(-5*24*time.Hour), http.StatusBadRequest, e)
		h.postsLayer(a, path, now.Add(10*time.Minute), http.StatusBadRequest, e)
		if status := h.delivers(a.account, "Tl-Signature", "e30..e30", e.Body); status != http.StatusUnauthorized {
			t.Errorf("without a signature: %d", status)
		}
		other := newTrueLayer(h, "another", truelayersim.Config{})
		status, err := other.Deliver(context.WithoutCancel(h.Context()), webhookURL(a.account), path, e, now)
		if err != nil || status != http.StatusUnauthorized {
			t.Errorf("signed with another key: %d, %v", status, err)
		}
		p.shows(id, seen{"REQUIRES_ACTION", "truelayer.authorize.authorization_required", "pending", 1}, sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0})
		for range 3 {
			h.postsLayer(a, path, now.Add(-70*time.Hour), http.StatusOK, e)
			time.Sleep(time.Hour)
		}
		p.shows(id, seen{"SUCCEEDED", "truelayer.query.settled", "effect", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
		want := map[string]int64{"accepted": 3, "settled": 1, "duplicate": 2, "forged": 4, "stale": 2}
		if diff := gocmp.Diff(want, h.results()); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
	})
}

// Goal: the order in which webhooks come changes nothing, what is of no use is answered
// and counted, and news of a payment that acquit did not make is not taken for ours,
// whatever its metadata say. Method: all news of a payment backwards; a type that is
// new; a payment of another system at the same client; one that claims our reference.
func TestStrangeWebhooksOfTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.one()
		_, id, of := h.begun(p, a)
		path, now := string(a.webhookSecret()), time.Now()
		reference := string(h.operation("PLANTEDKEY-a").Reference)
		for _, body := range []string{
			`{"type":"payout_executed","event_id":"s1","payout_id":"o1"}`,
			`{"type":"payment_settled","event_id":"s2","payment_id":"theirs","metadata":{"order":"9"}}`,
			`{"type":"payment_settled","event_id":"s3","payment_id":"somebodys","metadata":{"acquit_reference":"` + reference + `"}}`,
		} {
			h.postsLayer(a, path, now, http.StatusOK, truelayersim.Event{Body: []byte(body)})
		}
		p.shows(id, seen{"REQUIRES_ACTION", "truelayer.authorize.authorization_required", "pending", 1}, sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0})
		if err := errors.Join(a.Authorize(of), a.Execute(of), a.Settle(of)); err != nil {
			t.Fatal(err)
		}
		a.Forget()
		events := a.Events()
		for i := range events {
			h.postsLayer(a, path, now, http.StatusOK, events[len(events)-1-i])
		}
		p.shows(id, seen{"SUCCEEDED", "truelayer.query.settled", "effect", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
		want := map[string]int64{"accepted": 6, "unread": 2, "orphan": 1, "settled": 1, "noted": 2}
		if diff := gocmp.Diff(want, h.results()); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
	})
}

// Goal: news that are faster than the answer to our own request wait for it. Method: the
// answer that brings the id is lost, the payment settles and tells so, then the id comes.
func TestWebhookBeforeTheAnswerOfTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.sweeps("one")
		a.Next(truelayersim.FaultHangAfter)
		p.authorize(h.Context(), planted("a"), transfers(""))
		of, _, err := a.Payment(string(h.operation("PLANTEDKEY-a").Reference))
		if err != nil {
			t.Fatal(err)
		}
		h.goes(a, errors.Join(a.Authorize(of), a.Execute(of), a.Settle(of)))
		time.Sleep(time.Hour)
		if op := h.operation("PLANTEDKEY-a"); op.State != payment.StateSucceeded {
			t.Errorf("%s by %s (%s)", op.State, op.Current().MappingRow, op.ParkReason)
		}
	})
}
