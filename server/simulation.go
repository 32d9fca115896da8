package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/server/webhook"
)

// simulation is the simulated provider in this process.
//
// It listens on whatever port is free, but accounts know it by a name of its own
// that stays: an attempt is recorded with its host and is never sent to another
// one, so a port that changes with every start would strand whatever was open.
// The name also keeps two processes on one ledger from taking each other's
// simulators for their own.
type simulation struct {
	name string // as in requests and records
	addr string // where it listens
}

// newSimulation starts the simulator on its directory.
func newSimulation(ctx context.Context, c Config, p Process, t *telemetry, l *lifecycle) (simulation, error) {
	var listener net.ListenConfig
	bound, err := listener.Listen(ctx, "tcp", c.Sandbox.Addr)
	if err != nil {
		return simulation{}, addressError("sandbox.addr", c.Sandbox.Addr, err)
	}
	dir := filepath.Join(c.DataDir, "sandbox")
	webhooks, err := simulatedWebhooks(c, p.Environ)
	if err != nil {
		return simulation{}, errors.Join(err, bound.Close())
	}
	s, err := simulator.Open(simulator.Config{Dir: dir, Latency: c.Sandbox.Latency, Logger: t.logger, Webhooks: webhooks}) //nolint:contextcheck // it outlives its start, until Close
	if err != nil {
		return simulation{}, errors.Join(fmt.Errorf("sandbox: %w", err), bound.Close())
	}
	l.add("sandbox", func(context.Context) error { return s.Close() })
	out := simulation{addr: bound.Addr().String()}
	if out.name, err = simulationName(dir); err != nil {
		return simulation{}, errors.Join(fmt.Errorf("sandbox: %w", err), bound.Close())
	}
	serveHTTP(l, "sandbox.addr", bound, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = out.addr // links that it hands out are for browsers, which do not know the name
		s.ServeHTTP(w, r)
	}))
	return out, nil
}

// simulatedWebhooks are where the simulator tells what becomes of the payments of
// each of its accounts, which are merchants to it. A listener with TLS gets none: its
// certificate is for another name than the simulator would use.
func simulatedWebhooks(c Config, environ Environ) (func(merchant string) simulator.Webhook, error) {
	hooks := make(map[string]simulator.Webhook)
	for i, a := range c.Accounts {
		if !a.simulated() || len(a.WebhookSecrets) == 0 || c.TLS.Cert != "" {
			continue
		}
		secrets, err := a.webhookSecrets(environ)
		if err != nil {
			return nil, fmt.Errorf("accounts[%d]: %w", i, err)
		}
		hooks[cmp.Or(a.MerchantID, a.Name)] = simulator.Webhook{URL: "http://" + c.HTTPAddr + webhook.Prefix + a.Name, Secret: string(secrets[0])}
	}
	return func(merchant string) simulator.Webhook { return hooks[merchant] }, nil
}

// simulationName is the name in the simulator's directory, made at its first start.
func simulationName(dir string) (string, error) {
	path := filepath.Join(dir, "name")
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	name := "sandbox-" + strings.ToLower(rand.Text()[:10]) + ".localhost"
	return name, os.WriteFile(path, []byte(name+"\n"), 0o600)
}

// url is the base URL of accounts that live there.
func (s simulation) url() string { return "http://" + s.name }

// dial connects to the simulator by its name, and to everything else as usual.
func (s simulation) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(address); err == nil && host == s.name {
		address = s.addr
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// simulated reports whether an account lives in this process' simulator.
func (a Account) simulated() bool { return a.Driver == sandboxDriver && a.BaseURL == "" }
