//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// troubles are what becomes of the operations of a method on a payment, in turns.
func troubles(m payment.Method, steps ...string) string {
	return "_" + string(m) + "_" + strings.Join(steps, "_"+string(m)+"_")
}

// TestManyOperationsOnOnePayment: captures never add up to more than is held, nor
// refunds to more than was captured, however many run at once, wherever, and
// whatever is unknown about them; and none is refused that would have fitted.
// Fifty captures, then fifty refunds, of callers at two processes, ask for more
// than there is, at a provider that answers most of them late, wrongly or not at
// all. Meanwhile the payment is read through the API, and the ledger behind it.
func TestManyOperationsOnOnePayment(t *testing.T) {
	t.Parallel()
	c := newCluster(t).sweeping()
	servers := []*server{c.serve(t, "one", ""), c.serve(t, "two", "")}
	const authorized = 10_000
	id := servers[0].authorized(t, "one payment", "tok_ok"+
		troubles(payment.MethodCapture, "ok", "timeout", "500_after_effect", "drop", "timeout_before_effect", "pending_1s", "partial", "fail", "late_1s")+
		troubles(payment.MethodRefund, "ok", "timeout", "pending_fail_1s", "late_1s", "partial"), authorized)

	captured := c.crowd(t, servers, payment.MethodCapture, id, authorized)
	refunded := c.crowd(t, servers, payment.MethodRefund, id, captured)

	// With nothing open, the limit is exact.
	s := servers[0]
	for _, at := range []struct {
		method payment.Method
		left   int64
		reason string
	}{
		{payment.MethodCapture, authorized - captured, "AMOUNT_EXCEEDS_AUTHORIZED"},
		{payment.MethodRefund, captured - refunded, "AMOUNT_EXCEEDS_CAPTURED"},
	} {
		a := s.within(t, patience, intent{key: "above", method: at.method, payment: id, amount: at.left + 1})
		if a.reason() != at.reason {
			t.Errorf("a %s of one more than the %d left: %s, want %s", at.method, at.left, a, at.reason)
		}
	}
	rest := s.insist(t, intent{key: "the rest", method: payment.MethodVoid, payment: id})
	if p := rest.response.GetPayment(); captured < authorized &&
		(rest.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || p.GetReleased().GetMinorUnits() != authorized-captured) {
		t.Errorf("the void of the rest: %s, released %s, want %d", rest, p.GetReleased(), authorized-captured)
	}
}

// asked is one call of a crowd, with what it was told and what became of it.
type asked struct {
	intent
	answer
	op     *acquitv1.Operation // as it ended; nil where it was refused
	amount int64               // that the provider moved
}

// crowd makes fifty operations of a method on a payment at once, and returns what
// they moved in all. limit is how much there is.
func (c *cluster) crowd(t *testing.T, servers []*server, m payment.Method, id string, limit int64) int64 {
	t.Helper()
	const callers = 50
	calls := make([]asked, callers)
	stop := c.watch(t, servers, m, id)
	answers := together(t, callers, func(n int) (answer, error) {
		calls[n].intent = intent{key: fmt.Sprintf("crowd-%d", n), method: m, payment: id, amount: limit/40 + limit/40*int64(n%4)/3}
		return servers[n%len(servers)].order(t.Context(), calls[n].intent)
	})
	refused := 0
	for n := range calls {
		calls[n].answer = answers[n]
		if answers[n].err != nil {
			refused++
			continue
		}
		calls[n].op = servers[n%len(servers)].awaitFinal(t, calls[n].intent)
	}
	stop()
	moved := c.moved(t, servers, calls)
	for _, r := range calls {
		if r.op == nil {
			fitted(t, r, calls, limit)
		}
	}
	t.Logf("of %d %ss %d were refused; moved %d of %d", callers, m, refused, moved, limit)
	if refused == 0 || refused == callers || moved > limit {
		t.Errorf("%d of %d refused, moved %d of %d", refused, callers, moved, limit)
	}
	return moved
}

// moved adds up what the provider did for the calls, and holds every answer and the
// payment against it.
func (c *cluster) moved(t *testing.T, servers []*server, calls []asked) (sum int64) {
	t.Helper()
	for n := range calls {
		i := calls[n].intent
		effects := c.sandbox.entries(t, i, i.kind())
		if want := calls[n].op.GetState() == acquitv1.OperationState_OPERATION_STATE_SUCCEEDED; (len(effects) == 1) != want || len(effects) > 1 {
			t.Errorf("key %q: %s, effects %+v", i.key, calls[n].op.GetState(), effects)
		}
		for _, e := range effects {
			calls[n].amount += e.Amount
		}
		sum += calls[n].amount
	}
	for _, s := range servers {
		said, err := s.read(t.Context(), calls[0].payment)
		if err != nil {
			t.Fatal(err)
		}
		p := said.GetPayment()
		posted := p.GetCaptured()
		if calls[0].method == payment.MethodRefund {
			posted = p.GetRefunded()
		}
		if posted.GetMinorUnits() != sum || p.GetReserved().GetMinorUnits() != 0 {
			t.Errorf("%s says %s with %s reserved, the provider moved %d", s.process.name, posted, p.GetReserved(), sum)
		}
	}
	return sum
}

// fitted fails the test if a refused amount would have fitted when it was refused.
// What may have been taken by then is at most what all operations ask for that
// were recorded by the end of the call, less what those gave back whose callers
// knew their outcome before the call began.
func fitted(t *testing.T, r asked, calls []asked, limit int64) {
	t.Helper()
	var taken int64
	for _, o := range calls {
		switch {
		case o.op == nil || o.op.GetCreateTime().AsTime().After(r.began.Add(r.took)):
		case final(o.state()) && o.began.Add(o.took).Before(r.began):
			taken += o.amount
		default:
			taken += o.intent.amount
		}
	}
	if taken+r.intent.amount <= limit {
		t.Errorf("key %q: %d were refused (%s) when at most %d of %d were taken", r.key, r.intent.amount, r.reason(), taken, limit)
	}
}

// watch reads a payment over and over, through the API and in the ledger, until the
// returned function is called: whenever it is read, its amounts are in order.
func (c *cluster) watch(t *testing.T, servers []*server, m payment.Method, id string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var watchers sync.WaitGroup
	reads := make([]int, len(servers)+1)
	repeat := func(n int, look func() error) {
		watchers.Go(func() {
			for rest(ctx, 200*time.Millisecond) {
				if err := look(); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				reads[n]++
			}
		})
	}
	for n, s := range servers {
		repeat(n, func() error { return s.orderly(ctx, m, id) })
	}
	repeat(len(servers), func() error {
		records, err := c.etcd.records(ctx)
		if found := records.problems(); err == nil && len(found) > 0 {
			err = errors.New(strings.Join(found, "; "))
		}
		return err
	})
	return func() {
		cancel()
		watchers.Wait()
		t.Logf("the payment was read %v times meanwhile", reads)
	}
}

// orderly reads a payment on which nothing but operations of one method is open.
func (c *caller) orderly(ctx context.Context, m payment.Method, id string) error {
	said, err := c.read(ctx, id)
	if err != nil {
		return err
	}
	p := said.GetPayment()
	done, limit := p.GetCaptured().GetMinorUnits(), p.GetAuthorized().GetMinorUnits()
	if m == payment.MethodRefund {
		done, limit = p.GetRefunded().GetMinorUnits(), p.GetCaptured().GetMinorUnits()
	}
	if reserved := p.GetReserved().GetMinorUnits(); done+reserved > limit {
		return fmt.Errorf("%s: %d done and %d reserved of %d", m, done, reserved, limit)
	}
	return nil
}

// TestReplaysOfWhatLeavesNothing: the key of a capture, refund or void that left
// nothing to capture, refund or void is answered with the stored bytes, not with a
// refusal; at another process too, and while others keep changing the payment. Each
// key is repeated at both processes, over and over.
func TestReplaysOfWhatLeavesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	one, two := c.serve(t, "one", ""), c.serve(t, "two", "")
	id := one.authorized(t, "kept", "tok_ok", 1000)
	full := intent{key: "all", method: payment.MethodCapture, payment: id, amount: 1000}
	void := intent{key: "all", method: payment.MethodVoid, payment: one.authorized(t, "dropped", "tok_ok", 1000)}
	refund := intent{key: "all", method: payment.MethodRefund, payment: id}

	captured, voided := one.insist(t, full), two.insist(t, void)
	replayed(t, 10, full, captured, one, two)
	replayed(t, 10, void, voided, one, two)

	var crowd sync.WaitGroup
	small := make([]answer, 15)
	for n := range small {
		crowd.Go(func() {
			var err error
			i := intent{key: fmt.Sprintf("part-%d", n), method: payment.MethodRefund, payment: id, amount: 1}
			if small[n], err = two.order(t.Context(), i); err != nil {
				t.Error(err)
			}
		})
	}
	replayed(t, 30, full, captured, one, two)
	crowd.Wait()
	refunded := two.insist(t, refund)
	if p := refunded.response.GetPayment(); p.GetRefunded().GetMinorUnits() != 1000 || p.GetStatus() != acquitv1.PaymentStatus_PAYMENT_STATUS_REFUNDED {
		t.Errorf("after the refund of the rest: %s, refunded %s", p.GetStatus(), p.GetRefunded())
	}
	for n, a := range small {
		replayed(t, 1, intent{key: fmt.Sprintf("part-%d", n), method: payment.MethodRefund, payment: id, amount: 1}, a, one)
	}
	replayed(t, 10, refund, refunded, one, two)
	replayed(t, 10, full, captured, one, two)

	for i, reason := range map[intent]string{
		{method: payment.MethodCapture, payment: id, amount: 1}: "PAYMENT_NOT_CAPTURABLE",
		{method: payment.MethodRefund, payment: id, amount: 1}:  "AMOUNT_EXCEEDS_CAPTURED",
		{method: payment.MethodVoid, payment: void.payment}:     "PAYMENT_NOT_VOIDABLE",
	} {
		i.key = "one more"
		if a := one.within(t, patience, i); a.code() != codes.FailedPrecondition || a.reason() != reason {
			t.Errorf("one more %s: %s, want %s", i.method, a, reason)
		}
	}
}

// replayed repeats a call so many times at each process and wants the stored bytes.
func replayed(t *testing.T, times int, i intent, first answer, servers ...*server) {
	t.Helper()
	if first.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("the %s of key %q: %s, want SUCCEEDED", i.verb(), i.key, first)
	}
	for range times {
		for _, s := range servers {
			a := s.insist(t, i)
			if !a.replayed || string(a.raw) != string(first.raw) {
				t.Errorf("the %s of key %q again, at %s: %s, %x, want %x", i.verb(), i.key, s.process.name, a, a.raw, first.raw)
			}
		}
	}
}
