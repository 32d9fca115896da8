package interceptors

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Which methods are keyed is what their idempotency level says, each keyed one
// has a verb and a reply of its own, and no other does.
func TestMethodsAreKeyedByTheContract(t *testing.T) {
	verbs := make(map[payment.Method]string)
	for _, file := range []protoreflect.FileDescriptor{
		acquitv1.File_acquit_v1_payment_service_proto, acquitv1.File_acquit_v1_operator_service_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				rpc := service.Methods().Get(j)
				full := "/" + string(service.FullName()) + "/" + string(rpc.Name())
				m := (&methods{}).find(full)
				options, ok := rpc.Options().(*descriptorpb.MethodOptions)
				idempotent := ok && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_IDEMPOTENT
				if m.keyed != idempotent || (m.verb != "") != idempotent || m.reply.Descriptor() != rpc.Output() {
					t.Errorf("%s: got %+v, IDEMPOTENT in the contract: %v", full, m, idempotent)
				}
				if m.keyed {
					verbs[m.verb] = full
				}
			}
		}
	}
	if len(verbs) != 5 {
		t.Errorf("the verbs of keyed methods are %v, want five different ones", verbs)
	}
	for _, full := range []string{"", "/", "nothing", "/grpc.health.v1.Health/Check", "/acquit.v1.PaymentService/Missing", "/acquit.v1.Money/Authorize"} {
		if m := (&methods{}).find(full); m.keyed {
			t.Errorf("%q is keyed", full)
		}
	}
}

func TestKeys(t *testing.T) {
	cases := map[string]struct {
		keys   []string
		reason payment.Reason // "" for a good one
	}{
		"none":              {nil, payment.ReasonKeyRequired},
		"two":               {[]string{"a", "b"}, payment.ReasonKeyInvalid},
		"the same twice":    {[]string{"a", "a"}, payment.ReasonKeyInvalid},
		"empty":             {[]string{""}, payment.ReasonKeyInvalid},
		"one character":     {[]string{"a"}, ""},
		"128 characters":    {[]string{strings.Repeat("a", 128)}, ""},
		"129 characters":    {[]string{strings.Repeat("a", 129)}, payment.ReasonKeyInvalid},
		"every character":   {[]string{"!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"}, ""},
		"a space inside":    {[]string{"a b"}, ""},
		"a leading space":   {[]string{" a"}, payment.ReasonKeyInvalid},
		"a trailing space":  {[]string{"a "}, payment.ReasonKeyInvalid},
		"a tab":             {[]string{"secret\tb"}, payment.ReasonKeyInvalid},
		"a newline":         {[]string{"a\nb"}, payment.ReasonKeyInvalid},
		"DEL":               {[]string{"a\x7fb"}, payment.ReasonKeyInvalid},
		"not ASCII":         {[]string{"clé-secret"}, payment.ReasonKeyInvalid},
		"a card-like digit": {[]string{"4111111111111111"}, ""}, // keys are stored as hashes only, and not scanned
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			md := metadata.MD{}
			md.Append("idempotency-key", c.keys...)
			key, err := keyFrom(metadata.NewIncomingContext(t.Context(), md))
			if c.reason == "" {
				if err != nil || string(key) != c.keys[0] {
					t.Errorf("got %q, %v", key, err)
				}
				return
			}
			if r := refusalOf(err); r.reason != c.reason || r.code != codes.InvalidArgument {
				t.Errorf("got %v", err)
			}
			for _, k := range c.keys {
				if len(k) > 5 && strings.Contains(err.Error(), k) {
					t.Errorf("the error repeats the key: %v", err)
				}
			}
		})
	}
}

// The reference id is the same on every retry, and another one for another
// tenant, method or key.
//
// Shows R2.
func TestTheReferenceIsTheKeysOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{Authenticate: tenantFromMetadata}, handling(func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			return stored(t), nil
		}))
		seen := map[string]string{}
		for name, call := range map[string]func() result{
			"first":          func() result { return s.authorize(t.Context(), "k", request()) },
			"another key":    func() result { return s.authorize(t.Context(), "k2", request()) },
			"another tenant": func() result { return s.authorize(t.Context(), "k", request(), "tenant", "b") },
			"another method": func() result {
				return s.invoke(t.Context(), acquitv1.PaymentService_Void_FullMethodName, &acquitv1.VoidRequest{PaymentId: "p"}, "idempotency-key", "k")
			},
		} {
			reference, again := call().one(t, "acquit-reference-id"), call().one(t, "acquit-reference-id")
			if reference == "" || len(reference) > 32 || reference != again {
				t.Errorf("%s: %q, then %q", name, reference, again)
			}
			if other, ok := seen[reference]; ok {
				t.Errorf("%s has the reference of %s", name, other)
			}
			seen[reference] = name
		}
	})
}
