package orchestrator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// sweep starts the sweep of a process life; stop ends it and waits for its visits.
func (w *world) sweep(name payment.BootID, o *orchestrator.Orchestrator) (stop func()) {
	w.Helper()
	s, err := reconcile.New(reconcile.Config{Ledger: w.store.Ledger(name), Visitor: o, Logger: discard()})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	return func() { cancel(); <-ended }
}

// leaves makes a call whose caller waits for a second and never comes back.
func (w *world) leaves(o *orchestrator.Orchestrator, call payment.Call, accounts ...payment.AccountName) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Second)
	go func() {
		defer cancel()
		_, _ = o.Authorize(ctx, call, instruction(accounts...))
	}()
	time.Sleep(time.Second)
}

// attention is what people were told to look at.
func (w *world) attention() []payment.Attention {
	w.Helper()
	var all []payment.Attention
	for _, tenant := range []payment.TenantID{"default", ""} {
		some, err := w.store.Ledger("reader").Attention(w.Context(), tenant, "", 100)
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

// Goal: wherever a process dies, and nobody asks again, another process ends the
// operation with one effect. Method: the ledger refuses the first boot everything
// from a point on, and its flight hangs there for ever; with and without a
// provider that can be asked.
func TestCrashWithoutARetry(t *testing.T) {
	points := []payment.Point{
		payment.PointClaimBefore, payment.PointClaimAfter, payment.PointSendBeforeCheck, payment.PointSendAfterCheck,
		payment.PointOutcomeBefore, payment.PointOutcomeAfter, payment.PointReplyBefore,
	}
	for _, point := range points {
		for _, asks := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, look-up %t", point, asks), func(t *testing.T) {
				inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
					w.provider(0).traits.Query = asks
					dead := make(chan struct{})
					one := w.boot("one", func(c *orchestrator.Config) {
						c.Probe = func(_ context.Context, p payment.Point) {
							if p == point {
								w.store.Crash("one")
								<-dead
							}
						}
					})
					stop := w.sweep("two", w.boot("two"))
					call := newCall("key")
					w.leaves(one, call, "a", "b")
					time.Sleep(5 * time.Minute)
					if point == payment.PointClaimBefore {
						if w.effects() != 0 {
							t.Error("an effect without an intent")
						}
					} else if op := w.state(call, payment.StateSucceeded, 1); asks && point == payment.PointOutcomeBefore && op.Epoch != 1 {
						t.Errorf("epoch %d: what a look proves needs no owner", op.Epoch)
					}
					stop()
					close(dead)
				})
			})
		}
	}
}

// Goal: what was left by a dead process is found long before it would be due, as
// soon as its session has ended. Method: the time from the crash to the outcome,
// where a look tells.
func TestTheDeadAreMissedAtOnce(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).traits.Query = true
		w.provider(0).script = []line{lost}
		stop := w.sweep("two", w.boot("two"))
		call := newCall("key")
		w.leaves(w.boot("one"), call, "a")
		w.store.Crash("one")
		time.Sleep(15*time.Second + 5*time.Second + time.Second) // its lease, and a pass
		w.state(call, payment.StateSucceeded, 1)
		stop()
		time.Sleep(5 * time.Minute)
	})
}

// Goal: an operation that somebody works on is left alone, however often it is
// visited. Method: visits while the owner waits for its answer.
func TestTheOwnerIsLeftAlone(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).traits.Query = true
		w.provider(0).script = []line{after(15*time.Second, succeed)}
		one, two, call := w.boot("one"), w.boot("two"), newCall("key")
		w.leaves(one, call, "a")
		for range 10 {
			for _, o := range []*orchestrator.Orchestrator{one, two} {
				if err := o.Visit(w.Context(), call.OperationKey()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		if w.provider(0).lookups != 0 {
			t.Errorf("%d look-ups", w.provider(0).lookups)
		}
		time.Sleep(time.Minute)
		if op := w.state(call, payment.StateSucceeded, 1); op.Epoch != 1 {
			t.Errorf("epoch %d", op.Epoch)
		}
	})
}

// Goal: nothing is sent again before the dead owner's time is over, and no visit
// waits for that. Method: a provider that cannot be asked; how long visits take
// and when the second send comes.
func TestVisitsDoNotWait(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{lost, succeed}
		two, call := w.boot("two"), newCall("key")
		w.leaves(w.boot("one"), call, "a")
		w.store.Crash("one")
		w.store.EndSession("one")
		deadline := w.operation(call).Current().Deadline
		began := time.Now()
		for range 3 {
			if err := two.Visit(w.Context(), call.OperationKey()); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(began) != 0 {
			t.Errorf("visits took %s", time.Since(began))
		}
		op := w.state(call, payment.StateUnknown, 1)
		if op.NextCheck.After(deadline.Add(5*time.Second)) || !op.Current().Deadline.Equal(deadline) {
			t.Errorf("next look %s after the owner's time, attempt deadline moved by %s", op.NextCheck.Sub(deadline), op.Current().Deadline.Sub(deadline))
		}
		stop := w.sweep("two", two)
		time.Sleep(3 * time.Minute)
		stop()
		w.state(call, payment.StateSucceeded, 1)
		if n := len(w.provider(0).times()); n != 2 {
			t.Fatalf("%d sends", n)
		}
		if at := w.provider(0).times()[1]; at.Before(deadline.Add(5 * time.Second)) {
			t.Errorf("sent again %s before the owner's time was over", deadline.Add(5*time.Second).Sub(at))
		}
	})
}

// Goal: what the provider has only accepted is looked up, less and less often,
// until it is decided; the response of the call stays as it was. Method: a
// provider that decides after hours, either way.
//
// Shows R65.
func TestPendingIsPolled(t *testing.T) {
	for name, c := range map[string]struct {
		code    string
		state   payment.State
		effects int
	}{
		"done": {"", payment.StateSucceeded, 1}, "declined": {"declined", payment.StateDeclined, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p := w.provider(0)
				p.traits.Query, p.script = true, []line{func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
					a := answered(200, "pending")
					a.Reference = effect()
					return a
				}}
				p.show("pending")
				o, call := w.boot("one"), newCall("key")
				reply, err := o.Authorize(w.Context(), call, instruction("a"))
				if err != nil || !reply.Stored {
					t.Fatalf("%+v, %v", reply, err)
				}
				writes := w.dump().Writes
				stop := w.sweep("one", o)
				defer stop()
				time.Sleep(3 * time.Hour)
				op := w.state(call, payment.StatePending, 1)
				if n := p.lookups; n < 10 || n > 40 || int64(n) != w.dump().Writes-writes {
					t.Errorf("%d look-ups in three hours, %d writes", n, w.dump().Writes-writes)
				}
				if op.Owner != "" || op.Epoch != 1 || op.ParkReason == "" {
					t.Errorf("polled as %+v", op)
				}
				p.show(c.code)
				time.Sleep(2 * time.Hour)
				op = w.state(call, c.state, c.effects)
				if string(op.Response) != string(reply.Bytes) {
					t.Error("the response changed when the outcome came")
				}
			})
		})
	}
}

// Goal: what a provider does not decide is put before a person, in time and once,
// and stays open. Method: an authorization that stays accepted, watched for ten days.
func TestUndecidedForLongIsTold(t *testing.T) {
	settledBy(t, payment.StatePending, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		stop := w.sweep("one", o)
		defer stop()
		time.Sleep(6 * 24 * time.Hour)
		if len(w.attention()) != 0 {
			t.Errorf("told too early: %+v", w.attention())
		}
		time.Sleep(4 * 24 * time.Hour)
		if found := w.attention(); len(found) != 1 || found[0].Kind != payment.AttentionStuck || found[0].Operation != call.OperationKey().ID {
			t.Errorf("told %+v", found)
		}
		w.state(call, payment.StatePending, 1)
	})
}

// Goal: where nothing may be sent any more and no look tells, the operation stays
// unknown, is still looked at, and a person is told, once. Method: a resend window
// that closes, and an account that is gone.
//
// Shows R7, R19 and R50.
func TestStuckIsTold(t *testing.T) {
	for name, change := range map[string]func(*orchestrator.Config){
		"the window is closed": func(*orchestrator.Config) {},
		"the account is gone":  func(c *orchestrator.Config) { c.Accounts = nil },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p := w.provider(0)
				one, call := w.boot("one"), orderCall(payment.MethodCapture, "capture")
				id := w.authorizedPayment(one)
				p.traits.Query, p.traits.ResendWindow, p.lagging, p.orders = true, time.Hour, true, []line{fail500After}
				ctx, cancel := context.WithTimeout(w.Context(), time.Second)
				defer cancel()
				_, _ = one.Capture(ctx, call, order(id, 100))
				w.store.Crash("one")
				stop := w.sweep("two", w.boot("two", change))
				defer stop()
				time.Sleep(24 * time.Hour)
				op := w.operation(call)
				if op.State != payment.StateUnknown || op.ParkReason == "" || op.NextCheck.Before(time.Now()) {
					t.Errorf("%s (%s), next look %s", op.State, op.ParkReason, op.NextCheck)
				}
				found := w.attention()
				if len(found) != 1 || found[0].Kind != payment.AttentionStuck || found[0].Operation != op.Key.ID {
					t.Errorf("told: %+v", found)
				}
				for _, at := range p.times() {
					if at.After(op.Current().ResendNotAfter) {
						t.Error("sent after the window")
					}
				}
			})
		})
	}
}

// Goal: a look that proves a refusal lets another account try, while there is
// time, though the owner that was refused is dead. Method: the first account's
// decline is known to the provider, and its answer was lost with the process.
func TestVisitFailsOver(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).traits.Query, w.provider(0).script = true, []line{lost}
		w.leaves(w.boot("one"), newCall("key"), "a", "b")
		w.provider(0).show("declined")
		w.store.Crash("one")
		w.store.EndSession("one")
		stop := w.sweep("two", w.boot("two"))
		defer stop()
		time.Sleep(time.Minute)
		op := w.state(newCall("key"), payment.StateSucceeded, 1)
		if len(op.Attempts) != 2 || op.Epoch != 2 {
			t.Errorf("%d attempts in epoch %d", len(op.Attempts), op.Epoch)
		}
		time.Sleep(5 * time.Minute)
	})
}

// dump is all that the ledger holds.
func (w *world) dump() ledgertest.Dump {
	w.Helper()
	d, err := w.store.Dump()
	if err != nil {
		w.Fatal(err)
	}
	return d
}
