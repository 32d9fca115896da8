package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// swallowed is a line whose request never arrives; nobody knows.
func swallowed(ctx context.Context, _ func() payment.ProviderReference) payment.Answer {
	<-ctx.Done()
	return payment.Answer{Transport: payment.TransportTimeout}
}

// withID is a line that has its effect and fails, but says the object's id.
func withID(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
	a := answered(500, "")
	a.Reference = effect()
	return a
}

// late is a world in which an authorization is unknown and past its time, though
// nobody asks for it any more: every answer so far was lost, and look-ups show
// nothing that merely holds money. prepare sets the provider up, and says how
// long the first owner lived.
func late(t *testing.T, prepare func(*provider) time.Duration, then func(w *world, call payment.Call)) {
	t.Helper()
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		p := w.provider(0)
		p.traits.Query, p.lagging = true, true
		lived := prepare(p)
		one, call := w.boot("one"), newCall("key")
		w.leaves(one, call, "a", "b")
		time.Sleep(lived)
		w.store.Crash("one")
		w.store.EndSession("one")
		time.Sleep(16 * time.Minute) // past resolve_by, and nobody visited it
		p.answer(p.script[len(p.script)-1])
		then(w, call)
	})
}

// Goal: an unknown authorization that nobody waits for ends without a late charge,
// or as what it cannot be kept from being; it is never failed over, and every
// cancel has a key of its own. Method: both kinds of fence, over a provider that
// has or has not had the effect, can or cannot cancel it.
func TestLateAuthorizationIsFenced(t *testing.T) {
	reference, object := payment.FenceByReference, payment.FenceByObject
	for name, c := range map[string]struct {
		kind            payment.FenceKind
		script          []line // the last one answers after the time is over
		captures        bool
		cancels         []canceller
		state           payment.State
		effects         int
		creates, fences int // sent
		lived           time.Duration
	}{
		"by reference, it had arrived":           {kind: reference, script: []line{lost, fail500}, state: payment.StateFailed, creates: 1, fences: 1},
		"by reference, it arrives with a resend": {kind: reference, script: []line{swallowed, lost}, state: payment.StateFailed, creates: 2, fences: 2},
		"by reference, the cancel's answer is lost": {
			kind: reference, script: []line{lost, fail500}, cancels: []canceller{cancelQuietly}, state: payment.StateFailed, creates: 1, fences: 1,
		},
		"by reference, the cancel fails at first": {
			kind: reference, script: []line{lost, fail500}, cancels: []canceller{cancelNot, cancelNot, cancelIt}, state: payment.StateFailed, creates: 1, fences: 3,
		},
		"by reference, it is captured": {
			kind: reference, script: []line{lost, lost}, captures: true, state: payment.StateSucceeded, effects: 1, creates: 1,
		},
		"by object, whose id was learned":         {kind: object, script: []line{withID}, state: payment.StateFailed, creates: 6, fences: 1, lived: 2 * time.Minute},
		"by object, whose id a resend brings":     {kind: object, script: []line{lost, succeed}, state: payment.StateFailed, creates: 2, fences: 1},
		"by object, which a resend makes":         {kind: object, script: []line{swallowed, succeed}, state: payment.StateFailed, creates: 2, fences: 1},
		"by object, a resend is declined":         {kind: object, script: []line{swallowed, decline}, state: payment.StateDeclined, creates: 2},
		"by object, a resend is refused for good": {kind: object, script: []line{swallowed, decline}, state: payment.StateDeclined, creates: 2},
	} {
		t.Run(name, func(t *testing.T) {
			late(t, func(p *provider) time.Duration {
				p.traits.Fence, p.script, p.captures = c.kind, c.script, c.captures
				if c.cancels != nil {
					p.cancels = c.cancels
				}
				return c.lived
			}, func(w *world, call payment.Call) {
				p := w.provider(0)
				stop := w.sweep("two", w.boot("two"))
				defer stop()
				time.Sleep(2 * time.Hour)
				op := w.state(call, c.state, c.effects)
				if n := len(w.provider(1).sends()); n != 0 || len(op.Attempts) != 1 {
					t.Errorf("%d sends to the other account, %d attempts", n, len(op.Attempts))
				}
				sameRequest(t, p.sends())
				if got := [2]int{len(p.sends()), len(p.fencesSent())}; got != [2]int{c.creates, c.fences} {
					t.Errorf("sent %d requests and %d cancels, want %d and %d", got[0], got[1], c.creates, c.fences)
				}
				keys := make(map[payment.StepName]payment.ProviderKey)
				keys[payment.StepMain] = p.sends()[0].Key
				for _, s := range p.fencesSent() {
					if before, again := keys[s.Step]; again && before != s.Key {
						t.Errorf("step %s was sent under two keys", s.Step)
					}
					keys[s.Step] = s.Key
				}
				if distinct(keys) != len(keys) {
					t.Errorf("steps share keys: %v", keys)
				}
				if len(w.attention()) != 0 {
					t.Errorf("told: %+v", w.attention())
				}
			})
		})
	}
}

func distinct(keys map[payment.StepName]payment.ProviderKey) int {
	seen := make(map[payment.ProviderKey]bool)
	for _, k := range keys {
		seen[k] = true
	}
	return len(seen)
}

// Goal: as long as the object merely holds money, or does not show, a cancel that
// may still be on its way keeps the operation open: it neither failed nor
// succeeded. Method: cancels that are refused or fail for hours, and look-ups that
// show the money held.
func TestRefusedCancelProvesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		cancel canceller
		fences int // at least
	}{
		"refused for good": {cancelRefused, 4}, "fails": {cancelNot, 4},
	} {
		t.Run(name, func(t *testing.T) {
			late(t, func(p *provider) time.Duration {
				p.traits.Fence, p.script, p.cancels = payment.FenceByObject, []line{lost, withID}, []canceller{c.cancel}
				return 0
			}, func(w *world, call payment.Call) {
				p := w.provider(0)
				stop := w.sweep("two", w.boot("two"))
				defer stop()
				time.Sleep(20 * time.Minute)
				p.mu.Lock()
				p.lagging = false
				p.mu.Unlock()
				time.Sleep(2 * time.Hour)
				op := w.state(call, payment.StateFencing, 1)
				if n := len(p.fencesSent()); n < c.fences {
					t.Errorf("%d cancels in two hours", n)
				}
				if op.Owner != "" || op.NextCheck.IsZero() || op.ParkReason == "" || op.Response != nil {
					t.Errorf("left as %+v", op)
				}
				reply, err := w.boot("three").Resume(w.Context(), op)
				if err != nil || reply.Stored || len(p.sends()) > 2 {
					t.Errorf("a caller's retry: %+v, %v, %d sends", reply, err, len(p.sends()))
				}
				p.mu.Lock()
				p.cancels = []canceller{cancelIt}
				p.mu.Unlock()
				time.Sleep(3 * time.Hour)
				w.state(call, payment.StateFailed, 0)
			})
		})
	}
}

// byReference is a provider that has the authorization, and cancels by our reference.
func byReference(p *provider) time.Duration {
	p.traits.Fence, p.script = payment.FenceByReference, []line{lost, fail500}
	return 0
}

// Goal: the decision to cancel is durable before the cancel is sent, and whoever
// finds it goes on with the same cancel. Method: a process that dies right after
// the decision, or whose ledger does not take it.
func TestFenceIsDecidedFirst(t *testing.T) {
	t.Run("it dies after the decision", func(t *testing.T) {
		late(t, byReference, func(w *world, call payment.Call) {
			dead := make(chan struct{})
			two := w.boot("two", func(c *orchestrator.Config) {
				c.Probe = func(_ context.Context, p payment.Point) {
					if p == payment.PointFenceAfter {
						w.store.Crash("two")
						<-dead
					}
				}
			})
			go func() { _ = two.Visit(w.Context(), call.OperationKey()) }()
			time.Sleep(time.Minute)
			op := w.state(call, payment.StateFencing, 1)
			if n := len(w.provider(0).fencesSent()); n != 0 {
				t.Fatalf("%d cancels sent", n)
			}
			stop := w.sweep("three", w.boot("three"))
			time.Sleep(10 * time.Minute)
			stop()
			step, _ := op.Current().Step(payment.StepCancel(1))
			if sent := w.provider(0).fencesSent(); len(sent) != 1 || sent[0].Key != step.Key {
				t.Errorf("cancels: %+v, recorded %+v", sent, step)
			}
			w.state(call, payment.StateFailed, 0)
			close(dead)
		})
	})
	t.Run("it breaks after the decision", func(t *testing.T) {
		late(t, byReference, func(w *world, call payment.Call) {
			broken := false
			two := w.boot("two", func(c *orchestrator.Config) {
				c.Probe = func(_ context.Context, p payment.Point) {
					if p == payment.PointFenceAfter && !broken {
						broken = true
						panic("scripted")
					}
				}
			})
			stop := w.sweep("two", two)
			defer stop()
			time.Sleep(10 * time.Second)
			if op := w.state(call, payment.StateFencing, 1); op.Owner != "" || !broken {
				t.Errorf("a panic left it with owner %q", op.Owner)
			}
			time.Sleep(time.Hour)
			w.state(call, payment.StateFailed, 0)
		})
	})
	t.Run("the ledger does not take it", func(t *testing.T) {
		late(t, byReference, func(w *world, call payment.Call) {
			w.store.SetHook(func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
				if c.Kind == ledgertest.KindFence {
					return ledgertest.Fault{Loss: ledgertest.Unavailable}
				}
				return ledgertest.Fault{}
			})
			stop := w.sweep("two", w.boot("two"))
			defer stop()
			time.Sleep(30 * time.Minute)
			if n := len(w.provider(0).fencesSent()); n != 0 {
				t.Fatalf("%d cancels sent without a decision on record", n)
			}
			w.store.SetHook(nil)
			time.Sleep(time.Hour)
			w.state(call, payment.StateFailed, 0)
		})
	})
}

// Goal: an authorization that nobody can cancel and nobody can find stays unknown,
// nothing is sent after its time, and a person is told. Method: providers without
// a fence, and one that needs an id which no resend brings.
func TestWhatCannotBeFenced(t *testing.T) {
	for name, c := range map[string]struct {
		kind  payment.FenceKind
		sends int
		told  int
	}{
		"no fence at all": {payment.FenceNone, 1, 1}, "no id to name it by": {payment.FenceByObject, 20, 0},
	} {
		t.Run(name, func(t *testing.T) {
			late(t, func(p *provider) time.Duration {
				p.traits.Fence, p.script = c.kind, []line{lost, fail500}
				return 0
			}, func(w *world, call payment.Call) {
				stop := w.sweep("two", w.boot("two"))
				defer stop()
				time.Sleep(6 * time.Hour)
				op := w.state(call, payment.StateUnknown, 1)
				if n := len(w.provider(0).sends()); n > c.sends || len(w.provider(0).fencesSent()) != 0 {
					t.Errorf("%d sends, %d cancels", n, len(w.provider(0).fencesSent()))
				}
				if found := w.attention(); len(found) != c.told || op.ParkReason == "" {
					t.Errorf("%s; told: %+v", op.ParkReason, found)
				}
			})
		})
	}
}

// Goal: only authorizations are cancelled; what a caller asked for on a payment is
// completed as long as that is safe. Method: a capture left behind for hours.
func TestOrdersAreCompletedNotFenced(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p, one, call := w.provider(0), w.boot("one"), orderCall(payment.MethodCapture, "capture")
		id := w.authorizedPayment(one)
		p.traits.Fence, p.orders = payment.FenceByReference, []line{swallowed, succeed}
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		_, _ = one.Capture(ctx, call, order(id, 100))
		w.store.Crash("one")
		time.Sleep(10 * time.Hour)
		stop := w.sweep("two", w.boot("two"))
		defer stop()
		time.Sleep(10 * time.Minute)
		w.state(call, payment.StateSucceeded, 2)
		if got := w.payment(id); got.Captured != 100 || got.CaptureReserved != 0 || len(p.fencesSent()) != 0 {
			t.Errorf("captured %d, reserved %d, %d cancels", got.Captured, got.CaptureReserved, len(p.fencesSent()))
		}
	})
}

// Goal: an authorization that waits for its shopper is cancelled when the shopper's
// time is over, not before; an action that is taken in time counts; what the caller
// was answered stays. Method: a redirect that is never opened, opened in time, or
// declined while the shopper could still try again.
func TestUnfinishedActionIsCancelled(t *testing.T) {
	for name, c := range map[string]struct {
		shows   string // from ten minutes on
		state   payment.State
		effects int
		cancels int
	}{
		"never opened":                     {"requires_action", payment.StateFailed, 0, 1},
		"opened in time":                   {"", payment.StateSucceeded, 1, 0},
		"declined, and can be tried again": {"requires_payment_method", payment.StateFailed, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				p := w.provider(0)
				p.traits.Query, p.traits.Fence, p.script = true, payment.FenceByObject, []line{leadingTo(payment.StateRequiresAction)}
				p.show("requires_action")
				o, call := w.boot("one"), newCall("key")
				reply, err := o.Authorize(w.Context(), call, instruction("a", "b"))
				if err != nil || !reply.Stored {
					t.Fatalf("%+v, %v", reply, err)
				}
				stop := w.sweep("one", o)
				defer stop()
				time.Sleep(10 * time.Minute)
				p.show(c.shows)
				time.Sleep(19 * time.Minute)
				if n := len(p.fencesSent()); n != 0 {
					t.Errorf("%d cancels while the shopper may act", n)
				}
				time.Sleep(2 * time.Minute)
				p.show("")
				time.Sleep(time.Hour)
				op := w.state(call, c.state, c.effects)
				if n := len(p.fencesSent()); n != c.cancels || len(p.sends()) != 1 || len(w.provider(1).sends()) != 0 {
					t.Errorf("%d cancels, %d sends, %d elsewhere", n, len(p.sends()), len(w.provider(1).sends()))
				}
				if string(op.Response) != string(reply.Bytes) {
					t.Error("the response changed")
				}
			})
		})
	}
}
