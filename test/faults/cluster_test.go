//go:build linux

package faults

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The times of every process under test: short, so that what has to expire does
// so within seconds.
const (
	accountName    = "sandbox"
	sessionTTL     = 5 * time.Second // the least that a server takes
	attemptBudget  = 3 * time.Second
	attemptTimeout = 2 * time.Second
	inlineBudget   = 4 * time.Second
	drainTimeout   = 15 * time.Second
	// takeoverGrace is the server's own: how long after the deadline of a dead
	// owner's attempt another process may send again.
	takeoverGrace = 5 * time.Second
)

// cluster is what the serve processes of a deployment share: one etcd, one
// provider, one key file. settings are what those are started with that start next.
type cluster struct {
	etcd    *ledgerProcess
	sandbox *provider
	keyring string
	audited *atomic.Bool
	settings
}

// settings are those of a serve process that tests differ in.
type settings struct {
	program                       string // the binary
	ledger                        string // address of the ledger; "" is the cluster's own
	grpcAddr                      string
	provider                      string // URL of the provider; "" is the cluster's wire
	attemptBudget, attemptTimeout time.Duration
	deadline, resolveBy           time.Duration // of an operation
	inlineBudget                  time.Duration
	sessionTTL                    time.Duration
	sweepEvery, recheck           time.Duration
	perAccount, maxInFlight       int
	logLevel                      string
	webhookSecret                 string // file of the account's; "" takes no webhooks
}

// newCluster starts the shared processes. What they hold in the end is audited.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	etcd, sandbox := startEtcd(t), startSandbox(t)
	etcd.ready(t)
	return newClusterOf(t, etcd, sandbox)
}

// newClusterOf is the cluster of a ledger that is ready and a provider that has
// been started.
func newClusterOf(t *testing.T, etcd *ledgerProcess, sandbox *provider) *cluster {
	t.Helper()
	c := &cluster{
		etcd: etcd, sandbox: sandbox, keyring: filepath.Join(t.TempDir(), "keyring"), audited: &atomic.Bool{},
		settings: settings{
			program: binary, attemptBudget: attemptBudget, attemptTimeout: attemptTimeout, deadline: 2 * attemptBudget, resolveBy: 15 * time.Minute,
			inlineBudget: inlineBudget, sessionTTL: sessionTTL, sweepEvery: 5 * time.Second, recheck: 30 * time.Second, perAccount: 16, maxInFlight: 4096, logLevel: "info",
			grpcAddr: "127.0.0.1:0",
		},
	}
	c.sandbox.ready(t)
	c.etcd.audit = func(t *testing.T) { t.Helper(); c.audit(t) }
	t.Cleanup(func() { c.audit(t) })
	return c
}

// with is the cluster as it starts processes with other settings.
func (c *cluster) with(change func(*settings)) *cluster {
	other := *c
	change(&other.settings)
	return &other
}

// patient lets the provider take its time: for tests that hold its answers back,
// so that a slow machine does not make timeouts of them.
func (c *cluster) patient() *cluster {
	return c.with(func(s *settings) {
		s.attemptBudget, s.attemptTimeout, s.deadline = 4*attemptBudget, 4*attemptBudget, 8*attemptBudget
	})
}

// sweeping lets processes look after what is open all the time.
func (c *cluster) sweeping() *cluster {
	return c.with(func(s *settings) { s.sweepEvery, s.recheck = 500*time.Millisecond, time.Second })
}

// idle lets processes look after nothing but what is open when they start.
func (c *cluster) idle() *cluster {
	return c.with(func(s *settings) { s.sweepEvery = time.Hour })
}

// ledgerProcess is an etcd that can be brought back where it was.
type ledgerProcess struct {
	*process
	dir, addr string
	cluster   *trio            // that it stands for; nil if it is alone and asks for no certificates
	audit     func(*testing.T) // of what it holds, before it is gone
}

// config is how serve processes are told of it, at another address if that is not
// empty.
func (l *ledgerProcess) config(addr string) string {
	if l.cluster != nil {
		return l.cluster.config()
	}
	return fmt.Sprintf(`{endpoints: ["http://%s"]}`, cmp.Or(addr, l.addr))
}

func startEtcd(t *testing.T) *ledgerProcess {
	t.Helper()
	l := &ledgerProcess{dir: t.TempDir(), addr: "127.0.0.1:0"}
	l.process = start(t, plain, "etcd", nil, "etcd", "--data-dir", l.dir, "--addr", l.addr)
	return l
}

// ready waits until etcd takes writes and remembers where.
func (l *ledgerProcess) ready(t *testing.T) {
	t.Helper()
	said := l.line(t, "etcd http")
	l.addr = strings.TrimPrefix(strings.Fields(said)[1], "http://")
}

// restart starts etcd again on the same data and address.
func (l *ledgerProcess) restart(t *testing.T) {
	t.Helper()
	l.process = start(t, plain, "etcd again", nil, "etcd", "--data-dir", l.dir, "--addr", l.addr)
	l.ready(t)
	t.Cleanup(func() { l.audit(t) })
}

// server is one serve process and a caller connected to it.
type server struct {
	*process
	*caller
	ops string
	dir string
}

// serve starts a serve process of the cluster and waits until it is ready.
// fault is "" or what ACQUIT_FAULT says.
func (c *cluster) serve(t *testing.T, name, fault string) *server {
	t.Helper()
	s := c.launch(t, name, fault)
	s.awaitReady(t)
	return s
}

// launch starts a serve process.
func (c *cluster) launch(t *testing.T, name, fault string) *server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "acquit.yaml")
	if err := os.WriteFile(file, []byte(c.config(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	var environ []string
	if fault != "" {
		environ = append(environ, "ACQUIT_FAULT="+fault)
	}
	return &server{process: start(t, c.program, name, environ, "serve", "--config", file), dir: dir}
}

// awaitReady waits until the process takes calls, and connects to it.
func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	grpc, ops := s.addresses(t)
	s.ops, s.caller = ops, newCaller(t, s.process.name, grpc)
}

// awaitNotReady waits until the process tells its probes that it takes no calls.
func (s *server) awaitNotReady(t *testing.T) {
	t.Helper()
	eventually(t, patience, s.process.name+" is not ready", func() error {
		code, _, err := s.ask("/readyz")
		if err == nil && code != http.StatusServiceUnavailable {
			err = errNotYet
		}
		return err
	})
}

// awaitIdle waits until the process works on no operation.
func (s *server) awaitIdle(t *testing.T) {
	t.Helper()
	eventually(t, patience, s.process.name+" is idle", func() error {
		_, metrics, err := s.ask("/metrics")
		if err == nil && !regexp.MustCompile(`(?m)^acquit_operation_in_flight\S* 0$`).MatchString(metrics) {
			err = errNotYet
		}
		return err
	})
}

// ask reads a page of the ops listener.
func (s *server) ask(path string) (code int, body string, err error) {
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + s.ops + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// addresses are where the process says it listens, once it is ready.
func (p *process) addresses(t *testing.T) (grpc, ops string) {
	t.Helper()
	said := p.line(t, "ready in")
	found := regexp.MustCompile(`grpc (\S+) .*ops (\S+) `).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("%s does not say where it listens: %q", p.name, said)
	}
	return found[1], found[2]
}

// config is the file of one serve process.
func (c *cluster) config(dir string) string {
	return fmt.Sprintf(`
data_dir: %s
grpc_addr: %s
http_addr: 127.0.0.1:0
ops_addr: 127.0.0.1:0
log: {level: %s}
session_ttl: %s
drain_timeout: %s
keys: {file: %s}
ledger: {etcd: %s}
operation: {deadline: %s, attempt_budget: %s, attempt_timeout: %s, resolve_by: %s, inline_budget: %s, max_in_flight: %d}
sweep: {every: %s, per_account: %d, recheck: %s}
retry: {spacing: [200ms, 400ms], max_sends: 6}
accounts: [{name: %s, driver: sandbox, environment: sandbox, base_url: "%s"%s}]
`, filepath.Join(dir, "data"), c.grpcAddr, c.logLevel, c.sessionTTL, drainTimeout, c.keyring, c.etcd.config(c.ledger),
		c.deadline, c.attemptBudget, c.attemptTimeout, c.resolveBy, c.inlineBudget, c.maxInFlight,
		c.sweepEvery, c.perAccount, c.recheck, accountName, cmp.Or(c.provider, c.sandbox.address), c.webhooks())
}
