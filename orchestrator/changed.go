package orchestrator

import (
	"cmp"
	"context"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// changed makes due at once whatever waits for an object of which the provider tells
// only that it has changed: the next look shows how, and decides as any look does.
// Where nothing waits for it the event is only kept: an owner is about to hear from
// the provider itself, and what is final is not asked about.
func (n *news) changed(ctx context.Context) (Taken, error) {
	if err := n.waiting(ctx); err != nil {
		return "", err
	}
	op, now := n.op(), n.o.cfg.Now()
	if op.State.Final() || op.Owner != "" || !now.Before(op.NextCheck) || op.Current().Account != n.event.Account {
		return n.noted(ctx)
	}
	if err := n.record(ctx, payment.Hasten{Due: now}, payment.Applied{}); err != nil {
		return "", err
	}
	n.log().InfoContext(ctx, "operation is looked up since its object changed", "account", string(n.event.Account))
	return TakenDue, nil
}

// waiting goes on to the operation that waits for the object, where the one that made
// it is final: a provider without an object for a capture or a void tells of the
// authorization's.
func (n *news) waiting(ctx context.Context) error {
	made := n.op()
	if !made.State.Final() {
		return nil
	}
	_, all, err := n.o.cfg.Ledger.Payment(ctx, made.Key.Tenant, made.PaymentID)
	if err != nil {
		return err
	}
	object := n.event.Answer.Reference
	for _, op := range all {
		attempt := op.Current()
		if op.State.Final() || cmp.Or(attempt.ProviderReference, attempt.Parent) != object {
			continue
		}
		snap, err := n.o.cfg.Ledger.Read(ctx, op.Key)
		if err != nil {
			return err
		}
		n.snap, n.report = snap, known(snap.Operation)
		return nil
	}
	return nil
}

// strange says in one sentence what an event is that no operation can be found for.
func strange(e payment.Event) string {
	if e.Changed && e.Method == "" {
		return "something that no operation makes has changed, and the provider does not say how; look there: " + e.Answer.Code
	}
	return "an authentic event is about an object that no operation made"
}
