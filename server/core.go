package server

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/keyring"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/server/webhook"
)

// probe is called at every point where a test may stop this process; nil in
// production.
type probe = func(context.Context, payment.Point)

// core is what the handlers delegate to.
type core struct {
	orchestrator *orchestrator.Orchestrator
	table        *mapping.Table
	accounts     []orchestrator.ConfiguredAccount
	webhooks     []webhook.Account
}

// newCore builds the orchestrator and everything it decides with.
func newCore(ctx context.Context, c Config, p Process, t *telemetry, l *lifecycle, records ledger.Ledger) (*core, error) {
	keys, err := newKeys(ctx, c, p.Environ, records)
	if err != nil {
		return nil, err
	}
	table, err := mapping.Load()
	if err != nil {
		return nil, err
	}
	strike := newProbe(p.Environ) // one for all, since it counts visits
	guards, err := newAccounts(ctx, c, p, strike, t, l)
	if err != nil {
		return nil, err
	}
	accounts, webhooks := configured(c, guards)
	flow, err := orchestrator.New(orchestrator.Config{ //nolint:contextcheck // counters are started at zero, for no call
		Ledger: records, Accounts: accounts, Table: table, Keys: keys, Renderer: Renderer{}, Policy: c.Retry.policy(),
		OperationDeadline: c.Operation.Deadline, AttemptBudget: c.Operation.AttemptBudget, SendTimeout: c.Operation.AttemptTimeout,
		ResolveBy: c.Operation.ResolveBy, InlineBudget: c.Operation.InlineBudget, MaxInFlight: c.Operation.MaxInFlight,
		ParkDelay: c.Sweep.Recheck, ActionWindow: c.Operation.ActionWindow, UniqueMerchantReference: c.Operation.UniqueMerchantReference,
		Logger: t.logger, Tracer: t.tracer, Meter: t.meter, Probe: strike,
	})
	if err != nil {
		return nil, err
	}
	return &core{orchestrator: flow, table: table, accounts: accounts, webhooks: webhooks}, nil
}

// newKeys opens the deployment's keys, which have to be those that the ledger
// was used with.
func newKeys(ctx context.Context, c Config, environ Environ, records ledger.Ledger) (*keyring.Ring, error) {
	if c.Keys.Secret.IsZero() {
		path := c.Keys.File
		if path == "" {
			path = filepath.Join(c.DataDir, "keyring")
		}
		return keyring.OpenOrCreate(ctx, path, records.Anchor)
	}
	content, err := c.Keys.Secret.Read(environ)
	if err != nil {
		return nil, fmt.Errorf("keys.secret: %w", err)
	}
	ring, err := keyring.ParseRing(content)
	if err != nil {
		return nil, fmt.Errorf("keys.secret: %w", err)
	}
	return ring, ring.Verify(ctx, records.Anchor)
}
