package e2e

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// mortal is a process that dies at a point, once it is armed: the ledger refuses it
// everything, and its flight hangs there.
func (h *house) mortal(boot payment.BootID, point payment.Point) (p *process, arm func()) {
	h.Helper()
	var armed atomic.Bool
	dead := make(chan struct{})
	p = h.start(boot, func(_ context.Context, at payment.Point) {
		if at == point && armed.Load() {
			h.store.Crash(boot)
			<-dead
		}
	})
	h.Cleanup(func() { close(dead) }) // before it drains
	return p, func() { armed.Store(true) }
}

// leaves makes a call whose caller does not wait for the answer and never asks again.
func (h *house) leaves(call func(context.Context) result) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), time.Second)
	defer cancel()
	call(ctx)
}

// Goal: wherever a process dies while it works at Stripe, and nobody asks again,
// another one ends the operation with one effect, though search is late. Method:
// each verb, a process that dies at each point, and the sweep of another.
func TestCrashesAtStripe(t *testing.T) {
	t.Parallel()
	points := []payment.Point{
		payment.PointClaimBefore, payment.PointClaimAfter, payment.PointSendBeforeCheck, payment.PointSendAfterCheck,
		payment.PointSendAfterHeaders, payment.PointSendAfterBody, payment.PointResponseReceived, payment.PointOutcomeBefore,
		payment.PointOutcomeAfter, payment.PointReplyBefore,
	}
	for verb, c := range map[string]struct {
		before, after sums
		moved         []account.Effect // the last one is the verb's
	}{
		"authorize": {sums{}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []account.Effect{held()}},
		"capture":   {sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, sums{"CAPTURED", 1000, 1000, 0, 0, 0}, []account.Effect{held(), taken(1000)}},
		"void":      {sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, sums{"VOIDED", 0, 0, 0, 0, 1000}, []account.Effect{held(), released(1000)}},
		"refund":    {sums{"CAPTURED", 1000, 1000, 0, 0, 0}, sums{"REFUNDED", 1000, 1000, 1000, 0, 0}, []account.Effect{charged(), refunded(1000)}},
	} {
		for _, point := range points {
			t.Run(verb+", "+string(point), func(t *testing.T) {
				t.Parallel()
				atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
					one, arm := h.mortal("one", point)
					two := h.sweeps("two")
					id := h.crashes(one, arm, verb)
					time.Sleep(5 * time.Minute)
					of, moved := c.after, c.moved
					if point == payment.PointClaimBefore {
						of, moved = c.before, moved[:len(moved)-1]
					}
					h.moved(a, moved...)
					if verb == "authorize" && point == payment.PointClaimBefore {
						if n := h.records(); n != 0 {
							t.Errorf("%d records", n)
						}
						return
					}
					if verb == "authorize" {
						id = string(h.operation(payment.IdempotencyKey(planted("o"))).PaymentID)
					}
					read, err := two.payment(h.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					if got := sumsOf(read.GetPayment()); got != of {
						t.Errorf("the payment is\n%+v, want\n%+v (parked: %q)", got, of, h.parked())
					}
				})
			})
		}
	}
}

// crashes makes a call at a process that dies of it, on a payment that it made
// before where the verb needs one.
func (h *house) crashes(p *process, arm func(), verb string) (id string) {
	h.Helper()
	if verb != "authorize" {
		r := pays("pm_card_visa")
		if verb == "refund" {
			automatic(r)
		}
		id = p.authorize(h.Context(), planted("a"), r).answer().GetPayment().GetPaymentId()
	}
	arm()
	h.leaves(func(ctx context.Context) result {
		if verb == "authorize" {
			return p.authorize(ctx, planted("o"), pays("pm_card_visa"))
		}
		return p.order(ctx, planted("o"), verb, id, 0)
	})
	return id
}

// Goal: requests that are not answered, then a process that dies, then another one:
// one hold, known by a look or by the same key. Method: timeouts, before or after
// the effect; the process dies while it waits for the third answer.
//
// Shows R55.
func TestTimeoutsAndACrashAtStripe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults []stripesim.Fault
		blind  time.Duration // of search
		row    string
	}{
		"after the effect":              {[]stripesim.Fault{"hang_after", "hang_after", "hang_after"}, lag, "stripe.query.requires_capture"},
		"after the effect, search late": {[]stripesim.Fault{"hang_after", "hang_after", "hang_after"}, time.Hour, "stripe.authorize.requires_capture"},
		"before the effect":             {[]stripesim.Fault{"hang_before", "hang_before", "hang_before"}, lag, "stripe.authorize.requires_capture"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: c.blind}, func(h *house, a *stripeAccount) {
				one, two := h.start("one", nil), h.sweeps("two")
				a.Next(c.faults...)
				h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), pays("pm_card_visa")) })
				time.Sleep(45 * time.Second)
				h.store.Crash("one")
				time.Sleep(5 * time.Minute)
				op := h.operation(payment.IdempotencyKey(planted("a")))
				if op.State != payment.StateSucceeded || op.Current().MappingRow != c.row {
					t.Errorf("%s by %s, want %s (%s)", op.State, op.Current().MappingRow, c.row, op.ParkReason)
				}
				h.moved(a, held())
				if again := two.authorize(h.Context(), planted("a"), pays("pm_card_visa")); again.state() != "SUCCEEDED" {
					t.Errorf("the caller that comes back is told %s", again.state())
				}
				if n, all := len(a.writes(op.Current().Steps[0].Key)), len(a.writes("")); n != all || n < 3 {
					t.Errorf("%d of %d writes under the one key", n, all)
				}
			})
		})
	}
}

// late is an authorization that nobody looked after until it was too late.
type late struct {
	card   string
	faults []stripesim.Fault // of the call, and of what comes later
	blind  bool              // search does not find it
	change []func(*acquitv1.AuthorizeRequest)
	state  payment.State
	row    string
	moved  []account.Effect
	writes int // that came after it was too late
}

// Goal: an authorization that is found open when nobody waits for it any more is
// not a late charge: it is cancelled, and called failed only when it is read as
// cancelled. What it holds already is known by a look; where Stripe's id of it is
// not known, the same request brings it, unless that would take money. Method: a
// process dies of its call, the next one starts after sixteen minutes.
func TestTooLateAtStripe(t *testing.T) {
	t.Parallel()
	const gone = "stripe.fenced.canceled"
	lost, never := []stripesim.Fault{stripesim.FaultHangAfter}, []stripesim.Fault{stripesim.FaultHangBefore}
	for name, c := range map[string]late{
		"held, and found":                     {"pm_card_visa", lost, false, nil, "SUCCEEDED", "stripe.query.requires_capture", []account.Effect{held()}, 0},
		"held, and its id lost":               {"pm_card_visa", lost, true, nil, "FAILED", gone, []account.Effect{held(), released(1000)}, 2},
		"never arrived":                       {"pm_card_visa", never, false, nil, "FAILED", gone, []account.Effect{held(), released(1000)}, 2},
		"waits for the shopper, and found":    {secure, lost, false, nil, "FAILED", gone, nil, 1},
		"waits for the shopper, its id lost":  {secure, lost, true, nil, "FAILED", gone, nil, 2},
		"declined, and its id lost":           {"pm_card_visa_chargeDeclinedLostCard", lost, true, nil, "DECLINED", "stripe.authorize.declined_lost_card", nil, 1},
		"captured, and found":                 {"pm_card_visa", lost, false, []func(*acquitv1.AuthorizeRequest){automatic}, "SUCCEEDED", "stripe.query.succeeded", []account.Effect{charged()}, 0},
		"captured, and its id lost":           {"pm_card_visa", lost, true, []func(*acquitv1.AuthorizeRequest){automatic}, "UNKNOWN", "", []account.Effect{charged()}, 0},
		"to be captured, and never arrived":   {"pm_card_visa", never, false, []func(*acquitv1.AuthorizeRequest){automatic}, "UNKNOWN", "", nil, 0},
		"the cancel's answer is lost":         {secure, []stripesim.Fault{stripesim.FaultHangAfter, stripesim.FaultDropAfter}, false, nil, "FAILED", gone, nil, 1},
		"the cancel is lost":                  {secure, []stripesim.Fault{stripesim.FaultHangAfter, stripesim.FaultDropBefore}, false, nil, "FAILED", gone, nil, 2},
		"the cancel fails after its effect":   {secure, []stripesim.Fault{stripesim.FaultHangAfter, stripesim.Fault500After}, false, nil, "FAILED", gone, nil, 1},
		"the cancel fails before its effect":  {secure, []stripesim.Fault{stripesim.FaultHangAfter, stripesim.Fault500Before}, false, nil, "FAILED", gone, nil, 3},
		"a stored failure, and its id lost":   {"pm_card_visa", []stripesim.Fault{stripesim.Fault500After}, true, nil, "UNKNOWN", "stripe.any.server_error", []account.Effect{held()}, -1},
		"the cancel is limited, then allowed": {secure, []stripesim.Fault{stripesim.FaultHangAfter, stripesim.FaultRateLimit}, false, nil, "FAILED", gone, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blind := lag
			if c.blind {
				blind = 1000 * time.Hour
			}
			atStripe(t, stripesim.Config{SearchLag: blind}, func(h *house, a *stripeAccount) { h.tooLate(a, c) })
		})
	}
}

// tooLate plays a late authorization.
func (h *house) tooLate(a *stripeAccount, c late) {
	h.Helper()
	one := h.start("one", nil)
	a.Next(c.faults...)
	h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), pays(c.card, c.change...)) })
	time.Sleep(time.Second)
	h.store.Crash("one") // which waits for its answer, or knows already that it cannot know
	time.Sleep(16 * time.Minute)
	arrived := len(a.writes(""))
	h.sweeps("two")
	time.Sleep(3 * time.Hour)
	if c.state == payment.StateUnknown {
		time.Sleep(22 * time.Hour) // past the resend window
		h.toldStuck()
	}
	op := h.operation(payment.IdempotencyKey(planted("a")))
	if op.State != c.state || op.Current().MappingRow != c.row {
		h.Errorf("%s by %q, want %s by %q (%s)", op.State, op.Current().MappingRow, c.state, c.row, op.ParkReason)
	}
	h.moved(a, c.moved...)
	if n := len(a.writes("")) - arrived; n != c.writes && c.writes >= 0 {
		h.Errorf("%d writes when it was too late, want %d: %+v", n, c.writes, a.writes("")[arrived:])
	}
	for _, r := range a.writes("")[arrived:] {
		if takes := len(c.change) > 0; takes && r.Method == http.MethodPost {
			h.Errorf("what takes money was sent when nobody waited for it: %+v", r)
		}
	}
}

// Goal: a process that dies between the decision to cancel and the cancel leaves
// nothing behind: another one sends that very cancel. Method: it dies at that point
// of its visit; a third one sweeps.
func TestACrashBeforeTheCancelAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{SearchLag: 1000 * time.Hour}, func(h *house, a *stripeAccount) {
		one := h.start("one", nil)
		two, arm := h.mortal("two", payment.PointFenceAfter)
		a.Next(stripesim.FaultHangAfter)
		h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), pays("pm_card_visa")) })
		h.store.Crash("one")
		time.Sleep(16 * time.Minute)
		arm()
		key := h.operation(payment.IdempotencyKey(planted("a"))).Key
		go func() { _ = two.flow.Visit(h.Context(), key) }() // it never returns
		time.Sleep(time.Minute)
		op := h.operation(payment.IdempotencyKey(planted("a")))
		if op.State != payment.StateFencing || len(a.Effects(stripesim.KindRelease)) != 0 {
			t.Fatalf("%s, effects %+v", op.State, a.Effects())
		}
		h.sweeps("three")
		time.Sleep(5 * time.Minute)
		if op = h.operation(payment.IdempotencyKey(planted("a"))); op.State != payment.StateFailed || op.Current().MappingRow != "stripe.fenced.canceled" {
			t.Errorf("%s by %s (%s)", op.State, op.Current().MappingRow, op.ParkReason)
		}
		h.fenced(a, "abandoned")
		h.moved(a, held(), released(1000))
	})
}

// Goal: a decline whose answer was lost with its process still lets another account
// try, while there is time: the same key brings it back. A look does not, for it
// cannot tell whether somebody may still confirm the intent. Method: the first of
// two accounts declines for good or for now, and the process dies of it.
func TestADeclineThatIsLostAtStripe(t *testing.T) {
	t.Parallel()
	for card, c := range map[string]struct {
		state    payment.State
		attempts int
	}{
		"pm_card_visa_chargeDeclinedInsufficientFunds": {"SUCCEEDED", 2}, "pm_card_visa_chargeDeclinedStolenCard": {"DECLINED", 1},
	} {
		t.Run(card, func(t *testing.T) {
			t.Parallel()
			two := setting{accounts: []payment.AccountName{"first", "second"}, stripe: &stripesim.Config{}}
			inHouse(t, two, func(h *house) {
				one, arm := h.mortal("one", payment.PointResponseReceived)
				arm()
				r := with(request(card, "first"), func(r *acquitv1.AuthorizeRequest) {
					set := r.GetPaymentMethod().GetTokenSet()
					set.Tokens = append(set.Tokens, request("pm_card_visa", "second").GetPaymentMethod().GetTokenSet().GetTokens()...)
				})
				h.leaves(func(ctx context.Context) result { return one.authorize(ctx, planted("a"), r) })
				h.sweeps("two")
				time.Sleep(5 * time.Minute)
				op := h.operation(payment.IdempotencyKey(planted("a")))
				if op.State != c.state || len(op.Attempts) != c.attempts || op.Epoch < 2 {
					t.Errorf("%s after %d attempts in epoch %d (%s)", op.State, len(op.Attempts), op.Epoch, op.ParkReason)
				}
				h.moved(h.stripe("first"))
				if n := len(h.stripe("second").Effects()); n != c.attempts-1 {
					t.Errorf("%d effects at the second account", n)
				}
			})
		})
	}
}
