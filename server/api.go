package server

import (
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/mapping"
)

// maxMessage is the largest request. The largest one that the contract allows is
// a few hundred KiB; what is larger is refused before it is read whole.
const maxMessage = 1 << 20

// streamWorkers is how many goroutines are kept for calls. A new one for each call
// would grow its stack anew through the chain, which costs more than the chain
// does. It is no limit: when all of them are at work, a call gets one of its own.
const streamWorkers = 64

// API is what the gRPC services are made of. All fields but those of Chain are
// required.
type API struct {
	Orchestrator *orchestrator.Orchestrator
	Table        *mapping.Table
	Accounts     []orchestrator.ConfiguredAccount
	// Chain configures the interceptors; Keys and Meter are filled in.
	Chain  interceptors.Config
	Tracer trace.TracerProvider
	Meter  otelmetric.MeterProvider
}

// Server makes the gRPC server with its services, without health: the production
// chain with tracing around it, and the limits of the transport. Run serves with
// it, and so does whoever tests the whole, so both have the same chain. What
// belongs to a listener, such as credentials, comes in more.
func (a API) Server(more ...grpc.ServerOption) *grpc.Server {
	a.Chain.Keys = a.Orchestrator
	a.Chain.Meter = a.Meter.Meter("github.com/acquitpay/acquit/interceptors")
	s := grpc.NewServer(append([]grpc.ServerOption{
		grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(a.Tracer), otelgrpc.WithMeterProvider(a.Meter),
			otelgrpc.WithPropagators(propagation.TraceContext{}), otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
		)),
		grpc.ChainUnaryInterceptor(interceptors.Chain(a.Chain)...),
		grpc.ChainStreamInterceptor(interceptors.StreamChain(a.Chain)...),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.NumStreamWorkers(streamWorkers),
		// Clients may ping idle connections, so that they notice a dead server before
		// a payment does; more often than this is abuse.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	}, more...)...)
	acquitv1.RegisterPaymentServiceServer(s, &payments{orchestrator: a.Orchestrator})
	acquitv1.RegisterOperatorServiceServer(s, &operators{table: a.Table, accounts: a.Accounts})
	reflection.RegisterV1(s)
	return s
}
