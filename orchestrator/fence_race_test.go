package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: what the object shows after a cancel ends the operation, although the
// provider tells of the same cancel by an event at once. Method: an event between
// the cancel and its answer, as providers send it; the time until the operation
// has ended, and what was logged.
func TestEventOfItsOwnCancelDoesNotStopAFence(t *testing.T) {
	late(t, byReference, func(w *world, call payment.Call) {
		logged := &logBuffer{}
		three := w.boot("three")
		w.provider(0).cancels = []canceller{func(p *provider, found payment.ProviderReference) payment.Answer {
			a := cancelIt(p, found)
			e := told("cancelled", "cancelled", found)
			e.Reference = call.Reference
			if _, err := three.Apply(t.Context(), e); err != nil {
				t.Error(err)
			}
			return a
		}}
		two := w.boot("two", logged.to)
		if err := two.Visit(w.Context(), call.OperationKey()); err != nil {
			t.Error(err)
		}
		op := w.operation(call)
		if op.State != payment.StateFailed {
			t.Errorf("it is %s (%s) and looked at again in %s, though the object is final", op.State, op.ParkReason, time.Until(op.NextCheck))
		}
		if n := logged.count("left by an error"); n != 0 {
			t.Errorf("%d errors logged", n)
		}
	})
}

// Goal: a payment that the provider takes its time over, which no send could hurry,
// is nobody's work. Method: one that is pending past the resend window.
func TestPendingPastTheWindowIsNotStuck(t *testing.T) {
	settledBy(t, payment.StatePending, func(w *world, _ *orchestrator.Orchestrator, _ payment.Call) {
		w.provider(0).mu.Lock()
		w.provider(0).traits.Query, w.provider(0).code = true, "pending"
		w.provider(0).mu.Unlock()
		w.store.EndSession("one")
		stop := w.sweep("two", w.boot("two"))
		defer stop()
		time.Sleep(24 * time.Hour)
		if found := w.attention(); len(found) != 0 {
			t.Errorf("told: %s, %s", found[0].Kind, found[0].Summary)
		}
	})
}

// Goal: the decision to cancel waits for the old owner's time to be over, as the
// cancel does: an answer that comes in time still counts. Method: a caller comes
// back past resolve_by, while an owner that lost its session has a send in the air.
func TestFenceWaitsForTheOldOwner(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p := w.provider(0)
		p.traits.Fence, p.script = payment.FenceByReference, []line{fail500}
		call := newCall("key")
		w.leaves(w.boot("one"), call, "a")
		time.Sleep(14*time.Minute + 50*time.Second)
		p.answer(after(18*time.Second, succeed))
		two, three := w.boot("two"), w.boot("three")
		go func() { _, _ = two.Resume(w.Context(), w.operation(call)) }()
		time.Sleep(time.Second)
		w.store.EndSession("two")
		time.Sleep(11 * time.Second) // past resolve_by, while the answer is on its way
		go func() { _, _ = three.Resume(w.Context(), w.operation(call)) }()
		time.Sleep(time.Second)
		if op := w.operation(call); op.State == payment.StateFencing {
			t.Errorf("it is being cancelled %s before the old owner's time is over", time.Until(op.Created.Add(14*time.Minute+51*time.Second+75*time.Second)))
		}
		time.Sleep(5 * time.Minute)
		t.Logf("in the end %s, %d effects", w.operation(call).State, w.effects())
	})
}

// Goal: a copy of the request that arrives hours after a cancel has found nothing,
// or after the operation has ended, leaves no effect. Method: the first copy is
// delayed; the one that follows the cancel arrives or is lost too.
func TestCopyArrivesAfterTheCancel(t *testing.T) {
	delayed := func(by time.Duration) line {
		return func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
			go func() {
				time.Sleep(by)
				effect()
			}()
			return payment.Answer{Transport: payment.TransportTimeout}
		}
	}
	for name, resend := range map[string]line{"the resend arrives": lost, "the resend is lost": swallowed, "the resend is refused": refuse, "the resend fails": fail500} {
		t.Run(name, func(t *testing.T) {
			late(t, func(p *provider) time.Duration {
				p.traits.Fence, p.script = payment.FenceByReference, []line{delayed(5 * time.Hour), resend}
				return 0
			}, func(w *world, call payment.Call) {
				stop := w.sweep("two", w.boot("two"))
				defer stop()
				time.Sleep(4 * time.Hour)
				if op := w.operation(call); op.State.Final() != (name == "the resend arrives") {
					t.Errorf("before the copy arrives it is %s", op.State)
				}
				t.Logf("%d steps, %d cancels, %d sends", len(w.operation(call).Current().Steps), len(w.provider(0).fencesSent()), len(w.provider(0).sends()))
				time.Sleep(4 * time.Hour)
				w.state(call, payment.StateFailed, 0)
			})
		})
	}
}
