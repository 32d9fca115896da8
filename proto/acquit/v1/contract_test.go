// Package contract_test holds the contract to what its comments promise, as the
// generated code and the validation library see it: a rule that was lost on the
// way from the .proto file to the binary fails here.
package contract_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// files are the descriptors of the whole contract.
func files() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		acquitv1.File_acquit_v1_payment_service_proto,
		acquitv1.File_acquit_v1_operator_service_proto,
		acquitv1.File_acquit_v1_payment_proto,
		acquitv1.File_acquit_v1_error_reason_proto,
	}
}

// authorize is the smallest valid AuthorizeRequest, with changes applied.
func authorize(changes ...func(*acquitv1.AuthorizeRequest)) *acquitv1.AuthorizeRequest {
	r := &acquitv1.AuthorizeRequest{
		Amount: &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{stored("sandbox", "tok_ok")},
		}}},
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

func stored(account, id string) *acquitv1.AccountToken {
	return &acquitv1.AccountToken{Account: account, Token: &acquitv1.AccountToken_StoredId{StoredId: id}}
}

func payload(t *testing.T, entries int) *acquitv1.AccountToken {
	t.Helper()
	fields := map[string]any{}
	for i := range entries {
		fields[fmt.Sprint(i)] = "x"
	}
	s, err := structpb.NewStruct(fields)
	if err != nil {
		t.Fatal(err)
	}
	return &acquitv1.AccountToken{Account: "sandbox", Token: &acquitv1.AccountToken_ClientPayload{ClientPayload: s}}
}

func pairs(n, key, value int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[strings.Repeat("k", key-1)+string(rune('a'+i))] = strings.Repeat("v", value)
	}
	return m
}

// TestRequestsAccepted proves that the rules let valid requests through, those
// at a limit included: each is validated as the server does it.
func TestRequestsAccepted(t *testing.T) {
	now := time.Now()
	type change = func(*acquitv1.AuthorizeRequest)
	with := func(c change) proto.Message { return authorize(c) }
	for name, request := range map[string]proto.Message{
		"smallest authorize": authorize(),
		"client payload": with(func(r *acquitv1.AuthorizeRequest) {
			r.PaymentMethod.GetTokenSet().Tokens = []*acquitv1.AccountToken{payload(t, 64)}
		}),
		"bank transfer": with(func(r *acquitv1.AuthorizeRequest) {
			r.PaymentMethod = &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_BankTransfer{BankTransfer: &acquitv1.BankTransfer{}}}
		}),
		"two accounts": with(func(r *acquitv1.AuthorizeRequest) {
			r.PaymentMethod.GetTokenSet().Tokens = append(r.PaymentMethod.GetTokenSet().Tokens, stored("stripe-de.2", "pm_1"))
		}),
		"everything at its limit": with(func(r *acquitv1.AuthorizeRequest) {
			r.MerchantReference = strings.Repeat("r", 64)
			r.CaptureMode = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC
			r.ReturnUrl = "https://shop.example/return?order=1"
			r.StatementDescriptor = strings.Repeat("d", 16)
			r.Metadata = pairs(10, 20, 80)
			r.Account = "sandbox"
			r.BrowserInfo = &acquitv1.BrowserInfo{UserAgent: "Mozilla/5.0", TimeZoneOffsetMinutes: -60, ColorDepth: 24}
			r.StoredCredential = &acquitv1.StoredCredential{
				Initiator: acquitv1.CredentialInitiator_CREDENTIAL_INITIATOR_CUSTOMER,
				Purpose:   acquitv1.CredentialPurpose_CREDENTIAL_PURPOSE_CARD_ON_FILE,
			}
			r.Customer = &acquitv1.Customer{
				CustomerId: "c-1", ProviderCustomerIds: map[string]string{"stripe-de": "cus_1"}, Name: "Zoë Müller",
				Email: "zoe@shop.example", Phone: "+4930123456", IpAddress: "2001:db8::1",
				BillingAddress: &acquitv1.Address{Line1: "Weg 1", City: "Berlin", PostalCode: "10115", CountryCode: "DE"},
			}
		}),
		"capture of the rest": &acquitv1.CaptureRequest{PaymentId: "01934f7e-0000-7000-8000-000000000000"},
		"refund of the rest":  &acquitv1.RefundRequest{PaymentId: "p"},
		"void":                &acquitv1.VoidRequest{PaymentId: "p"},
		"complete": &acquitv1.CompleteAuthorizationRequest{
			PaymentId: "p", ReturnParameters: map[string]string{"redirectResult": strings.Repeat("x", 16384)},
		},
		"operation by key": &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{
			Key: &acquitv1.OperationKey{Method: acquitv1.Method_METHOD_AUTHORIZE, IdempotencyKey: strings.Repeat("k", 128)},
		}},
		"list of all": &acquitv1.ListPaymentsRequest{},
		"list of a day": &acquitv1.ListPaymentsRequest{
			Statuses:       []acquitv1.PaymentStatus{acquitv1.PaymentStatus_PAYMENT_STATUS_UNKNOWN},
			CreateTimeFrom: timestamppb.New(now.Add(-time.Hour)), CreateTimeBefore: timestamppb.New(now), PageSize: 500,
		},
		"open operations": &acquitv1.ListOpenOperationsRequest{MinAge: durationpb.New(time.Hour)},
		"resolution by object": &acquitv1.ResolveOperationRequest{
			OperationId: "a1", Resolution: acquitv1.Resolution_RESOLUTION_EFFECT_CONFIRMED, ProviderReference: "pi_1",
			AppliedAmount: &acquitv1.Money{MinorUnits: 1, CurrencyCode: "EUR"}, Reason: "seen in the dashboard", Actor: "zoe",
		},
		"resolution by absence": &acquitv1.ResolveOperationRequest{
			OperationId: "a1", Resolution: acquitv1.Resolution_RESOLUTION_NOT_FOUND, Reason: "not there after 40 days", Actor: "zoe",
		},
		"mapping of a timeout": &acquitv1.ExplainMappingRequest{Driver: "sandbox", TransportClass: "timeout"},
		"accounts":             &acquitv1.ListAccountsRequest{},
		"zero in a response":   &acquitv1.Payment{Amount: &acquitv1.Money{CurrencyCode: "EUR"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := protovalidate.Validate(request); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// TestRequestsRefused proves that each rule is enforced: every request breaks
// one rule, and the violation has to name the field that breaks it.
func TestRequestsRefused(t *testing.T) {
	now := time.Now()
	type change = func(*acquitv1.AuthorizeRequest)
	with := func(c change) proto.Message { return authorize(c) }
	tokens := func(tokens ...*acquitv1.AccountToken) proto.Message {
		return with(func(r *acquitv1.AuthorizeRequest) { r.PaymentMethod.GetTokenSet().Tokens = tokens })
	}
	money := func(units int64, currency string) proto.Message {
		return with(func(r *acquitv1.AuthorizeRequest) {
			r.Amount = &acquitv1.Money{MinorUnits: units, CurrencyCode: currency}
		})
	}
	for _, tt := range []struct {
		name    string
		request proto.Message
		field   string
	}{
		{"no amount", with(func(r *acquitv1.AuthorizeRequest) { r.Amount = nil }), "amount"},
		{"amount zero", money(0, "EUR"), "amount"},
		{"amount negative", money(-1, "EUR"), "amount"},
		{"amount absurd", money(1e15, "EUR"), "amount.minor_units"},
		{"currency in small letters", money(1, "eur"), "amount.currency_code"},
		{"currency absent", money(1, ""), "amount.currency_code"},
		{"no payment method", with(func(r *acquitv1.AuthorizeRequest) { r.PaymentMethod = nil }), "payment_method"},
		{"empty payment method", with(func(r *acquitv1.AuthorizeRequest) { r.PaymentMethod = &acquitv1.PaymentMethod{} }), "payment_method.kind"},
		{"no token", tokens(), "payment_method.token_set.tokens"},
		{"two tokens of one account", tokens(stored("a", "x"), stored("a", "y")), "payment_method.token_set.tokens"},
		{"token without account", tokens(stored("", "x")), "payment_method.token_set.tokens[0].account"},
		{"account token without token", tokens(&acquitv1.AccountToken{Account: "a"}), "payment_method.token_set.tokens[0].token"},
		{"empty stored id", tokens(stored("a", "")), "payment_method.token_set.tokens[0].stored_id"},
		{"long stored id", tokens(stored("a", strings.Repeat("x", 256))), "payment_method.token_set.tokens[0].stored_id"},
		{"empty client payload", tokens(payload(t, 0)), "payment_method.token_set.tokens[0].client_payload"},
		{"large client payload", tokens(payload(t, 65)), "payment_method.token_set.tokens[0].client_payload"},
		{"long merchant reference", with(func(r *acquitv1.AuthorizeRequest) { r.MerchantReference = strings.Repeat("r", 65) }), "merchant_reference"},
		{"line break in merchant reference", with(func(r *acquitv1.AuthorizeRequest) { r.MerchantReference = "a\nb" }), "merchant_reference"},
		{"unknown capture mode", with(func(r *acquitv1.AuthorizeRequest) { r.CaptureMode = 99 }), "capture_mode"},
		{"relative return url", with(func(r *acquitv1.AuthorizeRequest) { r.ReturnUrl = "/return" }), "return_url"},
		{"long statement descriptor", with(func(r *acquitv1.AuthorizeRequest) { r.StatementDescriptor = strings.Repeat("d", 17) }), "statement_descriptor"},
		{"eleven metadata pairs", with(func(r *acquitv1.AuthorizeRequest) { r.Metadata = pairs(11, 2, 1) }), "metadata"},
		{"long metadata key", with(func(r *acquitv1.AuthorizeRequest) { r.Metadata = pairs(1, 21, 1) }), "metadata"},
		{"long metadata value", with(func(r *acquitv1.AuthorizeRequest) { r.Metadata = pairs(1, 1, 81) }), "metadata"},
		{"account with a slash", with(func(r *acquitv1.AuthorizeRequest) { r.Account = "a/b" }), "account"},
		{"stored credential without initiator", with(func(r *acquitv1.AuthorizeRequest) {
			r.StoredCredential = &acquitv1.StoredCredential{Purpose: acquitv1.CredentialPurpose_CREDENTIAL_PURPOSE_SUBSCRIPTION}
		}), "stored_credential.initiator"},
		{"bad mail address", with(func(r *acquitv1.AuthorizeRequest) { r.Customer = &acquitv1.Customer{Email: "nobody"} }), "customer.email"},
		{"bad ip address", with(func(r *acquitv1.AuthorizeRequest) { r.Customer = &acquitv1.Customer{IpAddress: "1.2.3"} }), "customer.ip_address"},
		{"bad phone number", with(func(r *acquitv1.AuthorizeRequest) { r.Customer = &acquitv1.Customer{Phone: "030 123"} }), "customer.phone"},
		{"address without country", with(func(r *acquitv1.AuthorizeRequest) {
			r.Customer = &acquitv1.Customer{BillingAddress: &acquitv1.Address{Line1: "Weg 1"}}
		}), "customer.billing_address.country_code"},
		{"capture without payment", &acquitv1.CaptureRequest{}, "payment_id"},
		{"capture of zero", &acquitv1.CaptureRequest{PaymentId: "p", Amount: &acquitv1.Money{CurrencyCode: "EUR"}}, "amount"},
		{"refund of zero", &acquitv1.RefundRequest{PaymentId: "p", Amount: &acquitv1.Money{CurrencyCode: "EUR"}}, "amount"},
		{"unknown refund reason", &acquitv1.RefundRequest{PaymentId: "p", Reason: 99}, "reason"},
		{"void of a path", &acquitv1.VoidRequest{PaymentId: "../p"}, "payment_id"},
		{"33 return parameters", &acquitv1.CompleteAuthorizationRequest{PaymentId: "p", ReturnParameters: pairs(33, 1, 1)}, "return_parameters"},
		{"get of nothing", &acquitv1.GetPaymentRequest{}, "payment_id"},
		{"operation without name", &acquitv1.GetOperationRequest{}, "name"},
		{"operation key without method", &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{
			Key: &acquitv1.OperationKey{IdempotencyKey: "k"},
		}}, "key.method"},
		{"operation key of 129 characters", &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{
			Key: &acquitv1.OperationKey{Method: acquitv1.Method_METHOD_VOID, IdempotencyKey: strings.Repeat("k", 129)},
		}}, "key.idempotency_key"},
		{"page of 501", &acquitv1.ListPaymentsRequest{PageSize: 501}, "page_size"},
		{"page of -1", &acquitv1.ListPaymentsRequest{PageSize: -1}, "page_size"},
		{"unspecified status", &acquitv1.ListPaymentsRequest{Statuses: []acquitv1.PaymentStatus{0}}, "statuses[0]"},
		{"time range reversed", &acquitv1.ListPaymentsRequest{
			CreateTimeFrom: timestamppb.New(now), CreateTimeBefore: timestamppb.New(now.Add(-time.Hour)),
		}, ""},
		{"negative age", &acquitv1.ListOpenOperationsRequest{MinAge: durationpb.New(-time.Second)}, "min_age"},
		{"resolution without object", &acquitv1.ResolveOperationRequest{
			OperationId: "a1", Resolution: acquitv1.Resolution_RESOLUTION_EFFECT_CONFIRMED, Reason: "r", Actor: "a",
		}, ""},
		{"resolution without reason", &acquitv1.ResolveOperationRequest{
			OperationId: "a1", Resolution: acquitv1.Resolution_RESOLUTION_NOT_FOUND, Actor: "a",
		}, "reason"},
		{"resolution without actor", &acquitv1.ResolveOperationRequest{
			OperationId: "a1", Resolution: acquitv1.Resolution_RESOLUTION_NOT_FOUND, Reason: "r",
		}, "actor"},
		{"retry without reason", &acquitv1.RetryOperationRequest{OperationId: "a1", Actor: "a"}, "reason"},
		{"mapping without driver", &acquitv1.ExplainMappingRequest{}, "driver"},
		{"mapping of status 99", &acquitv1.ExplainMappingRequest{Driver: "sandbox", HttpStatus: 99}, "http_status"},
		{"mapping of a foreign hint", &acquitv1.ExplainMappingRequest{Driver: "sandbox", Hint: "maybe"}, "hint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := protovalidate.Validate(tt.request)
			refused, ok := errors.AsType[*protovalidate.ValidationError](err)
			if !ok {
				t.Fatalf("got %v, want a violation", err)
			}
			for _, v := range refused.Violations {
				if got := protovalidate.FieldPathString(v.Proto.GetField()); strings.HasPrefix(got, tt.field) {
					return
				}
			}
			t.Errorf("got %v, want a violation of %q", refused, tt.field)
		})
	}
}

// TestRulesCompile proves that every rule of every message can be evaluated: an
// empty message is refused or accepted, never answered with a broken rule.
func TestRulesCompile(t *testing.T) {
	for _, file := range files() {
		for i := range file.Messages().Len() {
			message := dynamicpb.NewMessage(file.Messages().Get(i))
			if broken, ok := errors.AsType[*protovalidate.CompilationError](protovalidate.Validate(message)); ok {
				t.Errorf("%s: %v", message.Descriptor().FullName(), broken)
			}
		}
	}
}

// TestIdempotencyLevels proves that the server may read from the contract which
// calls take a key: each rpc says what it is, and the keyed ones are the methods
// that an operation can have.
func TestIdempotencyLevels(t *testing.T) {
	keyed := map[string]bool{}
	for _, file := range files() {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				options, ok := method.Options().(*descriptorpb.MethodOptions)
				if !ok || options.IdempotencyLevel == nil {
					t.Errorf("%s does not say its idempotency level", method.FullName())
					continue
				}
				if options.GetIdempotencyLevel() == descriptorpb.MethodOptions_IDEMPOTENT {
					keyed[string(method.Name())] = true
				}
			}
		}
	}
	methods := acquitv1.Method(0).Descriptor().Values()
	if len(keyed) != methods.Len()-1 {
		t.Errorf("%d rpcs take a key, %d methods exist", len(keyed), methods.Len()-1)
	}
	for i := 1; i < methods.Len(); i++ {
		name := strings.TrimPrefix(string(methods.Get(i).Name()), "METHOD_")
		camel := ""
		for word := range strings.SplitSeq(name, "_") {
			camel += word[:1] + strings.ToLower(word[1:])
		}
		if !keyed[camel] {
			t.Errorf("method %s has no rpc that takes a key", name)
		}
	}
}
