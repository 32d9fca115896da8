package etcdledger_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// orphan is about nothing that anybody knows.
func orphan() *payment.Attention {
	a := payment.Attention{
		Kind: payment.AttentionOrphan, Account: account, Object: payment.ProviderReference(rand.Text()), Summary: "nobody's", Time: start(),
	}.Identified()
	return &a
}

// told takes in an event about nothing, and returns it.
func (p *process) told(t *testing.T) *payment.EventKey {
	t.Helper()
	e := newEvent()
	_, err := p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: e})
	ok(t, "record", err)
	return e
}

// eventLeases are the leases that the events below a prefix hang on, and how many
// events hang on each.
func eventLeases(t *testing.T, prefix string) map[int64]int {
	t.Helper()
	resp, err := shared.Client().Get(bounded(t), prefix+"/event/", clientv3.WithPrefix())
	ok(t, "get", err)
	all := map[int64]int{}
	for _, kv := range resp.Kvs {
		all[kv.Lease]++
	}
	return all
}

// Goal: the events of a period hang on one lease, long enough to outlast what
// providers repeat, however many come at once; another period has another lease.
// Method: etcd's own word on the leases.
func TestEventsShareALease(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, setup{prefix: prefix})
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() { p.told(t) })
	}
	all.Wait()
	s := p.claimed(t)
	p.advanced(t, s, told(succeeded)(t, s))
	leases := eventLeases(t, prefix)
	if granted := p.lease.granted.Load(); granted != 2 || len(leases) != 1 {
		t.Errorf("events hang on %v; %d leases were granted, want the session's and one", leases, granted)
	}
	for id, n := range leases {
		ttl, err := shared.Client().TimeToLive(bounded(t), clientv3.LeaseID(id))
		ok(t, "time to live", err)
		if ttl.GrantedTTL != 32*24*60*60 || n != 13 {
			t.Errorf("%d events are kept for %d s", n, ttl.GrantedTTL)
		}
	}

	prefix = newPrefix()
	p = newProcess(t, setup{prefix: prefix, ledger: etcdledger.Config{EventPeriod: time.Nanosecond}})
	for range 3 {
		p.told(t)
	}
	if leases := eventLeases(t, prefix); len(leases) != 3 {
		t.Errorf("events of three periods hang on %v", leases)
	}
}

// Goal: a lease that is gone keeps no event from being taken in: another is
// granted and the write repeated, also where its answer got lost.
// Method: the lease is revoked behind the process's back.
func TestLostEventLeaseIsReplaced(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]*fault{"as it is": nil, "with a lost answer": {}, "with a late copy": {late: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := newPrefix()
			p := newProcess(t, patient(prefix))
			before := p.told(t)
			for id := range eventLeases(t, prefix) {
				_, err := p.client.Revoke(bounded(t), clientv3.LeaseID(id))
				ok(t, "revoke", err)
			}
			s := p.claimed(t)
			c := told(succeeded)(t, s)
			p.kv.set(lost)
			p.madeOnce(t, p.advanced(t, s, c), c)
			if n := len(eventLeases(t, prefix)); n != 1 {
				t.Errorf("events hang on %d leases", n)
			}
			_, err := p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: c.Event})
			expect(t, "the same event", err, ledger.ErrEventKnown)
			_, err = p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: before})
			ok(t, "an event whose lease is gone", err)
			if live, _ := p.session.Current(); live.Lease == 0 || p.Hold(bounded(t), time.Second) != nil {
				t.Error("the session was taken for lost")
			}
		})
	}
}

// Goal: without a lease for it an event is not taken in, and nothing of its
// change is written. Method: etcd grants none, then some.
func TestNoLeaseForEvents(t *testing.T) {
	t.Parallel()
	p := newProcess(t, setup{prefix: newPrefix()})
	s := p.claimed(t)
	c := told(succeeded)(t, s)
	p.lease.refuses.Store(true)
	_, err := p.Advance(bounded(t), s, c)
	expect(t, "advance", err, ledger.ErrUnavailable)
	_, err = p.Record(bounded(t), s, refunded(t, s), ledger.News{Event: newEvent()})
	expect(t, "record", err, ledger.ErrUnavailable)
	if now := p.read(t, s.Operation.Key); now.Revision != s.Revision {
		t.Errorf("the revisions moved from %+v to %+v", s.Revision, now.Revision)
	}
	p.lease.refuses.Store(false)
	p.madeOnce(t, p.advanced(t, s, c), c)
}

// Goal: a record whose answer gets lost is made once and told as made; if another
// delivery of its event came first, it is told so. Method: etcd's client loses
// the answer, and something happens meanwhile.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]fault{"made": {applied: true}, "not made": {}, "delayed": {late: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, other := patientPair(t)
			s := other.claimed(t)
			s = other.advanced(t, s, succeeded(t, s))
			for what, n := range map[string]ledger.News{
				"an event": {Event: newEvent(), Attention: newAttention(s)}, "a look": {}, "attention": {Attention: newAttention(s)},
			} {
				s = p.read(t, s.Operation.Key)
				want := refunded(t, s)
				p.kv.set(&fault{applied: lost.applied, late: lost.late})
				got, err := p.Record(bounded(t), s, want, n)
				ok(t, "record of "+what, err)
				now := p.read(t, s.Operation.Key)
				there := ledger.Snapshot{Payment: now.Payment, Revision: ledger.Revision{Payment: now.Revision.Payment}}
				if diff := gocmp.Diff(there, got); diff != "" || got.Payment.Version != want.Version {
					t.Errorf("record of %s: what came back is not what is there:\n%s", what, diff)
				}
			}
		})
	}
	t.Run("another delivery came first", func(t *testing.T) {
		t.Parallel()
		p, other := patientPair(t)
		e := newEvent()
		p.kv.set(&fault{between: func() {
			_, err := other.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: e})
			ok(t, "the other's record", err)
		}})
		_, err := p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: e})
		expect(t, "record", err, ledger.ErrEventKnown)
	})
	t.Run("another delivery to the same process came first", func(t *testing.T) {
		t.Parallel()
		p, _ := patientPair(t)
		e := newEvent()
		p.kv.set(&fault{between: func() {
			_, err := p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: e})
			ok(t, "the other record", err)
		}})
		_, err := p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: e})
		expect(t, "record", err, ledger.ErrEventKnown)
	})
}

// Goal: an outcome told by an event is this process's own only if it took the
// event in. Method: another writes the very same while the answer is lost.
func TestEqualNewsOfAnother(t *testing.T) {
	t.Parallel()
	p, other := patientPair(t)
	s := other.claimed(t)
	s = other.advanced(t, s, parked(t, s))
	c := told(succeeded)(t, s)
	var theirs ledger.Snapshot
	p.kv.set(&fault{between: func() { theirs = other.advanced(t, s, c) }})
	present, err := p.Advance(bounded(t), s, c)
	expect(t, "the same news", err, ledger.ErrFenced)
	if diff := gocmp.Diff(theirs.Revision, present.Revision); diff != "" {
		t.Errorf("told of another record than the present one:\n%s", diff)
	}
}

// Goal: out of space keeps no news from being tried again, and an event of which
// a newer build keeps more is known all the same. Method: etcd says so; a record
// is written by hand.
func TestRecordsThatAreRefused(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, patient(prefix))
	p.kv.set(&fault{err: rpctypes.ErrNoSpace})
	_, err := p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: newEvent()})
	expect(t, "record", err, ledger.ErrUnavailable)

	e := p.told(t)
	resp, err := shared.Client().Get(bounded(t), prefix+"/event/", clientv3.WithPrefix())
	ok(t, "get", err)
	put(t, string(resp.Kvs[0].Key), `{"schema":2,"kind":"event","body":[]}`)
	_, err = p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: e})
	expect(t, "record of an event that cannot be read", err, ledger.ErrEventKnown)
	s := p.claimed(t)
	c := succeeded(t, s)
	c.Event = e
	_, err = p.Advance(bounded(t), s, c)
	expect(t, "advance by an event that cannot be read", err, ledger.ErrEventKnown)

	if _, err = p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: &payment.EventKey{Account: "a/b", ID: "1"}}); err == nil {
		t.Error("an account that is a path was taken for a name")
	}
}

// Goal: one entry that cannot be read hides no other: an operation that is due
// is visited, and what needs attention is found. It is told and counted.
// Method: garbage and a newer build's entry among others, at either end.
func TestUnreadableEntriesArePassedOver(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	reader := sdkmetric.NewManualReader()
	var log lockedBuffer
	p := newProcess(t, setup{prefix: prefix, ledger: etcdledger.Config{
		Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}})
	s := p.claimed(t)
	s = p.advanced(t, s, parked(t, s))
	shard := ledger.Shard(s.Operation.Key)
	folder := prefix + "/open/" + twoDigits(shard) + "/"
	put(t, folder+"0", "garbage")
	put(t, folder+"g", `{"schema":2,"kind":"open","body":{}}`)
	due, err := p.Due(bounded(t), shard, start().Add(time.Hour), 10)
	ok(t, "due", err)
	if len(due) != 1 || due[0].Key != s.Operation.Key {
		t.Errorf("due is %+v, want one entry, of %s", due, s.Operation.Key.ID)
	}

	a := newAttention(s)
	_, err = p.Record(bounded(t), s, nil, ledger.News{Attention: a})
	ok(t, "record", err)
	put(t, prefix+"/attention/merchant/0", "garbage")
	all, err := p.Attention(bounded(t), tenant, "", 1)
	ok(t, "attention", err)
	if len(all) != 1 || all[0].ID != a.ID {
		t.Errorf("attention is %+v, want one, %s", all, a.ID)
	}
	for _, key := range []string{folder + "0", folder + "g", prefix + "/attention/merchant/0"} {
		if !strings.Contains(log.String(), key) {
			t.Errorf("nobody is told of %s:\n%s", key, log.String())
		}
	}
	if n := counted(t, reader, "acquit.ledger.unreadable"); n != 3 {
		t.Errorf("%d records were counted, want 3", n)
	}
}

func twoDigits(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

// counted is the sum of a counter.
func counted(t *testing.T, reader *sdkmetric.ManualReader, name string) (sum int64) {
	t.Helper()
	var got metricdata.ResourceMetrics
	ok(t, "collect", reader.Collect(context.Background(), &got))
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if s, is := m.Data.(metricdata.Sum[int64]); is && m.Name == name {
				for _, d := range s.DataPoints {
					sum += d.Value
				}
			}
		}
	}
	return sum
}

// lockedBuffer is a buffer that several may write to at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
