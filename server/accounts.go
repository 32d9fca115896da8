package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/transport"
)

// newAccounts builds a guard for each configured account, in their order, and
// the simulator if one of them lives there. Accounts share one transport.
func newAccounts(ctx context.Context, c Config, p Process, strike probe, t *telemetry, l *lifecycle) ([]orchestrator.ConfiguredAccount, error) {
	wire := transport.Config{TracerProvider: t.tracer}
	var simulated simulation
	if slices.ContainsFunc(c.Accounts, Account.simulated) {
		var err error
		if simulated, err = newSimulation(ctx, c, t, l); err != nil {
			return nil, err
		}
		wire.DialContext = simulated.dial
	}
	shared := transport.New(wire)
	l.add("transport", func(context.Context) error {
		shared.CloseIdleConnections()
		return nil
	})
	var accounts []orchestrator.ConfiguredAccount
	for i, a := range c.Accounts {
		if a.simulated() {
			a.BaseURL = simulated.url()
		}
		guard, err := newAccount(a, p, providers.Config{Transport: shared, Probe: strike, Logger: t.logger})
		if err != nil {
			return nil, fmt.Errorf("accounts[%d]: %w", i, err)
		}
		configured := orchestrator.ConfiguredAccount{Account: guard, MayRepeat: a.MayRepeat}
		for _, tenant := range a.Tenants {
			configured.Tenants = append(configured.Tenants, payment.TenantID(tenant))
		}
		accounts = append(accounts, configured)
	}
	return accounts, nil
}

// newAccount builds one guard; base holds what all accounts share.
func newAccount(a Account, p Process, base providers.Config) (*providers.Guard, error) {
	credential, err := a.Credential.Read(p.Environ)
	if err != nil {
		return nil, fmt.Errorf("credential: %w", err)
	}
	if credential == "" && a.Driver == sandboxDriver {
		credential = sandbox.CredentialPrefix + "acquit" // the simulator takes any
	}
	a.BaseURL = cmp.Or(a.BaseURL, registry.Address(a.Driver, a.Region))
	driver, target, err := registry.New(a.Driver, registry.Account{
		Name: payment.AccountName(a.Name), Environment: payment.Environment(a.Environment), BaseURL: a.BaseURL,
		Region: a.Region, MerchantID: a.MerchantID, Credential: providers.Secret(credential),
	})
	if err != nil {
		return nil, err
	}
	base.Name, base.Driver, base.Target, base.BaseURL = payment.AccountName(a.Name), driver, target, a.BaseURL
	base.Credential = registry.CredentialID(providers.Secret(credential))
	return providers.New(base)
}
