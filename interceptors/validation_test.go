package interceptors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/structpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// tokens is the token set of a request.
func tokens(r *acquitv1.AuthorizeRequest) *acquitv1.TokenSet {
	return r.GetPaymentMethod().GetTokenSet()
}

// withPayload gives the first token a payload instead of a stored id.
func withPayload(r *acquitv1.AuthorizeRequest, fields map[string]any) *structpb.Struct {
	payload, err := structpb.NewStruct(fields)
	if err != nil {
		panic(err)
	}
	tokens(r).Tokens[0].Token = &acquitv1.AccountToken_ClientPayload{ClientPayload: payload}
	return payload
}

// What the walk refuses, where it says that it is, and that the handler never
// sees it. Each request goes over the wire.
func TestRequestsThatAreRefused(t *testing.T) {
	const card = "4111111111111111"
	cases := map[string]struct {
		change func(*acquitv1.AuthorizeRequest)
		reason payment.Reason
		field  string
	}{
		"unknown field at the top": {
			func(r *acquitv1.AuthorizeRequest) { unknownField(r) }, payment.ReasonUnknownFields, "999",
		},
		"unknown field in a message": {
			func(r *acquitv1.AuthorizeRequest) { unknownField(r.Amount) }, payment.ReasonUnknownFields, "amount.999",
		},
		"unknown field in a list": {
			func(r *acquitv1.AuthorizeRequest) { unknownField(tokens(r).Tokens[0]) },
			payment.ReasonUnknownFields, "payment_method.token_set.tokens[0].999",
		},
		"unknown field in a payload": {
			func(r *acquitv1.AuthorizeRequest) {
				unknownField(withPayload(r, map[string]any{"a": map[string]any{"b": "c"}}).Fields["a"].GetStructValue().Fields["b"])
			},
			payment.ReasonUnknownFields, `payment_method.token_set.tokens[0].client_payload.fields["a"].struct_value.fields["b"].999`,
		},
		"currency that does not exist": {
			func(r *acquitv1.AuthorizeRequest) { r.Amount.CurrencyCode = "XQX" }, payment.ReasonRequestInvalid, "amount.currency_code",
		},
		"currency without shape": {
			func(r *acquitv1.AuthorizeRequest) { r.Amount.CurrencyCode = "eur" }, payment.ReasonRequestInvalid, "amount.currency_code",
		},
		"amount zero":     {func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = 0 }, payment.ReasonRequestInvalid, "amount"},
		"amount negative": {func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = -5 }, payment.ReasonRequestInvalid, "amount"},
		"no amount":       {func(r *acquitv1.AuthorizeRequest) { r.Amount = nil }, payment.ReasonRequestInvalid, "amount"},
		"card in a field": {
			func(r *acquitv1.AuthorizeRequest) { r.MerchantReference = "card " + card }, payment.ReasonCardDataRefused, "merchant_reference",
		},
		"card in a metadata value": {
			func(r *acquitv1.AuthorizeRequest) { r.Metadata["note"] = card }, payment.ReasonCardDataRefused, `metadata["note"]`,
		},
		"card in a metadata key": {
			func(r *acquitv1.AuthorizeRequest) { r.Metadata[card] = "x" }, payment.ReasonCardDataRefused, "metadata",
		},
		"card as a token": {
			func(r *acquitv1.AuthorizeRequest) {
				tokens(r).Tokens[0].Token = &acquitv1.AccountToken_StoredId{StoredId: card}
			},
			payment.ReasonCardDataRefused, "payment_method.token_set.tokens[0].stored_id",
		},
		"card deep in a payload": {
			func(r *acquitv1.AuthorizeRequest) {
				withPayload(r, map[string]any{"a": []any{"b", map[string]any{"c": card}}})
			},
			payment.ReasonCardDataRefused,
			`payment_method.token_set.tokens[0].client_payload.fields["a"].list_value.values[1].struct_value.fields["c"].string_value`,
		},
		"card as a payload's key": {
			func(r *acquitv1.AuthorizeRequest) { withPayload(r, map[string]any{card: "b"}) },
			payment.ReasonCardDataRefused, `payment_method.token_set.tokens[0].client_payload.fields`,
		},
		"card as a payload's number": {
			func(r *acquitv1.AuthorizeRequest) { withPayload(r, map[string]any{"number": 4111111111111111}) },
			payment.ReasonCardDataRefused, `payment_method.token_set.tokens[0].client_payload.fields["number"].number_value`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, Config{}, &payments{})
				req := request()
				c.change(req)
				r := s.authorize(t.Context(), "k", req)
				wantRefused(t, r, codes.InvalidArgument, c.reason, "false")
				if !slices.ContainsFunc(r.violations(), func(v violation) bool { return v.GetField() == c.field }) {
					t.Errorf("violations %v, want one of field %s", r.violations(), c.field)
				}
				if s.handler.asked.Load() != 0 {
					t.Error("the handler ran")
				}
				if told := fmt.Sprint(r.err, r.violations(), s.logs.String()); strings.Contains(told, card) || strings.Contains(told, "4.111111111111111e+15") {
					t.Errorf("the card number is repeated: %s", told)
				}
			})
		})
	}
}

// A request with something in every field passes.
func TestAFullRequestPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{}, handling(func(context.Context, *acquitv1.AuthorizeRequest) (payment.Reply, error) {
			return stored(t), nil
		}))
		if r := s.authorize(t.Context(), "k", full(t)); r.err != nil {
			t.Errorf("%v %v", r.err, r.violations())
		}
	})
}

// A key is a name that callers chose: it is looked up, not scanned.
func TestAKeyThatIsLookedUpIsNotScanned(t *testing.T) {
	request := &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{
		Key: &acquitv1.OperationKey{Method: acquitv1.Method_METHOD_AUTHORIZE, IdempotencyKey: "4111111111111111"},
	}}
	if err := newContract().check(request); err != nil {
		t.Error(err)
	}
}

// All rules of the contract compile; one that did not would refuse every request
// it stands on, and only then.
func TestTheRulesOfTheContractCompile(t *testing.T) {
	checked := 0
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		if !ours(m.Descriptor()) {
			return true
		}
		checked++
		err := protovalidate.Validate(m.New().Interface())
		if _, broken := violationsIn(err); err != nil && !broken {
			t.Errorf("%s: %v", m.Descriptor().FullName(), err)
		}
		return true
	})
	if checked < 30 {
		t.Errorf("only %d messages", checked)
	}
}

// The bytes of a reply are marshalled as they are.
func TestReplyToMarshalsExactlyTheBytes(t *testing.T) {
	want := replyBytes(t, succeeded)
	m := ReplyTo[acquitv1.AuthorizeResponse](t.Context(), payment.Reply{Bytes: want})
	for range 10 {
		got, err := proto.Marshal(m)
		if err != nil || string(got) != string(want) {
			t.Fatalf("got %x, %v, want %x", got, err, want)
		}
	}
	// And they are not what protobuf would write by itself, or this shows nothing.
	var parsed acquitv1.AuthorizeResponse
	if err := proto.Unmarshal(want, &parsed); err != nil {
		t.Fatal(err)
	}
	if again, err := proto.Marshal(&parsed); err != nil || string(again) == string(want) {
		t.Errorf("the bytes are in protobuf's own order: %x, %v", again, err)
	}
}
