//go:build linux

package faults

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// casualty is an operation whose process is killed at a point, and that nobody asks
// for again.
type casualty struct {
	point  payment.Point
	sends  [2]int // that reach the provider in the end, at least and at most
	parked bool   // the provider does not answer the first send, and has not acted

	intent
	victim *server
}

// casualties are one operation of a method for every point that it passes.
func casualties(m payment.Method) []*casualty {
	all := []*casualty{
		{point: payment.PointClaimBefore},
		{point: payment.PointClaimAfter, sends: [2]int{1, 1}},
		{point: payment.PointSendBeforeCheck, sends: [2]int{1, 1}},
		{point: payment.PointSendAfterCheck, sends: [2]int{1, 1}},
		{point: payment.PointSendAfterHeaders, sends: [2]int{1, 2}}, // the body may not have left
		{point: payment.PointSendAfterBody, sends: [2]int{1, 2}},    // the provider may see the connection break before it reads
		{point: payment.PointResponseReceived, sends: [2]int{1, 1}},
		{point: payment.PointOutcomeBefore, sends: [2]int{1, 1}},
		{point: payment.PointOutcomeAfter, sends: [2]int{1, 1}},
		{point: payment.PointReplyBefore, sends: [2]int{1, 1}},
		{point: payment.PointParkBefore, sends: [2]int{2, 2}, parked: true},
		{point: payment.PointParkAfter, sends: [2]int{2, 2}, parked: true},
	}
	for _, c := range all {
		c.method, c.key = m, fmt.Sprintf("%s-%s", m, c.point)
	}
	return all
}

// token is that of the payment, or of the authorization itself.
func (c *casualty) token() string {
	switch {
	case !c.parked:
		return "tok_ok"
	case c.method == payment.MethodAuthorize:
		return "tok_timeout_before_effect"
	}
	return "tok_ok" + troubles(c.method, "timeout_before_effect")
}

// TestKilledAndNobodyRetries: whatever a process was doing when it was killed, and
// though no caller ever comes back, every operation ends as it should. For each
// verb and each point a process kills itself there; the one that is left, whose
// sweep finds what they left, is asked only by reading.
//
// Shows R50.
func TestKilledAndNobodyRetries(t *testing.T) {
	t.Parallel()
	for _, m := range []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).sweeping()
			survivor := c.serve(t, "survivor", "")
			all := casualties(m)
			for _, v := range all {
				v.intent = survivor.subject(t, m, v.key, v.token())
			}
			began := time.Now()
			c.lose(t, all)
			lost := time.Now()
			for _, v := range all {
				t.Run(string(v.point), func(t *testing.T) { survivor.foundAlone(t, c, v) })
			}
			t.Logf("%d processes lost within %s; what they left had ended %s later",
				len(all), lost.Sub(began).Round(time.Millisecond), time.Since(lost).Round(time.Millisecond))
		})
	}
}

// lose starts a process for each casualty and waits until they all have killed
// themselves over it. None of them looks after the others': they start before any
// of them is lost.
func (c *cluster) lose(t *testing.T, all []*casualty) {
	t.Helper()
	for batch := range slices.Chunk(all, 3) {
		for _, v := range batch {
			v.victim = c.idle().launch(t, "victim at "+string(v.point), string(v.point)+":kill")
		}
		for _, v := range batch {
			v.victim.awaitReady(t)
		}
	}
	calls := make([]<-chan answer, len(all))
	for n, v := range all {
		calls[n] = v.victim.begin(bounded(t, 20*time.Second), v.intent)
	}
	for n, v := range all {
		if a := <-calls[n]; a.stored { // an interim answer may come before it parks
			t.Fatalf("the victim at %s answered: %s", v.point, a)
		}
		v.victim.awaitKilled(t)
	}
}

// foundAlone waits until the operation has ended, without a retry, and checks how.
func (s *server) foundAlone(t *testing.T, c *cluster, v *casualty) {
	t.Helper()
	if v.point == payment.PointClaimBefore { // nothing was promised
		if said, err := s.operation(t.Context(), v.intent); status.Code(err) != codes.NotFound {
			t.Errorf("what was never claimed: %v, %v, want NOT_FOUND", said, err)
		}
		c.sandbox.noRequest(t, v.intent)
		return
	}
	op := s.awaitFinal(t, v.intent)
	if op.GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("it is %s, want SUCCEEDED", op.GetState())
	}
	c.sandbox.oneEffect(t, v.intent, v.sends)
}

// TestStaysUnknownAndIsLookedAt: what cannot be settled stays unknown, says when it
// is looked at again, and is. The provider never gets a capture; its reservation
// stays, as does its record, and every look is later than the one before.
//
// Shows R50 and R65.
func TestStaysUnknownAndIsLookedAt(t *testing.T) {
	t.Parallel()
	c := newCluster(t).sweeping()
	owner, survivor := c.serve(t, "owner", ""), c.serve(t, "survivor", "")
	i := survivor.subject(t, payment.MethodCapture, "never", "tok_ok"+troubles(payment.MethodCapture, "timeout_before_effect_always"))
	owner.begin(bounded(t, 20*time.Second), i)
	c.sandbox.awaitRequest(t, i)
	owner.kill(t)

	c.sandbox.awaitSends(t, i, 3) // two of them the survivor's
	survivor.looksTwice(t, i, acquitv1.OperationState_OPERATION_STATE_UNKNOWN)
	if effects := c.sandbox.entries(t, i, i.kind()); len(effects) != 0 {
		t.Errorf("effects %+v", effects)
	}
}

// looksTwice waits until an operation in a state has been looked at twice: each time
// it says when the next look is, later than the one before, and what it reserves
// stays reserved.
func (s *server) looksTwice(t *testing.T, i intent, want acquitv1.OperationState) {
	t.Helper()
	var last time.Time
	for range 2 {
		eventually(t, patience, "it waits for a later look", func() error {
			said, err := s.operation(t.Context(), i)
			if err != nil {
				return err
			}
			op, p := said.GetOperation(), said.GetPayment()
			next := op.GetNextCheckTime().AsTime()
			if final(op.GetState()) || i.method == payment.MethodCapture && p.GetReserved().GetMinorUnits() != i.amount {
				t.Fatalf("it is %s with %s reserved", op.GetState(), p.GetReserved())
			}
			if op.GetState() != want || !next.After(last) {
				return fmt.Errorf("it is %s, looked at at %s", op.GetState(), next)
			}
			last = next
			return nil
		})
	}
}

// TestLateAuthorizations: an authorization that is found when nobody waits for it any
// more ends without money held, unless the provider shows that it was had; no copy
// of it that arrives later holds any. Processes are killed over authorizations that
// are past their time when the one that is left may look: with the answer lost
// before the effect and after it, where the money is held and where it is taken.
func TestLateAuthorizations(t *testing.T) {
	t.Parallel()
	c := newCluster(t).sweeping().late()
	survivor := c.serve(t, "survivor", "")
	cases := []*struct {
		casualty
		want    acquitv1.OperationState
		cancels int
	}{
		{
			casualty: casualty{point: payment.PointSendBeforeCheck, intent: intent{key: "held, never sent", token: "tok_ok"}},
			want:     acquitv1.OperationState_OPERATION_STATE_FAILED, cancels: 1,
		},
		{
			casualty: casualty{point: payment.PointSendAfterBody, intent: intent{key: "held, on its way for long", token: "tok_late_18s"}},
			want:     acquitv1.OperationState_OPERATION_STATE_FAILED, cancels: 1,
		},
		{
			casualty: casualty{point: payment.PointResponseReceived, intent: intent{key: "held, had", token: "tok_ok"}},
			want:     acquitv1.OperationState_OPERATION_STATE_SUCCEEDED,
		},
		{
			casualty: casualty{point: payment.PointResponseReceived, intent: intent{key: "taken, had", token: "tok_ok", automatic: true}},
			want:     acquitv1.OperationState_OPERATION_STATE_SUCCEEDED,
		},
	}
	// What would take the money at once is not sent that late, and cannot be
	// cancelled: it may still be on its way, so it stays open.
	taken := &casualty{point: payment.PointSendBeforeCheck, intent: intent{key: "taken, never sent", token: "tok_ok", automatic: true, amount: 1000}}
	all := []*casualty{taken}
	for _, at := range cases {
		at.amount = 1000
		all = append(all, &at.casualty)
	}
	c.lose(t, all)
	for _, at := range cases {
		if op := survivor.awaitFinal(t, at.intent); op.GetState() != at.want {
			t.Errorf("key %q is %s, want %s", at.key, op.GetState(), at.want)
		}
		c.released(t, at.intent, at.cancels)
	}
	// The copy arrives, and finds that its key has had its answer.
	late := cases[1].intent
	eventually(t, patience, "the late copy arrives", func() error {
		requests, err := c.sandbox.log(late.reference(), simulator.KindRequest)
		if err == nil && !slices.ContainsFunc(requests, func(e simulator.Entry) bool { return e.Copy }) {
			err = errNotYet
		}
		return err
	})
	c.released(t, late, 1)

	survivor.looksTwice(t, taken.intent, acquitv1.OperationState_OPERATION_STATE_FENCING)
	for _, e := range slices.Concat(c.sandbox.entries(t, taken.intent, simulator.KindRequest), c.sandbox.entries(t, taken.intent, simulator.KindEffect)) {
		if e.Verb != simulator.KindCancel {
			t.Errorf("key %q was sent: %+v", taken.key, e)
		}
	}
}

// late lets an authorization be past its time before its dead owner's session has
// ended, so that whoever finds it finds it late.
func (c *cluster) late() *cluster {
	return c.with(func(s *settings) { s.deadline, s.resolveBy = s.attemptBudget, s.attemptBudget })
}

// released checks that an authorization had one effect, and that so many cancels
// took it back.
func (c *cluster) released(t *testing.T, i intent, cancels int) {
	t.Helper()
	effects, taken := c.sandbox.entries(t, i, i.kind()), c.sandbox.entries(t, i, simulator.KindCancel)
	if len(effects) != 1 || len(taken) != cancels {
		t.Fatalf("key %q has %d effects and %d cancels, want 1 and %d", i.key, len(effects), len(taken), cancels)
	}
	for _, e := range taken {
		if e.Parent != effects[0].Object || e.Amount != i.amount {
			t.Errorf("key %q: the cancel released %d of %s, want %d of %s", i.key, e.Amount, e.Parent, i.amount, effects[0].Object)
		}
	}
}

// TestKilledWhileLookingAfter: who looks after what another left may die of it too.
// The owner dies before its send; the second finds the operation by itself, and
// dies as soon as it has taken it over, or has decided to cancel it; the third ends
// it. Nobody asks for it meanwhile.
func TestKilledWhileLookingAfter(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		point   payment.Point
		late    bool
		between acquitv1.OperationState // that the second leaves
		want    acquitv1.OperationState
		cancels int
	}{
		{
			point: payment.PointTakeoverAfter, between: acquitv1.OperationState_OPERATION_STATE_INTENT,
			want: acquitv1.OperationState_OPERATION_STATE_SUCCEEDED,
		},
		{
			point: payment.PointFenceAfter, late: true, between: acquitv1.OperationState_OPERATION_STATE_FENCING,
			want: acquitv1.OperationState_OPERATION_STATE_FAILED, cancels: 1,
		},
	} {
		t.Run(string(at.point), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).sweeping()
			if at.late {
				c = c.late()
			}
			first := &casualty{point: payment.PointSendBeforeCheck, intent: intent{key: "left", token: "tok_ok", amount: 1000}}
			c.lose(t, []*casualty{first})
			second := c.serve(t, "second", string(at.point)+":kill")
			second.awaitExit(t, patience)
			second.awaitKilled(t)

			third := c.serve(t, "third", "")
			said, err := third.operation(t.Context(), first.intent)
			if err != nil {
				t.Fatal(err)
			}
			if op := said.GetOperation(); op.GetState() != at.between || op.GetNextCheckTime() == nil {
				t.Errorf("the second left it %s, looked at at %s, want %s", op.GetState(), op.GetNextCheckTime(), at.between)
			}
			if op := third.awaitFinal(t, first.intent); op.GetState() != at.want {
				t.Errorf("it is %s, want %s", op.GetState(), at.want)
			}
			c.released(t, first.intent, at.cancels)
		})
	}
}

// TestStoppedWhileLookingAfter: a process that is told to stop ends what it is
// looking after, leaves the rest, and goes in time. Its owner is killed over many
// captures that the provider did not get; SIGTERM comes when some of them are being
// sent again and most are still waiting; another process ends what is left.
func TestStoppedWhileLookingAfter(t *testing.T) {
	t.Parallel()
	c := newCluster(t).sweeping().with(func(s *settings) { s.perAccount = 3 })
	owner := c.idle().serve(t, "owner", "")
	id := owner.authorized(t, "held", "tok_ok"+troubles(payment.MethodCapture, "timeout_before_effect_then_timeout_before_effect"), 1000)
	intents := make([]intent, 12)
	for n := range intents {
		intents[n] = intent{key: fmt.Sprintf("left-%d", n), method: payment.MethodCapture, payment: id, amount: 10}
		go func() { _, _ = owner.persist(t.Context(), intents[n]) }() // what it says does not matter: its process dies
	}
	for _, i := range intents {
		c.sandbox.awaitRequest(t, i)
	}
	owner.kill(t)

	leaving := c.serve(t, "leaving", "")
	sent := 0
	eventually(t, patience, "captures are sent again", func() error {
		sent = c.sentAgain(t, intents)
		if sent == 0 {
			return errNotYet
		}
		return nil
	})
	leaving.signal(t, syscall.SIGTERM)
	told := time.Now()
	if code := leaving.awaitExit(t, drainTimeout); code != 0 {
		t.Errorf("it ended with %d, want 0", code)
	}
	took, left := time.Since(told), len(c.etcd.look(t).open)
	t.Logf("%d of %d were being looked after; gone %s after SIGTERM, %d left", sent, len(intents), took.Round(time.Millisecond), left)
	if left == 0 || sent == len(intents) {
		t.Error("nothing was left, so that the stop was not tried while it was busy")
	}
	heir := c.serve(t, "heir", "")
	for _, i := range intents {
		if op := heir.awaitFinal(t, i); op.GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
			t.Errorf("key %q is %s, want SUCCEEDED", i.key, op.GetState())
		}
		c.sandbox.oneEffect(t, i, [2]int{3, 4})
	}
}

// sentAgain is how many of the intents have reached the provider more than once.
func (c *cluster) sentAgain(t *testing.T, intents []intent) (n int) {
	t.Helper()
	for _, i := range intents {
		if len(c.sandbox.entries(t, i, simulator.KindRequest)) > 1 {
			n++
		}
	}
	return n
}
