package orchestrator_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: each kind of answer leads to the state, the number of effects and the
// number of sends that its evidence allows. Method: one scripted provider
// without look-ups, one call, everything until the flight has ended.
func TestAuthorizeFollowsTheEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		script  []line
		state   payment.State
		effects int
		sends   int
	}{
		"effect":                                  {[]line{succeed}, payment.StateSucceeded, 1, 1},
		"decline":                                 {[]line{decline}, payment.StateDeclined, 0, 1},
		"500 before the effect":                   {[]line{fail500, succeed}, payment.StateSucceeded, 1, 2},
		"500 after the effect":                    {[]line{fail500After, succeed}, payment.StateSucceeded, 1, 2},
		"500 for ever":                            {[]line{fail500}, payment.StateUnknown, 0, 6},
		"500 after the effect, for ever":          {[]line{fail500After, fail500}, payment.StateUnknown, 1, 6},
		"500 after the effect, then 429":          {[]line{fail500After, refuse}, payment.StateUnknown, 1, 6},
		"429, then effect":                        {[]line{refuse, succeed}, payment.StateSucceeded, 1, 2},
		"429 for ever":                            {[]line{refuse}, payment.StateFailed, 0, 6},
		"429, then 500, then 429":                 {[]line{refuse, fail500, refuse}, payment.StateUnknown, 0, 6},
		"lost answer, then effect":                {[]line{lost, succeed}, payment.StateSucceeded, 1, 2},
		"never sent, then effect":                 {[]line{unreachable, succeed}, payment.StateSucceeded, 1, 2},
		"never sent":                              {[]line{unreachable}, payment.StateFailed, 0, 7},
		"lost answer, then a decline of that key": {[]line{fail500, decline}, payment.StateDeclined, 0, 2},
		"an effect without a name": {[]line{func(context.Context, func() payment.ProviderReference) payment.Answer {
			return answered(200, "authorized")
		}}, payment.StateUnknown, 0, 6},
		"an effect in another currency": {[]line{func(context.Context, func() payment.ProviderReference) payment.Answer {
			a := authorized("x")
			a.Amount = &payment.Money{MinorUnits: 1000, CurrencyCode: "USD"}
			return a
		}}, payment.StateUnknown, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.provider(0).script = c.script
				call := newCall("key")
				if _, err := w.boot("one").Authorize(w.Context(), call, instruction("a")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute) // until whatever goes on behind the interim answer has ended
				op := w.state(call, c.state, c.effects)
				if got := len(w.provider(0).sends()); got != c.sends {
					t.Errorf("%d sends, want %d", got, c.sends)
				}
				if want := w.provider(0).onTheWire(); op.Current().Sends != want {
					t.Errorf("the record counts %d sends, on the wire were %d", op.Current().Sends, want)
				}
				sameRequest(t, w.provider(0).sends())
				if op.Owner != "" {
					t.Errorf("the flight has ended but %s still owns the operation", op.Owner)
				}
			})
		})
	}
}

// Goal: another account is asked only when the first is proven to have had no
// effect. Method: two accounts; the first answers, the second would succeed.
func TestFailoverNeedsClosedEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		script []line
		state  payment.State
		second int // sends to the second account
	}{
		"decline":                     {[]line{decline}, payment.StateSucceeded, 1},
		"429 for ever":                {[]line{refuse}, payment.StateSucceeded, 1},
		"never sent":                  {[]line{unreachable}, payment.StateSucceeded, 1},
		"500 for ever":                {[]line{fail500}, payment.StateUnknown, 0},
		"lost answer, 500 for ever":   {[]line{lost, fail500}, payment.StateUnknown, 0},
		"lost answer, 429 for ever":   {[]line{lost, refuse}, payment.StateUnknown, 0},
		"500, then never sent":        {[]line{fail500, unreachable}, payment.StateUnknown, 0},
		"500, then a stored decline":  {[]line{fail500, decline}, payment.StateSucceeded, 1},
		"unknown status, then effect": {[]line{fail500, succeed}, payment.StateSucceeded, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				w.provider(0).script = c.script
				call := newCall("key")
				if _, err := w.boot("one").Authorize(w.Context(), call, instruction("a", "b")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				effects := 0
				if c.state == payment.StateSucceeded || c.script[0] == nil {
					effects = 1
				}
				op := w.operation(call)
				if op.State != c.state {
					t.Errorf("operation is %s, want %s", op.State, c.state)
				}
				if got := w.effects(); got > 1 || got < effects {
					t.Errorf("%d effects", got)
				}
				if got := len(w.provider(1).sends()); got != c.second {
					t.Errorf("%d sends to the second account, want %d", got, c.second)
				}
				if c.second > 0 && w.provider(1).sends()[0].Key == w.provider(0).sends()[0].Key {
					t.Error("two accounts got the same provider key")
				}
			})
		})
	}
}

// Goal: a resend waits as long as the provider asked. Method: a refusal with a
// lower bound far above the policy's spacing.
//
// Shows R31.
func TestRetryAfterIsALowerBound(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{func(context.Context, func() payment.ProviderReference) payment.Answer {
			a := answered(429, "rate_limited")
			a.RetryAfter = 17 * time.Second
			return a
		}, succeed}
		if _, err := w.boot("one").Authorize(w.Context(), newCall("key"), instruction("a")); err != nil {
			t.Fatal(err)
		}
		if at := w.provider(0).at; at[1].Sub(at[0]) < 17*time.Second {
			t.Errorf("resent after %s", at[1].Sub(at[0]))
		}
	})
}

// Goal: a caller whose time is up hears how things stand: unknown only if
// something is in doubt. Method: an inline budget shorter than the resends.
func TestInterimAnswerTellsWhatIsInDoubt(t *testing.T) {
	for name, c := range map[string]struct {
		script []line
		want   plainAnswer
	}{
		"refused so far":   {[]line{refuse}, plainAnswer{payment.StateIntent, payment.StatusAuthorizing}},
		"something lost":   {[]line{fail500, refuse}, plainAnswer{payment.StateUnknown, payment.StatusUnknown}},
		"nothing sent yet": {[]line{after(10*time.Second, succeed)}, plainAnswer{payment.StateIntent, payment.StatusAuthorizing}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.provider(0).script = c.script
				ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
				defer cancel()
				reply, err := w.boot("one").Authorize(ctx, newCall("key"), instruction("a"))
				if err != nil {
					t.Fatal(err)
				}
				if reply.Stored {
					t.Error("an interim answer claims to be stored")
				}
				if got := answerOf(t, reply); got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
				time.Sleep(5 * time.Minute)
			})
		})
	}
}

// Goal: a caller that leaves does not stop the work. Method: cancel while the
// provider is slow.
func TestWorkGoesOnWhenTheCallerLeaves(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{after(3*time.Second, succeed)}
		ctx, cancel := context.WithCancel(w.Context())
		call := newCall("key")
		o := w.boot("one")
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		if _, err := o.Authorize(ctx, call, instruction("a")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want canceled", err)
		}
		time.Sleep(time.Minute)
		w.state(call, payment.StateSucceeded, 1)
	})
}

// Goal: a refusal that depends on the instruction is told only for a key that
// is new. Method: an instruction that no account takes, before and after the
// key was used.
func TestRefusalOnlyForANewKey(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o, call := w.boot("one"), newCall("key")
		_, err := o.Authorize(w.Context(), call, instruction())
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonNoRoute {
			t.Fatalf("new key: got %v, want NO_ROUTE", err)
		}
		if _, err := o.Authorize(w.Context(), call, instruction("a")); err != nil {
			t.Fatal(err)
		}
		_, err = o.Authorize(w.Context(), call, instruction())
		if taken, ok := errors.AsType[*payment.KeyTakenError](err); !ok || taken.Operation.Response == nil {
			t.Errorf("used key: got %v, want the key's operation", err)
		}
	})
}

// Goal: beyond its bound the orchestrator refuses before the claim. Method: one
// slot, taken by a slow call.
func TestOverloadIsRefusedBeforeTheClaim(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{after(5*time.Second, succeed)}
		o := w.boot("one", func(c *orchestrator.Config) { c.MaxInFlight = 1 })
		go func() {
			if _, err := o.Authorize(w.Context(), newCall("first"), instruction("a")); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		_, err := o.Authorize(w.Context(), newCall("second"), instruction("a"))
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonOverloaded || e.RetryAfter == 0 {
			t.Errorf("got %v, want OVERLOADED with a delay", err)
		}
		if _, err := w.store.Ledger("reader").Read(w.Context(), newCall("second").OperationKey()); err == nil {
			t.Error("a refused call left a record")
		}
		time.Sleep(time.Minute)
	})
}

// Goal: a drain lets sends in the air finish, parks what waits between sends,
// and takes nothing new. Method: one slow call, one that is being refused.
func TestDrain(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script = []line{after(5*time.Second, succeed)}
		w.provider(1).script = []line{refuse}
		o := w.boot("one")
		slow, waiting := newCall("slow"), newCall("waiting")
		var callers sync.WaitGroup
		for call, account := range map[payment.Call]payment.AccountName{slow: "a", waiting: "b"} {
			callers.Go(func() {
				if _, err := o.Authorize(w.Context(), call, instruction(account)); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(2 * time.Second)
		started := time.Now()
		if err := o.Drain(w.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took > 4*time.Second {
			t.Errorf("drained after %s", took)
		}
		callers.Wait()
		w.state(slow, payment.StateSucceeded, 1)
		w.state(waiting, payment.StateUnknown, 1)
		_, err := o.Authorize(w.Context(), newCall("late"), instruction("a"))
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonOverloaded {
			t.Errorf("while draining: got %v, want OVERLOADED", err)
		}
	})
}
