package e2e

import (
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// fault is what goes wrong with the first requests, and what becomes of the call.
type fault struct {
	faults []stripesim.Fault
	op     seen // five minutes later; sends of 0 are any number
	of     sums
	holds  int
}

// Goal: whatever goes wrong at Stripe, one call has one hold or none, its state is
// what is proven, and no failure reaches the caller as an error. Method: each fault
// before the first requests of an authorization, with a search that is a minute
// late; then the record, the effect log, and the caller again.
//
// Shows R12.
func TestFaultsAtStripe(t *testing.T) {
	t.Parallel()
	const ok, looked = "stripe.authorize.requires_capture", "stripe.query.requires_capture"
	authorized, unknown, failed := sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, sums{"UNKNOWN", 0, 0, 0, 0, 0}, sums{"FAILED", 0, 0, 0, 0, 0}
	again := func(f ...stripesim.Fault) fault {
		return fault{f, seen{"SUCCEEDED", ok, "effect", len(f) + 1}, authorized, 1}
	}
	for name, c := range map[string]fault{
		// Stored under the key: every further copy brings it. It is sent twice, and by a
		// visit once more.
		"500 after the effect":  {[]stripesim.Fault{stripesim.Fault500After}, seen{"SUCCEEDED", looked, "effect", 2}, authorized, 1},
		"500 before the effect": {[]stripesim.Fault{stripesim.Fault500Before}, seen{"UNKNOWN", "stripe.any.server_error", "unknown", 0}, unknown, 0},
		"424":                   {[]stripesim.Fault{stripesim.FaultDependency}, seen{"UNKNOWN", "stripe.any.dependency_failed", "unknown", 0}, unknown, 0},

		"502 after the effect":                again(stripesim.FaultGateway),
		"503":                                 again(stripesim.FaultUnavailable),
		"lost before the effect":              again(stripesim.FaultDropBefore),
		"lost after the effect":               again(stripesim.FaultDropAfter),
		"timeout before the effect":           again(stripesim.FaultHangBefore),
		"timeout after the effect":            again(stripesim.FaultHangAfter),
		"429":                                 again(stripesim.FaultRateLimit),
		"lock timeout":                        again(stripesim.FaultLockTimeout),
		"key in use":                          again(stripesim.FaultKeyInUse),
		"lost, limited, in use, lost, failed": again(stripesim.FaultDropAfter, stripesim.FaultRateLimit, stripesim.FaultKeyInUse, stripesim.FaultDropAfter, stripesim.FaultUnavailable),

		// A refusal of the only copy is one of the call, and of a later one it is not.
		"401":         {[]stripesim.Fault{stripesim.FaultUnauthorized}, seen{"FAILED", "stripe.any.unauthorized", "no_effect_not_sticky", 1}, failed, 0},
		"lost, a 401": {[]stripesim.Fault{stripesim.FaultDropAfter, stripesim.FaultUnauthorized}, seen{"SUCCEEDED", ok, "effect", 3}, authorized, 1},
		"429 for ever": {
			[]stripesim.Fault{"429", "429", "429", "429", "429", "429", "429"},
			seen{"FAILED", "stripe.any.rate_limit", "no_effect_not_sticky", 6},
			failed, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) { h.suffers(a, c) })
		})
	}
}

// suffers makes one call under faults, and checks what becomes of it.
func (h *house) suffers(a *stripeAccount, c fault) {
	h.Helper()
	p := h.sweeps("one")
	a.Next(c.faults...)
	first := p.authorize(h.Context(), planted("a"), pays("pm_card_visa"))
	if first.code() != codes.OK {
		h.Fatalf("Stripe's trouble reached the caller as %v", first.err)
	}
	stored := first.metadata("acquit-should-retry") == "false"
	time.Sleep(5 * time.Minute)
	op := h.operation(payment.IdempotencyKey(planted("a")))
	if arrived := len(a.writes(op.Current().Steps[0].Key)); arrived != op.Current().Sends || len(a.writes("")) != arrived {
		h.Errorf("%d writes arrived, %d under the one key; the record counts %d", len(a.writes("")), arrived, op.Current().Sends)
	}
	if c.op.Sends == 0 {
		c.op.Sends = op.Current().Sends
	}
	p.shows(string(op.PaymentID), c.op, c.of)
	if n := len(a.Effects(stripesim.KindHold)); n != c.holds || len(a.Effects()) != n {
		h.Errorf("%d holds of %d effects, want %d", n, len(a.Effects()), c.holds)
	}
	again := p.authorize(h.Context(), planted("a"), pays("pm_card_visa"))
	final := op.State.Final()
	if (again.metadata("acquit-should-retry") == "false") != final || (stored && string(again.bytes) != string(first.bytes)) {
		h.Errorf("the same key again: %s, should-retry %q", again.state(), again.metadata("acquit-should-retry"))
	}
}

// Goal: a failure that Stripe has stored is not sent after in vain: the look-up
// tells, once search has caught up. Until then the caller is told that nothing is
// known. Method: a 500 after the effect; the requests in their order.
//
// Shows R59.
func TestAStored500AtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
		p := h.sweeps("one")
		a.Next(stripesim.Fault500After)
		first := p.authorize(h.Context(), planted("a"), pays("pm_card_visa"))
		if got := first.state(); got != "UNKNOWN" || first.metadata("acquit-should-retry") != "true" {
			t.Errorf("first %s", got)
		}
		if got := a.Requests(); len(got) != 3 || !got[1].Replayed || got[2].Method != http.MethodGet {
			t.Errorf("requests %+v", got)
		}
		time.Sleep(lag - 10*time.Second)
		p.shows(first.answer().GetPayment().GetPaymentId(), seen{"UNKNOWN", "stripe.any.server_error", "unknown", 2}, sums{"UNKNOWN", 0, 0, 0, 0, 0})
		time.Sleep(lag)
		p.shows(first.answer().GetPayment().GetPaymentId(), seen{"SUCCEEDED", "stripe.query.requires_capture", "effect", 2}, sums{"AUTHORIZED", 1000, 0, 0, 0, 0})
		if n := len(a.writes("")); n != 2 { // none by the visit that search was too late for
			t.Errorf("%d writes", n)
		}
	})
}

// Goal: two copies of one request that meet at Stripe have one effect, and the one
// that is told that its key is in use waits for the other. Method: an execution
// that takes longer than acquit waits for an answer.
func TestAKeyInUseAtStripe(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{Executing: slowly()}, func(h *house, a *stripeAccount) {
		h.copiesMeet(a, pays("pm_card_visa"), 409)
	})
}

// Goal: a key that has another request's answer proves nothing about ours: unknown,
// told to people, never failed and never tried elsewhere. Method: the provider key
// is used for something else before, at the first of two accounts.
//
// Shows R57.
func TestAKeyOfAnotherRequestAtStripe(t *testing.T) {
	t.Parallel()
	two := setting{accounts: []payment.AccountName{"stripe", "second"}, stripe: &stripesim.Config{SearchLag: lag}}
	inHouse(t, two, func(h *house) {
		key, _ := h.keys.ProviderKey("default", payment.MethodAuthorize, payment.IdempotencyKey(planted("a")), "stripe", payment.StepMain)
		h.stripe("stripe").TakeKey(string(key))
		p := h.sweeps("one")
		r := pays("pm_card_visa")
		set := r.GetPaymentMethod().GetTokenSet()
		set.Tokens = append(set.Tokens, request("pm_card_visa", "second").GetPaymentMethod().GetTokenSet().GetTokens()...)
		answer := p.authorize(h.Context(), planted("a"), r).answer()
		p.shows(answer.GetPayment().GetPaymentId(), seen{"UNKNOWN", "stripe.any.key_reused", "unknown", 1}, sums{"UNKNOWN", 0, 0, 0, 0, 0})
		time.Sleep(25 * time.Hour)
		if op := h.operation(payment.IdempotencyKey(planted("a"))); op.State != payment.StateUnknown || len(op.Attempts) != 1 {
			t.Errorf("%s after %d attempts", op.State, len(op.Attempts))
		}
		h.toldStuck()
		if n := len(h.stripe("second").Requests()); n != 0 {
			t.Errorf("%d requests at the second account", n)
		}
	})
}

// toldStuck checks that people were told once, that nothing more can be done.
func (h *house) toldStuck() {
	h.Helper()
	all, err := h.store.Ledger(reader).Attention(h.Context(), "default", "", 100)
	if err != nil {
		h.Fatal(err)
	}
	if len(all) != 1 || all[0].Kind != payment.AttentionStuck {
		h.Errorf("people were told %+v", all)
	}
}

// Goal: what goes wrong with a capture, a refund or a void at Stripe leaves one
// effect, which the payment shows. Method: each fault before the first requests of
// each verb, the caller asking on with its key.
func TestOrdersSurviveStripesFaults(t *testing.T) {
	t.Parallel()
	faults := []stripesim.Fault{
		stripesim.FaultNone, stripesim.Fault500After, stripesim.FaultGateway, stripesim.FaultUnavailable, stripesim.FaultDropBefore,
		stripesim.FaultDropAfter, stripesim.FaultHangBefore, stripesim.FaultHangAfter, stripesim.FaultRateLimit, stripesim.FaultLockTimeout,
		stripesim.FaultKeyInUse,
	}
	for verb, c := range map[string]struct {
		row, looked string
		of          sums
		moved       []account.Effect
	}{
		"capture": {"capture.succeeded", "query.capture_succeeded", sums{"CAPTURED", 1000, 1000, 0, 0, 0}, []account.Effect{held(), taken(1000)}},
		"void":    {"void.canceled", "query.void_canceled", sums{"VOIDED", 0, 0, 0, 0, 1000}, []account.Effect{held(), released(1000)}},
		"refund":  {"refund.succeeded", "query.refund_succeeded", sums{"REFUNDED", 1000, 1000, 1000, 0, 0}, []account.Effect{charged(), refunded(1000)}},
	} {
		for _, f := range faults {
			t.Run(verb+"_"+string(f), func(t *testing.T) {
				t.Parallel()
				atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
					p, r := h.sweeps("one"), pays("pm_card_visa")
					if verb == "refund" {
						automatic(r)
					}
					id := p.authorize(h.Context(), planted("a"), r).answer().GetPayment().GetPaymentId()
					a.Next(f)
					h.settled(p, planted("o"), verb, id)
					row, sends := "stripe."+c.row, 2
					if f == stripesim.FaultNone {
						sends = 1
					}
					if f == stripesim.Fault500After {
						row = "stripe." + c.looked
					}
					p.shows(id, seen{"SUCCEEDED", row, "effect", sends}, c.of)
					h.moved(a, c.moved...)
				})
			})
		}
	}
}
