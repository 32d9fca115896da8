package orchestrator_test

import (
	"context"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// accepts is the answer of a provider that takes an order in under a name.
func accepts(object payment.ProviderReference) line {
	return func(context.Context, func() payment.ProviderReference) payment.Answer {
		a := answered(200, "pending")
		a.Reference = object
		return a
	}
}

// nameUnsure is an answer that names the object, and does not tell what became of it.
func nameUnsure(context.Context, func() payment.ProviderReference) payment.Answer {
	a := answered(500, "")
	a.Reference, a.Hint = "c-1", payment.HintStop
	return a
}

// parental is an event of an operation's own object that names the payment alone, by
// the references of its authorization.
func parental(m payment.Method, id string, object payment.ProviderReference, units int64) payment.Event {
	e := told(id, doneCode(m), object)
	e.Method, e.Parent, e.Reference = m, "a-1", newCall("authorize").Reference
	e.Answer.Amount = &payment.Money{MinorUnits: units, CurrencyCode: "EUR"}
	e.Outside = &payment.Outside{Object: object, Kind: payment.OutsideKind(m), Amount: units} // they have the names of their verbs
	return e
}

// Goal: news that is ahead of the answer it belongs to, and names only the payment, is
// the operation's once that is known by its object's name, and counts once. Method: a
// capture, a refund and a void that are accepted after three seconds, told after one.
func TestNewsAheadOfItsName(t *testing.T) {
	for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		t.Run(string(m), func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				p, o, call := w.provider(0), w.boot("one"), orderCall(m, "k")
				id, units := w.authorizedPayment(o), int64(1000)
				if m == payment.MethodRefund {
					if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "c"), order(id, 1000)); err != nil {
						t.Fatal(err)
					}
				}
				if m == payment.MethodVoid {
					units = 0
				}
				p.orders, p.ordered = []line{after(3*time.Second, accepts("c-1"))}, 0
				ended := make(chan error)
				go func() {
					_, err := carryOut(w.Context(), o, call, order(id, units))
					ended <- err
				}()
				time.Sleep(time.Second)
				w.apply(o, parental(m, "ahead", "c-1", 1000), orchestrator.TakenOrphan)
				w.matches(o)
				if n := len(w.attention()); n != 1 {
					t.Errorf("%d orphans before the answer", n)
				}
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				w.matches(o)
				w.endedOnce(call, id)
				w.apply(o, parental(m, "ahead", "c-1", 1000), orchestrator.TakenDuplicate)
			})
		})
	}
}

// endedOnce checks that an order on all of a payment has succeeded, that what it moved
// counts once, and that nobody else is said to have done it.
func (w *world) endedOnce(call payment.Call, id payment.ID) {
	w.Helper()
	op, got := w.operation(call), w.payment(id)
	if op.State != payment.StateSucceeded || op.Current().ProviderReference != "c-1" {
		w.Errorf("it is %s, of %q (%s)", op.State, op.Current().ProviderReference, op.ParkReason)
	}
	moved := got.Captured
	if call.Method != payment.MethodCapture {
		moved = got.Refunded + got.Released
	}
	if moved != 1000 || len(got.Outside) != 0 || got.CaptureReserved+got.RefundReserved != 0 || got.Voiding != "" {
		w.Errorf("it moved %d: %+v", moved, got)
	}
	if left := w.attention(); len(left) != 0 {
		w.Errorf("left to look at: %+v", left)
	}
}

// Goal: news that was taken for somebody else's is the operation's whenever that learns
// its object's name, and is somebody else's no more. Method: a capture that is on record
// as made at the dashboard, and then one of ours that is accepted under its name, that
// learns the name while it is parked, and from an event.
func TestNewsTakenForSomebodyElses(t *testing.T) {
	named := func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		e := told("named", "pending", "c-1")
		e.Method, e.Reference = payment.MethodCapture, call.Reference
		w.apply(o, e, orchestrator.TakenSettled)
	}
	for name, c := range map[string]struct {
		answer line
		then   func(*world, *orchestrator.Orchestrator, payment.Call)
	}{
		"accepted":    {accepts("c-1"), func(*world, *orchestrator.Orchestrator, payment.Call) {}},
		"parked":      {nameUnsure, func(*world, *orchestrator.Orchestrator, payment.Call) { time.Sleep(10 * time.Minute) }},
		"by an event": {fail500, named},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				o, call := w.boot("one"), orderCall(payment.MethodCapture, "k")
				id := w.authorizedPayment(o)
				w.apply(o, parental(payment.MethodCapture, "early", "c-1", 1000), orchestrator.TakenOutside)
				w.provider(0).orders = []line{c.answer}
				if _, err := carryOut(w.Context(), o, call, order(id, 1000)); err != nil {
					t.Fatal(err)
				}
				w.drainFlights(o)
				two := w.boot("two")
				stop := w.sweep("two", two)
				defer stop()
				c.then(w, two, call)
				w.endedOnce(call, id)
			})
		})
	}
}

// Goal: what somebody else did while one of ours was without a name is told as theirs
// in the end. Method: a refund at the dashboard while one of ours is under way, which
// then has another name.
func TestNewsAheadThatIsSomebodyElses(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o, call := w.boot("one"), orderCall(payment.MethodRefund, "k")
		id := w.authorizedPayment(o)
		if _, err := carryOut(w.Context(), o, orderCall(payment.MethodCapture, "c"), order(id, 1000)); err != nil {
			t.Fatal(err)
		}
		w.provider(0).orders = []line{succeed, func(ctx context.Context, effect func() payment.ProviderReference) payment.Answer {
			w.applyIn(ctx, w.boot("two"), parental(payment.MethodRefund, "ahead", "theirs", 100), orchestrator.TakenOrphan) //nolint:contextcheck // counters are started at zero, for no call
			return succeed(ctx, effect)
		}}
		if _, err := carryOut(w.Context(), o, call, order(id, 400)); err != nil {
			t.Fatal(err)
		}
		w.matches(o)
		if got := w.payment(id); got.Refunded != 400 || got.ExternalRefunded() != 100 || len(w.attention()) != 0 {
			t.Errorf("refunded %d, beside us %d; to look at: %+v", got.Refunded, got.ExternalRefunded(), w.attention())
		}
	})
}

// Goal: a record that an event has moved on counts what was sent, as far as it can still
// take that: one that is final says that there was a send, since there is an effect.
// Method: a first send that fails and a second one that is answered after an event has
// told what became of it.
func TestSendsAreCountedBesideNews(t *testing.T) {
	for code, sends := range map[string]int{"pending": 2, "authorized": 1} {
		t.Run(code, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				o, call := w.boot("one"), newCall("key")
				w.provider(0).script = []line{fail500, after(5*time.Second, leadingTo(payment.StatePending))}
				ended := make(chan error)
				go func() {
					_, err := o.Authorize(w.Context(), call, instruction("a"))
					ended <- err
				}()
				time.Sleep(4 * time.Second)
				e := told("1", code, "a-1")
				e.Reference = call.Reference
				w.apply(w.boot("two"), e, orchestrator.TakenSettled)
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				w.drainFlights(o)
				if op, wire := w.operation(call), w.provider(0).onTheWire(); op.Current().Sends != sends || wire != 2 {
					t.Errorf("it is %s and counts %d sends of %d, want %d", op.State, op.Current().Sends, wire, sends)
				}
			})
		})
	}
}
