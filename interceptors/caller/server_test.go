package caller_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/interceptors/caller"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// step is what the server does about one call: it answers in a state, or with an
// error. The last step is for all calls after it, too.
type step struct {
	state   acquitv1.OperationState
	err     error
	takes   time.Duration
	trailer metadata.MD
}

// States that the steps of tests have.
const (
	succeeded = acquitv1.OperationState_OPERATION_STATE_SUCCEEDED
	declined  = acquitv1.OperationState_OPERATION_STATE_DECLINED
	unknown   = acquitv1.OperationState_OPERATION_STATE_UNKNOWN
)

// refused is a step that answers with an error for a reason.
func refused(reason payment.Reason, after time.Duration) step {
	return step{err: &payment.Error{Reason: reason, RetryAfter: after}}
}

// service is handlers that follow a script, behind the production chain.
type service struct {
	acquitv1.UnimplementedPaymentServiceServer

	mu    sync.Mutex
	steps []step
	times []time.Time
	wire  [][]string // the idempotency keys of each call, as they arrived
	deaf  atomic.Bool
}

// observe stands before the chain, so that it sees what it would refuse, too.
func (s *service) observe(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	s.wire = append(s.wire, metadata.ValueFromIncomingContext(ctx, "idempotency-key"))
	s.mu.Unlock()
	return handler(ctx, req)
}

// next takes a step.
func (s *service) next(ctx context.Context) (step, error) {
	s.mu.Lock()
	now := s.steps[0]
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	s.mu.Unlock()
	_ = grpc.SetTrailer(ctx, now.trailer)
	select {
	case <-time.After(now.takes):
		return now, now.err
	case <-ctx.Done():
		return now, ctx.Err()
	}
}

// reply is an answer, which is stored unless its state is interim.
func (s step) reply() (payment.Reply, error) {
	raw, err := proto.Marshal(&acquitv1.AuthorizeResponse{Operation: &acquitv1.Operation{State: s.state}})
	return payment.Reply{Bytes: raw, Stored: s.state != unknown}, err
}

func (s *service) Authorize(ctx context.Context, _ *acquitv1.AuthorizeRequest) (*acquitv1.AuthorizeResponse, error) {
	now, err := s.next(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := now.reply()
	return interceptors.ReplyTo[acquitv1.AuthorizeResponse](ctx, reply), err
}

func (s *service) GetPayment(ctx context.Context, _ *acquitv1.GetPaymentRequest) (*acquitv1.GetPaymentResponse, error) {
	_, err := s.next(ctx)
	return &acquitv1.GetPaymentResponse{}, err
}

// asked is how many calls arrived.
func (s *service) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}

// waits are the times between the calls.
func (s *service) waits() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []time.Duration
	for i := 1; i < len(s.times); i++ {
		found = append(found, s.times[i].Sub(s.times[i-1]))
	}
	return found
}

// had checks the number of calls and that each came with the one key.
func (s *service) had(t *testing.T, calls int, key string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wire) != calls {
		t.Errorf("%d calls arrived, want %d", len(s.wire), calls)
	}
	for i, keys := range s.wire {
		if !slices.Equal(keys, []string{key}) {
			t.Errorf("call %d came with the keys %q, want %q", i+1, keys, key)
		}
	}
}

// running is a server in memory.
type running struct {
	*service

	dialer grpc.DialOption
	stop   func()
}

// inMemory starts a server that follows a script.
func inMemory(steps ...step) running {
	s, listener := &service{steps: steps}, bufconn.Listen(1<<20)
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(append([]grpc.UnaryServerInterceptor{s.observe}, interceptors.Chain(interceptors.Config{})...)...))
	acquitv1.RegisterPaymentServiceServer(server, s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	return running{service: s, dialer: grpc.WithContextDialer(s.dial(listener)), stop: func() {
		server.Stop()
		serving.Wait()
	}}
}

// dial starts a server that follows a script and returns a client of it.
func dial(t *testing.T, c caller.Config, steps ...step) (*service, acquitv1.PaymentServiceClient) {
	t.Helper()
	return dialBy(t, "passthrough:///acquit", caller.DialOptions(c), steps...)
}

// dialBy is dial with a target and options of the test's own.
func dialBy(t *testing.T, target string, options []grpc.DialOption, steps ...step) (*service, acquitv1.PaymentServiceClient) {
	t.Helper()
	r := inMemory(steps...)
	t.Cleanup(r.stop)
	conn, err := grpc.NewClient(target, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), r.dialer)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return r.service, acquitv1.NewPaymentServiceClient(conn)
}

// dial makes connections that become deaf when the service is made so.
func (s *service) dial(l *bufconn.Listener) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := l.DialContext(ctx)
		s.deaf.Store(false)
		return &wire{Conn: conn, deaf: &s.deaf}, err
	}
}

// wire is a connection that can lose everything without breaking.
type wire struct {
	net.Conn

	deaf *atomic.Bool
}

func (w *wire) Write(p []byte) (int, error) {
	if w.deaf.Load() {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// request is a good Authorize request.
func request() *acquitv1.AuthorizeRequest {
	return &acquitv1.AuthorizeRequest{
		Amount: &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Account: "sandbox", Token: &acquitv1.AccountToken_StoredId{StoredId: "tok_ok"}}},
		}}},
	}
}
