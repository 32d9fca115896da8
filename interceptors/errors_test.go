package interceptors

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// reasons reads the constants of type Reason from the vocabulary's source, so
// that one that is added there cannot be missed here.
func reasons(t *testing.T) []payment.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../orchestrator/payment/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []payment.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Reason" {
			return true
		}
		for _, v := range spec.Values {
			literal, ok := v.(*ast.BasicLit)
			if !ok {
				t.Fatalf("a reason that is no literal: %v", spec.Names)
			}
			name, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, payment.Reason(name))
		}
		return true
	})
	if len(found) < 20 {
		t.Fatalf("only %d reasons found", len(found))
	}
	return found
}

// The vocabulary and the contract name the same reasons.
func TestReasonsAreThoseOfTheContract(t *testing.T) {
	var ours, theirs []string
	for _, r := range reasons(t) {
		ours = append(ours, string(r))
	}
	for number, name := range acquitv1.ErrorReason_name {
		if number != 0 {
			theirs = append(theirs, strings.TrimPrefix(name, "ERROR_REASON_"))
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("contract (-) and vocabulary (+) differ:\n%s", diff)
	}
}

// What each reason's comment in the contract promises is what the caller gets:
// the code, RetryInfo, BadRequest, and whether to come again with the same key.
func TestReasonsKeepWhatTheContractSays(t *testing.T) {
	source, err := os.ReadFile("../proto/acquit/v1/error_reason.proto")
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`((?:\n  //[^\n]*)+)\n  ERROR_REASON_(\w+) = \d+;`)
	promise := regexp.MustCompile(`^([A-Z_]+)(?: with (\w+))?:`)
	described := 0
	for _, m := range entry.FindAllStringSubmatch(string(source), -1) {
		text := strings.Join(strings.Fields(strings.ReplaceAll(m[1], "//", "")), " ")
		p := promise.FindStringSubmatch(text)
		if p == nil {
			continue // UNSPECIFIED
		}
		described++
		t.Run(m[2], func(t *testing.T) {
			r := refusalOf(&payment.Error{Reason: payment.Reason(m[2])})
			var code codes.Code
			if err := code.UnmarshalJSON([]byte(strconv.Quote(p[1]))); err != nil {
				t.Fatal(err)
			}
			if string(r.reason) != m[2] || r.code != code {
				t.Errorf("got %v %s, the contract says %v", r.code, r.reason, code)
			}
			if r.delay != (p[2] == "RetryInfo") || (len(r.violations) > 0) != (p[2] == "BadRequest") {
				t.Errorf("got delay %v and %d violations, the contract says %q", r.delay, len(r.violations), p[2])
			}
			if again := strings.Contains(text, "same key"); r.sameKey != again {
				t.Errorf("got same key %v, the contract says %q", r.sameKey, text)
			}
		})
	}
	if described != len(reasons(t)) {
		t.Errorf("%d reasons are described, of %d", described, len(reasons(t)))
	}
}

// Every kind of error, as its caller reads it. Causes never show.
func TestRefusals(t *testing.T) {
	secret := errors.New("SECRET of a store")
	cases := map[string]struct {
		err     error
		code    codes.Code
		reason  payment.Reason
		message string
		after   time.Duration
		cause   bool
	}{
		"ours, wrapped": {
			err:  fmt.Errorf("while routing: %w", &payment.Error{Reason: payment.ReasonNoRoute, Message: "no account", Err: secret}),
			code: codes.FailedPrecondition, reason: payment.ReasonNoRoute, message: "no account", cause: true,
		},
		"ours with its own delay": {
			err:  &payment.Error{Reason: payment.ReasonOverloaded, Message: "m", RetryAfter: 3 * time.Second},
			code: codes.ResourceExhausted, reason: payment.ReasonOverloaded, message: "m", after: 3 * time.Second,
		},
		"ours around a context": {
			err:  &payment.Error{Reason: payment.ReasonLedgerUnavailable, Message: "m", Err: context.DeadlineExceeded},
			code: codes.Unavailable, reason: payment.ReasonLedgerUnavailable, message: "m", cause: true,
		},
		"ours without a message": {
			err:  &payment.Error{Reason: payment.ReasonParentUnknown},
			code: codes.FailedPrecondition, reason: payment.ReasonParentUnknown, message: "parent unknown",
		},
		"internal keeps its message for the log": {
			err:  &payment.Error{Reason: payment.ReasonInternal, Message: "SECRET"},
			code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true,
		},
		"a reason that does not exist": {
			err:  &payment.Error{Reason: "SECRET", Message: "SECRET"},
			code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true,
		},
		"a deadline":     {err: fmt.Errorf("x: %w", context.DeadlineExceeded), code: codes.DeadlineExceeded, message: "the deadline passed", cause: true},
		"a cancellation": {err: context.Canceled, code: codes.Canceled, message: "the call was cancelled", cause: true},
		"a status of generated code": {
			err: status.Error(codes.Unimplemented, "method Void not implemented"), code: codes.Unimplemented, message: "method Void not implemented",
		},
		"a status of a middleware": {
			err:  status.Error(codes.NotFound, "unknown service"),
			code: codes.NotFound, reason: payment.ReasonNotFound, message: "unknown service",
		},
		"an unavailable status is not repeated as ours": {
			err:  status.Error(codes.Unavailable, "SECRET"),
			code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true,
		},
		"an internal status loses its text": {
			err:  status.Error(codes.Internal, "SECRET"),
			code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true,
		},
		"a wrapped status came from deeper": {
			err:  fmt.Errorf("etcd: %w", status.Error(codes.NotFound, "SECRET")),
			code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true,
		},
		"a key that nobody decided about": {
			err:  &payment.KeyTakenError{},
			code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true,
		},
		"anything else": {err: secret, code: codes.Internal, reason: payment.ReasonInternal, message: internalMessage, cause: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := refusalOf(c.err)
			if r.code != c.code || r.reason != c.reason || r.message != c.message || r.after != c.after || (r.cause != nil) != c.cause {
				t.Errorf("got %+v", r)
			}
			told := result{err: r.status()}
			if told.code() != c.code || told.reason() != string(c.reason) || told.retryAfter() != c.after {
				t.Errorf("the caller reads %v, reason %q, retry after %v", told.err, told.reason(), told.retryAfter())
			}
			if strings.Contains(fmt.Sprintf("%+v", status.Convert(told.err).Proto()), "SECRET") {
				t.Errorf("the caller reads the cause: %v", told.err)
			}
		})
	}
}

// Broken rules are named field by field, whether they come as an error or in the
// interceptor's status. The message, which is logged, has no data in it.
func TestViolations(t *testing.T) {
	bad := request()
	bad.Amount.MinorUnits = 0
	bad.Metadata = map[string]string{"caller-data": strings.Repeat("x", 81)}
	invalid := protovalidate.Validate(bad)
	if invalid == nil {
		t.Fatal("the request is valid")
	}
	made, err := status.New(codes.InvalidArgument, invalid.Error()).WithDetails(violationsProto(t, invalid))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"as an error": invalid, "in a status": made.Err()} {
		t.Run(name, func(t *testing.T) {
			r := result{err: refusalOf(err).status()}
			var fields []string
			for _, v := range r.violations() {
				fields = append(fields, v.GetField())
				if v.GetDescription() == "" {
					t.Errorf("no description for %s", v.GetField())
				}
			}
			slices.Sort(fields)
			if diff := cmp.Diff([]string{"amount", `metadata["caller-data"]`}, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if r.code() != codes.InvalidArgument || r.reason() != "REQUEST_INVALID" ||
				!strings.Contains(status.Convert(r.err).Message(), "must be greater than zero") ||
				strings.Contains(status.Convert(r.err).Message(), "caller-data") {
				t.Errorf("got %v (reason %q)", r.err, r.reason())
			}
		})
	}
}

func violationsProto(t *testing.T, err error) interface {
	Reset()
	String() string
	ProtoMessage()
} {
	t.Helper()
	invalid, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		t.Fatal(err)
	}
	return invalid.ToProto()
}
