package caller

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/descriptorpb"
)

// leastTime has to be left after a wait, or the call is not repeated: with less
// acquit would only answer DEADLINE_TOO_SHORT, which says less than the answer
// that is there.
const leastTime = 300 * time.Millisecond

// Config is how calls are repeated. The zero Config is ready; what is zero or
// less takes its default.
type Config struct {
	// Attempts is how often a keyed call is made at most while it ends in errors,
	// the first time included. Defaults to 8, which is about 16 s of waiting. One
	// means that nothing is repeated.
	Attempts int

	// FirstWait is about how long to wait before the first repetition; each wait is
	// twice the one before, up to LongestWait, and anything from half to one and a
	// half of that, so that callers who failed together do not return together. A
	// delay that the server asks for is added to it. Defaults to 200 ms.
	FirstWait time.Duration

	// LongestWait bounds the growth. Defaults to 5 s.
	LongestWait time.Duration
}

func (c Config) withDefaults() Config {
	if c.Attempts <= 0 {
		c.Attempts = 8
	}
	if c.FirstWait <= 0 {
		c.FirstWait = 200 * time.Millisecond
	}
	if c.LongestWait <= 0 {
		c.LongestWait = 5 * time.Second
	}
	return c
}

// patient is the option of UntilStored.
type patient struct{ grpc.EmptyCallOption }

// UntilStored makes a keyed call go on asking, with the same key, while the answer
// is interim (INTENT, UNKNOWN or FENCING with acquit-should-retry: true), until
// there is an outcome or no time is left. Then the last answer is returned, which
// may still be interim. The call needs a deadline. As a default of all calls:
// grpc.WithDefaultCallOptions(caller.UntilStored()).
func UntilStored() grpc.CallOption { return patient{} }

// Unary is the interceptor for keyed calls; it leaves all others alone.
// DialOptions has it with all that belongs to it.
//
// Errors that it makes itself: ErrKeyRequired, ErrKeyInvalid, ErrKeyAmbiguous and
// ErrNoDeadline (nothing was sent; correct the call); Canceled when the context is
// cancelled between two repetitions. All others are the server's or gRPC's last
// one, unchanged: if their code is not one by which acquit refuses for good, the
// outcome is unknown, and the same key has to be used again. After repetitions,
// Header and Trailer options hold what the last one brought.
func Unary(config Config) grpc.UnaryClientInterceptor {
	config = config.withDefaults()
	keyed := methods(descriptorpb.MethodOptions_IDEMPOTENT)
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoker grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if !slices.Contains(keyed, method) {
			return invoker(ctx, method, req, reply, conn, options...)
		}
		ctx, err := attach(ctx, options)
		if err != nil {
			return err
		}
		e := &exchange{config: config, patient: slices.ContainsFunc(options, func(o grpc.CallOption) bool { _, ok := o.(patient); return ok })}
		if _, ends := ctx.Deadline(); e.patient && !ends {
			return ErrNoDeadline
		}
		return e.run(ctx, func() answer {
			var header, trailer metadata.MD
			err := invoker(ctx, method, req, reply, conn, slices.Concat(options, []grpc.CallOption{grpc.Header(&header), grpc.Trailer(&trailer)})...)
			return judge(err, header, trailer)
		})
	}
}

// exchange is one keyed call with its repetitions.
type exchange struct {
	config  Config
	patient bool // interim answers are asked about again
	interim bool // an interim answer came; the reply holds the last one
	failed  int  // times in a row
}

// run asks until there is an answer to return. gRPC writes the reply only when a
// message arrives, so that an interim answer outlives the errors after it.
func (e *exchange) run(ctx context.Context, ask func() answer) error {
	waits := &backoff.ExponentialBackOff{
		InitialInterval: e.config.FirstWait, MaxInterval: e.config.LongestWait, Multiplier: 2, RandomizationFactor: 0.5,
	}
	for {
		a := ask()
		if e.final(a) {
			return e.result(a)
		}
		pause := a.after + waits.NextBackOff()
		if end, ends := ctx.Deadline(); ends && time.Until(end) < pause+leastTime {
			return e.result(a)
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// final counts an answer and reports whether it is the one to return.
func (e *exchange) final(a answer) bool {
	if a.err == nil {
		e.interim, e.failed = a.again, 0
		return !a.again || !e.patient
	}
	e.failed++
	return !a.again || e.failed >= e.config.Attempts
}

// result is what the caller is told. An error that only says that the outcome is
// still not known says less than the interim answer before it.
func (e *exchange) result(a answer) error {
	if e.interim && (a.again || status.Code(a.err) == codes.DeadlineExceeded) {
		return nil
	}
	return a.err
}

// wait returns nil after a while, or the status of a context that ended first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
