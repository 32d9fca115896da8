package orchestrator

import (
	"context"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// awaitedReason tells a person what ends the wait. The provider's own pages do: what is
// done there comes back as an event, which posts the capture or gives the hold back.
const awaitedReason = "the provider has not told of the capture that it was to make by itself: " +
	"have it tell again, or capture or cancel the payment at its own pages"

// FindAwaited goes through a page of a tenant's payments that were made in a span of
// time, "" for the first page, and puts before a person each whose provider was to
// capture it by itself and has told nothing of that. Nothing is given back by that: the
// money may well have been taken. It returns the page after, "" after the last one.
//
// Errors: *payment.Error if the ledger is away; the same page is then to be asked for
// again. Found twice it is one record.
func (o *Orchestrator) FindAwaited(ctx context.Context, tenant payment.TenantID, from, until time.Time, page string) (next string, err error) {
	f := ledger.Filter{Tenant: tenant, Statuses: []payment.Status{payment.StatusAuthorized}, From: from, Until: until}
	found, next, err := o.cfg.Ledger.List(ctx, f, page, ledger.PageMax)
	if err != nil {
		return page, payment.Recorded(refusal(err))
	}
	for _, p := range found {
		if p.AutoReserved == 0 || len(p.Operations) == 0 {
			continue
		}
		a := payment.Attention{
			Tenant: p.Tenant, Kind: payment.AttentionStuck, Account: p.Account, Operation: p.Operations[0], Payment: p.ID,
			Object: p.ProviderReference, Summary: awaitedReason, Time: o.cfg.Now(),
		}.Identified()
		if _, err := o.cfg.Ledger.Record(ctx, ledger.Snapshot{}, nil, ledger.News{Attention: &a}); err != nil {
			return page, payment.Recorded(refusal(err))
		}
		o.alarm(ctx, a)
	}
	return next, nil
}
