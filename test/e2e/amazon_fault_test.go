package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// amazonFaults are all that the simulator can do to one write.
func amazonFaults() []amazonsim.Fault {
	return []amazonsim.Fault{
		amazonsim.Fault500Before, amazonsim.Fault500After, amazonsim.FaultGateway, amazonsim.FaultUnavailable, amazonsim.FaultThrottled503,
		amazonsim.FaultGatewayTime, amazonsim.FaultThrottled, amazonsim.FaultTimeout, amazonsim.FaultInUse,
		amazonsim.FaultDropBefore, amazonsim.FaultDropAfter, amazonsim.FaultHangBefore, amazonsim.FaultHangAfter,
	}
}

// Goal: whatever goes wrong with the first requests of an authorization, one call has
// one hold, and no failure of Amazon's reaches the caller as an error: the same request
// is sent again under its key, which brings the charge back that a lost answer had made.
// Method: every fault before the first request, pairs of faults, and an hour of one; of
// holds and of what is taken at once.
func TestFaultsAtAmazonPay(t *testing.T) {
	t.Parallel()
	scripts := map[string][]amazonsim.Fault{
		"lost, throttled, 504":   {amazonsim.FaultDropAfter, amazonsim.FaultThrottled, amazonsim.FaultGatewayTime},
		"503, 500 after, in use": {amazonsim.FaultUnavailable, amazonsim.Fault500After, amazonsim.FaultInUse},
		"500s for long":          slices.Repeat([]amazonsim.Fault{amazonsim.Fault500Before}, 12),
		"502s for long":          slices.Repeat([]amazonsim.Fault{amazonsim.FaultGateway}, 9),
	}
	for _, f := range amazonFaults() {
		scripts[string(f)] = []amazonsim.Fault{f}
	}
	for name, faults := range scripts {
		for _, takes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, taken at once %t", name, takes), func(t *testing.T) {
				t.Parallel()
				atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
					r, row, kind, of := buys("S01-1234567-1234567"), "authorized", amazonsim.KindHold, sums{"AUTHORIZED", 1000, 0, 0, 0, 0}
					if takes {
						automatic(r)
						row, kind, of = "captured", amazonsim.KindCharge, sums{"CAPTURED", 1000, 1000, 0, 0, 0}
					}
					p := h.sweeps("one")
					a.Next(faults...)
					first := p.authorize(h.Context(), planted("a"), r)
					if first.code() != codes.OK {
						t.Fatalf("Amazon's trouble reached the caller as %v", first.err)
					}
					stored := first.metadata("acquit-should-retry") == "false"
					time.Sleep(12 * time.Minute)
					op := h.operation(payment.IdempotencyKey(planted("a")))
					p.shows(string(op.PaymentID), seen{"SUCCEEDED", "amazonpay.authorize." + row, "effect", len(faults) + 1}, of)
					if n := len(a.writes(op.Current().Steps[0].Key)); n != len(faults)+1 || n != len(a.Requests()) {
						t.Errorf("%d requests, %d under the one key", len(a.Requests()), n)
					}
					if again := p.authorize(h.Context(), planted("a"), r); stored && string(again.bytes) != string(first.bytes) {
						t.Errorf("the same key again: %s, other bytes than %s", again.state(), first.state())
					}
					h.moved(a, effect(kind, 1000))
				})
			})
		}
	}
}

// Goal: two copies of one request that meet at Amazon have one effect, and the one that
// is told that its key is in use waits for the other. Method: an execution that takes
// longer than acquit waits for an answer.
func TestAKeyInUseAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{Executing: slowly()}, func(h *house, a *amazonAccount) {
		h.copiesMeet(a, buys("S01-1234567-1234567"), 425)
	})
}

// Goal: a key that another request has used (DuplicateIdempotencyKey) proves nothing
// about ours: unknown, never failed, not sent again by itself, and told to people.
// Method: the provider key is used for something else before; the caller is gone, and
// so is the resend window.
func TestAKeyOfAnotherRequestAtAmazonPay(t *testing.T) {
	t.Parallel()
	atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
		h.findsKeyUsed(a, "amazon", buys("S01-1234567-1234567"), "amazonpay.any.duplicate_idempotency_key")
	})
}

// Goal: what goes wrong with a capture, a refund or a void at Amazon leaves one effect,
// which the payment shows: the key brings an answer back that was lost, and for a void,
// whose key Amazon ignores, the state of the charge does. Method: every fault before the
// first request of each verb, and before the first two.
func TestOrdersSurviveAmazonsFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range amazonFaults() {
		for _, times := range []int{1, 2} {
			for verb, c := range map[string]struct {
				state string
				of    sums
				moved []account.Effect
			}{
				"capture": {"SUCCEEDED", sums{"CAPTURED", 1000, 1000, 0, 0, 0}, []account.Effect{effect("hold", 1000), effect("capture", 1000)}},
				"void":    {"SUCCEEDED", sums{"VOIDED", 0, 0, 0, 0, 1000}, []account.Effect{effect("hold", 1000), effect("release", 1000)}},
				"refund":  {"PENDING", sums{"CAPTURED", 1000, 1000, 0, 1000, 0}, []account.Effect{effect("hold", 1000), effect("capture", 1000), effect("refund", 1000)}},
			} {
				t.Run(fmt.Sprintf("%s_%s_%d", verb, fault, times), func(t *testing.T) {
					t.Parallel()
					atAmazon(t, amazonsim.Config{}, func(h *house, a *amazonAccount) {
						p := h.sweeps("one")
						id := p.authorize(h.Context(), planted("a"), buys("S01-1234567-1234567")).answer().GetPayment().GetPaymentId()
						if verb == "refund" {
							p.order(h.Context(), planted("c"), "capture", id, 0)
						}
						a.Next(slices.Repeat([]amazonsim.Fault{fault}, times)...)
						if got := p.order(h.Context(), planted("o"), verb, id, 0); got.code() != codes.OK {
							t.Errorf("Amazon's trouble reached the caller as %v", got.err)
						}
						time.Sleep(10 * time.Minute)
						h.orderStands(p, id, c.state, c.of)
						if h.moved(a, c.moved...); verb == "refund" {
							h.refundEnds(p, a, id)
						}
					})
				})
			}
		}
	}
}

// orderStands checks where the newest operation of a payment stands, and the payment.
func (h *house) orderStands(p *process, id, state string, of sums) {
	h.Helper()
	read, err := p.payment(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	ops := read.GetOperations()
	if got, sum := stateOf(ops[len(ops)-1]), sumsOf(read.GetPayment()); got != state || sum != of {
		h.Errorf("%s, %+v; want %s, %+v (parked: %q)", got, sum, state, of, h.parked())
	}
}

// refundEnds has the refund of all that was captured come about.
func (h *house) refundEnds(p *process, a *amazonAccount, id string) {
	h.Helper()
	if err := a.SettleRefund(h.objectOf(a), ""); err != nil {
		h.Fatal(err)
	}
	h.notifies(a)
	time.Sleep(6 * time.Second)
	h.orderStands(p, id, "SUCCEEDED", sums{"REFUNDED", 1000, 1000, 1000, 0, 0})
}
