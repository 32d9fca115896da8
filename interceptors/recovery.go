package interceptors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// recoverer turns a panic into an INTERNAL error. Its stack goes to the log, and
// nothing of it to the caller.
type recoverer struct {
	logger *slog.Logger
	meters meters
}

func (r recoverer) unary() grpc.UnaryServerInterceptor {
	return recovery.UnaryServerInterceptor(recovery.WithRecoveryHandlerContext(r.recovered))
}

func (r recoverer) stream() grpc.StreamServerInterceptor {
	return recovery.StreamServerInterceptor(recovery.WithRecoveryHandlerContext(r.recovered))
}

// recovered runs on the stack of the panic, so the stack shows where it was. Of
// the value only its type is told: it may quote what the caller sent.
func (r recoverer) recovered(ctx context.Context, p any) error {
	r.meters.panics.Add(ctx, 1)
	fields := append(attrs(logging.ExtractFields(ctx)),
		slog.String("panic_type", fmt.Sprintf("%T", p)), slog.String("stack", string(debug.Stack())))
	r.logger.LogAttrs(ctx, slog.LevelError, "panic in a call", fields...)
	return &payment.Error{Reason: payment.ReasonInternal, Err: fmt.Errorf("panic of type %T", p)}
}
