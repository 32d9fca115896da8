package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/ledger"
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

// TestEveryRequestFieldArrives: what a caller says is never dropped on the way,
// and a field that is added to the contract cannot be forgotten. From a request
// with every field set, each field in turn is cleared; what it is converted to
// must change (or be refused) every time.
func TestEveryRequestFieldArrives(t *testing.T) {
	type choice = map[protoreflect.Name]bool
	for _, c := range []struct {
		full    proto.Message
		choice  choice
		convert func(proto.Message) (any, error)
		apart   []string // what the handler passes beside it
	}{
		{full: &acquitv1.AuthorizeRequest{}, choice: choice{"token_set": true, "stored_id": true}, convert: converting(instruction)},
		{full: &acquitv1.AuthorizeRequest{}, choice: choice{"token_set": true, "client_payload": true}, convert: converting(instruction)},
		{full: &acquitv1.AuthorizeRequest{}, choice: choice{"bank_transfer": true}, convert: converting(instruction)},
		{full: &acquitv1.CaptureRequest{}, convert: converting(certain(captureOrder))},
		{full: &acquitv1.RefundRequest{}, convert: converting(certain(refundOrder))},
		{full: &acquitv1.VoidRequest{}, convert: converting(certain(voidOrder))},
		{full: &acquitv1.GetOperationRequest{}, choice: choice{"operation_id": true}, convert: converting(certain(keyOf))},
		{full: &acquitv1.GetOperationRequest{}, choice: choice{"key": true}, convert: converting(certain(keyOf))},
		{full: &acquitv1.ListPaymentsRequest{}, convert: converting(func(r *acquitv1.ListPaymentsRequest) (ledger.Filter, error) {
			return listFilter("acme", r)
		}), apart: []string{".page_size", ".page_token"}},
	} {
		var n int
		fill(c.full.ProtoReflect(), c.choice, &n)
		whole := encoded(t, c.full, c.convert)
		var paths []string
		visit(c.full.ProtoReflect(), "", func(path string, _ func()) { paths = append(paths, path) })
		for _, path := range paths {
			without := proto.Clone(c.full)
			visit(without.ProtoReflect(), "", func(at string, drop func()) {
				if at == path {
					drop()
				}
			})
			if got := encoded(t, without, c.convert); got == whole && !slices.Contains(c.apart, path) {
				t.Errorf("%T, %v: %s does not arrive", c.full, c.choice, path)
			}
		}
	}
}

// converting fits a conversion of one request to requests of any kind.
func converting[R proto.Message, V any](convert func(R) (V, error)) func(proto.Message) (any, error) {
	return func(m proto.Message) (any, error) {
		r, ok := m.(R)
		if !ok {
			return nil, fmt.Errorf("a request of type %T", m)
		}
		return convert(r)
	}
}

// certain fits in a conversion that refuses nothing.
func certain[R, V any](convert func(R) V) func(R) (V, error) {
	return func(r R) (V, error) { return convert(r), nil }
}

func keyOf(r *acquitv1.GetOperationRequest) payment.OperationKey { return operationKey("acme", r) }

// encoded is what a request is converted to, as it would be stored, or the
// refusal.
func encoded(t *testing.T, r proto.Message, convert func(proto.Message) (any, error)) string {
	t.Helper()
	converted, err := convert(r)
	if err != nil {
		return err.Error()
	}
	raw, err := json.Marshal(converted)
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

// TestOrders: what is asked of a payment that exists, word by word. An amount
// that is absent asks for the rest; it must not become an amount of zero.
func TestOrders(t *testing.T) {
	four := payment.Money{MinorUnits: 400, CurrencyCode: "EUR"}
	sent := &acquitv1.Money{MinorUnits: 400, CurrencyCode: "EUR"}
	for name, c := range map[string]struct{ got, want payment.Order }{
		"capture of a part":   {captureOrder(&acquitv1.CaptureRequest{PaymentId: "p", Amount: sent}), payment.Order{Payment: "p", Amount: &four}},
		"last capture":        {captureOrder(&acquitv1.CaptureRequest{PaymentId: "p", Amount: sent, Final: true}), payment.Order{Payment: "p", Amount: &four, Last: true}},
		"capture of the rest": {captureOrder(&acquitv1.CaptureRequest{PaymentId: "p"}), payment.Order{Payment: "p"}},
		"refund of a part":    {refundOrder(&acquitv1.RefundRequest{PaymentId: "p", Amount: sent}), payment.Order{Payment: "p", Amount: &four}},
		"refund of the rest": {
			refundOrder(&acquitv1.RefundRequest{PaymentId: "p", Reason: acquitv1.RefundReason_REFUND_REASON_CUSTOMER_REQUEST}),
			payment.Order{Payment: "p", Reason: "customer_request"},
		},
		"void": {voidOrder(&acquitv1.VoidRequest{PaymentId: "p"}), payment.Order{Payment: "p"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOperationKey: an operation is looked for under the caller's own tenant,
// and by its key it is the one that the call with that key made.
func TestOperationKey(t *testing.T) {
	call := payment.Call{Tenant: "acme", Method: payment.MethodComplete, Key: "order-1"}
	byKey := operationKey("acme", &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{Key: &acquitv1.OperationKey{
		Method: acquitv1.Method_METHOD_COMPLETE_AUTHORIZATION, IdempotencyKey: "order-1",
	}}})
	byID := operationKey("acme", &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_OperationId{
		OperationId: string(call.OperationKey().ID),
	}})
	if byKey != call.OperationKey() || byID != call.OperationKey() {
		t.Errorf("by key %v, by id %v, want %v", byKey, byID, call.OperationKey())
	}
	if nobody := operationKey("acme", &acquitv1.GetOperationRequest{}); nobody.Validate() == nil {
		t.Errorf("no name stands for %v", nobody)
	}
}

// TestListFilter: the conditions of a list, word by word.
func TestListFilter(t *testing.T) {
	from := time.Date(2026, 1, 31, 8, 30, 0, 1, time.UTC)
	got, err := listFilter("acme", &acquitv1.ListPaymentsRequest{
		MerchantReference: "order 1",
		Statuses:          []acquitv1.PaymentStatus{acquitv1.PaymentStatus_PAYMENT_STATUS_UNKNOWN, acquitv1.PaymentStatus_PAYMENT_STATUS_PARTIALLY_CAPTURED},
		CreateTimeFrom:    timestamppb.New(from), CreateTimeBefore: timestamppb.New(from.Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Filter{
		Tenant: "acme", MerchantReference: "order 1", Statuses: []payment.Status{payment.StatusUnknown, payment.StatusPartiallyCaptured},
		From: from, Until: from.Add(time.Hour),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("filter (-want +got):\n%s", diff)
	}
	if all, err := listFilter("acme", &acquitv1.ListPaymentsRequest{}); err != nil || !cmp.Equal(all, ledger.Filter{Tenant: "acme"}) {
		t.Errorf("no conditions: %v, %v", all, err)
	}
	for field, r := range map[string]*acquitv1.ListPaymentsRequest{
		"create_time_from":   {CreateTimeFrom: &timestamppb.Timestamp{Seconds: math.MaxInt64}},
		"create_time_before": {CreateTimeBefore: &timestamppb.Timestamp{Nanos: -1}},
	} {
		_, err := listFilter("acme", r)
		refusal, ok := errors.AsType[*payment.Error](err)
		if !ok || refusal.Reason != payment.ReasonRequestInvalid || refusal.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestHandlersNeedTheChain: a handler that is reached outside of the chain knows
// neither for whom nor under which key it would work. It must not begin: the
// orchestrator that it does not have here would panic.
func TestHandlersNeedTheChain(t *testing.T) {
	ctx := t.Context()
	s := &payments{}
	for name, call := range map[string]func() error{
		"Authorize":    func() error { _, err := s.Authorize(ctx, &acquitv1.AuthorizeRequest{}); return err },
		"Capture":      func() error { _, err := s.Capture(ctx, &acquitv1.CaptureRequest{}); return err },
		"Refund":       func() error { _, err := s.Refund(ctx, &acquitv1.RefundRequest{}); return err },
		"Void":         func() error { _, err := s.Void(ctx, &acquitv1.VoidRequest{}); return err },
		"GetPayment":   func() error { _, err := s.GetPayment(ctx, &acquitv1.GetPaymentRequest{}); return err },
		"GetOperation": func() error { _, err := s.GetOperation(ctx, &acquitv1.GetOperationRequest{}); return err },
		"ListPayments": func() error { _, err := s.ListPayments(ctx, &acquitv1.ListPaymentsRequest{}); return err },
	} {
		if refusal, ok := errors.AsType[*payment.Error](call()); !ok || refusal.Reason != payment.ReasonInternal {
			t.Errorf("%s answered %v", name, refusal)
		}
	}
}
