package ledgertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// encodedNews is news in the form in which it is stored; nil where there is none.
type encodedNews struct {
	event, attention []byte
}

// encodeNews prepares news that a boot was told, about an operation or, if the
// key is zero, about none.
func encodeNews(b payment.BootID, k payment.OperationKey, n ledger.News) (encodedNews, error) {
	var e encodedNews
	var err error
	if n.Event != nil {
		if e.event, err = ledger.EncodeTaken(ledger.Taken{EventKey: *n.Event, Operation: k, Boot: b, Time: time.Now()}); err != nil {
			return encodedNews{}, err
		}
	}
	if n.Attention != nil {
		if e.attention, err = ledger.EncodeAttention(*n.Attention); err != nil {
			return encodedNews{}, err
		}
	}
	return e, nil
}

// keepNews stores news; attention that is there already stays. The caller holds
// the lock.
func (s *Store) keepNews(n ledger.News, e encodedNews) {
	if n.Event != nil {
		s.events[*n.Event] = e.event
	}
	if n.Orphan != "" {
		delete(s.attention, attentionKey{id: n.Orphan})
	}
	if n.Attention != nil {
		if k := (attentionKey{n.Attention.Tenant, n.Attention.ID}); s.attention[k] == nil {
			s.attention[k] = e.attention
		}
	}
}

// known refuses news that was taken in already: its event is kept, or its orphan
// no more. The caller holds the lock.
func (s *Store) known(n ledger.News) error {
	switch {
	case n.Event != nil && s.events[*n.Event] != nil:
		return fmt.Errorf("event %q of account %s: %w", n.Event.ID, n.Event.Account, ledger.ErrEventKnown)
	case n.Orphan != "" && !s.waits(n.Orphan):
		return fmt.Errorf("orphan %s: %w", n.Orphan, ledger.ErrEventKnown)
	}
	return nil
}

// waits reports whether an orphan is there. The caller holds the lock.
func (s *Store) waits(orphan string) bool {
	return s.attention[attentionKey{id: orphan}] != nil
}

// tookIn reports whether this life has taken in an event about an operation. The
// caller holds the lock.
func (l *Memory) tookIn(k payment.EventKey, op payment.OperationKey) bool {
	raw := l.store.events[k]
	if raw == nil {
		return false
	}
	t, err := ledger.DecodeTaken(raw)
	return err == nil && t.Boot == l.boot && t.Operation == op
}

// Record implements ledger.Ledger.
func (l *Memory) Record(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
	if err := ledger.CheckRecord(s, p, n); err != nil {
		return ledger.Snapshot{}, err
	}
	l.store.check(func() []string { return l.store.recordFaults(s, p) })
	return l.write(ctx, KindRecord, payment.OperationKey{}, func() (ledger.Snapshot, error) { return l.record(s, p, n) })
}

func (l *Memory) record(s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
	k := paymentKey{s.Payment.Tenant, s.Payment.ID}
	now, err := l.store.paymentSnapshot(k)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if err := l.store.known(n); err != nil {
		return now, err
	}
	if p != nil && now.Revision.Payment != s.Revision.Payment {
		if n.Event == nil && ledger.Recorded(*p, now.Payment) {
			return now, nil
		}
		return now, fmt.Errorf("payment %s: %w", p.ID, ledger.ErrPaymentMoved)
	}
	var raw []byte
	if p != nil {
		if raw, err = ledger.EncodePayment(*p); err != nil {
			return ledger.Snapshot{}, err
		}
	}
	news, err := encodeNews(l.boot, payment.OperationKey{}, n)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	l.store.revision++
	if p != nil {
		l.store.keepPayment(*p, raw)
	}
	l.store.keepNews(n, news)
	return l.store.paymentSnapshot(k)
}

// Attention implements ledger.Ledger.
func (l *Memory) Attention(ctx context.Context, tenant payment.TenantID, after string, limit int) ([]payment.Attention, error) {
	var found []payment.Attention
	err := l.read(ctx, KindAttention, payment.OperationKey{}, func() (err error) {
		all, err := l.store.attentionInOrder()
		for _, a := range all {
			if a.Tenant == tenant && a.ID > after && len(found) < ledger.PageSize(limit) {
				found = append(found, a)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// attentionInOrder reads all of it, in order of tenant and id. The caller holds
// the lock.
func (s *Store) attentionInOrder() ([]payment.Attention, error) {
	var all []payment.Attention
	for _, raw := range s.attention {
		a, err := ledger.DecodeAttention(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b payment.Attention) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// eventsInOrder reads all events, in order of account and id. The caller holds
// the lock.
func (s *Store) eventsInOrder() ([]ledger.Taken, error) {
	var all []ledger.Taken
	for _, raw := range s.events {
		t, err := ledger.DecodeTaken(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b ledger.Taken) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Living implements ledger.Ledger.
func (l *Memory) Living(ctx context.Context) ([]payment.BootID, error) {
	var living []payment.BootID
	err := l.read(ctx, KindLiving, payment.OperationKey{}, func() error {
		now := time.Now()
		for b, life := range l.store.boots {
			if life.lease.alive(now) {
				living = append(living, b)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(living)
	return living, nil
}
