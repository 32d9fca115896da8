package interceptors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// unknownField adds field 999 to a message.
func unknownField[M proto.Message](m M) M {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	return m
}

// faulty is a good request with a fault.
func faulty(change func(*acquitv1.AuthorizeRequest)) *acquitv1.AuthorizeRequest {
	r := request()
	change(r)
	return r
}

// The goal is to show the order of the chain by what it does, and that a refused
// call never reaches the handler. Each case has the faults of two interceptors
// that stand next to each other: the outer one answers.
func TestTheOuterInterceptorAnswers(t *testing.T) {
	deny := func(context.Context) (payment.TenantID, error) { return "", errors.New("token SECRET has expired") }
	cases := map[string]struct {
		authenticate func(context.Context) (payment.TenantID, error)
		key          string
		request      *acquitv1.AuthorizeRequest
		timeout      time.Duration
		code         codes.Code
		reason       payment.Reason
		reference    bool // the refusal carries the reference id
	}{
		"tenant before reference": {
			authenticate: deny, key: "", request: request(),
			code: codes.Unauthenticated, reason: payment.ReasonUnauthenticated,
		},
		"reference before validation": {
			key: "", request: unknownField(request()),
			code: codes.InvalidArgument, reason: payment.ReasonKeyRequired,
		},
		"unknown fields before the rules": {
			key: "k", request: faulty(func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = 0; unknownField(r) }),
			code: codes.InvalidArgument, reason: payment.ReasonUnknownFields, reference: true,
		},
		"card numbers before the rules": {
			key: "k", request: faulty(func(r *acquitv1.AuthorizeRequest) { r.StatementDescriptor = "4111 1111 1111 1111" }),
			code: codes.InvalidArgument, reason: payment.ReasonCardDataRefused, reference: true,
		},
		"validation before the deadline": {
			key: "k", request: faulty(func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = -1 }), timeout: 250 * time.Millisecond,
			code: codes.InvalidArgument, reason: payment.ReasonRequestInvalid, reference: true,
		},
		"the deadline before the handler": {
			key: "k", request: request(), timeout: 250 * time.Millisecond,
			code: codes.DeadlineExceeded, reason: payment.ReasonDeadlineTooShort, reference: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, Config{Authenticate: c.authenticate}, &payments{})
				ctx, cancel := context.WithTimeout(t.Context(), max(c.timeout, 250*time.Millisecond))
				if c.timeout == 0 {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
				}
				defer cancel()
				r := s.authorize(ctx, c.key, c.request)
				if r.code() != c.code || r.reason() != string(c.reason) {
					t.Errorf("got %v (reason %q), want %v %s", r.err, r.reason(), c.code, c.reason)
				}
				if got := r.one(t, "acquit-reference-id"); (got != "") != c.reference {
					t.Errorf("reference id %q, want one: %v", got, c.reference)
				}
				if n := s.handler.asked.Load(); n != 0 {
					t.Errorf("the handler ran %d times for a refused call", n)
				}
				lines := s.logs.lines(t, "call finished")
				if len(lines) != 1 || lines[0]["grpc_code"] != c.code.String() || lines[0]["reason"] != string(c.reason) {
					t.Errorf("log lines %v, want one with the code and reason the caller got", lines)
				}
				if c.reference && lines[0]["reference_id"] != r.one(t, "acquit-reference-id") {
					t.Errorf("the log line has reference id %v", lines[0]["reference_id"])
				}
				if n := s.counter(t, "acquit.call.refusals", string(c.reason)); n != 1 {
					t.Errorf("refusals counted: %d", n)
				}
				if strings.Contains(r.err.Error(), "SECRET") {
					t.Errorf("the caller reads the cause: %v", r.err)
				}
			})
		})
	}
}

// A panic behind recovery, wherever it is, ends one call with INTERNAL, its text
// stays in the log, and the key works at once afterwards.
func TestAPanicEndsOneCallAndBlocksNoKey(t *testing.T) {
	const text = "panic text with SECRET"
	panics := map[string]func(t *testing.T, armed *bool) (Config, *payments){
		"in the handler": func(t *testing.T, armed *bool) (Config, *payments) {
			t.Helper()
			return Config{}, &payments{authorize: func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				if *armed {
					panic(text)
				}
				return stored(t), nil
			}}
		},
		"in authentication": func(t *testing.T, armed *bool) (Config, *payments) {
			t.Helper()
			deny := func(context.Context) (payment.TenantID, error) {
				if *armed {
					panic(text)
				}
				return "default", nil
			}
			return Config{Authenticate: deny}, &payments{authorize: func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				return stored(t), nil
			}}
		},
		"in a resume": func(t *testing.T, armed *bool) (Config, *payments) {
			t.Helper()
			keys := &fakeKeys{t: t, resume: func(context.Context, payment.Operation) (payment.Reply, error) {
				if *armed {
					panic(text)
				}
				return stored(t), nil
			}}
			return Config{Keys: keys}, &payments{authorize: func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
				return payment.Reply{}, &payment.KeyTakenError{Operation: opOf(t, ctx, payment.StateUnknown)}
			}}
		},
	}
	for name, arm := range panics {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				armed := true
				config, handler := arm(t, &armed)
				s := serve(t, config, handler)
				r := s.authorize(t.Context(), "k", request())
				if r.code() != codes.Internal || r.reason() != "INTERNAL" || strings.Contains(r.err.Error(), "SECRET") {
					t.Errorf("got %v (reason %q), want a neutral INTERNAL", r.err, r.reason())
				}
				if r.one(t, "acquit-should-retry") != "true" {
					t.Error("the caller is not told to come again with the same key")
				}
				lines := s.logs.lines(t, "panic in a call")
				if len(lines) != 1 || lines[0]["panic_type"] != "string" || strings.Contains(fmt.Sprint(lines[0]), text) || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "chain_test.go") {
					t.Fatalf("panic lines: %v", lines)
				}
				if want := r.one(t, "acquit-reference-id"); want != "" && lines[0]["reference_id"] != want {
					t.Errorf("the panic was logged with reference id %v, want %s", lines[0]["reference_id"], want)
				}
				if n := s.counter(t, "acquit.call.panics"); n != 1 {
					t.Errorf("panics counted: %d", n)
				}
				armed = false
				if r := s.authorize(t.Context(), "k", request()); r.err != nil || r.took > time.Second {
					t.Errorf("the key is blocked: %v after %v", r.err, r.took)
				}
			})
		})
	}
}

// A good call passes all of it: the handler sees the call, the caller the reply
// and its metadata, log and span the reference id, and nobody the secrets.
func TestAGoodCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var call payment.Call
		want := stored(t)
		s := serve(t, Config{Authenticate: tenantFromMetadata}, &payments{authorize: func(ctx context.Context, _ *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			call, _ = CallFrom(ctx)
			return want, nil
		}})
		req := request()
		req.Metadata["note"] = "payload-SECRET"
		r := s.authorize(t.Context(), "key-SECRET", req, "tenant", "shop-1")
		if r.err != nil || string(r.bytes) != string(want.Bytes) {
			t.Fatalf("got %x, %v, want exactly the reply's bytes", r.bytes, r.err)
		}
		reference := payment.DeriveReference("shop-1", payment.MethodAuthorize, "key-SECRET")
		if call.Tenant != "shop-1" || call.Method != payment.MethodAuthorize || call.Key != "key-SECRET" ||
			call.Reference != reference || call.Fingerprint.Version != 1 {
			t.Errorf("the handler's call is %+v", call)
		}
		if got := r.one(t, "acquit-reference-id"); got != string(reference) {
			t.Errorf("reference id %q", got)
		}
		if got := r.one(t, "acquit-should-retry"); got != "false" {
			t.Errorf("should-retry %q for a stored reply", got)
		}
		if got := r.one(t, "acquit-idempotent-replayed"); got != "" {
			t.Errorf("replayed %q for a first reply", got)
		}
		synctest.Wait()
		line := s.logs.lines(t, "call finished")[0]
		span := s.spans.Ended()[0]
		wantLine := map[string]any{
			"level": "INFO", "grpc_code": "OK", "grpc_service": "acquit.v1.PaymentService", "grpc_method": "Authorize",
			"tenant": "shop-1", "reference_id": string(reference), "replayed": false, "interim": false,
			"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(),
		}
		for k, v := range wantLine {
			if line[k] != v {
				t.Errorf("log field %s is %v, want %v", k, line[k], v)
			}
		}
		for k := range maps.Keys(line) {
			if strings.Contains(k, ".") {
				t.Errorf("log field %s is not in snake case", k)
			}
		}
		attributes := map[string]string{}
		for _, kv := range span.Attributes() {
			attributes[string(kv.Key)] = kv.Value.String()
		}
		if attributes["acquit.reference_id"] != string(reference) || attributes["acquit.tenant"] != "shop-1" {
			t.Errorf("span attributes %v", attributes)
		}
		if strings.Contains(s.logs.String(), "SECRET") || strings.Contains(s.logs.String(), "tok_ok") {
			t.Errorf("the log holds a key, a payload or a token: %s", s.logs)
		}
	})
}

// tenantFromMetadata is authentication as far as these tests need it.
func tenantFromMetadata(ctx context.Context) (payment.TenantID, error) {
	values := metadata.ValueFromIncomingContext(ctx, "tenant")
	if len(values) == 0 {
		return "default", nil
	}
	return payment.TenantID(values[0]), nil
}

func TestATenantThatCannotNameRecordsIsRefused(t *testing.T) {
	for _, tenant := range []string{"", "a/b", "..", ".", "_", "a b", "ä", strings.Repeat("a", 65), "a\x00b"} {
		t.Run(tenant, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, Config{Authenticate: func(context.Context) (payment.TenantID, error) { return payment.TenantID(tenant), nil }}, &payments{})
				for name, r := range map[string]result{
					"unary": s.authorize(t.Context(), "k", request()),
					"read":  s.invoke(t.Context(), acquitv1.PaymentService_GetPayment_FullMethodName, &acquitv1.GetPaymentRequest{PaymentId: "p"}),
				} {
					if r.code() != codes.PermissionDenied || r.reason() != "PERMISSION_DENIED" {
						t.Errorf("%s: got %v", name, r.err)
					}
				}
				if s.handler.asked.Load() != 0 {
					t.Error("the handler ran")
				}
			})
		})
	}
}

// Methods that take no key ignore one, even a broken one, and have no metadata
// of keyed calls.
func TestAReadIgnoresAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{}, &payments{})
		for _, pairs := range [][]string{nil, {"idempotency-key", "k"}, {"idempotency-key", strings.Repeat("k", 200)}} {
			r := s.invoke(t.Context(), acquitv1.PaymentService_GetPayment_FullMethodName, &acquitv1.GetPaymentRequest{PaymentId: "p"}, pairs...)
			var got acquitv1.GetPaymentResponse
			if err := proto.Unmarshal(r.bytes, &got); r.err != nil || err != nil {
				t.Fatal(r.err, err)
			}
			if got.GetPayment().GetPaymentId() != "default" || got.GetPayment().GetMerchantReference() != "not keyed" {
				t.Errorf("the handler saw %v", &got)
			}
			if slices.ContainsFunc(slices.Collect(maps.Keys(r.header)), func(k string) bool { return strings.HasPrefix(k, "acquit-") }) {
				t.Errorf("header %v", r.header)
			}
		}
	})
}

// The stream has the same protection: tenant, checks of each message, recovery,
// and the same errors.
func TestTheStreamChain(t *testing.T) {
	cases := map[string]struct {
		watch   func(grpc.ServerStreamingServer[acquitv1.WatchPaymentResponse]) error
		request *acquitv1.WatchPaymentRequest
		tenant  string
		code    codes.Code
		reason  string
		asked   int64
	}{
		"a tenant that cannot be": {tenant: "a/b", request: &acquitv1.WatchPaymentRequest{PaymentId: "p"}, code: codes.PermissionDenied, reason: "PERMISSION_DENIED"},
		"unknown field":           {request: unknownField(&acquitv1.WatchPaymentRequest{PaymentId: "p"}), code: codes.InvalidArgument, reason: "UNKNOWN_FIELDS"},
		"broken rule":             {request: &acquitv1.WatchPaymentRequest{PaymentId: "/"}, code: codes.InvalidArgument, reason: "REQUEST_INVALID"},
		"panic": {
			request: &acquitv1.WatchPaymentRequest{PaymentId: "p"}, code: codes.Internal, reason: "INTERNAL", asked: 1,
			watch: func(grpc.ServerStreamingServer[acquitv1.WatchPaymentResponse]) error { panic("SECRET") },
		},
		"overload": {
			request: &acquitv1.WatchPaymentRequest{PaymentId: "p"}, code: codes.ResourceExhausted, reason: "OVERLOADED", asked: 1,
			watch: func(grpc.ServerStreamingServer[acquitv1.WatchPaymentResponse]) error {
				return &payment.Error{Reason: payment.ReasonOverloaded}
			},
		},
		"good": {
			request: &acquitv1.WatchPaymentRequest{PaymentId: "p"}, code: codes.OK, asked: 1,
			watch: func(s grpc.ServerStreamingServer[acquitv1.WatchPaymentResponse]) error {
				tenant, _ := TenantFrom(s.Context())
				return s.Send(&acquitv1.WatchPaymentResponse{Payment: &acquitv1.Payment{PaymentId: string(tenant)}})
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, Config{Authenticate: tenantFromMetadata}, &payments{watch: c.watch})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if c.tenant != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, "tenant", c.tenant)
				}
				stream, err := acquitv1.NewPaymentServiceClient(s.conn).WatchPayment(ctx, c.request)
				if err != nil {
					t.Fatal(err)
				}
				got, err := stream.Recv()
				r := result{err: err, trailer: stream.Trailer()}
				if r.code() != c.code || r.reason() != c.reason || s.handler.asked.Load() != c.asked {
					t.Errorf("got %v (reason %q), %d calls of the handler", err, r.reason(), s.handler.asked.Load())
				}
				if c.code == codes.OK && got.GetPayment().GetPaymentId() != "default" {
					t.Errorf("the handler saw tenant %q", got.GetPayment().GetPaymentId())
				}
				if pushback := r.trailer.Get("grpc-retry-pushback-ms"); (c.reason == "OVERLOADED") != (len(pushback) == 1) {
					t.Errorf("pushback %v", pushback)
				}
			})
		})
	}
}

// Health is served through the same chain and is no part of the contract's rules.
func TestHealthPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{}, &payments{})
		r := s.invoke(t.Context(), healthv1.Health_Check_FullMethodName, unknownField(&healthv1.HealthCheckRequest{}))
		if r.err != nil {
			t.Error(r.err)
		}
	})
}

// What is not served yet answers UNIMPLEMENTED, after the same checks.
func TestUnimplementedPassesAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{}, &payments{})
		r := s.invoke(t.Context(), acquitv1.PaymentService_Void_FullMethodName, &acquitv1.VoidRequest{PaymentId: "p"}, "idempotency-key", "k")
		if r.code() != codes.Unimplemented || r.one(t, "acquit-should-retry") != "false" || r.one(t, "acquit-reference-id") == "" {
			t.Errorf("got %v with header %v", r.err, r.header)
		}
		r = s.invoke(t.Context(), acquitv1.PaymentService_Void_FullMethodName, &acquitv1.VoidRequest{PaymentId: "p"})
		if r.reason() != "IDEMPOTENCY_KEY_REQUIRED" {
			t.Errorf("without a key: %v", r.err)
		}
	})
}
