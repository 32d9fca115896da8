package orchestrator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: a caller that was told that nothing was sent is not charged behind its
// back; and one is told so only as long as that is certain. Method: a ledger that
// is away, or does not answer the claim, for longer than the caller waits.
func TestToldUnavailableMeansNothingIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		loss   ledgertest.Loss
		slow   time.Duration
		reason payment.Reason
		sends  int // without a retry
	}{
		"away":                     {loss: ledgertest.Unavailable, reason: payment.ReasonLedgerUnavailable},
		"silent":                   {slow: 3 * time.Second, reason: payment.ReasonOutcomePending, sends: 1},
		"its answers are lost":     {loss: ledgertest.AmbiguousApplied, reason: payment.ReasonOutcomePending, sends: 1},
		"the claims are lost, too": {loss: ledgertest.AmbiguousNotApplied, reason: payment.ReasonOutcomePending, sends: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				began := time.Now()
				w.store.SetHook(func(_ context.Context, call ledgertest.Call) ledgertest.Fault {
					if call.Kind != ledgertest.KindClaim || time.Since(began) > 3*time.Second {
						return ledgertest.Fault{}
					}
					time.Sleep(c.slow)
					return ledgertest.Fault{Loss: c.loss}
				})
				o, call := w.boot("one"), newCall("key")
				// Not while the ledger is being asked, which is every 200 ms.
				ctx, cancel := context.WithTimeout(w.Context(), 1100*time.Millisecond)
				defer cancel()
				_, err := o.Authorize(ctx, call, instruction("a"))
				if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != c.reason {
					t.Fatalf("got %v, want %s", err, c.reason)
				}
				if n := len(w.provider(0).sends()); n != 0 {
					t.Errorf("%d sends without a claim", n)
				}
				time.Sleep(time.Minute)
				if n := len(w.provider(0).sends()); n != c.sends {
					t.Errorf("%d sends, want %d", n, c.sends)
				}
				w.retry(o, call, instruction("a"), 10)
				w.state(call, payment.StateSucceeded, 1)
			})
		})
	}
}

// Goal: what must not be later than a moment is compared with the wall clock,
// since a monotonic one stands still while a machine is suspended. Method: no
// time that reaches the ledger carries a monotonic reading.
func TestTimesAreWallTimes(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one", func(c *orchestrator.Config) { c.Ledger = wallOnly{c.Ledger, t} })
		if _, err := o.Authorize(w.Context(), newCall("key"), instruction("a")); err != nil {
			t.Fatal(err)
		}
	})
}

type wallOnly struct {
	ledger.Ledger
	t *testing.T
}

func (l wallOnly) Claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	op := c.Operation
	for name, at := range map[string]time.Time{
		"resend window": op.Current().ResendNotAfter, "attempt deadline": op.Current().Deadline,
		"deadline": op.Deadline, "resolve by": op.ResolveBy, "owner until": op.OwnerUntil,
	} {
		if at != at.Round(0) {
			l.t.Errorf("%s carries a monotonic reading: %s", name, at)
		}
	}
	return l.Ledger.Claim(ctx, s, c)
}

// Goal: a failover that comes too late writes nothing and answers what the
// others recorded. Method: the first owner is held before its failover while
// another boot finishes, with a final state and with one that is not.
func TestOvertakenFailover(t *testing.T) {
	pending := func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
		a := answered(200, "pending")
		a.Reference = effect()
		return a
	}
	for name, second := range map[string]line{"by a final state": succeed, "by a pending one": pending} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				w.provider(0).script, w.provider(1).script = []line{decline}, []line{second}
				paused := make(chan struct{})
				one := w.boot("one", func(c *orchestrator.Config) { c.InlineBudget = time.Hour }, w.holdAt(payment.PointFailoverBefore, paused))
				call := newCall("key")
				done := make(chan error, 1)
				go func() {
					reply, err := one.Authorize(w.Context(), call, instruction("a", "b"))
					if err == nil && !reply.Stored {
						err = errors.New("an interim answer")
					}
					done <- err
				}()
				time.Sleep(18 * time.Second)
				w.retry(w.boot("two"), call, instruction("a", "b"), 60)
				before := w.snapshot(call)
				close(paused)
				w.store.Resume("one")
				if err := <-done; err != nil {
					t.Errorf("got %v, want the stored answer", err)
				}
				if after := w.snapshot(call); after.Revision != before.Revision {
					t.Errorf("a flight that owns nothing wrote the record: %s", after.Operation.ParkReason)
				}
			})
		})
	}
}

// holdAt holds the first flight of boot one at a point until the channel closes.
func (w *world) holdAt(point payment.Point, until chan struct{}) func(*orchestrator.Config) {
	held := false
	return func(c *orchestrator.Config) {
		c.Probe = func(_ context.Context, p payment.Point) {
			if p == point && !held {
				held = true
				w.store.Pause("one")
				<-until
			}
		}
	}
}

func (w *world) snapshot(call payment.Call) ledger.Snapshot {
	w.Helper()
	s, err := w.store.Ledger("reader").Read(w.Context(), call.OperationKey())
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// Goal: an account that cannot express the request is passed over, and what is
// proven about the one before it stays proven. Method: the second of three
// accounts cannot build; or it is the last one left.
func TestAccountThatCannotBuildIsPassedOver(t *testing.T) {
	for name, c := range map[string]struct {
		accounts []payment.AccountName
		script   line
		state    payment.State
	}{
		"declined, another is left": {[]payment.AccountName{"a", "b", "c"}, decline, payment.StateSucceeded},
		"declined, none is left":    {[]payment.AccountName{"a", "b"}, decline, payment.StateDeclined},
		"refused, another is left":  {[]payment.AccountName{"a", "b", "c"}, refuse, payment.StateSucceeded},
		"refused, none is left":     {[]payment.AccountName{"a", "b"}, refuse, payment.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, c.accounts, func(w *world) {
				w.provider(0).script = []line{c.script}
				o := w.boot("one", func(c *orchestrator.Config) { c.Accounts[1].Account = unable{c.Accounts[1].Account} })
				call := newCall("key")
				if _, err := o.Authorize(w.Context(), call, instruction(c.accounts...)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				if op := w.operation(call); op.State != c.state {
					t.Errorf("operation is %s, want %s", op.State, c.state)
				}
			})
		})
	}
}

type unable struct{ orchestrator.Account }

func (unable) Prepare(payment.Send) (string, error) { return "", errors.New("no form for this") }

// Goal: a look-up settles an operation, or hands it on, only by what the
// recorded target says of it. Method: an operation is left unknown; the resumed
// flight's look-up is answered as given.
func TestLookUpOfAnUnknownOperation(t *testing.T) {
	declined := answered(200, "declined")
	declined.Decline, declined.Reference = "insufficient_funds", "a-1"
	for name, c := range map[string]struct {
		answer    payment.Answer
		elsewhere bool
		state     payment.State
		sends     int // to the first account after the look-up
		alerts    int
	}{
		"a decline closes the attempt for ever": {answer: declined, state: payment.StateSucceeded},
		"another target proves nothing":         {answer: declined, elsewhere: true, state: payment.StateUnknown},
		"two objects are an alarm":              {answer: answered(200, ""), state: payment.StateSucceeded, sends: 1, alerts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				w.provider(0).script = []line{fail500}
				call := newCall("key")
				ctx, cancel := context.WithTimeout(w.Context(), 500*time.Millisecond)
				defer cancel()
				if _, err := w.boot("one").Authorize(ctx, call, instruction("a", "b")); err != nil {
					t.Fatal(err)
				}
				w.store.Crash("one")
				w.store.EndSession("one")
				time.Sleep(10 * time.Second)
				before := len(w.provider(0).sends())
				w.provider(0).answer(succeed)
				var log logBuffer
				two := w.boot("two", log.to, func(cfg *orchestrator.Config) {
					cfg.Accounts[0].Account = looksUp{cfg.Accounts[0].Account, c.answer}
					if c.elsewhere {
						cfg.Accounts[0].Account = elsewhere{cfg.Accounts[0].Account}
					}
				})
				if _, err := two.Resume(w.Context(), w.operation(call)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Minute)
				if op := w.operation(call); op.State != c.state {
					t.Errorf("operation is %s, want %s", op.State, c.state)
				}
				if n := len(w.provider(0).sends()) - before; n != c.sends {
					t.Errorf("%d sends to the first account, want %d", n, c.sends)
				}
				if n := log.count("an answer needs attention"); n != c.alerts {
					t.Errorf("%d alerts, want %d", n, c.alerts)
				}
			})
		})
	}
}

// looksUp is an account that offers look-ups, which are answered as given.
type looksUp struct {
	orchestrator.Account

	answer payment.Answer
}

func (l looksUp) Traits() payment.Traits {
	t := l.Account.Traits()
	t.Query = true
	return t
}

func (l looksUp) Query(context.Context, payment.Send) (payment.Answer, error) { return l.answer, nil }

// Goal: a takeover whose answer is lost leaves no marker that nobody works
// under. Method: it was applied, once.
func TestAmbiguousTakeoverIsCarriedOn(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{fail500}
		o, call := w.boot("one"), newCall("key")
		if _, err := o.Authorize(w.Context(), call, instruction("a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		w.provider(0).answer(succeed)
		w.store.SetHook(ledgertest.Once(ledgertest.KindTakeover, ledgertest.Fault{Loss: ledgertest.AmbiguousApplied}))
		if _, err := o.Resume(w.Context(), w.operation(call)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.state(call, payment.StateSucceeded, 1)
	})
}

// Goal: whoever holds an effect that the record does not know of says so
// loudly. Method: a provider forgets the key while its first owner is paused, so
// that the second owner is declined and fails over.
func TestEffectBesideTheRecordIsAnAlarm(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script = []line{succeed, decline}
		paused := make(chan struct{})
		var log logBuffer
		one := w.boot("one", log.to, w.holdAt(payment.PointOutcomeBefore, paused))
		call := newCall("key")
		go func() { _, _ = one.Authorize(w.Context(), call, instruction("a", "b")) }()
		time.Sleep(18 * time.Second)
		w.retry(w.boot("two"), call, instruction("a", "b"), 60)
		close(paused)
		w.store.Resume("one")
		time.Sleep(time.Minute)
		if log.count("an effect exists that the record does not know of") == 0 {
			t.Error("two effects, and nobody is told")
		}
	})
}

// Goal: processes that take an operation over and stop again do not push its
// next send ever further away. Method: a rolling restart.
func TestParkEndsTheAttemptsTime(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{fail500}
		call := newCall("key")
		for _, boot := range []payment.BootID{"one", "two", "three", "four"} {
			o := w.boot(boot)
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			if boot == "one" {
				_, _ = o.Authorize(ctx, call, instruction("a"))
			} else {
				_, _ = o.Resume(ctx, w.operation(call))
			}
			cancel()
			if err := o.Drain(w.Context()); err != nil {
				t.Fatal(err)
			}
			if wait := time.Until(w.operation(call).Current().Deadline); wait > 0 {
				t.Errorf("parked by %s, but its attempt goes on for %s", boot, wait)
			}
		}
	})
}
