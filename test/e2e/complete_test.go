package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/test/simulators/account"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
)

// complete sends what the shopper brought back; nothing for "".
func (p *process) complete(ctx context.Context, key, id, brought string) result {
	r := &acquitv1.CompleteAuthorizationRequest{PaymentId: id}
	if brought != "" {
		r.ReturnParameters = map[string]string{simulator.ResultParameter: brought}
	}
	return p.invoke(ctx, acquitv1.PaymentService_CompleteAuthorization_FullMethodName, r, "idempotency-key", key)
}

// completed retries a completion with its key until the answer is stored, or an hour
// has passed.
func (h *house) completed(p *process, key, id, brought string) result {
	h.Helper()
	for until := time.Now().Add(time.Hour); time.Now().Before(until); time.Sleep(20 * time.Second) {
		r := p.complete(h.Context(), key, id, brought)
		if r.err != nil {
			h.Fatalf("a provider's trouble became an error: %v", r.err)
		}
		if r.metadata("acquit-should-retry") == "false" {
			return r
		}
	}
	h.Fatal("no stored answer within an hour")
	return result{}
}

// Goal: whatever happens to a completion on its way, the authorization has one effect
// and both operations say so. Method: every fault of the sandbox, as what the shopper
// brings back and by a token, in both capture modes; the caller retries with its key
// until the answer is stored; the audit compares the logs.
func TestCompletionsSurviveTheirFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{
		"approve", "429", "500_before_effect", "500_after_effect", "500_after_effect_then_429", "503", "timeout", "timeout_before_effect",
		"drop", "drop_before_effect", "reset_before_headers", "reset_after_headers", "garbage", "empty", "truncated", "oversized",
		"unknown_status", "redirect", "key_in_use", "late", "twice",
	} {
		for _, captured := range []bool{false, true} {
			t.Run(fmt.Sprint(fault, " captured ", captured), func(t *testing.T) {
				t.Parallel()
				inHouse(t, setting{}, func(h *house) {
					p, r, want := h.one(), request("tok_requires_action"), sums{"AUTHORIZED", 1000, 0, 0, 0, 0}
					brought := fault
					if captured { // and by a token
						r, want = with(request("tok_requires_action_complete_"+fault), automatic), sums{"CAPTURED", 1000, 1000, 0, 0, 0}
						brought = "approve"
					}
					first := p.authorize(h.Context(), "authorize", r)
					if first.state() != "REQUIRES_ACTION" {
						t.Fatal(first.state())
					}
					id := first.answer().GetPayment().GetPaymentId()
					got := h.completed(p, "back", id, brought)
					if s := got.state(); s != "SUCCEEDED" {
						t.Errorf("answered %s", s)
					}
					read, err := p.payment(h.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					if of := sumsOf(read.GetPayment()); of != want || read.GetPayment().GetNextAction() != nil {
						t.Errorf("the payment is %+v, want %+v", of, want)
					}
					again := p.complete(h.Context(), "back", id, brought)
					again.tells(true, "false")
					if string(again.bytes) != string(got.bytes) || h.effects() != 1 {
						t.Errorf("the same bytes: %t, %d effects", string(again.bytes) == string(got.bytes), h.effects())
					}
				})
			})
		}
	}
}

// Goal: what a completion leads to besides a success, and with which words it is
// refused. Method: a shopper who declines, who must act again, whose payment is
// pending; and completions that the payment does not allow.
func TestCompletionsThatDoNotSucceed(t *testing.T) {
	t.Parallel()
	begin := func(h *house, p *process, key string) string {
		h.Helper()
		return p.authorize(h.Context(), key, request("tok_requires_action")).answer().GetPayment().GetPaymentId()
	}
	for name, c := range map[string]struct {
		brought string
		state   string
		status  string
		later   string // of the payment, an hour later
	}{
		"declined": {"decline", "DECLINED", "DECLINED", "DECLINED"},
		"again":    {"again", "REQUIRES_ACTION", "REQUIRES_ACTION", "FAILED"},
		"nobody":   {"", "REQUIRES_ACTION", "REQUIRES_ACTION", "FAILED"},
		"pending":  {"pending_30s", "PENDING", "PENDING", "AUTHORIZED"},
		"refused":  {"400_always", "FAILED", "REQUIRES_ACTION", "FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.sweeps("one")
				id := begin(h, p, "authorize")
				r := h.completed(p, "back", id, c.brought)
				read, err := p.payment(h.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if r.state() != c.state || sumsOf(read.GetPayment()).Status != c.status {
					t.Errorf("answered %s, the payment is %s; want %s, %s", r.state(), sumsOf(read.GetPayment()).Status, c.state, c.status)
				}
				time.Sleep(time.Hour)
				if read, err = p.payment(h.Context(), id); err != nil || sumsOf(read.GetPayment()).Status != c.later {
					t.Errorf("an hour later: %s, %v; want %s", sumsOf(read.GetPayment()).Status, err, c.later)
				}
			})
		})
	}
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		id := begin(h, p, "authorize")
		first := h.completed(p, "back", id, "approve")
		received := h.received()
		p.complete(h.Context(), "another", id, "approve").refused(codes.FailedPrecondition, "PAYMENT_NOT_COMPLETABLE", "")
		p.complete(h.Context(), "back", id, "decline").refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
		p.complete(h.Context(), "none", "0197f6a0-0000-7000-8000-000000000000", "").refused(codes.NotFound, "NOT_FOUND", "")
		if again := p.complete(h.Context(), "back", id, "approve"); string(again.bytes) != string(first.bytes) || h.received() != received {
			t.Errorf("the same bytes: %t, %d more writes", string(again.bytes) == string(first.bytes), h.received()-received)
		}
	})
}

// Goal: at Stripe a completion looks and confirms nothing: it tells what the shopper
// did, and when they have not finished it says so and another key asks later. Method: a
// shopper who acts before, after or never; what arrives at Stripe.
func TestACompletionLooksAtStripe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change []func(*acquitv1.AuthorizeRequest)
		status string
		moved  account.Effect
	}{
		"held":     {nil, "AUTHORIZED", held()},
		"captured": {[]func(*acquitv1.AuthorizeRequest){automatic}, "CAPTURED", charged()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atStripe(t, stripesim.Config{SearchLag: lag}, func(h *house, a *stripeAccount) {
				p, r := h.one(), pays(secure, c.change...)
				first, _, _ := h.begins(p, r)
				id := first.answer().GetPayment().GetPaymentId()
				early := p.complete(h.Context(), planted("early"), id, "")
				early.tells(false, "false")
				op := early.answer().GetOperation()
				if early.state() != "FAILED" || op.GetRetry() != acquitv1.RetryAdvice_RETRY_ADVICE_NEW_KEY_LATER || sumsOf(early.answer().GetPayment()).Status != "REQUIRES_ACTION" {
					t.Errorf("before the shopper acted: %s, advice %s, payment %s", early.state(), op.GetRetry(), sumsOf(early.answer().GetPayment()).Status)
				}
				if err := a.Authenticate(a.intent(h), true); err != nil {
					t.Fatal(err)
				}
				got := p.complete(h.Context(), planted("back"), id, "")
				if got.state() != "SUCCEEDED" || sumsOf(got.answer().GetPayment()).Status != c.status {
					t.Errorf("after the shopper acted: %s, payment %s", got.state(), sumsOf(got.answer().GetPayment()).Status)
				}
				if n := len(a.writes("")); n != 1 {
					t.Errorf("%d writes arrived, want the authorization alone", n)
				}
				h.replays(p, a, first, r)
				h.moved(a, c.moved)
			})
		})
	}
}
