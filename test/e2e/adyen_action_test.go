package e2e

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
)

// returns sends what the shopper brought back.
func (p *process) returns(key, id string, brought map[string]string) result {
	return p.invoke(p.h.Context(), acquitv1.PaymentService_CompleteAuthorization_FullMethodName,
		&acquitv1.CompleteAuthorizationRequest{PaymentId: id, ReturnParameters: brought}, "idempotency-key", key)
}

// sentAway makes a call whose shopper is sent away, and returns it with what they
// bring back.
func (h *house) sentAway(p *process, a *adyenAccount, card string, passes bool) (first result, id string, brought map[string]string) {
	h.Helper()
	first = p.authorize(h.Context(), planted("a"), spends(card))
	first.tells(false, "false")
	of := first.answer().GetPayment()
	if got := sumsOf(of); first.state() != "REQUIRES_ACTION" || got != (sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0}) {
		h.Errorf("answered with %s, %+v", first.state(), got)
	}
	brought, err := a.Return(string(h.operation(payment.IdempotencyKey(planted("a"))).Reference), passes)
	if err != nil {
		h.Fatal(err)
	}
	return first, of.GetPaymentId(), brought
}

// shopper is what a shopper does, and what becomes of it.
type shopper struct {
	card   string
	passes bool
	faults []adyensim.Fault // of the completion
	state  string           // of both operations
	row    string           // of the completion, where its answer decides
	told   string           // where the webhook is there before the answer
	code   string           // of the decline
	sends  [2]int           // of the completion: if the answer decides, and if the webhook does
}

// Goal: a shopper who must act is told where to; what they bring back ends the
// authorization and the completion alike, with one effect or none, whatever happens to
// the answer on its way and whether the webhook is faster; the answer to the
// authorization stays as it was. Method: a page and Adyen's own client, shoppers who
// pass, fail and are refused, and each loss of the answer, the webhook told ahead of it
// or at the end; the caller asks with its key until it is answered for good.
func TestAShopperReturnsToAdyen(t *testing.T) {
	t.Parallel()
	passed := func(card string, sends [2]int, faults ...adyensim.Fault) shopper {
		return shopper{card, true, faults, "SUCCEEDED", "complete.authorised", "query.authorisation", "", sends}
	}
	refused := func(card string, passes bool, number, code string, sends [2]int, faults ...adyensim.Fault) shopper {
		return shopper{card, passes, faults, "DECLINED", "complete.refused_" + number, "query.authorisation_refused_" + number, code, sends}
	}
	// Adyen does not call a 500 transient: the same request is not sent again, and only
	// a webhook can tell.
	stopped := passed("card_redirect", [2]int{1, 1}, adyensim.Fault500After)
	stopped.row = stopped.told
	for name, c := range map[string]shopper{
		"a page":                       passed("card_redirect", [2]int{1, 1}),
		"Adyen's client":               passed("card_native", [2]int{1, 1}),
		"lost after the effect":        passed("card_redirect", [2]int{2, 1}, adyensim.FaultDropAfter),
		"lost before the effect":       passed("card_redirect", [2]int{2, 2}, adyensim.FaultDropBefore),
		"timeout after the effect":     passed("card_redirect", [2]int{2, 1}, adyensim.FaultHangAfter),
		"in use, lost, store away":     passed("card_redirect", [2]int{4, 2}, adyensim.FaultInFlight, adyensim.FaultDropAfter, adyensim.FaultStoreAway),
		"500 after the effect":         stopped,
		"refused":                      refused("card_redirect_refused", true, "2", "generic_decline", [2]int{1, 1}),
		"not authenticated":            refused("card_redirect", false, "11", "not_authenticated", [2]int{1, 1}),
		"refused, and the answer lost": refused("card_redirect_refused", true, "2", "generic_decline", [2]int{2, 1}, adyensim.FaultDropAfter),
	} {
		for _, told := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, webhook first %t", name, told), func(t *testing.T) {
				t.Parallel()
				atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) { h.comesBack(a, c, told) })
			})
		}
	}
}

// comesBack plays a shopper.
func (h *house) comesBack(a *adyenAccount, c shopper, told bool) {
	h.Helper()
	a.Steer(adyensim.Steering{Withhold: !told, Before: told})
	p := h.sweeps("one")
	first, id, brought := h.sentAway(p, a, c.card, c.passes)
	action := first.answer().GetPayment().GetNextAction()
	if page := action.GetRedirect().GetUrl(); (c.card == "card_native") != (page == "") || (page == "") == (action.GetProviderSdk() == nil) {
		h.Errorf("the shopper is to do %v", action)
	}
	a.Next(c.faults...)
	got := p.returns(planted("back"), id, brought)
	if c.row == c.told && !told { // nothing is known until it is told
		got.tells(false, "true")
		p.shows(id, seen{"UNKNOWN", "any.http.5xx", "unknown", 1}, sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0})
		h.speaks(a)
	}
	for range 5 {
		if got.metadata("acquit-should-retry") == "false" {
			break
		}
		time.Sleep(20 * time.Second)
		got = p.returns(planted("back"), id, brought)
	}
	h.ends(p, a, c, told, id, got)
	again := p.authorize(h.Context(), planted("a"), spends(c.card))
	if string(again.bytes) != string(first.bytes) {
		h.Error("the answer to the authorization changed")
	}
}

// ends checks how a shopper's payment ended, and that the key of the completion brings
// the same bytes, for the same parameters alone.
func (h *house) ends(p *process, a *adyenAccount, c shopper, told bool, id string, got result) {
	h.Helper()
	end := seen{c.state, "adyen." + c.row, "effect", c.sends[0]}
	if told {
		end.Row, end.Sends = "adyen."+c.told, c.sends[1]
	}
	of, moved := sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []account.Effect{effect("hold", 1000)}
	if c.state == "DECLINED" {
		end.Evidence, of, moved = "no_effect_sticky", sums{Status: "DECLINED"}, nil
	}
	read := p.shows(id, end, of)
	if code := got.answer().GetOperation().GetDecline().GetCode(); got.state() != c.state || code != c.code || read.GetPayment().GetNextAction() != nil {
		h.Errorf("answered %s by %q, want %s by %q; to do is %v", got.state(), code, c.state, c.code, read.GetPayment().GetNextAction())
	}
	if op := h.operation(payment.IdempotencyKey(planted("a"))); string(op.State) != c.state {
		h.Errorf("the authorization is %s", op.State)
	}
	arrived := len(a.Requests())
	brought := map[string]string{"redirectResult": "another"}
	p.returns(planted("back"), id, brought).refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
	p.returns(planted("back again"), id, brought).refused(codes.FailedPrecondition, "PAYMENT_NOT_COMPLETABLE", "")
	h.moved(a, moved...)
	if n := len(a.Requests()) - arrived; n != 0 {
		h.Errorf("%d requests more", n)
	}
}

// Goal: what belongs to another payment fails the completion that brought it, and nothing
// else: the authorization goes on waiting, and another completion may be tried at once.
// Method: two shoppers, of whom one brings back what the other was given; its answer comes,
// or is lost at first; then each brings their own.
func TestAShopperBringsAnothersToAdyen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults []adyensim.Fault
		sends  int
	}{"answered": {nil, 1}, "lost at first": {[]adyensim.Fault{adyensim.FaultDropAfter}, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
				p := h.sweeps("one")
				_, id, own := h.sentAway(p, a, "card_redirect", true)
				p.authorize(h.Context(), planted("b"), spends("card_redirect"))
				anothers, err := a.Return(string(h.operation(payment.IdempotencyKey(planted("b"))).Reference), true)
				if err != nil {
					t.Fatal(err)
				}
				a.Next(c.faults...)
				got := p.returns(planted("wrong"), id, anothers)
				failed := seen{"FAILED", "adyen.complete.another_request", "no_effect_sticky", c.sends}
				p.shows(id, failed, sums{Status: "REQUIRES_ACTION"})
				if code := got.answer().GetOperation().GetFailure().GetCode(); code != "completion_of_another_payment" {
					t.Errorf("answered %s, failed by %q", got.state(), code)
				}
				if got := p.returns(planted("back"), id, own); got.state() != "SUCCEEDED" {
					t.Errorf("their own is answered with %s, %v", got.state(), got.err)
				}
				h.speaks(a)
				for _, key := range []string{"a", "b"} {
					if op := h.operation(payment.IdempotencyKey(planted(key))); op.State != payment.StateSucceeded {
						t.Errorf("authorization %s is %s", key, op.State)
					}
				}
				h.moved(a, effect("hold", 1000), effect("hold", 1000))
			})
		})
	}
}

// Goal: a shopper who never comes back leaves no hold, and who comes too late gets
// none. Method: a shopper whose time is over; Adyen tells of the cancel; then they bring
// back what they were given.
func TestAShopperReturnsToAdyenTooLate(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		p := h.sweeps("one")
		_, id, brought := h.sentAway(p, a, "card_redirect", true)
		time.Sleep(2 * time.Hour)
		p.shows(id, seen{"FAILED", "adyen.fenced.technical_cancel", "no_effect_sticky", 1}, sums{Status: "FAILED"})
		p.returns(planted("back"), id, brought).refused(codes.FailedPrecondition, "PAYMENT_NOT_COMPLETABLE", "")
		h.moved(a)
	})
}
