package orchestrator_test

import (
	"errors"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: a void of what cannot be cancelled is refused by name, before anything is
// recorded or sent. Method: one refusal each.
func TestVoidThatCannotCallOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(w *world, o *orchestrator.Orchestrator, b *bank, id payment.ID)
		want    payment.Reason
	}{
		"the provider cannot cancel": {func(_ *world, _ *orchestrator.Orchestrator, b *bank, _ payment.ID) {
			b.traits.Fence = payment.FenceNone
		}, payment.ReasonUnsupportedByProvider},
		"too late to send": {func(_ *world, _ *orchestrator.Orchestrator, _ *bank, _ payment.ID) {
			time.Sleep(21 * time.Hour)
		}, payment.ReasonNotVoidable},
		"the credential was replaced": {func(_ *world, _ *orchestrator.Orchestrator, b *bank, _ payment.ID) {
			b.traits.KeyScope, b.credential = payment.KeyScopeCredential, "cred-2"
		}, payment.ReasonNotVoidable},
		"somebody is about to cancel it": {func(w *world, _ *orchestrator.Orchestrator, _ *bank, id payment.ID) {
			w.owned(id)
		}, payment.ReasonParentUnknown},
		"a completion is open": {func(w *world, o *orchestrator.Orchestrator, b *bank, id payment.ID) {
			b.visits = []visit{slowly(10*time.Second, fails)}
			go func() { _, _ = o.Complete(w.Context(), back("back"), brought(id)) }()
			time.Sleep(time.Second)
		}, payment.ReasonNotVoidable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(payment.CompletionSend)
			atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
				o := w.bootAt("one", b)
				c.prepare(w, o, b, id)
				before := w.operation(authorize).Child
				_, err := o.Void(w.Context(), voids("void"), payment.Order{Payment: id})
				if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != c.want {
					t.Errorf("got %v, want %s", err, c.want)
				}
				if _, err := w.store.Ledger("reader").Read(w.Context(), voids("void").OperationKey()); err == nil || b.cancels != 0 {
					t.Errorf("a refused void left a trace, or one of %d cancels", b.cancels)
				}
				if after := w.operation(authorize).Child; after != before {
					t.Errorf("the authorization's child was %q and is %q", before, after)
				}
				time.Sleep(5 * time.Minute)
			})
		})
	}
}

// Goal: where only the provider's id of it names what is to be cancelled, a void of an
// authorization whose id is not known is refused, and nothing is sent. Method: a
// provider that does not tell the id.
func TestVoidOfWhatHasNoName(t *testing.T) {
	t.Parallel()
	b := newBank(payment.CompletionSend)
	b.nameless = true
	atBank(t, b, func(w *world, id payment.ID, authorize payment.Call) {
		_, err := w.bootAt("one", b).Void(w.Context(), voids("void"), payment.Order{Payment: id})
		if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != payment.ReasonUnsupportedByProvider {
			t.Errorf("got %v, want %s", err, payment.ReasonUnsupportedByProvider)
		}
		if op := w.operation(authorize); op.CalledOff() || b.cancels != 0 {
			t.Errorf("called off: %t, %d cancels", op.CalledOff(), b.cancels)
		}
	})
}
