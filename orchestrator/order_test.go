package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// authorizedPayment makes a payment with 10.00 EUR held.
func (w *world) authorizedPayment(o *orchestrator.Orchestrator) payment.ID {
	w.Helper()
	call := newCall("authorize")
	if _, err := o.Authorize(w.Context(), call, instruction(w.provider(0).name)); err != nil {
		w.Fatal(err)
	}
	return w.operation(call).PaymentID
}

func orderCall(m payment.Method, key payment.IdempotencyKey) payment.Call {
	call := newCall(key)
	call.Method = m
	call.Reference = payment.DeriveReference(call.Tenant, m, key)
	return call
}

// carryOut sends an order by its method.
func carryOut(ctx context.Context, o *orchestrator.Orchestrator, call payment.Call, order payment.Order) (payment.Reply, error) {
	switch call.Method {
	case payment.MethodCapture:
		return o.Capture(ctx, call, order)
	case payment.MethodRefund:
		return o.Refund(ctx, call, order)
	case payment.MethodVoid:
		return o.Void(ctx, call, order)
	case payment.MethodAuthorize, payment.MethodComplete:
	}
	return payment.Reply{}, errors.New("not an order")
}

func order(id payment.ID, units int64) payment.Order {
	o := payment.Order{Payment: id}
	if units > 0 {
		o.Amount = &payment.Money{MinorUnits: units, CurrencyCode: "EUR"}
	}
	return o
}

// payment is the payment as the ledger has it.
func (w *world) payment(id payment.ID) payment.Payment {
	w.Helper()
	s, _, err := w.store.Ledger("reader").Payment(w.Context(), "default", id)
	if err != nil {
		w.Fatal(err)
	}
	return s.Payment
}

// Goal: the verbs move the amounts and the status as they should, one after
// the other. Method: a life of a payment, checked after each step.
func TestLifeOfAPayment(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		for i, step := range []struct {
			method                         payment.Method
			units                          int64
			status                         payment.Status
			authorized, captured, refunded int64
		}{
			{payment.MethodCapture, 300, payment.StatusPartiallyCaptured, 1000, 300, 0},
			{payment.MethodRefund, 100, payment.StatusPartiallyRefunded, 1000, 300, 100},
			{payment.MethodCapture, 200, payment.StatusPartiallyRefunded, 1000, 500, 100},
			{payment.MethodVoid, 0, payment.StatusPartiallyRefunded, 500, 500, 100},
			{payment.MethodRefund, 0, payment.StatusRefunded, 500, 500, 500},
		} {
			reply, err := carryOut(w.Context(), o, orderCall(step.method, payment.IdempotencyKey(fmt.Sprint(i))), order(id, step.units))
			if err != nil || !reply.Stored {
				t.Fatalf("step %d: %v, %v", i, reply, err)
			}
			p := w.payment(id)
			if p.Status != step.status || p.Authorized != step.authorized || p.Captured != step.captured || p.Refunded != step.refunded ||
				p.CaptureReserved+p.RefundReserved != 0 || p.Voiding != "" {
				t.Errorf("after step %d: %+v", i, p)
			}
		}
		if sent := w.provider(0).sends()[1]; sent.Parent == "" || sent.Amount.MinorUnits != 300 {
			t.Errorf("the capture was sent without its parent: %+v", sent)
		}
	})
}

// Goal: captures and refunds that race never add up to more than there is, and
// what is refused could not have fitted. Method: 50 orders from two processes,
// half of them with an outcome that stays unknown, on one payment.
//
// Shows R3.
func TestOrdersNeverOverrun(t *testing.T) {
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund} {
		t.Run(string(m), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				boots := []*orchestrator.Orchestrator{w.boot("one"), w.boot("two")}
				id := w.authorizedPayment(boots[0])
				if m == payment.MethodRefund {
					if _, err := boots[0].Capture(w.Context(), orderCall(payment.MethodCapture, "all"), order(id, 0)); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 100 {
					l := succeed
					if i%2 == 0 {
						l = fail500After
					}
					w.provider(0).orders = append(w.provider(0).orders, l)
				}
				var all sync.WaitGroup
				var mu sync.Mutex
				refused := 0
				for i := range 50 {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second)
						defer cancel()
						for { // as callers do: contended means again, with the same key
							_, err := carryOut(ctx, boots[i%2], orderCall(m, payment.IdempotencyKey(fmt.Sprint("k", i))), order(id, 70))
							e, ok := errors.AsType[*payment.Error](err)
							if ok && e.Reason == payment.ReasonPaymentContended {
								continue
							}
							mu.Lock()
							defer mu.Unlock()
							switch {
							case ok && (e.Reason == payment.ReasonExceedsAuthorized || e.Reason == payment.ReasonExceedsCaptured):
								refused++
							case err != nil:
								t.Errorf("order %d: %v", i, err)
							}
							return
						}
					})
				}
				all.Wait()
				time.Sleep(5 * time.Minute)
				p := w.payment(id)
				if p.Captured+p.CaptureReserved > p.Authorized || p.Refunded+p.RefundReserved > p.Captured {
					t.Errorf("overrun: %+v", p)
				}
				if refused != 50-14 { // 14 × 0.70 fit into 10.00, and nothing gave any back
					t.Errorf("%d orders refused, want 36: %+v", refused, p)
				}
			})
		})
	}
}

// Goal: a reservation is given back by proof only, and an unknown capture is
// completed by its retry. Method: a capture whose answer is lost, then a retry;
// a capture that is refused for good.
func TestReservationOfAnUnknownCapture(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		w.provider(0).orders = []line{fail500After, fail500, fail500, fail500, fail500, fail500, succeed}
		call := orderCall(payment.MethodCapture, "lost")
		if _, err := o.Capture(w.Context(), call, order(id, 400)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		if p := w.payment(id); p.CaptureReserved != 400 || p.Captured != 0 || p.Capturable() != 600 {
			t.Errorf("while unknown: %+v", p)
		}
		if _, err := o.Void(w.Context(), orderCall(payment.MethodVoid, "void"), order(id, 0)); err == nil {
			t.Error("a void was accepted while a capture is open")
		}
		if _, err := o.Resume(w.Context(), w.operation(call)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if p := w.payment(id); p.CaptureReserved != 0 || p.Captured != 400 {
			t.Errorf("after the retry: %+v", p)
		}
		w.provider(0).orders = []line{refuse}
		if _, err := o.Capture(w.Context(), orderCall(payment.MethodCapture, "refused"), order(id, 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		if p := w.payment(id); p.CaptureReserved != 0 || p.Captured != 400 || p.Status != payment.StatusPartiallyCaptured {
			t.Errorf("after a refusal: %+v", p)
		}
	})
}

// Goal: the replay of a full capture is its stored answer, not a refusal of its
// amount; and what the state forbids is refused only for a new key.
func TestReplayOfAFullCapture(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		id := w.authorizedPayment(o)
		call := orderCall(payment.MethodCapture, "all")
		first, err := o.Capture(w.Context(), call, order(id, 1000))
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Capture(w.Context(), call, order(id, 1000))
		if taken, ok := errors.AsType[*payment.KeyTakenError](err); !ok || string(taken.Operation.Response) != string(first.Bytes) {
			t.Errorf("replay: got %v, want the stored answer", err)
		}
		for name, c := range map[string]struct {
			call   payment.Call
			order  payment.Order
			reason payment.Reason
		}{
			"nothing left to capture": {orderCall(payment.MethodCapture, "n1"), order(id, 0), payment.ReasonNotCapturable},
			"too large a refund":      {orderCall(payment.MethodRefund, "n2"), order(id, 1001), payment.ReasonExceedsCaptured},
			"nothing left to void":    {orderCall(payment.MethodVoid, "n3"), order(id, 0), payment.ReasonNotVoidable},
			"no such payment":         {orderCall(payment.MethodCapture, "n4"), order("nope", 0), payment.ReasonNotFound},
		} {
			_, err := carryOut(w.Context(), o, c.call, c.order)
			if e, ok := errors.AsType[*payment.Error](err); !ok || e.Reason != c.reason {
				t.Errorf("%s: got %v, want %s", name, err, c.reason)
			}
		}
	})
}

// Goal: wherever a process dies in an order, the retry at another ends with one
// effect and the amounts right. Method: as for authorizations.
func TestCrashInEveryOrder(t *testing.T) {
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		for _, point := range []payment.Point{payment.PointClaimAfter, payment.PointSendAfterCheck, payment.PointOutcomeBefore, payment.PointOutcomeAfter} {
			t.Run(fmt.Sprint(m, " ", point), func(t *testing.T) {
				inWorld(t, []payment.AccountName{"a"}, func(w *world) {
					id := w.authorizedPayment(w.boot("zero"))
					effects := 2
					if m == payment.MethodRefund {
						effects = 3
						if _, err := w.boot("zero").Capture(w.Context(), orderCall(payment.MethodCapture, "c"), order(id, 0)); err != nil {
							t.Fatal(err)
						}
					}
					dead := make(chan struct{})
					one := w.boot("one", func(c *orchestrator.Config) {
						c.Probe = func(_ context.Context, p payment.Point) {
							if p == point {
								w.store.Crash("one")
								<-dead
							}
						}
					})
					call := orderCall(m, "key")
					go func() { _, _ = carryOut(w.Context(), one, call, order(id, 0)) }()
					time.Sleep(time.Second)
					w.store.EndSession("one")
					two := w.boot("two")
					time.Sleep(2 * time.Minute)
					if op := w.operation(call); op.Response == nil {
						if _, err := two.Resume(w.Context(), op); err != nil {
							t.Fatal(err)
						}
					}
					close(dead)
					time.Sleep(10 * time.Minute)
					w.state(call, payment.StateSucceeded, effects)
					if p := w.payment(id); p.CaptureReserved+p.RefundReserved != 0 || p.Voiding != "" {
						t.Errorf("something is still reserved: %+v", p)
					}
				})
			})
		}
	}
}
