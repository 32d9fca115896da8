package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/server/embedetcd"
)

// serveAside serves what people and probes look at. It runs from the start to
// the end, so that a start and a drain can be watched.
func serveAside(c Config, bound listeners, t *telemetry, ready *readiness, in *entrance, l *lifecycle) error {
	mutual, err := serverTLS(c.TLS, true, t.logger)
	if err != nil {
		return err
	}
	plainTLS, err := serverTLS(c.TLS, false, t.logger)
	if err != nil {
		return err
	}
	if err := ready.observe(t.meter.Meter("github.com/acquitpay/acquit/server")); err != nil {
		return err
	}
	serveHTTP(l, "ops_addr", bound.ops, mutual, opsHandler(t.registry, ready))
	serveHTTP(l, "http_addr", bound.http, plainTLS, in)
	return nil
}

// newLedger opens the ledger: etcd, the session of this process life, and the
// records.
func newLedger(ctx context.Context, c Config, t *telemetry, l *lifecycle) (*etcdledger.Ledger, error) {
	if err := holdDataDir(c.DataDir, l); err != nil {
		return nil, err
	}
	client, err := newEtcd(ctx, c, t, l)
	if err != nil {
		return nil, err
	}
	life, err := newSession(ctx, client, c, t, l)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", strings.Join(c.Ledger.Etcd.Endpoints, ", "), err)
	}
	records, err := etcdledger.Open(ctx, etcdledger.Config{
		Client: client, Session: life, Prefix: c.Ledger.Etcd.Prefix, GenerationFile: filepath.Join(c.DataDir, "ledger-generation"),
		Meter: t.meter.Meter("github.com/acquitpay/acquit/orchestrator/ledger/etcdledger"), Logger: t.logger,
	})
	if err != nil {
		return nil, err
	}
	l.add("ledger", func(context.Context) error {
		records.Close() //nolint:contextcheck // what it still writes down is no part of any call
		return nil
	})
	return records, nil
}

// holdDataDir makes the data directory and keeps other processes out of it.
func holdDataDir(path string, l *lifecycle) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w; choose another by --data-dir", err)
	}
	lock, err := fileutil.TryLockFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return fmt.Errorf("data_dir: another process uses %s; stop it, or give this one a directory of its own by --data-dir", path)
	}
	if err != nil {
		return fmt.Errorf("data_dir: %w; choose another by --data-dir", err)
	}
	l.add("data_dir", func(context.Context) error { return lock.Close() })
	return nil
}

// newSession begins a process life. Its end tells the others that nothing of it
// is in flight, so it is ended only if that is true; otherwise it expires.
func newSession(ctx context.Context, client *clientv3.Client, c Config, t *telemetry, l *lifecycle) (*session.Session, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // for people only
	}
	life, err := session.New(ctx, client, session.Config{
		Boot: payment.BootID(strings.ToLower(rand.Text())), Prefix: c.Ledger.Etcd.Prefix, TTL: c.SessionTTL, Logger: t.logger,
		Info: session.Info{Host: host, Version: t.version, Start: time.Now()},
	})
	if err != nil {
		return nil, err
	}
	l.add("session", func(ctx context.Context) error {
		if !l.busy {
			ctx, cancel := context.WithTimeout(ctx, flushTimeout) // without an answer, it expires
			defer cancel()
			return life.End(ctx)
		}
		life.Close()
		return nil
	})
	return life, nil
}

// newEtcd connects to the cluster, or starts the embedded etcd.
func newEtcd(ctx context.Context, c Config, t *telemetry, l *lifecycle) (*clientv3.Client, error) {
	if len(c.Ledger.Etcd.Endpoints) > 0 {
		return dialEtcd(c.Ledger.Etcd, t.logger, l) //nolint:contextcheck // certificates are read with the context of each handshake
	}
	member, err := embedetcd.Start(ctx, embedetcd.Config{
		DataDir: filepath.Join(c.DataDir, "etcd"), QuotaBytes: c.Ledger.Embedded.QuotaBytes, Logger: t.logger,
	})
	if err != nil {
		return nil, err
	}
	l.add("embedded etcd", func(context.Context) error { return member.Close() })
	go func() {
		for err := range member.Err() {
			l.fail(fmt.Errorf("embedded etcd: %w", err))
		}
	}()
	return member.Client(), nil
}

// dialEtcd makes the client of a cluster. It connects when it is first used.
func dialEtcd(c Etcd, logger *slog.Logger, l *lifecycle) (*clientv3.Client, error) {
	secure, err := etcdCredentials(c.TLS, logger)
	if err != nil {
		return nil, err
	}
	client, err := etcdledger.Dial(etcdledger.Endpoints{Addresses: c.Endpoints, Credentials: secure})
	if err != nil {
		return nil, fmt.Errorf("ledger.etcd.endpoints: %w", err)
	}
	l.add("etcd client", func(context.Context) error { return client.Close() })
	return client, nil
}

// reachable asks the ledger something that only a working one can answer.
func reachable(ctx context.Context, records ledger.Ledger) error {
	_, err := records.Anchor(ctx, "ready", nil)
	return err
}
