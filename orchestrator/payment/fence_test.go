package payment_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func fenceStep(n int) payment.Step {
	return payment.Step{Name: payment.StepCancel(n), Key: "k2", KeyVersion: 1, RequestHash: "h2", Object: "obj"}
}

// Goal: a fence is decided only by an owner, only for an authorization, each
// cancel as a step of its own; and what is known is kept with it. Method: every
// way in which it is not so.
func TestFenceIsRefusedUnless(t *testing.T) {
	for name, change := range map[string]func(*payment.Operation, *payment.Fence){
		"nobody owns it":         func(op *payment.Operation, _ *payment.Fence) { op.Owner = "" },
		"it is no authorization": func(op *payment.Operation, _ *payment.Fence) { op.Method = payment.MethodCapture },
		"it is halted":           func(op *payment.Operation, _ *payment.Fence) { op.Halted = true },
		"the step is no cancel":  func(_ *payment.Operation, f *payment.Fence) { f.Step.Name = payment.StepMain },
		"the step has no key":    func(_ *payment.Operation, f *payment.Fence) { f.Step.Key = "" },
		"the step exists already": func(op *payment.Operation, _ *payment.Fence) {
			op.Attempts[0].Steps = append(op.Attempts[0].Steps, fenceStep(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			op, f := in(t, payment.StateIntent), payment.Fence{Step: fenceStep(1)}
			change(&op, &f)
			if _, err := op.Next(f); !errors.Is(err, payment.ErrIllegalTransition) {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
	op := in(t, payment.StateIntent)
	fenced, err := op.Next(payment.Fence{Step: fenceStep(1), Report: payment.Report{ProviderReference: "obj", Sends: 3}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := fenced.Next(payment.Fence{Step: fenceStep(2)})
	if err != nil {
		t.Fatal(err)
	}
	a := again.Current()
	if diff := cmp.Diff([]payment.Step{fenceStep(1), fenceStep(2)}, a.Steps[1:]); diff != "" || a.ProviderReference != "obj" || a.Sends != 3 {
		t.Errorf("attempt %+v, steps:\n%s", a, diff)
	}
}

// Goal: that a cancel found nothing is booked on that cancel, by the provider's id of it;
// a cancel whose answer was lost is known by it as soon as no other can be. Method: two
// cancels, named or not, and the ids that are told.
func TestCancelThatFoundNothing(t *testing.T) {
	for name, c := range map[string]struct {
		named   [2]payment.ProviderReference // by their answers
		told    []payment.ProviderReference
		refused [2]bool
		then    [2]payment.ProviderReference
	}{
		"the first":                     {[2]payment.ProviderReference{"k1", "k2"}, []payment.ProviderReference{"k1"}, [2]bool{true, false}, [2]payment.ProviderReference{"k1", "k2"}},
		"the second":                    {[2]payment.ProviderReference{"k1", "k2"}, []payment.ProviderReference{"k2"}, [2]bool{false, true}, [2]payment.ProviderReference{"k1", "k2"}},
		"somebody else's":               {[2]payment.ProviderReference{"k1", "k2"}, []payment.ProviderReference{"k3"}, [2]bool{}, [2]payment.ProviderReference{"k1", "k2"}},
		"the one without a name":        {[2]payment.ProviderReference{"k1", ""}, []payment.ProviderReference{"k2"}, [2]bool{false, true}, [2]payment.ProviderReference{"k1", "k2"}},
		"the older of two without":      {[2]payment.ProviderReference{}, []payment.ProviderReference{"k1"}, [2]bool{true, false}, [2]payment.ProviderReference{}},
		"both without":                  {[2]payment.ProviderReference{}, []payment.ProviderReference{"k1", "k2"}, [2]bool{true, true}, [2]payment.ProviderReference{"", "k2"}},
		"where cancels have none, last": {[2]payment.ProviderReference{}, []payment.ProviderReference{""}, [2]bool{false, true}, [2]payment.ProviderReference{}},
	} {
		t.Run(name, func(t *testing.T) {
			op := in(t, payment.StateIntent)
			var err error
			for i, reference := range c.named {
				for _, move := range []payment.Transition{
					payment.Fence{Step: fenceStep(i + 1)}, payment.Note{Report: payment.Report{Sends: 1, Cancel: payment.Cancel{Step: payment.StepCancel(i + 1), Reference: reference}}},
				} {
					if op, err = op.Next(move); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, cancel := range c.told {
				if op, err = op.Next(payment.Note{Refused: true, Cancel: cancel}); err != nil {
					t.Fatal(err)
				}
			}
			for i, s := range op.Current().Steps[1:] {
				if s.Refused != c.refused[i] || s.Reference != c.then[i] {
					t.Errorf("%s is %q, refused %t", s.Name, s.Reference, s.Refused)
				}
			}
		})
	}
}

// Goal: what is halted is sent no more and never ends as if nothing had happened,
// yet it is not lost: proof of an effect ends it. Method: every move of a halted
// operation.
func TestHalted(t *testing.T) {
	op := in(t, payment.StateIntent)
	op, err := op.Next(payment.Halt{Reason: "an effect elsewhere", At: at(), Due: at().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if !op.Halted || op.Owner != "" || op.ParkReason == "" || !op.NextCheck.Equal(at().Add(time.Hour)) {
		t.Errorf("halted as %+v", op)
	}
	if !op.Current().Uncertain {
		t.Error("its owner may have been sending, and the record does not say so")
	}
	allowed := map[string]bool{"park": true, "note": true, "halt": true, "hasten": true, "succeed": true, "pend": true, "require action": true}
	for name, move := range moves() {
		if _, err := op.Next(move); (err == nil) != allowed[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Goal: a note moves nothing and forgets nothing.
func TestNote(t *testing.T) {
	op := in(t, payment.StateFencing)
	next, err := op.Next(payment.Note{Report: payment.Report{Evidence: payment.EvidenceEffect, ProviderReference: "obj"}})
	if err != nil {
		t.Fatal(err)
	}
	op.Attempts[0].Evidence, op.Attempts[0].ProviderReference = payment.EvidenceEffect, "obj"
	if diff := cmp.Diff(op, next); diff != "" {
		t.Error(diff)
	}
}
