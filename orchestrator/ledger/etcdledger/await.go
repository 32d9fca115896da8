package etcdledger

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// rewatchPause keeps a waiter whose watch etcd refuses from asking without end.
const rewatchPause = 100 * time.Millisecond

// Await implements ledger.Ledger.
func (l *Ledger) Await(ctx context.Context, op payment.OperationKey) error {
	if err := op.Validate(); err != nil {
		return nil //nolint:nilerr // it does not exist
	}
	for {
		now, rev, err := l.peek(ctx, op)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if !now.Marker.Present || now.Revision.Operation == 0 || len(now.Operation.Response) > 0 {
			return nil
		}
		l.moved(ctx, op, rev+1)
	}
}

// moved returns once the operation or its marker may have changed at revision
// from or later, or ctx ends. A watch only wakes: what it says is not used, and
// a watch that breaks wakes too.
func (l *Ledger) moved(ctx context.Context, op payment.OperationKey, from int64) {
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	record := l.client.Watch(watching, l.keys.operation(op), clientv3.WithRev(from))
	marker := l.client.Watch(watching, l.keys.marker(op), clientv3.WithRev(from))
	var news clientv3.WatchResponse
	var ok bool
	select {
	case news, ok = <-record:
	case news, ok = <-marker:
	case <-ctx.Done():
		return
	}
	if !ok || news.Err() != nil {
		wait(ctx, rewatchPause)
	}
}
