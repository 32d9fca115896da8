package orchestrator_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// retry does what a caller does who was not answered: the same call again, and
// what the holder of the key does about it, until a stored answer.
func (w *world) retry(o *orchestrator.Orchestrator, call payment.Call, in payment.Instruction, tries int) payment.Reply {
	w.Helper()
	for range tries {
		reply, err := o.Authorize(w.Context(), call, in)
		if taken, ok := errors.AsType[*payment.KeyTakenError](err); ok {
			if taken.Operation.Response != nil {
				return payment.Reply{Bytes: taken.Operation.Response, Stored: true}
			}
			reply, err = o.Resume(w.Context(), taken.Operation)
		}
		if err == nil && reply.Stored {
			return reply
		}
		time.Sleep(5 * time.Second)
	}
	w.Fatalf("no stored answer after %d tries; the operation is %+v", tries, w.operation(call))
	return payment.Reply{}
}

// Goal: wherever a process dies, the caller's retry with the same key at
// another process ends with one effect. Method: the ledger refuses the first
// boot everything from a point on, and its flight hangs there for ever; with
// and without a provider that can be asked.
//
// Shows R66.
func TestCrashAtEveryPoint(t *testing.T) {
	points := []payment.Point{
		payment.PointClaimBefore, payment.PointClaimAfter, payment.PointSendBeforeCheck, payment.PointSendAfterCheck,
		payment.PointOutcomeBefore, payment.PointOutcomeAfter, payment.PointReplyBefore,
	}
	for _, point := range points {
		for _, asks := range []bool{true, false} {
			name := string(point) + ", no look-up"
			if asks {
				name = string(point) + ", with look-up"
			}
			t.Run(name, func(t *testing.T) {
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
					call := newCall("key")
					go func() {
						_, _ = one.Authorize(w.Context(), call, instruction("a", "b")) // what a dead process answers does not matter
					}()
					time.Sleep(time.Second)
					w.retry(w.boot("two"), call, instruction("a", "b"), 60)
					w.state(call, payment.StateSucceeded, 1)
					sameRequest(t, w.provider(0).sends())
					close(dead)
					time.Sleep(10 * time.Minute) // until the dead process's flight has given up
					w.state(call, payment.StateSucceeded, 1)
				})
			})
		}
	}
}

// Goal: a panic of the worker leaves no key blocked and no process dead.
// Method: panic at every point and inside the driver; then the caller retries
// at the same process.
//
// Shows R68.
func TestPanicParks(t *testing.T) {
	for _, point := range payment.Points() {
		if slices.Contains([]payment.Point{
			payment.PointSendAfterHeaders, payment.PointSendAfterBody, payment.PointResponseReceived, // the transport's
			payment.PointReplyBefore, // the caller's goroutine, under the interceptors' recovery
			payment.PointDrainStart, payment.PointTakeoverAfter, payment.PointParkBefore, payment.PointParkAfter,
			payment.PointFailoverBefore, payment.PointFailoverAfter, payment.PointWebhookVerified, payment.PointWebhookCommitted, // not on this path
		}, point) {
			continue
		}
		t.Run(string(point), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				panicked := false
				o := w.boot("one", func(c *orchestrator.Config) {
					c.Probe = func(_ context.Context, p payment.Point) {
						if p == point && !panicked {
							panicked = true
							panic("scripted")
						}
					}
				})
				call := newCall("key")
				_, _ = o.Authorize(w.Context(), call, instruction("a"))
				w.retry(o, call, instruction("a"), 60)
				w.state(call, payment.StateSucceeded, 1)
			})
		})
	}
	t.Run("in the driver", func(t *testing.T) {
		inWorld(t, []payment.AccountName{"a"}, func(w *world) {
			w.provider(0).script = []line{explode, refuse}
			o, call := w.boot("one"), newCall("key")
			reply, err := o.Authorize(w.Context(), call, instruction("a"))
			if err != nil || reply.Stored {
				t.Fatalf("got %v, %v, want an interim answer", reply, err)
			}
			op := w.state(call, payment.StateUnknown, 0)
			if !op.Current().Uncertain || op.Owner != "" {
				t.Errorf("a send that blew up left uncertain=%t, owner %q", op.Current().Uncertain, op.Owner)
			}
			w.provider(0).answer(succeed)
			w.retry(o, call, instruction("a"), 60)
			w.state(call, payment.StateSucceeded, 1)
		})
	})
}

// Goal: a takeover does not close what the crashed owner may have sent. Method:
// the first owner's answer is lost with it; the second is refused for ever.
func TestTakeoverNeverFailsWhatItDidNotSend(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script = []line{lost, refuse}
		one, call := w.boot("one"), newCall("key")
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		if _, err := one.Authorize(ctx, call, instruction("a", "b")); err != nil {
			t.Fatal(err)
		}
		w.store.Crash("one")
		w.store.EndSession("one")
		deadline := w.operation(call).Current().Deadline
		if _, err := w.boot("two").Resume(w.Context(), w.operation(call)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		w.state(call, payment.StateUnknown, 1)
		if len(w.provider(1).sends()) != 0 {
			t.Error("failed over although the first account may have had its effect")
		}
		if first := w.provider(0).at[1]; first.Before(deadline.Add(5 * time.Second)) {
			t.Errorf("resent %s before the old attempt's deadline and grace", deadline.Add(5*time.Second).Sub(first))
		}
		sameRequest(t, w.provider(0).sends())
	})
}

// Goal: nothing is sent where a copy could be a second effect. Method: an
// operation is left unknown; then something has changed and it is resumed.
//
// Shows R19, R20, R53, R67 and R69.
func TestNoSendWithoutEveryCheck(t *testing.T) {
	for name, change := range map[string]func(*world, *orchestrator.Config){
		"the resend window is closed":        func(*world, *orchestrator.Config) { time.Sleep(21 * time.Hour) }, // see ResolveBy below
		"the credential was replaced":        func(w *world, _ *orchestrator.Config) { w.provider(0).credential = "cred-2" },
		"too late to complete":               func(*world, *orchestrator.Config) { time.Sleep(16 * time.Minute) },
		"the account is gone":                func(_ *world, c *orchestrator.Config) { c.Accounts = c.Accounts[1:] },
		"the account's target moved":         func(_ *world, c *orchestrator.Config) { c.Accounts[0].Account = elsewhere{c.Accounts[0].Account} },
		"the build makes other bytes":        func(_ *world, c *orchestrator.Config) { c.Accounts[0].Account = rebuilt{c.Accounts[0].Account} },
		"the session does not live long":     func(w *world, _ *orchestrator.Config) { w.store.SetHook(noSession) },
		"nothing changed, and a send is due": nil,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				w.provider(0).script = []line{fail500}
				call := newCall("key")
				one := w.boot("one", func(c *orchestrator.Config) {
					if name == "the resend window is closed" {
						c.ResolveBy = 48 * time.Hour // the check on it would hide the window's
					}
				})
				if _, err := one.Authorize(w.Context(), call, instruction("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				w.state(call, payment.StateUnknown, 0)
				before := len(w.provider(0).sends())
				w.provider(0).answer(succeed)
				two := w.boot("two", func(c *orchestrator.Config) {
					if change != nil {
						change(w, c)
					}
				})
				if _, err := two.Resume(w.Context(), w.operation(call)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				sent := len(w.provider(0).sends()) - before
				if change == nil {
					w.state(call, payment.StateSucceeded, 1)
					return
				}
				if op := w.state(call, payment.StateUnknown, 0); sent != 0 || op.ParkReason == "" {
					t.Errorf("%d sends, parked for %q", sent, op.ParkReason)
				}
			})
		})
	}
}

// elsewhere is an account whose requests go to another host than recorded.
type elsewhere struct{ orchestrator.Account }

func (e elsewhere) Target() payment.Target {
	t := e.Account.Target()
	t.Host = "elsewhere"
	return t
}

// rebuilt is an account whose driver makes other bytes than were recorded.
type rebuilt struct{ orchestrator.Account }

func (r rebuilt) Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error) {
	s.Instruction.StatementDescriptor = "other"
	return r.Account.Send(ctx, s, hash)
}

func noSession(_ context.Context, c ledgertest.Call) ledgertest.Fault {
	if c.Kind == ledgertest.KindHold {
		return ledgertest.Fault{Loss: ledgertest.Unavailable}
	}
	return ledgertest.Fault{}
}

// Goal: without a claim that certainly stands nothing is sent. Method: the
// claim's write or its answer is lost, for ever or once.
//
// Shows R48.
func TestClaimFaults(t *testing.T) {
	always := func(loss ledgertest.Loss) ledgertest.Hook {
		return func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
			if c.Kind == ledgertest.KindClaim {
				return ledgertest.Fault{Loss: loss}
			}
			return ledgertest.Fault{}
		}
	}
	for name, hook := range map[string]ledgertest.Hook{
		"unavailable":                  always(ledgertest.Unavailable),
		"ambiguous, and was applied":   always(ledgertest.AmbiguousApplied),
		"ambiguous, and was not":       always(ledgertest.AmbiguousNotApplied),
		"once unavailable":             ledgertest.Once(ledgertest.KindClaim, ledgertest.Fault{Loss: ledgertest.Unavailable}),
		"once ambiguous, was applied":  ledgertest.Once(ledgertest.KindClaim, ledgertest.Fault{Loss: ledgertest.AmbiguousApplied}),
		"once ambiguous, and lost too": ledgertest.Once(ledgertest.KindClaim, ledgertest.Fault{Loss: ledgertest.AmbiguousNotApplied}),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.store.SetHook(hook)
				o, call := w.boot("one"), newCall("key")
				_, err := o.Authorize(w.Context(), call, instruction("a"))
				if once := name[:4] == "once"; once != (err == nil) {
					t.Fatalf("got %v", err)
				}
				if err != nil {
					want := payment.ReasonLedgerUnavailable
					if strings.HasPrefix(name, "ambiguous") { // whoever finds the claim may carry it out
						want = payment.ReasonOutcomePending
					}
					if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != want {
						t.Errorf("got %v, want %s", err, want)
					}
					if n := len(w.provider(0).sends()); n != 0 {
						t.Errorf("%d sends without a claim", n)
					}
				}
				w.store.SetHook(nil)
				if err != nil && name == "ambiguous, and was applied" {
					// The claim stands with a marker of this very process, and no flight: it
					// must not block the key until the owner's time is over.
					go func() { _, _ = o.Resume(w.Context(), w.operation(call)) }()
					time.Sleep(time.Second)
					if op := w.operation(call); op.Epoch != 2 {
						t.Errorf("the orphaned claim is at epoch %d, want it taken over", op.Epoch)
					}
				}
				w.retry(o, call, instruction("a"), 60)
				w.state(call, payment.StateSucceeded, 1)
			})
		})
	}
}

// Goal: an outcome is told only once it is durable, and is never lost to a
// ledger that was away. Method: the outcome's write or its answer is lost while
// the caller waits; then the ledger is back.
//
// Shows R66.
func TestOutcomeFaults(t *testing.T) {
	for name, loss := range map[string]ledgertest.Loss{
		"unavailable": ledgertest.Unavailable, "applied": ledgertest.AmbiguousApplied, "not applied": ledgertest.AmbiguousNotApplied,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.store.SetHook(func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
					if c.Kind == ledgertest.KindOutcome {
						return ledgertest.Fault{Loss: loss}
					}
					return ledgertest.Fault{}
				})
				o, call := w.boot("one"), newCall("key")
				ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
				defer cancel()
				reply, err := o.Authorize(ctx, call, instruction("a"))
				if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonOutcomePending {
					t.Fatalf("got %s, %v, want OUTCOME_PENDING", reply.Bytes, err)
				}
				w.store.SetHook(nil)
				time.Sleep(time.Second)
				got := w.retry(o, call, instruction("a"), 1)
				if a := answerOf(t, got); a.State != payment.StateSucceeded {
					t.Errorf("got %v", a)
				}
				w.state(call, payment.StateSucceeded, 1)
				if n := len(w.provider(0).sends()); n != 1 {
					t.Errorf("%d sends, want 1", n)
				}
			})
		})
	}
}

// Goal: an owner that was paused past its lease and comes back changes nothing.
// Method: the first owner is held just before its send, or just before its
// outcome, while another boot takes over and finishes; then it goes on.
func TestPausedOwner(t *testing.T) {
	for _, point := range []payment.Point{payment.PointSendAfterCheck, payment.PointOutcomeBefore} {
		t.Run(string(point), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				paused, held := make(chan struct{}), false
				one := w.boot("one", func(c *orchestrator.Config) {
					c.Probe = func(_ context.Context, p payment.Point) {
						if p == point && !held {
							held = true
							w.store.Pause("one")
							<-paused
						}
					}
				})
				call := newCall("key")
				type result struct {
					reply payment.Reply
					err   error
				}
				first := make(chan result, 1)
				go func() {
					r, err := one.Authorize(w.Context(), call, instruction("a"))
					first <- result{r, err}
				}()
				time.Sleep(18 * time.Second) // past the lease, within the first caller's patience
				two := w.boot("two")
				second := w.retry(two, call, instruction("a"), 60)
				close(paused)
				w.store.Resume("one")
				time.Sleep(time.Minute)
				w.state(call, payment.StateSucceeded, 1)
				sameRequest(t, w.provider(0).sends())
				again := w.retry(one, call, instruction("a"), 3)
				if string(again.Bytes) != string(second.Bytes) {
					t.Errorf("two answers for one key: %s and %s", again.Bytes, second.Bytes)
				}
				<-first
			})
		})
	}
}
