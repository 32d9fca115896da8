package orchestrator

import (
	"context"
	"fmt"

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
	if !changed {
		return n.noted(ctx)
	}
	if _, err := n.o.cfg.Ledger.Record(ctx, n.snap, &p, n.event.kept()); err != nil {
		return "", err
	}
	if n.snap.Payment.AutoReserved > p.AutoReserved { // it was waited for
		n.log().InfoContext(ctx, "the provider's own capture is told", "amount", n.event.Outside.Amount, "provider_reference", string(n.event.Outside.Object))
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
