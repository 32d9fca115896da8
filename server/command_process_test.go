package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServeCommand: the first thing a newcomer does, on a machine with nothing:
// the process is ready within two seconds, prints the banner and nothing else,
// takes a payment, and ends well on SIGTERM.
func TestServeCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acquit-data")
	serve := exec.CommandContext(t.Context(), binary(t), "serve", "--data-dir", dir,
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	var out, log safeBuffer
	serve.Stdout, serve.Stderr = &out, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	t.Cleanup(func() { _ = serve.Process.Kill() })
	eventually(t, "the banner is printed", func() bool { return strings.Contains(out.String(), "acquit mapping") })
	var took float64
	if _, err := fmt.Sscanf(out.String()[strings.Index(out.String(), "ready in"):], "ready in %f s", &took); err != nil || took > 2 {
		t.Errorf("ready in %.1f s (%v)", took, err)
	}
	golden(t, "banner_serve.golden.txt", []byte(strings.ReplaceAll(masked(out.String()), dir, "DIRECTORY")))
	addr := regexp.MustCompile(`grpc (\S+)`).FindStringSubmatch(out.String())[1]
	if stdout, stderr, code := command(t, nil, "authorize", "--addr", addr, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok"); code != 0 {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve: %v\n%s", err, &log)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("serve did not end\n%s", &log)
	}
}

// TestSecondSignalEndsAtOnce: whoever cannot wait for a drain sends the signal
// again. The provider never answers, so the drain alone would take its 30 s.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	serve := exec.CommandContext(t.Context(), binary(t), "serve", "--data-dir", t.TempDir(),
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	var out, log safeBuffer
	serve.Stdout, serve.Stderr = &out, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve.Wait() // it is ended by a signal
	}()
	t.Cleanup(func() { _ = serve.Process.Kill() })
	address := regexp.MustCompile(`grpc (\S+)`)
	eventually(t, "the banner is printed", func() bool { return address.MatchString(out.String()) })
	command(t, nil, "authorize", "--addr", address.FindStringSubmatch(out.String())[1], "--amount", "10.00", "--currency", "EUR",
		"--token", "tok_timeout_always", "--timeout", "1s")
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server drains", func() bool { return strings.Contains(log.String(), "msg=draining") })
	began := time.Now()
	eventually(t, "the server has ended", func() bool {
		_ = serve.Process.Signal(syscall.SIGTERM) // fails once it has ended
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestEtcdAndSandboxCommands: two servers share one etcd and one simulator that
// run alone: what one of them did, the other replays.
func TestEtcdAndSandboxCommands(t *testing.T) {
	dir := t.TempDir()
	endpoint, _ := alone(t, `etcd (\S+) `, "etcd", "--data-dir", filepath.Join(dir, "etcd"), "--addr", "127.0.0.1:0")
	provider, _ := alone(t, `sandbox (\S+) `, "sandbox", "--data-dir", filepath.Join(dir, "sandbox"), "--addr", "127.0.0.1:0")
	share := func(c *Config) {
		c.Ledger.Etcd.Endpoints = []string{endpoint}
		c.Accounts[0].BaseURL = provider
		c.Keys.File = filepath.Join(dir, "keyring")
	}
	one, two := start(t, share), start(t, share)
	first, _, code := command(t, nil, "authorize", "--addr", one.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "order-1", "-o", "json")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	second, _, code := command(t, nil, "authorize", "--addr", two.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "order-1", "-o", "json")
	if code != 0 || first != second {
		t.Errorf("exit code %d, not the same answer:\n%s\n%s", code, first, second)
	}
}

// TestNotReadyWithoutItsLedger: a server whose etcd is gone says that it is not
// ready, so that it is sent no payments it could not take.
func TestNotReadyWithoutItsLedger(t *testing.T) {
	endpoint, stop := alone(t, `etcd (\S+) `, "etcd", "--data-dir", t.TempDir(), "--addr", "127.0.0.1:0")
	r := start(t, func(c *Config) { c.Ledger.Etcd.Endpoints = []string{endpoint} })
	if code := r.ops(t, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready with its ledger: %d", code)
	}
	stop()
	eventually(t, "the server is not ready", func() bool { return r.ops(t, "/readyz") == http.StatusServiceUnavailable })
	if code := r.ops(t, "/healthz"); code != http.StatusOK {
		t.Errorf("not alive: %d", code)
	}
}

// alone starts a command that runs until stop is called or everything that the
// test started later has ended, and returns what it announces on its standard
// output.
func alone(t *testing.T, announces string, args ...string) (announced string, stop func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, binary(t), args...)
	var out, log safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v\n%s", args, err, &log)
		}
	})
	pattern := regexp.MustCompile(announces)
	eventually(t, fmt.Sprintf("%v announces itself", args), func() bool { return pattern.MatchString(out.String()) })
	return pattern.FindStringSubmatch(out.String())[1], stop
}
