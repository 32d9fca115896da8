package interceptors

import (
	"context"
	"errors"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// keyMetadata is the request metadata that carries the idempotency key.
const keyMetadata = "idempotency-key"

// maxKey is the longest key, in characters.
const maxKey = 128

// references checks the idempotency key of keyed methods and derives the
// reference id from it: the same on every retry, on the context, the span, the
// log line and the response.
//
// A key on a method that takes none is ignored: clients may attach one to every
// call, and a read has nothing to make idempotent.
type references struct {
	methods *methods
}

func (r *references) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	m := r.methods.find(info.FullMethod)
	if !m.keyed {
		return handler(ctx, req)
	}
	call, err := callOf(ctx, m)
	if err != nil {
		return nil, err
	}
	logging.AddFields(ctx, logging.Fields{"reference_id", string(call.Reference)})
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("acquit.reference_id", string(call.Reference)))
	setHeader(ctx, headerReference, string(call.Reference))
	return handler(context.WithValue(ctx, callKey{}, &held{call: call}), req)
}

// callOf reads the call from its context; the fingerprint follows when the
// request has been checked.
func callOf(ctx context.Context, m method) (payment.Call, error) {
	tenant, ok := TenantFrom(ctx)
	if !ok || m.verb == "" {
		return payment.Call{}, &payment.Error{
			Reason: payment.ReasonInternal, Err: errors.New("a keyed call without a tenant or a verb"),
		}
	}
	key, err := keyFrom(ctx)
	if err != nil {
		return payment.Call{}, err
	}
	return payment.Call{
		Tenant: tenant, Method: m.verb, Key: key, Reference: payment.DeriveReference(tenant, m.verb, key),
	}, nil
}

// keyFrom reads the one key of a call: 1 to 128 printable ASCII characters.
// Spaces at the ends are refused, because what stands between client and server
// may strip them, and then one intent would have two keys.
func keyFrom(ctx context.Context) (payment.IdempotencyKey, error) {
	values := metadata.ValueFromIncomingContext(ctx, keyMetadata)
	switch len(values) {
	case 0:
		return "", &payment.Error{
			Reason:  payment.ReasonKeyRequired,
			Message: "this method needs the metadata idempotency-key, one key per intent",
		}
	case 1:
	default:
		return "", badKey("it was given more than once")
	}
	key := values[0]
	if len(key) == 0 || len(key) > maxKey {
		return "", badKey("it must have 1 to 128 characters")
	}
	if key[0] == ' ' || key[len(key)-1] == ' ' {
		return "", badKey("it must not begin or end with a space")
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return "", badKey("it may have printable ASCII characters only")
		}
	}
	return payment.IdempotencyKey(key), nil
}

func badKey(why string) error {
	return &payment.Error{Reason: payment.ReasonKeyInvalid, Message: "the idempotency key is not usable: " + why}
}
