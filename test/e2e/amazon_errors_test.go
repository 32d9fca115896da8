package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// sentAt is when each send of an operation began, after the first.
func (h *house) sentAt() []time.Duration {
	h.Helper()
	var at []time.Time
	for _, s := range h.spans.GetSpans() {
		if s.Name == "payment.attempt" {
			at = append(at, s.StartTime)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	var since []time.Duration
	for _, t := range at {
		since = append(since, t.Sub(at[0]))
	}
	return since
}

// Goal: what Amazon says may be retried (500, 502, 503 for both of its reasons, 504) is
// retried in the spacing that Amazon names, 1, 2, 4, 10 and 30 seconds, to a limit; a
// connection that broke is tried once more at once. Method: each answer again and again,
// without jitter; when each send began.
func TestSpacingAtAmazonPay(t *testing.T) {
	t.Parallel()
	s := time.Second
	spaced := []time.Duration{0, s, 3 * s, 7 * s, 17 * s, 47 * s}
	for _, fault := range []amazonsim.Fault{
		amazonsim.Fault500Before, amazonsim.Fault500After, amazonsim.FaultGateway, amazonsim.FaultUnavailable,
		amazonsim.FaultThrottled503, amazonsim.FaultGatewayTime, amazonsim.FaultThrottled, amazonsim.FaultDropBefore,
	} {
		want := spaced
		if fault == amazonsim.FaultDropBefore {
			want = append([]time.Duration{0}, spaced...)
		}
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
				a.Next(slices.Repeat([]amazonsim.Fault{fault}, len(want)-1)...)
				p := h.one()
				p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567"))
				time.Sleep(time.Minute)
				if diff := gocmp.Diff(want, h.sentAt()); diff != "" {
					t.Errorf("sent at (-want +got):\n%s", diff)
				}
				op := h.operation(payment.IdempotencyKey(planted("a")))
				p.shows(string(op.PaymentID), seen{"SUCCEEDED", "amazonpay.authorize.authorized", "effect", len(want)}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
			})
		})
	}
}

// Goal: at the limit of the retries the operation is a person's: it is among those that
// wait, with what Amazon says that a lasting answer may mean, and they are called; a 500
// may be a sandbox session at the production endpoints, a 502 or a 504 the network.
// Nothing is claimed meanwhile. Method: each answer until the resend window is closed, to
// an authorization, and to a capture that was not made.
func TestLastingErrorsAtAmazonPay(t *testing.T) {
	t.Parallel()
	const environment, network = "a sandbox session may be sent to the production endpoints or the reverse", "whoever runs the network"
	for name, c := range map[string]struct {
		fault   amazonsim.Fault
		capture bool
		hint    string
	}{
		"500":              {amazonsim.Fault500Before, false, environment},
		"500 to a capture": {amazonsim.Fault500Before, true, environment},
		"502":              {amazonsim.FaultGateway, false, network},
		"504":              {amazonsim.FaultGatewayTime, false, network},
		"503, throttled":   {amazonsim.FaultThrottled503, false, "the transaction quota is exceeded"},
		"503":              {amazonsim.FaultUnavailable, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
				one, id := h.start("one", nil), ""
				if c.capture {
					id = one.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567")).answer().GetPayment().GetPaymentId()
				}
				a.Next(slices.Repeat([]amazonsim.Fault{c.fault}, 100)...)
				if c.capture {
					one.order(h.Context(), planted("c"), "capture", id, 0)
				} else {
					one.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567"))
				}
				time.Sleep(5 * time.Minute)
				if reasons := h.parked(); len(reasons) != 1 || !strings.Contains(reasons[0], c.hint) {
					t.Errorf("what waits, waits since %q; want %q", reasons, c.hint)
				}
				h.store.Crash("one") // or it would have its share of what is due
				time.Sleep(8 * 24 * time.Hour)
				h.sweeps("two")
				time.Sleep(time.Minute)
				told := h.dump().Attention
				if len(told) != 1 || told[0].Kind != payment.AttentionStuck || !strings.Contains(told[0].Summary, c.hint) {
					t.Errorf("people are told %+v, want %q", told, c.hint)
				}
				if got := h.counted("acquit.attention", "payment.attention"); got[string(payment.AttentionStuck)] == 0 {
					t.Errorf("nobody was called: %v", got)
				}
				if reasons := h.parked(); len(reasons) != 1 || !strings.Contains(reasons[0], c.hint) {
					t.Errorf("it still waits, since %q", reasons)
				}
			})
		})
	}
}

// Goal: each operation has a reference of its own, which Amazon takes as it is, and a
// request that is sent again has the same; the charge carries our reference. Method: a
// lost answer on each verb; the keys as they arrived.
func TestReferencesAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
		p := h.sweeps("one")
		a.Next(amazonsim.FaultDropAfter)
		id := p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567")).answer().GetPayment().GetPaymentId()
		for _, verb := range []string{"capture", "refund"} {
			a.Next(amazonsim.FaultDropAfter)
			p.order(h.Context(), planted(verb), verb, id, 0)
		}
		var keys []string
		for _, r := range a.writes("") {
			if len(r.Key) == 0 || len(r.Key) > 32 || r.Method != http.MethodPost {
				t.Errorf("%s %s under %q", r.Method, r.Path, r.Key)
			}
			keys = append(keys, r.Key)
		}
		if len(keys) != 6 || keys[0] != keys[1] || keys[2] != keys[3] || keys[4] != keys[5] || keys[0] == keys[2] || keys[2] == keys[4] || keys[0] == keys[4] {
			t.Errorf("keys %q", keys)
		}
		var body struct {
			Metadata struct {
				Reference string `json:"merchantReferenceId"`
			} `json:"merchantMetadata"`
		}
		if err := json.Unmarshal([]byte(a.writes("")[0].Body), &body); err != nil || body.Metadata.Reference != string(h.operation(payment.IdempotencyKey(planted("a"))).Reference) {
			t.Errorf("the charge is of %q (%v)", body.Metadata.Reference, err)
		}
		h.moved(a, effect("hold", 1000), effect("capture", 1000), effect("refund", 1000))
		if err := a.SettleRefund(h.objectOf(a), ""); err != nil {
			t.Fatal(err)
		}
	})
}
