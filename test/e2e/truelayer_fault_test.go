package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// mischance is what goes wrong with the requests that make a payment, and what follows.
type mischance struct {
	faults []truelayersim.Fault
	sends  int
	grants int // of access tokens
}

// Goal: whatever goes wrong between the request and its answer, the same request under
// its key brings one payment and its page; an access token that is not taken is renewed
// once, and a key that is in use is waited for. Method: each fault before and after the
// payment is made, then the payment to its end and a refund through the same fault; the
// audit holds the effect log against the records.
//
// Shows R77.
func TestFaultsAtTrueLayer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]mischance{
		"500 before":          {[]truelayersim.Fault{truelayersim.Fault500Before}, 2, 1},
		"500 after":           {[]truelayersim.Fault{truelayersim.Fault500After}, 2, 1},
		"502 after":           {[]truelayersim.Fault{truelayersim.FaultGateway}, 2, 1},
		"limited":             {[]truelayersim.Fault{truelayersim.FaultRateLimit}, 2, 1},
		"key in use":          {[]truelayersim.Fault{truelayersim.FaultInUse}, 2, 1},
		"lost before":         {[]truelayersim.Fault{truelayersim.FaultDropBefore}, 2, 1},
		"lost after":          {[]truelayersim.Fault{truelayersim.FaultDropAfter}, 2, 1},
		"timeout before":      {[]truelayersim.Fault{truelayersim.FaultHangBefore}, 2, 1},
		"timeout after":       {[]truelayersim.Fault{truelayersim.FaultHangAfter}, 2, 1},
		"token not taken":     {[]truelayersim.Fault{truelayersim.FaultToken}, 2, 2},
		"token after a 500":   {[]truelayersim.Fault{truelayersim.Fault500After, truelayersim.FaultToken}, 3, 2},
		"one after the other": {[]truelayersim.Fault{truelayersim.FaultDropAfter, truelayersim.FaultInUse, truelayersim.FaultGateway}, 4, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) { h.goesWrong(a, c) })
		})
	}
}

// goesWrong plays a mischance.
func (h *house) goesWrong(a *trueLayerAccount, c mischance) {
	h.Helper()
	p := h.sweeps("one")
	a.Next(c.faults...)
	id, _ := h.paid(p, a, c.sends)
	if n := len(a.Requests()); n != c.sends || a.Grants() != c.grants {
		h.Errorf("%d sends with %d tokens, want %d with %d", n, a.Grants(), c.sends, c.grants)
	}
	a.Next(c.faults...)
	back := p.order(h.Context(), planted("r"), "refund", id, 1000)
	for back.metadata("acquit-should-retry") != "false" {
		time.Sleep(20 * time.Second)
		back = p.order(h.Context(), planted("r"), "refund", id, 1000)
	}
	h.goes(a, a.ExecuteRefund(back.answer().GetOperation().GetAttempts()[0].GetProviderReference()))
	p.shows(id, seen{"SUCCEEDED", "truelayer.query.refund_executed", "effect", c.sends}, sums{"REFUNDED", 1000, 1000, 1000, 0, 0})
	if n := len(a.Requests()); n != 2*c.sends {
		h.Errorf("%d sends, want %d", n, 2*c.sends)
	}
}

// Goal: a refusal of our signature, and of a second access token, is final at once: the
// payment failed without effect, and somebody is called. Method: each, and how often
// TrueLayer was asked for what.
//
// Shows R40 and R76.
func TestRefusedCredentialsAtTrueLayer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mischance

		row string
	}{
		"the signature": {mischance{[]truelayersim.Fault{truelayersim.FaultSignature}, 1, 1}, "any.unauthenticated_signature"},
		"two tokens":    {mischance{[]truelayersim.Fault{truelayersim.FaultToken, truelayersim.FaultToken}, 2, 2}, "any.unauthenticated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
				p := h.sweeps("one")
				a.Next(c.faults...)
				got := p.authorize(h.Context(), planted("a"), transfers(""))
				p.shows(got.answer().GetPayment().GetPaymentId(), seen{"FAILED", "truelayer." + c.row, "no_effect_not_sticky", c.sends}, sums{Status: "FAILED"})
				if n := len(a.Requests()); n != c.sends || a.Grants() != c.grants || h.alerts()["truelayer."+c.row] == 0 {
					t.Errorf("%d sends with %d tokens, alerts %v", n, a.Grants(), h.alerts())
				}
			})
		})
	}
}

// Goal: a payment for which no access token can be had was never sent: it is made when one
// can be had again, and has failed when that takes too long; it is never unknown. Method: a
// token server that is away for a while and for good, and what TrueLayer has seen.
func TestNoTokensAtTrueLayer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		away int
		want seen
		sums sums
	}{
		"for a while": {2, seen{"REQUIRES_ACTION", "truelayer.authorize.authorization_required", "pending", 1}, sums{Status: "REQUIRES_ACTION"}},
		"for good":    {1000, seen{"FAILED", "any.transport.never_sent", "no_effect_not_sticky", 0}, sums{Status: "FAILED"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
				p := h.one()
				a.GrantNone(c.away)
				got := p.authorize(h.Context(), planted("a"), transfers(""))
				time.Sleep(2 * time.Minute)
				p.shows(got.answer().GetPayment().GetPaymentId(), c.want, c.sums)
				if n := len(a.Requests()); n != c.want.Sends {
					t.Errorf("%d sends, want %d", n, c.want.Sends)
				}
			})
		})
	}
}

// Goal: an access token is asked for once for all calls and again only when it is old
// or revoked, also in the middle of a payment. Method: payments before and after a
// token's end, and a revocation before a refund and a look-up.
func TestTokensAtTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{TokenLife: 10 * time.Minute}, func(h *house, a *trueLayerAccount) {
		p := h.one()
		grants := func(want int) {
			h.Helper()
			if a.Grants() != want {
				h.Errorf("%d tokens were given, want %d", a.Grants(), want)
			}
		}
		id, _ := h.paid(p, a, 1)
		time.Sleep(8 * time.Minute)
		p.order(h.Context(), planted("r1"), "refund", id, 100)
		grants(1)
		time.Sleep(90 * time.Second) // the token would end while a request with it is on its way
		p.order(h.Context(), planted("r2"), "refund", id, 100)
		grants(2)
		a.RevokeTokens()
		if got := p.order(h.Context(), planted("r3"), "refund", id, 100); got.state() != "PENDING" {
			t.Errorf("after a revocation it is %s", got.state())
		}
		grants(3)
		a.RevokeTokens()
		for i, r := range h.dump().Operations {
			if r.Method == payment.MethodRefund {
				_ = p.flow.Visit(h.Context(), i) // asks with the token that is not good any more, then without
				_ = p.flow.Visit(h.Context(), i)
			}
		}
		grants(4)
	})
}

// Goal: a failure that TrueLayer will repeat under the key is not asked for again; what
// became of it is unknown, never failed, and a person is told when nothing more can be
// done. Method: a 500 with Tl-Should-Retry false, beside ones without it.
func TestShouldRetryAtTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.sweeps("one")
		a.Next(truelayersim.Fault500Before, truelayersim.Fault500Stop)
		got := p.authorize(h.Context(), planted("a"), transfers(""))
		time.Sleep(12 * time.Hour)
		p.shows(got.answer().GetPayment().GetPaymentId(), seen{"UNKNOWN", "truelayer.any.unknown_error", "unknown", 2}, sums{Status: "UNKNOWN"})
		stuck := slices.ContainsFunc(h.dump().Attention, func(n payment.Attention) bool { return n.Kind == payment.AttentionStuck })
		if n := len(a.Requests()); n != 2 || !stuck {
			t.Errorf("%d sends; to look at: %+v", n, h.dump().Attention)
		}
	})
}

// Goal: a payment whose answer was lost and for which nobody waits charges nobody: its
// id is learnt by the same request under its key, once, and only then it is cancelled;
// it ends by the payment as it is after that. Method: a process that dies of its
// call, and the next one after sixteen minutes; faults of the cancel; a TrueLayer that
// has ended the payment by itself, and one that has not.
func TestAbandonedAtTrueLayer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		patience time.Duration
		faults   []truelayersim.Fault // after the request that brings the id
		row      string
		cancels  int
	}{
		"cancelled":                   {24 * time.Hour, nil, "failed_canceled", 1},
		"the cancel is lost":          {24 * time.Hour, []truelayersim.Fault{truelayersim.FaultDropBefore}, "failed_canceled", 2},
		"the cancel's answer is lost": {24 * time.Hour, []truelayersim.Fault{truelayersim.FaultDropAfter}, "failed_canceled", 1},
		"the cancel fails after":      {24 * time.Hour, []truelayersim.Fault{truelayersim.Fault500After}, "failed_canceled", 1},
		"the cancel is limited":       {24 * time.Hour, []truelayersim.Fault{truelayersim.FaultRateLimit}, "failed_canceled", 2},
		"the cancel fails for good":   {24 * time.Hour, []truelayersim.Fault{truelayersim.Fault500Stop}, "failed_canceled", 2},
		"expired by itself":           {0, nil, "failed_expired", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atTrueLayer(t, truelayersim.Config{Patience: c.patience}, func(h *house, a *trueLayerAccount) {
				one := h.start("one", nil)
				a.Next(append([]truelayersim.Fault{truelayersim.FaultHangAfter, truelayersim.FaultNone}, c.faults...)...)
				h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), transfers("")) })
				time.Sleep(time.Second)
				h.store.Crash("one") // which waits for its answer
				time.Sleep(16 * time.Minute)
				h.sweeps("two")
				time.Sleep(3 * time.Hour)
				op := h.operation(payment.IdempotencyKey(planted("a")))
				if op.State != payment.StateFailed || op.Current().MappingRow != "truelayer.fenced."+c.row {
					t.Errorf("%s by %s (%s)", op.State, op.Current().MappingRow, op.ParkReason)
				}
				made := len(a.Requests()) - a.cancels()
				if made != 2 || a.cancels() != c.cancels || len(h.dump().Attention) > 0 {
					t.Errorf("%d requests, %d cancels, want 2 and %d; to look at: %+v", made, a.cancels(), c.cancels, h.dump().Attention)
				}
			})
		})
	}
}

// Goal: a key that has somebody else's payment is never taken for ours.
//
// Shows R71 and R78.
func TestKeyOfAnotherAtTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.sweeps("one")
		a.Next(truelayersim.FaultHangBefore)
		p.authorize(h.Context(), planted("a"), transfers(""))
		step, _ := h.operation(payment.IdempotencyKey(planted("a"))).Current().Step(payment.StepMain)
		a.TakeKey(spelled(step.Key))
		time.Sleep(time.Minute)
		op := h.operation(payment.IdempotencyKey(planted("a")))
		if op.State != payment.StateUnknown || op.Current().MappingRow != "truelayer.any.key_reused" {
			t.Errorf("%s by %s", op.State, op.Current().MappingRow)
		}
	})
}
