package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// deserted is an authorization at Amazon Pay that nobody looked after until it was too
// late.
type deserted struct {
	permission string
	faults     []amazonsim.Fault // of the call, the next ones of what follows
	state      string
	moved      []account.Effect
}

// Goal: an authorization whose answer is lost, and for which nobody waits, leaves no
// hold: the same request brings the charge's id back, and the charge is cancelled and
// read before anything is claimed. Method: a process dies of its call, the next one
// starts after sixteen minutes; each loss of the request that brings the id back, and of
// the cancel.
func TestDesertedAtAmazonPay(t *testing.T) {
	t.Parallel()
	released := []account.Effect{effect("hold", 1000), effect("release", 1000)}
	cancelled := func(faults ...amazonsim.Fault) deserted {
		return deserted{"S01-1234567-1234567", append([]amazonsim.Fault{amazonsim.FaultHangAfter}, faults...), "FAILED", released}
	}
	const ok = amazonsim.FaultNone
	for name, c := range map[string]deserted{
		"held":                           cancelled(),
		"it fails after the effect":      {"S01-1234567-1234567", []amazonsim.Fault{amazonsim.Fault500After, amazonsim.Fault500After}, "FAILED", released},
		"never arrived":                  {"S01-1234567-1234567", []amazonsim.Fault{amazonsim.FaultHangBefore}, "FAILED", released},
		"the id is lost again":           cancelled(amazonsim.FaultDropAfter),
		"the id comes late, throttled":   cancelled(amazonsim.FaultThrottled, amazonsim.FaultGatewayTime),
		"the cancel is lost":             cancelled(ok, amazonsim.FaultDropBefore),
		"the cancel's answer is lost":    cancelled(ok, amazonsim.FaultDropAfter),
		"the cancel fails before":        cancelled(ok, amazonsim.Fault500Before),
		"the cancel fails after":         cancelled(ok, amazonsim.Fault500After),
		"the cancel is throttled":        cancelled(ok, amazonsim.FaultThrottled),
		"the cancel hangs, then a proxy": cancelled(ok, amazonsim.FaultHangAfter, amazonsim.FaultGateway),
		"declined":                       {"S01-HARDDECLINED", []amazonsim.Fault{amazonsim.FaultHangAfter}, "DECLINED", nil},
		"pending":                        {"S01-PENDING", []amazonsim.Fault{amazonsim.FaultHangAfter}, "FAILED", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) { h.deserted(a, c) })
		})
	}
}

// deserted plays an authorization that nobody waits for.
func (h *house) deserted(a *amazonAccount, c deserted) {
	h.Helper()
	one := h.start("one", nil)
	a.Next(c.faults...)
	h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), buys(c.permission)) })
	time.Sleep(500 * time.Millisecond)
	h.store.Crash("one")
	time.Sleep(16 * time.Minute)
	p := h.sweeps("two")
	time.Sleep(3 * time.Hour)
	op := h.operation(payment.IdempotencyKey(planted("a")))
	if string(op.State) != c.state {
		h.Errorf("%s by %q, want %s (%s)", op.State, op.Current().MappingRow, c.state, op.ParkReason)
	}
	h.moved(a, c.moved...)
	if all := h.dump().Attention; len(all) > 0 {
		h.Errorf("people were told %+v", all)
	}
	again := p.authorize(h.Context(), planted("a"), buys(c.permission))
	again.tells(true, "false")
	if of := sumsOf(again.answer().GetPayment()); again.state() != c.state || of != (sums{Status: c.state}) {
		h.Errorf("the caller that comes back is told %s, %+v", again.state(), of)
	}
}

// Goal: a lost answer costs nothing while somebody may still wait: the same request
// under the same key brings back the charge that there is, and the hold is kept. Method:
// a process dies after the effect of each verb; another one starts within the minute.
func TestTakenUpAgainAtAmazonPay(t *testing.T) {
	t.Parallel()
	for verb, c := range map[string]struct {
		of    sums
		state string
		moved []account.Effect
	}{
		"authorize": {sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, "SUCCEEDED", []account.Effect{effect("hold", 1000)}},
		"capture":   {sums{"CAPTURED", 1000, 1000, 0, 0, 0}, "SUCCEEDED", []account.Effect{effect("hold", 1000), effect("capture", 1000)}},
		"void":      {sums{"VOIDED", 0, 0, 0, 0, 1000}, "SUCCEEDED", []account.Effect{effect("hold", 1000), effect("release", 1000)}},
		"refund":    {sums{"CAPTURED", 1000, 1000, 0, 1000, 0}, "PENDING", []account.Effect{effect("hold", 1000), effect("capture", 1000), effect("refund", 1000)}},
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
				one := h.start("one", nil)
				id := ""
				call := func(ctx context.Context, verb string) result {
					if verb != "authorize" {
						return one.order(ctx, planted(verb), verb, id, 0)
					}
					got := one.authorize(ctx, planted("a"), buys("S01-1234567-1234567"))
					if got.err == nil {
						id = got.answer().GetPayment().GetPaymentId()
					}
					return got
				}
				for _, before := range map[string][]string{"capture": {"authorize"}, "void": {"authorize"}, "refund": {"authorize", "capture"}}[verb] {
					call(h.Context(), before)
				}
				a.Next(amazonsim.FaultHangAfter)
				h.leaves(func(ctx context.Context) result { return call(ctx, verb) })
				time.Sleep(time.Second)
				h.store.Crash("one")
				time.Sleep(30 * time.Second)
				p := h.sweeps("two")
				time.Sleep(10 * time.Minute)
				id = string(h.operation(payment.IdempotencyKey(planted("a"))).PaymentID)
				h.orderStands(p, id, c.state, c.of)
				if h.moved(a, c.moved...); verb == "refund" {
					h.refundEnds(p, a, id)
				}
			})
		})
	}
}
