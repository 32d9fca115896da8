package interceptors

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// waiting is a key that another process works on for a while; then the claim
// finds what next makes of it.
func waiting(t *testing.T, owned time.Duration, next func(ctx context.Context) (payment.Reply, error)) (*fakeKeys, *payments) {
	t.Helper()
	start := time.Now()
	keys := &fakeKeys{t: t, await: func(ctx context.Context, op payment.OperationKey) error {
		if err := op.Validate(); err != nil {
			t.Error(err)
		}
		timer := time.NewTimer(time.Until(start.Add(owned)))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	return keys, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
		if time.Since(start) < owned {
			return payment.Reply{}, takenBy(t, ctx, payment.StateIntent, true)
		}
		return next(ctx)
	})
}

// A call waits for the owner in another process and then looks again.
func TestWaitingForAnOwnerElsewhere(t *testing.T) {
	t.Run("takes the stored answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			want := stored(t)
			keys, handler := waiting(t, 4*time.Second, func(ctx context.Context) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, payment.StateSucceeded, false, func(op *payment.Operation) { op.Response = want.Bytes })
			})
			r := serve(t, Config{Keys: keys}, handler).authorize(t.Context(), "k", request())
			wantReply(t, r, want, "true")
			if r.took != 4*time.Second {
				t.Errorf("it took %v", r.took)
			}
		})
	})
	t.Run("gets the interim answer when the owner parks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			want := interim(t)
			keys, handler := waiting(t, 4*time.Second, func(ctx context.Context) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, payment.StateUnknown, false)
			})
			keys.interim = func(context.Context, payment.Operation) (payment.Reply, error) { return want, nil }
			wantReply(t, serve(t, Config{Keys: keys}, handler).authorize(t.Context(), "k", request()), want, "")
		})
	})
	t.Run("resumes when the owner dies", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			want := stored(t)
			keys, handler := waiting(t, 4*time.Second, func(ctx context.Context) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, payment.StateIntent, false)
			})
			keys.resume = func(context.Context, payment.Operation) (payment.Reply, error) { return want, nil }
			wantReply(t, serve(t, Config{Keys: keys}, handler).authorize(t.Context(), "k", request()), want, "")
		})
	})
	t.Run("resumes when the owner is overdue and its marker stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			want, until := stored(t), time.Now().Add(3*time.Second)
			keys, _ := waiting(t, time.Hour, nil)
			keys.resume = func(_ context.Context, op payment.Operation) (payment.Reply, error) {
				if !time.Now().After(op.OwnerUntil) {
					t.Errorf("resumed at %v, the owner has until %v", time.Now(), op.OwnerUntil)
				}
				return want, nil
			}
			handler := handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, payment.StateIntent, true, func(op *payment.Operation) { op.OwnerUntil = until })
			})
			r := serve(t, Config{Keys: keys}, handler).authorize(t.Context(), "k", request())
			wantReply(t, r, want, "")
			if r.took < 3*time.Second || r.took > 4*time.Second || keys.resumed.Load() != 1 {
				t.Errorf("it took %v and %d resumes", r.took, keys.resumed.Load())
			}
		})
	})
}

// A wait ends inside the client's deadline, and after the limit at the latest,
// with an answer that tells the caller to come again.
func TestAWaitThatIsUsedUp(t *testing.T) {
	for name, c := range map[string]struct{ deadline, took time.Duration }{
		"by the client's deadline": {5 * time.Second, 4800 * time.Millisecond},
		"by the limit":             {50 * time.Second, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for where, elsewhere := range map[string]bool{"elsewhere": true, "in this process": false} {
				t.Run(where, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						keys, handler := waiting(t, time.Hour, nil)
						s := serve(t, Config{Keys: keys}, handler)
						if !elsewhere {
							hanging := make(chan struct{})
							s = serve(t, Config{}, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
								<-hanging
								return payment.Reply{}, ctx.Err()
							}))
							defer close(hanging)
							go s.authorize(t.Context(), "k", request())
							synctest.Wait()
						}
						ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
						defer cancel()
						r := s.authorize(ctx, "k", request())
						wantRefused(t, r, codes.Aborted, payment.ReasonKeyInFlight, "true")
						if r.took != c.took {
							t.Errorf("it took %v, want %v", r.took, c.took)
						}
						if r.retryAfter() != time.Second || !slices.Equal(r.trailer.Get("grpc-retry-pushback-ms"), []string{"1000"}) {
							t.Errorf("retry after %v, trailer %v", r.retryAfter(), r.trailer)
						}
					})
				})
			}
		})
	}
}

// Once an operation was seen under the key, a ledger that is away is no proof that
// nothing was done: this very call may have sent before it lost the operation.
// While it waits, and when it asks again after the wait.
func TestTroubleAfterTheOperationWasSeen(t *testing.T) {
	for name, trouble := range map[string]error{
		"unavailable":        &payment.Error{Reason: payment.ReasonLedgerUnavailable},
		"out of time inside": &payment.Error{Reason: payment.ReasonLedgerUnavailable, Err: context.DeadlineExceeded},
	} {
		for _, waiting := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, while waiting %t", name, waiting), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					asked := 0
					keys := &fakeKeys{t: t, await: func(context.Context, payment.OperationKey) error {
						if waiting {
							return trouble
						}
						return nil
					}}
					s := serve(t, Config{Keys: keys}, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
						if asked++; asked > 1 {
							return payment.Reply{}, trouble
						}
						return payment.Reply{}, takenBy(t, ctx, payment.StateIntent, true)
					}))
					wantRefused(t, s.authorize(t.Context(), "k", request()), codes.Unavailable, payment.ReasonOutcomePending, "true")
				})
			})
		}
	}
}

// The waiters of a tenant are capped; other tenants and places that are free
// again are not affected.
func TestWaitersArePerTenantAndCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want, hold := stored(t), make(chan struct{})
		s := serve(t, Config{Authenticate: tenantFromMetadata, MaxWaiters: 2}, handling(func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			<-hold
			return want, nil
		}))
		results := make(chan result, 10)
		call := func(ctx context.Context, tenant string) {
			results <- s.authorize(ctx, "k", request(), "tenant", tenant)
		}
		go call(t.Context(), "a") // leads
		synctest.Wait()
		leaving, leave := context.WithCancel(t.Context())
		go call(leaving, "a")
		go call(t.Context(), "a")
		synctest.Wait()
		if n := s.counter(t, "acquit.idempotency.waiters"); n != 2 {
			t.Errorf("waiters: %d", n)
		}
		r := s.authorize(t.Context(), "k", request(), "tenant", "a")
		wantRefused(t, r, codes.ResourceExhausted, payment.ReasonOverloaded, "true")
		if r.retryAfter() == 0 || r.took != 0 {
			t.Errorf("retry after %v, took %v", r.retryAfter(), r.took)
		}
		go call(t.Context(), "b")
		go call(t.Context(), "b")
		leave() // a place is free
		if r := <-results; r.code() != codes.Canceled {
			t.Errorf("the caller that left got %v", r.err)
		}
		synctest.Wait()
		go call(t.Context(), "a")
		synctest.Wait()
		close(hold)
		for range 5 {
			if r := <-results; r.err != nil {
				t.Error(r.err)
			}
		}
		if n := s.handler.asked.Load(); n != 2 {
			t.Errorf("the handler ran %d times, want once for each tenant", n)
		}
	})
}
