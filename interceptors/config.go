package interceptors

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Keys does what has to be done about an operation whose key is in use. The
// orchestrator implements it. All methods are safe for concurrent use.
type Keys interface {
	// Await returns nil when the operation may have moved, at once if it has its
	// response or no owner. Being woken proves nothing. Errors: the context's;
	// *payment.Error, which goes to the caller.
	Await(ctx context.Context, op payment.OperationKey) error

	// Resume takes the operation over and works on it as its first owner would.
	// op is as it was seen last, without a living owner. Errors:
	// *payment.KeyTakenError if somebody else was faster, with the operation as it
	// is now, on which the caller decides anew; *payment.Error and the context's,
	// which go to the caller.
	Resume(ctx context.Context, op payment.Operation) (payment.Reply, error)

	// Interim answers with the operation as it stands, changes nothing and sends
	// nothing. Errors: *payment.Error and the context's.
	Interim(ctx context.Context, op payment.Operation) (payment.Reply, error)
}

// Config is what the chains are built from. Limits of zero or less take their
// defaults.
type Config struct {
	// Keys acts on operations whose key is in use. Required for keyed calls:
	// without it a call whose key is in use answers INTERNAL.
	Keys Keys

	// Logger gets one line per call and one per panic. Defaults to discarding.
	Logger *slog.Logger

	// Meter makes the counters. Defaults to none.
	Meter metric.Meter

	// Authenticate says which tenant the peer of a call acts for. It sees the
	// server's context, with peer and metadata; grpc.Method(ctx) names the method,
	// which tells the health service, whose callers have no credentials. An error
	// that is not a *payment.Error becomes UNAUTHENTICATED. Defaults to the tenant
	// "default" for everybody: then whoever reaches the listener may move money.
	Authenticate func(ctx context.Context) (payment.TenantID, error)

	// Now is the clock that ledger times are compared with. Defaults to time.Now.
	Now func() time.Time

	// DefaultDeadline is the time a call gets when its client sets none.
	// Defaults to 25 s.
	DefaultDeadline time.Duration

	// DeadlineMargin is taken off a client's deadline, so that the call ends inside
	// and its answer still arrives; too small, and callers see bare timeouts where
	// acquit had an answer. Defaults to 200 ms.
	DeadlineMargin time.Duration

	// MinimumTime has to be left after the margin, or the call is refused before
	// anything is begun. Defaults to 100 ms.
	MinimumTime time.Duration

	// WaitLimit is the longest that a call waits for another one with its key,
	// within its deadline. Defaults to 25 s.
	WaitLimit time.Duration

	// MaxWaiters is how many calls of one tenant may wait in this process at a
	// time; each holds a goroutine and its request. More are answered OVERLOADED.
	// Defaults to 1000.
	MaxWaiters int

	// RetryAfter is the delay told to callers that shall come again where nobody
	// knows better. Defaults to 1 s.
	RetryAfter time.Duration
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Keys == nil {
		c.Keys = noKeys{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Meter == nil {
		c.Meter = noop.NewMeterProvider().Meter("")
	}
	if c.Authenticate == nil {
		c.Authenticate = func(context.Context) (payment.TenantID, error) { return "default", nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.DefaultDeadline = orDefault(c.DefaultDeadline, 25*time.Second)
	c.DeadlineMargin = orDefault(c.DeadlineMargin, 200*time.Millisecond)
	c.MinimumTime = orDefault(c.MinimumTime, 100*time.Millisecond)
	c.WaitLimit = orDefault(c.WaitLimit, 25*time.Second)
	c.MaxWaiters = orDefault(c.MaxWaiters, 1000)
	c.RetryAfter = orDefault(c.RetryAfter, time.Second)
	return c
}

func orDefault[T ~int | ~int64](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// noKeys stands in for a Config without Keys: it answers INTERNAL, so that a
// key in use can neither execute again nor be taken for a new one.
type noKeys struct{}

var errNoKeys = errors.New("interceptors: no Keys configured")

func (noKeys) Await(context.Context, payment.OperationKey) error { return errNoKeys }

func (noKeys) Resume(context.Context, payment.Operation) (payment.Reply, error) {
	return payment.Reply{}, errNoKeys
}

func (noKeys) Interim(context.Context, payment.Operation) (payment.Reply, error) {
	return payment.Reply{}, errNoKeys
}
