package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestReadiness: a process is ready while its check passes, and neither before
// it is built nor once it drains; alive it is all the time.
func TestReadiness(t *testing.T) {
	ready := &readiness{}
	handler := opsHandler(prometheus.NewRegistry(), ready)
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	expect := func(when string, wantCode int, wantText string) {
		t.Helper()
		if code, text := ask("/readyz"); code != wantCode || text != wantText {
			t.Errorf("%s: %d %q, want %d %q", when, code, text, wantCode, wantText)
		}
		if code, _ := ask("/healthz"); code != http.StatusOK {
			t.Errorf("%s: not alive: %d", when, code)
		}
	}
	expect("starting", http.StatusServiceUnavailable, "not ready: starting")
	var trouble error
	ready.open(func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the check has no deadline")
		}
		return trouble
	})
	expect("running", http.StatusOK, "ready")
	trouble = errors.New("no session")
	expect("in trouble", http.StatusServiceUnavailable, "not ready: no session")
	ready.close()
	expect("draining", http.StatusServiceUnavailable, "not ready: draining")
}

// TestRunNamesTheFlagOfATakenPort: each address in turn is taken; Run says which
// and how to choose another, before it touches the data directory.
func TestRunNamesTheFlagOfATakenPort(t *testing.T) {
	var listener net.ListenConfig
	taken, err := listener.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, set := range map[string]func(*Config){
		"grpc_addr": func(c *Config) { c.GRPCAddr = taken.Addr().String() },
		"http_addr": func(c *Config) { c.HTTPAddr = taken.Addr().String() },
		"ops_addr":  func(c *Config) { c.OpsAddr = taken.Addr().String() },
	} {
		t.Run(key, func(t *testing.T) {
			c := Default()
			c.GRPCAddr, c.HTTPAddr, c.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
			c.DataDir = filepath.Join(t.TempDir(), "data")
			set(&c)
			err := Run(t.Context(), c, Process{Stdout: t.Output(), Stderr: t.Output()})
			want := key + ": " + taken.Addr().String() + " is taken; stop what listens there, or choose another address by --" + strings.ReplaceAll(key, "_", "-")
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data directory was touched: %v", err)
			}
		})
	}
}
