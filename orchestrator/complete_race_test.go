package orchestrator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func ledgerChange(op payment.Operation) ledger.Change { return ledger.Change{Operation: op} }

// Goal: an event that settles the authorization settles the completion the same way,
// whatever that is answered, and nothing more is sent for it. Method: events that come
// while it is in flight, and after it was left unknown; what it is answered agrees
// with them or does not.
func TestEventBesideACompletion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code    string // of the event
		visit   visit
		state   payment.State
		status  payment.Status
		alarmed bool
	}{
		"in flight, both authorize":       {"authorized", slowly(5*time.Second, approves), succeeded, payment.StatusAuthorized, false},
		"in flight, it is told it failed": {"authorized", slowly(5*time.Second, refuses), succeeded, payment.StatusAuthorized, false},
		"in flight, both decline":         {"declined", slowly(5*time.Second, declines), declined, payment.StatusDeclined, false},
		"in flight, an effect after all":  {"declined", slowly(5*time.Second, approves), declined, payment.StatusDeclined, true},
		"in flight, never answered":       {"authorized", slowly(time.Hour, approves), succeeded, payment.StatusAuthorized, false},
		"unknown, it authorized":          {"authorized", fails, succeeded, payment.StatusAuthorized, false},
		"unknown, it declined":            {"declined", fails, declined, payment.StatusDeclined, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			b.visits = []visit{c.visit}
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o, call := w.bootAt("one", b), back("back")
				go func() { _, _ = o.Complete(w.Context(), call, brought(id)) }()
				time.Sleep(time.Second)
				if name[0] == 'u' {
					time.Sleep(2 * time.Minute) // it is parked by then
					w.together(call, authorize, [2]payment.State{unknown, requiresAction}, payment.StatusRequiresAction)
				}
				w.apply(o, told("e1", c.code, authorization), orchestrator.TakenSettled)
				sent := len(b.sent())
				stop := w.sweep("one", o)
				defer stop()
				time.Sleep(10 * time.Minute)
				w.together(call, authorize, both(c.state), c.status)
				if len(b.sent()) != sent {
					t.Errorf("%d sends after the authorization had ended", len(b.sent())-sent)
				}
				if alarmed := len(w.attention()) > 0; alarmed != c.alarmed {
					t.Errorf("attention: %v", w.attention())
				}
			})
		})
	}
}

// Goal: a caller that asks again after its authorization has ended gets that end, and
// nothing is sent for it. Method: the retry of an unknown completion after an event.
func TestRetryOfACompletionAfterAnEvent(t *testing.T) {
	t.Parallel()
	b := newBank(payment.CompletionSend)
	b.visits = []visit{fails}
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		o, call := w.bootAt("one", b), back("back")
		_, _ = o.Complete(w.Context(), call, brought(id))
		time.Sleep(2 * time.Minute)
		w.apply(o, told("e1", "authorized", authorization), orchestrator.TakenSettled)
		sent := len(b.sent())
		reply, err := o.Resume(w.Context(), w.operation(call))
		if err != nil || !reply.Stored || answerOf(t, reply).State != succeeded || len(b.sent()) != sent {
			t.Errorf("answered %s, %v, with %d more sends", reply.Bytes, err, len(b.sent())-sent)
		}
		w.together(call, authorize, both(succeeded), payment.StatusAuthorized)
	})
}

// Goal: the end of the shopper's time and a completion never lead to a wrong end: the
// authorization is not cancelled while the completion may still be sending; once it is
// being cancelled nothing more is sent, and only the object after the cancel decides
// about both; and it is cancelled at last if nothing else has ended it. Method: a
// completion just before the time is over, over what becomes of it; a sweep does the
// rest.
func TestCompletionAgainstTheEndOfTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		visit    visit
		captures bool
		crash    bool // its process dies with the send in the air
		state    payment.State
		status   payment.Status
		cancels  bool
	}{
		"it is answered in time":               {visit: slowly(10*time.Second, approves), state: succeeded, status: payment.StatusAuthorized},
		"it is declined in time":               {visit: slowly(10*time.Second, declines), state: declined, status: payment.StatusDeclined},
		"it is never executed":                 {visit: fails, state: failed, status: payment.StatusFailed, cancels: true},
		"its process dies, never executed":     {visit: slowly(time.Hour, approves), crash: true, state: failed, status: payment.StatusFailed, cancels: true},
		"its process dies, executed":           {visit: slowly(10*time.Second, approvesQuietly), crash: true, state: succeeded, status: payment.StatusAuthorized},
		"its process dies, executed and taken": {visit: slowly(10*time.Second, approvesQuietly), captures: true, crash: true, state: succeeded, status: payment.StatusCaptured},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			b.visits, b.captures = []visit{c.visit}, c.captures
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				one, two, call := w.bootAt("one", b), w.bootAt("two", b), back("back")
				for boot, o := range map[payment.BootID]*orchestrator.Orchestrator{"one": one, "two": two} {
					stop := w.sweep(boot, o)
					defer stop()
				}
				time.Sleep(30*time.Minute - 5*time.Second)
				go func() { _, _ = one.Complete(w.Context(), call, brought(id)) }()
				time.Sleep(time.Second)
				op := w.operation(call)
				if c.crash {
					w.store.Crash("one")
					w.store.EndSession("one")
				}
				// As long as a send of it may be in the air, there is no cancel.
				for time.Now().Before(op.Current().Deadline) {
					time.Sleep(time.Second)
					if now := w.operation(authorize); now.State == payment.StateFencing && w.operation(call).State == payment.StateIntent {
						t.Fatal("the authorization is being cancelled while the completion may be sending")
					}
				}
				time.Sleep(2 * time.Hour)
				w.together(call, authorize, both(c.state), c.status)
				if (b.cancels > 0) != c.cancels || b.effects() > 0 != (c.state == succeeded) {
					t.Errorf("%d cancels, %d effects", b.cancels, b.effects())
				}
				sameRequest(t, b.sent())
				if len(w.attention()) != 0 {
					t.Errorf("attention: %v", w.attention())
				}
			})
		})
	}
}

// fencing is a payment whose completion is unknown, and whose authorization is being
// cancelled, which has not worked yet.
func fencing(t *testing.T, kept visit, then func(w *world, b *bank, o *orchestrator.Orchestrator, call, authorize payment.Call)) {
	t.Helper()
	b := newBank(payment.CompletionSend)
	b.visits = []visit{kept}
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		o, call := w.bootAt("one", b), back("back")
		time.Sleep(25 * time.Minute)
		_, _ = o.Complete(w.Context(), call, brought(id))
		time.Sleep(8 * time.Minute)
		b.mu.Lock()
		b.blind = true // the cancel is sent, and what came of it is not seen
		b.mu.Unlock()
		if err := o.Visit(w.Context(), authorize.OperationKey()); err != nil {
			t.Fatal(err)
		}
		w.together(call, authorize, [2]payment.State{unknown, payment.StateFencing}, payment.StatusUnknown)
		then(w, b, o, call, authorize)
	})
}

// Goal: while an authorization is being cancelled its completion sends nothing, in a
// retry, in a visit or otherwise; and both end when the object is seen. Method: each of
// them, before and after the object can be read.
func TestNothingIsSentIntoACancel(t *testing.T) {
	t.Parallel()
	fencing(t, fails, func(w *world, b *bank, o *orchestrator.Orchestrator, call, authorize payment.Call) {
		sent := len(b.sent())
		if _, err := o.Resume(w.Context(), w.operation(call)); err != nil {
			t.Error(err)
		}
		if err := o.Visit(w.Context(), call.OperationKey()); err != nil {
			t.Error(err)
		}
		_, err := o.Complete(w.Context(), back("another"), brought(w.operation(call).PaymentID))
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonParentUnknown {
			t.Errorf("another completion: %v", err)
		}
		w.together(call, authorize, [2]payment.State{unknown, payment.StateFencing}, payment.StatusUnknown)
		b.mu.Lock()
		b.blind = false
		b.mu.Unlock()
		for _, c := range []payment.Call{authorize, call} {
			if err := o.Visit(w.Context(), c.OperationKey()); err != nil {
				t.Error(err)
			}
		}
		w.together(call, authorize, both(failed), payment.StatusFailed)
		if len(b.sent()) != sent || b.effects() != 0 {
			t.Errorf("%d more sends, %d effects", len(b.sent())-sent, b.effects())
		}
	})
}

// Goal: a completion whose answer arrives when its authorization is being cancelled
// settles nothing, for the cancel may still undo it; what the object shows after the
// cancel ends both. Method: an owner that was paused with the answer in its hands, and
// goes on before and after that is seen.
func TestAnswerIntoACancel(t *testing.T) {
	t.Parallel()
	for _, seen := range []bool{false, true} {
		answerIntoACancel(t, seen)
	}
}

func answerIntoACancel(t *testing.T, seen bool) {
	t.Helper()
	b := newBank(payment.CompletionSend)
	b.visits = []visit{approves}
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		paused, call := make(chan struct{}), back("back")
		one := w.bootAt("one", b, pausedAt(payment.PointOutcomeBefore, paused))
		two := w.bootAt("two", b)
		time.Sleep(29 * time.Minute)
		go func() { _, _ = one.Complete(w.Context(), call, brought(id)) }()
		time.Sleep(time.Second)
		w.store.EndSession("one")
		time.Sleep(5 * time.Minute)
		b.set("requires_action") // the look-up lags behind what was executed
		look := func(blind bool) {
			b.mu.Lock()
			b.blind = blind
			b.mu.Unlock()
			if err := two.Visit(w.Context(), authorize.OperationKey()); err != nil {
				t.Fatal(err)
			}
		}
		if look(!seen); (w.operation(authorize).State == failed) != seen {
			t.Fatalf("the authorization is %s", w.operation(authorize).State)
		}
		close(paused)
		time.Sleep(time.Minute)
		if !seen {
			w.together(call, authorize, [2]payment.State{unknown, payment.StateFencing}, payment.StatusUnknown)
			look(false)
			if err := two.Visit(w.Context(), call.OperationKey()); err != nil {
				t.Fatal(err)
			}
		}
		w.together(call, authorize, both(failed), payment.StatusFailed)
		if b.effects() != 0 {
			t.Errorf("%d effects", b.effects())
		}
		// Who still holds the answer when the authorization has ended says so.
		if alarmed := len(w.attention()) > 0; alarmed != seen {
			t.Errorf("attention %v", w.attention())
		}
	})
}

// Goal: an authorization that ends while its completion is being taken over is not
// completed any more. Method: an event between the takeover and the send.
func TestAuthorizationEndsDuringATakeover(t *testing.T) {
	t.Parallel()
	b := newBank(payment.CompletionSend)
	b.visits = []visit{fails}
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		call := back("back")
		_, _ = w.bootAt("one", b).Complete(w.Context(), call, brought(id))
		time.Sleep(2 * time.Minute)
		sent := len(b.sent())
		two := w.bootAt("two", b)
		three := w.bootAt("three", b, func(c *orchestrator.Config) {
			c.Probe = func(ctx context.Context, p payment.Point) {
				if p == payment.PointTakeoverAfter {
					w.applyIn(ctx, two, told("e1", "declined", authorization), orchestrator.TakenSettled)
				}
			}
		})
		if err := three.Visit(w.Context(), call.OperationKey()); err != nil {
			t.Error(err)
		}
		w.together(call, authorize, both(declined), payment.StatusDeclined)
		if len(b.sent()) != sent {
			t.Error("it was sent after the authorization had ended")
		}
	})
}

// Goal: a completion authorizes what the provider says, if that is less than was asked
// for, and never more. Method: answers with other amounts.
func TestAmountOfACompletion(t *testing.T) {
	t.Parallel()
	for says, want := range map[int64]int64{0: 1000, 600: 600, 1000: 1000, 1500: 1000} {
		b := newBank(payment.CompletionSend)
		b.visits, b.amount = []visit{approves}, says
		atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
			if _, err := w.bootAt("one", b).Complete(w.Context(), back("back"), brought(id)); err != nil {
				t.Fatal(err)
			}
			w.together(back("back"), authorize, both(succeeded), payment.StatusAuthorized)
			if got := w.payment(id).Authorized; got != want {
				t.Errorf("%d authorized when the provider says %d, want %d", got, says, want)
			}
		})
	}
}
