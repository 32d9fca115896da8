package etcdledger_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/server/embedetcd"
)

const (
	// limit is how long anything here may take before it counts as hanging.
	limit = 30 * time.Second
	// longTTL keeps a session alive for as long as any test takes.
	longTTL = 10 * time.Minute
	// shortTTL is the shortest that etcd's leases allow.
	shortTTL = time.Second
)

// shared is the etcd of all tests of this package that do not need one of their
// own. Each test has a prefix of its own in it.
var shared *embedetcd.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "acquit-etcdledger-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		shared, err = embedetcd.Start(context.Background(), embedetcd.Config{DataDir: dir, Tick: 10 * time.Millisecond})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = shared.Close() }()
		return m.Run()
	}())
}

// newPrefix is a namespace in the shared etcd that nobody else uses.
func newPrefix() string { return "/" + rand.Text() }

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// process is one process life on an etcd: what serve wires together.
type process struct {
	*etcdledger.Ledger
	client  *clientv3.Client
	session *session.Session
	kv      *faultKV
	status  *faultStatus
	lease   *faultLease
	file    string // that remembers the ledger; "" if none does
}

// setup says how a process differs from the ordinary.
type setup struct {
	prefix  string         // required
	ttl     time.Duration  // of its session; longTTL if zero
	dial    []string       // endpoints of another etcd, or of the shared one; it is reached in process if nil
	session session.Config // Now, if any
	ledger  etcdledger.Config
}

// newProcess opens a ledger whose reads and writes may be made to fail.
func newProcess(t *testing.T, s setup) *process {
	t.Helper()
	if s.ttl == 0 {
		s.ttl = longTTL
	}
	p := &process{client: inProcess(), file: s.ledger.GenerationFile}
	if s.dial != nil {
		p.client = dial(t, s.dial)
	}
	p.kv, p.status, p.lease = &faultKV{KV: p.client.KV}, &faultStatus{Maintenance: p.client.Maintenance}, &faultLease{Lease: p.client.Lease}
	p.client.KV, p.client.Maintenance, p.client.Lease = p.kv, p.status, p.lease
	s.session.Boot, s.session.Prefix, s.session.TTL = payment.BootID(rand.Text()), s.prefix, s.ttl
	var err error
	p.session, err = session.New(bounded(t), p.client, s.session)
	if err != nil {
		t.Fatalf("session.New: %v", err)
	}
	t.Cleanup(p.session.Close)
	s.ledger.Client, s.ledger.Session, s.ledger.Prefix = p.client, p.session, s.prefix
	if s.ledger.SettleLimit == 0 {
		s.ledger.SettleLimit = 200 * time.Millisecond
	}
	p.Ledger, err = etcdledger.Open(bounded(t), s.ledger)
	if err != nil {
		t.Fatalf("etcdledger.Open: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// inProcess is a client of the shared etcd whose parts can be replaced.
func inProcess() *clientv3.Client {
	base, c := shared.Client(), clientv3.NewCtxClient(context.Background())
	c.KV, c.Lease, c.Watcher, c.Maintenance = base.KV, base.Lease, base.Watcher, base.Maintenance
	return c
}

// openHarness is what the conformance suite runs on: three processes on one etcd.
func openHarness(t *testing.T, endpoints []string) ledgertest.Harness {
	t.Helper()
	prefix := newPrefix()
	var all [ledgertest.Boots]*process
	h := ledgertest.Harness{}
	for i := range all {
		all[i] = newProcess(t, setup{prefix: prefix, dial: endpoints, ledger: etcdledger.Config{
			StatusEvery: 20 * time.Millisecond, SettleLimit: 60 * time.Millisecond, // waited out whenever every answer gets lost
		}})
		h.Ledgers[i] = all[i]
	}
	h.EndSession = func(t *testing.T, i int) {
		t.Helper()
		if err := all[i].session.End(bounded(t)); err != nil {
			t.Fatalf("ending a session: %v", err)
		}
	}
	h.Lose = func(_ *testing.T, i int, applied bool) func() {
		all[i].kv.set(&fault{applied: applied, andAllAfter: true})
		return func() { all[i].kv.set(nil) }
	}
	h.LoseAnswer = func(_ *testing.T, i int, applied bool) { all[i].kv.set(&fault{applied: applied}) }
	h.CutOff = func(_ *testing.T, i int) func() {
		all[i].kv.cut.Store(true)
		return func() { all[i].kv.cut.Store(false) }
	}
	h.Fill = func(t *testing.T) {
		t.Helper()
		for _, p := range all {
			p.status.fill(bounded(t))
		}
	}
	return h
}

// The ledger keeps the contract inside etcd's own process.
func TestLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness { t.Helper(); return openHarness(t, nil) })
}

// The ledger keeps the contract over a connection to etcd, one per process.
func TestLedgerOverConnections(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) ledgertest.Harness { t.Helper(); return openHarness(t, shared.Endpoints()) })
}

func dial(t *testing.T, endpoints []string) *clientv3.Client {
	t.Helper()
	c, err := etcdledger.Dial(etcdledger.Endpoints{Addresses: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// faultStatus reports an etcd that is nearly full once it was told to.
type faultStatus struct {
	clientv3.Maintenance

	full  atomic.Bool
	asked atomic.Int64
}

// Status implements clientv3.Maintenance.
func (f *faultStatus) Status(ctx context.Context, endpoint string) (*clientv3.StatusResponse, error) {
	full := f.full.Load()
	resp, err := f.Maintenance.Status(ctx, endpoint)
	if err == nil && full {
		resp.DbSizeInUse = resp.DbSizeQuota / 10 * 8
	}
	f.asked.Add(1)
	return resp, err
}

// fill returns once the ledger knows that etcd is nearly full.
func (f *faultStatus) fill(ctx context.Context) {
	f.full.Store(true)
	f.known(ctx)
}

// known returns once the ledger has learned how full etcd is now: the answer to
// a question asked from now on has been dealt with.
func (f *faultStatus) known(ctx context.Context) {
	before := f.asked.Load()
	poll(ctx, func() bool { return f.asked.Load() >= before+3 })
}

// poll asks until done says so or ctx ends, and returns what it said last.
func poll(ctx context.Context, done func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return done()
		case <-tick.C:
		}
	}
	return true
}

func expect(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

var _ ledger.Ledger = (*process)(nil)
