package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
)

// lose makes a fault of every call of the kinds.
func lose(loss ledgertest.Loss, kinds ...ledgertest.Kind) ledgertest.Hook {
	return func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
		if slices.Contains(kinds, c.Kind) {
			return ledgertest.Fault{Loss: loss}
		}
		return ledgertest.Fault{}
	}
}

// Goal: a caller that cancels does not stop the work, and its key brings the
// outcome. Method: cancel while the provider is at work.
func TestTheCallerCancels(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"tok_ok", "tok_decline_generic", "tok_500_after_effect"} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{latency: 5 * time.Second}, func(h *house) {
				p := h.one()
				ctx, cancel := context.WithCancel(h.Context())
				time.AfterFunc(time.Second, cancel)
				if r := p.authorize(ctx, "key", request(token)); r.code() != codes.Canceled || r.took != time.Second {
					t.Errorf("got %v after %s", r.err, r.took)
				}
				time.Sleep(20 * time.Second)
				again := p.authorize(h.Context(), "key", request(token))
				again.tells(true, "false")
				if again.took != 0 || again.state() == "UNKNOWN" {
					t.Errorf("the work had not gone on: %s after %s", again.state(), again.took)
				}
			})
		})
	}
}

// Goal: a caller that cannot wait gets an answer in time: what is known so far,
// marked as not the last word; the same key then brings the outcome, which the
// work behind reached by itself. Method: deadlines shorter than the provider's
// answer, and a caller with more patience than the server has.
func TestACallerThatCannotWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token    string
		deadline time.Duration
		early    string        // state of the interim answer
		status   string        // of its payment
		took     time.Duration // until it came
	}{
		"nothing known yet":                {"tok_timeout", 5 * time.Second, "INTENT", "AUTHORIZING", 4800 * time.Millisecond},
		"an effect is possible":            {"tok_500_before_effect_then_timeout", 5 * time.Second, "UNKNOWN", "UNKNOWN", 4800 * time.Millisecond},
		"only refusals so far":             {"tok_429_10s", 5 * time.Second, "INTENT", "AUTHORIZING", 4800 * time.Millisecond},
		"the server's patience ends first": {"tok_500_after_effect_then_429_always", time.Minute, "UNKNOWN", "UNKNOWN", 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				ctx, cancel := context.WithTimeout(h.Context(), c.deadline)
				defer cancel()
				first := p.authorize(ctx, "key", request(c.token))
				first.tells(false, "true")
				a := first.answer()
				if got := first.state(); got != c.early || a.GetPayment().GetStatus().String() != "PAYMENT_STATUS_"+c.status {
					t.Errorf("got %s, payment %s; want %s, %s", got, a.GetPayment().GetStatus(), c.early, c.status)
				}
				if first.took != c.took {
					t.Errorf("answered after %s, want %s", first.took, c.took)
				}
				if a.GetOperation().GetRetry() != acquitv1.RetryAdvice_RETRY_ADVICE_SAME_KEY || a.GetOperation().GetNextCheckTime() == nil {
					t.Errorf("advice %s, next check %v", a.GetOperation().GetRetry(), a.GetOperation().GetNextCheckTime())
				}
				time.Sleep(2 * time.Minute)
				last := p.authorize(h.Context(), "key", request(c.token))
				last.tells(true, "false")
				if got := last.state(); got != "SUCCEEDED" || last.took != 0 {
					t.Errorf("then got %s after %s", got, last.took)
				}
				if last.answer().GetPayment().GetPaymentId() != a.GetPayment().GetPaymentId() {
					t.Error("the interim answer was about another payment")
				}
			})
		})
	}
}

// Goal: an outcome that is not durable is told to nobody, and not lost. Method:
// the ledger loses every write of an outcome, or its answer, for a while after
// the provider has answered; a second caller comes meanwhile.
func TestTheLedgerLosesOutcomes(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]ledgertest.Loss{
		"unavailable": ledgertest.Unavailable, "applied": ledgertest.AmbiguousApplied, "not applied": ledgertest.AmbiguousNotApplied,
	} {
		for _, token := range []string{"tok_ok", "tok_decline_generic"} {
			t.Run(name+", "+token, func(t *testing.T) {
				t.Parallel()
				inHouse(t, setting{}, func(h *house) {
					p := h.one()
					h.store.SetHook(lose(loss, ledgertest.KindOutcome))
					first := p.authorize(h.Context(), "key", request(token))
					first.refused(codes.Unavailable, "OUTCOME_PENDING", "")
					if first.metadata("acquit-should-retry") != "true" || first.retryAfter() <= 0 || len(first.trailer.Get("grpc-retry-pushback-ms")) != 1 {
						t.Errorf("should retry %q, after %s, trailer %v", first.metadata("acquit-should-retry"), first.retryAfter(), first.trailer)
					}
					if loss != ledgertest.AmbiguousApplied { // else the record has it, and the second caller may see it
						p.authorize(h.Context(), "key", request(token)).refused(codes.Aborted, "IDEMPOTENCY_KEY_IN_FLIGHT", "")
					}
					h.store.SetHook(nil)
					time.Sleep(time.Second)
					last := p.authorize(h.Context(), "key", request(token))
					last.tells(true, "false")
					if n := h.received(); n != 1 || last.took != 0 {
						t.Errorf("%d requests at the provider, want 1; answered after %s", n, last.took)
					}
				})
			})
		}
	}
}

// Goal: an outage of the ledger that outlasts the owner's time ends with one
// effect all the same. Method: outcomes and parks are lost for ten minutes; a
// caller comes back afterwards.
func TestTheLedgerIsAwayForLong(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"tok_ok", "tok_decline_generic", "tok_500_after_effect"} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				h.store.SetHook(lose(ledgertest.Unavailable, ledgertest.KindOutcome, ledgertest.KindPark))
				p.authorize(h.Context(), "key", request(token)).refused(codes.Unavailable, "OUTCOME_PENDING", "")
				time.Sleep(10 * time.Minute)
				h.store.SetHook(nil)
				before := h.received()
				last := p.insist(h.Context(), "key", request(token))
				if got := last.state(); got != "SUCCEEDED" && got != "DECLINED" {
					t.Errorf("got %s", got)
				}
				if n := h.received() - before; n != 0 {
					t.Errorf("%d more requests, though a look-up tells", n)
				}
			})
		})
	}
}

// Goal: without a claim that certainly stands nothing is sent. Method: the
// ledger loses claims, or their answers; then it is back and the caller insists.
//
// Shows R48.
func TestTheLedgerLosesClaims(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		loss   ledgertest.Loss
		reason string
	}{
		"unavailable": {ledgertest.Unavailable, "LEDGER_UNAVAILABLE"},
		"applied":     {ledgertest.AmbiguousApplied, "OUTCOME_PENDING"}, // the claim may stand, and then somebody carries it out
		"not applied": {ledgertest.AmbiguousNotApplied, "OUTCOME_PENDING"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				h.store.SetHook(lose(c.loss, ledgertest.KindClaim))
				first := p.authorize(h.Context(), "key", request("tok_ok"))
				first.refused(codes.Unavailable, c.reason, "")
				if first.metadata("acquit-should-retry") != "true" || first.retryAfter() <= 0 {
					t.Errorf("should retry %q, after %s", first.metadata("acquit-should-retry"), first.retryAfter())
				}
				time.Sleep(time.Minute)
				if n := h.received(); n != 0 {
					t.Errorf("%d requests without a claim", n)
				}
				h.store.SetHook(nil)
				// At once, though the claim may stand in this very process' name.
				if got := p.authorize(h.Context(), "key", request("tok_ok")).state(); got != "SUCCEEDED" {
					t.Errorf("then got %s", got)
				}
				if n := h.received(); n != 1 {
					t.Errorf("%d requests, want 1", n)
				}
			})
		})
	}
}

// Goal: a ledger that is full takes no new calls and says so, but answers those
// it has; one that cannot be read says so to readers.
func TestTheLedgerIsFullOrUnreadable(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		first := p.authorize(h.Context(), "old", request("tok_ok"))
		h.store.SetFull(true)
		p.authorize(h.Context(), "new", request("tok_ok")).refused(codes.ResourceExhausted, "LEDGER_FULL", "")
		p.authorize(h.Context(), "old", request("tok_ok")).tells(true, "false")
		h.store.SetFull(false)
		h.store.SetHook(lose(ledgertest.Unavailable, ledgertest.KindPayment, ledgertest.KindClaim))
		get := &acquitv1.GetPaymentRequest{PaymentId: first.answer().GetPayment().GetPaymentId()}
		p.invoke(h.Context(), acquitv1.PaymentService_GetPayment_FullMethodName, get).refused(codes.Unavailable, "LEDGER_UNAVAILABLE", "")
		h.store.SetHook(nil)
	})
}

// Goal: an authorization that nobody waits for any longer is looked up, and
// cancelled where no effect is found: a late charge would surprise the payer.
// Method: a caller that comes back after twenty minutes, once without and once
// with an effect to be found.
func TestTooLateToComplete(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]struct {
		state string
		sends int // a cancel that finds nothing, the request once more, a cancel that finds it
	}{"tok_redirect": {"FAILED", 3}, "tok_late_10m_always": {"SUCCEEDED", 0}} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				p.authorize(h.Context(), "key", request(token))
				time.Sleep(20 * time.Minute)
				before := h.received()
				if got := p.authorize(h.Context(), "key", request(token)).state(); got != want.state {
					t.Errorf("got %s, want %s", got, want.state)
				}
				time.Sleep(5 * time.Minute)
				if n := h.received() - before; n != want.sends {
					t.Errorf("sent %d times more, want %d", n, want.sends)
				}
			})
		})
	}
}
