package interceptors

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "acquit.dev"

// metadataPayment is the ErrorInfo's metadata that names the payment in the way.
const metadataPayment = "payment_id"

// internalMessage is all that a caller learns about a bug of ours.
const internalMessage = "internal error; retry with the same key only, and report the reference id"

// translator makes the status that a caller gets from whatever error comes out
// of the call. What it does not know becomes INTERNAL with a neutral message,
// and the cause goes to the log: so no text of a provider, a store or a panic
// leaves, and a provider's trouble never reads UNAVAILABLE, which generic retry
// policies would repeat.
type translator struct {
	methods    *methods
	meters     meters
	retryAfter time.Duration
}

func (t *translator) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	resp, err := handler(ctx, req)
	if err == nil {
		return resp, nil
	}
	r := t.refuse(ctx, info.FullMethod, err)
	if t.methods.find(info.FullMethod).keyed {
		setHeader(ctx, headerShouldRetry, strconv.FormatBool(r.sameKey))
	}
	if r.after > 0 {
		if err := grpc.SetTrailer(ctx, pushback(r.after)); err != nil {
			logging.AddFields(ctx, logging.Fields{"header_error", err.Error()})
		}
	}
	return nil, r.status()
}

func (t *translator) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	err := handler(srv, stream)
	if err == nil {
		return nil
	}
	r := t.refuse(stream.Context(), info.FullMethod, err)
	if r.after > 0 {
		stream.SetTrailer(pushback(r.after))
	}
	return r.status()
}

func pushback(after time.Duration) metadata.MD {
	return metadata.Pairs(trailerPushback, strconv.FormatInt(after.Milliseconds(), 10))
}

// refuse decides what the caller is told, and tells the log, the span and the
// counter.
func (t *translator) refuse(ctx context.Context, fullMethod string, err error) refusal {
	r := refusalOf(err)
	if r.delay && r.after <= 0 {
		r.after = t.retryAfter
	}
	name := string(r.reason)
	if name == "" {
		name = r.code.String()
	}
	fields := logging.Fields{"reason", name}
	if r.cause != nil {
		fields = append(fields, "cause", r.cause.Error())
	}
	logging.AddFields(ctx, fields)
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("acquit.error_reason", name))
	t.meters.refusals.Add(ctx, 1, refused(fullMethod, name))
	return r
}

// refusal is an error as its caller will read it.
type refusal struct {
	treatment
	reason     payment.Reason // "" where the code says it all
	message    string
	violations []*errdetails.BadRequest_FieldViolation
	payment    payment.ID // that stands in the way
	after      time.Duration
	cause      error // for our log only
}

// refusalOf reads any error. The order matters: our own errors may wrap a
// context's or a status, and then ours is what the caller is told.
func refusalOf(err error) refusal {
	if ours, ok := errors.AsType[*payment.Error](err); ok {
		return ofPayment(ours)
	}
	if invalid, ok := violationsIn(err); ok {
		return ofRules(invalid)
	}
	if made, ok := bareStatus(err); ok {
		if reason, ok := reasonOf(made.Code()); ok {
			return refusal{treatment: treatment{code: made.Code()}, reason: reason, message: made.Message()}.again()
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return refusal{treatment: treatment{code: codes.DeadlineExceeded, sameKey: true}, message: "the deadline passed", cause: err}
	case errors.Is(err, context.Canceled):
		return refusal{treatment: treatment{code: codes.Canceled, sameKey: true}, message: "the call was cancelled", cause: err}
	}
	return internal(err)
}

func ofPayment(e *payment.Error) refusal {
	t := treat(e.Reason)
	if t.code == codes.Internal {
		return internal(e)
	}
	r := refusal{treatment: t, reason: e.Reason, message: e.Message, payment: e.Payment, after: e.RetryAfter, cause: e.Err}
	if r.message == "" {
		r.message = strings.ReplaceAll(strings.ToLower(string(e.Reason)), "_", " ")
	}
	if e.Field != "" || e.Reason == payment.ReasonRequestInvalid {
		r.violations = []*errdetails.BadRequest_FieldViolation{{Field: e.Field, Description: r.message}}
	}
	return r
}

func internal(cause error) refusal {
	return refusal{
		treatment: treat(payment.ReasonInternal), reason: payment.ReasonInternal, message: internalMessage, cause: cause,
	}
}

// again fills in whether and when the same key may be used again, for a status
// whose code was given.
func (r refusal) again() refusal {
	if r.reason == "" {
		r.sameKey = r.code != codes.Unimplemented
		return r
	}
	t := treat(r.reason)
	r.sameKey, r.delay = t.sameKey, t.delay
	if r.reason == payment.ReasonRequestInvalid {
		r.violations = []*errdetails.BadRequest_FieldViolation{{Description: r.message}}
	}
	return r
}

// bareStatus is a status that is the error itself. One that is wrapped came
// from somewhere deeper, such as a store's client, and is not ours to repeat.
func bareStatus(err error) (*status.Status, bool) {
	made, ok := err.(interface{ GRPCStatus() *status.Status })
	if !ok {
		return nil, false
	}
	return made.GRPCStatus(), true
}

// contextual reports whether an error says that its context ended.
func contextual(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// status makes the gRPC error with its details.
func (r refusal) status() error {
	st := status.New(r.code, r.message)
	var details []protoadapt.MessageV1
	if r.reason != "" {
		info := &errdetails.ErrorInfo{Reason: string(r.reason), Domain: errorDomain}
		if r.payment != "" {
			info.Metadata = map[string]string{metadataPayment: string(r.payment)}
		}
		details = append(details, info)
	}
	if r.after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(r.after)})
	}
	if len(r.violations) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: r.violations})
	}
	if full, err := st.WithDetails(details...); err == nil {
		st = full
	}
	return st.Err()
}
