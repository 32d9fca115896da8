package etcdledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// readsPerTxn keeps a transaction of reads below etcd's limit of 128.
	readsPerTxn = 100
	// scanPage is how many entries of an index are read at a time.
	scanPage = 500
	// readTries is how often a read of one moment is begun again when the moment
	// was compacted away under it.
	readTries = 3
)

// Read implements ledger.Ledger.
func (l *Ledger) Read(ctx context.Context, op payment.OperationKey) (ledger.Snapshot, error) {
	done := l.timing.start(ctx, "read")
	s, err := again(func() (ledger.Snapshot, error) { return l.read(ctx, op) })
	done(err)
	return s, err
}

func (l *Ledger) read(ctx context.Context, key payment.OperationKey) (ledger.Snapshot, error) {
	if err := key.Validate(); err != nil {
		return ledger.Snapshot{}, fmt.Errorf("%w: %w", ledger.ErrNotFound, err)
	}
	now, rev, err := l.peek(ctx, key)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if now.Revision.Operation == 0 {
		return ledger.Snapshot{}, fmt.Errorf("%w: operation %s", ledger.ErrNotFound, key.ID)
	}
	return l.surroundings(ctx, now, rev)
}

// surroundings adds to an operation, as of a revision of etcd, what is read with it.
func (l *Ledger) surroundings(ctx context.Context, now ledger.Snapshot, rev int64) (ledger.Snapshot, error) {
	op := now.Operation
	looks := []look{lookAtPayment(l.keys.payment(op.Key.Tenant, op.PaymentID))}
	if op.Joint() {
		looks = append(looks, lookAtParent(l.parentKey(op)))
	}
	var reads []clientv3.Op
	for _, look := range looks {
		reads = append(reads, clientv3.OpGet(look.key, clientv3.WithRev(rev)))
	}
	resp, err := l.gets(ctx, reads...)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	around, err := decodePresent(resp, looks)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if around.Revision.Payment == 0 || op.Joint() && around.Revision.Parent == 0 {
		return ledger.Snapshot{}, fmt.Errorf("%w: operation %s has no payment, or no parent", ledger.ErrRecord, op.Key.ID)
	}
	now.Payment, now.Parent = around.Payment, around.Parent
	now.Revision.Payment, now.Revision.Parent = around.Revision.Payment, around.Revision.Parent
	return now, nil
}

// peek reads an operation and its marker, without the payment, and the revision
// of etcd that they are as of.
func (l *Ledger) peek(ctx context.Context, key payment.OperationKey) (ledger.Snapshot, int64, error) {
	looks := []look{lookAtOperation(l.keys.operation(key)), lookAtMarker(l.keys.marker(key))}
	resp, err := l.gets(ctx, gets(looks)...)
	if err != nil {
		return ledger.Snapshot{}, 0, err
	}
	now, err := decodePresent(resp, looks)
	return now.Snapshot, resp.Header.Revision, err
}

// Payment implements ledger.Ledger.
func (l *Ledger) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
	type both struct {
		payment    ledger.Snapshot
		operations []payment.Operation
	}
	done := l.timing.start(ctx, "payment")
	b, err := again(func() (both, error) {
		p, ops, err := l.payment(ctx, tenant, id)
		return both{p, ops}, err
	})
	done(err)
	return b.payment, b.operations, err
}

func (l *Ledger) payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
	if !segment(string(tenant)) || !segment(string(id)) {
		return ledger.Snapshot{}, nil, fmt.Errorf("%w: payment %q", ledger.ErrNotFound, id)
	}
	resp, err := l.get(ctx, l.keys.payment(tenant, id))
	if err != nil {
		return ledger.Snapshot{}, nil, err
	}
	if len(resp.Kvs) == 0 {
		return ledger.Snapshot{}, nil, fmt.Errorf("%w: payment %s", ledger.ErrNotFound, id)
	}
	p, err := ledger.DecodePayment(resp.Kvs[0].Value)
	if err != nil {
		return ledger.Snapshot{}, nil, err
	}
	var ops []payment.Operation
	for ids := range slices.Chunk(p.Operations, readsPerTxn) {
		some, err := l.operations(ctx, tenant, ids, resp.Header.Revision)
		if err != nil {
			return ledger.Snapshot{}, nil, err
		}
		ops = append(ops, some...)
	}
	return ledger.Snapshot{Payment: p, Revision: ledger.Revision{Payment: resp.Kvs[0].ModRevision}}, ops, nil
}

// operations reads a tenant's operations as of one revision of etcd.
func (l *Ledger) operations(ctx context.Context, tenant payment.TenantID, ids []payment.OperationID, rev int64) ([]payment.Operation, error) {
	gets := make([]clientv3.Op, 0, len(ids))
	for _, id := range ids {
		key := l.keys.operation(payment.OperationKey{Tenant: tenant, ID: id})
		gets = append(gets, clientv3.OpGet(key, clientv3.WithRev(rev)))
	}
	resp, err := l.gets(ctx, gets...)
	if err != nil {
		return nil, err
	}
	ops := make([]payment.Operation, 0, len(ids))
	for i, id := range ids {
		kv := found(resp, i)
		if kv == nil {
			return nil, fmt.Errorf("%w: operation %s is missing from its payment", ledger.ErrRecord, id)
		}
		op, err := ledger.DecodeOperation(kv.Value)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// ByReference implements ledger.Ledger.
func (l *Ledger) ByReference(ctx context.Context, account payment.AccountName, reference string) (payment.OperationKey, error) {
	done := l.timing.start(ctx, "by_reference")
	key, err := l.byReference(ctx, ledger.Reference{Account: account, Name: reference})
	done(err)
	return key, err
}

func (l *Ledger) byReference(ctx context.Context, r ledger.Reference) (payment.OperationKey, error) {
	resp, err := l.get(ctx, l.keys.reference(r))
	if err != nil {
		return payment.OperationKey{}, err
	}
	if len(resp.Kvs) == 0 {
		return payment.OperationKey{}, fmt.Errorf("%w: reference %q of account %s", ledger.ErrNotFound, r.Name, r.Account)
	}
	return ledger.DecodeReference(resp.Kvs[0].Value)
}

// Due implements ledger.Ledger.
func (l *Ledger) Due(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
	done := l.timing.start(ctx, "due")
	due, err := l.due(ctx, shard, now)
	done(err)
	slices.SortFunc(due, func(a, b ledger.Open) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key.ID, b.Key.ID))
	})
	return due[:min(len(due), max(0, limit))], err
}

// due reads a whole shard, since the index is not in order of time: an entry
// keeps its key for life, so that moving its due time is one put. An entry that
// cannot be read is passed over, or it would keep all others from being visited.
func (l *Ledger) due(ctx context.Context, shard int, now time.Time) ([]ledger.Open, error) {
	if shard < 0 || shard >= ledger.Shards {
		return nil, fmt.Errorf("etcdledger: there is no shard %d", shard)
	}
	var due []ledger.Open
	err := l.scan(ctx, l.keys.shard(shard), "", func(kv *mvccpb.KeyValue) bool {
		o, err := ledger.DecodeOpen(kv.Value)
		if err != nil {
			l.unreadable(ctx, "open", kv.Key, err) // the others must not wait for a person
		} else if !o.Due.After(now) {
			due = append(due, o)
		}
		return true
	})
	return due, err
}

// scan goes through the keys below a prefix that come after a name, in their
// order, until each says that it has had enough.
func (l *Ledger) scan(ctx context.Context, prefix, after string, each func(kv *mvccpb.KeyValue) bool, opts ...clientv3.OpOption) error {
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	if after != "" {
		from = prefix + after + "\x00"
	}
	for {
		page := append([]clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(scanPage)}, opts...)
		resp, err := l.get(ctx, from, page...)
		if err != nil {
			return err
		}
		for _, kv := range resp.Kvs {
			if !each(kv) {
				return nil
			}
			from = string(kv.Key) + "\x00" // the next page begins after it
		}
		if !resp.More {
			return nil
		}
	}
}

// unreadable tells of a record that was passed over, because others that can be
// read are listed with it.
func (l *Ledger) unreadable(ctx context.Context, kind string, key []byte, err error) {
	l.timing.passedOver(ctx, kind)
	l.cfg.Logger.ErrorContext(ctx, "ledger record passed over, since it cannot be read", "key", string(key), "error", err)
}

// again repeats a read of one moment that was compacted away between its parts.
func again[T any](read func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		v, err := read()
		if try == readTries || !errors.Is(err, rpctypes.ErrCompacted) {
			return v, err
		}
	}
}
