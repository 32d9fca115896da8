package etcdledger_test

import (
	"context"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: a waiter whose watch breaks goes on waiting, and is woken in the end.
// Method: etcd's client hands out watches that are closed at once, then real ones.
func TestAwaitSurvivesBrokenWatches(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	owner, waiter := newProcess(t, setup{prefix: prefix}), newProcess(t, setup{prefix: prefix})
	broken := &brokenWatcher{Watcher: waiter.client.Watcher, left: make(chan struct{}, 4), real: make(chan struct{}, 100)}
	for range cap(broken.left) {
		broken.left <- struct{}{}
	}
	waiter.client.Watcher = broken
	s := owner.claimed(t)
	woken := make(chan error, 1)
	ctx := bounded(t)
	go func() { woken <- waiter.Await(ctx, s.Operation.Key) }()
	for range 2 { // of the operation and of its marker
		select {
		case <-broken.real:
		case err := <-woken:
			t.Fatalf("await ended before anything happened: %v", err)
		}
	}
	owner.advanced(t, s, succeeded(t, s))
	ok(t, "await", <-woken)
}

// Goal: what happens between a waiter's read and its watch is not missed.
// Method: the outcome is written when the watch is asked for, before it is passed on.
func TestAwaitMissesNothing(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	owner, waiter := newProcess(t, setup{prefix: prefix}), newProcess(t, setup{prefix: prefix})
	s := owner.claimed(t)
	c := succeeded(t, s)
	var once sync.Once
	waiter.client.Watcher = &lateWatcher{Watcher: waiter.client.Watcher, before: func() {
		once.Do(func() { owner.advanced(t, s, c) })
	}}
	ok(t, "await", waiter.Await(bounded(t), s.Operation.Key))
}

type lateWatcher struct {
	clientv3.Watcher

	before func()
}

// Watch implements clientv3.Watcher.
func (l *lateWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	l.before()
	return l.Watcher.Watch(ctx, key, opts...)
}

type brokenWatcher struct {
	clientv3.Watcher

	left chan struct{} // as many watches break as it holds
	real chan struct{} // told of each that does not
}

// Watch implements clientv3.Watcher.
func (b *brokenWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	select {
	case <-b.left:
		closed := make(chan clientv3.WatchResponse)
		close(closed)
		return closed
	default:
		defer func() { b.real <- struct{}{} }()
		return b.Watcher.Watch(ctx, key, opts...)
	}
}
