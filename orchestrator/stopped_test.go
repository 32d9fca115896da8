package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: where a provider has not known a copy as one, the refusal of a copy says
// nothing about a copy that a dead process may have sent. Method: a process dies with
// its request at the provider, and the copy of the next one is refused without its key;
// then an event tells of that refusal, and later another one of what the first copy did.
func TestRefusedCopyOfADeadProcess(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p, call := w.provider(0), newCall("key")
		p.driver = "adyen"
		dead := make(chan struct{})
		p.script = []line{func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
			effect()
			w.store.Crash("one")
			<-dead
			return payment.Answer{Transport: payment.TransportTimeout}
		}, func(context.Context, func() payment.ProviderReference) payment.Answer {
			a := answered(200, "Refused:no_echo")
			a.Decline, a.Reference, a.Hint = "2", "a-2", payment.HintStop
			return a
		}}
		one := w.boot("one")
		go func() {
			_, _ = one.Authorize(w.Context(), call, instruction("a")) // what a dead process answers does not matter
		}()
		time.Sleep(time.Second)
		w.store.EndSession("one")
		two := w.boot("two")
		time.Sleep(2 * time.Minute)
		if err := two.Visit(w.Context(), call.OperationKey()); err != nil {
			t.Fatal(err)
		}
		w.state(call, payment.StateUnknown, 1)
		tell := func(id, code string, object payment.ProviderReference, want orchestrator.Taken) {
			e := told(id, code, object)
			e.Reference = call.Reference
			w.apply(two, e, want)
		}
		tell("refused", "AUTHORISATION:false", "a-2", orchestrator.TakenNoted)
		w.state(call, payment.StateUnknown, 1)
		tell("held", "AUTHORISATION:true", "a-1", orchestrator.TakenContradict)
		if op := w.state(call, payment.StateUnknown, 1); !op.Halted {
			t.Error("it is not put before a person")
		}
		close(dead)
	})
}

// noEcho answers a request without the key that it was sent under.
func noEcho(code, decline string, object payment.ProviderReference, action *payment.NextAction) line {
	return func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
		effect()
		a := answered(200, code+":no_echo")
		a.Decline, a.Reference, a.NextAction, a.Hint = decline, object, action, payment.HintStop
		return a
	}
}

// Goal: a cancel ends an authorization only if there can be no other copy of its request
// that was executed by itself: else a person looks, and it is never called failed. Method:
// a provider that does not know copies, three copies of which the answers to two were lost,
// copies of a dead process, and a single one that its shopper has left; then the news of
// one cancel.
func TestOneCancelOfSeveralCopies(t *testing.T) {
	page := &payment.NextAction{RedirectURL: "https://bank.example/"}
	refused, waits := noEcho("Refused", "2", "c-1", nil), noEcho("RedirectShopper", "", "c-1", page)
	for name, c := range map[string]struct {
		script  []line
		crashes bool
		state   payment.State
	}{
		"two answers lost":      {script: []line{lost, lost, refused}, state: payment.StateFencing},
		"one lost, one waits":   {script: []line{lost, waits}, state: payment.StateFencing},
		"a dead process":        {script: []line{lost, refused}, crashes: true, state: payment.StateFencing},
		"a dead one, one waits": {script: []line{lost, waits}, crashes: true, state: payment.StateFencing},
		"a single one":          {script: []line{waits}, state: payment.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p, call := w.provider(0), newCall("key")
				p.driver, p.traits.Fence, p.script, p.cancels = "adyen", payment.FenceByReference, c.script, []canceller{cancelQuietly}
				one := w.boot("one")
				w.leaves(one, call, "a")
				if c.crashes {
					w.store.Crash("one")
				} else {
					time.Sleep(3 * time.Minute)
				}
				w.store.EndSession("one")
				two := w.boot("two")
				stop := w.sweep("two", two)
				defer stop()
				for w.operation(call).State != payment.StateFencing {
					time.Sleep(time.Second)
				}
				time.Sleep(time.Second)
				found := w.operation(call).Current().ProviderReference
				taken := orchestrator.TakenNoted
				if c.state.Final() {
					taken = orchestrator.TakenSettled
				}
				w.apply(two, ofCancel(call, "1", "TECHNICAL_CANCEL:true", found), taken)
				w.apply(two, ofCancel(call, "1", "TECHNICAL_CANCEL:true", found), orchestrator.TakenDuplicate)
				time.Sleep(time.Hour)
				if op := w.operation(call); op.State != c.state || op.Current().Released != c.state.Final() {
					t.Errorf("it is %s, released %t", op.State, op.Current().Released)
				}
				if told := w.attention(); (len(told) == 1 && told[0].Kind == payment.AttentionStuck) == c.state.Final() {
					t.Errorf("a person was told %+v", told)
				}
			})
		})
	}
}
