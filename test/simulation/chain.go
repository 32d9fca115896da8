package simulation

import (
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// answer is what a caller gets.
type answer struct {
	bytes    []byte // of the response
	reason   payment.Reason
	retry    bool // the same key can bring another answer
	replayed bool
	lost     bool // the connection ended first
}

// invoke passes a request through the production chain to the handler, as a gRPC
// server does, but without a network: what a connection adds is not simulated.
func (b *boot) invoke(ctx context.Context, rpc string, tenant payment.TenantID, key payment.IdempotencyKey, req proto.Message) (proto.Message, *stream, error) {
	s := &stream{method: rpc}
	ctx = grpc.NewContextWithServerTransportStream(ctx, s)
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("idempotency-key", string(key), tenantHeader, string(tenant)))
	handler := b.handle
	info := &grpc.UnaryServerInfo{FullMethod: rpc}
	for _, interceptor := range slices.Backward(b.chain) {
		inner := handler
		handler = func(ctx context.Context, req any) (any, error) { return interceptor(ctx, req, info, inner) }
	}
	reply, err := handler(ctx, req)
	m, _ := reply.(proto.Message)
	return m, s, err
}

// handle is the handler of every keyed method: convert and delegate.
func (b *boot) handle(ctx context.Context, req any) (any, error) {
	c, ok := interceptors.CallFrom(ctx)
	if !ok {
		return nil, errors.New("no call in the context")
	}
	ctx = nextPart(ctx)
	switch r := req.(type) {
	case *acquitv1.AuthorizeRequest:
		reply, err := b.flow.Authorize(ctx, c, instructionOf(r))
		if err != nil {
			return nil, err
		}
		return interceptors.ReplyTo[acquitv1.AuthorizeResponse](ctx, reply), nil
	case *acquitv1.CaptureRequest:
		reply, err := b.flow.Capture(ctx, c, payment.Order{Payment: payment.ID(r.GetPaymentId()), Amount: amountOf(r.GetAmount()), Last: r.GetFinal()})
		if err != nil {
			return nil, err
		}
		return interceptors.ReplyTo[acquitv1.CaptureResponse](ctx, reply), nil
	case *acquitv1.RefundRequest:
		reply, err := b.flow.Refund(ctx, c, payment.Order{Payment: payment.ID(r.GetPaymentId()), Amount: amountOf(r.GetAmount())})
		if err != nil {
			return nil, err
		}
		return interceptors.ReplyTo[acquitv1.RefundResponse](ctx, reply), nil
	case *acquitv1.VoidRequest:
		reply, err := b.flow.Void(ctx, c, payment.Order{Payment: payment.ID(r.GetPaymentId())})
		if err != nil {
			return nil, err
		}
		return interceptors.ReplyTo[acquitv1.VoidResponse](ctx, reply), nil
	case *acquitv1.CompleteAuthorizationRequest:
		reply, err := b.flow.Complete(ctx, c, payment.Order{Payment: payment.ID(r.GetPaymentId()), ReturnParameters: r.GetReturnParameters()})
		if err != nil {
			return nil, err
		}
		return interceptors.ReplyTo[acquitv1.CompleteAuthorizationResponse](ctx, reply), nil
	}
	return nil, errors.New("no such method")
}

func instructionOf(r *acquitv1.AuthorizeRequest) payment.Instruction {
	in := payment.Instruction{
		Amount: *amountOf(r.GetAmount()), CaptureMode: payment.CaptureManual, Tokens: map[payment.AccountName]payment.Token{},
	}
	if r.GetCaptureMode() == acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC {
		in.CaptureMode = payment.CaptureAutomatic
	}
	for _, t := range r.GetPaymentMethod().GetTokenSet().GetTokens() {
		in.Tokens[payment.AccountName(t.GetAccount())] = payment.Token{StoredID: t.GetStoredId()}
	}
	return in
}

func amountOf(m *acquitv1.Money) *payment.Money {
	if m == nil {
		return nil
	}
	return &payment.Money{MinorUnits: m.GetMinorUnits(), CurrencyCode: m.GetCurrencyCode()}
}

// keys passes on what the chain does about a key in use, as a part of the call
// that has a label of its own.
type keys struct{ b *boot }

func (k keys) Await(ctx context.Context, op payment.OperationKey) error {
	return k.b.flow.Await(nextPart(ctx), op)
}

func (k keys) Resume(ctx context.Context, op payment.Operation) (payment.Reply, error) {
	return k.b.flow.Resume(nextPart(ctx), op)
}

func (k keys) Interim(ctx context.Context, op payment.Operation) (payment.Reply, error) {
	return k.b.flow.Interim(nextPart(ctx), op)
}

// tenantHeader stands for a client certificate.
const tenantHeader = "tenant"

func authenticate(ctx context.Context) (payment.TenantID, error) {
	values := metadata.ValueFromIncomingContext(ctx, tenantHeader)
	if len(values) != 1 {
		return "", errors.New("no tenant")
	}
	return payment.TenantID(values[0]), nil
}

// stream takes the metadata of one response.
type stream struct {
	method string
	mu     sync.Mutex
	sent   metadata.MD
}

var _ grpc.ServerTransportStream = (*stream)(nil)

func (s *stream) Method() string { return s.method }

func (s *stream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = metadata.Join(s.sent, md)
	return nil
}

func (s *stream) SendHeader(md metadata.MD) error { return s.SetHeader(md) }
func (s *stream) SetTrailer(md metadata.MD) error { return s.SetHeader(md) }

func (s *stream) says(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := s.sent.Get(key)
	return len(values) > 0 && values[len(values)-1] == "true"
}

// reasonOf is the reason of a refusal; "" where there is none of ours.
func reasonOf(err error) payment.Reason {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return payment.Reason(info.GetReason())
		}
	}
	return ""
}
