package payment_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const void payment.OperationID = "v1"

// callingOff is a void in a state that called its authorization off.
func callingOff(t *testing.T, s payment.State) payment.Operation {
	t.Helper()
	op := in(t, s)
	op.Method = payment.MethodVoid
	op.Attempts[0].Steps = []payment.Step{{Name: payment.StepLook}}
	return op
}

// Goal: a void joins an authorization that has not ended, which is due from then on and
// called off until it ends, while it is cancelled too. Method: every state; then a
// takeover, a fence and an end.
func TestVoidJoins(t *testing.T) {
	for _, s := range states() {
		op := in(t, s)
		op.Owner = ""
		next, err := op.Next(payment.Join{Child: void, At: at()})
		if s != payment.StateRequiresAction && s != payment.StatePending {
			if !errors.Is(err, payment.ErrIllegalTransition) {
				t.Errorf("from %q: %v, want a refusal", s, err)
			}
			continue
		}
		if err != nil || next.State != s || !next.CalledOff() || op.CalledOff() || !next.NextCheck.Equal(at()) {
			t.Fatalf("from %s: %+v, %v", s, next, err)
		}
		if _, err := op.Next(payment.Join{Child: void}); !errors.Is(err, payment.ErrIllegalTransition) {
			t.Errorf("from %s, due at no time: %v, want a refusal", s, err)
		}
		if next.WaitsFor(child) {
			t.Error("it waits for a completion besides")
		}
		next.Owner = "boot"
		fenced, err := next.Next(payment.Fence{Step: payment.Step{Name: payment.StepCancel(1), Key: "key"}})
		if err != nil || !fenced.CalledOff() {
			t.Fatalf("while it is cancelled: %v, %v", fenced.CalledOff(), err)
		}
		ended, err := fenced.Next(payment.Settle{State: payment.StateFailed, At: at(), Report: payment.Report{Evidence: payment.EvidenceNoEffectSticky}})
		if err != nil || ended.CalledOff() {
			t.Errorf("when it has ended: %v, %v", ended.CalledOff(), err)
		}
	}
	op := in(t, payment.StateRequiresAction)
	op.Owner = ""
	if _, err := op.Next(payment.Join{Child: child, At: at()}); !errors.Is(err, payment.ErrIllegalTransition) {
		t.Errorf("a completion makes it due: %v, want a refusal", err)
	}
}

// Goal: a void that called an authorization off succeeds if that had no effect and fails
// if it had, with advice what to do; neither moves the payment. Method: every end, from
// each state in which the void may be.
func TestEndOfCallOff(t *testing.T) {
	for _, to := range []payment.State{payment.StateSucceeded, payment.StateDeclined, payment.StateFailed} {
		want := payment.StateSucceeded
		if to == payment.StateSucceeded {
			want = payment.StateFailed
		}
		for _, from := range []payment.State{payment.StateIntent, payment.StateUnknown} {
			op := callingOff(t, from)
			if !op.CallsOff() || !op.Joint() {
				t.Fatal("it is not one with its authorization")
			}
			got, err := op.Next(in(t, to).EndCallOff(payment.Report{}, at()))
			if err != nil || got.State != want || got.Sealed != nil {
				t.Fatalf("%s after %s: %s, %v", from, to, got.State, err)
			}
			if failed := want == payment.StateFailed; failed != (got.Failure != nil) || failed && (got.Failure.Code != "authorized_first" || got.Advice() != payment.AdviceNewKeyLater) {
				t.Errorf("after %s: failure %+v, advice %s", to, got.Failure, got.Advice())
			}
			p := payment.Payment{Status: payment.StatusFailed, Amount: eur(1000), Voiding: got.Key.ID, Version: 4}
			after, err := p.After(got, payment.Applied{}, at())
			p.Voiding, p.Version, p.Updated = "", 5, at()
			if diff := cmp.Diff(p, after); diff != "" || err != nil {
				t.Errorf("the payment after %s: %v\n%s", want, err, diff)
			}
		}
	}
	plain := in(t, payment.StateIntent)
	plain.Method = payment.MethodVoid
	if plain.CallsOff() || plain.Joint() {
		t.Error("a void of a hold is one with its authorization")
	}
}
