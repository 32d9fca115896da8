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
