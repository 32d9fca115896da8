package etcdledger

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Record implements ledger.Ledger.
func (l *Ledger) Record(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
	done := l.timing.start(ctx, "record")
	next, err := l.record(ctx, s, p, n)
	done(err)
	return next, err
}

func (l *Ledger) record(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
	if err := ledger.CheckRecord(s, p, n); err != nil {
		return ledger.Snapshot{}, err
	}
	w, err := l.prepareRecord(s, p)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	w.refusal = func(now present) error {
		if now.known(n) {
			return ledger.ErrEventKnown
		}
		return paymentMoved(s, p, now)
	}
	w.mine = func(now present) bool {
		if w.event != nil {
			return string(now.event) == w.event.value // its time tells it from another delivery to this process
		}
		return p != nil && n.Orphan == "" && now.Revision.Payment != s.Revision.Payment && ledger.Recorded(*p, now.Payment)
	}
	if err := l.keep(w, payment.OperationKey{}, n); err != nil {
		return ledger.Snapshot{}, err
	}
	return l.commitAnyhow(ctx, w)
}

// prepareRecord starts a write of news with the payment that it is about, if it
// is about any: to be put, or only to be read for the answer.
func (l *Ledger) prepareRecord(s ledger.Snapshot, p *payment.Payment) (*write, error) {
	w := &write{made: func(*clientv3.TxnResponse) (ledger.Snapshot, error) { return ledger.Snapshot{}, nil }}
	if s.Payment.ID == "" {
		return w, nil
	}
	if !segment(string(s.Payment.Tenant)) || !segment(string(s.Payment.ID)) {
		return nil, fmt.Errorf("etcdledger: payment %q of %q cannot name a record", s.Payment.ID, s.Payment.Tenant)
	}
	key := l.keys.payment(s.Payment.Tenant, s.Payment.ID)
	w.looks = []look{lookAtPayment(key)}
	if p == nil {
		w.then = gets(w.looks)
		w.made = func(resp *clientv3.TxnResponse) (ledger.Snapshot, error) {
			now, err := decodePresent(resp, []look{lookAtPayment(key)})
			return now.Snapshot, err
		}
		return w, nil
	}
	raw, err := ledger.EncodePayment(*p)
	if err != nil {
		return nil, err
	}
	w.guard = []clientv3.Cmp{modifiedAt(key, s.Revision.Payment)}
	w.then = append(l.giveUp(s.Payment, p), clientv3.OpPut(key, string(raw)))
	w.made = func(resp *clientv3.TxnResponse) (ledger.Snapshot, error) {
		return ledger.Snapshot{Payment: *p, Revision: ledger.Revision{Payment: resp.Header.Revision}}, nil
	}
	return w, nil
}

// Attention implements ledger.Ledger.
func (l *Ledger) Attention(ctx context.Context, tenant payment.TenantID, after string, limit int) ([]payment.Attention, error) {
	done := l.timing.start(ctx, "attention")
	all, err := l.attention(ctx, tenant, after, ledger.PageSize(limit))
	done(err)
	return all, err
}

func (l *Ledger) attention(ctx context.Context, tenant payment.TenantID, after string, limit int) ([]payment.Attention, error) {
	if tenant == payment.Nobody || tenant != "" && !segment(string(tenant)) {
		return nil, nil // no tenant is called so
	}
	var all []payment.Attention
	err := l.scan(ctx, l.keys.attentions(tenant), after, func(kv *mvccpb.KeyValue) bool {
		a, err := ledger.DecodeAttention(kv.Value)
		if err != nil {
			l.unreadable(ctx, "attention", kv.Key, err)
			return true
		}
		all = append(all, a)
		return len(all) < limit
	}, clientv3.WithLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	return all, nil
}

// AttentionWaiting is how many findings of all tenants, and of nobody, are on record.
// Errors: ledger.ErrUnavailable.
func (l *Ledger) AttentionWaiting(ctx context.Context) (int64, error) {
	all := l.keys.prefix + "/attention/"
	resp, err := l.get(ctx, all, clientv3.WithRange(clientv3.GetPrefixRangeEnd(all)), clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return resp.Count, nil
}

// Living implements ledger.Ledger.
func (l *Ledger) Living(ctx context.Context) ([]payment.BootID, error) {
	done := l.timing.start(ctx, "living")
	living, err := l.living(ctx)
	done(err)
	return living, err
}

func (l *Ledger) living(ctx context.Context) ([]payment.BootID, error) {
	var living []payment.BootID
	err := l.scan(ctx, l.keys.sessions(), "", func(kv *mvccpb.KeyValue) bool {
		living = append(living, payment.BootID(strings.TrimPrefix(string(kv.Key), l.keys.sessions())))
		return true
	}, clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	return living, nil
}
