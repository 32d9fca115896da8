package orchestrator_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const alarm = "an effect exists that the record does not know of"

// shows is an effect under a name of the test's choice.
func shows(ref payment.ProviderReference) line {
	return func(context.Context, func() payment.ProviderReference) payment.Answer { return authorized(ref) }
}

// Goal: a refusal that may not be the provider's own closes nothing. Method: an
// effect hidden behind a bare status, as a filter on the way would; and a coded
// refusal on an account where something on the way may repeat requests.
func TestRefusalOfUnknownOriginClosesNothing(t *testing.T) {
	hidden := func(status int) line {
		return func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
			effect()
			return answered(status, "")
		}
	}
	for name, c := range map[string]struct {
		script    line
		mayRepeat bool
		effects   int
	}{
		"bare 401": {hidden(401), false, 1}, "bare 403": {hidden(403), false, 1}, "bare 429": {hidden(429), false, 1},
		"coded 429 on an account that may repeat": {refuse, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				w.provider(0).script = []line{c.script}
				call := newCall("key")
				o := w.boot("one", func(cfg *orchestrator.Config) { cfg.Accounts[0].MayRepeat = c.mayRepeat })
				if _, err := o.Authorize(w.Context(), call, instruction("a", "b")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				w.state(call, payment.StateUnknown, c.effects)
			})
		})
	}
}

// Goal: two accounts never share a merchant, or a look-up on one would find what
// the other did. Method: two accounts with one target.
//
// Shows R18 and R53.
func TestTwoAccountsOfOneMerchantAreRefused(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		cfg := orchestrator.Config{Ledger: w.store.Ledger("one"), Table: w.table, Keys: w.keys, Renderer: plainRenderer{}, Logger: discard()}
		twin := newProvider("b")
		for _, account := range []orchestrator.Account{w.provider(0), sameTarget{twin, w.provider(0).Target()}} {
			cfg.Accounts = append(cfg.Accounts, orchestrator.ConfiguredAccount{Account: account})
		}
		if _, err := orchestrator.New(cfg); err == nil || !strings.Contains(err.Error(), "same merchant") {
			t.Errorf("got %v, want both accounts refused", err)
		}
	})
}

type sameTarget struct {
	orchestrator.Account

	target payment.Target
}

func (s sameTarget) Target() payment.Target { return s.target }

// Goal: whoever was sent something is not told that nothing was. Method: the
// ledger is away when the flight parks, and when another process is asked.
func TestAwayLedgerIsNotProofOfNothing(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{fail500After}
		w.store.SetHook(func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
			if c.Kind == ledgertest.KindPark || (c.Boot == "two" && c.Kind == ledgertest.KindRead) {
				return ledgertest.Fault{Loss: ledgertest.Unavailable}
			}
			return ledgertest.Fault{}
		})
		o, call := w.boot("one", func(c *orchestrator.Config) { c.InlineBudget = time.Hour }), newCall("key")
		_, first := o.Authorize(w.Context(), call, instruction("a"))
		two, op := w.boot("two"), w.operation(call)
		_, resumed := two.Resume(w.Context(), op)
		_, interim := two.Interim(w.Context(), op)
		for name, err := range map[string]error{"the first call": first, "a resume": resumed, "an interim answer": interim} {
			if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonOutcomePending {
				t.Errorf("%s was told %v, want OUTCOME_PENDING", name, err)
			}
		}
	})
}

// Goal: an effect in hand settles what its successor only recorded as pending.
// Method: the first owner is held before its outcome.
func TestEffectSettlesAPendingRecord(t *testing.T) {
	pending := func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
		a := answered(200, "pending")
		a.Reference = effect()
		return a
	}
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{succeed, pending}
		paused := make(chan struct{})
		var log logBuffer
		one := w.boot("one", log.to, w.holdAt(payment.PointOutcomeBefore, paused))
		call := newCall("key")
		go func() { _, _ = one.Authorize(w.Context(), call, instruction("a")) }()
		time.Sleep(18 * time.Second)
		w.retry(w.boot("two"), call, instruction("a"), 60)
		w.state(call, payment.StatePending, 1)
		close(paused)
		w.store.Resume("one")
		time.Sleep(time.Minute)
		w.state(call, payment.StateSucceeded, 1)
		if log.count(alarm) != 0 {
			t.Error("a false alarm: the record says pending for this very object")
		}
	})
}

// Goal: two effects are never kept quiet. Method: a provider that forgot the
// key, so that two owners hold an effect each; in three orders of writing.
func TestTwoEffectsAreAnAlarm(t *testing.T) {
	t.Run("the first comes after the second was recorded", func(t *testing.T) {
		inWorld(t, []payment.AccountName{"a"}, func(w *world) {
			w.provider(0).script = []line{shows("first"), shows("second")}
			paused := make(chan struct{})
			var log logBuffer
			one := w.boot("one", log.to, w.holdAt(payment.PointOutcomeBefore, paused))
			call := newCall("key")
			go func() { _, _ = one.Authorize(w.Context(), call, instruction("a")) }()
			time.Sleep(18 * time.Second)
			w.retry(w.boot("two"), call, instruction("a"), 60)
			close(paused)
			w.store.Resume("one")
			time.Sleep(time.Minute)
			if log.count(alarm) == 0 {
				t.Error("two objects at the provider, and nobody is told")
			}
		})
	})
	t.Run("both write at once", func(t *testing.T) {
		inWorld(t, []payment.AccountName{"a"}, func(w *world) {
			w.provider(0).script = []line{shows("first"), shows("second")}
			paused := make(chan struct{})
			var log logBuffer
			one := w.boot("one", log.to, w.holdAt(payment.PointOutcomeBefore, paused))
			call := newCall("key")
			go func() { _, _ = one.Authorize(w.Context(), call, instruction("a")) }()
			time.Sleep(18 * time.Second)
			outcomes := 0
			w.store.SetHook(func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
				if c.Boot == "one" && c.Kind == ledgertest.KindOutcome {
					if outcomes++; outcomes == 2 { // fenced once, now as late news: the other writes first
						time.Sleep(3 * time.Minute)
					}
				}
				return ledgertest.Fault{}
			})
			two := w.boot("two")
			go func() { _, _ = two.Resume(w.Context(), w.operation(call)) }()
			time.Sleep(time.Second)
			close(paused)
			w.store.Resume("one")
			time.Sleep(10 * time.Minute)
			if log.count(alarm) == 0 {
				t.Error("another's outcome was taken for one's own write, and nobody is told")
			}
		})
	})
	t.Run("the first is only parked", func(t *testing.T) {
		inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
			w.provider(0).script = []line{succeed, decline}
			var log logBuffer
			w.store.SetHook(func(_ context.Context, c ledgertest.Call) ledgertest.Fault {
				if c.Boot == "one" && c.Kind == ledgertest.KindOutcome {
					return ledgertest.Fault{Loss: ledgertest.Unavailable}
				}
				return ledgertest.Fault{}
			})
			one, call := w.boot("one", log.to), newCall("key")
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			defer cancel()
			_, _ = one.Authorize(ctx, call, instruction("a", "b"))
			w.store.NewSession("one")
			w.retry(w.boot("two"), call, instruction("a", "b"), 60)
			time.Sleep(10 * time.Minute)
			if log.count(alarm) == 0 {
				t.Error("two effects, and nobody is told")
			}
		})
	})
}

// Goal: a takeover that parks at once does not let the next one forget that an
// owner before both may still be sending. Method: three owners.
func TestParkRemembersAnOlderOwner(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{after(60*time.Second, succeed), succeed}
		call := newCall("key")
		one := w.boot("one", func(c *orchestrator.Config) { c.SendTimeout = 65 * time.Second })
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		_, _ = one.Authorize(ctx, call, instruction("a"))
		cancel()
		deadline := w.operation(call).Current().Deadline
		w.store.NewSession("one") // its lease was lost and replaced; it goes on sending
		two := w.boot("two")
		ctx, cancel = context.WithTimeout(w.Context(), time.Second)
		_, _ = two.Resume(ctx, w.operation(call))
		cancel()
		if err := two.Drain(w.Context()); err != nil {
			t.Fatal(err)
		}
		_, _ = w.boot("three").Resume(w.Context(), w.operation(call))
		time.Sleep(10 * time.Minute)
		for _, at := range w.provider(0).times()[1:] {
			if at.Before(deadline.Add(5 * time.Second)) {
				t.Errorf("resent %s before the first owner's time was over", deadline.Add(5*time.Second).Sub(at))
			}
		}
	})
}

// Goal: a process does not take over what it is working on itself. Method: the
// marker goes with a replaced lease while every send is refused; the caller asks
// again and would be resumed.
func TestOwnFlightIsNotTakenOver(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{refuse}
		o, call := w.boot("one", func(c *orchestrator.Config) { c.InlineBudget = time.Second }), newCall("key")
		if _, err := o.Authorize(w.Context(), call, instruction("a")); err != nil {
			t.Fatal(err)
		}
		w.store.NewSession("one")
		_, err := o.Authorize(w.Context(), call, instruction("a"))
		taken, ok := errors.AsType[*payment.KeyTakenError](err)
		if !ok || !taken.OwnerAlive {
			t.Fatalf("got %v, want a key with a living owner", err)
		}
		if _, err := o.Resume(w.Context(), taken.Operation); err == nil {
			t.Error("the process took over its own flight")
		}
		if err := o.Await(w.Context(), call.OperationKey()); err != nil {
			t.Fatal(err)
		}
		if op := w.state(call, payment.StateFailed, 0); op.Epoch != 1 {
			t.Errorf("epoch %d", op.Epoch)
		}
	})
}

// Goal: after a crash nobody knows what was sent, and the new owner says so.
// Method: the first answer is lost with its process.
func TestInterimAnswerAfterATakeoverIsUnknown(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{lost}
		one, call := w.boot("one"), newCall("key")
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		_, _ = one.Authorize(ctx, call, instruction("a"))
		cancel()
		w.store.Crash("one")
		w.store.EndSession("one")
		ctx, cancel = context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		reply, err := w.boot("two").Resume(ctx, w.operation(call))
		if err != nil {
			t.Fatal(err)
		}
		if a := answerOf(t, reply); a.State != payment.StateUnknown {
			t.Errorf("the caller is shown %v with an effect at the provider", a)
		}
		time.Sleep(5 * time.Minute)
	})
}
