package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// blind is a world in which an authorization is unknown and past its time at a
// provider that cannot be asked, cancels by our reference, and tells later what
// became of a cancel. One process sweeps it. The script's last line answers what is
// sent after the time is over.
func blind(t *testing.T, script []line, then func(w *world, o *orchestrator.Orchestrator, call payment.Call)) {
	t.Helper()
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		p := w.provider(0)
		p.traits.Fence, p.script, p.cancels = payment.FenceByReference, script, []canceller{cancelQuietly}
		one, call := w.boot("one"), newCall("key")
		w.leaves(one, call, "a", "b")
		w.store.Crash("one")
		w.store.EndSession("one")
		time.Sleep(16 * time.Minute) // past resolve_by, and nobody visited it
		p.answer(script[len(script)-1])
		two := w.boot("two")
		stop := w.sweep("two", two)
		defer stop()
		time.Sleep(5 * time.Minute)
		then(w, two, call)
	})
}

// ofCancel is an event about what became of a cancel.
func ofCancel(call payment.Call, id, code string, object payment.ProviderReference) payment.Event {
	e := under(call, told(id, code, object))
	e.Fenced = true
	return e
}

// under is an event that names the operation by our reference.
func under(call payment.Call, e payment.Event) payment.Event {
	e.Reference = call.Reference
	return e
}

// Goal: where the provider cannot be asked, what it tells of the cancel ends the
// authorization, and nothing else that it tells does; news from before the cancel
// that comes after it is old news. Method: an authorization whose answer was lost,
// and events in the wrong order.
func TestBlindFenceEndsByEvent(t *testing.T) {
	blind(t, []line{lost}, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		w.state(call, payment.StateFencing, 0) // cancelled, and nobody knows
		w.apply(o, under(call, told("1", "authorized", "a-1")), orchestrator.TakenNoted)
		time.Sleep(2 * time.Hour)
		w.state(call, payment.StateFencing, 0)
		w.apply(o, ofCancel(call, "2", "cancelled", "a-1"), orchestrator.TakenSettled)
		op := w.state(call, payment.StateFailed, 0)
		if !op.Current().Released {
			t.Error("the record does not say that the cancel ended it")
		}
		w.apply(o, told("3", "authorized", "a-1"), orchestrator.TakenNoted)
		w.apply(o, ofCancel(call, "4", "cancelled", "a-1"), orchestrator.TakenNoted)
		w.apply(o, told("5", "authorized", "a-9"), orchestrator.TakenOrphan)
		if len(w.provider(1).sends()) != 0 {
			t.Error("it was failed over")
		}
	})
}

// Goal: a cancel that is told to have found nothing is followed by a copy of the
// request, under its key, and a cancel under another key; what is told twice asks
// for no more. Method: a request that never arrived.
func TestBlindFenceFollowsWhatArrivesLate(t *testing.T) {
	blind(t, []line{swallowed, lost}, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		p := w.provider(0)
		cancels, creates := distinctSteps(p.fencesSent()), len(p.sends())
		if cancels != 1 {
			t.Fatalf("%d different cancels before anything was told", cancels)
		}
		w.apply(o, ofCancel(call, "1", "not_found", ""), orchestrator.TakenNoted)
		w.apply(o, ofCancel(call, "1", "not_found", ""), orchestrator.TakenDuplicate)
		time.Sleep(2 * time.Hour)
		if got := len(p.sends()) - creates; got != 1 {
			t.Errorf("%d more copies of the request, want 1", got)
		}
		sameRequest(t, p.sends())
		if got := distinctSteps(p.fencesSent()); got != 2 {
			t.Errorf("%d different cancels, want 2", got)
		}
		w.state(call, payment.StateFencing, 0)
		w.apply(o, ofCancel(call, "2", "cancelled", "a-1"), orchestrator.TakenSettled)
		w.state(call, payment.StateFailed, 0)
	})
}

// Goal: what is told of a cancel that is not the last one, or of somebody else's, asks
// for no further cancel. Method: two cancels that are answered with their names, and then
// the news of the first one and of a stranger, again under other ids.
func TestBlindFenceKnowsItsCancels(t *testing.T) {
	blind(t, []line{swallowed, lost}, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		p := w.provider(0)
		p.mu.Lock()
		p.cancels = []canceller{func(*provider, payment.ProviderReference) payment.Answer {
			a := answered(200, "cancelled") // p.mu is held
			a.Reference = payment.ProviderReference("k-" + string(rune('0'+distinctSteps(p.fences))))
			return a
		}}
		p.mu.Unlock()
		about := func(id string, cancel payment.ProviderReference) payment.Event {
			e := ofCancel(call, id, "not_found", "")
			e.Cancel = cancel
			return e
		}
		time.Sleep(time.Hour)
		if s := w.operation(call).Current().Steps; s[len(s)-1].Reference != "k-1" {
			t.Fatalf("steps: %+v", s)
		}
		w.apply(o, about("1", "k-1"), orchestrator.TakenNoted)
		time.Sleep(2 * time.Hour)
		for id, cancel := range map[string]payment.ProviderReference{"2": "k-1", "3": "somebody's"} {
			w.apply(o, about(id, cancel), orchestrator.TakenNoted)
		}
		time.Sleep(2 * time.Hour)
		s := w.operation(call).Current().Steps
		if got := distinctSteps(p.fencesSent()); got != 2 || len(s) != 3 || s[1].Reference != "k-1" || s[2].Reference != "k-2" || s[2].Refused {
			t.Errorf("%d different cancels, steps: %+v", got, s)
		}
		w.apply(o, about("4", "k-2"), orchestrator.TakenNoted)
		time.Sleep(2 * time.Hour)
		if got := distinctSteps(p.fencesSent()); got != 3 {
			t.Errorf("%d different cancels after the second one found nothing", got)
		}
	})
}

// Goal: money that is captured at a provider that cannot be asked ends its authorization
// at once, whatever that waits for, and is on the payment once; where it was only to be
// held a person is told at once. Method: an authorization of each kind whose answer was
// lost, told of its capture before it is being cancelled or after, twice.
func TestCaptureBesideABlindFence(t *testing.T) {
	for name, c := range map[string]struct {
		mode  payment.CaptureMode
		wait  time.Duration
		taken orchestrator.Taken
	}{
		"unknown":         {payment.CaptureAutomatic, 0, orchestrator.TakenSettled},
		"being cancelled": {payment.CaptureAutomatic, 20 * time.Minute, orchestrator.TakenSettled},
		"held":            {payment.CaptureManual, 20 * time.Minute, orchestrator.TakenOutside},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p := w.provider(0)
				p.traits.Fence, p.traits.AutomaticCapture, p.script = payment.FenceByReference, true, []line{nameUnsure}
				p.cancels = []canceller{cancelQuietly}
				o, call, in := w.boot("one"), newCall("authorize"), instruction("a")
				in.CaptureMode = c.mode
				if _, err := o.Authorize(w.Context(), call, in); err != nil {
					t.Fatal(err)
				}
				w.drainFlights(o)
				w.store.EndSession("one")
				two := w.boot("two")
				stop := w.sweep("two", two)
				defer stop()
				time.Sleep(c.wait)
				if fencing := w.operation(call).State == payment.StateFencing; fencing != (c.wait > 0) {
					t.Fatalf("it is %s", w.operation(call).State)
				}
				e := parental(payment.MethodCapture, "1", "taken", 1000)
				e.Parent = "c-1" // as the answer called it
				w.apply(two, e, c.taken)
				e.ID = "2"
				w.apply(two, e, orchestrator.TakenNoted)
				w.takenOnce(call, c.mode)
			})
		})
	}
}

// takenOnce checks an authorization that was told to have been captured.
func (w *world) takenOnce(call payment.Call, mode payment.CaptureMode) {
	w.Helper()
	op, told := w.operation(call), w.attention()
	got := w.payment(op.PaymentID)
	if mode == payment.CaptureManual {
		if op.State != payment.StateFencing || got.ExternalCaptured() != 1000 || len(told) != 1 || told[0].Kind != payment.AttentionContradiction {
			w.Errorf("it is %s, %d is captured beside us, told: %+v", op.State, got.ExternalCaptured(), told)
		}
		return
	}
	if op.State != payment.StateSucceeded || op.Current().ProviderReference != "c-1" || got.Status != payment.StatusCaptured ||
		got.Captured != 1000 || got.AutoReserved != 0 || len(got.Outside) != 0 || len(told) != 0 {
		w.Errorf("it is %s of %q, told: %+v, %+v", op.State, op.Current().ProviderReference, told, got)
	}
}

// distinctSteps is how many different cancels there are, each of which may be sent
// several times.
func distinctSteps(sent []payment.Send) int {
	keys := make(map[payment.ProviderKey]bool)
	for _, s := range sent {
		keys[s.Key] = true
	}
	return len(keys)
}

// Goal: an authorization that the provider refused ends so while it is being
// cancelled by the answer to a copy, and not by an event; one of which nothing is told
// stays open and is put before a person in the end. Method: each of them, over
// days.
func TestBlindFenceOfWhatWasRefused(t *testing.T) {
	t.Run("told", func(t *testing.T) {
		blind(t, []line{lost}, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
			w.apply(o, under(call, told("1", "declined", "a-1")), orchestrator.TakenNoted) // it may be older than what succeeded
			if op := w.operation(call); op.State != payment.StateFencing || op.Current().Released {
				t.Errorf("it is %s, released %t", op.State, op.Current().Released)
			}
		})
	})
	t.Run("answered", func(t *testing.T) {
		blind(t, []line{swallowed, decline}, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
			w.apply(o, ofCancel(call, "1", "not_found", ""), orchestrator.TakenNoted)
			time.Sleep(2 * time.Hour)
			w.state(call, payment.StateDeclined, 0)
		})
	})
	t.Run("nothing", func(t *testing.T) {
		blind(t, []line{lost}, func(w *world, _ *orchestrator.Orchestrator, call payment.Call) {
			time.Sleep(15 * time.Hour)
			w.state(call, payment.StateFencing, 0)
			if len(w.attention()) != 0 {
				t.Error("a person was told too early")
			}
			time.Sleep(10 * time.Hour) // the resend window closes
			w.state(call, payment.StateFencing, 0)
			if found := w.attention(); len(found) != 1 || found[0].Kind != payment.AttentionStuck {
				t.Errorf("a person was told %+v", found)
			}
		})
	})
}

// Goal: at a provider that can be asked, what it tells of a cancel settles nothing
// by itself; and nowhere is what a cancel left there taken for a success. Method: an
// authorization that is being cancelled there, and one that is unknown.
func TestFenceIsReadWhereItCanBe(t *testing.T) {
	settledBy(t, payment.StateFencing, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		p := w.provider(0)
		p.mu.Lock()
		p.traits.Query, p.traits.Fence = true, payment.FenceByReference
		p.mu.Unlock()
		w.apply(o, ofCancel(call, "1", "cancelled", w.operation(call).Current().ProviderReference), orchestrator.TakenNoted)
		if op := w.operation(call); op.State != payment.StateFencing {
			t.Errorf("it is %s", op.State)
		}
	})
	settledBy(t, payment.StateUnknown, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		w.apply(o, ofCancel(call, "1", "authorized", w.operation(call).Current().ProviderReference), orchestrator.TakenNoted)
		if op := w.operation(call); op.State != payment.StateUnknown {
			t.Errorf("it is %s", op.State)
		}
	})
}

// Goal: a request of which the provider says that a copy brings the same answer is
// not sent again, by nobody; it is looked up where that is possible, and else put
// before a person. One that is not to be sent again now, a later look may send.
// Method: a capture whose answer says so, with look-ups that show it, that show
// nothing, and without any, over processes.
func TestStoppedIsNotSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		hint  payment.Hint
		query bool
		shown string
		state payment.State
		sends int
		told  int
	}{
		"seen":            {hint: payment.HintStop, query: true, state: payment.StateSucceeded, sends: 1},
		"not seen":        {hint: payment.HintStop, query: true, shown: "not_found", state: payment.StateUnknown, sends: 1},
		"no look-up":      {hint: payment.HintStop, state: payment.StateUnknown, sends: 1, told: 1},
		"not now":         {hint: payment.HintLater, state: payment.StateSucceeded, sends: 2},
		"not now, unseen": {hint: payment.HintLater, query: true, shown: "not_found", state: payment.StateSucceeded, sends: 2},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p := w.provider(0)
				p.traits.Query = c.query
				one := w.boot("one")
				id := w.authorizedPayment(one)
				p.show(c.shown)
				p.orders = []line{func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
					effect()
					a := answered(500, "")
					a.Hint = c.hint
					return a
				}, succeed}
				call := orderCall(payment.MethodCapture, "stopped")
				_, _ = carryOut(w.Context(), one, call, order(id, 100))
				w.store.Crash("one")
				w.store.EndSession("one")
				stop := w.sweep("two", w.boot("two"))
				defer stop()
				time.Sleep(2 * time.Hour)
				if n := p.ordered; n != c.sends {
					t.Errorf("sent %d times, want %d", n, c.sends)
				}
				if op := w.operation(call); op.State != c.state || len(w.attention()) != c.told {
					t.Errorf("it is %s, told %+v", op.State, w.attention())
				}
			})
		})
	}
}
