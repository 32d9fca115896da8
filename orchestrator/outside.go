package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// aboutOurs reports whether what moved is the doing of the operation that is known
// by the object: so it is with what operations do, and with the end of one that is
// told like a reversal, since the provider may not say whether it had succeeded.
func (n *news) aboutOurs() bool {
	if n.event.Outside.Kind.Ordinary() && n.event.Method != payment.MethodAuthorize {
		return true
	}
	answer := n.event.Answer
	answer.Transport = payment.TransportAnswered
	return n.op().State != payment.StateSucceeded && n.judge(mapping.Query, &answer).Evidence == payment.EvidenceNoEffectSticky
}

// outside records what happened to the payment beside our operations (T8), and calls
// somebody: a reversal takes back what a caller was told, and the limits of our own
// operations do not hold it. ours: it is about what an operation of ours made.
func (n *news) outside(ctx context.Context, ours bool) (Taken, error) {
	o := *n.event.Outside
	if !ours {
		if unnamed, err := n.unnamed(ctx); err != nil || unnamed {
			return n.awaitName(ctx, err)
		}
	}
	if o.Kind == payment.OutsideRefundReversal && !ours { // it gives nothing back that no refund on record took
		o.Kind, o.Amount = payment.OutsideRefund, 0
	}
	if a := n.event.Answer.Amount; a != nil && a.CurrencyCode != n.snap.Payment.Amount.CurrencyCode {
		return "", fmt.Errorf("%w: an effect in %s on a payment in %s", payment.ErrIllegalTransition, a.CurrencyCode, n.snap.Payment.Amount.CurrencyCode)
	}
	o.Time = n.event.Time
	p, changed, err := n.snap.Payment.WithOutside(o, n.o.cfg.Now())
	if err != nil {
		return "", err
	}
	if n.taken() {
		return n.settleTaken(ctx, p, changed)
	}
	if !changed {
		return n.noted(ctx)
	}
	if _, err := n.o.cfg.Ledger.Record(ctx, n.snap, &p, n.event.kept()); err != nil {
		return "", err
	}
	before := n.snap.Payment
	switch {
	case p.Released >= before.Released && o.Kind == payment.OutsideCapture &&
		(before.AutoReserved > p.AutoReserved || before.AutoCapture != p.AutoCapture): // it was waited for
		n.log().InfoContext(ctx, "the provider's own capture is told", "amount", o.Amount, "provider_reference", string(o.Object))
		return TakenOutside, nil
	case before.Voiding != "" && p.Released > before.Released: // a void of ours asks for that
		n.log().InfoContext(ctx, "the hold has ended while it is being voided", "kind", string(o.Kind), "provider_reference", string(o.Object))
		return TakenOutside, nil
	}
	n.log().WarnContext(ctx, "money moved beside our operations", "kind", string(n.event.Outside.Kind),
		"amount", n.event.Outside.Amount, "provider_reference", string(n.event.Outside.Object))
	answer := n.event.Answer
	answer.Transport = payment.TransportAnswered
	verdict := n.judge(mapping.Query, &answer)
	verdict.Alert = true
	n.alert(ctx, answer, verdict, decision{})
	return TakenOutside, nil
}

// taken reports whether the event tells of the capture of what an open authorization
// was to hold, at a provider that cannot be asked: nothing else may ever tell how that
// ended.
func (n *news) taken() bool {
	op, o := n.op(), n.event.Outside
	return o.Kind == payment.OutsideCapture && o.Amount > 0 && op.Method == payment.MethodAuthorize && !op.State.Final() && n.blind() &&
		n.event.Account == op.Current().Account && n.event.Parent == op.Current().ProviderReference
}

// settleTaken ends an authorization that takes the money at once by the capture of it,
// if the table calls that an effect, while it is being cancelled too: what is captured
// no late cancel can undo. The payment takes the capture in first, as p; whoever comes
// between the two writes is told again. Where the money was to be held, somebody else
// has taken it: a person looks at once.
func (n *news) settleTaken(ctx context.Context, p payment.Payment, changed bool) (Taken, error) {
	a := n.event.Answer
	a.Transport, a.Reference, a.Captured = payment.TransportAnswered, n.event.Parent, false // the payment knows how much
	v := n.judge(lookUp(n.op().State), &a)
	if p.CaptureMode != payment.CaptureAutomatic || v.Evidence != payment.EvidenceEffect {
		return n.takenByOthers(ctx, p, changed)
	}
	if changed {
		snap, err := n.o.cfg.Ledger.Record(ctx, n.snap, &p, ledger.News{})
		if err != nil {
			return "", err
		}
		n.snap.Payment, n.snap.Revision.Payment = snap.Payment, snap.Revision.Payment
	}
	return n.outcome(ctx, a, v)
}

// takenByOthers puts a capture of what is not known to be held before a person.
func (n *news) takenByOthers(ctx context.Context, p payment.Payment, changed bool) (Taken, error) {
	if !changed {
		return n.noted(ctx)
	}
	a := n.finding(payment.AttentionContradiction, "captured by somebody else while the authorization is "+string(n.op().State))
	kept := n.event.kept()
	kept.Attention = &a
	if _, err := n.o.cfg.Ledger.Record(ctx, n.snap, &p, kept); err != nil {
		return "", err
	}
	n.o.alarm(ctx, a)
	return TakenOutside, nil
}

// unnamed reports whether an operation that could have made the object of an event is
// open, and nobody knows yet what its own object is called: the event may be ahead of
// the answer that tells. It reads the payment anew, together with its operations, so
// that one that is claimed after this refuses what is written on the ground of it.
func (n *news) unnamed(ctx context.Context) (bool, error) {
	if n.event.Method == "" || n.event.Method == payment.MethodAuthorize {
		return false, nil // no operation on the payment makes such objects
	}
	snap, ops, err := n.o.cfg.Ledger.Payment(ctx, n.snap.Payment.Tenant, n.snap.Payment.ID)
	if err != nil {
		return false, err
	}
	n.snap.Payment, n.snap.Revision.Payment = snap.Payment, snap.Revision.Payment
	return slices.ContainsFunc(ops, func(op payment.Operation) bool {
		return op.Method == n.event.Method && !op.State.Final() && op.Current().ProviderReference == ""
	}), nil
}

// awaitName keeps an event until it is known whose it is, as an orphan that is gone through
// again; one that is one already stays one.
func (n *news) awaitName(ctx context.Context, err error) (Taken, error) {
	if err != nil {
		return "", err
	}
	if n.event.orphan != "" {
		return TakenOrphan, nil
	}
	return n.o.put(ctx, n.event, payment.AttentionOrphan, "an authentic event may be about an operation whose object has no name yet")
}

// foretold is the outcome of an operation that its provider has accepted, and of whose
// object it has told already: the event was taken for somebody else's, since nobody
// knew then what the object is called. Any other transition stays as it is.
func (f *flight) foretold(t payment.Transition, applied payment.Applied) (payment.Transition, payment.Applied) {
	settle, ok := t.(payment.Settle)
	if !ok || settle.State != payment.StatePending {
		return t, applied
	}
	amount, found := f.beside(settle.Report.ProviderReference)
	if !found {
		return t, applied
	}
	settle.State, settle.Due, settle.Report.Evidence = payment.StateSucceeded, time.Time{}, payment.EvidenceEffect
	return settle, payment.Applied{Amount: amount}
}

// foretoldLook is what such an event decides about an operation that is looked at,
// before its provider is asked.
func (f *flight) foretoldLook() (decision, bool) {
	amount, found := f.beside(f.object())
	if !found {
		return decision{}, false
	}
	f.report.Evidence, f.report.NextAction = payment.EvidenceEffect, nil
	return decision{
		action: actionSettle, apply: payment.Applied{Amount: amount},
		settle: payment.Settle{State: payment.StateSucceeded, At: f.o.cfg.Now()},
	}, true
}

// beside is how much an effect is of that the payment has as somebody else's, and that
// is the operation's if its object is called so.
func (f *flight) beside(object payment.ProviderReference) (payment.Money, bool) {
	row, found := f.snap.Payment.Beside(f.op().Method, object)
	return payment.Money{MinorUnits: row.Amount, CurrencyCode: f.snap.Payment.Amount.CurrencyCode}, found
}
