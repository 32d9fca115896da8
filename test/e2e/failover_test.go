package e2e

import (
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// twoAccounts is a request with another token on each of two accounts.
func twoAccounts(first, second string) *acquitv1.AuthorizeRequest {
	return with(request(first, "first"), func(r *acquitv1.AuthorizeRequest) {
		set := r.GetPaymentMethod().GetTokenSet()
		set.Tokens = append(set.Tokens, request(second, "second").GetPaymentMethod().GetTokenSet().GetTokens()...)
	})
}

// Goal: another account is asked only when the first is proven to have had no
// effect and never will have one, with a provider key of its own; whatever might
// have had an effect stays where it is. Method: two accounts, a token for each;
// the first provider may be down; then both providers' logs.
func TestFailover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string
		down          bool   // the first provider refuses connections
		state         string // when the flight has ended
		asked         bool   // the second account was
		effects       [2]int
	}{
		"declined":                        {"tok_decline_insufficient_funds", "tok_ok", false, "SUCCEEDED", true, [2]int{0, 1}},
		"declined by both":                {"tok_decline_insufficient_funds", "tok_decline_lost_card", false, "DECLINED", true, [2]int{}},
		"refused connection":              {"tok_ok", "tok_ok", true, "SUCCEEDED", true, [2]int{0, 1}},
		"refused for ever":                {"tok_429_always", "tok_ok", false, "SUCCEEDED", true, [2]int{0, 1}},
		"refused credential":              {"tok_401", "tok_ok", false, "SUCCEEDED", true, [2]int{0, 1}},
		"a stored decline after a 500":    {"tok_500_before_effect_then_decline_generic", "tok_ok", false, "SUCCEEDED", true, [2]int{0, 1}},
		"declined, then something lost":   {"tok_decline_generic", "tok_500_before_effect_always", false, "UNKNOWN", true, [2]int{}},
		"a decline that no other changes": {"tok_decline_lost_card", "tok_ok", false, "DECLINED", false, [2]int{}},
		"a request that is refused":       {"tok_400", "tok_ok", false, "FAILED", false, [2]int{}},
		"500":                             {"tok_500_before_effect_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"503":                             {"tok_503_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"500, then refused for ever":      {"tok_500_before_effect_then_429_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"500 after the effect":            {"tok_500_after_effect_always", "tok_ok", false, "SUCCEEDED", false, [2]int{1, 0}},
		"timeout":                         {"tok_timeout_before_effect_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"timeout, then a refusal":         {"tok_timeout_before_effect_then_401", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"dropped":                         {"tok_drop_before_effect_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"delivered late":                  {"tok_late_10m_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"key in use":                      {"tok_key_in_use_always", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"garbage":                         {"tok_garbage_always", "tok_ok", false, "SUCCEEDED", false, [2]int{1, 0}},
		"redirect":                        {"tok_redirect", "tok_ok", false, "UNKNOWN", false, [2]int{}},
		"pending":                         {"tok_pending_30m", "tok_ok", false, "PENDING", false, [2]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{accounts: []payment.AccountName{"first", "second"}}, func(h *house) {
				h.provider("first").down.Store(c.down)
				p := h.one()
				p.authorize(h.Context(), "key", twoAccounts(c.first, c.second))
				time.Sleep(5 * time.Minute)
				op := h.operation("key")
				if string(op.State) != c.state {
					t.Errorf("operation in %s (%s), want %s", op.State, op.ParkReason, c.state)
				}
				if got := [2]int{len(h.provider("first").effects()), len(h.provider("second").effects())}; got != c.effects {
					t.Errorf("effects %v, want %v", got, c.effects)
				}
				sent := h.provider("second").received()
				if (len(sent) > 0) != c.asked || (len(op.Attempts) == 2) != c.asked {
					t.Fatalf("%d requests at the second account, %d attempts; want it asked: %t", len(sent), len(op.Attempts), c.asked)
				}
				if c.asked {
					h.handedOver(p, op)
				}
			})
		})
	}
}

// handedOver checks an operation that went on at its second account.
func (h *house) handedOver(p *process, op payment.Operation) {
	h.Helper()
	read, err := p.payment(h.Context(), string(op.PaymentID))
	if err != nil {
		h.Fatal(err)
	}
	attempts := read.GetOperations()[0].GetAttempts()
	one, two := attempts[0], attempts[1]
	if one.GetAccount() != "first" || two.GetAccount() != "second" || one.GetOrdinal() != 1 || two.GetOrdinal() != 2 {
		h.Errorf("attempts %v", attempts)
	}
	if one.GetEndTime() == nil || two.GetStartTime().AsTime().Before(one.GetEndTime().AsTime()) {
		h.Error("the second attempt began before the first was closed")
	}
	if e := evidenceOf(one); e != "no_effect_sticky" && e != "no_effect_not_sticky" {
		h.Errorf("the first attempt was closed by %s", e)
	}
	if read.GetPayment().GetAccount() != "second" {
		h.Errorf("the payment is at %s", read.GetPayment().GetAccount())
	}
	first, second := op.Attempts[0].Steps[0].Key, op.Attempts[1].Steps[0].Key
	if first == second || len(under(first, h.provider("second").received())) != 0 || len(under(second, h.provider("first").received())) != 0 {
		h.Error("a provider key was used at two accounts")
	}
}

// Goal: a pinned account is the only one. Method: the first one declines, and the
// call names it.
func TestAPinnedAccountIsNotLeft(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{accounts: []payment.AccountName{"first", "second"}}, func(h *house) {
		r := with(twoAccounts("tok_ok", "tok_decline_generic"), func(r *acquitv1.AuthorizeRequest) { r.Account = "second" })
		if got := h.one().authorize(h.Context(), "key", r).state(); got != "DECLINED" {
			t.Errorf("got %s", got)
		}
		if n := len(h.provider("first").received()); n != 0 {
			t.Errorf("%d requests at the account that was not named", n)
		}
	})
}
