package orchestrator

import (
	"context"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// unsure reports whether there may be a copy of the open attempt's request beside the
// one that is known: an owner that is gone may have sent it. Of an authorization that was
// answered, and has had no other owner since than the one who cancels it, none is.
func (n *news) unsure() bool {
	op, attempt := n.op(), n.op().Current()
	answered := op.State == payment.StateFencing && op.Response != nil && op.Epoch == attempt.Epoch+1
	return attempt.Uncertain || attempt.Epoch != op.Epoch && !answered
}

// endedOne puts before a person that a cancel found one of what may be several payments,
// which the provider does not know as copies: it tells of the one, and of no other.
func (n *news) endedOne(ctx context.Context) (Taken, error) {
	a := n.finding(payment.AttentionStuck, "a cancel ended one payment, and another copy of the request may have made one more")
	kept := n.event.kept()
	kept.Attention = &a
	if _, err := n.o.cfg.Ledger.Record(ctx, ledger.Snapshot{}, nil, kept); err != nil {
		return "", err
	}
	n.o.alarm(ctx, a)
	return TakenNoted, nil
}
