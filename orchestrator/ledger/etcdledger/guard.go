package etcdledger

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Every write compares up to four revisions. The guards are set in place, since
// clientv3.Compare copies what it is given and Txn.If copies it once more.

// createdAt compares that a key was created at a revision; 0: that it is absent.
func createdAt(key string, rev int64) clientv3.Cmp {
	c := clientv3.CreateRevision(key)
	p := c.GetCompare()
	p.Result, p.TargetUnion = etcdserverpb.Compare_EQUAL, &etcdserverpb.Compare_CreateRevision{CreateRevision: rev}
	return c
}

// modifiedAt compares that a key was last written at a revision; 0: that it is
// absent.
func modifiedAt(key string, rev int64) clientv3.Cmp {
	c := clientv3.ModRevision(key)
	p := c.GetCompare()
	p.Result, p.TargetUnion = etcdserverpb.Compare_EQUAL, &etcdserverpb.Compare_ModRevision{ModRevision: rev}
	return c
}
