package interceptors

import (
	"context"
	"errors"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Response metadata of this API.
const (
	headerReference   = "acquit-reference-id"
	headerReplayed    = "acquit-idempotent-replayed"
	headerShouldRetry = "acquit-should-retry"
	trailerPushback   = "grpc-retry-pushback-ms"
)

type (
	callKey   struct{}
	tenantKey struct{}
)

// held is the call of one keyed request while it passes the chain. Only the
// goroutine that serves the request writes it.
type held struct {
	call     payment.Call
	reply    payment.Reply // what the handler answered with, once answered
	answered bool
}

func heldFrom(ctx context.Context) (*held, bool) {
	h, ok := ctx.Value(callKey{}).(*held)
	return h, ok
}

// CallFrom returns the keyed call that a handler is running for. It is false
// for methods that take no key.
func CallFrom(ctx context.Context) (payment.Call, bool) {
	h, ok := heldFrom(ctx)
	if !ok || h.call.Fingerprint.Sum == "" {
		return payment.Call{}, false
	}
	return h.call, true
}

// TenantFrom returns the tenant that the authenticated peer acts for.
func TenantFrom(ctx context.Context) (payment.TenantID, bool) {
	t, ok := ctx.Value(tenantKey{}).(payment.TenantID)
	return t, ok
}

// response is the pointer type of a generated message.
type response[M any] interface {
	*M
	proto.Message
}

// ReplyTo makes the message that a keyed handler returns, for example
//
//	return interceptors.ReplyTo[acquitv1.AuthorizeResponse](ctx, reply), nil
//
// The message has no field set; its unknown fields are the bytes of the reply,
// which protobuf marshals verbatim, so that every answer to a key is the same to
// the byte. It also tells the idempotency interceptor whether the reply is stored.
func ReplyTo[M any, P response[M]](ctx context.Context, reply payment.Reply) P {
	if h, ok := heldFrom(ctx); ok {
		h.reply, h.answered = reply, true
	}
	m := P(new(M))
	m.ProtoReflect().SetUnknown(reply.Bytes)
	return m
}

// setHeader adds response metadata. A header that cannot be sent is no reason to
// fail a call that may have moved money; it is noted in the call's log line.
func setHeader(ctx context.Context, key, value string) {
	if errors.Is(ctx.Err(), context.Canceled) { // nobody is there to read it; past our own deadline the caller still is
		return
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs(key, value)); err != nil {
		logging.AddFields(ctx, logging.Fields{"header_error", err.Error()})
	}
}
