package etcdledger_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/server/embedetcd"
)

// Goal: a happy operation costs two proposals of the consensus, and nothing
// that only asks costs any.
// Method: an etcd of its own with nothing else going on; its raft index before
// and after each call. Lease grants and failed transactions count there, though
// they leave the revision alone.
func TestProposals(t *testing.T) {
	t.Parallel()
	etcd, err := embedetcd.Start(bounded(t), embedetcd.Config{DataDir: t.TempDir(), Tick: 10 * time.Millisecond, CompactEvery: time.Hour})
	ok(t, "start", err)
	t.Cleanup(func() { ok(t, "close", etcd.Close()) })
	p := newProcess(t, setup{prefix: "/p", dial: etcd.Endpoints()})
	other := newProcess(t, setup{prefix: "/p", dial: etcd.Endpoints()})
	quiet(t, etcd.Client())

	cost := func(what string, want uint64, call func()) {
		t.Helper()
		before := raftIndex(t, etcd.Client())
		call()
		if got := raftIndex(t, etcd.Client()) - before; got != want {
			t.Errorf("%s: %d proposals, want %d", what, got, want)
		}
	}
	key := newKey()
	var s ledger.Snapshot
	cost("claim and outcome", 2, func() {
		s, err = p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), key))
		ok(t, "claim", err)
		s = p.advanced(t, s, succeeded(t, s))
	})
	cost("replay", 1, func() {
		_, err := other.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, other.Boot(), key))
		_ = keyTaken(t, err)
	})
	cost("reads", 0, func() {
		p.read(t, s.Operation.Key)
		_, _, err := p.Payment(bounded(t), tenant, s.Payment.ID)
		ok(t, "payment", err)
		_, _, err = p.List(bounded(t), ledger.Filter{Tenant: tenant}, "", 10)
		ok(t, "list", err)
		_, err = p.ByReference(bounded(t), account, string(s.Operation.Reference))
		ok(t, "by reference", err)
		_, err = p.Due(bounded(t), 0, start(), 10)
		ok(t, "due", err)
		ok(t, "await", p.Await(bounded(t), s.Operation.Key))
		ok(t, "hold", p.Hold(bounded(t), time.Second))
	})
	cost("claim, failover, park, takeover and outcome", 5, func() {
		s := p.claimed(t)
		s = p.advanced(t, s, failedOver(t, s))
		s = p.advanced(t, s, parked(t, s))
		s = other.takenOver(t, s)
		other.advanced(t, s, succeeded(t, s))
	})
	s = p.claimed(t)
	cost("the first event of a period", 2, func() { s = p.advanced(t, s, told(noted)(t, s)) })
	cost("every other event, with what needs attention", 2, func() {
		s = p.advanced(t, s, told(noted)(t, s))
		_, err := p.Record(bounded(t), s, refunded(t, s), ledger.News{Event: newEvent(), Attention: newAttention(s)})
		ok(t, "record", err)
	})
	cost("what needs attention and who lives", 0, func() {
		all, err := p.Attention(bounded(t), tenant, "", 10)
		ok(t, "attention", err)
		living, err := p.Living(bounded(t))
		ok(t, "living", err)
		if len(all) != 3 || len(living) != 2 {
			t.Errorf("%d things need attention and %d processes live", len(all), len(living))
		}
	})
	stale := p.claimed(t)
	other.advanced(t, stale, parked(t, stale))
	cost("an outcome that is fenced", 1, func() {
		_, err := p.Advance(bounded(t), stale, succeeded(t, stale))
		expect(t, "outcome", err, ledger.ErrFenced)
	})
}

// quiet returns once etcd has ended what it proposes by itself after a start.
func quiet(t *testing.T, c *clientv3.Client) {
	t.Helper()
	last, since := raftIndex(t, c), time.Now()
	if !poll(bounded(t), func() bool {
		if now := raftIndex(t, c); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	}) {
		t.Fatal("etcd never comes to rest")
	}
}

func raftIndex(t *testing.T, c *clientv3.Client) uint64 {
	t.Helper()
	s, err := c.Status(bounded(t), "")
	ok(t, "status", err)
	return s.RaftIndex
}

// Goal: the layout in etcd is the documented one: who reads it with other tools
// relies on it, and only the marker and the session hang on a lease.
// Method: all keys after a claim, and after its outcome.
func TestKeyLayout(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	p := newProcess(t, setup{prefix: prefix})
	const key = "order-1"
	s, err := p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), key))
	ok(t, "claim", err)
	kh := string(payment.HashKey(tenant, payment.MethodAuthorize, key))
	const shard = "15" // its hash begins with cf, which is 207: 15 modulo 64
	want := []string{
		"/inflight/merchant/authorize/" + kh + " leased",
		"/meta/generation", "/meta/ledger", "/meta/schema",
		"/mref/merchant/HASH/" + string(s.Payment.ID),
		"/op/merchant/authorize/" + kh,
		"/open/" + shard + "/" + kh,
		"/payment/merchant/" + string(s.Payment.ID),
		"/ref/account-1/HASH",
		"/session/" + string(p.Boot()) + " leased",
	}
	if diff := gocmp.Diff(want, layoutOf(t, prefix)); diff != "" {
		t.Errorf("after the claim (-want +got):\n%s", diff)
	}
	p.advanced(t, s, told(succeeded)(t, s))
	_, err = p.Record(bounded(t), ledger.Snapshot{}, nil, ledger.News{Event: newEvent(), Attention: orphan()})
	ok(t, "record", err)
	want = slices.DeleteFunc(want, func(k string) bool {
		return strings.HasPrefix(k, "/inflight/") || strings.HasPrefix(k, "/open/")
	})
	want = append(want,
		"/attention/_/HASH", "/attention/merchant/HASH", "/event/account-1/HASH leased", "/event/account-1/HASH leased",
		"/ref/account-1/HASH") // the provider's
	slices.Sort(want)
	if diff := gocmp.Diff(want, layoutOf(t, prefix)); diff != "" {
		t.Errorf("after the outcome (-want +got):\n%s", diff)
	}
}

// layoutOf lists the keys below a prefix, what is a hash in them blanked out.
func layoutOf(t *testing.T, prefix string) []string {
	t.Helper()
	resp, err := shared.Client().Get(bounded(t), prefix, clientv3.WithPrefix())
	ok(t, "get", err)
	var keys []string
	for _, kv := range resp.Kvs {
		parts := strings.Split(strings.TrimPrefix(string(kv.Key), prefix), "/")
		switch parts[1] {
		case "mref", "ref", "event", "attention":
			if len(parts[3]) != 32 {
				t.Errorf("%s: the hash has %d characters, want 32", kv.Key, len(parts[3]))
			}
			parts[3] = "HASH"
		}
		key := strings.Join(parts, "/")
		if kv.Lease != 0 {
			key += " leased"
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Goal: a session that is gone, or an etcd that is full, refuses new keys only.
// Method: claims of a key that is taken, and a repetition of an own claim.
func TestRefusedClaimsStillReplay(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, p *process){
		"without a session": func(t *testing.T, p *process) { t.Helper(); ok(t, "end", p.session.End(bounded(t))) },
		"near the quota":    func(t *testing.T, p *process) { t.Helper(); p.status.fill(bounded(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, setup{prefix: newPrefix(), ledger: etcdledger.Config{StatusEvery: 10 * time.Millisecond}})
			key := newKey()
			mine := claimOf(t, p.Boot(), key)
			s, err := p.Claim(bounded(t), ledger.Snapshot{}, mine)
			ok(t, "claim", err)
			spoil(t, p)
			again, err := p.Claim(bounded(t), ledger.Snapshot{}, mine)
			ok(t, "the same claim again", err)
			if again.Revision.Operation != s.Revision.Operation {
				t.Errorf("the same claim has revision %d, want %d", again.Revision.Operation, s.Revision.Operation)
			}
			s = p.advanced(t, s, succeeded(t, s))
			_, err = p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), key))
			if taken := keyTaken(t, err); string(taken.Operation.Response) != string(s.Operation.Response) {
				t.Errorf("replayed %q, want %q", taken.Operation.Response, s.Operation.Response)
			}
		})
	}
}

// Goal: claims stop early enough for the outcomes of those in flight to fit.
// Method: a real etcd with a small quota is filled by large claims until they
// are refused; then every outcome is written.
func TestQuotaLeavesRoomForOutcomes(t *testing.T) {
	t.Parallel()
	etcd, err := embedetcd.Start(bounded(t), embedetcd.Config{
		DataDir: t.TempDir(), Tick: 10 * time.Millisecond, CompactEvery: time.Hour, QuotaBytes: 16 << 20,
	})
	ok(t, "start", err)
	t.Cleanup(func() { ok(t, "close", etcd.Close()) })
	p := newProcess(t, setup{prefix: "/p", dial: etcd.Endpoints(), ledger: etcdledger.Config{StatusEvery: 10 * time.Millisecond}})
	const large = 600 << 10
	var open []ledger.Snapshot
	ctx := bounded(t)
	for {
		c := claimOf(t, p.Boot(), newKey())
		c.Operation.Sealed = make([]byte, large)
		s, err := p.Claim(ctx, ledger.Snapshot{}, c)
		if err != nil {
			expect(t, "claim", err, ledger.ErrFull)
			break
		}
		open = append(open, s)
		// etcd counts what it has committed to its file, which it does by time.
		poll(ctx, func() bool {
			st, err := etcd.Client().Status(ctx, "")
			return err != nil || st.DbSizeInUse > int64(len(open))*large
		})
		p.status.known(ctx)
	}
	if len(open) < 10 {
		t.Errorf("full after %d claims: far too early", len(open))
	}
	for _, s := range open {
		p.advanced(t, s, succeeded(t, s))
	}
}

// Goal: a read of one moment whose moment is compacted away begins again.
// Method: etcd is compacted to the present between the two parts of a read.
func TestReadsSurviveCompaction(t *testing.T) {
	t.Parallel()
	etcd, err := embedetcd.Start(bounded(t), embedetcd.Config{DataDir: t.TempDir(), Tick: 10 * time.Millisecond})
	ok(t, "start", err)
	t.Cleanup(func() { ok(t, "close", etcd.Close()) })
	p := newProcess(t, setup{prefix: "/p", dial: etcd.Endpoints()})
	s := p.claimed(t)
	reads := map[string]func() error{
		"read":    func() error { _, err := p.Read(bounded(t), s.Operation.Key); return err },
		"payment": func() error { _, _, err := p.Payment(bounded(t), tenant, s.Payment.ID); return err },
		"list": func() error {
			f := ledger.Filter{Tenant: tenant, Until: start().Add(time.Millisecond)} // is found by the first read
			_, _, err := p.List(bounded(t), f, "", 1)
			return err
		},
	}
	for name, read := range reads {
		var calls int
		compact := func() {
			if calls++; calls != 2 { // before the second part
				return
			}
			resp, err := etcd.Client().Put(bounded(t), "/other", "value")
			ok(t, "put", err)
			_, err = etcd.Client().Compact(bounded(t), resp.Header.Revision)
			ok(t, "compact", err)
		}
		p.kv.onRead.Store(&compact)
		ok(t, name, read())
		p.kv.onRead.Store(nil)
		if calls != 4 {
			t.Errorf("%s: %d requests, want the two parts twice", name, calls)
		}
	}
}

// Goal: each transaction is measured, by its name and how it ended.
// Method: a meter of the SDK and what it collects.
func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	p := newProcess(t, setup{prefix: newPrefix(), ledger: etcdledger.Config{Meter: meter}})
	key := newKey()
	s, err := p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), key))
	ok(t, "claim", err)
	_, err = p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), key))
	_ = keyTaken(t, err)
	p.advanced(t, s, succeeded(t, s))
	_, err = p.Advance(bounded(t), s, declined(t, s))
	expect(t, "a second outcome", err, ledger.ErrFenced)

	var got metricdata.ResourceMetrics
	ok(t, "collect", reader.Collect(bounded(t), &got))
	m := got.ScopeMetrics[0].Metrics[0]
	histogram, _ := m.Data.(metricdata.Histogram[float64])
	var names []string
	for _, d := range histogram.DataPoints {
		transaction, _ := d.Attributes.Value(attribute.Key("acquit.ledger.transaction"))
		outcome, _ := d.Attributes.Value(attribute.Key("acquit.ledger.outcome"))
		names = append(names, transaction.AsString()+" "+outcome.AsString())
	}
	slices.SortFunc(names, cmp.Compare)
	want := []string{"advance fenced", "advance ok", "claim key_taken", "claim ok"}
	if !slices.Equal(names, want) || m.Unit != "s" || m.Name != "acquit.ledger.transaction.duration" {
		t.Errorf("%s in %q: %v, want %v", m.Name, m.Unit, names, want)
	}
}
