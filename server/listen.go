package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// listeners are bound before anything else is built, so that a taken port is
// told at once and no ledger is touched for nothing.
type listeners struct {
	grpc, http, ops net.Listener
}

// listen binds all addresses, or none.
func listen(ctx context.Context, c Config, l *lifecycle) (listeners, error) {
	var out listeners
	for _, one := range []struct {
		key, addr string
		into      *net.Listener
	}{{"grpc_addr", c.GRPCAddr, &out.grpc}, {"http_addr", c.HTTPAddr, &out.http}, {"ops_addr", c.OpsAddr, &out.ops}} {
		var listener net.ListenConfig
		bound, err := listener.Listen(ctx, "tcp", one.addr)
		if err != nil {
			return listeners{}, addressError(one.key, one.addr, err)
		}
		l.add(one.key, func(context.Context) error {
			if err := bound.Close(); !errors.Is(err, net.ErrClosed) { // its server closes it first
				return err
			}
			return nil
		})
		*one.into = bound
	}
	return out, nil
}

// addressError names the key and the flag of an address that cannot be had.
func addressError(key, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %s is taken; stop what listens there, or choose another address by %s", key, addr, flagOf(key))
	}
	return fmt.Errorf("%s: cannot listen on %s: %w; choose another address by %s", key, addr, err, flagOf(key))
}

// flagOf is the flag of `acquit serve` that sets a key.
func flagOf(key string) string {
	if flag, ok := map[string]string{"grpc_addr": "--grpc-addr", "http_addr": "--http-addr", "ops_addr": "--ops-addr"}[key]; ok {
		return flag
	}
	return "the configuration key"
}

// serveHTTP runs an HTTP server on a bound listener until the lifecycle stops it.
// A request that takes longer than a moment is then cut off: nothing that
// matters is served over HTTP.
func serveHTTP(l *lifecycle, name string, on net.Listener, secure *tls.Config, handler http.Handler) {
	s := &http.Server{
		Handler: handler, TLSConfig: secure, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(l.logger.Handler(), slog.LevelWarn),
	}
	go func() {
		var err error
		if secure != nil {
			err = s.ServeTLS(on, "", "")
		} else {
			err = s.Serve(on)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			l.fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	l.add(name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			return s.Close()
		} else if err != nil {
			return err
		}
		return nil
	})
}
