package interceptors

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// callLog writes one line per call when it is over. Interceptors further in add
// to it with logging.AddFields. The line never holds keys, payloads or tokens.
type callLog struct{ logger *slog.Logger }

func (l callLog) unary() grpc.UnaryServerInterceptor {
	return selector.UnaryServerInterceptor(logging.UnaryServerInterceptor(logging.LoggerFunc(l.write), l.options()...), notHealth())
}

func (l callLog) stream() grpc.StreamServerInterceptor {
	return selector.StreamServerInterceptor(logging.StreamServerInterceptor(logging.LoggerFunc(l.write), l.options()...), notHealth())
}

// notHealth leaves out health checks: probes come every few seconds, and what
// they would say is in the metrics.
func notHealth() selector.Matcher {
	return selector.MatchFunc(func(_ context.Context, c interceptors.CallMeta) bool {
		return c.Service != healthv1.Health_ServiceDesc.ServiceName
	})
}

func (l callLog) options() []logging.Option {
	return []logging.Option{
		logging.WithLogOnEvents(logging.FinishCall),
		logging.WithLevels(level),
		logging.WithFieldsFromContext(traceFields),
		logging.WithDisableLoggingFields(logging.SystemTag[0], logging.ComponentFieldKey, logging.MethodTypeFieldKey),
		logging.WithDurationField(func(d time.Duration) logging.Fields {
			return logging.Fields{"duration_ms", float64(d.Microseconds()) / 1000}
		}),
	}
}

// write is the slog adapter. Only ends of calls are logged, so the message is
// always the same.
func (l callLog) write(ctx context.Context, level logging.Level, _ string, fields ...any) {
	l.logger.LogAttrs(ctx, slog.Level(level), "call finished", attrs(fields)...)
}

// attrs makes slog's attributes of the middleware's fields, in snake case, and
// leaves out the start time, which the duration gives.
func attrs(fields logging.Fields) []slog.Attr {
	list := make([]slog.Attr, 0, len(fields)/2)
	for i := fields.Iterator(); i.Next(); {
		if k, v := i.At(); k != "grpc.start_time" {
			list = append(list, slog.Any(strings.ReplaceAll(k, ".", "_"), v))
		}
	}
	return list
}

// traceFields tie a line to its trace.
func traceFields(ctx context.Context) logging.Fields {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return nil
	}
	return logging.Fields{"trace_id", span.TraceID().String(), "span_id", span.SpanID().String()}
}

// level is how much a code concerns the people who run the service: what the
// caller got wrong is information, trouble that should pass is a warning, and
// what should not happen is an error.
func level(c codes.Code) logging.Level {
	switch c {
	case codes.OK, codes.Canceled, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.OutOfRange,
		codes.FailedPrecondition, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return logging.LevelInfo
	case codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Unavailable:
		return logging.LevelWarn
	case codes.Unknown, codes.Internal, codes.DataLoss:
		return logging.LevelError
	}
	return logging.LevelError
}
