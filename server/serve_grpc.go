package server

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/acquitpay/acquit/interceptors"
)

// lastAnswers is how long calls get to return once nothing is in flight. What
// is still open then are streams that have no end and calls that wait for another
// process: they are cut off, and their callers ask again.
const lastAnswers = 2 * time.Second

// serveGRPC serves the API and says so to health checks, last of all. Taking it
// down is the drain.
func serveGRPC(c Config, on net.Listener, t *telemetry, core *core, ready *readiness, l *lifecycle) error {
	secure, err := serverTLS(c.TLS, true, t.logger)
	if err != nil {
		return err
	}
	var options []grpc.ServerOption
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
	}
	s, checks := API{
		Orchestrator: core.orchestrator, Table: core.table, Accounts: core.accounts, Tracer: t.tracer, Meter: t.meter,
		Chain: interceptors.Config{Logger: t.logger, MaxWaiters: c.WaitersPerTenant},
	}.Server(options...), health.NewServer()
	healthv1.RegisterHealthServer(s, checks)
	go func() {
		if err := s.Serve(on); err != nil {
			l.fail(fmt.Errorf("grpc: %w", err))
		}
	}()
	l.add("grpc", func(ctx context.Context) error {
		ready.close()
		checks.Shutdown() // NOT_SERVING, for good
		ctx, cancel := context.WithTimeout(ctx, c.DrainTimeout)
		defer cancel()
		err := core.orchestrator.Drain(ctx)
		l.busy = err != nil
		stopGRPC(ctx, s)
		return err
	})
	checks.SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
	for name := range s.GetServiceInfo() {
		checks.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	return nil
}

// stopGRPC takes no new calls, lets those that can return do so, and ends the rest.
func stopGRPC(ctx context.Context, s *grpc.Server) {
	ctx, cancel := context.WithTimeout(ctx, lastAnswers)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.Stop()
		<-done
	}
}
