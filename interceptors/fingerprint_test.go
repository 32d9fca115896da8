package interceptors

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

func sumOf(t *testing.T, m payment.Method, request proto.Message) string {
	t.Helper()
	f, err := fingerprint(fingerprintVersion, m, request)
	if err != nil {
		t.Fatal(err)
	}
	return f.Sum
}

// full is a request with something in every field.
func full(t *testing.T) *acquitv1.AuthorizeRequest {
	t.Helper()
	payload, err := structpb.NewStruct(map[string]any{
		"a": "text", "b": 1.5, "c": true, "d": nil, "e": []any{"x", 2.0, []any{}}, "f": map[string]any{"g": "h", "i": map[string]any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &acquitv1.AuthorizeRequest{
		MerchantReference: "order-1",
		Amount:            &acquitv1.Money{MinorUnits: 1050, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{Tokens: []*acquitv1.AccountToken{
			{Account: "one", Token: &acquitv1.AccountToken_StoredId{StoredId: "tok_1"}},
			{Account: "two", Token: &acquitv1.AccountToken_ClientPayload{ClientPayload: payload}},
		}}}},
		CaptureMode: acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC,
		ReturnUrl:   "https://shop.example/back",
		Customer: &acquitv1.Customer{
			CustomerId: "c-1", ProviderCustomerIds: map[string]string{"one": "cus_1", "two": "cus_2"}, Name: "A", Email: "a@b.example",
			Phone: "+4930123456", IpAddress: "192.0.2.1",
			BillingAddress: &acquitv1.Address{Line1: "1", Line2: "2", City: "3", Region: "4", PostalCode: "5", CountryCode: "DE"},
		},
		BrowserInfo: &acquitv1.BrowserInfo{
			UserAgent: "ua", AcceptHeader: "*/*", Language: "de", ScreenWidth: 1, ScreenHeight: 2, ColorDepth: 24,
			TimeZoneOffsetMinutes: -60, JavaEnabled: true, JavaScriptEnabled: true,
		},
		StoredCredential: &acquitv1.StoredCredential{
			Initiator: acquitv1.CredentialInitiator_CREDENTIAL_INITIATOR_MERCHANT,
			Purpose:   acquitv1.CredentialPurpose_CREDENTIAL_PURPOSE_SUBSCRIPTION, NetworkTransactionId: "n",
		},
		StatementDescriptor: "SHOP",
		Metadata:            map[string]string{"a": "1", "b": "2", "c": "3"},
		Account:             "one",
	}
}

// These sums are in records. If this test fails, the encoding has changed: make
// a new version of it instead, and leave this one as it is.
func TestTheEncodingNeverChanges(t *testing.T) {
	for name, c := range map[string]struct {
		method  payment.Method
		request proto.Message
		want    string
	}{
		"small": {payment.MethodVoid, &acquitv1.VoidRequest{PaymentId: "p"}, goldenSmall},
		"full":  {payment.MethodAuthorize, full(t), goldenFull},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sumOf(t, c.method, c.request); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	// The small one, written out by hand from the description of the encoding.
	bytes := "" +
		"0000000000000014" + hex.EncodeToString([]byte("acquit-fingerprint-1")) +
		"0000000000000004" + hex.EncodeToString([]byte("void")) +
		"000000000000000d" + "00000001" + "0000000000000001" + "70"
	raw, err := hex.DecodeString(bytes)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != goldenSmall {
		t.Errorf("by hand: %x", sum)
	}
}

const (
	goldenSmall = "f77056f8cc8bedd5fec4d24882689b43e9b1f36b99af4b4918183dd0840fc49b"
	goldenFull  = "9f560f9ac57649900fc89b7a11b16e75a73302abf498ddc784d8c12dbd2903c1"
)

// What is only another way to write the same request has the same fingerprint.
func TestTheSameRequestHasTheSameFingerprint(t *testing.T) {
	want := sumOf(t, payment.MethodAuthorize, full(t))
	same := map[string]func(*acquitv1.AuthorizeRequest) *acquitv1.AuthorizeRequest{
		"maps filled in another order": func(r *acquitv1.AuthorizeRequest) *acquitv1.AuthorizeRequest {
			keys := slices.Collect(maps.Keys(r.Metadata))
			rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			again := map[string]string{}
			for _, k := range keys {
				again[k] = r.Metadata[k]
			}
			r.Metadata = again
			return r
		},
		"over the wire": func(r *acquitv1.AuthorizeRequest) *acquitv1.AuthorizeRequest {
			raw, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			again := &acquitv1.AuthorizeRequest{}
			if err := proto.Unmarshal(raw, again); err != nil {
				t.Fatal(err)
			}
			return again
		},
	}
	for name, change := range same {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				if got := sumOf(t, payment.MethodAuthorize, change(full(t))); got != want {
					t.Fatal("another fingerprint")
				}
			}
		})
	}
	t.Run("defaults written out", func(t *testing.T) {
		// Each field without presence, set to its default on the wire.
		explicit := []byte{0x0a, 0x01, 'p', 0x18, 0x00} // payment_id "p", final false
		var r acquitv1.CaptureRequest
		if err := proto.Unmarshal(explicit, &r); err != nil {
			t.Fatal(err)
		}
		if sumOf(t, payment.MethodCapture, &r) != sumOf(t, payment.MethodCapture, &acquitv1.CaptureRequest{PaymentId: "p"}) {
			t.Error("an explicit default is another request")
		}
		r.PaymentId = ""
		if sumOf(t, payment.MethodCapture, &r) != sumOf(t, payment.MethodCapture, &acquitv1.CaptureRequest{}) {
			t.Error("an empty text is another request")
		}
	})
	t.Run("presence counts where the contract tracks it", func(t *testing.T) {
		if sumOf(t, payment.MethodCapture, &acquitv1.CaptureRequest{Amount: &acquitv1.Money{}}) == sumOf(t, payment.MethodCapture, &acquitv1.CaptureRequest{}) {
			t.Error("an empty amount is no amount")
		}
	})
}

// Any single change of a full request, in any field at any depth, gives a
// fingerprint of its own. The changes are found by reflection, so that a field
// that is added to the contract is covered.
func TestAnyChangeIsAnotherFingerprint(t *testing.T) {
	seen := map[string]string{sumOf(t, payment.MethodAuthorize, full(t)): "unchanged"}
	note := func(name string, m payment.Method, r proto.Message) {
		sum := sumOf(t, m, r)
		if other, ok := seen[sum]; ok {
			t.Errorf("%q has the fingerprint of %q", name, other)
		}
		seen[sum] = name
	}
	note("another method", payment.MethodCapture, full(t))
	count := len(mutations(full(t).ProtoReflect(), ""))
	for i := range count {
		r := full(t)
		m := mutations(r.ProtoReflect(), "")[i]
		m.apply()
		note(m.name, payment.MethodAuthorize, r)
	}
	if count < 100 {
		t.Errorf("only %d changes", count)
	}
	set := 0
	r := full(t).ProtoReflect()
	r.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool { set++; return true })
	if set != r.Descriptor().Fields().Len() {
		t.Errorf("%d of %d fields are set in the full request", set, r.Descriptor().Fields().Len())
	}
}

type mutation struct {
	name  string
	apply func()
}

// mutations lists the single changes of a message: each field cleared, each
// scalar changed, each list and map longer and shorter, at any depth.
func mutations(m protoreflect.Message, path string) []mutation {
	var list []mutation
	for _, f := range setFields(m) {
		fd, name := f.FieldDescriptor, path+"."+string(f.Name())
		list = append(list, mutation{name + " cleared", func() { m.Clear(fd) }})
		switch {
		case f.IsList():
			l := m.Mutable(fd).List()
			list = append(list, mutation{name + " shorter", func() { l.Truncate(l.Len() - 1) }})
			for i := range l.Len() {
				if fd.Message() != nil {
					list = append(list, mutations(l.Get(i).Message(), fmt.Sprintf("%s[%d]", name, i))...)
				}
			}
			list = append(list, mutation{name + " longer", func() { l.Append(l.Get(0)) }})
			if l.Len() > 1 {
				list = append(list, mutation{name + " swapped", func() {
					a, b := l.Get(0), l.Get(1)
					l.Set(0, b)
					l.Set(1, a)
				}})
			}
		case f.IsMap():
			entries := m.Mutable(fd).Map()
			keys := sortedKeys(entries)
			for _, k := range keys {
				list = append(list, mutation{name + " without " + k.String(), func() { entries.Clear(k) }})
				if fd.MapValue().Message() != nil {
					list = append(list, mutations(entries.Get(k).Message(), name+"."+k.String())...)
				} else {
					list = append(list, mutation{name + " other " + k.String(), func() { entries.Set(k, protoreflect.ValueOfString("other")) }})
				}
			}
			list = append(list, mutation{name + " with one more", func() {
				value := entries.NewValue()
				entries.Set(protoreflect.ValueOfString("more").MapKey(), value)
			}})
		case fd.Message() != nil:
			list = append(list, mutations(m.Get(fd).Message(), name)...)
		default:
			if changed, ok := changedScalar(fd, f.value); ok {
				list = append(list, mutation{name + " changed", func() { m.Set(fd, changed) }})
			}
		}
	}
	return list
}

func changedScalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) (protoreflect.Value, bool) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(v.String() + "x"), true
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(!v.Bool()), fd.ContainingOneof() != nil // cleared and false are the same
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(v.Enum() + 1), true
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(v.Int()) + 7), true
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(v.Int() + 7), true
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(-v.Float()), true
	}
	return v, false
}

// Requests that hold the same text in other places do not collide.
func TestNestingDoesNotCollide(t *testing.T) {
	value := func(v map[string]any) *acquitv1.AuthorizeRequest {
		p, err := structpb.NewStruct(v)
		if err != nil {
			t.Fatal(err)
		}
		return &acquitv1.AuthorizeRequest{PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Token: &acquitv1.AccountToken_ClientPayload{ClientPayload: p}}},
		}}}}
	}
	requests := []*acquitv1.AuthorizeRequest{
		{},
		{MerchantReference: "ab"},
		{MerchantReference: "a", StatementDescriptor: "b"},
		{Metadata: map[string]string{"a": "b"}},
		{Metadata: map[string]string{"b": "a"}},
		{Metadata: map[string]string{"ab": ""}},
		{Metadata: map[string]string{"": "ab"}},
		{Metadata: map[string]string{"a": "", "b": ""}},
		{Customer: &acquitv1.Customer{}},
		{BrowserInfo: &acquitv1.BrowserInfo{}},
		{Customer: &acquitv1.Customer{Name: "ab"}},
		{Customer: &acquitv1.Customer{BillingAddress: &acquitv1.Address{}}},
		{Customer: &acquitv1.Customer{BillingAddress: &acquitv1.Address{Line1: "ab"}}},
		{Customer: &acquitv1.Customer{BillingAddress: &acquitv1.Address{Line1: "a", Line2: "b"}}},
		{Customer: &acquitv1.Customer{Name: "a", BillingAddress: &acquitv1.Address{Line1: "b"}}},
		value(map[string]any{}),
		value(map[string]any{"a": nil}),
		value(map[string]any{"a": false}),
		value(map[string]any{"a": 0.0}),
		value(map[string]any{"a": ""}),
		value(map[string]any{"a": []any{}}),
		value(map[string]any{"a": map[string]any{}}),
		value(map[string]any{"a": []any{[]any{"b"}}}),
		value(map[string]any{"a": []any{[]any{}, "b"}}),
		value(map[string]any{"a": map[string]any{"b": map[string]any{}}}),
		value(map[string]any{"a": map[string]any{}, "b": map[string]any{}}),
		value(map[string]any{"a": "1"}),
		value(map[string]any{"a": 1.0}),
		value(map[string]any{"a": true}),
	}
	seen := map[string]int{}
	for i, r := range requests {
		sum := sumOf(t, payment.MethodAuthorize, r)
		if j, ok := seen[sum]; ok {
			t.Errorf("requests %d and %d collide: %v and %v", i, j, r, requests[j])
		}
		seen[sum] = i
	}
}

func TestAnUnknownVersionIsRefused(t *testing.T) {
	for _, version := range []int{0, 2, -1} {
		if f, err := fingerprint(version, payment.MethodVoid, &acquitv1.VoidRequest{}); err == nil || strings.TrimSpace(f.Sum) != "" {
			t.Errorf("version %d: %v, %v", version, f, err)
		}
	}
}
