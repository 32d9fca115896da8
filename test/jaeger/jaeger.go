// Package jaeger shows payments in Jaeger: it builds and starts a real Jaeger and a
// real acquit that sends it spans, makes four payments that each end in another way,
// and reads their traces back. A test holds the traces to what they are to show; the
// command show prints them for whoever is new here.
//
// The test has the build tag jaeger, since Jaeger takes minutes to build the first time:
//
//	go test -tags jaeger ./test/jaeger
package jaeger

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Jaeger is a running Jaeger with its memory for storage.
type Jaeger struct {
	OTLP  string // where it takes spans
	Query string // the base URL of its API

	Ended <-chan struct{} // closed when it has ended
}

// BuildAcquit makes acquit in dir and returns its path. root is the repository's.
func BuildAcquit(ctx context.Context, root, dir string) (string, error) {
	out, err := filepath.Abs(filepath.Join(dir, "acquit"))
	if err != nil {
		return "", err
	}
	_, err = run(ctx, root, "build", "-o", out, "./server/acquit")
	return out, err
}

// BuildJaeger makes Jaeger of a module file of its own and returns its path. It takes
// some minutes the first time; then Go's build cache has the whole program.
func BuildJaeger(ctx context.Context, root string) (string, error) {
	return run(ctx, root, "tool", "-modfile=.ci/jaeger/go.mod", "-n", "all-in-one")
}

// run runs go in a directory and returns what it says.
func run(ctx context.Context, dir string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = dir, &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &said)
	}
	return strings.TrimSpace(string(out)), nil
}

// Start runs a Jaeger on two addresses of this machine until ctx ends, and returns when
// it answers. Its log goes to log.
func Start(ctx context.Context, program, otlp, query string, log *os.File) (*Jaeger, error) {
	args := []string{"--collector.otlp.grpc.host-port=" + otlp, "--query.http-server.host-port=" + query}
	for _, unused := range []string{
		"admin.http.host-port", "collector.grpc-server.host-port", "collector.http-server.host-port", "collector.otlp.http.host-port",
		"http-server.host-port", "query.grpc-server.host-port", "processor.jaeger-binary.server-host-port",
		"processor.jaeger-compact.server-host-port", "processor.zipkin-compact.server-host-port",
	} {
		args = append(args, "--"+unused+"=127.0.0.1:0")
	}
	for _, addr := range []string{otlp, query} { // or another Jaeger would answer for this one
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	ended, err := start(ctx, log, []string{"COLLECTOR_OTLP_ENABLED=true", "SPAN_STORAGE_TYPE=memory"}, program, args...)
	if err != nil {
		return nil, err
	}
	j := &Jaeger{OTLP: otlp, Query: "http://" + query, Ended: ended}
	return j, until(ctx, time.Minute, "Jaeger answers", func(ctx context.Context) error {
		_, err := j.get(ctx, "/api/services", nil)
		return err
	})
}

// start starts a program that is told to stop when ctx ends; what it returns is closed
// when it has.
func start(ctx context.Context, log *os.File, environ []string, program string, args ...string) (<-chan struct{}, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is told to stop, which it may call an error
	}()
	return ended, nil
}

// until asks again and again whether something holds.
func until(ctx context.Context, limit time.Duration, what string, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("in vain for %s: %s: %w", limit, what, err)
		case <-tick.C:
		}
	}
}

// Free are addresses of this machine that are not taken at the moment.
func Free(ctx context.Context, n int) ([]string, error) {
	var all []string
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // at the end, so that each is another one
		all = append(all, l.Addr().String())
	}
	return all, nil
}

// client is the HTTP client of everything here.
func client() *http.Client { return &http.Client{Timeout: 10 * time.Second} }
