package etcdledger_test

import (
	"context"
	"sync"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fault is what happens to the next write.
type fault struct {
	applied     bool  // the write is made before its answer gets lost
	err         error // what is said instead of the answer; a lost connection if nil
	andAllAfter bool  // every later request gets lost too
	// late lets the write through just before the next one, as a copy that was
	// held up on its way.
	late bool
	// between is run when the write has or has not been made, before it is said.
	between func()
}

// faultKV is etcd's KV with answers that get lost.
type faultKV struct {
	clientv3.KV

	cut    atomic.Bool            // nothing arrives
	onRead atomic.Pointer[func()] // run before each read
	gone   atomic.Int64           // keys that etcd went through for reads of ranges
	looked atomic.Int64           // reads of single records

	mu   sync.Mutex
	next *fault
	dead bool
	held clientv3.Txn // a late copy
}

func (k *faultKV) set(f *fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next, k.dead = f, false
}

func errLost() error { return status.Error(codes.Unavailable, "the connection broke") }

// Get implements clientv3.KV.
func (k *faultKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if k.cutOff() {
		return nil, errLost()
	}
	k.reads()
	resp, err := k.KV.Get(ctx, key, opts...)
	if err == nil {
		k.gone.Add(resp.Count)
	}
	return resp, err
}

// Txn implements clientv3.KV.
func (k *faultKV) Txn(ctx context.Context) clientv3.Txn {
	return &faultTxn{kv: k, Txn: k.KV.Txn(ctx)}
}

func (k *faultKV) cutOff() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead || k.cut.Load()
}

func (k *faultKV) reads() {
	if f := k.onRead.Load(); f != nil {
		(*f)()
	}
}

// take returns what is to happen to a write, and the copy to let through before it.
func (k *faultKV) take() (*fault, clientv3.Txn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, held := k.next, k.held
	k.next, k.held = nil, nil
	if f != nil {
		k.dead = f.andAllAfter
	}
	return f, held
}

type faultTxn struct {
	clientv3.Txn

	kv     *faultKV
	writes bool
	reads  int64
}

func (t *faultTxn) If(cs ...clientv3.Cmp) clientv3.Txn {
	t.Txn = t.Txn.If(cs...)
	return t
}

func (t *faultTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		t.writes = t.writes || op.IsPut() || op.IsDelete() || op.IsTxn()
	}
	t.reads = int64(len(ops))
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *faultTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.Txn = t.Txn.Else(ops...)
	return t
}

// Commit implements clientv3.Txn.
func (t *faultTxn) Commit() (*clientv3.TxnResponse, error) {
	if t.kv.cutOff() {
		return nil, errLost()
	}
	if !t.writes {
		t.kv.reads()
		t.kv.looked.Add(t.reads)
		return t.Txn.Commit()
	}
	f, held := t.kv.take()
	if held != nil {
		_, _ = held.Commit()
	}
	if f == nil {
		return t.Txn.Commit()
	}
	if f.applied {
		if _, err := t.Txn.Commit(); err != nil {
			return nil, err
		}
	}
	if f.late {
		t.kv.mu.Lock()
		t.kv.held = t.Txn
		t.kv.mu.Unlock()
	}
	if f.between != nil {
		f.between()
	}
	if f.err != nil {
		return nil, f.err
	}
	return nil, errLost()
}

// faultLease is etcd's leases, of which none may be granted any more.
type faultLease struct {
	clientv3.Lease

	refuses atomic.Bool
	granted atomic.Int64
}

// Grant implements clientv3.Lease.
func (l *faultLease) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	if l.refuses.Load() {
		return nil, errLost()
	}
	l.granted.Add(1)
	return l.Lease.Grant(ctx, ttl)
}
