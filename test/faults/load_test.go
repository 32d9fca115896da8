//go:build linux

package faults

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // lets callers leave a replica that says NOT_SERVING
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	loadCallers = 4
	// loadPause is between two payments of a caller: the load is steady and leaves
	// the machine room.
	loadPause = 50 * time.Millisecond
	// callLimit is how long a caller repeats one call before it takes it for failed.
	// It is longer than etcd is without a leader, and shorter than a test is patient.
	callLimit = 30 * time.Second
)

// load are callers that pay and capture until they are stopped, each call at
// whichever replica takes it.
type load struct {
	caller  *caller
	cancel  context.CancelFunc
	callers sync.WaitGroup

	mu    sync.Mutex
	more  chan struct{} // closed and replaced at every last word
	known map[intent]answer
	wrong []string // calls that failed
	tally tally
}

// tally is what has happened until some moment.
type tally struct {
	calls   int
	slowest time.Duration  // of the calls since the tally before
	tries   map[string]int // that were no last word, by what was said
}

// startLoad starts the callers.
func startLoad(t *testing.T, replicas []*server) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{caller: balanced(t, replicas), cancel: cancel, more: make(chan struct{}), known: map[intent]answer{}, tally: tally{tries: map[string]int{}}}
	for n := range loadCallers {
		l.callers.Go(func() { l.pay(ctx, n) })
	}
	t.Cleanup(func() {
		cancel()
		l.callers.Wait()
	})
	return l
}

// balanced is a caller that spreads its calls over the replicas that say that they
// serve. Nothing is retried behind the test's back.
func balanced(t *testing.T, replicas []*server) *caller {
	t.Helper()
	var state resolver.State
	for _, r := range replicas {
		addr, _ := r.addresses(t)
		state.Addresses = append(state.Addresses, resolver.Address{Addr: addr})
	}
	found := manual.NewBuilderWithScheme("replicas")
	found.InitialState(state)
	conn, err := grpc.NewClient("replicas:///", grpc.WithResolvers(found), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{name: "the replicas", conn: conn}
}

// pay is one caller: an authorization, its capture, and the next. One in three is
// executed by the provider and then answered with an error.
func (l *load) pay(ctx context.Context, caller int) {
	for n := 0; ; n++ {
		i := intent{key: fmt.Sprintf("load-%d-%d", caller, n), token: "tok_ok", amount: int64(1000 + n)}
		if n%3 == 2 {
			i.token = "tok_500_after_effect"
		}
		authorized, ok := l.call(ctx, i)
		if !ok {
			return
		}
		i.token, i.method, i.payment = "", payment.MethodCapture, authorized.response.GetPayment().GetPaymentId()
		if _, ok := l.call(ctx, i); !ok || !rest(ctx, loadPause) {
			return
		}
	}
}

// call repeats a call as the contract says until it has the last word; false if it
// did not get it, or is the caller's last. A call that has begun is finished.
func (l *load) call(ctx context.Context, i intent) (answer, bool) {
	if ctx.Err() != nil {
		return answer{}, false
	}
	began := time.Now()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	for {
		try, end := context.WithTimeout(limit, 10*time.Second)
		a := l.caller.call(try, i)
		end()
		switch {
		case a.err == nil && a.stored:
			l.learn(i, a, time.Since(began))
			return a, true
		case !again(a) || !rest(limit, 50*time.Millisecond):
			l.fail(fmt.Sprintf("the %s of key %q after %s: %s", i.verb(), i.key, time.Since(began).Round(time.Millisecond), a))
			return a, false
		}
		l.repeat(a)
	}
}

// again reports whether the same call may get another answer: the server says so,
// or could not be heard.
func again(a answer) bool {
	if a.repeat != "" {
		return a.repeat == "true"
	}
	return a.code() == codes.Unavailable || a.code() == codes.DeadlineExceeded
}

func (l *load) learn(i intent, a answer, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[i] = a
	l.tally.calls++
	l.tally.slowest = max(l.tally.slowest, took)
	close(l.more)
	l.more = make(chan struct{})
}

func (l *load) repeat(a answer) {
	why := strings.TrimSpace(a.code().String() + " " + a.reason())
	if a.err == nil {
		why = "still " + a.state().String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.tries[why]++
}

func (l *load) fail(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, what)
}

// stop lets every caller finish its call.
func (l *load) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	l.callers.Wait()
	if len(l.wrong) > 0 {
		t.Errorf("calls failed: %q", l.wrong)
	}
}

// take returns the tally and begins the next.
func (l *load) take() (tally, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.tally
	now.tries = maps.Clone(now.tries)
	l.tally.slowest = 0
	return now, slices.Clone(l.wrong)
}

// paid waits until callers have had a few more last words.
func (l *load) paid(t *testing.T) {
	t.Helper()
	const more = 10
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for until := -1; ; {
		l.mu.Lock()
		calls, changed := l.tally.calls, l.more
		l.mu.Unlock()
		if until < 0 {
			until = calls + more
		}
		if calls >= until {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			_, wrong := l.take()
			t.Fatalf("callers had %d of %d calls answered within %s; failed: %q", calls, until, patience, wrong)
		}
	}
}
