package e2e

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// fate is what becomes of a payment that its shopper was sent away with.
type fate struct {
	patience time.Duration                              // of TrueLayer with the shopper
	happens  func(a *trueLayerAccount, id string) error // nil: the shopper never comes
	waits    time.Duration
	state    string
	row      string
	of       sums
	cancels  int
}

// Goal: a shopper is sent to TrueLayer's page, and the payment ends as their bank and
// TrueLayer decide, whether a webhook tells it or nobody does; where nobody ever acts it
// ends by what TrueLayer shows, of itself or after a cancel, never by our clock alone;
// the first answer stays as it was. Method: each fate, with webhooks and without; the
// rows, the amounts, the cancels and the effect log.
func TestFatesAtTrueLayer(t *testing.T) {
	t.Parallel()
	all := func(steps ...func(string) error) func(*trueLayerAccount, string) error {
		return func(_ *trueLayerAccount, id string) error {
			for _, step := range steps {
				if err := step(id); err != nil {
					return err
				}
			}
			return nil
		}
	}
	failed := func(reason string) func(*trueLayerAccount, string) error {
		return func(a *trueLayerAccount, id string) error { return a.Fail(id, reason) }
	}
	settled := func(a *trueLayerAccount, id string) error { return all(a.Authorize, a.Execute, a.Settle)(a, id) }
	returned := func(a *trueLayerAccount, id string) error {
		return errors.Join(all(a.Authorize, a.Execute)(a, id), a.Fail(id, "provider_rejected"))
	}
	captured, declined, ended := sums{"CAPTURED", 1000, 1000, 0, 0, 0}, sums{Status: "DECLINED"}, sums{Status: "FAILED"}
	for name, c := range map[string]fate{
		"settled":                    {0, settled, 0, "SUCCEEDED", "query.settled", captured, 0},
		"failed at the bank":         {0, failed("authorization_failed"), 0, "DECLINED", "query.failed_authorization_failed", declined, 0},
		"without the money":          {0, failed("insufficient_funds"), 0, "DECLINED", "query.failed_insufficient_funds", declined, 0},
		"given up by the shopper":    {0, failed("user_canceled_at_provider"), 0, "FAILED", "query.failed_user_canceled_at_provider", ended, 0},
		"for a reason that is new":   {0, failed("something_new"), 0, "FAILED", "query.failed", ended, 0},
		"executed, and taken back":   {0, returned, 0, "DECLINED", "query.failed_provider_rejected", declined, 0},
		"never, TrueLayer ends it":   {0, nil, 20 * time.Minute, "FAILED", "query.failed_expired", ended, 0},
		"never, a cancel ends it":    {24 * time.Hour, nil, 2 * time.Hour, "FAILED", "fenced.failed_canceled", ended, 1},
		"just before it is too late": {24 * time.Hour, settled, 29 * time.Minute, "SUCCEEDED", "query.settled", captured, 0},
	} {
		for _, told := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", told", false: ", asked"}[told], func(t *testing.T) {
				t.Parallel()
				atTrueLayer(t, truelayersim.Config{Patience: c.patience}, func(h *house, a *trueLayerAccount) { h.meets(a, c, told) })
			})
		}
	}
}

// meets plays a fate.
func (h *house) meets(a *trueLayerAccount, c fate, told bool) {
	h.Helper()
	p := h.sweeps("one")
	first, id, of := h.begun(p, a)
	h.sentToPage(first, of)
	time.Sleep(c.waits)
	if c.happens != nil {
		if err := c.happens(a, of); err != nil {
			h.Fatal(err)
		}
	}
	if told {
		h.hears(a)
	} else {
		a.Forget()
		time.Sleep(time.Hour)
	}
	evidence := map[string]string{"SUCCEEDED": "effect"}[c.state]
	if evidence == "" {
		evidence = "no_effect_sticky"
	}
	p.shows(id, seen{c.state, "truelayer." + c.row, evidence, 1}, c.of)
	again := p.authorize(h.Context(), planted("a"), transfers(""))
	again.tells(true, "false")
	if string(again.bytes) != string(first.bytes) {
		h.Error("the answer to the authorization changed")
	}
	if n := a.cancels(); n != c.cancels || len(h.dump().Attention) > 0 {
		h.Errorf("%d cancels, want %d; to look at: %+v", n, c.cancels, h.dump().Attention)
	}
}

// sentToPage checks where a shopper is sent.
func (h *house) sentToPage(r result, of string) {
	h.Helper()
	to := r.answer().GetPayment().GetNextAction().GetRedirect()
	page, what, _ := strings.Cut(to.GetUrl(), "#")
	values, err := url.ParseQuery(what)
	if err != nil || page != "https://payment.truelayer-sandbox.com/payments" || values.Get("payment_id") != of ||
		values.Get("resource_token") != "PLANTEDRESOURCETOKEN."+of || values.Get("return_uri") != "https://shop.example/PLANTEDRETURN" {
		h.Errorf("the shopper is sent to %s (%v)", to.GetUrl(), err)
	}
}

// Goal: a payment that the shopper has authorized is left to their bank, however long
// that takes: no cancel tries to take it from them, and none of it is unknown meanwhile.
// Method: a bank that takes a day.
func TestASlowBankAtTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.sweeps("one")
		_, id, of := h.begun(p, a)
		h.goes(a, a.Authorize(of))
		time.Sleep(12 * time.Hour)
		p.shows(id, seen{"REQUIRES_ACTION", "truelayer.query.authorized", "pending", 1}, sums{"REQUIRES_ACTION", 0, 0, 0, 0, 0})
		h.goes(a, a.Execute(of))
		time.Sleep(12 * time.Hour)
		h.goes(a, a.Settle(of))
		p.shows(id, seen{"SUCCEEDED", "truelayer.query.settled", "effect", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
		if a.cancels() != 0 || len(h.dump().Attention) > 0 {
			t.Errorf("%d cancels; to look at: %+v", a.cancels(), h.dump().Attention)
		}
	})
}

// Goal: who comes back with CompleteAuthorization learns what TrueLayer knows. Method:
// a shopper who has not finished, and one whose payment is settled and was told by
// nobody.
func TestAShopperReturnsFromTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.one()
		_, id, of := h.begun(p, a)
		if got := p.returns(planted("early"), id, map[string]string{"payment_id": of}); got.state() != "FAILED" {
			t.Errorf("too early it is %s", got.state())
		}
		if err := errors.Join(a.Authorize(of), a.Execute(of), a.Settle(of)); err != nil {
			t.Fatal(err)
		}
		a.Forget()
		if got := p.returns(planted("back"), id, map[string]string{"payment_id": of}); got.state() != "SUCCEEDED" {
			t.Errorf("in the end it is %s", got.state())
		}
		if n := len(a.Requests()); n != 1 {
			t.Errorf("%d writes", n)
		}
	})
}

// Goal: a refund is pending until TrueLayer tells that it was executed or not, and one
// that comes back after it had succeeded is put before a person. Method: refunds of a
// part, told and asked.
func TestRefundsAtTrueLayer(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		t.Run(map[bool]string{true: "told", false: "asked"}[told], func(t *testing.T) {
			t.Parallel()
			atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) { h.givesBack(a, told) })
		})
	}
}

func (h *house) givesBack(a *trueLayerAccount, told bool) {
	h.Helper()
	p := h.sweeps("one")
	id, _ := h.paid(p, a, 1)
	ends := func(key string, units int64, end func(string) error, as seen, of sums) string {
		h.Helper()
		first := p.order(h.Context(), planted(key), "refund", id, units)
		if first.state() != "PENDING" {
			h.Errorf("refund %s is %s", key, first.state())
		}
		object := first.answer().GetOperation().GetAttempts()[0].GetProviderReference()
		if err := end(object); err != nil {
			h.Fatal(err)
		}
		if told {
			h.hears(a)
		} else {
			a.Forget()
			time.Sleep(time.Hour)
		}
		p.shows(id, as, of)
		return object
	}
	fails := func(object string) error { return a.FailRefund(object, "insufficient_funds") }
	ends("r1", 300, fails, seen{"FAILED", "truelayer.query.refund_failed_insufficient_funds", "no_effect_sticky", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
	object := ends("r2", 400, a.ExecuteRefund, seen{"SUCCEEDED", "truelayer.query.refund_executed", "effect", 1}, sums{"PARTIALLY_REFUNDED", 1000, 1000, 400, 0, 0})
	h.goes(a, a.FailRefund(object, "returned"))
	all := h.dump().Attention
	if len(all) != 1 || string(all[0].Object) != object {
		h.Errorf("to look at: %+v", all)
	}
}

// Goal: what TrueLayer cannot do is refused before anybody is asked for anything, a
// token included. Method: calls that lack or ask for one thing.
func TestUnsupportedAtTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.one()
		for name, c := range map[string]struct {
			change func(*acquitv1.AuthorizeRequest)
			reason string
		}{
			"a hold":          {func(r *acquitv1.AuthorizeRequest) { r.CaptureMode = acquitv1.CaptureMode_CAPTURE_MODE_MANUAL }, "NO_ROUTE"},
			"a currency":      {func(r *acquitv1.AuthorizeRequest) { r.Amount.CurrencyCode = "USD" }, "NO_ROUTE"},
			"a token":         {func(r *acquitv1.AuthorizeRequest) { r.PaymentMethod = request("card", "truelayer").GetPaymentMethod() }, "NO_ROUTE"},
			"nobody":          {func(r *acquitv1.AuthorizeRequest) { r.Customer = nil }, "UNSUPPORTED_BY_PROVIDER"},
			"no name":         {func(r *acquitv1.AuthorizeRequest) { r.Customer.Name = "" }, "UNSUPPORTED_BY_PROVIDER"},
			"no way to reach": {func(r *acquitv1.AuthorizeRequest) { r.Customer.Email = "" }, "UNSUPPORTED_BY_PROVIDER"},
			"no way back":     {func(r *acquitv1.AuthorizeRequest) { r.ReturnUrl = "" }, "UNSUPPORTED_BY_PROVIDER"},
			"another's scheme": {func(r *acquitv1.AuthorizeRequest) {
				r.GetPaymentMethod().GetBankTransfer().Scheme = acquitv1.BankScheme_BANK_SCHEME_FASTER_PAYMENTS
			}, "UNSUPPORTED_BY_PROVIDER"},
		} {
			got := p.authorize(h.Context(), planted(name), with(transfers(""), c.change))
			if got.code() != codes.FailedPrecondition || got.reason() != c.reason {
				t.Errorf("%s: %v", name, got.err)
			}
		}
		if len(a.Requests()) != 0 || a.Grants() != 0 || h.records() != 0 {
			t.Errorf("%d requests, %d tokens, %d records", len(a.Requests()), a.Grants(), h.records())
		}
		id, _ := h.paid(p, a, 1)
		p.order(h.Context(), planted("c"), "capture", id, 0).refused(codes.FailedPrecondition, "UNSUPPORTED_BY_PROVIDER", "")
	})
}

// Goal: a payment that TrueLayer fails as it makes it is an answer, and given again.
func TestFailedAtOnceAtTrueLayer(t *testing.T) {
	t.Parallel()
	atTrueLayer(t, truelayersim.Config{}, func(h *house, a *trueLayerAccount) {
		p := h.one()
		first := p.authorize(h.Context(), planted("a"), transfers("fails_blocked"))
		d := first.answer().GetOperation().GetDecline()
		if first.state() != "DECLINED" || d.GetCode() != "blocked_by_provider" || d.GetShopperCode() != "generic_decline" {
			t.Errorf("%s, declined as %v", first.state(), d)
		}
		again := p.authorize(h.Context(), planted("a"), transfers("fails_blocked"))
		if string(again.bytes) != string(first.bytes) || len(a.Requests()) != 1 || h.operation(payment.IdempotencyKey(planted("a"))).Current().MappingRow != "truelayer.authorize.failed_blocked" {
			t.Errorf("%d requests", len(a.Requests()))
		}
	})
}
