package interceptors

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// maxRounds bounds how often one call decides anew about its key. Every round
// but the first follows a wait or a race that somebody else won.
const maxRounds = 16

// idempotency decides about keyed calls. The handler runs without a look at the
// ledger first: the claim itself tells whether the key is new, and a read before
// it would cost every call what only few need.
type idempotency struct {
	keys      Keys
	methods   *methods
	meters    meters
	now       func() time.Time
	waitLimit time.Duration
	flights   flights
	waiters   waiters
}

func newIdempotency(c Config, m *methods, met meters) *idempotency {
	return &idempotency{
		keys: c.Keys, methods: m, meters: met, now: c.Now, waitLimit: c.WaitLimit,
		waiters: waiters{max: c.MaxWaiters, gauge: met.waiters, counts: make(map[payment.TenantID]int)},
	}
}

func (i *idempotency) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	h, ok := heldFrom(ctx)
	if !ok {
		return handler(ctx, req)
	}
	request, ok := req.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("a request of type %T is no message", req)
	}
	own, err := fingerprint(fingerprintVersion, h.call.Method, request)
	if err != nil {
		return nil, err
	}
	h.call.Fingerprint = own
	c := &keyedCall{idempotency: i, held: h, request: request, handler: handler, patience: time.Now().Add(i.waitLimit)}
	a, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	i.tell(ctx, h.call, a)
	if a.message != nil {
		return a.message, nil
	}
	m := i.methods.find(info.FullMethod).reply.New()
	m.SetUnknown(a.reply.Bytes)
	return m.Interface(), nil
}

// tell says what kind of answer it is: to the caller, the log and the counters.
func (i *idempotency) tell(ctx context.Context, call payment.Call, a answer) {
	setHeader(ctx, headerShouldRetry, strconv.FormatBool(!a.reply.Stored))
	method := ofMethod(call.Method)
	if a.replayed {
		setHeader(ctx, headerReplayed, "true")
		i.meters.replays.Add(ctx, 1, method)
	}
	if !a.reply.Stored {
		i.meters.interims.Add(ctx, 1, method)
	}
	logging.AddFields(ctx, logging.Fields{"replayed", a.replayed, "interim", !a.reply.Stored})
	trace.SpanFromContext(ctx).SetAttributes(
		attribute.Bool("acquit.replayed", a.replayed), attribute.Bool("acquit.interim", !a.reply.Stored))
}

// answer is what a keyed call will be answered with.
type answer struct {
	reply    payment.Reply
	message  any  // the handler's own, if it was the handler who answered
	replayed bool // the reply was stored before this call
}

// errMoved says that the operation may have moved, so the handler is asked again.
var errMoved = errors.New("the operation may have moved")

// keyedCall is one keyed call on its way through.
type keyedCall struct {
	*idempotency
	*held
	request  proto.Message
	handler  grpc.UnaryHandler
	patience time.Time // no wait lasts longer than until then
	waited   bool      // for another call with the key
}

// run leads the flight of the key, or follows the one that is open and takes its
// reply if that is stored. Otherwise it goes on as if it had come now: the
// first of those who waited leads, the others follow it.
func (c *keyedCall) run(ctx context.Context) (answer, error) {
	key := flightKey{operation: c.call.OperationKey(), fingerprint: c.call.Fingerprint}
	for {
		f, leads := c.flights.join(key)
		if leads {
			return c.lead(ctx, key, f)
		}
		if err := c.follow(ctx, f); err != nil {
			return answer{}, err
		}
		if f.reply.Stored {
			return answer{reply: f.reply, replayed: true}, nil
		}
		if err := ctx.Err(); err != nil {
			return answer{}, waitEnded(err)
		}
	}
}

// lead claims the key. However it ends, by a panic too, the flight lands, or the
// key would be blocked in this process for ever.
func (c *keyedCall) lead(ctx context.Context, key flightKey, f *flight) (a answer, err error) {
	defer func() { c.flights.land(key, f, a.reply) }()
	return c.claim(ctx)
}

func (c *keyedCall) follow(ctx context.Context, f *flight) error {
	leave, err := c.beginWait(ctx)
	if err != nil {
		return err
	}
	defer leave()
	waiting, cancel := context.WithDeadline(ctx, c.patience)
	defer cancel()
	select {
	case <-f.landed:
		return nil
	case <-waiting.Done():
		return waitEnded(waiting.Err())
	}
}

func (c *keyedCall) beginWait(ctx context.Context) (leave func(), err error) {
	leave, err = c.waiters.enter(ctx, c.call.Tenant)
	if err != nil {
		return nil, err
	}
	c.waited = true
	c.meters.waits.Add(ctx, 1, ofMethod(c.call.Method))
	return leave, nil
}

// claim asks the handler, which claims the key, and decides about a key that is
// in use, until there is an answer.
func (c *keyedCall) claim(ctx context.Context) (a answer, err error) {
	var taken *payment.KeyTakenError
	seen := false // that the operation exists, perhaps by this very call
	for range maxRounds {
		if taken == nil {
			a, err = c.ask(ctx)
		} else {
			seen = true
			a, err = c.decide(ctx, taken)
		}
		var inUse bool
		if taken, inUse = errors.AsType[*payment.KeyTakenError](err); !inUse && !errors.Is(err, errMoved) {
			break
		}
	}
	switch {
	case taken != nil, errors.Is(err, errMoved):
		return answer{}, inFlight() // others were faster every time
	case seen && err != nil:
		return answer{}, waitEnded(payment.Recorded(err))
	case c.waited && err != nil:
		return answer{}, waitEnded(err)
	case err != nil:
		return answer{}, err
	}
	return a, nil
}

// ask runs the handler. Its reply travels in the held call; a handler that
// answers otherwise has an answer that nothing is known about.
func (c *keyedCall) ask(ctx context.Context) (answer, error) {
	c.answered = false
	m, err := c.handler(ctx, c.request)
	if err != nil {
		return answer{}, err
	}
	if !c.answered {
		return answer{message: m}, nil
	}
	return answer{reply: c.reply, message: m}, nil
}

// decide says what follows for a key that is in use. The payload is compared
// before anything else: another one learns nothing and changes nothing.
func (c *keyedCall) decide(ctx context.Context, taken *payment.KeyTakenError) (answer, error) {
	op := taken.Operation
	own, err := fingerprint(op.Fingerprint.Version, c.call.Method, c.request)
	if err != nil {
		return answer{}, err
	}
	owned := taken.OwnerAlive && !c.now().After(op.OwnerUntil)
	switch {
	case !own.Equal(op.Fingerprint):
		return answer{}, &payment.Error{
			Reason: payment.ReasonKeyReused, Message: "the idempotency key was used before with another payload",
		}
	case len(op.Response) > 0:
		return answer{reply: payment.Reply{Bytes: op.Response, Stored: true}, replayed: true}, nil
	case op.State.Answers(): // it had a response once
		return answer{}, &payment.Error{
			Reason: payment.ReasonKeyExpired, Message: "the answer to this idempotency key is past its retention",
		}
	case op.State == payment.StateFencing: // nobody's retry may bring back what is being cancelled
		return c.interim(ctx, op)
	case owned:
		return answer{}, c.await(ctx, op)
	case c.waited && op.State == payment.StateUnknown: // its owner parked it just now: there is nothing to add at once
		return c.interim(ctx, op)
	default: // nobody works on it, or its owner is overdue
		return c.resume(ctx, op)
	}
}

func (c *keyedCall) interim(ctx context.Context, op payment.Operation) (answer, error) {
	reply, err := c.keys.Interim(ctx, op)
	return answer{reply: reply}, err
}

func (c *keyedCall) resume(ctx context.Context, op payment.Operation) (answer, error) {
	c.meters.resumes.Add(ctx, 1, ofMethod(c.call.Method))
	reply, err := c.keys.Resume(ctx, op)
	return answer{reply: reply}, err
}

// await waits for the owner of an operation, at the longest until the owner is
// overdue, and returns errMoved when it is time to look again.
func (c *keyedCall) await(ctx context.Context, op payment.Operation) error {
	leave, err := c.beginWait(ctx)
	if err != nil {
		return err
	}
	defer leave()
	patience, overdue := time.Until(c.patience), op.OwnerUntil.Sub(c.now())+time.Millisecond // just after it
	waiting, cancel := context.WithTimeout(ctx, min(patience, overdue))
	defer cancel()
	err = c.keys.Await(waiting, op.Key)
	switch {
	case err == nil:
		return errMoved
	case waiting.Err() == nil: // trouble of the ledger
		return err
	case ctx.Err() == nil && overdue < patience:
		return errMoved
	default:
		return waitEnded(waiting.Err())
	}
}

// waitEnded is the error of a call that waited, and whose time ran out: it may
// come again. Other errors stay what they are.
func waitEnded(err error) error {
	if _, ours := errors.AsType[*payment.Error](err); !ours && errors.Is(err, context.DeadlineExceeded) {
		return inFlight()
	}
	return err
}

func inFlight() error {
	return &payment.Error{
		Reason: payment.ReasonKeyInFlight, Message: "another call with this idempotency key is being worked on",
	}
}
