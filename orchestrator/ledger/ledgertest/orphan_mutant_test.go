package ledgertest

import (
	"context"
	"errors"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// unmatched records without what ends an orphan.
func unmatched(when func(p *payment.Payment, n ledger.News) bool) func(l *broken) {
	return brokenRecord(func(_ *broken, record recording) recording {
		return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
			if when(p, n) && n.Orphan != "" {
				if n.Orphan = ""; p == nil && n.Attention == nil {
					return s, nil
				}
			}
			return record(ctx, s, p, n)
		}
	})
}

// ends ends an orphan before it is known whether its change is made.
func ends() func(l *broken) {
	return advancing(func(l *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			now, err := advance(ctx, s, c)
			if errors.Is(err, ledger.ErrFenced) && c.Orphan != "" {
				delete(l.store.attention, attentionKey{id: c.Orphan})
			}
			return now, err
		}
	})
}

func orphanMutants() []mutant {
	return []mutant{
		{"a change leaves its orphan", "orphan/ends with the change that it told", before(func(_ ledger.Snapshot, c *ledger.Change) { c.Orphan = "" })},
		{"an orphan moves two operations", "orphan/matched by all at once is matched by one", before(func(_ ledger.Snapshot, c *ledger.Change) { c.Orphan = "" })},
		{"news of a payment leaves its orphan", "orphan/ends with the news of a payment that it told", unmatched(func(p *payment.Payment, _ ledger.News) bool { return p != nil })},
		{"attention leaves its orphan", "orphan/becomes somebody's attention in one write", unmatched(func(_ *payment.Payment, n ledger.News) bool { return n.Attention != nil })},
		{"a refused change ends its orphan", "orphan/stays when its change is refused", ends()},
		{"a stranger's write ends the orphan", "orphan/of a stranger's write is not taken for its own", coarsely()},
		{"a change is refused because its orphan is gone", "orphan/matched again with its change is one write", fencedByItself()},
		{"anything names an orphan", "orphan/is named by its id and by nothing else", brokenRecord(func(_ *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				if wrong := ledger.CheckNews(n); wrong != nil {
					n = ledger.News{Attention: &payment.Attention{ID: strings.Repeat("0", 32), Kind: payment.AttentionStuck}}
				}
				return record(ctx, s, p, n)
			}
		})},
	}
}
