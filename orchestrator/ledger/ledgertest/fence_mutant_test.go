package ledgertest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// coarsely takes for its own whatever agrees in what every write but a further
// fence, a halt, a note and a postponed look changes.
func coarsely() func(l *broken) {
	return refusing(func(_ *broken, _, now ledger.Snapshot, c ledger.Change, err error) error {
		mine, there := c.Operation, now.Operation
		if errors.Is(err, ledger.ErrFenced) && mine.Nonce == there.Nonce && mine.Epoch == there.Epoch && mine.State == there.State &&
			mine.Owner == there.Owner && len(mine.Attempts) == len(there.Attempts) {
			return nil
		}
		return err
	})
}

// fencedByItself refuses a repetition of what was made.
func fencedByItself() func(l *broken) {
	return advancing(func(l *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil && now.Revision.Operation != s.Revision.Operation {
				return now, ledger.ErrFenced
			}
			return advance(ctx, s, c)
		}
	})
}

func fenceMutants() []mutant {
	return []mutant{
		{"there is one cancel", "fence/may be followed by another cancel", refusing(func(_ *broken, s, _ ledger.Snapshot, c ledger.Change, err error) error {
			if s.Operation.State == payment.StateFencing && kindOfAdvance(s, c) == KindFence {
				return ledger.ErrFenced
			}
			return err
		})},
		{"a cancel is taken for the one before it", "fence/is told from the cancel before it", coarsely()},
		{"a halt is taken for a look", "fence/that halts stays so when it is looked at again", coarsely()},
		{"a look is taken for another's", "due/of a pending operation moves when a look at it finds nothing", coarsely()},
		{"a fence forgets the response", "fence/of a pending operation keeps its response", before(func(_ ledger.Snapshot, c *ledger.Change) {
			if c.Operation.State == payment.StateFencing {
				c.Operation.Response = nil
			}
		})},
		{"what is halted is forgotten", "fence/that halts leaves no marker and stays in the open index", spoils(func(store *Store, k payment.OperationKey) { delete(store.open, k) })},
		{"a look ends the halt", "fence/that halts stays so when it is looked at again", before(func(s ledger.Snapshot, c *ledger.Change) {
			c.Operation.Halted = c.Operation.Halted && !s.Operation.Halted
		})},
		{"a look in vain moves nothing", "due/of a pending operation moves when a look at it finds nothing", before(func(s ledger.Snapshot, c *ledger.Change) {
			if s.Operation.State == payment.StatePending && c.Operation.State == payment.StatePending {
				c.Operation.NextCheck = s.Operation.NextCheck
			}
		})},
		{"an event hastens nothing", "event/makes what waits for it due, and moves nothing else", before(func(s ledger.Snapshot, c *ledger.Change) {
			if c.Event != nil && c.Operation.NextCheck.Before(s.Operation.NextCheck) {
				c.Operation.NextCheck = s.Operation.NextCheck
			}
		})},
		{"a look in vain writes the payment", "due/of a pending operation moves when a look at it finds nothing", before(func(s ledger.Snapshot, c *ledger.Change) {
			if c.Payment == nil {
				p := s.Payment
				p.Version++
				c.Payment = &p
			}
		})},
		{"what is due at one time is in no order", "due/lists what is due at the same time in the order of ids", func(l *broken) {
			l.due = func(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
				all, err := l.Memory.Due(ctx, shard, now, 10_000)
				slices.SortFunc(all, func(a, b ledger.Open) int {
					return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(b.Key.ID, a.Key.ID))
				})
				return all[:min(limit, len(all))], err
			}
		}},
	}
}

// lostNewsMutants are wrong about writes of news whose answer got lost.
func lostNewsMutants() []mutant {
	calledMade := brokenRecord(func(_ *broken, record recording) recording {
		return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
			now, err := record(ctx, s, p, n)
			if errors.Is(err, ledger.ErrAmbiguous) {
				return s, nil
			}
			return now, err
		}
	})
	calledNotMade := brokenRecord(func(_ *broken, record recording) recording {
		return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
			now, err := record(ctx, s, p, n)
			if errors.Is(err, ledger.ErrAmbiguous) {
				return now, ledger.ErrUnavailable
			}
			return now, err
		}
	})
	unreachable := func(err error) error {
		if errors.Is(err, ledger.ErrUnavailable) {
			return nil
		}
		return err
	}
	return []mutant{
		{"an event that was lost is forgotten", "fault/lost event that was made is known to everybody", unheard()},
		{"another's news is taken for one's own", "fault/lost event that was not made is another's to take in", adopting()},
		{"a repeated note is fenced by itself", "fault/lost note, applied", fencedByItself()},
		{"a repeated halt is fenced by itself", "fault/lost halt, applied", fencedByItself()},
		{"a repeated further fence is fenced by itself", "fault/lost further fence, applied", fencedByItself()},
		{"a repeated look is fenced by itself", "fault/lost postponed look, applied", fencedByItself()},
		{"repeated late news is fenced by itself", "fault/lost late success, applied", fencedByItself()},
		{"a repeated note of an event is fenced by itself", "fault/lost note in a fence, told by an event, applied", fencedByItself()},
		{"a note that was lost is forgotten", "fault/lost note, not applied", before(func(s ledger.Snapshot, c *ledger.Change) {
			if kindOfAdvance(s, *c) == KindNote {
				c.Operation = s.Operation
			}
		})},
		{"a lost record is called made", "fault/lost answer to record told by an event, not applied", calledMade},
		{"lost attention is called put", "fault/lost answer to record of attention alone, not applied", calledMade},
		{"a lost event is called taken in", "fault/lost answer to record of an event alone, not applied", calledMade},
		{"a lost record is called not made", "fault/lost record of a look, applied", calledNotMade},
		{"a record out of reach is called made", "fault/store out of reach is told on every call", brokenRecord(func(_ *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				now, err := record(ctx, s, p, n)
				return now, unreachable(err)
			}
		})},
		{"attention that cannot be read does not exist", "fault/store out of reach is told on every call", func(l *broken) {
			l.attention = func(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error) {
				all, err := l.Memory.Attention(ctx, t, after, limit)
				return all, unreachable(err)
			}
		}},
		{"nobody lives out of reach", "fault/store out of reach is told on every call", func(l *broken) {
			l.living = func(ctx context.Context) ([]payment.BootID, error) {
				all, err := l.Memory.Living(ctx)
				return all, unreachable(err)
			}
		}},
	}
}
