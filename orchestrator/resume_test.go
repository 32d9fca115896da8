package orchestrator_test

import (
	"errors"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: a caller that comes back just as its operation ends is told that the answer is
// a replay. Method: the operation is settled between the look that found nobody at it
// and the resumption, which so finds the answer: it is a key that is taken, and
// nothing is sent.
func TestResumeFindsTheAnswer(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		call := newCall("answered")
		if _, err := o.Authorize(w.Context(), call, instruction(w.provider(0).name)); err != nil {
			t.Fatal(err)
		}
		before := w.operation(call)
		before.State, before.Response = payment.StateIntent, nil // as the look found it
		_, err := o.Resume(w.Context(), before)
		taken, ok := errors.AsType[*payment.KeyTakenError](err)
		if !ok || len(taken.Operation.Response) == 0 {
			t.Errorf("got %v, want a key that is taken by an operation with its answer", err)
		}
		if n := len(w.provider(0).sends()); n != 1 || w.effects() != 1 {
			t.Errorf("%d requests and %d effects, want one each", n, w.effects())
		}
	})
}
