package e2e

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/keyring"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/retry"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/registry"
	"github.com/acquitpay/acquit/providers/sandbox"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/transport"
	"github.com/acquitpay/acquit/providers/truelayer"
	"github.com/acquitpay/acquit/server"
	"github.com/acquitpay/acquit/server/webhook"
	adyensim "github.com/acquitpay/acquit/test/simulators/adyen"
	amazonsim "github.com/acquitpay/acquit/test/simulators/amazonpay"
	stripesim "github.com/acquitpay/acquit/test/simulators/stripe"
	truelayersim "github.com/acquitpay/acquit/test/simulators/truelayer"
)

// credential is the secret of every account of the sandbox.
const credential = sandbox.CredentialPrefix + "PLANTEDCREDENTIAL"

// ttl is how long a process life outlives its last sign.
const ttl = 15 * time.Second

// reader is who reads the store for a test.
const reader payment.BootID = "reader"

// house is a deployment in a bubble of fake time: one store, one provider for
// each account, and as many processes as a test boots.
type house struct {
	*testing.T
	store     *ledgertest.Store
	keys      *keyring.Ring
	table     *mapping.Table
	providers []*provider
	stripes   []*stripeAccount
	adyens    []*adyenAccount
	amazons   []*amazonAccount
	layers    []*trueLayerAccount
	processes []*process

	logs   *logBook
	spans  *tracetest.InMemoryExporter
	tracer *sdktrace.TracerProvider
	reader *sdkmetric.ManualReader
	meter  *sdkmetric.MeterProvider
}

// setting is what a house is built on. The zero setting is one account, sandbox,
// at a provider that answers at once.
type setting struct {
	accounts  []payment.AccountName // in the order in which routing prefers them
	latency   time.Duration         // of the sandbox's
	hook      *simulator.Webhook    // the sandbox's send webhooks, and this goes wrong with them
	stripe    *stripesim.Config     // the accounts are Stripe's, not the sandbox's
	adyen     *adyensim.Config      // the accounts are Adyen's, not the sandbox's
	truelayer *truelayersim.Config  // the accounts are TrueLayer's, not the sandbox's
	amazon    *amazonsim.Config     // the accounts are Amazon Pay's, not the sandbox's
	each      bool                  // an account is of the driver that it is named after
}

// of reports whether an account is of a driver that is configured.
func (s setting) of(driver string, configured bool, account payment.AccountName) bool {
	return configured && (!s.each || string(account) == driver)
}

// inHouse runs a test in a house, lets everything that is on its way arrive,
// and audits what is left.
func inHouse(t *testing.T, s setting, body func(*house)) {
	t.Helper()
	if len(s.accounts) == 0 {
		s.accounts = []payment.AccountName{"sandbox"}
	}
	dirs := make([]string, len(s.accounts))
	for i := range dirs {
		dirs[i] = t.TempDir()
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		for i, name := range s.accounts {
			if s.of(stripe.Name, s.stripe != nil, name) {
				h.stripes = append(h.stripes, newStripe(h, name, *s.stripe))
				continue
			}
			if s.of(adyen.Name, s.adyen != nil, name) {
				h.adyens = append(h.adyens, newAdyen(h, name, *s.adyen))
				continue
			}
			if s.of(amazonpay.Name, s.amazon != nil, name) {
				h.amazons = append(h.amazons, newAmazon(h, name, *s.amazon))
				continue
			}
			if s.of(truelayer.Name, s.truelayer != nil, name) {
				h.layers = append(h.layers, newTrueLayer(h, name, *s.truelayer))
				continue
			}
			c := simulator.Config{Dir: dirs[i], Latency: s.latency, WebhookClient: h.courier()}
			if s.hook != nil {
				c.Webhooks = hooks(name, *s.hook)
			}
			h.providers = append(h.providers, newProvider(t, name, c))
		}
		body(h)
		h.quiet()
		h.audit()
	})
}

func newHouse(t *testing.T) *house {
	t.Helper()
	keys, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{
		T: t, keys: keys, table: table, store: ledgertest.NewStore(t, ledgertest.Config{TTL: ttl}),
		logs: &logBook{}, spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader(),
	}
	h.store.EndSession(reader) // it looks after nothing: the shards are for those that do
	h.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(h.spans))
	h.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader))
	return h
}

// plan is a process before it is built, for tests that change something.
type plan struct {
	flow  orchestrator.Config
	chain interceptors.Config
}

// process is one process life: the production server and a client of it.
type process struct {
	h    *house
	boot payment.BootID
	flow *orchestrator.Orchestrator

	listener *bufconn.Listener
	conn     *grpc.ClientConn
	webhooks *pipes
}

// start boots a process over the house's store and providers, configured as the
// server is when nothing is configured, but without jitter. probe may be nil.
func (h *house) start(boot payment.BootID, probe func(context.Context, payment.Point), change ...func(*plan)) *process {
	h.Helper()
	c := server.Default()
	logger := h.logger()
	p := plan{
		chain: interceptors.Config{Logger: logger},
		flow: orchestrator.Config{
			Ledger: h.store.Ledger(boot), Table: h.table, Keys: h.keys, Renderer: server.Renderer{}, Policy: retry.Policy(c.Retry),
			OperationDeadline: c.Operation.Deadline, AttemptBudget: c.Operation.AttemptBudget, SendTimeout: c.Operation.AttemptTimeout,
			ResolveBy: c.Operation.ResolveBy, InlineBudget: c.Operation.InlineBudget, MaxInFlight: c.Operation.MaxInFlight,
			Logger: logger, Tracer: h.tracer, Meter: h.meter, Probe: probe, Random: func() float64 { return 0.5 },
		},
	}
	var guards []webhook.Account
	p.flow.Accounts, guards = h.accounts(logger, probe)
	for _, f := range change {
		f(&p)
	}
	flow, err := orchestrator.New(p.flow)
	if err != nil {
		h.Fatal(err)
	}
	life := &process{h: h, boot: boot, flow: flow}
	api := server.API{Orchestrator: flow, Table: h.table, Accounts: p.flow.Accounts, Chain: p.chain, Tracer: h.tracer, Meter: h.meter}
	life.serve(api.Server())
	life.takesWebhooks(guards)
	h.processes = append(h.processes, life)
	return life
}

// logger writes to the house's log, at every level.
func (h *house) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// accounts are the guards of one process, which share a transport.
func (h *house) accounts(logger *slog.Logger, probe func(context.Context, payment.Point)) (accounts []orchestrator.ConfiguredAccount, guards []webhook.Account) {
	h.Helper()
	wire := transport.New(transport.Config{DialContext: h.dial, TracerProvider: h.tracer, RootCAs: h.authorities()})
	h.Cleanup(wire.CloseIdleConnections)
	published, tokens := h.fetchers(wire)
	for _, p := range h.remotes() {
		secrets, fetch := []providers.Secret{p.webhookSecret()}, published.Fetch
		if p.fetch != nil {
			fetch = p.fetch
		}
		driver, target, err := registry.New(p.driver, registry.Account{
			Name: p.account, Environment: payment.EnvironmentSandbox, BaseURL: "http://" + p.host, MerchantID: p.merchant,
			Credential: p.credential, WebhookSecrets: secrets, Region: p.region, Fetch: fetch, Tokens: tokens,
		})
		if err != nil {
			h.Fatal(err)
		}
		guard, err := providers.New(providers.Config{
			Name: p.account, Driver: driver, Target: target, Credential: registry.CredentialID(p.credential), BaseURL: "http://" + p.host,
			Transport: wire, Probe: probe, Logger: logger, WebhookSecrets: secrets,
		})
		if err != nil {
			h.Fatal(err)
		}
		accounts, guards = append(accounts, orchestrator.ConfiguredAccount{Account: guard}), append(guards, guard)
	}
	return accounts, guards
}

// dial connects to the provider of a host.
func (h *house) dial(ctx context.Context, _, address string) (net.Conn, error) {
	for _, p := range h.remotes() {
		if address == p.host+":80" {
			return p.dial(ctx)
		}
	}
	for _, a := range h.layers {
		if address == truelayer.TokenHost(false)+":443" || address == truelayer.KeyHost(false)+":443" {
			return a.secure.dial(ctx)
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
}

// serve puts the server behind an in-memory listener, with a client.
func (p *process) serve(s *grpc.Server) {
	p.h.Helper()
	p.listener = bufconn.Listen(1 << 20)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(p.listener); err != nil {
			p.h.Errorf("serve: %v", err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///acquit", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.listener.DialContext(ctx) }))
	if err != nil {
		p.h.Fatal(err)
	}
	p.conn = conn
	p.h.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := p.flow.Drain(ctx); err != nil {
			p.h.Errorf("drain: %v", err)
		}
		_ = conn.Close()
		s.Stop()
		serving.Wait()
	})
}

// one is the single process of most tests.
func (h *house) one(change ...func(*plan)) *process {
	h.Helper()
	return h.start("one", nil, change...)
}

// quiet lets everything end that was begun, and everything arrive that is under way.
func (h *house) quiet() {
	for _, a := range h.adyens {
		a.Steer(adyensim.Steering{})
		h.speaks(a)
	}
	for _, a := range h.amazons {
		h.notifies(a)
	}
	for _, a := range h.layers {
		h.hears(a)
	}
	time.Sleep(time.Hour)
}
