package ledgertest

import (
	"crypto/rand"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// event is one that nobody has told of yet.
func (w *world) event() *payment.EventKey {
	return &payment.EventKey{Account: "account-1", ID: "evt/ " + rand.Text()}
}

// told is a change with the event that told it.
func told(c ledger.Change, e *payment.EventKey) ledger.Change {
	c.Event = e
	return c
}

// noted is what adds to what is known of the open attempt.
func (w *world) noted(s ledger.Snapshot) ledger.Change {
	w.Helper()
	op := w.next(s.Operation, payment.Note{Report: payment.Report{
		Sends: s.Operation.Current().Sends, Evidence: payment.EvidenceUnknown, MappingRow: "sandbox.event.canceling", Code: "canceling",
		RequestID: rand.Text(), ProviderReference: payment.ProviderReference("psp/noted " + rand.Text()),
	}})
	return w.change(s, op, 0)
}

// halting is what stops all sends of an operation.
func (w *world) halting(s ledger.Snapshot) ledger.Change {
	w.Helper()
	op := w.next(s.Operation, payment.Halt{Reason: "an effect elsewhere", At: w.t0, Due: w.t0.Add(time.Hour)})
	return w.change(s, op, 0)
}

// postponed is what writes that a look at an operation found nothing new.
func (w *world) postponed(s ledger.Snapshot, due time.Time) ledger.Change {
	w.Helper()
	return w.change(s, w.next(s.Operation, payment.Park{At: w.t0, Due: due, Reason: "still pending"}), 0)
}

// refunded is the payment of s once somebody else has refunded x of it, in all,
// by an object.
func (w *world) refunded(s ledger.Snapshot, object payment.ProviderReference, x int64) *payment.Payment {
	w.Helper()
	p, changed, err := s.Payment.WithOutside(payment.Outside{Object: object, Kind: payment.OutsideRefund, Amount: x}, w.t0.Add(2*time.Second))
	if err != nil || !changed {
		w.Fatalf("the fixture itself is wrong: changed is %v, error %v", changed, err)
	}
	return &p
}

// contradiction is something about an operation that its tenant's people must look at.
func (w *world) contradiction(s ledger.Snapshot) *payment.Attention {
	a := payment.Attention{
		Tenant: s.Operation.Key.Tenant, Kind: payment.AttentionContradiction, Account: "account-1", Operation: s.Operation.Key.ID,
		Payment: s.Operation.PaymentID, Object: payment.ProviderReference("psp/ " + rand.Text()), Summary: "refused, <and> paid", Time: w.t0.UTC().Round(0),
	}.Identified()
	return &a
}

// orphan is an event about nothing that anybody knows.
func (w *world) orphan() *payment.Attention {
	e := payment.Event{EventKey: *w.event(), Time: w.t0.UTC().Round(0), Reference: "NOBODYS", Answer: payment.Answer{
		Transport: payment.TransportAnswered, Code: "paid", Reference: "psp/ orphan", Amount: &payment.Money{MinorUnits: 7, CurrencyCode: "EUR"},
	}, Outside: &payment.Outside{Object: "psp/ orphan", Kind: payment.OutsideDispute, Amount: 7, Time: w.t0.UTC().Round(0)}}
	a := payment.Attention{
		Kind: payment.AttentionOrphan, Account: e.Account, Object: e.Answer.Reference, Summary: "nobody's", Event: &e, Time: w.t0.UTC().Round(0),
	}.Identified()
	return &a
}

// captured is a payment of which 500 are captured.
func (w *world) captured(i int) ledger.Snapshot {
	w.Helper()
	s := w.capturing(i, w.authorized(i), 500)
	return w.advance(i, s, w.outcome(s, payment.StateSucceeded))
}

// recorded writes news of the payment of s that moves no operation.
func (w *world) recorded(i int, s ledger.Snapshot, p *payment.Payment, n ledger.News) ledger.Snapshot {
	w.Helper()
	got, err := w.Ledgers[i].Record(w.ctx(), s, p, n)
	w.ok("record", err)
	return got
}

// kept checks whether an event is kept, by taking it in: it is kept afterwards.
func (w *world) kept(e *payment.EventKey, want bool) {
	w.Helper()
	_, err := w.Ledgers[1].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Event: e})
	if want {
		w.fails("taking in an event that is kept", err, ledger.ErrEventKnown)
		return
	}
	w.ok("taking in an event that is not kept", err)
}

// attentive checks what a tenant's people are to look at, as every ledger lists it.
func (w *world) attentive(t payment.TenantID, want ...payment.Attention) {
	w.Helper()
	for _, l := range w.Ledgers {
		got, err := l.Attention(w.ctx(), t, "", ledger.PageMax)
		w.ok("attention", err)
		same(w, "what needs attention", got, want)
	}
}
