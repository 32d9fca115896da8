package ledgertest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func readMutants() []mutant {
	return []mutant{
		{"a read knows no tenants", "contention/keeps tenants with the same key apart", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				for other := range l.store.operations {
					if other.ID == k.ID {
						return l.Memory.Read(ctx, other)
					}
				}
				return l.Memory.Read(ctx, k)
			}
		}},
		{"a payment knows no tenants", "payment/of another tenant is not found", func(l *broken) {
			l.payment = func(ctx context.Context, _ payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				return l.Memory.Payment(ctx, tenant, id)
			}
		}},
		{"operations come newest first", "payment/is read with its operations, oldest first", func(l *broken) {
			l.payment = func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				p, ops, err := l.Memory.Payment(ctx, t, id)
				slices.Reverse(ops)
				return p, ops, err
			}
		}},
		{"a payment and its operations are read apart", "payment/and its operations are of one moment", func(l *broken) {
			l.payment = func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				p, _, err := l.Memory.Payment(ctx, t, id)
				if err != nil {
					return p, nil, err
				}
				_, ops, err := l.Memory.Payment(ctx, t, id)
				return p, ops, err
			}
		}},
		{"a reference knows no accounts", "reference/is found by ours and by the provider's, on its account only", func(l *broken) {
			l.reference = func(ctx context.Context, a payment.AccountName, r string) (payment.OperationKey, error) {
				for known, k := range l.store.references {
					if known.Name == r {
						return k, nil
					}
				}
				return l.Memory.ByReference(ctx, a, r)
			}
		}},
		{"what cannot be read does not exist", "fault/store out of reach is told on every call", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				if err != nil {
					return s, ledger.ErrNotFound
				}
				return s, err
			}
		}},
	}
}

func indexMutants() []mutant {
	due := func(how func(all []ledger.Open, now time.Time, limit int) []ledger.Open) func(l *broken) {
		return func(l *broken) {
			l.due = func(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
				all, err := l.Memory.Due(ctx, shard, now.Add(2000*time.Hour), 10_000)
				return how(all, now, limit), err
			}
		}
	}
	until := func(all []ledger.Open, now time.Time) []ledger.Open {
		return slices.DeleteFunc(all, func(o ledger.Open) bool { return o.Due.After(now) })
	}
	return []mutant{
		{"everything is due", "due/lists what is due and nothing that is not", due(func(all []ledger.Open, _ time.Time, limit int) []ledger.Open {
			return all[:min(limit, len(all))]
		})},
		{"due has no limit", "due/lists the longest due first, up to the limit", due(func(all []ledger.Open, now time.Time, _ int) []ledger.Open {
			return until(all, now)
		})},
		{"due is in no order", "due/lists the longest due first, up to the limit", due(func(all []ledger.Open, now time.Time, limit int) []ledger.Open {
			all = until(all, now)
			slices.SortFunc(all, func(a, b ledger.Open) int { return strings.Compare(string(a.Key.ID), string(b.Key.ID)) })
			return all[:min(limit, len(all))]
		})},
		{"due is limited before it is ordered", "due/lists the longest due first, up to the limit", due(func(all []ledger.Open, now time.Time, limit int) []ledger.Open {
			slices.SortFunc(all, func(a, b ledger.Open) int { return strings.Compare(string(a.Key.ID), string(b.Key.ID)) })
			all = until(all, now)
			all = all[:min(limit, len(all))]
			slices.SortFunc(all, func(a, b ledger.Open) int { return a.Due.Compare(b.Due) })
			return all
		})},
		{"due forgets a tenant", "due/lists every tenant's operations", due(func(all []ledger.Open, now time.Time, limit int) []ledger.Open {
			all = slices.DeleteFunc(until(all, now), func(o ledger.Open) bool { return o.Key.Tenant != tenant })
			return all[:min(limit, len(all))]
		})},
		{"a shard lists its neighbour's", "due/lists an operation in its own shard only", func(l *broken) {
			l.due = func(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
				all, err := l.Memory.Due(ctx, shard, now, limit)
				if len(all) == 0 {
					return l.Memory.Due(ctx, (shard+1)%ledger.Shards, now, limit)
				}
				return all, err
			}
		}},
	}
}

func listMutants() []mutant {
	type list = func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error)
	with := func(how func(l *broken) list) func(l *broken) {
		return func(l *broken) { l.list = how(l) }
	}
	// filtered lists by another filter than it was asked for.
	filtered := func(alter func(f *ledger.Filter)) func(l *broken) {
		return with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, _ string, limit int) ([]payment.Payment, string, error) {
				alter(&f)
				found, _, err := l.Memory.List(ctx, f, "", limit)
				return found, "", err
			}
		})
	}
	// paged lists from another token than it was given.
	paged := func(alter func(l *broken, f ledger.Filter, page string) string) func(l *broken) {
		return with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				return l.Memory.List(ctx, f, alter(l, f, page), limit)
			}
		})
	}
	return []mutant{
		{"a list comes oldest first", "list/is in order, newest first, and whole", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				found, next, err := l.Memory.List(ctx, f, page, limit)
				slices.Reverse(found)
				return found, next, err
			}
		})},
		{"a list begins nowhere", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) { f.From = time.Time{} })},
		{"a list excludes its beginning", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) {
			if !f.From.IsZero() {
				f.From = f.From.Add(1)
			}
		})},
		{"a list includes its end", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) {
			if !f.Until.IsZero() {
				f.Until = f.Until.Add(1)
			}
		})},
		{"a list knows milliseconds only", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) {
			f.From = f.From.Truncate(time.Millisecond)
		})},
		{"a list knows no references", "list/of a merchant reference holds its payments alone", filtered(func(f *ledger.Filter) { f.MerchantReference = "" })},
		{"a list knows no statuses", "list/of statuses shows where payments stand now", filtered(func(f *ledger.Filter) { f.Statuses = nil })},
		{"a list knows one status", "list/of statuses shows where payments stand now", filtered(func(f *ledger.Filter) { f.Statuses = f.Statuses[:min(1, len(f.Statuses))] })},
		{"a list knows no tenants", "list/holds no payment of another tenant", filtered(func(f *ledger.Filter) { f.Tenant = tenant })},
		{"a list ends after its first page", "list/in pages of any size is the whole", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				found, _, err := l.Memory.List(ctx, f, page, limit)
				return found, "", err
			}
		})},
		{"a page begins with the end of the one before", "list/in pages of any size is the whole", paged(func(_ *broken, f ledger.Filter, page string) string {
			if place, err := ledger.DecodePage(f, page); err == nil && place != "" {
				return ledger.EncodePage(f, place+"0")
			}
			return page
		})},
		{"pages are counted", "list/in pages while payments are made misses none and repeats none", func(l *broken) {
			places := map[string]int{}
			l.list = func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				all, _, err := l.Memory.List(ctx, f, "", ledger.PageMax)
				from := min(places[page], len(all))
				some := all[from:min(from+limit, len(all))]
				if from+len(some) == len(all) {
					return some, "", err
				}
				next := ledger.EncodePage(f, string(some[len(some)-1].ID))
				places[next] = from + len(some)
				return some, next, err
			}
		}},
		{"a list is of the moment it was begun", "list/of statuses shows where payments stand now", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				found, next, err := l.Memory.List(ctx, ledger.Filter{Tenant: f.Tenant}, page, limit)
				for i := range found {
					for v, raw := range l.store.history {
						if v.payment.id == found[i].ID && v.revision < l.store.payments[v.payment].revision {
							found[i], _ = ledger.DecodePayment(raw)
						}
					}
				}
				return slices.DeleteFunc(found, func(p payment.Payment) bool { return !f.Fits(p) }), next, err
			}
		})},
		{"any token will do", "list/refuses a page token that is not its own", paged(func(_ *broken, f ledger.Filter, page string) string {
			if _, err := ledger.DecodePage(f, page); err != nil {
				return ""
			}
			return page
		})},
		{"a list has no limit", "list/keeps its limit", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, _ int) ([]payment.Payment, string, error) {
				return l.Memory.List(ctx, f, page, ledger.PageMax)
			}
		})},
		{"a list of none is empty for ever", "list/keeps its limit", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				if limit < 1 {
					return nil, page, nil
				}
				return l.Memory.List(ctx, f, page, limit)
			}
		})},
		{"a list holds what a refused claim would have made", "list/holds what a claim has made, and nothing of a refused one", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if err != nil && c.Payment != nil {
					raw, _ := ledger.EncodePayment(*c.Payment)
					l.store.payments[paymentKey{c.Payment.Tenant, c.Payment.ID}] = record{raw, 1}
				}
				return next, err
			}
		}},
	}
}
