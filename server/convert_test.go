package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// fill sets every field of a message at every depth, each to another value. Of
// a oneof it sets the alternative that choice names, else the first.
func fill(m protoreflect.Message, choice map[protoreflect.Name]bool, n *int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
			chosen := o.Fields().Get(0)
			for j := range o.Fields().Len() {
				if choice[o.Fields().Get(j).Name()] {
					chosen = o.Fields().Get(j)
				}
			}
			if chosen != f {
				continue
			}
		}
		switch {
		case f.IsMap():
			entries := m.Mutable(f).Map()
			entries.Set(scalar(f.MapKey(), n).MapKey(), scalar(f.MapValue(), n))
		case f.IsList() && f.Message() != nil:
			fill(m.Mutable(f).List().AppendMutable().Message(), choice, n)
		case f.IsList():
			m.Mutable(f).List().Append(scalar(f, n))
		case f.Message() != nil && f.Message().FullName() == "google.protobuf.Struct":
			*n++
			m.Set(f, protoreflect.ValueOfMessage((&structpb.Struct{Fields: map[string]*structpb.Value{
				"nested": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(float64(*n))}}),
			}}).ProtoReflect()))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), choice, n)
		default:
			m.Set(f, scalar(f, n))
		}
	}
}

// scalar is a value that no other field has, as far as its type allows.
func scalar(f protoreflect.FieldDescriptor, n *int) protoreflect.Value {
	*n++
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(*n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(*n))
	default:
		if f.Name() == "currency_code" {
			return protoreflect.ValueOfString("EUR")
		}
		return protoreflect.ValueOfString(fmt.Sprintf("%s-%d", f.Name(), *n))
	}
}

// visit calls back for every set field at every depth, with a way to drop it.
func visit(m protoreflect.Message, path string, leaf func(path string, drop func())) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := path + "." + string(f.Name())
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				visit(v.List().Get(i).Message(), fmt.Sprintf("%s[%d]", at, i), leaf)
			}
		case f.Message() != nil && !f.IsMap() && f.Message().FullName() != "google.protobuf.Struct":
			visit(v.Message(), at, leaf)
		}
		leaf(at, func() { m.Clear(f) })
		return true
	})
}

// TestEveryRequestFieldReachesTheInstruction: what a caller says is never
// dropped on the way, and a field that is added to the contract cannot be
// forgotten. From a request with every field set, each field in turn is
// cleared; the instruction must change (or be refused) every time.
func TestEveryRequestFieldReachesTheInstruction(t *testing.T) {
	for _, choice := range []map[protoreflect.Name]bool{
		{"token_set": true, "stored_id": true}, {"token_set": true, "client_payload": true}, {"bank_transfer": true},
	} {
		var n int
		full := &acquitv1.AuthorizeRequest{}
		fill(full.ProtoReflect(), choice, &n)
		whole := encoded(t, full)
		var paths []string
		visit(full.ProtoReflect(), "", func(path string, _ func()) { paths = append(paths, path) })
		for _, path := range paths {
			without := proto.CloneOf(full)
			visit(without.ProtoReflect(), "", func(at string, drop func()) {
				if at == path {
					drop()
				}
			})
			if got := encoded(t, without); got == whole {
				t.Errorf("%v: %s does not reach the instruction", choice, path)
			}
		}
	}
}

// encoded is the instruction of a request as it would be sealed, or the refusal.
func encoded(t *testing.T, r *acquitv1.AuthorizeRequest) string {
	t.Helper()
	in, err := instruction(r)
	if err != nil {
		return err.Error()
	}
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestInstruction: a request in full, word by word.
func TestInstruction(t *testing.T) {
	got, err := instruction(&acquitv1.AuthorizeRequest{
		Amount: &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{Tokens: []*acquitv1.AccountToken{
			{Account: "a", Token: &acquitv1.AccountToken_StoredId{StoredId: "tok"}},
			{Account: "b", Token: &acquitv1.AccountToken_ClientPayload{ClientPayload: &structpb.Struct{Fields: map[string]*structpb.Value{
				"z": structpb.NewNumberValue(1), "a": structpb.NewBoolValue(true),
			}}}},
		}}}},
		StoredCredential: &acquitv1.StoredCredential{
			Initiator: acquitv1.CredentialInitiator_CREDENTIAL_INITIATOR_MERCHANT, Purpose: acquitv1.CredentialPurpose_CREDENTIAL_PURPOSE_CARD_ON_FILE,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := payment.Instruction{
		Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"}, CaptureMode: payment.CaptureManual,
		Tokens:           map[payment.AccountName]payment.Token{"a": {StoredID: "tok"}, "b": {ClientPayload: json.RawMessage(`{"a":true,"z":1}`)}},
		StoredCredential: &payment.StoredCredential{Initiator: "merchant", Purpose: "card_on_file"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("instruction (-want +got):\n%s", diff)
	}
}

// TestInstructionRefuses: what validation of the contract cannot see.
func TestInstructionRefuses(t *testing.T) {
	token := func(payload *structpb.Struct) *acquitv1.PaymentMethod {
		return &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{Tokens: []*acquitv1.AccountToken{
			{Account: "a", Token: &acquitv1.AccountToken_ClientPayload{ClientPayload: payload}},
		}}}}
	}
	for field, r := range map[string]*acquitv1.AuthorizeRequest{
		"amount.currency_code": {Amount: &acquitv1.Money{MinorUnits: 1, CurrencyCode: "ZZZ"}},
		"payment_method.token_set.tokens[0].client_payload": {
			Amount:        &acquitv1.Money{MinorUnits: 1, CurrencyCode: "EUR"},
			PaymentMethod: token(&structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(math.NaN())}}),
		},
	} {
		_, err := instruction(r)
		refusal, ok := errors.AsType[*payment.Error](err)
		if !ok || refusal.Reason != payment.ReasonRequestInvalid || refusal.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
