package etcdledger

import (
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// parentKey names the record of the operation that a joint one is one with.
func (l *Ledger) parentKey(op payment.Operation) string {
	return l.keys.operation(payment.OperationKey{Tenant: op.Key.Tenant, ID: op.Parent})
}

// withParent adds the parent to what a write of a joint operation looks at, and to
// what guards it if it writes the parent.
func (l *Ledger) withParent(w *write, s ledger.Snapshot, c ledger.Change) {
	key := l.parentKey(c.Operation)
	w.looks = append(w.looks, lookAtParent(key))
	if c.Parent != nil {
		w.guard = append(w.guard, modifiedAt(key, s.Revision.Parent))
	}
}

// putParent adds to ops a parent that its child writes. A marker of its own goes with its
// owner: that one was about to cancel what has ended.
func (l *Ledger) putParent(ops []clientv3.Op, before, op payment.Operation) ([]clientv3.Op, error) {
	ops, err := l.putOperation(ops, before, op)
	if op.Owner == "" {
		ops = append(ops, clientv3.OpDelete(l.keys.marker(op.Key)))
	}
	return ops, err
}

// moved refuses a write whose payment or parent, if it writes them, are not as in
// its snapshot.
func (w *write) moved(now present) error {
	if w.to.Parent != nil && now.Revision.Parent != w.from.Revision.Parent {
		return ledger.ErrPaymentMoved
	}
	return paymentMoved(w.from, w.to.Payment, now)
}

func lookAtParent(key string) look {
	return look{key, func(now *present, kv *mvccpb.KeyValue) (err error) {
		now.Revision.Parent = kv.ModRevision
		now.Parent, err = ledger.DecodeOperation(kv.Value)
		return err
	}}
}
