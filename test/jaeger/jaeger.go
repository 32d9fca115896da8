// Package jaeger shows payments in Jaeger: it builds and starts a real Jaeger and a
// real acquit that sends it spans, makes four payments that each end in another way,
// and reads their traces back. A test holds the traces to what they are to show; the
// command show prints them for whoever is new here.
package jaeger

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Jaeger is a running Jaeger with its memory for storage.
type Jaeger struct {
	OTLP  string // where it takes spans
	Query string // the base URL of its API
}

// Build makes a program of a package in dir and returns its path. root is the
// repository's; modfile "" is its own module file.
func Build(ctx context.Context, root, dir, modfile, pkg string) (string, error) {
	out, err := filepath.Abs(filepath.Join(dir, filepath.Base(pkg)))
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", out}
	if modfile != "" {
		args = append(args, "-modfile", modfile)
	}
	build := exec.CommandContext(ctx, "go", append(args, pkg)...)
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, said)
	}
	return out, nil
}

// BuildJaeger makes Jaeger of its own module file, which takes some minutes the first
// time, and no time from Go's build cache.
func BuildJaeger(ctx context.Context, root, dir string) (string, error) {
	return Build(ctx, root, dir, ".ci/jaeger/go.mod", "github.com/jaegertracing/jaeger/cmd/all-in-one")
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
	if _, err := run(ctx, log, []string{"COLLECTOR_OTLP_ENABLED=true", "SPAN_STORAGE_TYPE=memory"}, program, args...); err != nil {
		return nil, err
	}
	j := &Jaeger{OTLP: otlp, Query: "http://" + query}
	return j, until(ctx, time.Minute, "Jaeger answers", func(ctx context.Context) error {
		_, err := j.get(ctx, "/api/services", nil)
		return err
	})
}

// run starts a program that is told to stop when ctx ends; what it returns is closed
// when it has.
func run(ctx context.Context, log *os.File, environ []string, program string, args ...string) (<-chan struct{}, error) {
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
