package orchestrator_test

import (
	"errors"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func unique(c *orchestrator.Config) { c.UniqueMerchantReference = true }

// Goal: where merchant references are unique, a second live payment of one is refused
// by name, with the first one's id and before anything is sent; the first one's key is
// answered all the same; and the reference is free once its payment lives no more.
// Method: every end of a first authorization, then a second one.
//
// Shows R33.
func TestUniqueMerchantReference(t *testing.T) {
	for _, state := range []payment.State{succeeded, pending, requiresAction, unknown, declined, failed} {
		free := state == declined || state == failed
		t.Run(string(state), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.provider(0).script = []line{leadingTo(state)}
				o, in, first := w.boot("one", unique), instruction("a"), newCall("first")
				in.MerchantReference = "order-7"
				reply, err := o.Authorize(w.Context(), first, in)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				op, sent := w.operation(first), w.provider(0).onTheWire()
				if op.State != state {
					t.Fatalf("prepared %s", op.State)
				}
				_, err = o.Authorize(w.Context(), first, in)
				if taken, ok := errors.AsType[*payment.KeyTakenError](err); !ok || state.Answers() && string(taken.Operation.Response) != string(reply.Bytes) {
					t.Errorf("the same key: %v", err)
				}
				_, err = o.Authorize(w.Context(), newCall("second"), in)
				refused, ok := errors.AsType[*payment.Error](err)
				if ok == free || !free && (refused.Reason != payment.ReasonMerchantReferenceExists || refused.Payment != op.PaymentID) {
					t.Errorf("the second: %v", err)
				}
				if again := w.provider(0).onTheWire() - sent; free != (again > 0) {
					t.Errorf("%d sends for the second", again)
				}
				in.MerchantReference = "order-8"
				if _, err := o.Authorize(w.Context(), newCall("other"), in); err != nil {
					t.Errorf("another reference: %v", err)
				}
				in.MerchantReference = ""
				for _, key := range []payment.IdempotencyKey{"none-1", "none-2"} {
					if _, err := o.Authorize(w.Context(), newCall(key), in); err != nil {
						t.Errorf("no reference: %v", err)
					}
				}
				time.Sleep(2 * time.Minute) // what the callers did not wait for
			})
		})
	}
}

// Goal: a void frees the merchant reference, and without the setting nobody has one.
// Method: the life of a payment at two processes with and without it.
func TestMerchantReferenceOfAVoid(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o, lax, in := w.boot("one", unique), w.boot("two"), instruction("a")
		in.MerchantReference = "order-7"
		first := newCall("first")
		if _, err := o.Authorize(w.Context(), first, in); err != nil {
			t.Fatal(err)
		}
		if _, err := lax.Authorize(w.Context(), newCall("lax"), in); err != nil {
			t.Errorf("without the setting: %v", err)
		}
		if _, err := o.Void(w.Context(), orderCall(payment.MethodVoid, "void"), order(w.operation(first).PaymentID, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Authorize(w.Context(), newCall("second"), in); err != nil {
			t.Errorf("after the void: %v", err)
		}
		dump, err := w.store.Dump()
		if problems := dump.Problems(); err != nil || len(problems) != 0 {
			t.Errorf("the records contradict each other: %v, %v", problems, err)
		}
	})
}
