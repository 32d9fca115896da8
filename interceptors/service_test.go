package interceptors

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// authorizeFunc is what a test puts in the place of the orchestrator.
type authorizeFunc func(ctx context.Context, req *acquitv1.AuthorizeRequest) (payment.Reply, error)

// payments is a handler as the server's is: it delegates and replies.
type payments struct {
	acquitv1.UnimplementedPaymentServiceServer
	authorize authorizeFunc
	watch     func(grpc.ServerStreamingServer[acquitv1.WatchPaymentResponse]) error
	asked     atomic.Int64
}

func (p *payments) Authorize(ctx context.Context, req *acquitv1.AuthorizeRequest) (*acquitv1.AuthorizeResponse, error) {
	p.asked.Add(1)
	reply, err := p.authorize(ctx, req)
	if err != nil {
		return nil, err
	}
	return ReplyTo[acquitv1.AuthorizeResponse](ctx, reply), nil
}

func (p *payments) GetPayment(ctx context.Context, _ *acquitv1.GetPaymentRequest) (*acquitv1.GetPaymentResponse, error) {
	p.asked.Add(1)
	tenant, _ := TenantFrom(ctx)
	_, keyed := CallFrom(ctx)
	reference := "not keyed"
	if keyed {
		reference = "keyed"
	}
	return &acquitv1.GetPaymentResponse{Payment: &acquitv1.Payment{PaymentId: string(tenant), MerchantReference: reference}}, nil
}

func (p *payments) WatchPayment(_ *acquitv1.WatchPaymentRequest, s grpc.ServerStreamingServer[acquitv1.WatchPaymentResponse]) error {
	p.asked.Add(1)
	return p.watch(s)
}

// fakeKeys fails the test when something is done to an operation that should not be.
type fakeKeys struct {
	t       *testing.T
	await   func(ctx context.Context, op payment.OperationKey) error
	resume  func(ctx context.Context, op payment.Operation) (payment.Reply, error)
	interim func(ctx context.Context, op payment.Operation) (payment.Reply, error)

	awaited, resumed, interims atomic.Int64
}

func (k *fakeKeys) Await(ctx context.Context, op payment.OperationKey) error {
	k.awaited.Add(1)
	if k.await == nil {
		k.t.Error("Await was called")
		return nil
	}
	return k.await(ctx, op)
}

func (k *fakeKeys) Resume(ctx context.Context, op payment.Operation) (payment.Reply, error) {
	k.resumed.Add(1)
	if k.resume == nil {
		k.t.Error("Resume was called")
		return payment.Reply{}, nil
	}
	return k.resume(ctx, op)
}

func (k *fakeKeys) Interim(ctx context.Context, op payment.Operation) (payment.Reply, error) {
	k.interims.Add(1)
	if k.interim == nil {
		k.t.Error("Interim was called")
		return payment.Reply{}, nil
	}
	return k.interim(ctx, op)
}

// service is a server with the production chain, and a client of it.
type service struct {
	conn    *grpc.ClientConn
	handler *payments
	logs    *logBook
	reader  *metric.ManualReader
	spans   *tracetest.SpanRecorder
}

// serve starts a server over an in-memory connection. Inside a synctest bubble
// everything of it is in the bubble.
func serve(t *testing.T, config Config, handler *payments) *service {
	t.Helper()
	s := &service{handler: handler, logs: &logBook{}, reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	if config.Keys == nil {
		config.Keys = &fakeKeys{t: t}
	}
	config.Logger = slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Meter = metric.NewMeterProvider(metric.WithReader(s.reader)).Meter("test")
	server := grpc.NewServer(
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(
			trace.NewTracerProvider(trace.WithSpanProcessor(s.spans))))),
		grpc.ChainUnaryInterceptor(Chain(config)...),
		grpc.ChainStreamInterceptor(StreamChain(config)...),
	)
	acquitv1.RegisterPaymentServiceServer(server, handler)
	healthv1.RegisterHealthServer(server, health.NewServer())
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///acquit", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	s.conn = conn
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

// rawCodec keeps the bytes of a response as they came over the wire.
type rawCodec struct{ encoding.CodecV2 }

type rawReply struct{ bytes []byte }

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return proto.Marshal(m)
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	r, ok := v.(*rawReply)
	if !ok {
		return fmt.Errorf("%T is no place for a reply", v)
	}
	r.bytes = bytes.Clone(data)
	return nil
}

type violation = *errdetails.BadRequest_FieldViolation

// result is what a client got.
type result struct {
	bytes           []byte
	err             error
	header, trailer metadata.MD
	took            time.Duration
}

func (r result) code() codes.Code { return status.Code(r.err) }

// reason is the reason of the ErrorInfo, and "" without one.
func (r result) reason() string {
	for _, d := range status.Convert(r.err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "acquit.dev" {
			return info.GetReason()
		}
	}
	return ""
}

func (r result) violations() []*errdetails.BadRequest_FieldViolation {
	for _, d := range status.Convert(r.err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			return bad.GetFieldViolations()
		}
	}
	return nil
}

func (r result) retryAfter() time.Duration {
	for _, d := range status.Convert(r.err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

func (r result) one(t *testing.T, key string) string {
	t.Helper()
	values := r.header.Get(key)
	if len(values) > 1 {
		t.Errorf("header %s was sent %d times: %v", key, len(values), values)
	}
	return strings.Join(values, ",")
}

// authorize makes a call with a key and a deadline; the metadata is pairs.
func (s *service) authorize(ctx context.Context, key string, req *acquitv1.AuthorizeRequest, pairs ...string) result {
	if key != "" {
		pairs = append(pairs, "idempotency-key", key)
	}
	return s.invoke(ctx, acquitv1.PaymentService_Authorize_FullMethodName, req, pairs...)
}

func (s *service) invoke(ctx context.Context, method string, req proto.Message, pairs ...string) result {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if len(pairs) > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, pairs...)
	}
	var (
		r     result
		reply rawReply
		start = time.Now()
	)
	r.err = s.conn.Invoke(ctx, method, req, &reply,
		grpc.ForceCodec(rawCodec{}), grpc.Header(&r.header), grpc.Trailer(&r.trailer))
	r.bytes, r.took = reply.bytes, time.Since(start)
	return r
}

// counter sums a counter over its attributes, or over those with the value.
func (s *service) counter(t *testing.T, name string, value ...string) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != name {
				continue
			}
			for _, p := range data.DataPoints {
				matches := 0
				for _, kv := range p.Attributes.ToSlice() {
					if slices.Contains(value, kv.Value.AsString()) {
						matches++
					}
				}
				if matches == len(value) {
					sum += p.Value
				}
			}
		}
	}
	return sum
}

// logBook collects JSON log lines.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines returns the lines with a message.
func (b *logBook) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(b.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if fields["msg"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// request is a good Authorize request.
func request() *acquitv1.AuthorizeRequest {
	return &acquitv1.AuthorizeRequest{
		MerchantReference: "order-1",
		Amount:            &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Account: "sandbox", Token: &acquitv1.AccountToken_StoredId{StoredId: "tok_ok"}}},
		}}},
		Metadata: map[string]string{"basket": "17"},
	}
}

// otherPayload is a good request that asks for something else.
func otherPayload() *acquitv1.AuthorizeRequest {
	r := request()
	r.Amount.MinorUnits++
	return r
}

// stored is a durable reply, with bytes in an order that protobuf
// would not write, so that a reply that is parsed and written again shows.
func stored(t *testing.T) payment.Reply {
	t.Helper()
	return payment.Reply{Bytes: replyBytes(t, succeeded), Stored: true}
}

func interim(t *testing.T) payment.Reply {
	t.Helper()
	return payment.Reply{Bytes: replyBytes(t, unknown)}
}

func replyBytes(t *testing.T, state acquitv1.OperationState) []byte {
	t.Helper()
	op, err := proto.Marshal(&acquitv1.AuthorizeResponse{Operation: &acquitv1.Operation{State: state}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := proto.Marshal(&acquitv1.AuthorizeResponse{Payment: &acquitv1.Payment{PaymentId: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	return append(op, p...)
}

// opOf is the record of an operation as the handler's call makes it.
func opOf(t *testing.T, ctx context.Context, state payment.State) payment.Operation {
	t.Helper()
	call, ok := CallFrom(ctx)
	if !ok {
		t.Error("the handler has no call in its context")
	}
	return payment.Operation{
		Key: call.OperationKey(), Method: call.Method, Reference: call.Reference, Fingerprint: call.Fingerprint, State: state,
	}
}
