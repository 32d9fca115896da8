package interceptors

import (
	"context"
	"errors"
	"fmt"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// tenants finds the tenant that the peer of a call acts for. It comes from the
// authenticated peer only, never from a request.
type tenants struct {
	authenticate func(context.Context) (payment.TenantID, error)
}

func (t tenants) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := t.admit(ctx)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (t tenants) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := t.admit(stream.Context())
	if err != nil {
		return err
	}
	wrapped := middleware.WrapServerStream(stream)
	wrapped.WrappedContext = ctx
	return handler(srv, wrapped)
}

func (t tenants) admit(ctx context.Context) (context.Context, error) {
	tenant, err := t.authenticate(ctx)
	if err != nil {
		return ctx, refusedPeer(err)
	}
	if !namesRecords(tenant) {
		return ctx, &payment.Error{
			Reason: payment.ReasonPermissionDenied, Message: "the peer's tenant is not usable here",
			Err: fmt.Errorf("tenant %q cannot be part of a record's name", tenant),
		}
	}
	logging.AddFields(ctx, logging.Fields{"tenant", string(tenant)})
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("acquit.tenant", string(tenant)))
	return context.WithValue(ctx, tenantKey{}, tenant), nil
}

// refusedPeer keeps what an authenticator says in our vocabulary. Anything else
// means that nobody was authenticated; its text is for our logs only.
func refusedPeer(err error) error {
	if _, ok := errors.AsType[*payment.Error](err); ok || contextual(err) {
		return err
	}
	return &payment.Error{Reason: payment.ReasonUnauthenticated, Message: "the caller did not prove who it is", Err: err}
}

// namesRecords reports whether a tenant can be an element of a record's path in
// every ledger: 1 to 64 characters of [A-Za-z0-9._-], not a path's dots, and not
// what stands there for nobody.
func namesRecords(t payment.TenantID) bool {
	if len(t) == 0 || len(t) > 64 || t == "." || t == ".." || t == payment.Nobody {
		return false
	}
	for _, c := range []byte(t) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
