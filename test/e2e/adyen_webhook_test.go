package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
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
			moved []account.Effect
		}{
			"card_ok":              {"SUCCEEDED", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []account.Effect{effect("hold", 1000)}},
			"fault_drop_after":     {"SUCCEEDED", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []account.Effect{effect("hold", 1000)}},
			"card_refused_balance": {"DECLINED", sums{Status: "DECLINED"}, nil},
			"card_partial":         {"SUCCEEDED", sums{"AUTHORIZED", 400, 0, 0, 0, 0}, []account.Effect{effect("hold", 400)}},
			"card_pending":         {"SUCCEEDED", sums{"AUTHORIZED", 1000, 0, 0, 0, 0}, []account.Effect{effect("hold", 1000)}},
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
					h.moved(a, c.moved...)
					if all := h.dump().Attention; len(all) > 0 {
						t.Errorf("people were told %+v", all)
					}
				})
			})
		}
	}
}

// Goal: what is told of a whole life changes nothing after the first time, in whatever
// order, however often and whoever takes it in (I15). Method: a capture and a refund,
// told; then everything backwards, ten times, to a second process, together and alone.
func TestWebhooksInAnyOrderAtAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		p := h.start("one", nil)
		id := p.authorize(h.Context(), planted("a"), spends("card_ok")).answer().GetPayment().GetPaymentId()
		p.orders(h, planted("c"), "capture finally", id, 800)
		a.Wait()
		p.orders(h, planted("r"), "refund", id, 300)
		a.Wait()
		before, events := h.dump(), a.Events()
		if n := len(events); n != 3 || h.results()["accepted"] != 3 {
			t.Fatalf("%d events, counted %v", n, h.results())
		}
		h.start("two", nil)
		slices.Reverse(events)
		for range 10 {
			h.posts(a, a.account, http.StatusOK, events...)
			for _, e := range events {
				h.posts(a, a.account, http.StatusOK, e)
			}
		}
		after := h.dump()
		if diff := gocmp.Diff([]any{before.Operations, before.Payments}, []any{after.Operations, after.Payments}); diff != "" {
			t.Errorf("the records changed:\n%s", diff)
		}
		if got := h.results(); got["duplicate"] != 60 || after.Writes != before.Writes || len(after.Attention) > 0 {
			t.Errorf("counted %v, %d writes, to look at: %+v", got, after.Writes-before.Writes, after.Attention)
		}
		p.shows(id, seen{"SUCCEEDED", "adyen.query.refund", "effect", 1}, sums{"PARTIALLY_REFUNDED", 800, 800, 300, 0, 200})
		h.moved(a, effect("hold", 1000), effect("capture", 800), effect("release", 200), effect("refund", 300))
	})
}

// Goal: that a refund came back may be told before it is told to have come about: the
// money is back at once, and what is told later is the earlier half of the same, which
// nobody has to look at. Method: the two events in the wrong order, each twice.
func TestAReversalToldFirstAtAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		p := h.sweeps("one")
		id := p.authorize(h.Context(), planted("a"), spends("card_refund_failed")).answer().GetPayment().GetPaymentId()
		p.orders(h, planted("c"), "capture", id, 0)
		a.Wait()
		a.silent()
		p.orders(h, planted("r"), "refund", id, 400)
		for _, code := range []string{"REFUND_FAILED", "REFUND"} {
			for range 2 {
				h.posts(a, a.account, http.StatusOK, a.events(code)...)
			}
			p.shows(id, seen{"FAILED", "adyen.query.refund_failed", "no_effect_sticky", 1}, sums{"CAPTURED", 1000, 1000, 0, 0, 0})
		}
		if all := h.dump().Attention; len(all) > 0 {
			t.Errorf("people were told %+v", all)
		}
	})
}

// notice is an event that a merchant account is told of a payment of its, signed with
// the account's key.
func (a *adyenAccount) notice(merchant, object, reference, success string) adyensim.Event {
	signature := a.Signature(fmt.Sprintf("%s::%s:%s:1000:EUR:AUTHORISATION:%s", object, merchant, reference, success))
	return adyensim.Event{Raw: fmt.Appendf(nil, `{"additionalData":{"hmacSignature":%q},"amount":{"currency":"EUR","value":1000},`+
		`"eventCode":"AUTHORISATION","eventDate":"2026-01-02T03:04:05Z","merchantAccountCode":%q,"merchantReference":%q,"pspReference":%q,"success":%q}`,
		signature, merchant, reference, object, success)}
}

// Goal: what is not Adyen's word to this merchant account changes nothing at all, and
// each kind of it has its own answer and its own count. Method: deliveries that would
// settle a pending authorization if one of them were believed; then the same, genuine.
func TestWebhooksThatAreRefusedAtAdyen(t *testing.T) {
	t.Parallel()
	two := setting{accounts: []payment.AccountName{"adyen", "other"}, adyen: &adyensim.Config{}}
	inHouse(t, two, func(h *house) {
		a, other := h.adyen("adyen"), h.adyen("other")
		a.silent()
		h.one().authorize(h.Context(), planted("a"), spends("card_pending"))
		reference := string(h.operation(payment.IdempotencyKey(planted("a"))).Reference)
		if err := a.Settle(reference); err != nil {
			t.Fatal(err)
		}
		genuine := a.events("AUTHORISATION")[0]
		body := string(a.Webhook(genuine))
		changed := func(from, to string) string {
			if strings.Count(body, from) != 1 {
				t.Fatalf("%s is not once in %s", from, body)
			}
			return strings.Replace(body, from, to, 1)
		}
		before := h.dump()
		for name, c := range map[string]struct {
			account payment.AccountName
			body    string
			status  int
			result  string
		}{
			"the opposite":             {"adyen", changed(`"success":"true"`, `"success":"false"`), 401, "forged"},
			"another amount":           {"adyen", changed(`"value":1000`, `"value":1001`), 401, "forged"},
			"another event":            {"adyen", changed(`"eventCode":"AUTHORISATION"`, `"eventCode":"CAPTURE"`), 401, "forged"},
			"not signed":               {"adyen", changed("hmacSignature", "signature"), 401, "forged"},
			"of the live environment":  {"adyen", changed(`"live":"false"`, `"live":"true"`), 401, "forged"},
			"another account's key":    {"adyen", string(a.Webhook(other.notice(a.merchant, genuine.ID, reference, "true"))), 401, "forged"},
			"another merchant account": {"adyen", string(a.Webhook(a.notice("Somebody", genuine.ID, reference, "true"))), 200, "unread"},
			"to another account":       {"other", body, 401, "forged"},
			"no event in it":           {"adyen", `{"live":"false","notificationItems":[]}`, 401, "forged"},
			"no webhook":               {"adyen", "[]", 401, "forged"},
			"to nobody":                {"nobody", body, 404, "unknown_account"},
		} {
			counted := h.results()[c.result]
			if status := h.delivers(c.account, "Hmacsignature", "unused", []byte(c.body)); status != c.status || h.results()[c.result] != counted+1 {
				t.Errorf("%s: answered %d, counted %v", name, status, h.results())
			}
		}
		if after := h.dump(); after.Writes != before.Writes || len(after.Events) > 0 {
			t.Errorf("%d writes, events %+v", after.Writes-before.Writes, after.Events)
		}
		forged := other.notice(a.merchant, genuine.ID, reference, "false")
		h.posts(a, a.account, http.StatusUnauthorized, forged, genuine) // of which one is believed
		h.posts(a, a.account, http.StatusOK, genuine)
		op, got := h.operation(payment.IdempotencyKey(planted("a"))), h.results()
		if op.State != payment.StateSucceeded || got["settled"] != 1 || got["duplicate"] != 1 {
			t.Errorf("the same, genuine: %s, counted %v", op.State, got)
		}
	})
}

// Goal: an authentic event about a payment that is none of ours is kept for a person
// once and acknowledged, for Adyen would hold back everything behind it; so is one that
// contradicts what is final. Method: a stranger's payment at the same merchant account,
// and a refusal of what was authorized, three times each.
func TestWebhooksForPeopleAtAdyen(t *testing.T) {
	t.Parallel()
	atAdyen(t, adyensim.Config{}, func(h *house, a *adyenAccount) {
		a.silent() // till the answer is there
		first := h.one().authorize(h.Context(), planted("a"), spends("card_ok"))
		h.speaks(a)
		op := h.operation(payment.IdempotencyKey(planted("a")))
		stranger := a.notice(a.merchant, "STRANGER00000001", "order 17 of the web shop", "true")
		contradiction := a.notice(a.merchant, string(op.Current().ProviderReference), string(op.Reference), "false")
		for range 3 {
			h.posts(a, a.account, http.StatusOK, stranger)
			h.posts(a, a.account, http.StatusOK, contradiction)
		}
		if diff := gocmp.Diff(op, h.operation(payment.IdempotencyKey(planted("a")))); diff != "" {
			t.Errorf("the record changed:\n%s", diff)
		}
		if again := h.processes[0].authorize(h.Context(), planted("a"), spends("card_ok")); string(again.bytes) != string(first.bytes) {
			t.Error("the answer changed")
		}
		want := map[string]int64{"accepted": 7, "noted": 1, "contradict": 1, "orphan": 1, "duplicate": 4}
		if diff := gocmp.Diff(want, h.results()); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
	})
}
