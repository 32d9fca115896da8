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
	"github.com/acquitpay/acquit/server/webhook"
)

// newAccounts builds a guard for each configured account, in their order, and
// the simulator if one of them lives there. Accounts share one transport.
func newAccounts(ctx context.Context, c Config, p Process, strike probe, t *telemetry, l *lifecycle) ([]*providers.Guard, error) {
	wire := transport.Config{TracerProvider: t.tracer}
	var simulated simulation
	if slices.ContainsFunc(c.Accounts, Account.simulated) {
		var err error
		if simulated, err = newSimulation(ctx, c, p, t, l); err != nil {
			return nil, err
		}
		wire.DialContext = simulated.dial
	}
	shared := transport.New(wire)
	l.add("transport", func(context.Context) error {
		shared.CloseIdleConnections()
		return nil
	})
	from, err := newSources(shared)
	if err != nil {
		return nil, err
	}
	var guards []*providers.Guard
	for i, a := range c.Accounts {
		if a.simulated() {
			a.BaseURL = simulated.url()
		}
		guard, err := newAccount(a, p, from, providers.Config{Transport: shared, Probe: strike, Logger: t.logger})
		if err != nil {
			return nil, fmt.Errorf("accounts[%d]: %w", i, err)
		}
		guards = append(guards, guard)
	}
	return guards, nil
}

// configured are the accounts as those who use them want them.
func configured(c Config, guards []*providers.Guard) (accounts []orchestrator.ConfiguredAccount, webhooks []webhook.Account) {
	for i, guard := range guards {
		account := orchestrator.ConfiguredAccount{Account: guard, MayRepeat: c.Accounts[i].MayRepeat}
		for _, tenant := range c.Accounts[i].Tenants {
			account.Tenants = append(account.Tenants, payment.TenantID(tenant))
		}
		accounts, webhooks = append(accounts, account), append(webhooks, guard)
	}
	return accounts, webhooks
}

// sources are where accounts get what their providers publish, and access tokens.
type sources struct{ published, tokens *transport.Fetcher }

func newSources(shared *transport.Transport) (s sources, err error) {
	if s.published, err = transport.NewFetcher(transport.FetcherConfig{Transport: shared, Allowed: registry.MayFetch}); err != nil {
		return s, err
	}
	s.tokens, err = transport.NewFetcher(transport.FetcherConfig{Transport: shared, Allowed: registry.MayGrant})
	return s, err
}

// newAccount builds one guard; base holds what all accounts share.
func newAccount(a Account, p Process, from sources, base providers.Config) (*providers.Guard, error) {
	credential, err := a.Credential.Read(p.Environ)
	if err != nil {
		return nil, fmt.Errorf("credential: %w", err)
	}
	if credential == "" && a.Driver == sandboxDriver {
		credential = sandbox.CredentialPrefix + "acquit" // the simulator takes any
	}
	secrets, err := a.webhookSecrets(p.Environ)
	if err != nil {
		return nil, err
	}
	a.BaseURL = cmp.Or(a.BaseURL, registry.Address(a.Driver, a.Region))
	driver, target, err := registry.New(a.Driver, registry.Account{
		Name: payment.AccountName(a.Name), Environment: payment.Environment(a.Environment), BaseURL: a.BaseURL,
		Region: a.Region, MerchantID: a.MerchantID, MerchantName: a.MerchantName, Credential: providers.Secret(credential), WebhookSecrets: secrets,
		Fetch: from.published.Fetch, Tokens: from.tokens,
	})
	if err != nil {
		return nil, err
	}
	base.Name, base.Driver, base.Target, base.BaseURL = payment.AccountName(a.Name), driver, target, cmp.Or(a.BaseURL, "https://"+target.Host)
	base.WebhookSecrets = secrets
	base.Credential = registry.CredentialID(providers.Secret(credential))
	return providers.New(base)
}

// shortestSecret is the fewest characters of a webhook secret: with fewer one could
// be guessed from a delivery that was seen.
const shortestSecret = 16

// webhookSecrets reads what the account's deliveries are signed with. Errors name
// the key and no secret.
func (a Account) webhookSecrets(environ Environ) ([]providers.Secret, error) {
	var secrets []providers.Secret
	for i, s := range a.WebhookSecrets {
		value, err := s.Read(environ)
		if err != nil {
			return nil, fmt.Errorf("webhook_secrets[%d]: %w", i, err)
		}
		secret := providers.Secret(value)
		if len(value) < shortestSecret {
			return nil, fmt.Errorf("webhook_secrets[%d]: it has fewer than %d characters", i, shortestSecret)
		}
		if slices.Contains(secrets, secret) {
			return nil, fmt.Errorf("webhook_secrets[%d]: it is the same as another one", i)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}
