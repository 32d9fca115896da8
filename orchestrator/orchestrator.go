// Package orchestrator drives an operation from its claim to its outcome: it
// routes, records the intent, sends, judges answers by the mapping table, and
// settles, retries, fails over or parks.
//
// It guarantees that for one idempotency key at most one effect exists at the
// providers, through crashes, pauses, lease loss and failover, and that an
// outcome is durable before anybody hears of it. What is not known is called
// unknown, never failed.
//
// It does not know gRPC, protobuf, HTTP, SQL or etcd. Read authorize.go first,
// then flight.go (who works on it), attempt.go and check.go (one send, and what
// stands before it), decide.go (what follows from an answer) and commit.go (how it
// is recorded). What happens without a caller is in visit.go (looking after what is
// due), fence.go (cancelling what nobody waits for) and event.go (what providers
// tell unasked).
package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/acquitpay/acquit/orchestrator/keyring"
	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/retry"
)

// Account is one provider account, as the orchestrator sees it.
type Account interface {
	Name() payment.AccountName
	// Traits declare what the account's provider can do.
	Traits() payment.Traits
	// Target is where its requests go. It is recorded with each attempt; a later
	// send to another target is refused.
	Target() payment.Target
	// Credential is the id of the credential in use, never the credential.
	Credential() string
	// Prepare builds the request of s without sending it and returns the hex
	// SHA-256 of its method, path, key and body.
	Prepare(s payment.Send) (hash string, err error)
	// Send builds, checks the hash, signs, sends and parses. An error means that
	// certainly nothing was sent; otherwise the answer says what happened,
	// whatever the network did. ctx bounds the exchange.
	Send(ctx context.Context, s payment.Send, hash string) (payment.Answer, error)
	// Query reads the object of s. An error means that it could not be asked.
	Query(ctx context.Context, s payment.Send) (payment.Answer, error)
}

// Renderer makes the response bytes of an operation. It is deterministic, and
// called by whoever commits: the flow, a takeover, a webhook.
type Renderer interface {
	Render(p payment.Payment, op payment.Operation) ([]byte, error)
}

// ConfiguredAccount is an account with the tenants that may use it.
type ConfiguredAccount struct {
	Account Account
	Tenants []payment.TenantID // empty: every tenant
	// MayRepeat says that something between us and the provider may repeat or
	// answer requests by itself. Then a refusal of one copy says nothing about
	// another: it neither fails an operation nor lets another account try.
	MayRepeat bool
}

// Config holds what an Orchestrator works with. The zero value of each setting
// means its default; every collaborator without a default is mandatory.
type Config struct {
	Ledger   ledger.Ledger
	Accounts []ConfiguredAccount // in the order in which routing prefers them
	Table    *mapping.Table
	Keys     *keyring.Ring
	Renderer Renderer

	// Policy paces resends. Defaults to retry.Default().
	Policy retry.Policy
	// OperationDeadline is how long after its claim an operation may still fail
	// over to another account. Defaults to 2 minutes.
	OperationDeadline time.Duration
	// AttemptBudget bounds all sends of one attempt by one owner, waits included.
	// A takeover resends only after it, so a long budget makes recovery slow; one
	// shorter than the policy's waits cuts them off. Defaults to 70 seconds.
	AttemptBudget time.Duration
	// SendTimeout bounds one exchange with a provider. Defaults to 20 seconds.
	SendTimeout time.Duration
	// OwnerGrace is how long after its attempt's deadline an owner whose marker is
	// still there is left alone. Defaults to 30 seconds.
	OwnerGrace time.Duration
	// TakeoverGrace is how long after the old attempt's deadline a takeover waits
	// before it resends. Defaults to 5 seconds.
	TakeoverGrace time.Duration
	// ResolveBy is how long after its claim an Authorize is still completed;
	// afterwards it is looked up and cancelled. Defaults to 15 minutes.
	ResolveBy time.Duration
	// ActionWindow is how long after the claim a shopper may act; an authorization
	// that still waits for that is then cancelled. Defaults to 30 minutes.
	ActionWindow time.Duration
	// InlineBudget is how long a caller waits for an outcome before it gets the
	// interim answer. Defaults to 20 seconds.
	InlineBudget time.Duration
	// ClaimTimeout bounds the claim while the ledger does not answer. Defaults to 5 seconds.
	ClaimTimeout time.Duration
	// SessionMargin is how long the session must still live for a send to go out.
	// Defaults to 3 seconds; it must be well below the session's time to live.
	SessionMargin time.Duration
	// ParkDelay is how soon an operation that could not be settled is due again; the
	// older it is the longer that takes. Defaults to 30 seconds.
	ParkDelay time.Duration
	// MaxInFlight bounds the operations worked on at once in this process; a call
	// beyond it is refused before its claim. Defaults to 4096.
	MaxInFlight int

	// UniqueMerchantReference refuses an Authorize whose merchant reference a live
	// payment of the tenant has that was made under this setting. Defaults to false.
	UniqueMerchantReference bool

	Logger *slog.Logger
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// Random is uniform in [0, 1), for jitter. Defaults to math/rand/v2.
	Random func() float64
	// Probe is called at every payment.Point, for tests that stop a process there.
	// nil in production.
	Probe func(context.Context, payment.Point)
}

// Orchestrator drives operations. It is safe for concurrent use.
type Orchestrator struct {
	cfg      Config
	accounts map[payment.AccountName]Account
	doubtful map[payment.AccountName]bool // whose refusals prove nothing; see MayRepeat
	flights  *flights
	budget   *retry.Budget
	pauses   pauses
	recent   recent
	clock    *clock
	metrics  *metrics
	tracer   trace.Tracer
	log      *slog.Logger
}

// New returns a ready Orchestrator, or an error that names what is missing.
func New(cfg Config) (*Orchestrator, error) {
	if cfg.Ledger == nil || cfg.Table == nil || cfg.Keys == nil || cfg.Renderer == nil || cfg.Logger == nil {
		return nil, errors.New("orchestrator: ledger, table, keys, renderer and logger are mandatory")
	}
	cfg.setDefaults()
	if err := cfg.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("orchestrator: %w", err)
	}
	meter := cfg.Meter.Meter("github.com/acquitpay/acquit/orchestrator")
	m, err := newMetrics(meter)
	if err != nil {
		return nil, fmt.Errorf("orchestrator: %w", err)
	}
	limits := retry.DefaultLimits()
	limits.Now = cfg.Now
	budget, err := limits.Budget()
	if err != nil {
		return nil, fmt.Errorf("orchestrator: %w", err)
	}
	written, err := newRecent()
	if err != nil {
		return nil, fmt.Errorf("orchestrator: %w", err)
	}
	o := &Orchestrator{
		cfg: cfg, accounts: make(map[payment.AccountName]Account), doubtful: make(map[payment.AccountName]bool), flights: newFlights(cfg.MaxInFlight),
		budget: budget, pauses: newPauses(cfg.Accounts), recent: written, clock: newClock(cfg.Now), metrics: m, log: cfg.Logger,
		tracer: cfg.Tracer.Tracer("github.com/acquitpay/acquit/orchestrator"),
	}
	for _, a := range cfg.Accounts {
		if _, twice := o.accounts[a.Account.Name()]; twice {
			return nil, fmt.Errorf("orchestrator: two accounts are named %s", a.Account.Name())
		}
		for name, other := range o.accounts {
			if other.Target() == a.Account.Target() {
				// Our reference is the same on every account of an operation: look-ups would
				// find one account's object on the other.
				return nil, fmt.Errorf("orchestrator: accounts %s and %s are the same merchant at the same provider", name, a.Account.Name())
			}
		}
		o.accounts[a.Account.Name()], o.doubtful[a.Account.Name()] = a.Account, a.MayRepeat
	}
	m.startAtZero(context.Background(), cfg.Accounts)
	if err := o.observePauses(meter); err != nil {
		return nil, fmt.Errorf("orchestrator: %w", err)
	}
	return o, nil
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		setting *time.Duration
		value   time.Duration
	}{
		{&c.OperationDeadline, 2 * time.Minute},
		{&c.AttemptBudget, 70 * time.Second},
		{&c.SendTimeout, 20 * time.Second},
		{&c.OwnerGrace, 30 * time.Second},
		{&c.TakeoverGrace, 5 * time.Second},
		{&c.ResolveBy, 15 * time.Minute},
		{&c.ActionWindow, 30 * time.Minute},
		{&c.InlineBudget, 20 * time.Second},
		{&c.ClaimTimeout, 5 * time.Second},
		{&c.SessionMargin, 3 * time.Second},
		{&c.ParkDelay, 30 * time.Second},
	} {
		if *d.setting == 0 {
			*d.setting = d.value
		}
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 4096
	}
	if len(c.Policy.Spacing) == 0 {
		c.Policy = retry.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	// Wall time only: a monotonic reading stands still while a machine is
	// suspended, and a resend window must not.
	clock := c.Now
	c.Now = func() time.Time { return clock().Round(0) }
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Probe == nil {
		c.Probe = func(context.Context, payment.Point) {}
	}
	if c.Tracer == nil {
		c.Tracer = tracenoop.NewTracerProvider()
	}
	if c.Meter == nil {
		c.Meter = metricnoop.NewMeterProvider()
	}
}

// Await returns nil once the operation has a response or no owner. The caller
// then asks again; being woken proves nothing. Errors: ctx's, *payment.Error.
func (o *Orchestrator) Await(ctx context.Context, key payment.OperationKey) error {
	if gone := o.flights.gone(key); gone != nil { // nearer than the ledger, and true without a marker
		select {
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := o.cfg.Ledger.Await(ctx, key); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return payment.Recorded(refusal(err))
	}
	return nil
}

// Interim answers for an operation without a stored response as it stands.
// Errors: *payment.Error.
func (o *Orchestrator) Interim(ctx context.Context, op payment.Operation) (payment.Reply, error) {
	snap, err := o.cfg.Ledger.Read(ctx, op.Key)
	if err != nil {
		return payment.Reply{}, payment.Recorded(refusal(err))
	}
	return o.reply(snap)
}

// Drain refuses new operations, wakes those that wait between sends so that
// they park, and returns when nothing is in flight, or with ctx's error.
func (o *Orchestrator) Drain(ctx context.Context) error {
	o.cfg.Probe(ctx, payment.PointDrainStart)
	return o.flights.drain(ctx)
}

// reply answers from the record: its stored bytes, or an interim rendering.
func (o *Orchestrator) reply(s ledger.Snapshot) (payment.Reply, error) {
	if s.Operation.Response != nil {
		return payment.Reply{Bytes: s.Operation.Response, Stored: true}, nil
	}
	raw, err := o.cfg.Renderer.Render(s.Payment, s.Operation)
	if err != nil {
		return payment.Reply{}, &payment.Error{Reason: payment.ReasonInternal, Message: "the answer could not be rendered", Err: err}
	}
	return payment.Reply{Bytes: raw}, nil
}

// refusal turns an error that ends a call into what the caller is told.
func refusal(err error) error {
	if _, known := errors.AsType[*payment.Error](err); known {
		return err
	}
	if _, taken := errors.AsType[*payment.KeyTakenError](err); taken {
		return err
	}
	if taken, ok := errors.AsType[*ledger.ReferenceTakenError](err); ok {
		return &payment.Error{
			Reason: payment.ReasonMerchantReferenceExists, Payment: taken.Payment, Err: err,
			Message: "a live payment has this merchant reference",
		}
	}
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return &payment.Error{Reason: payment.ReasonNotFound, Message: "no such payment or operation", Err: err}
	case errors.Is(err, ledger.ErrFull):
		return &payment.Error{Reason: payment.ReasonLedgerFull, Message: "the ledger is near its quota and takes no new operations", Err: err}
	case errors.Is(err, ledger.ErrPaymentMoved):
		return &payment.Error{Reason: payment.ReasonPaymentContended, Message: "the payment is being changed by others", RetryAfter: time.Second, Err: err}
	case errors.Is(err, ledger.ErrUnavailable), errors.Is(err, ledger.ErrAmbiguous), errors.Is(err, ledger.ErrSessionLost),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &payment.Error{Reason: payment.ReasonLedgerUnavailable, Message: "the ledger does not answer; nothing new was sent; retry with the same key", RetryAfter: time.Second, Err: err}
	}
	return &payment.Error{Reason: payment.ReasonInternal, Message: "internal error", Err: err}
}
