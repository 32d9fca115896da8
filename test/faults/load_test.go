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
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	goservice "github.com/acquitpay/acquit/interceptors/caller"
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
	l := &load{cancel: cancel, more: make(chan struct{}), known: map[intent]answer{}, tally: tally{tries: map[string]int{}}}
	l.caller = l.balanced(t, replicas)
	for n := range loadCallers {
		l.callers.Go(func() { l.pay(ctx, n) })
	}
	t.Cleanup(func() {
		cancel()
		l.callers.Wait()
	})
	return l
}

// balanced is a caller as services in Go are, which goes on until its outcome is
// stored and spreads its calls over the replicas. Each try of a call is counted.
func (l *load) balanced(t *testing.T, replicas []*server) *caller {
	t.Helper()
	var state resolver.State
	for _, r := range replicas {
		addr, _ := r.addresses(t)
		state.Addresses = append(state.Addresses, resolver.Address{Addr: addr})
	}
	found := manual.NewBuilderWithScheme("replicas")
	found.InitialState(state)
	conn, err := grpc.NewClient("replicas:///", append(goservice.DialOptions(goservice.Config{Attempts: 40, LongestWait: time.Second}),
		grpc.WithResolvers(found), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(goservice.UntilStored()), grpc.WithChainUnaryInterceptor(l.try))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{name: "the replicas", conn: conn}
}

// try is one try of a call.
func (l *load) try(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var header metadata.MD
	err := invoke(ctx, method, req, reply, conn, append(options, grpc.Header(&header))...)
	switch {
	case err != nil:
		l.repeat(strings.TrimSpace(status.Code(err).String() + " " + answer{err: err}.reason()))
	case slices.Equal(header.Get("acquit-should-retry"), []string{"true"}):
		l.repeat("an interim answer")
	}
	return err
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

// call makes a call that has the last word; false if it did not get it, or is the
// caller's last. A call that has begun is finished.
func (l *load) call(ctx context.Context, i intent) (answer, bool) {
	if ctx.Err() != nil {
		return answer{}, false
	}
	began := time.Now()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
	defer cancel()
	a := l.caller.call(limit, i)
	if a.err != nil || !a.stored {
		l.fail(fmt.Sprintf("the %s of key %q after %s: %s", i.verb(), i.key, time.Since(began).Round(time.Millisecond), a))
		return a, false
	}
	l.learn(i, a, time.Since(began))
	return a, true
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

func (l *load) repeat(why string) {
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
