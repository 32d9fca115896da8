package interceptors

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	protovalidatemw "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// rules are those that the contract writes on fields and messages, checked by
// go-grpc-middleware's interceptor for protovalidate.
type rules struct{ validator protovalidate.Validator }

func (r rules) unary() grpc.UnaryServerInterceptor {
	return protovalidatemw.UnaryServerInterceptor(r.validator)
}

func (r rules) stream() grpc.StreamServerInterceptor {
	return protovalidatemw.StreamServerInterceptor(r.validator)
}

// violationsIn finds the violations that an error carries, as protovalidate
// returns them or as its interceptor puts them into a status.
func violationsIn(err error) ([]*validate.Violation, bool) {
	if invalid, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		return invalid.ToProto().GetViolations(), true
	}
	made, ok := bareStatus(err)
	if !ok {
		return nil, false
	}
	for _, detail := range made.Details() {
		if list, ok := detail.(*validate.Violations); ok {
			return list.GetViolations(), true
		}
	}
	return nil, false
}

// ofRules makes the refusal of a request that breaks rules of the contract. The
// violations name fields in full, for the caller; the message, which is logged
// too, names the first without keys of maps, which are the caller's data.
func ofRules(violations []*validate.Violation) refusal {
	r := refusal{treatment: treat(payment.ReasonRequestInvalid), reason: payment.ReasonRequestInvalid}
	for i, v := range violations {
		if i == 0 {
			r.message = fmt.Sprintf("%s: %s", plainPath(v.GetField()), v.GetMessage())
		}
		r.violations = append(r.violations, &errdetails.BadRequest_FieldViolation{
			Field: protovalidate.FieldPathString(v.GetField()), Description: v.GetMessage(),
		})
	}
	if n := len(violations) - 1; n > 0 {
		r.message += fmt.Sprintf(" (and %d more)", n)
	}
	return r
}

// plainPath is a field's path without what is in its brackets.
func plainPath(p *validate.FieldPath) string {
	names := make([]string, 0, len(p.GetElements()))
	for _, e := range p.GetElements() {
		names = append(names, e.GetFieldName())
	}
	if len(names) == 0 {
		return "the request"
	}
	return strings.Join(names, ".")
}
