package orchestrator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	requiresAction = payment.StateRequiresAction
	succeeded      = payment.StateSucceeded
	failed         = payment.StateFailed
	declined       = payment.StateDeclined
	pending        = payment.StatePending
	unknown        = payment.StateUnknown
)

func both(s payment.State) [2]payment.State { return [2]payment.State{s, s} }

// Goal: what a completion is answered is the outcome of both operations, in one
// write; its bytes are sent under one key of its own; and its first answer is what
// every retry gets. Method: each answer of the provider, right away and after faults.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		visits   []visit
		captures bool
		want     [2]payment.State
		status   payment.Status
		sends    int
		effects  int
	}{
		"authorizes":               {visits: []visit{approves}, want: both(succeeded), status: payment.StatusAuthorized, sends: 1, effects: 1},
		"captures at once":         {visits: []visit{approves}, captures: true, want: both(succeeded), status: payment.StatusCaptured, sends: 1, effects: 1},
		"is declined":              {visits: []visit{declines}, want: both(declined), status: payment.StatusDeclined, sends: 1},
		"needs another action":     {visits: []visit{mustAct}, want: both(requiresAction), status: payment.StatusRequiresAction, sends: 1},
		"is pending":               {visits: []visit{pends}, want: both(pending), status: payment.StatusPending, sends: 1},
		"is refused alone":         {visits: []visit{refuses}, want: [2]payment.State{failed, requiresAction}, status: payment.StatusRequiresAction, sends: 1},
		"authorizes, told later":   {visits: []visit{approvesQuietly}, want: both(succeeded), status: payment.StatusAuthorized, sends: 2, effects: 1},
		"authorizes, told slowly":  {visits: []visit{slowly(15*time.Second, approves)}, want: both(succeeded), status: payment.StatusAuthorized, sends: 1, effects: 1},
		"is never executed so far": {visits: []visit{fails}, want: [2]payment.State{unknown, requiresAction}, status: payment.StatusRequiresAction, sends: 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			b.visits, b.captures = c.visits, c.captures
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o, call := w.bootAt("one", b), back("back")
				before := w.operation(authorize)
				first, err := o.Complete(w.Context(), call, brought(id))
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute) // whatever the caller could not wait for
				w.together(call, authorize, c.want, c.status)
				op := w.operation(call)
				if first.Stored != op.State.Answers() || op.Amount.MinorUnits != 1000 || op.Parent != before.Key.ID {
					t.Errorf("stored %v, amount %s, parent %s", first.Stored, op.Amount, op.Parent)
				}
				if !bytes.Equal(w.operation(authorize).Response, before.Response) {
					t.Error("the answer to the authorization has changed")
				}
				sends := b.sent()
				if len(sends) != c.sends || b.effects() != c.effects {
					t.Errorf("%d sends, %d effects; want %d, %d", len(sends), b.effects(), c.sends, c.effects)
				}
				sameRequest(t, sends)
				if s := sends[0]; s.Parent != authorization || s.ParentReference != authorize.Reference || s.Key == before.Current().Steps[0].Key || s.Instruction.ReturnParameters["result"] != "PLANTED" {
					t.Errorf("sent %+v", s)
				}
				if first.Stored {
					w.replays(o, call, first)
				}
				next := w.payment(id).NextAction
				if waits := w.operation(authorize).State == requiresAction; waits != (next != nil) || name == "needs another action" && next.RedirectURL != "https://bank.example/0" && next.RedirectURL != "https://bank.example/1" {
					t.Errorf("next action %+v", next)
				}
			})
		})
	}
}

// replays checks that the key of a completion is taken, and answers as it did first.
func (w *world) replays(o *orchestrator.Orchestrator, call payment.Call, first payment.Reply) {
	w.Helper()
	_, err := o.Complete(w.Context(), call, brought(w.operation(call).PaymentID))
	taken, ok := errors.AsType[*payment.KeyTakenError](err)
	if !ok || !bytes.Equal(taken.Operation.Response, first.Bytes) {
		w.Errorf("the same key again: %v", err)
	}
}

// Goal: an authorization that has not ended can be completed again, by another key,
// and the first one ends with it. Method: each way in which a first completion leaves
// it waiting.
func TestCompletionAfterACompletion(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first visit
		ends  payment.State // the first one, when all is over
	}{
		"another action": {mustAct, succeeded},
		"it was refused": {refuses, failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			b.visits = []visit{c.first, approves}
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o := w.bootAt("one", b)
				stop := w.sweep("one", o)
				defer stop()
				for _, key := range []payment.IdempotencyKey{"first", "second"} {
					if _, err := o.Complete(w.Context(), back(key), brought(id)); err != nil {
						t.Fatalf("%s: %v", key, err)
					}
				}
				time.Sleep(10 * time.Minute)
				w.together(back("second"), authorize, both(succeeded), payment.StatusAuthorized)
				w.together(back("first"), authorize, [2]payment.State{c.ends, succeeded}, payment.StatusAuthorized)
				if sends := b.sent(); len(sends) != 2 || sends[0].Key == sends[1].Key {
					t.Errorf("%d sends", len(sends))
				}
			})
		})
	}
}

// Goal: a completion is refused by name, sends nothing and leaves no trace, where the
// payment does not wait for it. Method: one refusal each.
func TestCompletionIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind    payment.CompletionKind
		prepare func(w *world, o *orchestrator.Orchestrator, b *bank, id payment.ID, authorize payment.Call)
		want    payment.Reason
	}{
		"the provider has none": {payment.CompletionNone, func(*world, *orchestrator.Orchestrator, *bank, payment.ID, payment.Call) {}, payment.ReasonUnsupportedByProvider},
		"it has been completed": {payment.CompletionSend, func(w *world, o *orchestrator.Orchestrator, _ *bank, id payment.ID, _ payment.Call) {
			_, _ = o.Complete(w.Context(), back("first"), brought(id))
		}, payment.ReasonNotCompletable},
		"another one is open": {payment.CompletionSend, func(w *world, o *orchestrator.Orchestrator, b *bank, id payment.ID, _ payment.Call) {
			b.visits = []visit{slowly(10*time.Second, approves)}
			go func() { _, _ = o.Complete(w.Context(), back("first"), brought(id)) }()
			time.Sleep(time.Second)
		}, payment.ReasonNotCompletable},
		"it is being cancelled": {payment.CompletionSend, func(w *world, o *orchestrator.Orchestrator, b *bank, _ payment.ID, authorize payment.Call) {
			time.Sleep(31 * time.Minute)
			b.blind = true
			_ = o.Visit(w.Context(), authorize.OperationKey())
		}, payment.ReasonParentUnknown},
		"somebody is about to cancel it": {payment.CompletionSend, func(w *world, _ *orchestrator.Orchestrator, _ *bank, id payment.ID, _ payment.Call) {
			w.owned(id)
		}, payment.ReasonParentUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(c.kind)
			b.visits = []visit{approves}
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o := w.bootAt("one", b)
				c.prepare(w, o, b, id, authorize)
				sent := len(b.sent())
				_, err := o.Complete(w.Context(), back("key"), brought(id))
				if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != c.want {
					t.Errorf("got %v, want %s", err, c.want)
				}
				if len(b.sent()) != sent {
					t.Error("a refused completion was sent")
				}
				if _, err := w.store.Ledger("reader").Read(w.Context(), back("key").OperationKey()); err == nil {
					t.Error("a refused completion has left a trace")
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// Goal: of completions under many keys at once, one is sent; the others are told that
// one is open, or that there is nothing to complete. Method: twenty callers at two
// processes.
func TestOneCompletionAtATime(t *testing.T) {
	t.Parallel()
	b := newBank(payment.CompletionSend)
	b.visits = []visit{slowly(2*time.Second, approves)}
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		boots := []*orchestrator.Orchestrator{w.bootAt("one", b), w.bootAt("two", b)}
		var mu sync.Mutex
		refused, carriedOut := 0, 0
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				_, err := boots[i%2].Complete(w.Context(), back(payment.IdempotencyKey(fmt.Sprint("key-", i))), brought(id))
				mu.Lock()
				defer mu.Unlock()
				if e, ok := errors.AsType[*payment.Error](err); ok && e.Reason == payment.ReasonNotCompletable {
					refused++
				} else if err == nil {
					carriedOut++
				}
			})
		}
		all.Wait()
		if carriedOut != 1 || refused != 19 {
			t.Errorf("%d were carried out and %d refused, of 20", carriedOut, refused)
		}
		if len(b.sent()) != 1 || b.effects() != 1 {
			t.Errorf("%d sends, %d effects", len(b.sent()), b.effects())
		}
	})
}

// Goal: where the provider knows by itself, a completion is a look that sends nothing:
// it settles both as the object shows them, frees the authorization when the shopper
// has not finished, and knows nothing while it cannot look. Method: what the look
// shows, at once and after a while, and a second key.
func TestCompletionByALook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shows  string
		blind  bool
		want   [2]payment.State // after the call
		status payment.Status
		later  [2]payment.State // when it could look
	}{
		"authorized":      {"authorized", false, both(succeeded), payment.StatusAuthorized, both(succeeded)},
		"declined":        {"declined", false, both(declined), payment.StatusDeclined, both(declined)},
		"cancelled":       {"cancelled", false, both(failed), payment.StatusFailed, both(failed)},
		"pending":         {"pending", false, both(pending), payment.StatusPending, both(succeeded)},
		"still waiting":   {"requires_action", false, [2]payment.State{failed, requiresAction}, payment.StatusRequiresAction, [2]payment.State{failed, succeeded}},
		"cannot be asked": {"requires_action", true, [2]payment.State{unknown, requiresAction}, payment.StatusRequiresAction, both(succeeded)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionLook)
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o, call := w.bootAt("one", b), back("back")
				b.set(c.shows)
				b.blind = c.blind
				first, err := o.Complete(w.Context(), call, brought(id))
				if err != nil {
					t.Fatal(err)
				}
				w.together(call, authorize, c.want, c.status)
				if op := w.operation(call); c.want[0] == failed && c.want[1] == requiresAction && (op.Advice() != payment.AdviceNewKeyLater || op.Failure.Code != "shopper_action_pending") {
					t.Errorf("advice %s, failure %+v", op.Advice(), op.Failure)
				}
				if first.Stored {
					w.replays(o, call, first)
				}
				if !c.want[1].Final() {
					b.set("authorized")
				}
				b.blind = false
				stop := w.sweep("one", o)
				defer stop()
				time.Sleep(20 * time.Minute)
				status := w.payment(id).Status
				w.together(call, authorize, c.later, status)
				if len(b.sent()) != 0 || b.cancels != 0 {
					t.Errorf("%d completions and %d cancels were sent", len(b.sent()), b.cancels)
				}
			})
		})
	}
}

// Goal: wherever a process dies in a completion, another brings it to the same end,
// under the same key, with one effect. Method: every point, with and without the
// caller's retry.
func TestCrashInACompletion(t *testing.T) {
	t.Parallel()
	for _, point := range []payment.Point{
		payment.PointClaimBefore, payment.PointClaimAfter, payment.PointSendBeforeCheck, payment.PointSendAfterCheck,
		payment.PointOutcomeBefore, payment.PointOutcomeAfter, payment.PointReplyBefore,
	} {
		for _, retried := range []bool{true, false} {
			t.Run(fmt.Sprint(point, " retried ", retried), func(t *testing.T) {
				t.Parallel()
				b := newBank(payment.CompletionSend)
				b.visits = []visit{approves}
				atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
					dead, call := make(chan struct{}), back("back")
					one := w.bootAt("one", b, func(c *orchestrator.Config) {
						c.Probe = func(_ context.Context, p payment.Point) {
							if p == point {
								w.store.Crash("one")
								<-dead
							}
						}
					})
					go func() { _, _ = one.Complete(w.Context(), call, brought(id)) }()
					time.Sleep(time.Second)
					w.store.EndSession("one")
					two := w.bootAt("two", b)
					stop := w.sweep("two", two)
					defer stop()
					if retried || point == payment.PointClaimBefore {
						_, err := two.Complete(w.Context(), call, brought(id))
						if taken, ok := errors.AsType[*payment.KeyTakenError](err); ok && taken.Operation.Response == nil {
							_, _ = two.Resume(w.Context(), taken.Operation)
						}
					}
					time.Sleep(10 * time.Minute)
					close(dead)
					time.Sleep(10 * time.Minute)
					w.together(call, authorize, both(succeeded), payment.StatusAuthorized)
					if b.effects() != 1 {
						t.Errorf("%d effects", b.effects())
					}
					if len(b.sent()) == 0 {
						t.Fatal("nothing was sent")
					}
					sameRequest(t, b.sent())
				})
			})
		}
	}
}
