package e2e

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// Goal: what Stripe did and could not say, nor be asked for, its webhook tells; the
// caller that comes back gets that outcome. Method: an authorization, its capture and
// a refund whose answers are lost, at a Stripe that lets nobody in after them; then the
// event of each.
//
// Shows R59.
func TestStripeTellsWhatWasLost(t *testing.T) {
	t.Parallel()
	var away func()
	var armed atomic.Bool
	atStripe(t, stripesim.Config{Executing: func(string) {
		if armed.Swap(false) {
			away()
		}
	}}, func(h *house, a *stripeAccount) {
		away = func() { a.down.Store(true) }
		p, told, id := h.start("one", nil), 0, ""
		for _, s := range []struct {
			verb  string
			units int64
			event string
			row   string
			of    sums
		}{
			{"authorize", 0, "payment_intent.amount_capturable_updated", "requires_capture", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}},
			{"capture", 1000, "payment_intent.succeeded", "capture_succeeded", sums{"CAPTURED", 1000, 1000, 0, 0, 0}},
			{"refund", 400, "refund.created", "refund_succeeded", sums{"PARTIALLY_REFUNDED", 1000, 1000, 400, 0, 0}},
		} {
			call := func() result {
				if s.verb == "authorize" {
					return p.authorize(h.Context(), planted(s.verb), pays("pm_card_visa"))
				}
				return p.orders(h, planted(s.verb), s.verb, id, s.units)
			}
			a.Next(stripesim.FaultDropAfter)
			armed.Store(true)
			first := call()
			id = first.answer().GetPayment().GetPaymentId()
			if time.Sleep(5 * time.Minute); first.state() != "UNKNOWN" {
				t.Errorf("%s was answered %s", s.verb, first.state())
			}
			for _, e := range a.Events()[told:] {
				if told++; e.Type != s.event {
					continue
				}
				if status, err := a.Deliver(h.Context(), h.courier(), webhookURL(a.account), e); err != nil || status != http.StatusOK {
					t.Errorf("%s: %d, %v", e.Type, status, err)
				}
			}
			read := p.shows(id, seen{"SUCCEEDED", "stripe.query." + s.row, "effect", 1}, s.of)
			if again := call(); again.state() != "SUCCEEDED" || read.GetPayment().GetStatus() != again.answer().GetPayment().GetStatus() {
				t.Errorf("%s again is answered %s", s.verb, again.state())
			}
			a.down.Store(false)
		}
		h.moved(a, held(), taken(1000), refunded(400))
		if got := h.results(); got["settled"] != 3 || got["orphan"]+got["contradict"] > 0 {
			t.Errorf("counted %v", got)
		}
	})
}

// Goal: what a person does at Stripe's dashboard, and what a payer's bank does, is on
// the payment and counts, once. Method: a refund that bounces, and a dispute that is
// lost, of a payment that was taken at once.
func TestWhatOthersDoAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{}, func(h *house, a *stripeAccount) {
		p := h.start("one", nil)
		id := p.authorize(h.Context(), planted("a"), pays("pm_card_visa", automatic)).answer().GetPayment().GetPaymentId()
		tell := func(event, kind string, about map[string]any, refundable, disputed int64) {
			t.Helper()
			for range 2 {
				raw := stripeEvent(h, event, kind, about)
				if status, err := a.Deliver(h.Context(), h.courier(), webhookURL(a.account), raw); err != nil || status != http.StatusOK {
					t.Errorf("%s: %d, %v", kind, status, err)
				}
			}
			read, err := p.payment(h.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got := read.GetPayment(); got.GetRefundable().GetMinorUnits() != refundable || got.GetDisputed().GetMinorUnits() != disputed {
				t.Errorf("%s: %d is refundable, %d disputed, want %d and %d", kind, got.GetRefundable().GetMinorUnits(), got.GetDisputed().GetMinorUnits(), refundable, disputed)
			}
			time.Sleep(time.Minute)
		}
		refund := map[string]any{"id": "re_hand", "object": "refund", "status": "succeeded", "amount": 300, "currency": "eur", "payment_intent": a.intent(h)}
		tell("evt_a", "refund.created", refund, 700, 0)
		refund["status"], refund["failure_reason"] = "failed", "lost_or_stolen_card"
		tell("evt_b", "refund.failed", refund, 1000, 0)
		dispute := map[string]any{"id": "dp_1", "object": "dispute", "status": "warning_needs_response", "amount": 600, "currency": "eur", "payment_intent": a.intent(h)}
		tell("evt_c", "charge.dispute.created", dispute, 1000, 0)
		dispute["status"] = "needs_response"
		tell("evt_d", "charge.dispute.funds_withdrawn", dispute, 400, 600)
		dispute["status"] = "won"
		tell("evt_e", "charge.dispute.closed", dispute, 1000, 0)
		if got := h.results(); got["outside"]+got["noted"] != 5 || got["duplicate"] != 5 || got["outside"] < 4 {
			t.Errorf("counted %v", got)
		}
	})
}

// stripeEvent is an event of Stripe's that its simulator does not make.
func stripeEvent(h *house, id, kind string, about map[string]any) stripesim.Event {
	h.Helper()
	raw, err := json.Marshal(map[string]any{"id": id, "object": "event", "type": kind, "created": time.Now().Unix(), "data": map[string]any{"object": about}})
	if err != nil {
		h.Fatal(err)
	}
	return stripesim.Event{ID: id, Type: kind, Raw: raw}
}
