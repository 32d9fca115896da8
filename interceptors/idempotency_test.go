package interceptors

import (
	"context"
	"errors"
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

const (
	succeeded = acquitv1.OperationState_OPERATION_STATE_SUCCEEDED
	unknown   = acquitv1.OperationState_OPERATION_STATE_UNKNOWN
)

// handling is a payments service with a function for Authorize.
func handling(f authorizeFunc) *payments { return &payments{authorize: f} }

// inParallel makes n calls at once and returns what they got.
func inParallel(n int, call func(i int) result) []result {
	results := make([]result, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { results[i] = call(i) })
	}
	wg.Wait()
	return results
}

// takenBy is the error of a claim that found an operation of the call's own
// payload in a state.
func takenBy(t *testing.T, ctx context.Context, state payment.State, alive bool, change ...func(*payment.Operation)) error {
	t.Helper()
	op := opOf(t, ctx, state)
	op.OwnerUntil = time.Now().Add(time.Hour)
	if !alive {
		op.OwnerUntil = time.Time{}
	}
	for _, c := range change {
		c(&op)
	}
	return fmt.Errorf("claim: %w", &payment.KeyTakenError{Operation: op, OwnerAlive: alive})
}

func wantRefused(t *testing.T, r result, code codes.Code, reason payment.Reason, shouldRetry string) {
	t.Helper()
	if r.code() != code || r.reason() != string(reason) || r.one(t, "acquit-should-retry") != shouldRetry {
		t.Errorf("got %v (reason %q, should-retry %q), want %v %s %s",
			r.err, r.reason(), r.one(t, "acquit-should-retry"), code, reason, shouldRetry)
	}
}

func wantReply(t *testing.T, r result, want payment.Reply, replayed string) {
	t.Helper()
	if r.err != nil || string(r.bytes) != string(want.Bytes) {
		t.Errorf("got %x, %v, want %x", r.bytes, r.err, want.Bytes)
	}
	shouldRetry := "true"
	if want.Stored {
		shouldRetry = "false"
	}
	if r.one(t, "acquit-should-retry") != shouldRetry || r.one(t, "acquit-idempotent-replayed") != replayed {
		t.Errorf("should-retry %q, replayed %q, want %q, %q",
			r.one(t, "acquit-should-retry"), r.one(t, "acquit-idempotent-replayed"), shouldRetry, replayed)
	}
}

// Callers of one key and payload in one process share one call of the handler
// and get the same bytes.
func TestFollowersTakeTheStoredReplyOfTheirLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := stored(t)
		s := serve(t, Config{}, handling(func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			time.Sleep(3 * time.Second)
			return want, nil
		}))
		replayed := 0
		for _, r := range inParallel(20, func(int) result { return s.authorize(t.Context(), "k", request()) }) {
			if r.one(t, "acquit-idempotent-replayed") == "true" {
				replayed++
				wantReply(t, r, want, "true")
			} else {
				wantReply(t, r, want, "")
			}
		}
		if n := s.handler.asked.Load(); n != 1 || replayed != 19 {
			t.Errorf("the handler ran %d times, %d replies were replays, want 1 and 19", n, replayed)
		}
		if n := s.counter(t, "acquit.idempotency.replays", "authorize"); n != 19 {
			t.Errorf("replays counted: %d", n)
		}
		if n := s.counter(t, "acquit.idempotency.waiters"); n != 0 {
			t.Errorf("waiters left: %d", n)
		}
	})
}

// A reply that is not stored is the leader's own: its followers ask in turn, one
// at a time, and as the operation was parked they get the interim answer; nobody
// resumes it once more for each of them.
func TestFollowersOfAParkedOperationGetTheInterimAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		want := interim(t)
		keys := &fakeKeys{t: t, interim: func(context.Context, payment.Operation) (payment.Reply, error) { return want, nil }}
		first := atomic.Bool{}
		h := handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(time.Second)
			if first.CompareAndSwap(false, true) {
				return want, nil
			}
			return payment.Reply{}, takenBy(t, ctx, payment.StateUnknown, false)
		})
		s := serve(t, Config{Keys: keys}, h)
		for _, r := range inParallel(10, func(int) result { return s.authorize(t.Context(), "k", request()) }) {
			wantReply(t, r, want, "")
		}
		if most.Load() != 1 || h.asked.Load() != 10 || keys.interims.Load() != 9 {
			t.Errorf("%d handlers at once, %d calls, %d interim answers, want 1, 10, 9", most.Load(), h.asked.Load(), keys.interims.Load())
		}
	})
}

// An error belongs to the call that got it: others ask for themselves.
func TestFollowersDoNotTakeAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want, calls := stored(t), atomic.Int64{}
		s := serve(t, Config{}, handling(func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			time.Sleep(time.Second)
			if calls.Add(1) == 1 {
				return payment.Reply{}, &payment.Error{Reason: payment.ReasonNoRoute, Message: "no account"}
			}
			return want, nil
		}))
		refused := 0
		for _, r := range inParallel(5, func(int) result { return s.authorize(t.Context(), "k", request()) }) {
			if r.err != nil {
				refused++
				wantRefused(t, r, codes.FailedPrecondition, payment.ReasonNoRoute, "true")
			}
		}
		if refused != 1 || s.handler.asked.Load() != 2 {
			t.Errorf("%d refused, %d calls of the handler, want 1 and 2", refused, s.handler.asked.Load())
		}
	})
}

// Another payload does not wait for the first one and learns nothing of it,
// whether that is in flight or answered.
func TestAnotherPayloadIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := stored(t)
		var mu sync.Mutex
		var op *payment.Operation
		s := serve(t, Config{}, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			mu.Lock()
			known := op
			if known == nil {
				first := opOf(t, ctx, payment.StateIntent)
				first.OwnerUntil = time.Now().Add(time.Hour)
				op = &first
			}
			mu.Unlock()
			if known != nil {
				return payment.Reply{}, &payment.KeyTakenError{Operation: *known, OwnerAlive: known.Response == nil}
			}
			time.Sleep(5 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			done := *op
			done.State, done.Response = payment.StateSucceeded, want.Bytes
			op = &done
			return want, nil
		}))
		first := make(chan result, 1)
		go func() { first <- s.authorize(t.Context(), "k", request()) }()
		synctest.Wait()
		r := s.authorize(t.Context(), "k", otherPayload())
		wantRefused(t, r, codes.FailedPrecondition, payment.ReasonKeyReused, "false")
		if r.took > time.Second {
			t.Errorf("it waited %v for a payload that is not its own", r.took)
		}
		wantReply(t, <-first, want, "")
		r = s.authorize(t.Context(), "k", otherPayload())
		wantRefused(t, r, codes.FailedPrecondition, payment.ReasonKeyReused, "false")
		wantReply(t, s.authorize(t.Context(), "k", request()), want, "true")
	})
}

// What follows for a key that is in use, by the operation that the claim found.
// Where no Keys function is given, calling it fails the test.
func TestAKeyInUse(t *testing.T) {
	taken := func(state payment.State, alive bool, change ...func(*payment.Operation)) func(*testing.T) authorizeFunc {
		return func(t *testing.T) authorizeFunc {
			t.Helper()
			return func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, state, alive, change...)
			}
		}
	}
	answered := func(op *payment.Operation) { op.Response = replyBytes(t, succeeded) }
	cases := map[string]struct {
		handler     func(*testing.T) authorizeFunc
		resume      bool
		interim     bool
		code        codes.Code
		reason      payment.Reason
		shouldRetry string
		replayed    string
	}{
		"a final operation is replayed": {
			handler: taken(payment.StateSucceeded, false, answered), shouldRetry: "false", replayed: "true",
		},
		"a pending operation is replayed": {
			handler: taken(payment.StatePending, false, answered), shouldRetry: "false", replayed: "true",
		},
		"a fencing operation that has its answer is replayed": {
			handler: taken(payment.StateFencing, true, answered), shouldRetry: "false", replayed: "true",
		},
		"a fencing operation gives the interim answer, owned or not": {
			handler: taken(payment.StateFencing, true), interim: true, shouldRetry: "true",
		},
		"an unknown operation is resumed": {
			handler: taken(payment.StateUnknown, false), resume: true, shouldRetry: "false",
		},
		"an intent whose owner is gone is resumed": {
			handler: taken(payment.StateIntent, false), resume: true, shouldRetry: "false",
		},
		"an intent whose owner is overdue is resumed, though its marker is there": {
			handler: taken(payment.StateIntent, true, func(op *payment.Operation) { op.OwnerUntil = time.Now().Add(-time.Nanosecond) }),
			resume:  true, shouldRetry: "false",
		},
		"an answered operation without its answer is expired, and never runs again": {
			handler: taken(payment.StateSucceeded, false),
			code:    codes.FailedPrecondition, reason: payment.ReasonKeyExpired, shouldRetry: "false",
		},
		"a fingerprint of a version that is not known proves nothing": {
			handler: taken(payment.StateSucceeded, false, answered, func(op *payment.Operation) { op.Fingerprint.Version = 99 }),
			code:    codes.Internal, reason: payment.ReasonInternal, shouldRetry: "true",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := payment.Reply{Bytes: replyBytes(t, succeeded), Stored: c.shouldRetry == "false"}
				keys := &fakeKeys{t: t}
				give := func(context.Context, payment.Operation) (payment.Reply, error) { return want, nil }
				if c.resume {
					keys.resume = give
				}
				if c.interim {
					keys.interim = give
				}
				r := serve(t, Config{Keys: keys}, handling(c.handler(t))).authorize(t.Context(), "k", request())
				if c.code != codes.OK {
					wantRefused(t, r, c.code, c.reason, c.shouldRetry)
					return
				}
				wantReply(t, r, want, c.replayed)
				if (keys.resumed.Load() == 1) != c.resume || (keys.interims.Load() == 1) != c.interim {
					t.Errorf("%d resumes, %d interim answers", keys.resumed.Load(), keys.interims.Load())
				}
			})
		})
	}
}

// A resume that finds somebody faster decides on what it found, and a key that is
// taken again and again ends in an answer.
func TestALostRaceForAnOperation(t *testing.T) {
	t.Run("is decided on what the winner left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			want := stored(t)
			keys := &fakeKeys{t: t, resume: func(_ context.Context, op payment.Operation) (payment.Reply, error) {
				op.State, op.Response = payment.StateSucceeded, want.Bytes
				return payment.Reply{}, &payment.KeyTakenError{Operation: op}
			}}
			s := serve(t, Config{Keys: keys}, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, payment.StateUnknown, false)
			}))
			wantReply(t, s.authorize(t.Context(), "k", request()), want, "true")
			if s.handler.asked.Load() != 1 {
				t.Errorf("the handler ran %d times", s.handler.asked.Load())
			}
		})
	})
	t.Run("ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			keys := &fakeKeys{t: t, resume: func(_ context.Context, op payment.Operation) (payment.Reply, error) {
				return payment.Reply{}, &payment.KeyTakenError{Operation: op}
			}}
			s := serve(t, Config{Keys: keys}, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				return payment.Reply{}, takenBy(t, ctx, payment.StateUnknown, false)
			}))
			wantRefused(t, s.authorize(t.Context(), "k", request()), codes.Aborted, payment.ReasonKeyInFlight, "true")
			if n := keys.resumed.Load(); n > 50 {
				t.Errorf("%d resumes", n)
			}
		})
	})
}

// A leader whose client leaves or whose time is up hands the key on.
func TestTheKeyIsHandedOnWhenTheLeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want, first := stored(t), atomic.Bool{}
		s := serve(t, Config{}, handling(func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			if first.CompareAndSwap(false, true) {
				<-ctx.Done()
				return payment.Reply{}, ctx.Err()
			}
			return want, nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		leader := make(chan result, 1)
		go func() { leader <- s.authorize(ctx, "k", request()) }()
		synctest.Wait()
		wantReply(t, s.authorize(t.Context(), "k", request()), want, "")
		r := <-leader
		if r.code() != codes.DeadlineExceeded || r.took != 1800*time.Millisecond || r.one(t, "acquit-should-retry") != "true" {
			t.Errorf("the leader got %v after %v", r.err, r.took)
		}
	})
}

// A follower whose own time ends as the flight lands does not begin with it.
func TestADeadFollowerDoesNotLead(t *testing.T) {
	for range 50 {
		i := newIdempotency(Config{}.withDefaults(), &methods{}, newMeters(Config{}.withDefaults().Meter, nil))
		ctx, cancel := context.WithCancel(t.Context())
		c := &keyedCall{idempotency: i, held: &held{}, request: request(), patience: time.Now().Add(time.Minute)}
		c.handler = func(context.Context, any) (any, error) {
			t.Error("the handler ran for a caller that is gone")
			return nil, nil
		}
		key := flightKey{operation: c.call.OperationKey()}
		f, _ := i.flights.join(key)
		cancel()
		i.flights.land(key, f, payment.Reply{})
		i.flights.open[key] = f // as a follower still sees it
		if _, err := c.run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
}

// A handler that answers without ReplyTo has its message passed on, and nobody
// takes it for a stored reply.
func TestAHandlerWithoutReply(t *testing.T) {
	i := newIdempotency(Config{}.withDefaults(), &methods{}, newMeters(Config{}.withDefaults().Meter, nil))
	ctx := context.WithValue(t.Context(), callKey{}, &held{call: payment.Call{Tenant: "t", Method: payment.MethodAuthorize, Key: "k"}})
	c := &keyedCall{idempotency: i, request: request(), patience: time.Now().Add(time.Minute)}
	c.held, _ = heldFrom(ctx)
	message := &acquitv1.AuthorizeResponse{}
	c.handler = func(context.Context, any) (any, error) { return message, nil }
	a, err := c.run(ctx)
	if err != nil || a.message != message || a.reply.Stored {
		t.Errorf("got %+v, %v", a, err)
	}
	c.handler = func(context.Context, any) (any, error) { return nil, errors.New("no") }
	if _, err := c.run(ctx); err == nil {
		t.Error("the error is lost")
	}
}

// Without Keys a key in use is an error, never a second call.
func TestNoKeysConfigured(t *testing.T) {
	keys := Config{}.withDefaults().Keys
	_, resume := keys.Resume(t.Context(), payment.Operation{})
	_, interim := keys.Interim(t.Context(), payment.Operation{})
	for _, err := range []error{keys.Await(t.Context(), payment.OperationKey{}), resume, interim} {
		if refusalOf(err).code != codes.Internal {
			t.Errorf("got %v", err)
		}
	}
}
