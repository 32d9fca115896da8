//go:build linux

package faults

import (
	"bytes"
	"context"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// TestKilledAtEveryPoint: a process that is killed anywhere leaves one effect.
// The first process kills itself at a point of the call; its caller repeats the
// call with the same key at another process until it has the last word.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	survivor := c.serve(t, "survivor", "")
	for _, at := range []struct {
		point    payment.Point
		sends    [2]int // of the authorization that reach the provider, at least and at most
		replayed bool   // the outcome was durable before the kill
	}{
		{point: payment.PointClaimBefore, sends: [2]int{1, 1}},
		{point: payment.PointClaimAfter, sends: [2]int{1, 1}},
		{point: payment.PointSendBeforeCheck, sends: [2]int{1, 1}},
		{point: payment.PointSendAfterCheck, sends: [2]int{1, 1}},
		{point: payment.PointSendAfterHeaders, sends: [2]int{1, 2}}, // the body may not have left
		{point: payment.PointSendAfterBody, sends: [2]int{1, 2}},    // the provider may see the connection break before it reads
		{point: payment.PointResponseReceived, sends: [2]int{1, 2}},
		{point: payment.PointOutcomeBefore, sends: [2]int{1, 2}},
		{point: payment.PointOutcomeAfter, sends: [2]int{1, 1}, replayed: true},
		{point: payment.PointReplyBefore, sends: [2]int{1, 1}, replayed: true},
	} {
		t.Run(string(at.point), func(t *testing.T) {
			t.Parallel()
			i := intent{key: "kill-" + string(at.point), token: "tok_ok", amount: 1000}
			victim := c.serve(t, "victim", string(at.point)+":kill")
			lost := victim.within(t, patience, i)
			if lost.err == nil {
				t.Fatalf("the victim answered: %s", lost)
			}
			victim.awaitKilled(t)

			began := time.Now()
			got := survivor.insist(t, i)
			t.Logf("last word after %s: %s", time.Since(began).Round(time.Millisecond), got)
			if got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
				t.Errorf("the operation is %s, want SUCCEEDED", got.state())
			}
			if got.replayed != at.replayed {
				t.Errorf("replayed is %t, want %t", got.replayed, at.replayed)
			}
			c.sandbox.oneEffect(t, i, at.sends)
			if again := survivor.insist(t, i); !bytes.Equal(again.raw, got.raw) || !again.replayed {
				t.Errorf("the answer changed from %x to %x (%s)", got.raw, again.raw, again)
			}
		})
	}
}

// TestKilledWhileParking: a process that gives an operation up for now, and dies
// over that, leaves one effect and no blocked key. The provider never answers
// the first send and does nothing, which leaves no time for another; so the
// operation is parked.
func TestKilledWhileParking(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	survivor := c.serve(t, "survivor", "")
	for _, point := range []payment.Point{payment.PointParkBefore, payment.PointParkAfter} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			i := intent{key: "park-" + string(point), token: "tok_timeout_before_effect", amount: 1000}
			victim := c.serve(t, "victim", string(point)+":kill")
			if lost := victim.within(t, patience, i); lost.err == nil {
				t.Fatalf("the victim answered: %s", lost)
			}
			victim.awaitKilled(t)
			if got := survivor.insist(t, i); got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
				t.Errorf("%s, want SUCCEEDED", got)
			}
			c.sandbox.oneEffect(t, i, [2]int{2, 2})
		})
	}
}

// TestKilledAfterTakingOver: the heir of a dead process may die of the same. The
// first owner dies after its claim, the second as soon as it has taken over, and
// the third has one effect and one answer.
func TestKilledAfterTakingOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	i := intent{key: "heirs", token: "tok_ok", amount: 1000}
	for _, point := range []payment.Point{payment.PointClaimAfter, payment.PointTakeoverAfter} {
		victim := c.serve(t, "victim at "+string(point), string(point)+":kill")
		ctx, end := context.WithCancel(t.Context())
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, _ = victim.persist(ctx, i) // what it says does not matter: it dies
		}()
		victim.awaitKilled(t)
		end()
		<-asked
	}
	if got := c.serve(t, "survivor", "").insist(t, i); got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("%s, want SUCCEEDED", got)
	}
	c.sandbox.oneEffect(t, i, [2]int{1, 1})
}

// TestLateCopyAfterTakingOver: a request that the network kept until long after
// its sender is dead, and another process has finished the operation, adds
// nothing. The provider drops the first send and gets it again after a while,
// never answers the second, and then its sender is killed.
func TestLateCopyAfterTakingOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	owner, heir := c.serve(t, "owner", ""), c.serve(t, "heir", "")
	i := intent{key: "late copy", token: "tok_late_12s_then_timeout_before_effect", amount: 1000}
	owner.begin(bounded(t, 20*time.Second), i)
	c.sandbox.awaitSends(t, i, 2)
	owner.kill(t)

	got := heir.insist(t, i)
	if got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("%s, want SUCCEEDED", got)
	}
	c.sandbox.oneEffect(t, i, [2]int{3, 4}) // on a slow machine the copy may be there already
	c.sandbox.awaitSends(t, i, 4)
	c.sandbox.oneEffect(t, i, [2]int{4, 4})
	if again := heir.insist(t, i); !bytes.Equal(again.raw, got.raw) {
		t.Errorf("the answer changed from %x to %x", got.raw, again.raw)
	}
}
