package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const beingCancelled = payment.StateFencing

func voids(key payment.IdempotencyKey) payment.Call { return orderCall(payment.MethodVoid, key) }

// quietTime is when no send of the authorization can be in the air any more.
const quietTime = 2 * time.Minute

// Goal: a void of an authorization that has not ended ends as that does, which is
// cancelled and read after the cancel; while nobody can tell it is unknown, and an
// authorization that succeeded first keeps what it holds and shows it. Method: what
// the provider has when the void comes, and what can be heard of it.
func TestVoidCallsOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(b *bank)
		want    [2]payment.State // when the call is answered
		status  payment.Status
		later   [2]payment.State // when everything can be heard
		end     payment.Status
		cancels int
		effects int
	}{
		"the shopper has not acted": {
			func(*bank) {},
			[2]payment.State{succeeded, failed},
			payment.StatusFailed,
			[2]payment.State{succeeded, failed},
			payment.StatusFailed, 1, 0,
		},
		"the shopper was declined": {
			func(b *bank) { b.set("declined") },
			[2]payment.State{succeeded, declined},
			payment.StatusDeclined,
			[2]payment.State{succeeded, declined},
			payment.StatusDeclined, 0, 0,
		},
		"the shopper was first": {
			func(b *bank) { b.set("authorized") },
			[2]payment.State{failed, succeeded},
			payment.StatusAuthorized,
			[2]payment.State{failed, succeeded},
			payment.StatusAuthorized, 0, 1,
		},
		"the shopper was first, unseen": { // the cancel meets the hold, and releases it
			func(b *bank) { b.set("authorized"); b.blind = true },
			[2]payment.State{unknown, beingCancelled},
			payment.StatusUnknown,
			[2]payment.State{succeeded, failed},
			payment.StatusFailed, 1, 0,
		},
		"the money was taken, unseen": {
			func(b *bank) { b.set("captured"); b.blind = true },
			[2]payment.State{unknown, beingCancelled},
			payment.StatusUnknown,
			[2]payment.State{failed, succeeded},
			payment.StatusCaptured, 1, 1,
		},
		"the cancel's answer is lost": {
			func(b *bank) { b.mumbles = true },
			[2]payment.State{succeeded, failed},
			payment.StatusFailed,
			[2]payment.State{succeeded, failed},
			payment.StatusFailed, 1, 0,
		},
		"nothing is heard": {
			func(b *bank) { b.mumbles, b.blind = true, true },
			[2]payment.State{unknown, beingCancelled},
			payment.StatusUnknown,
			[2]payment.State{succeeded, failed},
			payment.StatusFailed, 1, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o, call := w.bootAt("one", b), voids("void")
				time.Sleep(quietTime)
				c.prepare(b)
				first, err := o.Void(w.Context(), call, payment.Order{Payment: id})
				if err != nil {
					t.Fatal(err)
				}
				w.together(call, authorize, c.want, c.status)
				if op := w.operation(call); first.Stored != op.State.Final() || op.Amount.MinorUnits != 1000 || op.Current().Sends != 0 {
					t.Errorf("stored %v, amount %s, sends %d", first.Stored, op.Amount, op.Current().Sends)
				}
				if open := !c.want[0].Final(); open != (w.payment(id).Voiding != "") {
					t.Errorf("voiding %q", w.payment(id).Voiding)
				}
				b.blind, b.mumbles = false, false
				stop := w.sweep("one", o)
				defer stop()
				time.Sleep(20 * time.Minute)
				w.together(call, authorize, c.later, c.end)
				if b.cancels < c.cancels || c.cancels == 0 && b.cancels > 0 || b.effects() != c.effects {
					t.Errorf("%d cancels, %d effects; want %d, %d", b.cancels, b.effects(), c.cancels, c.effects)
				}
				if w.payment(id).Voiding != "" {
					t.Error("the void blocks what comes after it")
				}
				if c.end == payment.StatusAuthorized { // what the failed void tells the caller to do
					if _, err := o.Void(w.Context(), voids("again"), payment.Order{Payment: id}); err != nil || w.payment(id).Status != payment.StatusVoided {
						t.Errorf("another void: %v, the payment is %s", err, w.payment(id).Status)
					}
				}
			})
		})
	}
}

// Goal: what the provider has only accepted is called off too. Method: a completion
// that is pending, then a void.
func TestVoidCallsOffWhatIsPending(t *testing.T) {
	t.Parallel()
	b := newBank(payment.CompletionSend)
	b.visits = []visit{pends}
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		o, call := w.bootAt("one", b), voids("void")
		if _, err := o.Complete(w.Context(), back("back"), brought(id)); err != nil {
			t.Fatal(err)
		}
		w.together(back("back"), authorize, both(pending), payment.StatusPending)
		time.Sleep(quietTime)
		if _, err := o.Void(w.Context(), call, payment.Order{Payment: id}); err != nil {
			t.Fatal(err)
		}
		w.together(call, authorize, [2]payment.State{succeeded, failed}, payment.StatusFailed)
		if b.cancels != 1 || b.effects() != 0 {
			t.Errorf("%d cancels, %d effects", b.cancels, b.effects())
		}
	})
}

// Goal: while a void is open nothing else begins on the payment, the void's own key is
// in use, and its retry gets its end. Method: every other call beside a void that waits
// until nothing of the authorization is in the air, and again while it is being cancelled.
func TestNothingBesideAVoid(t *testing.T) {
	t.Parallel()
	b := newBank(payment.CompletionSend)
	b.visits, b.blind = []visit{approves}, true
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		o, call := w.bootAt("one", b), voids("void")
		if first, err := o.Void(w.Context(), call, payment.Order{Payment: id}); err != nil || first.Stored {
			t.Fatalf("%v, stored %v", err, first.Stored)
		}
		for _, want := range []struct {
			parent payment.State
			reason [3]payment.Reason // of a capture, a completion and another void
		}{
			{requiresAction, [3]payment.Reason{payment.ReasonNotCapturable, payment.ReasonNotCompletable, payment.ReasonNotVoidable}},
			{beingCancelled, [3]payment.Reason{payment.ReasonParentUnknown, payment.ReasonParentUnknown, payment.ReasonNotVoidable}},
		} {
			if op := w.operation(authorize); op.State != want.parent {
				t.Fatalf("the authorization is %s, want %s", op.State, want.parent)
			}
			_, capture := o.Capture(w.Context(), orderCall(payment.MethodCapture, "c"), payment.Order{Payment: id})
			_, complete := o.Complete(w.Context(), back("b"), brought(id))
			_, void := o.Void(w.Context(), voids("other"), payment.Order{Payment: id})
			for i, err := range []error{capture, complete, void} {
				if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != want.reason[i] {
					t.Errorf("beside %s: got %v, want %s", want.parent, err, want.reason[i])
				}
			}
			_, again := o.Void(w.Context(), call, payment.Order{Payment: id})
			if _, taken := errors.AsType[*payment.KeyTakenError](again); !taken {
				t.Errorf("the same key: %v", again)
			}
			time.Sleep(quietTime)
		}
		b.blind = false
		if _, err := o.Resume(w.Context(), w.operation(call)); err != nil {
			t.Fatal(err)
		}
		w.together(call, authorize, [2]payment.State{succeeded, failed}, payment.StatusFailed)
		if len(b.sent()) != 0 || b.effects() != 0 {
			t.Errorf("%d completions, %d effects", len(b.sent()), b.effects())
		}
	})
}

// Goal: an event that ends the authorization before it is cancelled ends the void, and
// nothing is sent any more; while it is being cancelled an event decides nothing.
// Method: each event while the void waits, and one of a hold after the cancel.
func TestEventBesideAVoid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code   string
		late   bool // while it is being cancelled
		want   [2]payment.State
		status payment.Status
		sent   bool
	}{
		"it was authorized":         {"authorized", false, [2]payment.State{failed, succeeded}, payment.StatusAuthorized, false},
		"it was declined":           {"declined", false, [2]payment.State{succeeded, declined}, payment.StatusDeclined, false},
		"it was cancelled":          {"cancelled", false, [2]payment.State{succeeded, failed}, payment.StatusFailed, false},
		"it had been authorized":    {"authorized", true, [2]payment.State{succeeded, failed}, payment.StatusFailed, true},
		"it was cancelled, as told": {"cancelled", true, [2]payment.State{succeeded, failed}, payment.StatusFailed, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				b.blind = c.late
				o, call := w.bootAt("one", b), voids("void")
				if _, err := o.Void(w.Context(), call, payment.Order{Payment: id}); err != nil {
					t.Fatal(err)
				}
				if c.late {
					time.Sleep(quietTime)
				} else {
					b.set(c.code)
				}
				want := orchestrator.TakenSettled
				if c.late {
					want = orchestrator.TakenNoted
				}
				w.apply(o, told("e1", c.code, authorization), want)
				if now := w.operation(authorize).State; c.late != (now == beingCancelled) {
					t.Errorf("the authorization is %s", now)
				}
				b.blind = false
				stop := w.sweep("one", o)
				defer stop()
				time.Sleep(10 * time.Minute)
				w.together(call, authorize, c.want, c.status)
				if (b.cancels > 0) != c.sent {
					t.Errorf("%d cancels", b.cancels)
				}
			})
		})
	}
}

// Goal: wherever a process dies in a void that calls off, another brings both to their
// end. Method: every point on the way, with and without the caller's retry.
func TestCrashInAVoidThatCallsOff(t *testing.T) {
	t.Parallel()
	for _, point := range []payment.Point{
		payment.PointClaimBefore, payment.PointClaimAfter, payment.PointTakeoverAfter, payment.PointFenceAfter,
		payment.PointSendBeforeCheck, payment.PointSendAfterCheck, payment.PointOutcomeBefore, payment.PointOutcomeAfter, payment.PointReplyBefore,
	} {
		for _, retried := range []bool{true, false} {
			t.Run(fmt.Sprint(point, " retried ", retried), func(t *testing.T) {
				t.Parallel()
				b := newBank(payment.CompletionSend)
				atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
					time.Sleep(quietTime)
					dead, call := make(chan struct{}), voids("void")
					var died atomic.Bool
					one := w.bootAt("one", b, func(c *orchestrator.Config) {
						c.Probe = func(_ context.Context, p payment.Point) {
							if p == point {
								died.Store(true)
								w.store.Crash("one")
								<-dead
							}
						}
					})
					go func() { _, _ = one.Void(w.Context(), call, payment.Order{Payment: id}) }()
					time.Sleep(time.Second)
					if !died.Load() {
						t.Fatal("the point is not on the way")
					}
					w.store.EndSession("one")
					two := w.bootAt("two", b)
					stop := w.sweep("two", two)
					defer stop()
					if retried || point == payment.PointClaimBefore {
						_, err := two.Void(w.Context(), call, payment.Order{Payment: id})
						if taken, ok := errors.AsType[*payment.KeyTakenError](err); ok && taken.Operation.Response == nil {
							_, _ = two.Resume(w.Context(), taken.Operation)
						}
					}
					time.Sleep(10 * time.Minute)
					close(dead)
					time.Sleep(10 * time.Minute)
					w.together(call, authorize, [2]payment.State{succeeded, failed}, payment.StatusFailed)
					if b.cancels == 0 || b.effects() != 0 {
						t.Errorf("%d cancels, %d effects", b.cancels, b.effects())
					}
				})
			})
		}
	}
}
