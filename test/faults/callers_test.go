//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// TestHundredCallersWithOneKey: one key has one effect and one answer, however
// many ask at once and wherever. Callers of two processes start together, and
// repeat only what the contract tells them to repeat.
func TestHundredCallersWithOneKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	servers := []*server{c.serve(t, "one", ""), c.serve(t, "two", "")}
	for _, at := range []struct {
		name, token string
		want        acquitv1.OperationState
	}{
		{"answered at once", "tok_ok", acquitv1.OperationState_OPERATION_STATE_SUCCEEDED},
		{"answered late", "tok_timeout", acquitv1.OperationState_OPERATION_STATE_SUCCEEDED},
		{"failing after the effect", "tok_500_after_effect", acquitv1.OperationState_OPERATION_STATE_SUCCEEDED},
	} {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			i := intent{key: "hundred " + at.name, token: at.token, amount: 1234}
			answers := together(t, 100, func(n int) (answer, error) {
				return servers[n%len(servers)].persist(t.Context(), i)
			})
			first := answers[0]
			if first.state() != at.want {
				t.Errorf("the operation is %s, want %s", first.state(), at.want)
			}
			fresh := 0
			for n, a := range answers {
				if !bytes.Equal(a.raw, first.raw) {
					t.Errorf("caller %d got %x, caller 0 got %x", n, a.raw, first.raw)
				}
				if !a.replayed {
					fresh++
				}
			}
			if fresh > 1 {
				t.Errorf("%d callers were told that theirs was the call that did it, want at most 1", fresh)
			}
			c.sandbox.oneEffect(t, i, [2]int{1, 6})
		})
	}
}

// together runs n callers that start at the same moment.
func together(t *testing.T, n int, call func(n int) (answer, error)) []answer {
	t.Helper()
	answers, errs := make([]answer, n), make([]error, n)
	gate := make(chan struct{})
	var callers sync.WaitGroup
	for k := range n {
		callers.Go(func() {
			<-gate
			answers[k], errs[k] = call(k)
		})
	}
	close(gate)
	callers.Wait()
	for k, err := range errs {
		if err != nil {
			t.Fatalf("caller %d: %v", k, err)
		}
	}
	return answers
}

// TestKeyReusedForAnotherPayload: a key stands for one payload. Another amount
// under it is refused at both processes, while the first call is under way and
// after it, learns nothing and does nothing.
func TestKeyReusedForAnotherPayload(t *testing.T) {
	t.Parallel()
	c := newCluster(t).patient()
	one, two := c.serve(t, "one", ""), c.serve(t, "two", "")
	i := intent{key: "reused", token: "tok_ok", amount: 1000}

	c.sandbox.hold()
	first := one.begin(bounded(t, 20*time.Second), i)
	c.sandbox.awaitRequest(t, i)
	refused := func(when string) {
		t.Helper()
		for _, s := range []*server{one, two} {
			a := s.within(t, patience, i.instead(1001))
			if a.code() != codes.FailedPrecondition || a.reason() != "IDEMPOTENCY_KEY_REUSED" {
				t.Errorf("%s, process %s: %s, want IDEMPOTENCY_KEY_REUSED", when, s.process.name, a)
			}
		}
	}
	refused("in flight")
	select {
	case a := <-first:
		t.Fatalf("the first call ended before it was tried against: %s", a)
	default:
	}
	c.sandbox.release()
	if a := <-first; a.err != nil || !a.stored || a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Fatalf("the first call: %s, want SUCCEEDED", a)
	}
	refused("after the end")
	c.sandbox.oneEffect(t, i, [2]int{1, 1})
}

// TestOwnerKilledWithKeysInFlight: a dead process blocks no key for longer than
// its session and the time that its attempt had. Calls of every verb are under way
// when it is killed: on most the provider has acted, on the others not. A marker
// that outlives its owner's session cannot be had of processes; what follows from it
// is in the conformance suite of the ledgers.
func TestOwnerKilledWithKeysInFlight(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	owner, heir := c.serve(t, "owner", ""), c.serve(t, "heir", "")
	// What a resend has to wait for, and what a look-up has to. The rest is for
	// etcd to notice and for a busy machine.
	const slack = 4 * time.Second
	looked, resent := sessionTTL+slack, attemptBudget+takeoverGrace+slack
	cases := []struct {
		method payment.Method
		step   string
		bound  time.Duration
	}{
		{payment.MethodAuthorize, "timeout", looked},
		{payment.MethodAuthorize, "timeout_before_effect", resent},
		{payment.MethodCapture, "timeout", looked},
		{payment.MethodRefund, "timeout_before_effect", resent},
		{payment.MethodVoid, "timeout", looked},
	}
	intents := make([]intent, len(cases))
	for n, at := range cases {
		token := "tok_" + at.step
		if at.method != payment.MethodAuthorize {
			token = "tok_ok" + troubles(at.method, at.step)
		}
		intents[n] = heir.subject(t, at.method, fmt.Sprintf("orphan-%d", n), token)
	}
	for _, i := range intents {
		owner.begin(bounded(t, 20*time.Second), i)
	}
	for _, i := range intents {
		c.sandbox.awaitRequest(t, i)
	}
	owner.kill(t)

	took := make([]time.Duration, len(cases))
	answers := together(t, len(cases), func(n int) (answer, error) {
		began := time.Now()
		a, err := heir.persist(t.Context(), intents[n])
		took[n] = time.Since(began)
		return a, err
	})
	for n, a := range answers {
		name := fmt.Sprintf("%s, %s", cases[n].method, cases[n].step)
		t.Logf("%s: %s after %s", name, a, took[n].Round(time.Millisecond))
		if a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
			t.Errorf("%s: %s, want SUCCEEDED", name, a)
		}
		if took[n] > cases[n].bound {
			t.Errorf("%s: the key was blocked for %s, want at most %s", name, took[n], cases[n].bound)
		}
		c.sandbox.oneEffect(t, intents[n], [2]int{1, 4})
	}
}
