package orchestrator

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// concerning is an attention about an operation's open attempt.
func (o *Orchestrator) concerning(op payment.Operation, kind payment.AttentionKind, object payment.ProviderReference, summary string) *payment.Attention {
	a := payment.Attention{
		Tenant: op.Key.Tenant, Kind: kind, Account: op.Current().Account, Operation: op.Key.ID, Payment: op.PaymentID,
		Object: object, Summary: summary, Time: o.cfg.Now(),
	}.Identified()
	return &a
}

// alarm counts and logs what a person must look at, once it is on record or as
// soon as it cannot be.
func (o *Orchestrator) alarm(ctx context.Context, a payment.Attention) {
	o.metrics.attention.Add(ctx, 1, metric.WithAttributes(
		attribute.String("payment.attention", string(a.Kind)), attribute.String("payment.account", string(a.Account))))
	o.log.ErrorContext(ctx, "somebody must look", "attention", string(a.Kind), "attention_id", a.ID, "summary", a.Summary,
		"account", string(a.Account), "operation_id", string(a.Operation), "payment_id", string(a.Payment), "provider_reference", string(a.Object))
}

// attend puts an attention on record. A ledger that is away is asked until the
// operation's time is over: the log has it in any case.
func (f *flight) attend(ctx context.Context, a *payment.Attention) {
	f.o.alarm(ctx, *a)
	for until := f.lastCommit(); ; {
		_, err := f.o.cfg.Ledger.Record(ctx, ledger.Snapshot{}, nil, ledger.News{Attention: a})
		if err == nil {
			return
		}
		if !transient(err) || !f.o.cfg.Now().Before(until) || !f.pauseLedger(ctx) {
			f.log().ErrorContext(ctx, "attention not recorded", "attention_id", a.ID, "error", err)
			return
		}
	}
}

// witness raises an alarm when this flight holds an effect that the record, as
// others have written it by now, does not know of: there may be two.
func (f *flight) witness(ctx context.Context, mine payment.Operation) {
	now := f.op()
	held, shown := f.report.ProviderReference, now.Current().ProviderReference
	same := now.Current().Account == mine.Current().Account && (held == "" || shown == "" || held == shown)
	// What the provider has told to be cancelled may well have been held before.
	denied := (now.State == payment.StateDeclined || now.State == payment.StateFailed) && !now.Current().Released
	if f.report.Evidence != payment.EvidenceEffect || (same && !denied) {
		return
	}
	f.o.metrics.contradictions.Add(ctx, 1)
	a := f.o.concerning(mine, payment.AttentionSecondEffect, held, "an effect exists that the record does not know of; it says "+string(now.State))
	f.attend(ctx, a)
}
