package interceptors

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// What the whole chain costs a call, without network and ledger.
func BenchmarkChain(b *testing.B) {
	chain := Chain(Config{Logger: slog.New(slog.NewJSONHandler(&logBook{}, nil))})
	info := &grpc.UnaryServerInfo{FullMethod: acquitv1.PaymentService_Authorize_FullMethodName}
	reply := payment.Reply{Stored: true}
	handler := grpc.UnaryHandler(func(ctx context.Context, _ any) (any, error) {
		return ReplyTo[acquitv1.AuthorizeResponse](ctx, reply), nil
	})
	for _, interceptor := range slices.Backward(chain) {
		inner := handler
		handler = func(ctx context.Context, req any) (any, error) { return interceptor(ctx, req, info, inner) }
	}
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs("idempotency-key", "k"))
	req := request()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handler(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}
