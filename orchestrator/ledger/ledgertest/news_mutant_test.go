package ledgertest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

type (
	writing   = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error)
	recording = func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error)
)

// advancing breaks Advance, given the one that works.
func advancing(how func(l *broken, advance writing) writing) func(l *broken) {
	return func(l *broken) { l.advance = how(l, l.Memory.Advance) }
}

// brokenRecord breaks Record, given the one that works.
func brokenRecord(how func(l *broken, record recording) recording) func(l *broken) {
	return func(l *broken) { l.record = how(l, l.Memory.Record) }
}

// before alters a change before it is advanced by.
func before(alter func(s ledger.Snapshot, c *ledger.Change)) func(l *broken) {
	return advancing(func(_ *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			alter(s, &c)
			return advance(ctx, s, c)
		}
	})
}

// spoils alters the store once an advance was made.
func spoils(alter func(store *Store, k payment.OperationKey)) func(l *broken) {
	return advancing(func(l *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			next, err := advance(ctx, s, c)
			return l.afterwards(next, err, alter)
		}
	})
}

// refusing tells something else than the advance that works.
func refusing(what func(l *broken, s, now ledger.Snapshot, c ledger.Change, err error) error) func(l *broken) {
	return advancing(func(l *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			now, err := advance(ctx, s, c)
			return now, what(l, s, now, c, err)
		}
	})
}

// deaf writes a change whose event is known as if nobody had told it.
func deaf() func(l *broken) {
	return advancing(func(_ *broken, advance writing) writing {
		return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			next, err := advance(ctx, s, c)
			if errors.Is(err, ledger.ErrEventKnown) {
				c.Event = nil
				return advance(ctx, s, c)
			}
			return next, err
		}
	})
}

// adopting takes an equal write for its own, whoever took in the event.
func adopting() func(l *broken) {
	return refusing(func(_ *broken, _, now ledger.Snapshot, c ledger.Change, err error) error {
		if errors.Is(err, ledger.ErrFenced) && ledger.Wrote(c.Operation, now.Operation) {
			return nil
		}
		return err
	})
}

// renamed takes in another event than it was told.
func renamed(how func(e *payment.EventKey)) func(l *broken) {
	return before(func(_ ledger.Snapshot, c *ledger.Change) {
		if c.Event != nil {
			e := *c.Event
			how(&e)
			c.Event = &e
		}
	})
}

// unheard says that a known event was taken in.
func unheard() func(l *broken) {
	return brokenRecord(func(_ *broken, record recording) recording {
		return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
			now, err := record(ctx, s, p, n)
			if errors.Is(err, ledger.ErrEventKnown) {
				return now, nil
			}
			return now, err
		}
	})
}

func eventMutants() []mutant {
	late := func(name string) string { return "event/settles an operation that is " + name + ", without a session" }
	return []mutant{
		{"an event is taken in twice", "event/is taken in once", deaf()},
		{"an event moves two operations", "event/heard by all at once about two operations moves one", deaf()},
		{"a known event is recorded again", "event/that is known changes nothing", brokenRecord(func(_ *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				now, err := record(ctx, s, p, n)
				if errors.Is(err, ledger.ErrEventKnown) && p != nil {
					_, _ = record(ctx, s, p, ledger.News{Attention: n.Attention})
				}
				return now, err
			}
		})},
		{"everybody takes in an orphan", "event/heard by all at once is taken in by one", unheard()},
		{"everybody takes in late news", "event/heard by all at once is taken in by one", adopting()},
		{"a stranger's note is taken for one's own", "event/of a stranger's write is not taken for its own", adopting()},
		{"events know no accounts", "event/of another account with the same id is another", renamed(func(e *payment.EventKey) { e.Account = "account-1" })},
		{"events know no case", "event/may have an id of any form", renamed(func(e *payment.EventKey) { e.ID = strings.ToLower(e.ID) })},
		{"the event of a refused change is kept", "event/of a refused change is not kept", refusing(func(l *broken, _, _ ledger.Snapshot, c ledger.Change, err error) error {
			if err != nil && c.Event != nil {
				_, _ = l.Memory.Record(context.Background(), ledger.Snapshot{}, nil, ledger.News{Event: c.Event})
			}
			return err
		})},
		{"the attention of a refused change is kept", "event/of a refused change is not kept", refusing(func(l *broken, _, _ ledger.Snapshot, c ledger.Change, err error) error {
			if err != nil && c.Attention != nil {
				_, _ = l.Memory.Record(context.Background(), ledger.Snapshot{}, nil, ledger.News{Attention: c.Attention})
			}
			return err
		})},
		{"a repeated change finds its own event known", "event/repeated with its change is one write", advancing(func(l *broken, advance writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if c.Event != nil && l.store.events[*c.Event] != nil {
					return s, ledger.ErrEventKnown
				}
				return advance(ctx, s, c)
			}
		})},
		{"a moved payment is told before a known event", "event/is refused in the order of what the caller must do", refusing(func(_ *broken, s, now ledger.Snapshot, _ ledger.Change, err error) error {
			if errors.Is(err, ledger.ErrEventKnown) && now.Revision.Payment != s.Revision.Payment {
				return ledger.ErrPaymentMoved
			}
			return err
		})},
		{"a note drops the marker", "event/in a fence adds evidence only", spoils(func(store *Store, k payment.OperationKey) { delete(store.markers, k) })},
		{"a note is forgotten", "event/in a fence adds evidence only", before(func(s ledger.Snapshot, c *ledger.Change) {
			if kindOfAdvance(s, *c) == KindNote {
				c.Operation = s.Operation
			}
		})},
		{"news make a claim", "event/makes no claim and no owner", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				return l.Memory.Claim(ctx, s, ledger.Change{Operation: c.Operation, Payment: c.Payment})
			}
		}},
		{"news make an owner", "event/makes no claim and no owner", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				return l.Memory.Takeover(ctx, s, ledger.Change{Operation: c.Operation})
			}
		}},
		{"late news needs a session", late("unknown"), advancing(func(l *broken, advance writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if err := l.Memory.Hold(ctx, 0); err != nil {
					return ledger.Snapshot{}, err
				}
				return advance(ctx, s, c)
			}
		})},
		{"late news leaves the open entry", late("pending"), spoils(func(store *Store, k payment.OperationKey) { store.open[k] = ledger.Open{Key: k} })},
		{"late news leaves the owner's marker", late("an intent whose owner lives"), advancing(func(l *broken, advance writing) writing {
			return func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				kept := l.store.markers[c.Operation.Key]
				next, err := advance(ctx, s, c)
				return l.afterwards(next, err, func(store *Store, k payment.OperationKey) { store.markers[k] = kept })
			}
		})},
		{"late news needs a living owner", late("an intent whose owner is gone"), refusing(func(_ *broken, s, _ ledger.Snapshot, _ ledger.Change, err error) error {
			if !s.Marker.Present {
				return ledger.ErrFenced
			}
			return err
		})},
		{"what is halted takes no news", late("halted"), refusing(func(_ *broken, s, _ ledger.Snapshot, _ ledger.Change, err error) error {
			if s.Operation.Halted {
				return ledger.ErrFenced
			}
			return err
		})},
	}
}

func recordMutants() []mutant {
	unguarded := brokenRecord(func(_ *broken, record recording) recording {
		return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
			now, err := record(ctx, s, p, n)
			if errors.Is(err, ledger.ErrPaymentMoved) {
				return record(ctx, now, p, n)
			}
			return now, err
		}
	})
	return []mutant{
		{"what others did is told twice", "record/keeps what others did, keyed by its object", brokenRecord(func(_ *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				if p != nil {
					all := *p
					all.Outside = append(slices.Clone(s.Payment.Outside), p.Outside...)
					p = &all
				}
				return record(ctx, s, p, n)
			}
		})},
		{"a record without a guard", "record/is guarded by its payment", unguarded},
		{"a record without a guard, at once", "record/of several at once loses none", unguarded},
		{"a record moves the operation", "record/moves no operation", brokenRecord(func(l *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				now, err := record(ctx, s, p, n)
				return l.afterwards(now, err, func(store *Store, _ payment.OperationKey) {
					if rec, known := store.operations[s.Operation.Key]; known {
						store.operations[s.Operation.Key] = again(rec, store.revision)
					}
				})
			}
		})},
		{"a repeated event is taken in", "record/with its event repeated is known", unheard()},
		{"a repeated record is refused by itself", "record/without an event repeated is one write", brokenRecord(func(l *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				now, _, err := l.Memory.Payment(ctx, s.Payment.Tenant, s.Payment.ID)
				if err == nil && p != nil && now.Revision.Payment != s.Revision.Payment {
					return now, ledger.ErrPaymentMoved
				}
				return record(ctx, s, p, n)
			}
		})},
		{"a record returns the payment that it was given", "record/without a payment returns it as it is", brokenRecord(func(_ *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				_, err := record(ctx, s, p, n)
				return ledger.Snapshot{Payment: s.Payment, Revision: ledger.Revision{Payment: s.Revision.Payment}}, err
			}
		})},
		{"a record needs a session", "record/needs no session", brokenRecord(func(l *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				if err := l.Memory.Hold(ctx, 0); err != nil {
					return ledger.Snapshot{}, err
				}
				return record(ctx, s, p, n)
			}
		})},
		{"a record of nothing is made", "record/of what it cannot mean is refused", brokenRecord(func(_ *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				if p == nil && n == (ledger.News{}) {
					return s, nil
				}
				return record(ctx, s, p, n)
			}
		})},
		{"an outcome keeps what others did", "record/is posted to one operation once that is known to be its own", before(func(s ledger.Snapshot, c *ledger.Change) {
			if c.Payment != nil {
				c.Payment.Outside = s.Payment.Outside
			}
		})},
	}
}

// again is a record as of another revision.
func again(r record, revision int64) record { return record{r.raw, revision} }

func attentionMutants() []mutant {
	type listing = func(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error)
	lists := func(how func(list listing) listing) func(l *broken) {
		return func(l *broken) { l.attention = how(l.Memory.Attention) }
	}
	asked := func(t func(payment.TenantID) payment.TenantID, after func(string) string, limit func(int) int) func(l *broken) {
		return lists(func(list listing) listing {
			return func(ctx context.Context, tenant payment.TenantID, from string, n int) ([]payment.Attention, error) {
				return list(ctx, t(tenant), after(from), limit(n))
			}
		})
	}
	same, sameAfter, sameLimit := func(t payment.TenantID) payment.TenantID { return t }, func(s string) string { return s }, func(n int) int { return n }
	return []mutant{
		{"a tenant sees the orphans", "attention/is listed for its tenant alone, and an orphan for nobody", lists(func(list listing) listing {
			return func(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error) {
				own, err := list(ctx, t, after, limit)
				if t == "" || err != nil {
					return own, err
				}
				orphans, err := list(ctx, "", after, limit)
				return append(own, orphans...), err
			}
		})},
		{"a tenant sees all whose name begins with its own", "attention/is listed for its tenant alone, and an orphan for nobody", lists(func(list listing) listing {
			return func(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error) {
				own, err := list(ctx, t, after, limit)
				more, _ := list(ctx, t+"-2", after, limit)
				return append(own, more...), err
			}
		})},
		{"attention is written over", "attention/is put once and stays as it was", brokenRecord(func(l *broken, record recording) recording {
			return func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
				if n.Attention != nil {
					delete(l.store.attention, attentionKey{n.Attention.Tenant, n.Attention.ID})
				}
				return record(ctx, s, p, n)
			}
		})},
		{"attention of a change is lost", "attention/comes with the change that called for it", before(func(_ ledger.Snapshot, c *ledger.Change) { c.Attention = nil })},
		{"a page repeats the end of the one before", "attention/is listed in pages of any size", asked(same, func(s string) string { return s[:max(0, len(s)-1)] }, sameLimit)},
		{"attention has no limit", "attention/keeps its limit", asked(same, sameAfter, func(int) int { return ledger.PageMax })},
		{"attention is in no order", "attention/is listed in pages of any size", lists(func(list listing) listing {
			return func(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error) {
				all, err := list(ctx, t, after, limit)
				slices.Reverse(all)
				return all, err
			}
		})},
		{"somebody is called nobody", "attention/of nobody's name is nobody's", asked(func(t payment.TenantID) payment.TenantID {
			return payment.TenantID(strings.TrimPrefix(string(t), string(payment.Nobody)))
		}, sameAfter, sameLimit)},
		{"who ended lives on", "session/lists who lives, in one order, and not who ended", func(l *broken) {
			l.living = func(context.Context) ([]payment.BootID, error) {
				var all []payment.BootID
				for i := range Boots {
					all = append(all, bootName(i))
				}
				return all, nil
			}
		}},
		{"who lives is listed from oneself on", "session/lists who lives, in one order, and not who ended", func(l *broken) {
			l.living = func(ctx context.Context) ([]payment.BootID, error) {
				all, err := l.Memory.Living(ctx)
				if i := slices.Index(all, l.boot); i > 0 {
					all = slices.Concat(all[i:], all[:i])
				}
				return all, err
			}
		}},
	}
}
