//go:build linux

package faults

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// anywhere are flags that let several serve processes run on one machine.
func anywhere() []string {
	return []string{"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0"}
}

// TestServeAlone: one command on an empty directory is a service that can be
// tried. It is not parallel, so that the time it takes to start is its own.
func TestServeAlone(t *testing.T) {
	p := start(t, binary, "serve", nil, append([]string{"serve"}, anywhere()...)...)
	dir := filepath.Join(p.cmd.Dir, "acquit-data")
	addr, _ := p.addresses(t)
	took := time.Since(p.started)
	t.Logf("ready after %s", took.Round(time.Millisecond))
	limit := 2 * time.Second
	if raceDetector {
		limit = 20 * time.Second
	}
	if took > limit {
		t.Errorf("it was ready after %s, want %s", took, limit)
	}
	said := p.stdout.String()
	for _, want := range []string{"SANDBOX, no authentication, loopback only", "data ./acquit-data", "grpc 127.0.0.1:", "webhooks 127.0.0.1:", "ops 127.0.0.1:", "try  acquit authorize"} {
		if !strings.Contains(said, want) {
			t.Errorf("the banner does not say %q:\n%s", want, said)
		}
	}
	tryBanner(t, said)

	t.Run("a second one on its directory", func(t *testing.T) {
		second := start(t, binary, "second", nil, append([]string{"serve", "--data-dir", dir}, anywhere()...)...)
		refused(t, second, dir, "--data-dir")
	})
	t.Run("a second one on its port", func(t *testing.T) {
		second := start(t, binary, "second", nil, "serve", "--data-dir", t.TempDir(), "--grpc-addr", addr, "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
		refused(t, second, addr, "--grpc-addr")
	})
	t.Run("interrupted", func(t *testing.T) {
		p.signal(t, syscall.SIGINT)
		if code := p.awaitExit(t, 10*time.Second); code != 0 {
			t.Errorf("it ended with %d, want 0", code)
		}
	})
}

// tryBanner runs what the banner says to try.
func tryBanner(t *testing.T, banner string) {
	t.Helper()
	var payment string
	for line := range strings.Lines(banner) {
		_, command, found := strings.Cut(line, " acquit ")
		if !found || strings.Contains(line, "what an answer means") {
			continue
		}
		args := strings.Fields(strings.ReplaceAll(command, "PAYMENT", payment))
		out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
		if err != nil {
			t.Errorf("acquit %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		for said := range strings.Lines(string(out)) {
			if fields := strings.Fields(said); payment == "" && len(fields) > 1 && fields[0] == "payment" {
				payment = fields[1]
			}
		}
	}
	if payment == "" {
		t.Errorf("nothing that the banner says to try made a payment:\n%s", banner)
	}
}

// refused waits for a process that must not start and says why.
func refused(t *testing.T, p *process, words ...string) {
	t.Helper()
	if code := p.awaitExit(t, startLimit); code != 1 && code != 2 {
		t.Errorf("it ended with %d, want 1 or 2", code)
	}
	for _, word := range words {
		if !strings.Contains(p.stderr.String(), word) {
			t.Errorf("it does not say %q:\n%s", word, p.stderr)
		}
	}
}

// TestServeAloneKilled: the ledger inside the process survives it. A call is
// answered, the process is killed, and another one on the same directory gives
// the same answer to the same key.
func TestServeAloneKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "acquit-data")
	i := intent{key: "alone", token: "tok_ok", amount: 1000}
	var first answer
	for n := range 2 {
		p := start(t, binary, "serve", nil, append([]string{"serve", "--data-dir", dir}, anywhere()...)...)
		addr, _ := p.addresses(t)
		a := newCaller(t, "alone", addr).insist(t, i)
		if a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || a.replayed != (n > 0) {
			t.Errorf("life %d: %s, want SUCCEEDED", n, a)
		}
		if n > 0 && !bytes.Equal(a.raw, first.raw) {
			t.Errorf("after the crash it answers %x, before %x", a.raw, first.raw)
		}
		first = a
		p.kill(t)
	}
}
