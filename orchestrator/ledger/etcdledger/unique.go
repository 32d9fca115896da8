package etcdledger

import (
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// takeUnique adds to a claim that creates a payment the taking of its merchant
// reference, if one payment is to have that.
func (l *Ledger) takeUnique(w *write, p *payment.Payment) {
	if p == nil || !p.Unique {
		return
	}
	key := l.keys.unique(*p)
	w.guard = append(w.guard, createdAt(key, 0))
	w.then = append(w.then, clientv3.OpPut(key, string(p.ID)))
	w.looks = append(w.looks, look{key, func(now *present, kv *mvccpb.KeyValue) error {
		now.unique = payment.ID(kv.Value)
		return nil
	}})
}

// referenceTaken refuses a claim whose merchant reference another payment has.
func referenceTaken(now present) error {
	if now.unique == "" {
		return nil
	}
	return &ledger.ReferenceTakenError{Payment: now.unique}
}

// giveUp deletes the entry of a merchant reference that the payment has given up.
// Whoever guards the payment may: while it is unique, the entry is its own.
func (l *Ledger) giveUp(before payment.Payment, p *payment.Payment) []clientv3.Op {
	if p == nil || p.Unique || !before.Unique {
		return nil
	}
	return []clientv3.Op{clientv3.OpDelete(l.keys.unique(before))}
}
