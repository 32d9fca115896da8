package etcdledger_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// clock is a clock that a test moves. A sleeping process or machine is one that
// jumps.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// watchedLease is etcd's lease service, counted and made to fail.
type watchedLease struct {
	clientv3.Lease

	renewals atomic.Int64
	failing  atomic.Bool
	during   atomic.Pointer[func()] // run while a renewal is under way
}

func (w *watchedLease) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	w.renewals.Add(1)
	if w.failing.Load() {
		return nil, errLost()
	}
	resp, err := w.Lease.KeepAliveOnce(ctx, id)
	if f := w.during.Load(); f != nil {
		(*f)()
	}
	return resp, err
}

type held struct {
	*session.Session
	client *clientv3.Client
	lease  *watchedLease
	clock  *clock
	key    string
}

// newSession is a session whose background renewals do not come in the way: the
// test's clock says how much of it is left.
func newSession(t *testing.T) *held {
	t.Helper()
	h := &held{client: inProcess(), clock: newClock()}
	h.lease = &watchedLease{Lease: h.client.Lease}
	h.client.Lease = h.lease
	boot, prefix := payment.BootID(rand.Text()), newPrefix()
	h.key = prefix + "/session/" + string(boot)
	var err error
	h.Session, err = session.New(bounded(t), h.client, session.Config{
		Boot: boot, Prefix: prefix, TTL: longTTL, Now: h.clock.Now,
		Info: session.Info{Host: "host-1", Version: "v1", Start: start()},
	})
	ok(t, "session.New", err)
	t.Cleanup(h.Close)
	return h
}

// Goal: a session that has time enough is held without asking etcd, and one
// that has not is renewed first.
// Method: the clock moves; renewals are counted.
func TestHoldRenewsOnlyWhenItMust(t *testing.T) {
	t.Parallel()
	h := newSession(t)
	const margin = 3 * time.Second
	ok(t, "hold of a fresh session", h.Hold(bounded(t), margin))
	h.clock.advance(longTTL - margin)
	ok(t, "hold with exactly the margin left", h.Hold(bounded(t), margin))
	if n := h.lease.renewals.Load(); n != 0 {
		t.Fatalf("%d renewals with time left", n)
	}
	h.clock.advance(time.Millisecond)
	ok(t, "hold with less than the margin left", h.Hold(bounded(t), margin))
	h.clock.advance(longTTL - margin)
	ok(t, "hold after the renewal", h.Hold(bounded(t), margin))
	if n := h.lease.renewals.Load(); n != 1 {
		t.Fatalf("%d renewals, want 1", n)
	}
	expect(t, "hold for longer than a session lives", h.Hold(bounded(t), longTTL+time.Second), ledger.ErrSessionLost)
}

// Goal: many flights that find the session short renew it once.
// Method: they all ask while the first one's renewal is under way.
func TestHoldIsShared(t *testing.T) {
	t.Parallel()
	h := newSession(t)
	h.clock.advance(longTTL)
	const callers = 50
	var asking, done sync.WaitGroup
	asking.Add(callers)
	slow := func() {
		asking.Wait()
		began := time.Now()
		poll(bounded(t), func() bool { return time.Since(began) > 50*time.Millisecond }) // for the last ones to get in line
	}
	h.lease.during.Store(&slow)
	ctx := bounded(t)
	errs := make([]error, callers)
	for i := range errs {
		done.Go(func() {
			asking.Done()
			errs[i] = h.Hold(ctx, time.Second)
		})
	}
	done.Wait()
	ok(t, "hold", errors.Join(errs...))
	if n := h.lease.renewals.Load(); n != 1 {
		t.Errorf("%d renewals, want 1", n)
	}
}

// Goal: a slow answer does not stretch the session: etcd counts from when it
// got the renewal, so the process must count from when it sent it.
// Method: the clock moves while the renewal is under way.
func TestDeadlineCountsFromTheSend(t *testing.T) {
	t.Parallel()
	h := newSession(t)
	h.clock.advance(longTTL)
	slow := func() { h.clock.advance(longTTL / 2) }
	h.lease.during.Store(&slow)
	ok(t, "hold for what is left", h.Hold(bounded(t), longTTL/2))
	h.lease.during.Store(nil)
	h.lease.failing.Store(true)
	expect(t, "hold for more than is left", h.Hold(bounded(t), longTTL/2+time.Millisecond), ledger.ErrUnavailable)
}

// Goal: a process that was paused past its session's end does not believe in it
// until etcd has confirmed it.
// Method: the clock jumps while the lease lives on, is gone, or cannot be asked about.
func TestPausedProcess(t *testing.T) {
	t.Parallel()
	t.Run("the lease lives on", func(t *testing.T) {
		t.Parallel()
		h := newSession(t)
		h.clock.advance(10 * longTTL)
		ok(t, "hold", h.Hold(bounded(t), time.Second))
		if n := h.lease.renewals.Load(); n != 1 {
			t.Errorf("%d renewals, want 1", n)
		}
	})
	t.Run("the lease is gone", func(t *testing.T) {
		t.Parallel()
		h := newSession(t)
		before, _ := h.Current()
		_, err := h.client.Revoke(bounded(t), before.Lease)
		ok(t, "revoke", err)
		h.clock.advance(10 * longTTL)
		expect(t, "hold", h.Hold(bounded(t), time.Second), ledger.ErrSessionLost)
		if !poll(bounded(t), func() bool { now, live := h.Current(); return live && now.Created > before.Created }) {
			t.Fatal("no other session was started")
		}
		now, _ := h.Current()
		if now.Lease == before.Lease {
			t.Error("the new session hangs on the old lease")
		}
		ok(t, "hold of the new session", h.Hold(bounded(t), time.Second))
	})
	t.Run("etcd does not answer", func(t *testing.T) {
		t.Parallel()
		h := newSession(t)
		h.lease.failing.Store(true)
		h.clock.advance(longTTL - time.Second)
		expect(t, "hold near the end", h.Hold(bounded(t), 2*time.Second), ledger.ErrUnavailable)
		h.clock.advance(time.Second)
		expect(t, "hold past the end", h.Hold(bounded(t), 2*time.Second), ledger.ErrSessionLost)
		h.lease.failing.Store(false)
		ok(t, "hold once etcd answers again", h.Hold(bounded(t), 2*time.Second))
	})
	t.Run("the caller has gone", func(t *testing.T) {
		t.Parallel()
		h := newSession(t)
		h.clock.advance(longTTL)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Hold(ctx, time.Second); err == nil {
			t.Error("held a session that is over")
		}
	})
}

// Goal: renewals in the background keep a session alive for longer than its TTL.
// Method: the shortest session there is, over two of its lives, in process and
// over a connection; then renewals stop and it ends.
func TestSessionIsKeptAlive(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]*clientv3.Client{"in process": inProcess(), "over a connection": dial(t, shared.Endpoints())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := session.New(bounded(t), client, session.Config{Boot: payment.BootID(rand.Text()), Prefix: newPrefix(), TTL: shortTTL})
			ok(t, "session.New", err)
			guard, _ := s.Current()
			began := time.Now()
			poll(bounded(t), func() bool { return time.Since(began) > 2500*time.Millisecond })
			now, live := s.Current()
			if !live || now != guard || !exists(t, guard.Key) {
				t.Fatalf("after %s: live %v, session %+v instead of %+v", time.Since(began), live, now, guard)
			}
			s.Close()
			if !exists(t, guard.Key) {
				t.Error("closing it ended the session at once")
			}
			if !poll(bounded(t), func() bool { return !exists(t, guard.Key) }) {
				t.Error("it never expired")
			}
		})
	}
}

// Goal: ending a session takes its key away at once; it can be done twice.
// Method: look for the key.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	h := newSession(t)
	var info session.Info
	resp, err := shared.Client().Get(bounded(t), h.key)
	ok(t, "get", err)
	if len(resp.Kvs) != 1 {
		t.Fatal("a session has no key")
	}
	ok(t, "unmarshal", json.Unmarshal(resp.Kvs[0].Value, &info))
	if diff := cmp.Diff(session.Info{Host: "host-1", Version: "v1", Start: start()}, info); diff != "" {
		t.Errorf("what it says of its process (-want +got):\n%s", diff)
	}
	ok(t, "end", h.End(bounded(t)))
	if exists(t, h.key) {
		t.Error("the key of an ended session is there")
	}
	if _, live := h.Current(); live {
		t.Error("an ended session is said to live")
	}
	ok(t, "end again", h.End(bounded(t)))
	expect(t, "hold", h.Hold(bounded(t), time.Millisecond), ledger.ErrSessionLost)
}

// Goal: a key that an unfinished start left behind does not keep the process
// from getting a session, nor is it taken for one.
// Method: the key is there under a lease that nobody renews.
func TestUnfinishedStartIsReplaced(t *testing.T) {
	t.Parallel()
	boot, prefix := payment.BootID(rand.Text()), newPrefix()
	lease, err := shared.Client().Grant(bounded(t), int64(longTTL/time.Second))
	ok(t, "grant", err)
	key := prefix + "/session/" + string(boot)
	left, err := shared.Client().Put(bounded(t), key, "{}", clientv3.WithLease(lease.ID))
	ok(t, "put", err)

	cfg := session.Config{Boot: boot, Prefix: prefix, TTL: longTTL}
	if _, err := session.New(bounded(t), inProcess(), cfg); err == nil {
		t.Fatal("started over a key that was in the way")
	}
	s, err := session.New(bounded(t), inProcess(), cfg)
	ok(t, "the next start", err)
	t.Cleanup(s.Close)
	if guard, _ := s.Current(); guard.Created <= left.Header.Revision || guard.Lease == lease.ID {
		t.Errorf("the session is the one left behind: %+v", guard)
	}
}

// Goal: a session that could not live is refused.
// Method: configurations that are wrong in one place.
func TestSessionConfig(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]session.Config{
		"no boot":                      {},
		"shorter than etcd can":        {Boot: "b", TTL: 500 * time.Millisecond},
		"renewed too late":             {Boot: "b", TTL: 2 * time.Second, RenewEvery: 1500 * time.Millisecond},
		"renewed at negative interval": {Boot: "b", RenewEvery: -time.Second},
	} {
		if _, err := session.New(bounded(t), inProcess(), cfg); err == nil {
			t.Errorf("%s: started", name)
		}
	}
	client := inProcess()
	failing := &failingGrant{Lease: client.Lease}
	client.Lease = failing
	_, err := session.New(bounded(t), client, session.Config{Boot: "b", Prefix: newPrefix()})
	expect(t, "session on an etcd that does not answer", err, ledger.ErrUnavailable)
}

type failingGrant struct{ clientv3.Lease }

func (failingGrant) Grant(context.Context, int64) (*clientv3.LeaseGrantResponse, error) {
	return nil, rpctypes.ErrTimeout
}

func exists(t *testing.T, key string) bool {
	t.Helper()
	resp, err := shared.Client().Get(bounded(t), key, clientv3.WithCountOnly())
	ok(t, "get", err)
	return resp.Count > 0
}
