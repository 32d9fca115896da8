//go:build linux

package faults

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// TestStoppedDuringCalls: a process that is told to stop finishes what it has
// begun and begins nothing else. It gets SIGTERM while the provider is still
// thinking about several calls.
func TestStoppedDuringCalls(t *testing.T) {
	t.Parallel()
	c := newCluster(t).patient()
	leaving, staying := c.serve(t, "leaving", ""), c.serve(t, "staying", "")
	intents := make([]intent, 5)
	calls := make([]<-chan answer, len(intents))
	c.sandbox.hold()
	for n := range intents {
		intents[n] = intent{key: fmt.Sprintf("stop-%d", n), token: "tok_ok", amount: int64(1000 + n)}
		calls[n] = leaving.begin(bounded(t, 20*time.Second), intents[n])
	}
	for _, i := range intents {
		c.sandbox.awaitRequest(t, i)
	}
	leaving.signal(t, syscall.SIGTERM)
	told := time.Now()
	leaving.awaitNotReady(t)

	refused := refusedCall(t, leaving)
	leaving.alive(t)
	c.sandbox.release()
	for n, call := range calls {
		a := <-call
		if a.err != nil || !a.stored || a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
			t.Errorf("call %d in flight: %s, want SUCCEEDED", n, a)
		}
		if again := staying.insist(t, intents[n]); !bytes.Equal(again.raw, a.raw) || !again.replayed {
			t.Errorf("call %d: the other process answers %x, want %x", n, again.raw, a.raw)
		}
	}
	for _, i := range intents {
		c.sandbox.oneEffect(t, i, [2]int{1, 1})
	}
	if code := leaving.awaitExit(t, drainTimeout); code != 0 {
		t.Errorf("it ended with %d, want 0", code)
	}
	t.Logf("gone %s after SIGTERM", time.Since(told).Round(time.Millisecond))

	c.sandbox.noRequest(t, refused)
	if a := staying.insist(t, refused); a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("what was refused, at the other process: %s, want SUCCEEDED", a)
	}
	c.sandbox.oneEffect(t, refused, [2]int{1, 1})
}

// TestStoppedWithNobodyWaiting: what a process has begun it finishes also when
// nobody waits for it any more. While the only call in flight has lost its caller,
// the process stays and refuses others.
func TestStoppedWithNobodyWaiting(t *testing.T) {
	t.Parallel()
	c := newCluster(t).patient()
	leaving, staying := c.serve(t, "leaving", ""), c.serve(t, "staying", "")
	i := intent{key: "nobody", token: "tok_ok", amount: 1000}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	c.sandbox.hold()
	back := leaving.begin(ctx, i)
	c.sandbox.awaitRequest(t, i)
	leave()
	if a := <-back; a.code() != codes.Canceled {
		t.Errorf("the caller that left: %s, want CANCELED", a)
	}
	leaving.signal(t, syscall.SIGTERM)
	leaving.awaitNotReady(t)
	for range 20 {
		refusedCall(t, leaving)
	}
	c.sandbox.release()
	if code := leaving.awaitExit(t, drainTimeout); code != 0 {
		t.Errorf("it ended with %d, want 0", code)
	}
	if a := staying.insist(t, i); a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || !a.replayed {
		t.Errorf("at the other process: %s, want SUCCEEDED, replayed", a)
	}
	c.sandbox.oneEffect(t, i, [2]int{1, 1})
}

// refusedCall makes new calls at a process that is stopping, with something in
// flight, until one is refused, and returns that one.
func refusedCall(t *testing.T, leaving *server) intent {
	t.Helper()
	var refused intent
	eventually(t, patience, "a new call is refused", func() error {
		i := intent{key: "late-" + rand.Text(), token: "tok_ok", amount: 5}
		a := leaving.within(t, time.Second, i)
		switch {
		case a.err == nil, a.code() == codes.DeadlineExceeded:
			return errNotYet // it was just not too late
		case a.code() == codes.ResourceExhausted && a.reason() == "OVERLOADED":
			refused = i
			return nil
		}
		t.Fatalf("a new call at a stopping process: %s, want OVERLOADED", a)
		return nil
	})
	return refused
}

// TestCallerLeaves: a caller that hangs up stops nothing. It leaves while the
// provider's answer is held back; what follows, a resend too, is work that nobody
// waits for.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		token string
		sends int
	}{{"tok_ok", 1}, {"tok_500_before_effect", 2}} {
		t.Run(at.token, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).patient()
			one, two := c.serve(t, "one", ""), c.serve(t, "two", "")
			i := intent{key: "leave-" + at.token, token: at.token, amount: 1000}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			c.sandbox.hold()
			back := one.begin(ctx, i)
			c.sandbox.awaitRequest(t, i)
			leave()
			if a := <-back; a.code() != codes.Canceled {
				t.Errorf("the caller that left: %s, want CANCELED", a)
			}
			c.sandbox.release()
			c.sandbox.awaitEffect(t, i)
			got := one.insist(t, i)
			if got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || !got.replayed {
				t.Errorf("the caller that came back: %s, want SUCCEEDED, replayed", got)
			}
			if a := two.insist(t, i); !bytes.Equal(a.raw, got.raw) {
				t.Errorf("the other process answers %x, want %x", a.raw, got.raw)
			}
			c.sandbox.oneEffect(t, i, [2]int{at.sends, at.sends})
		})
	}
}
