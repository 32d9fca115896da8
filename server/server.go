package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// flushTimeout bounds what is left to do once nothing is in flight: ending the
// session, closing the ledger, sending the last spans.
const flushTimeout = 5 * time.Second

// Process is what a server needs of the process around it.
type Process struct {
	Stdout  io.Writer // gets the banner
	Stderr  io.Writer // gets the log
	Environ Environ   // secrets that are given as env:NAME are read from here
	Version string    // of the binary, for people; Version if it is empty
	// Ready is told where the server listens, once it can take payments; nil if
	// nobody wants to know.
	Ready func(Addresses)
}

// Run builds a server, serves until ctx ends, and drains. It returns nil after a
// drain, even one that left operations to another process, and an error if the
// server could not start or could not go on.
//
// The order is that of the source below: what is cheap to refuse comes first,
// ready comes last, and everything is taken down in reverse.
func Run(ctx context.Context, c Config, p Process) error {
	began := time.Now()
	if err := c.Validate(); err != nil {
		return err
	}
	defer paceCollector(c.headroom())()
	t, err := newTelemetry(ctx, c, cmp.Or(p.Version, Version), p.Stderr)
	if err != nil {
		return err
	}
	l := newLifecycle(t.logger)
	l.add("telemetry", t.flush)
	served := false
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.DrainTimeout+flushTimeout)
		defer cancel()
		l.stop(ctx)
		if served {
			t.logger.InfoContext(ctx, "stopped", "operations_left", l.busy)
		}
	}()
	addrs, err := build(ctx, c, p, t, l)
	if err != nil {
		if ctx.Err() != nil { // told to stop before it was up
			return nil
		}
		return err
	}
	served = true
	banner{version: t.version, config: c, addrs: addrs, took: time.Since(began)}.write(p.Stdout)
	if p.Ready != nil {
		p.Ready(addrs)
	}
	select {
	case <-ctx.Done():
		t.logger.InfoContext(ctx, "draining", "drain_timeout", c.DrainTimeout.String())
		return nil
	case err := <-l.failed:
		return fmt.Errorf("the server cannot go on: %w", err)
	}
}

// build makes every part in order. What it made is in l even if it fails.
func build(ctx context.Context, c Config, p Process, t *telemetry, l *lifecycle) (Addresses, error) {
	bound, err := listen(ctx, c, l) // before the ledger, so that a taken port is told at once
	if err != nil {
		return Addresses{}, err
	}
	c.HTTPAddr = bound.http.Addr().String() // the simulator sends its webhooks there
	ready, in := &readiness{}, &entrance{}
	// Before the ledger, so that a slow start can be watched.
	if err := serveAside(c, bound, t, ready, in, l); err != nil { //nolint:contextcheck // certificates are read with the context of each handshake
		return Addresses{}, err
	}
	records, err := newLedger(ctx, c, t, l)
	if err != nil {
		return Addresses{}, err
	}
	core, err := newCore(ctx, c, p, t, l, records)
	if err != nil {
		return Addresses{}, err
	}
	sweep, err := startSweep(ctx, c, t, core, records, l)
	if err != nil {
		return Addresses{}, err
	}
	shut, err := serveWebhooks(t, core, sweep, in, l) //nolint:contextcheck // counters are started at zero, for no call
	if err != nil {
		return Addresses{}, err
	}
	if err := serveGRPC(c, bound.grpc, t, core, ready, l); err != nil { //nolint:contextcheck // interceptors are built for all calls, with the context of none
		return Addresses{}, err
	}
	l.add("sweep", sweep.stop) // before the API: a drain ends what it is looking after
	l.add("webhooks", shut)    // first of all, so that nothing new is begun
	ready.open(func(ctx context.Context) error {
		return errors.Join(records.Hold(ctx, 0), reachable(ctx, records))
	})
	return Addresses{GRPC: bound.grpc.Addr().String(), HTTP: bound.http.Addr().String(), Ops: bound.ops.Addr().String()}, nil
}
