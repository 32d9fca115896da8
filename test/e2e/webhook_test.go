package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// Goal: whenever a webhook comes, and however often, an operation has the one
// outcome that its answer would have brought, the caller is answered by the same
// bytes for ever, and the webhooks are told apart by the counter (I3, I15). Method:
// answers of every kind, with webhooks ahead of them, after them, ten times, and
// behind forgeries that say the opposite.
//
// Shows R36, R46 and R51.
func TestWebhooksAndAnswers(t *testing.T) {
	t.Parallel()
	outcomes := map[string]string{
		"tok_ok": "SUCCEEDED", "tok_decline_lost_card": "DECLINED", "tok_pending": "PENDING", "tok_requires_action": "REQUIRES_ACTION",
		"tok_timeout": "SUCCEEDED", "tok_drop_always": "SUCCEEDED", "tok_500_after_effect_always": "SUCCEEDED", "tok_garbage": "SUCCEEDED", "tok_late": "SUCCEEDED",
	}
	for name, hook := range map[string]simulator.Webhook{
		"after": {}, "ahead": {First: true}, "ten times": {Copies: 9}, "ahead, ten times, forged": {First: true, Copies: 9, Forged: true},
	} {
		for token, want := range outcomes {
			t.Run(name+"/"+token, func(t *testing.T) {
				t.Parallel()
				inHouse(t, setting{hook: &hook}, func(h *house) {
					p := h.sweeps("one")
					first := p.insist(h.Context(), "key", request(token))
					if got := first.state(); got != want {
						t.Errorf("answered %s, want %s", got, want)
					}
					h.quiet()
					again := p.authorize(h.Context(), "key", request(token))
					if string(again.bytes) != string(first.bytes) {
						t.Error("the answer is another one later")
					}
					if op := h.operation("key"); !op.State.Final() && token != "tok_requires_action" {
						t.Errorf("in the end it is %s", op.State)
					}
					got := h.results()
					events := got["accepted"] - got["duplicate"]
					if events == 0 || got["duplicate"] != events*int64(hook.Copies) || (got["forged"] > 0) != hook.Forged || got["contradict"]+got["orphan"]+got["unavailable"] > 0 {
						t.Errorf("counted %v", got)
					}
				})
			})
		}
	}
}

// Goal: events settle what nobody can look up meanwhile, in whatever order and
// however often they come, and change nothing after the first (I15). Method: the life
// of a payment at Stripe, all of whose events come at the end, backwards, ten times,
// and to two processes.
//
// Shows R36 and R46.
func TestWebhooksInAnyOrder(t *testing.T) {
	t.Parallel()
	atStripe(t, stripesim.Config{}, func(h *house, a *stripeAccount) {
		p := h.start("one", nil)
		id := p.authorize(h.Context(), planted("a"), pays("pm_card_visa")).answer().GetPayment().GetPaymentId()
		captured, back := p.orders(h, planted("c"), "capture", id, 1000), p.orders(h, planted("r"), "refund", id, 400)
		if captured.err != nil || back.err != nil {
			t.Fatal(captured.err, back.err)
		}
		before, err := p.payment(h.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		h.start("two", nil)
		events := a.Events()
		slices.Reverse(events)
		for range 10 {
			for _, e := range events {
				if status, err := a.Deliver(h.Context(), h.courier(), webhookURL(a.account), e); err != nil || status != http.StatusOK {
					t.Errorf("%s: %d, %v", e.Type, status, err)
				}
			}
		}
		after, err := p.payment(h.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(before.String(), after.String()); diff != "" {
			t.Errorf("the payment changed:\n%s", diff)
		}
		got, n := h.results(), int64(len(events))
		if n < 4 || got["accepted"] != 10*n || got["noted"]+got["unread"]/10 != n || got["duplicate"] != 9*got["noted"] || len(h.dump().Attention) > 0 {
			t.Errorf("of %d events ten times: counted %v; to look at: %+v", n, got, h.dump().Attention)
		}
	})
}

// dump is everything that the store holds.
func (h *house) dump() ledgertest.Dump {
	h.Helper()
	dump, err := h.store.Dump()
	if err != nil {
		h.Fatal(err)
	}
	return dump
}

// event is an event of the sandbox about an authorization.
func (h *house) event(id, reference, object, status string) string {
	h.Helper()
	raw, err := json.Marshal(map[string]any{"id": id, "type": "authorization." + status, "created": time.Now(), "object": map[string]any{
		"id": object, "status": status, "amount": 1000, "currency": "EUR", "reference": reference,
	}})
	if err != nil {
		h.Fatal(err)
	}
	return string(raw)
}

// Goal: what is not the provider's word for this account changes nothing at all, and
// each kind of it has its own answer and its own count. Method: deliveries that would
// settle an open operation if one of them were believed.
func TestWebhooksThatAreRefused(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{accounts: []payment.AccountName{"sandbox", "other"}}, func(h *house) {
		p := h.one()
		p.authorize(h.Context(), "key", request("tok_pending_30m", "sandbox"))
		op := h.operation("key")
		body := h.event("evt_1", string(op.Reference), string(op.Current().ProviderReference), "authorized")
		const header = "Acquit-Sandbox-Signature"
		secret := string(remote{account: "sandbox", driver: "sandbox"}.webhookSecret())
		others := string(remote{account: "other", driver: "sandbox"}.webhookSecret())
		now := time.Now()
		before := h.dump()
		for name, c := range map[string]struct {
			account   payment.AccountName
			signature string
			body      string
			status    int
			result    string
		}{
			"not signed":               {"sandbox", "", body, 401, "forged"},
			"another account's secret": {"sandbox", simulator.Signature(others, []byte(body), now), body, 401, "forged"},
			"to another account":       {"other", simulator.Signature(secret, []byte(body), now), body, 401, "forged"},
			"changed":                  {"sandbox", simulator.Signature(secret, []byte(body), now), body + " ", 401, "forged"},
			"old":                      {"sandbox", simulator.Signature(secret, []byte(body), now.Add(-6*time.Minute)), body, 400, "stale"},
			"from the future":          {"sandbox", simulator.Signature(secret, []byte(body), now.Add(6*time.Minute)), body, 400, "stale"},
			"no event":                 {"sandbox", simulator.Signature(secret, []byte("{}"), now), "{}", 400, "malformed"},
			"to nobody":                {"nobody", simulator.Signature(secret, []byte(body), now), body, 404, "unknown_account"},
		} {
			counted := h.results()[c.result]
			if status := h.delivers(c.account, header, c.signature, []byte(c.body)); status != c.status || h.results()[c.result] != counted+1 {
				t.Errorf("%s: answered %d, counted %v", name, status, h.results())
			}
		}
		if after := h.dump(); after.Writes != before.Writes || len(after.Events) > 0 {
			t.Errorf("%d writes, %d events", after.Writes-before.Writes, len(after.Events))
		}
		if status := h.tells("sandbox", body, now); status != http.StatusOK || h.operation("key").State != payment.StateSucceeded {
			t.Errorf("the same, genuine: %d, then %s", status, h.operation("key").State)
		}
	})
}

// Goal: an authentic event that contradicts a final record is taken in and put before
// a person; the record and its answer stay (I3). One about nothing that we know is
// kept too. Neither is told twice. Method: a decline of what succeeded, and a stranger.
func TestWebhooksForPeople(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		first := p.authorize(h.Context(), "key", request("tok_ok"))
		op := h.operation("key")
		contradiction := h.event("evt_1", string(op.Reference), string(op.Current().ProviderReference), "declined")
		stranger := h.event("evt_2", "NOBODYS", "auth_nobodys", "authorized")
		for range 3 {
			for _, body := range []string{contradiction, stranger} {
				if status := h.tells("sandbox", body, time.Now()); status != http.StatusOK {
					t.Errorf("answered %d", status)
				}
			}
		}
		if diff := gocmp.Diff(op, h.operation("key")); diff != "" {
			t.Errorf("the record changed:\n%s", diff)
		}
		if again := p.authorize(h.Context(), "key", request("tok_ok")); string(again.bytes) != string(first.bytes) {
			t.Error("the answer changed")
		}
		want := map[string]int64{"accepted": 6, "contradict": 1, "orphan": 1, "duplicate": 4}
		if diff := gocmp.Diff(want, h.results()); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
		var kinds []payment.AttentionKind
		for _, a := range h.dump().Attention {
			kinds = append(kinds, a.Kind)
		}
		slices.Sort(kinds)
		if !slices.Equal(kinds, []payment.AttentionKind{payment.AttentionContradiction, payment.AttentionOrphan}) {
			t.Errorf("to look at: %v", kinds)
		}
	})
}

// Goal: nothing that could not be recorded is answered as taken in, and nothing is
// lost by that: the provider brings it again. Method: the ledger is away, or loses
// its answer, while the outcome of a pending operation is delivered.
func TestWebhooksWhileTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		loss  ledgertest.Loss
		again string // what the second delivery becomes
	}{
		"away":                     {ledgertest.Unavailable, "settled"},
		"lost, and it was written": {ledgertest.AmbiguousApplied, "duplicate"},
		"lost, and it was not":     {ledgertest.AmbiguousNotApplied, "settled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{hook: &simulator.Webhook{}}, func(h *house) {
				p := h.one()
				first := p.authorize(h.Context(), "key", request("tok_pending_30s"))
				time.Sleep(20 * time.Second)
				before := h.results()
				h.store.SetHook(lose(c.loss, ledgertest.KindOutcome, ledgertest.KindRecord))
				time.Sleep(11 * time.Second)
				if got := h.results(); got["unavailable"] == 0 || got["accepted"] != before["accepted"] {
					t.Errorf("while it is away: counted %v", got)
				}
				h.store.SetHook(nil)
				time.Sleep(time.Minute)
				got := h.results()
				if got[c.again] != before[c.again]+1 || got["accepted"] != before["accepted"]+1 || h.operation("key").State != payment.StateSucceeded {
					t.Errorf("then counted %v, and it is %s", got, h.operation("key").State)
				}
				if again := p.authorize(h.Context(), "key", request("tok_pending_30s")); string(again.bytes) != string(first.bytes) {
					t.Error("the answer changed")
				}
			})
		})
	}
}

// Goal: the span of a webhook is linked to the request that caused it, whichever was
// recorded by then. Method: a webhook after the answer, and one ahead of it, which can
// only be linked to the call.
func TestSpanOfAWebhookIsLinked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hook *simulator.Webhook
		to   string // ahead of the answer, it settles what then has no more to record
	}{
		"after": {nil, "payment.attempt"}, "ahead": {&simulator.Webhook{First: true}, "acquit.v1.PaymentService/Authorize"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{hook: c.hook}, func(h *house) {
				h.one().authorize(h.Context(), "key", request("tok_pending_5s"))
				if time.Sleep(time.Minute); c.hook == nil {
					op := h.operation("key")
					h.tells("sandbox", h.event("evt_1", string(op.Reference), string(op.Current().ProviderReference), "authorized"), time.Now())
				}
				spans, linked := map[string]string{}, []string{}
				for _, s := range h.spans.GetSpans() {
					spans[fmt.Sprint(s.SpanContext.TraceID(), s.SpanContext.SpanID())] = s.Name
				}
				for _, s := range h.spans.GetSpans() {
					for _, l := range s.Links {
						if s.Name == "POST /webhooks/{account}" {
							linked = append(linked, spans[fmt.Sprint(l.SpanContext.TraceID(), l.SpanContext.SpanID())])
						}
					}
				}
				if linked = slices.Compact(linked); len(linked) != 1 || linked[0] != c.to {
					t.Errorf("linked to %q, want %s", linked, c.to)
				}
				if raw := h.operation("key").Current().Trace; len(raw) != 55 {
					t.Errorf("recorded %q", raw)
				}
			})
		})
	}
}
