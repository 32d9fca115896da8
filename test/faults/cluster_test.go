//go:build linux

package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
// provider, one key file.
type cluster struct {
	etcd    *ledgerProcess
	sandbox *provider
	keyring string
	// attemptBudget and attemptTimeout are what its serve processes are started with.
	attemptBudget, attemptTimeout time.Duration
}

// newCluster starts the shared processes.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{
		etcd: startEtcd(t), sandbox: startSandbox(t), keyring: filepath.Join(t.TempDir(), "keyring"),
		attemptBudget: attemptBudget, attemptTimeout: attemptTimeout,
	}
	c.etcd.ready(t)
	c.sandbox.ready(t)
	return c
}

// patient lets the provider take its time: for tests that hold its answers back,
// so that a slow machine does not make timeouts of them.
func (c *cluster) patient() *cluster {
	c.attemptBudget, c.attemptTimeout = 4*attemptBudget, 4*attemptBudget
	return c
}

// ledgerProcess is an etcd that can be brought back where it was.
type ledgerProcess struct {
	*process
	dir, addr string
}

func startEtcd(t *testing.T) *ledgerProcess {
	t.Helper()
	l := &ledgerProcess{dir: t.TempDir(), addr: "127.0.0.1:0"}
	l.process = start(t, "etcd", nil, "etcd", "--data-dir", l.dir, "--addr", l.addr)
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
	l.process = start(t, "etcd again", nil, "etcd", "--data-dir", l.dir, "--addr", l.addr)
	l.ready(t)
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
	dir := t.TempDir()
	file := filepath.Join(dir, "acquit.yaml")
	if err := os.WriteFile(file, []byte(c.config(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	var environ []string
	if fault != "" {
		environ = append(environ, "ACQUIT_FAULT="+fault)
	}
	s := &server{process: start(t, name, environ, "serve", "--config", file), dir: dir}
	grpc, ops := s.addresses(t)
	s.ops, s.caller = ops, newCaller(t, name, grpc)
	return s
}

// awaitNotReady waits until the process tells its probes that it takes no calls.
func (s *server) awaitNotReady(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, s.process.name+" is not ready", func() error {
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
	eventually(t, 20*time.Second, s.process.name+" is idle", func() error {
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
grpc_addr: 127.0.0.1:0
http_addr: 127.0.0.1:0
ops_addr: 127.0.0.1:0
session_ttl: %s
drain_timeout: %s
keys: {file: %s}
ledger: {etcd: {endpoints: ["http://%s"]}}
operation: {deadline: %s, attempt_budget: %s, attempt_timeout: %s, inline_budget: %s}
retry: {spacing: [200ms, 400ms], max_sends: 6}
accounts: [{name: %s, driver: sandbox, environment: sandbox, base_url: "%s"}]
`, filepath.Join(dir, "data"), sessionTTL, drainTimeout, c.keyring, c.etcd.addr,
		2*c.attemptBudget, c.attemptBudget, c.attemptTimeout, inlineBudget, accountName, c.sandbox.address)
}
