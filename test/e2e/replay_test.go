package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// otherAmount is the same call for more money.
func otherAmount(token string) *acquitv1.AuthorizeRequest {
	return with(request(token), func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits++ })
}

// Goal: the same key brings the same bytes, at any process and whatever the
// answer was, and another payload nothing. Method: the call, the call again at
// two processes after a day, the call for another amount.
//
// Shows R1, R16, R56 and R74.
func TestTheSameKeyBringsTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"tok_ok", "tok_decline_lost_card", "tok_401", "tok_pending", "tok_requires_action"} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				one, two := h.one(), h.start("two", nil)
				first := one.authorize(h.Context(), "key", request(token))
				if first.state() == "" {
					t.Fatal("no state")
				}
				first.tells(false, "false")
				time.Sleep(24 * time.Hour)
				for _, p := range []*process{one, two} {
					again := p.authorize(h.Context(), "key", request(token))
					again.tells(true, "false")
					if string(again.bytes) != string(first.bytes) {
						t.Errorf("boot %s: other bytes:\n%s\n%s", p.boot, again.answer(), first.answer())
					}
					if r := again.metadata("acquit-reference-id"); r != first.metadata("acquit-reference-id") || r != first.answer().GetOperation().GetReferenceId() {
						t.Errorf("boot %s: reference %s", p.boot, r)
					}
					other := p.authorize(h.Context(), "key", otherAmount(token))
					other.refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
					other.tells(false, "false")
				}
				if n := h.received(); n != 1 {
					t.Errorf("%d requests at the provider, want 1", n)
				}
			})
		})
	}
}

// Goal: another payload is refused at once while the first call is in flight,
// and learns nothing. Method: a slow provider, the other payload at the same
// process and at another.
func TestAnotherPayloadWhileTheFirstIsInFlight(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{latency: 10 * time.Second}, func(h *house) {
		one, two := h.one(), h.start("two", nil)
		var first sync.WaitGroup
		first.Go(func() {
			if got := one.authorize(h.Context(), "key", request("tok_ok")).state(); got != "SUCCEEDED" {
				t.Errorf("the first call got %s", got)
			}
		})
		time.Sleep(time.Second)
		for _, p := range []*process{one, two} {
			other := p.authorize(h.Context(), "key", otherAmount("tok_ok"))
			other.refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
			if other.took > time.Second {
				t.Errorf("boot %s: refused after %s", p.boot, other.took)
			}
		}
		first.Wait()
	})
}

// Goal: a hundred callers of one key at two processes cause one effect and get
// one answer; those among them with another payload get none. Method: a provider
// that is slower than the callers' patience, so that all of them have to come
// again, and a tenth with another amount.
//
// Shows R1.
func TestAHundredCallers(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{latency: 18 * time.Second}, func(h *house) {
		processes := []*process{h.one(), h.start("two", nil)}
		var answers [100][]byte
		var inFlight atomic.Int64
		var callers sync.WaitGroup
		for i := range 100 {
			p := processes[i%2]
			if i%10 == 9 {
				callers.Go(func() {
					time.Sleep(time.Second) // the key belongs to the others
					p.insist(h.Context(), "key", otherAmount("tok_ok")).refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
				})
				continue
			}
			callers.Go(func() {
				first := p.authorize(h.Context(), "key", request("tok_ok"))
				if first.code() == codes.Aborted {
					inFlight.Add(1)
					first.refused(codes.Aborted, "IDEMPOTENCY_KEY_IN_FLIGHT", "")
					if first.retryAfter() <= 0 {
						t.Error("ABORTED does not say when to come again")
					}
				}
				last := p.insist(h.Context(), "key", request("tok_ok"))
				if got := last.state(); got != "SUCCEEDED" {
					t.Errorf("caller %d got %s", i, got)
				}
				answers[i] = last.bytes
			})
		}
		callers.Wait()
		for i, a := range answers {
			if i%10 != 9 && string(a) != string(answers[0]) {
				t.Errorf("caller %d got another answer than caller 0", i)
			}
		}
		if n, wire := h.effects(), h.received(); n != 1 || wire != 1 {
			t.Errorf("%d effects by %d requests, want 1 by 1", n, wire)
		}
		if inFlight.Load() == 0 {
			t.Error("nobody had to come again: the test tests too little")
		}
	})
}

// Goal: a process that dies with a call in flight does not keep the key. Method:
// the first process dies while the provider works; a caller at the other waits
// until the first is given up, and gets the outcome. The dead process' late
// answer changes nothing.
func TestAnotherProcessFinishes(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"tok_ok", "tok_500_after_effect", "tok_drop_before_effect", "tok_late_5m"} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{latency: 2 * time.Second}, func(h *house) {
				one, two := h.one(), h.start("two", nil)
				ctx, cancel := context.WithCancel(h.Context())
				defer cancel()
				go one.authorize(ctx, "key", request(token)) // nobody answers for a dead process
				time.Sleep(time.Second)
				h.store.Crash("one")
				cancel()
				died := time.Now()
				last := two.insist(h.Context(), "key", request(token))
				if got := last.state(); got != "SUCCEEDED" {
					t.Errorf("got %s", got)
				}
				if waited := time.Since(died); waited < ttl {
					t.Errorf("taken over after %s, while the first process counted as alive", waited)
				}
				if op := h.operation("key"); op.Epoch != 2 || len(op.Attempts) != 1 {
					t.Errorf("epoch %d, %d attempts; want the first one's, taken over once", op.Epoch, len(op.Attempts))
				}
				h.quiet()
				if again := two.authorize(h.Context(), "key", request(token)); string(again.bytes) != string(last.bytes) {
					t.Error("the answer changed")
				}
			})
		})
	}
}

// Goal: who takes an operation over closes nothing by a refusal: the request of
// the one before may still arrive. Method: the first process dies with a request
// in the air that arrives after five minutes; the second is refused under the
// same key, and may not call that a failure, nor go to another account.
func TestATakeoverClosesNothingByARefusal(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{"401", "400", "429_30m"} {
		t.Run(refusal, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{accounts: []payment.AccountName{"first", "second"}, latency: 2 * time.Second}, func(h *house) {
				one, two := h.one(), h.start("two", nil)
				call := twoAccounts("tok_late_5m_then_"+refusal+"_always", "tok_ok")
				go one.authorize(h.Context(), "key", call) // nobody answers for a dead process
				time.Sleep(time.Second)
				h.store.Crash("one")
				for range 6 {
					if r := two.authorize(h.Context(), "key", call); r.code() == codes.OK && r.state() != "UNKNOWN" && r.state() != "INTENT" {
						t.Errorf("got %s while the first request is on its way", r.state())
					}
					time.Sleep(15 * time.Second)
				}
				if n := len(h.provider("first").received()); n < 2 {
					t.Errorf("%d requests at the first account: nobody was refused", n)
				}
				time.Sleep(10 * time.Minute)
				if got := two.insist(h.Context(), "key", call).state(); got != "SUCCEEDED" {
					t.Errorf("then got %s", got)
				}
			})
		})
	}
}

// Goal: keys belong to tenants, and no tenant sees another's payment. Method: the
// peer's tenant comes from a header that stands in for authentication; two
// tenants use one key.
func TestTenantsDoNotShareKeys(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one(authenticateByHeader)
		ids := map[string]string{}
		for _, tenant := range []string{"red", "blue"} {
			r := p.invoke(h.Context(), acquitv1.PaymentService_Authorize_FullMethodName, request("tok_ok"), "idempotency-key", "key", "tenant", tenant)
			r.tells(false, "false")
			ids[tenant] = r.answer().GetPayment().GetPaymentId()
		}
		if ids["red"] == ids["blue"] || h.effects() != 2 {
			t.Errorf("payments %v, %d effects; want one for each tenant", ids, h.effects())
		}
		for tenant, code := range map[string]codes.Code{"red": codes.OK, "blue": codes.NotFound} {
			r := p.invoke(h.Context(), acquitv1.PaymentService_GetPayment_FullMethodName,
				&acquitv1.GetPaymentRequest{PaymentId: ids["red"]}, "tenant", tenant)
			if r.code() != code {
				t.Errorf("%s reads red's payment: %v", tenant, r.err)
			}
		}
	})
}

// Goal: what is refused before the claim does not use the key up. Method: an
// account that the call has no token for, then the same key with one.
func TestARefusalLeavesTheKeyFree(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		p.authorize(h.Context(), "key", request("tok_ok", "elsewhere")).refused(codes.FailedPrecondition, "NO_ROUTE", "")
		if n := h.records(); n != 0 {
			t.Errorf("%d records", n)
		}
		if got := p.authorize(h.Context(), "key", request("tok_ok")).state(); got != "SUCCEEDED" {
			t.Errorf("got %s", got)
		}
		// The same refusal for a key in use would tell that nothing was done.
		p.authorize(h.Context(), "key", request("tok_ok", "elsewhere")).refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
	})
}

// Goal: calls of many keys at once do not meet. Method: fifty keys at two
// processes, each told its own payment.
func TestManyKeysAtOnce(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{latency: time.Second}, func(h *house) {
		processes := []*process{h.one(), h.start("two", nil)}
		var seen sync.Map
		for i := range 50 {
			go func() {
				r := processes[i%2].authorize(h.Context(), fmt.Sprintf("key-%d", i), request("tok_ok"))
				if _, twice := seen.LoadOrStore(r.answer().GetPayment().GetPaymentId(), i); twice || r.state() != "SUCCEEDED" {
					t.Errorf("call %d: %s, a payment told twice: %t", i, r.state(), twice)
				}
			}()
		}
		time.Sleep(patience)
		synctest.Wait()
		if n := h.effects(); n != 50 {
			t.Errorf("%d effects", n)
		}
	})
}
