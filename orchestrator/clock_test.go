package orchestrator_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// wallClock is a process's clock that can be set.
type wallClock struct{ ahead atomic.Int64 }

func (c *wallClock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

func (c *wallClock) to(cfg *orchestrator.Config) {
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
}

// Goal: nothing is sent again under a key that the provider may have forgotten because a
// clock was set back by hours; where none was, or by less than clocks may differ, and
// while the window is open by any reckoning, it is. Method: a capture that is left unknown,
// visited later by the process that left it or by a new one, whose clocks are set between.
func TestClockThatIsSetBack(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		before time.Duration // by which the clock of the process that makes the intent is ahead
		slept  time.Duration // by which it leaps ahead then, as that of a machine that slept
		after  time.Duration // and later
		fresh  bool          // another process visits, with that clock
		wait   time.Duration
		sends  bool
		told   bool // a person is
	}{
		"never":                         {wait: 16 * hour, sends: true},
		"past the window":               {wait: 21 * hour, told: true},
		"back, past the window":         {after: -5 * hour, wait: 21 * hour, told: true},
		"back, within the window":       {after: -5 * hour, wait: 14 * hour, sends: true},
		"back by a little":              {after: -10 * time.Minute, wait: 20*hour + 5*time.Minute, sends: true},
		"slept, and then back":          {slept: 5 * hour, wait: 16 * hour, told: true},
		"ahead, and then right":         {before: 5 * hour, wait: 21 * hour, told: true},
		"ahead":                         {after: 5 * hour, wait: 14 * hour, sends: true},
		"a new process":                 {fresh: true, wait: 16 * hour, sends: true},
		"a new process, far behind":     {after: -5 * hour, fresh: true, wait: 2 * hour},
		"a new process, a little so":    {after: -10 * time.Minute, fresh: true, wait: 14 * time.Minute, sends: true},
		"a new process, long so behind": {after: -5 * hour, fresh: true, wait: 8 * hour, sends: true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				var clock wallClock
				clock.set(c.before)
				p, o := w.provider(0), w.boot("one", clock.to)
				id := w.authorizedPayment(o)
				p.orders = []line{fail500After}
				call := orderCall(payment.MethodCapture, "c")
				if _, err := carryOut(w.Context(), o, call, order(id, 1000)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				w.state(call, payment.StateUnknown, 2)
				clock.set(c.slept)
				if _, err := o.Authorize(w.Context(), newCall("between"), instruction("a")); err != nil {
					t.Fatal(err)
				}
				clock.set(c.after)
				if c.fresh {
					w.store.EndSession("one")
					o = w.boot("two", clock.to)
				}
				time.Sleep(c.wait - 2*time.Minute)
				sent := len(p.sends())
				if err := o.Visit(w.Context(), call.OperationKey()); err != nil {
					t.Fatal(err)
				}
				if sends := len(p.sends()) > sent; sends != c.sends {
					t.Errorf("it was sent again: %t; parked since %q", sends, w.operation(call).ParkReason)
				}
				if told := w.attention(); (len(told) > 0) != c.told {
					t.Errorf("a person was told %+v", told)
				}
			})
		})
	}
}

// Goal: a clock that was corrected by more than any window keeps no new operation from
// being sent, nor from being sent again in time. Method: a capture after that, whose first
// answer is an error.
func TestNewOperationsAfterAStepOfTheClock(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		var clock wallClock
		clock.set(48 * time.Hour)
		p, o := w.provider(0), w.boot("one", clock.to)
		w.authorizedPayment(o)
		time.Sleep(time.Hour)
		clock.set(0)
		p.answer(fail500, succeed)
		call := newCall("after")
		if _, err := o.Authorize(w.Context(), call, instruction("a")); err != nil {
			t.Fatal(err)
		}
		w.state(call, payment.StateSucceeded, 2)
	})
}
