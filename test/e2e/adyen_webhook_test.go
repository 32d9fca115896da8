package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// Goal: whenever a webhook of Adyen's comes, a call has the one outcome that its answer
// would have brought, and its key the same bytes for ever (I3, I15). Method: cards of
// each kind and a lost answer, with every webhook ahead of its answer, after it, twice
// and backwards; a bank that decides an hour later.
func TestWebhooksAndAnswersAtAdyen(t *testing.T) {
	t.Parallel()
	for _, how := range []adyensim.Steering{{}, {Before: true}, {Twice: true}, {Before: true, Twice: true, Backwards: true}} {
		for card, c := range map[string]struct {
			state string
			of    sums
			moved []adyensim.Effect
		}{
			"card_ok":              {"SUCCEEDED", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []adyensim.Effect{effect("hold", 1000)}},
			"fault_drop_after":     {"SUCCEEDED", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []adyensim.Effect{effect("hold", 1000)}},
			"card_refused_balance": {"DECLINED", sums{Status: "DECLINED"}, nil},
			"card_partial":         {"SUCCEEDED", sums{"AUTHORIZED", 400, 0, 0, 0, 0}, []adyensim.Effect{effect("hold", 400)}},
			"card_pending":         {"SUCCEEDED", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []adyensim.Effect{effect("hold", 1000)}},
			"card_pending_refused": {"DECLINED", sums{Status: "DECLINED"}, nil},
		} {
			t.Run(fmt.Sprintf("%s, %+v", card, how), func(t *testing.T) {
				t.Parallel()
				atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
					a.Steer(how)
					p := h.sweeps("one")
					first := p.insist(h.Context(), planted("a"), spends(card))
					time.Sleep(time.Hour)
					_ = a.Settle(string(h.operation(payment.IdempotencyKey(planted("a"))).Reference))
					h.speaks(a)
					a.Wait()
					op := h.operation(payment.IdempotencyKey(planted("a")))
					read, err := p.payment(h.Context(), string(op.PaymentID))
					if err != nil || string(op.State) != c.state || sumsOf(read.GetPayment()) != c.of {
						t.Errorf("%s, %+v, %v; want %s, %+v", op.State, sumsOf(read.GetPayment()), err, c.state, c.of)
					}
					if again := p.authorize(h.Context(), planted("a"), spends(card)); string(again.bytes) != string(first.bytes) {
						t.Error("the answer is another one later")
					}
					h.did(a, c.moved...)
					if all := h.dump().Attention; len(all) > 0 {
						t.Errorf("people were told %+v", all)
					}
				})
			})
		}
	}
}

var _ = bytes.Equal
var _ = http.StatusOK
var _ = slices.Equal[[]int]
var _ = gocmp.Diff
