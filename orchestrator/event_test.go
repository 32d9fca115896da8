package orchestrator_test

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// told is an event about what the first account's provider calls object.
func told(id, code string, object payment.ProviderReference) payment.Event {
	a := payment.Answer{HTTPStatus: 200, Code: code, Reference: object}
	if code == "declined" {
		a.Decline = "insufficient_funds"
	}
	return payment.Event{EventKey: payment.EventKey{Account: "a", ID: id}, Method: payment.MethodAuthorize, Answer: a}
}

// apply takes an event in, which must become what is wanted.
func (w *world) apply(o *orchestrator.Orchestrator, e payment.Event, want orchestrator.Taken) {
	w.Helper()
	w.applyIn(w.Context(), o, e, want)
}

func (w *world) applyIn(ctx context.Context, o *orchestrator.Orchestrator, e payment.Event, want orchestrator.Taken) {
	w.Helper()
	taken, err := o.Apply(ctx, e)
	if err != nil || taken != want {
		w.Errorf("event %s was taken as %q, %v; want %q", e.ID, taken, err, want)
	}
}

// leadingTo is what a provider answers that leads to a state.
func leadingTo(state payment.State) line {
	says := func(code string, next *payment.NextAction) line {
		return func(_ context.Context, effect func() payment.ProviderReference) payment.Answer {
			a := answered(200, code)
			a.Reference, a.NextAction = effect(), next
			return a
		}
	}
	switch state {
	case payment.StateSucceeded:
		return succeed
	case payment.StateDeclined:
		return decline
	case payment.StatePending:
		return says("pending", nil)
	case payment.StateRequiresAction:
		return says("requires_action", &payment.NextAction{RedirectURL: "https://bank.example"})
	case payment.StateFailed:
		return func(context.Context, func() payment.ProviderReference) payment.Answer {
			return answered(400, "invalid_request")
		}
	case payment.StateIntent, payment.StateUnknown, payment.StateFencing:
	}
	return withID
}

// settledBy is a world with an operation in a state, from one account, known to
// the provider as "a-1". It has no living owner.
func settledBy(t *testing.T, state payment.State, then func(w *world, o *orchestrator.Orchestrator, call payment.Call)) {
	t.Helper()
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p := w.provider(0)
		p.script, p.traits.Fence, p.cancels = []line{leadingTo(state)}, payment.FenceByObject, []canceller{cancelNot}
		o, call := w.boot("one"), newCall("key")
		w.leaves(o, call, "a")
		time.Sleep(2 * time.Minute)
		if state == payment.StateFencing {
			time.Sleep(16 * time.Minute)
			if err := o.Visit(w.Context(), call.OperationKey()); err != nil {
				t.Fatal(err)
			}
		}
		if op := w.operation(call); op.State != state || op.Owner != "" {
			t.Fatalf("prepared %s, owned by %q; want %s", op.State, op.Owner, state)
		}
		then(w, o, call)
	})
}

// Goal: every event does what it calls for in every state, once, and never
// changes a final record or a response. Method: the whole table; each event is
// applied three times, the second time under another id.
func TestEveryEventInEveryState(t *testing.T) {
	const settled, noted, contradict = orchestrator.TakenSettled, orchestrator.TakenNoted, orchestrator.TakenContradict
	type then struct {
		first, again orchestrator.Taken
		state        payment.State
	}
	stays := func(s payment.State) then { return then{noted, noted, s} }
	codes := []string{"authorized", "declined", "pending", "not_found", "something_new"}
	table := []struct {
		from payment.State
		row  []then
	}{
		{payment.StateUnknown, []then{
			{settled, noted, payment.StateSucceeded},
			{settled, noted, payment.StateDeclined},
			{settled, noted, payment.StatePending},
			stays(payment.StateUnknown), stays(payment.StateUnknown),
		}},
		{payment.StatePending, []then{
			{settled, noted, payment.StateSucceeded},
			{settled, noted, payment.StateDeclined},
			stays(payment.StatePending),
			stays(payment.StatePending), stays(payment.StatePending),
		}},
		{payment.StateRequiresAction, []then{
			{settled, noted, payment.StateSucceeded},
			{settled, noted, payment.StateDeclined},
			stays(payment.StateRequiresAction),
			stays(payment.StateRequiresAction), stays(payment.StateRequiresAction),
		}},
		{payment.StateFencing, []then{
			stays(payment.StateFencing), stays(payment.StateFencing), stays(payment.StateFencing),
			stays(payment.StateFencing), stays(payment.StateFencing),
		}},
		{payment.StateSucceeded, []then{
			stays(payment.StateSucceeded),
			{contradict, contradict, payment.StateSucceeded},
			stays(payment.StateSucceeded),
			stays(payment.StateSucceeded), stays(payment.StateSucceeded),
		}},
		{payment.StateDeclined, []then{
			{contradict, contradict, payment.StateDeclined},
			stays(payment.StateDeclined), stays(payment.StateDeclined),
			stays(payment.StateDeclined), stays(payment.StateDeclined),
		}},
		{payment.StateFailed, []then{
			{contradict, contradict, payment.StateFailed},
			stays(payment.StateFailed), stays(payment.StateFailed),
			stays(payment.StateFailed), stays(payment.StateFailed),
		}},
	}
	for _, c := range table {
		from := c.from
		for i, want := range c.row {
			t.Run(string(from)+"/"+codes[i], func(t *testing.T) {
				settledBy(t, from, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
					before := w.operation(call)
					e := told("1", codes[i], cmp.Or(before.Current().ProviderReference, "a-1"))
					e.Reference = before.Reference
					w.apply(o, e, want.first)
					after := w.operation(call)
					if after.State != want.state || after.Owner != "" || (after.State.Final() && after.Sealed != nil) {
						t.Errorf("then %s, owned by %q", after.State, after.Owner)
					}
					if before.Response != nil && string(before.Response) != string(after.Response) {
						t.Error("the response changed")
					}
					writes := w.dump().Writes
					w.apply(o, e, orchestrator.TakenDuplicate)
					if now := w.dump().Writes; now != writes {
						t.Error("a duplicate was written")
					}
					e.ID = "2"
					w.apply(o, e, want.again)
					if diff := gocmp.Diff(after, w.operation(call)); diff != "" {
						t.Errorf("told again, the record changed:\n%s", diff)
					}
					if n, contradicts := len(w.attention()), want.first == contradict; (n > 0) != contradicts {
						t.Errorf("%d things to look at", n)
					}
				})
			})
		}
	}
}

// Goal: news that comes before the answer settles the operation; whoever is at
// work then sends nothing more, and the caller gets that outcome. Method: an
// event while the owner waits between two sends.
func TestNewsOvertakesTheOwner(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).script = []line{fail500After}
		o, call := w.boot("one"), newCall("key")
		var reply payment.Reply
		var err error
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			reply, err = o.Authorize(w.Context(), call, instruction("a"))
		}()
		time.Sleep(4 * time.Second)
		sends, e := len(w.provider(0).sends()), told("1", "authorized", "a-1")
		e.Reference = call.Reference // ours: the provider's own name is not on record yet
		w.apply(w.boot("two"), e, orchestrator.TakenSettled)
		<-ended
		if err != nil || answerOf(t, reply).State != payment.StateSucceeded || !reply.Stored {
			t.Errorf("the caller got %+v, %v", reply, err)
		}
		if n := len(w.provider(0).sends()); n != sends {
			t.Errorf("%d sends after the news", n-sends)
		}
		w.state(call, payment.StateSucceeded, 1)
	})
}

// Goal: an effect where the operation had left stops all sends, and a person is
// told; nobody resumes it, and only proof ends it. Method: an operation that
// failed over is told of an effect at the account before.
func TestEffectBehindAFailoverHalts(t *testing.T) {
	inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
		w.provider(0).script, w.provider(1).script = []line{decline}, []line{fail500}
		o, call := w.boot("one"), newCall("key")
		w.leaves(o, call, "a", "b")
		time.Sleep(4 * time.Second)
		e := told("1", "authorized", "a-1")
		e.Reference = call.Reference
		w.apply(w.boot("two"), e, orchestrator.TakenContradict)
		sends := len(w.provider(1).sends())
		stop := w.sweep("one", o)
		defer stop()
		time.Sleep(time.Hour)
		reply, err := o.Resume(w.Context(), w.operation(call))
		if err != nil || reply.Stored || len(w.provider(1).sends()) != sends {
			t.Errorf("a retry got %+v, %v; %d more sends", reply, err, len(w.provider(1).sends())-sends)
		}
		op := w.state(call, payment.StateUnknown, 0)
		if !op.Halted || op.NextCheck.IsZero() {
			t.Errorf("halted is %t", op.Halted)
		}
		found := w.attention()
		if len(found) != 1 || found[0].Kind != payment.AttentionSecondEffect || found[0].Account != "a" || found[0].Event == nil {
			t.Errorf("told: %+v", found)
		}
		other := told("2", "authorized", "b-1")
		other.Account = "b"
		other.Reference = call.Reference
		w.apply(o, other, orchestrator.TakenSettled)
		if op := w.operation(call); op.State != payment.StateSucceeded {
			t.Errorf("then %s", op.State)
		}
	})
}

// Goal: an effect under a second name of the provider is told to a person, since
// it may be a second one.
func TestSecondObject(t *testing.T) {
	settledBy(t, payment.StateSucceeded, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		e := told("1", "authorized", "another")
		e.Reference = call.Reference
		w.apply(o, e, orchestrator.TakenContradict)
		if found := w.attention(); len(found) != 1 || found[0].Object != "another" || found[0].Operation != call.OperationKey().ID {
			t.Errorf("told: %+v", found)
		}
		w.state(call, payment.StateSucceeded, 1)
	})
}

// Goal: an event from before a cancel that comes after it is no contradiction, if
// the provider shows that the effect is gone.
func TestEventFromBeforeTheCancel(t *testing.T) {
	settledBy(t, payment.StateFencing, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
		w.provider(0).mu.Lock()
		w.provider(0).traits.Query, w.provider(0).cancels = true, []canceller{cancelIt}
		w.provider(0).mu.Unlock()
		two := w.boot("two")
		stop := w.sweep("two", two)
		defer stop()
		w.store.EndSession("one")
		time.Sleep(time.Hour)
		w.state(call, payment.StateFailed, 0)
		w.apply(two, told("1", "authorized", "a-1"), orchestrator.TakenNoted)
		if found := w.attention(); len(found) != 0 {
			t.Errorf("told: %+v", found)
		}
	})
}

// Goal: an authentic event about nothing we know is kept, once, and told.
func TestOrphan(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		o := w.boot("one")
		w.apply(o, told("1", "authorized", "stranger"), orchestrator.TakenOrphan)
		w.apply(o, told("1", "authorized", "stranger"), orchestrator.TakenDuplicate)
		found := w.attention()
		if len(found) != 1 || found[0].Kind != payment.AttentionOrphan || found[0].Tenant != "" || found[0].Event.Answer.Code != "authorized" {
			t.Errorf("kept: %+v", found)
		}
		if _, err := o.Apply(w.Context(), payment.Event{}); err == nil {
			t.Error("an event without a name was taken")
		}
	})
}

// Goal: what happened to a payment beside our operations changes its amounts once
// an object, and what an operation of ours did is never taken for it. Method: the
// life of a refund made elsewhere, one of ours, its reversal, and a dispute.
func TestOutsideNews(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		w.provider(0).traits.MultipleCaptures = true
		o := w.boot("one")
		id := w.authorizedPayment(o)
		for _, m := range []payment.Method{payment.MethodCapture, payment.MethodRefund} {
			if _, err := carryOut(w.Context(), o, orderCall(m, "k"), order(id, 400)); err != nil {
				t.Fatal(err)
			}
		}
		refund := w.operation(orderCall(payment.MethodRefund, "k")).Current().ProviderReference
		n := 0
		tell := func(kind payment.OutsideKind, object, parent payment.ProviderReference, amount int64, want orchestrator.Taken) {
			t.Helper()
			n++
			e := told(string(kind)+string(rune('0'+n)), "refunded", object)
			e.Parent, e.Outside = parent, &payment.Outside{Object: object, Kind: kind, Amount: amount}
			if e.Method = payment.MethodRefund; kind == payment.OutsideDispute {
				e.Method = ""
			}
			w.apply(o, e, want)
		}
		look := func(refundable, external, disputed int64, status payment.Status) {
			t.Helper()
			p := w.payment(id)
			if p.Refundable() != refundable || p.ExternalRefunded() != external || p.Disputed() != disputed || p.Status != status || p.Refunded != 400 {
				t.Errorf("refundable %d, external %d, disputed %d, %s", p.Refundable(), p.ExternalRefunded(), p.Disputed(), p.Status)
			}
		}
		look(0, 0, 0, payment.StatusRefunded)
		tell(payment.OutsideRefund, refund, "a-1", 400, orchestrator.TakenNoted) // it is ours
		look(0, 0, 0, payment.StatusRefunded)
		tell(payment.OutsideRefundReversal, refund, "a-1", 400, orchestrator.TakenOutside)
		look(400, 0, 0, payment.StatusPartiallyCaptured)
		tell(payment.OutsideRefund, "by hand", "a-1", 150, orchestrator.TakenOutside)
		tell(payment.OutsideRefund, "by hand", "a-1", 150, orchestrator.TakenNoted)
		look(250, 150, 0, payment.StatusPartiallyRefunded)
		tell(payment.OutsideDispute, "chargeback", "a-1", 400, orchestrator.TakenOutside)
		look(0, 150, 400, payment.StatusPartiallyRefunded)
		tell(payment.OutsideDispute, "chargeback", "nobody's", 400, orchestrator.TakenOrphan)
	})
}

// Goal: an event is taken in when it is durable, not before; one whose record
// moves meanwhile is decided anew. Method: the ledger is away, loses the answer,
// or somebody else settles first.
func TestEventFaults(t *testing.T) {
	for name, c := range map[string]struct {
		loss ledgertest.Loss
		want orchestrator.Taken // of the first delivery; "" is an error
		next orchestrator.Taken
	}{
		"away":                        {ledgertest.Unavailable, "", orchestrator.TakenSettled},
		"lost, and it was written":    {ledgertest.AmbiguousApplied, "", orchestrator.TakenDuplicate},
		"lost, and it was not":        {ledgertest.AmbiguousNotApplied, "", orchestrator.TakenSettled},
		"somebody else was faster":    {ledgertest.None, orchestrator.TakenNoted, orchestrator.TakenDuplicate},
		"and somebody contradicts":    {ledgertest.None, orchestrator.TakenContradict, orchestrator.TakenDuplicate},
		"the payment moved meanwhile": {ledgertest.None, orchestrator.TakenSettled, orchestrator.TakenDuplicate},
	} {
		t.Run(name, func(t *testing.T) {
			settledBy(t, payment.StateUnknown, func(w *world, o *orchestrator.Orchestrator, call payment.Call) {
				two, armed := w.boot("two"), true
				w.store.SetHook(func(ctx context.Context, l ledgertest.Call) ledgertest.Fault {
					if l.Kind != ledgertest.KindOutcome || l.Boot != "one" || !armed {
						return ledgertest.Fault{}
					}
					armed = false
					switch c.want {
					case orchestrator.TakenNoted:
						w.applyIn(ctx, two, told("other", "authorized", "a-1"), orchestrator.TakenSettled)
					case orchestrator.TakenContradict:
						w.applyIn(ctx, two, told("other", "declined", "a-1"), orchestrator.TakenSettled)
					case orchestrator.TakenSettled:
						e := told("other", "refunded", "d")
						e.Method, e.Parent, e.Outside = "", "a-1", &payment.Outside{Object: "d", Kind: payment.OutsideDispute, Amount: 1}
						w.applyIn(ctx, two, e, orchestrator.TakenOutside)
					case orchestrator.TakenDuplicate, orchestrator.TakenDue, orchestrator.TakenOrphan, orchestrator.TakenOutside, orchestrator.TakenUnfit:
					}
					return ledgertest.Fault{Loss: c.loss}
				})
				e := told("1", "authorized", "a-1")
				taken, err := o.Apply(w.Context(), e)
				if taken != c.want || (err == nil) != (c.want != "") {
					t.Errorf("taken as %q, %v; want %q", taken, err, c.want)
				}
				if refused, ok := errors.AsType[*payment.Error](err); err != nil && (!ok || refused.RetryAfter == 0) {
					t.Errorf("got %v, want to be told to deliver it again", err)
				}
				w.apply(o, e, c.next)
				if s := w.operation(call).State; !s.Final() {
					t.Errorf("it is %s", s)
				}
			})
		})
	}
}
