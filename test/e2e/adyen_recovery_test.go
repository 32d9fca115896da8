package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// abandoned is an authorization at Adyen that nobody looked after until it was too late.
type abandoned struct {
	card    string
	faults  []adyensim.Fault // of the call, and of the first cancel
	slow    time.Duration    // it arrives this late
	state   string
	row     string
	moved   []account.Effect
	cancels int // under keys of their own
}

// Goal: an authorization whose answer is lost, and for which nobody waits, leaves no
// hold: it is cancelled by our reference, and ends only by what Adyen tells of that. A
// cancel that found nothing is followed by the request itself and another cancel, until
// there was something to find. Method: a process dies of its call, the next one starts
// after sixteen minutes; what Adyen tells comes in order, backwards and twice; each loss
// of the first cancel, and a request that arrives when it has been cancelled in vain.
func TestAbandonedAtAdyen(t *testing.T) {
	t.Parallel()
	const gone, refused = "adyen.fenced.technical_cancel", "adyen.authorize.refused_2"
	released := []account.Effect{effect("hold", 1000), effect("release", 1000)}
	cancelled := func(faults ...adyensim.Fault) abandoned {
		return abandoned{"card_ok", append([]adyensim.Fault{adyensim.FaultHangAfter}, faults...), 0, "FAILED", gone, released, 1}
	}
	lost := []adyensim.Fault{adyensim.FaultHangAfter}
	for name, c := range map[string]abandoned{
		"held":                         cancelled(),
		"the cancel is lost":           cancelled(adyensim.FaultDropBefore),
		"the cancel's answer is lost":  cancelled(adyensim.FaultDropAfter),
		"the cancel fails before":      cancelled(adyensim.Fault500Before),
		"the cancel fails after":       cancelled(adyensim.Fault500After),
		"the cancel is refused":        cancelled(adyensim.FaultUnauthorized),
		"the cancel is limited":        cancelled(adyensim.FaultRateLimit),
		"the cancel's key is in use":   cancelled(adyensim.FaultInFlight),
		"the cancel's key is not seen": cancelled(adyensim.FaultNoEcho),
		"it fails after the effect":    {"card_ok", []adyensim.Fault{adyensim.Fault500After}, 0, "FAILED", gone, released, 1},
		"refused":                      {"card_refused", lost, 0, "DECLINED", refused, nil, 1},
		"pending":                      {"card_pending", lost, 0, "FAILED", gone, nil, 1},
		"waits for its shopper":        {"card_redirect", lost, 0, "FAILED", gone, nil, 1},
		"never arrived":                {"card_ok", []adyensim.Fault{adyensim.FaultHangBefore}, 0, "FAILED", gone, released, 2},
		"arrives very late":            {"card_ok", nil, 50 * time.Minute, "FAILED", gone, released, -1},
	} {
		for _, how := range []adyensim.Steering{{}, {Backwards: true, Twice: true}} {
			t.Run(fmt.Sprintf("%s, backwards %t", name, how.Backwards), func(t *testing.T) {
				t.Parallel()
				var slow atomic.Int64
				slow.Store(int64(c.slow))
				config := adyensim.Config{Executing: func(string) { time.Sleep(time.Duration(slow.Swap(0))) }}
				atAdyen(t, config, func(h *house, a *adyenAccount) { h.abandoned(a, c, how) })
			})
		}
	}
}

// abandoned plays an authorization that nobody waits for.
func (h *house) abandoned(a *adyenAccount, c abandoned, how adyensim.Steering) {
	h.Helper()
	h.cancelling(a, c.card, c.faults...)
	how.Withhold = false
	a.Steer(how)
	h.speaks(a)
	time.Sleep(3 * time.Hour)
	op := h.operation(payment.IdempotencyKey(planted("a")))
	if string(op.State) != c.state || op.Current().MappingRow != c.row {
		h.Errorf("%s by %q, want %s by %q (%s)", op.State, op.Current().MappingRow, c.state, c.row, op.ParkReason)
	}
	steps := op.Current().Steps
	if n := len(steps) - 1; n != c.cancels && c.cancels > 0 || c.cancels < 0 && n < 2 {
		h.Errorf("%d cancels, want %d", n, c.cancels)
	}
	for i, s := range steps {
		sent, path := a.under(s.Key), map[bool]string{true: "/v71/cancels", false: "/v71/payments"}[s.Name.Fence()]
		if len(sent) == 0 || sent[0].Path != path {
			h.Errorf("step %d, %s, was sent as %+v", i, s.Name, sent)
		}
	}
	h.moved(a, c.moved...)
	if all := h.dump().Attention; len(all) > 0 {
		h.Errorf("people were told %+v", all)
	}
	p := h.processes[len(h.processes)-1]
	again := p.authorize(h.Context(), planted("a"), spends(c.card))
	again.tells(true, "false")
	if of := sumsOf(again.answer().GetPayment()); again.state() != c.state || of != (sums{Status: c.state}) {
		h.Errorf("the caller that comes back is told %s, %+v", again.state(), of)
	}
}

// cancelling has a call abandoned until it is being cancelled, with Adyen silent, and
// checks that nothing is claimed yet.
func (h *house) cancelling(a *adyenAccount, card string, faults ...adyensim.Fault) {
	h.Helper()
	a.silent()
	one := h.start("one", nil)
	a.Next(faults...)
	h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), spends(card)) })
	time.Sleep(time.Second)
	h.store.Crash("one") // which waits for its answer, or knows already that it cannot know
	time.Sleep(16 * time.Minute)
	p := h.sweeps("two")
	time.Sleep(5 * time.Minute)
	op := h.operation(payment.IdempotencyKey(planted("a")))
	read, err := p.payment(h.Context(), string(op.PaymentID))
	if err != nil || op.State != payment.StateFencing || sumsOf(read.GetPayment()) != (sums{Status: "UNKNOWN"}) {
		h.Errorf("while Adyen is silent it is %s, the payment %+v (%v)", op.State, sumsOf(read.GetPayment()), err)
	}
}

// Goal: that an authorization came about settles nothing while it is being cancelled,
// and changes nothing once the cancel is told; nor does a cancel told again. Method:
// AUTHORISATION told before TECHNICAL_CANCEL, and after it; both again, to the end.
func TestAuthorisationToldAroundTheCancelAtAdyen(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"before": "AUTHORISATION", "after": "TECHNICAL_CANCEL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
				h.cancelling(a, "card_ok", adyensim.FaultHangAfter)
				h.posts(a, a.account, http.StatusOK, a.events(first)...)
				want := map[string]payment.State{"AUTHORISATION": payment.StateFencing, "TECHNICAL_CANCEL": payment.StateFailed}[first]
				if op := h.operation(payment.IdempotencyKey(planted("a"))); op.State != want {
					t.Errorf("told of %s it is %s", first, op.State)
				}
				h.posts(a, a.account, http.StatusOK, a.events("TECHNICAL_CANCEL")...)
				before := h.dump()
				for range 3 {
					h.posts(a, a.account, http.StatusOK, a.Events()...)
				}
				after := h.dump()
				if diff := gocmp.Diff(before.Operations, after.Operations); diff != "" {
					t.Errorf("the record changed:\n%s", diff)
				}
				if diff := gocmp.Diff(before.Payments, after.Payments); diff != "" || len(after.Attention) > 0 {
					t.Errorf("the payment changed, or people were told %+v:\n%s", after.Attention, diff)
				}
				p := h.processes[1]
				p.shows(string(h.operation(payment.IdempotencyKey(planted("a"))).PaymentID), seen{"FAILED", "adyen.fenced.technical_cancel", "no_effect_sticky", 0}, sums{Status: "FAILED"})
				h.moved(a, effect("hold", 1000), effect("release", 1000))
			})
		})
	}
}

// Goal: money that Adyen captured by itself is on the payment as soon as it is told, also
// while the authorization is being cancelled: no cancel undoes that. Method: an automatic
// capture whose answer is lost and that nobody waits for; what Adyen tells of it, and of
// the cancel in vain, comes in order and backwards.
func TestACaptureThatIsToldWhileCancellingAtAdyen(t *testing.T) {
	t.Parallel()
	for _, backwards := range []bool{false, true} {
		t.Run(fmt.Sprintf("backwards %t", backwards), func(t *testing.T) {
			t.Parallel()
			atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
				a.silent()
				one, call := h.start("one", nil), spends("card_ok")
				call.CaptureMode = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC
				a.Next(adyensim.FaultHangAfter)
				h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), call) })
				time.Sleep(time.Second)
				h.store.Crash("one")
				time.Sleep(16 * time.Minute)
				p := h.sweeps("two")
				time.Sleep(5 * time.Minute)
				if op := h.operation(payment.IdempotencyKey(planted("a"))); op.State != payment.StateFencing {
					t.Errorf("while Adyen is silent it is %s", op.State)
				}
				a.Steer(adyensim.Steering{Backwards: backwards})
				h.speaks(a)
				if _, err := p.flow.MatchOrphans(h.Context(), ""); err != nil {
					t.Error(err)
				}
				id := string(h.operation(payment.IdempotencyKey(planted("a"))).PaymentID)
				p.shows(id, seen{"SUCCEEDED", "adyen.fenced.capture", "effect", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
				h.moved(a, effect("charge", 1000))
				if all := h.dump().Attention; len(all) > 0 {
					t.Errorf("people were told %+v", all)
				}
			})
		})
	}
}

// Goal: a hold that Adyen tells of in time is kept: nobody cancels it. Method: the
// answer is lost with its process; AUTHORISATION comes a minute later.
func TestAHoldThatIsToldInTimeAtAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		a.silent()
		one := h.start("one", nil)
		a.Next(adyensim.FaultHangAfter)
		h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), spends("card_ok")) })
		time.Sleep(time.Second)
		h.store.Crash("one")
		time.Sleep(30 * time.Second)
		p := h.start("two", nil)
		h.speaks(a)
		p.shows(string(h.operation(payment.IdempotencyKey(planted("a"))).PaymentID), seen{"SUCCEEDED", "adyen.query.authorisation", "effect", 1}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
		h.sweeps("three")
		time.Sleep(time.Hour)
		h.moved(a, effect("hold", 1000))
		if n := len(a.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
