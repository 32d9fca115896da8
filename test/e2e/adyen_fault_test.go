package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// mishap is what goes wrong with the first requests of an authorization, and what is
// known of it while Adyen tells nothing.
type mishap struct {
	faults []adyensim.Fault
	op     seen
	holds  int
}

// Goal: whatever goes wrong at Adyen, one call has one hold or none, its state is what
// is proven, and no failure reaches the caller as an error: where the answer is called
// transient, or none came, the same request is sent again at once under its key; else a
// later look sends it, or a webhook tells first. Method: each fault before the first requests, with Adyen silent
// first, or its webhook ahead of every answer; the record, the effect log, and the
// caller again.
//
// Shows R12 and R23.
func TestFaultsAtAdyen(t *testing.T) {
	t.Parallel()
	again := func(f ...adyensim.Fault) mishap {
		return mishap{f, seen{"SUCCEEDED", "adyen.authorize.authorised", "effect", len(f) + 1}, 1}
	}
	for name, c := range map[string]mishap{
		"lost before the effect":    again(adyensim.FaultDropBefore),
		"lost after the effect":     again(adyensim.FaultDropAfter),
		"timeout before the effect": again(adyensim.FaultHangBefore),
		"timeout after the effect":  again(adyensim.FaultHangAfter),
		"in use":                    again(adyensim.FaultInFlight),
		"store of keys away":        again(adyensim.FaultStoreAway),
		"lost, in use, store away":  again(adyensim.FaultDropAfter, adyensim.FaultInFlight, adyensim.FaultStoreAway),
		"lost, a 401":               again(adyensim.FaultDropAfter, adyensim.FaultUnauthorized),
		"in use for long":           again(slices.Repeat([]adyensim.Fault{adyensim.FaultInFlight}, 9)...),

		"500 after the effect":  again(adyensim.Fault500After),
		"500 before the effect": again(adyensim.Fault500Before),
		"502 after the effect":  again(adyensim.FaultGateway),
		"not configured":        again(adyensim.FaultConfigured),
		"limited":               again(adyensim.FaultRateLimit),

		"401":                 {[]adyensim.Fault{adyensim.FaultUnauthorized}, seen{"FAILED", "adyen.any.000", "no_effect_not_sticky", 1}, 0},
		"the key is not seen": {[]adyensim.Fault{adyensim.FaultNoEcho}, seen{"SUCCEEDED", "adyen.authorize.authorised_no_echo", "effect", 1}, 1},
		"lost, then not seen": {[]adyensim.Fault{adyensim.FaultDropBefore, adyensim.FaultNoEcho}, seen{"SUCCEEDED", "adyen.authorize.authorised_no_echo", "effect", 2}, 1},
	} {
		for _, told := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, webhook first %t", name, told), func(t *testing.T) {
				t.Parallel()
				atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) { h.mishap(a, c, told) })
			})
		}
	}
}

// mishap makes one call under faults, and checks what becomes of it.
func (h *house) mishap(a *adyenAccount, c mishap, told bool) {
	h.Helper()
	a.Steer(adyensim.Steering{Withhold: !told, Before: told})
	p := h.sweeps("one")
	a.Next(c.faults...)
	first := p.authorize(h.Context(), planted("a"), spends("card_ok"))
	if first.code() != codes.OK {
		h.Fatalf("Adyen's trouble reached the caller as %v", first.err)
	}
	stored := first.metadata("acquit-should-retry") == "false"
	time.Sleep(5*time.Minute - 10*time.Second)
	op := h.operation(payment.IdempotencyKey(planted("a")))
	known, of := c.op, sums{Status: c.op.State}
	if c.holds > 0 && (told || c.op.State == "SUCCEEDED") {
		of = sums{"AUTHORIZED", 1000, 0, 0, 0, 0}
	}
	if told && c.holds > 0 { // the event counts no sends
		known = seen{"SUCCEEDED", "adyen.query.authorisation", "effect", op.Current().Sends}
	}
	p.shows(string(op.PaymentID), known, of)
	if arrived := len(a.under(op.Current().Steps[0].Key)); arrived != len(a.Requests()) || arrived != known.Sends && !told {
		h.Errorf("%d requests, %d under the one key, want %d", len(a.Requests()), arrived, known.Sends)
	}
	if h.speaks(a); c.holds > 0 && c.op.State == "UNKNOWN" {
		p.shows(string(op.PaymentID), seen{"SUCCEEDED", "adyen.query.authorisation", "effect", op.Current().Sends}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
	}
	if again := p.authorize(h.Context(), planted("a"), spends("card_ok")); stored && string(again.bytes) != string(first.bytes) {
		h.Errorf("the same key again: %s, other bytes than %s", again.state(), first.state())
	}
	h.moved(a, slices.Repeat([]account.Effect{effect("hold", 1000)}, c.holds)...)
}

// Goal: two copies of one request that meet at Adyen have one effect, and the one that
// is told that its key is in use waits for the other. Method: an execution that takes
// longer than acquit waits for an answer, with both of the statuses that are documented.
//
// Shows R25.
func TestAKeyInUseAtAdyen(t *testing.T) {
	t.Parallel()
	for _, inFlight := range []int{409, 422} {
		atAdyen(t, adyensim.Config{InFlight: inFlight, Executing: slowly()}, func(h *house, a *adyenAccount) {
			a.silent()
			h.copiesMeet(a, spends("card_ok"), inFlight)
		})
	}
}

// Goal: a key that has another payment's answer proves nothing about ours: unknown,
// never failed, and told to people when nothing more may be sent. Method: the provider
// key is used for something else before; who looks after it comes when the resend window
// is closed.
func TestAKeyOfAnotherPaymentAtAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		h.findsKeyUsed(a, "adyen", spends("card_ok"), "adyen.any.another_amount")
	})
}

// Goal: what goes wrong with a capture, a refund or a void at Adyen leaves one effect,
// which the payment shows once it is told, and meanwhile reserves its amount. Method:
// each fault before the first request of each verb, with Adyen silent until the caller
// has its answer.
func TestOrdersSurviveAdyensFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []adyensim.Fault{
		adyensim.FaultNone, adyensim.FaultDropBefore, adyensim.FaultDropAfter, adyensim.FaultHangBefore, adyensim.FaultHangAfter,
		adyensim.FaultInFlight, adyensim.FaultStoreAway, adyensim.FaultNoEcho, adyensim.Fault500After, adyensim.FaultGateway,
	} {
		for verb, c := range map[string]struct {
			settled string
			open    sums
			of      sums
			moved   []account.Effect
		}{
			"capture": {"capture", sums{"AUTHORIZED", 1000, 0, 0, 1000, 0}, sums{"CAPTURED", 1000, 1000, 0, 0, 0}, []account.Effect{effect("hold", 1000), effect("capture", 1000)}},
			"void":    {"cancellation", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, sums{"VOIDED", 0, 0, 0, 0, 1000}, []account.Effect{effect("hold", 1000), effect("release", 1000)}},
			"refund":  {"refund", sums{"CAPTURED", 1000, 1000, 0, 1000, 0}, sums{"REFUNDED", 1000, 1000, 1000, 0, 0}, []account.Effect{effect("hold", 1000), effect("capture", 1000), effect("refund", 1000)}},
		} {
			t.Run(verb+"_"+string(fault), func(t *testing.T) {
				t.Parallel()
				atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
					p := h.sweeps("one")
					id := p.authorize(h.Context(), planted("a"), spends("card_ok")).answer().GetPayment().GetPaymentId()
					if verb == "refund" {
						p.order(h.Context(), planted("c"), "capture", id, 0)
					}
					a.Wait()
					a.silent()
					a.Next(fault)
					p.order(h.Context(), planted("o"), verb, id, 0)
					time.Sleep(time.Minute)
					open := acceptedUnder(fault, verb)
					p.shows(id, open, c.open)
					h.speaks(a)
					p.shows(id, seen{"SUCCEEDED", "adyen.query." + c.settled, "effect", open.Sends}, c.of)
					h.moved(a, c.moved...)
				})
			})
		}
	}
}

// acceptedUnder is what is known of a modification whose first request had a fault.
func acceptedUnder(f adyensim.Fault, verb string) seen {
	accepted := seen{"PENDING", "adyen." + verb + ".received", "pending", 2}
	switch f { //nolint:exhaustive // of the others a second request is answered
	case adyensim.FaultNone:
		accepted.Sends = 1
	case adyensim.FaultNoEcho:
		accepted.Row, accepted.Sends = accepted.Row+"_no_echo", 1
	}
	return accepted
}
