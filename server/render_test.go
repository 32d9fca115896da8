package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

var update = flag.Bool("update", false, "write golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

// populate sets every field of a Go value at every depth, each to another
// value; enumerated strings get a legal one.
func populate(v reflect.Value, n *int) {
	*n++
	words := map[reflect.Type]string{
		reflect.TypeFor[payment.Status](): "AUTHORIZED", reflect.TypeFor[payment.State](): "DECLINED", reflect.TypeFor[payment.Method](): "authorize",
		reflect.TypeFor[payment.Evidence](): "no_effect_sticky", reflect.TypeFor[payment.Category](): "authn_required",
		reflect.TypeFor[payment.Environment](): "live", reflect.TypeFor[payment.CaptureMode](): "automatic", reflect.TypeFor[payment.RetryAdvice](): "NEVER",
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(1_700_000_000+*n), int64(*n)).UTC()))
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes(nil) // the other form of a next action
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			populate(field, n)
		}
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		populate(v.Elem(), n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		populate(v.Index(0), n)
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"name": "value"}))
	case v.Kind() == reflect.String && words[v.Type()] != "":
		v.SetString(words[v.Type()])
	case v.Kind() == reflect.String:
		v.SetString(strings.ToLower(v.Type().Name()) + "-" + time.Duration(*n).String())
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanUint():
		v.SetUint(uint64(*n))
	default:
		v.SetInt(int64(*n))
	}
}

// records are a payment and an operation with every field set.
func records() (payment.Payment, payment.Operation) {
	var n int
	var p payment.Payment
	var op payment.Operation
	populate(reflect.ValueOf(&p).Elem(), &n)
	populate(reflect.ValueOf(&op).Elem(), &n)
	p.Amount.CurrencyCode, op.Amount.CurrencyCode = "EUR", "EUR"
	p.Authorized, p.Captured, p.CaptureReserved, p.Refunded, p.RefundReserved = 1000, 500, 20, 100, 3
	p.Released, p.ExcessCaptured, p.ExcessRefunded = 30, 5, 1
	p.Outside = []payment.Outside{
		{Object: "d", Kind: payment.OutsideDispute, Amount: 7},
		{Object: "r", Kind: payment.OutsideRefund, Amount: 1},
		{Object: "c", Kind: payment.OutsideCaptureReversal, Amount: 9},
		{Object: "b", Kind: payment.OutsideRefundReversal, Amount: 2},
	}
	p.Voiding = "" // or nothing would be capturable
	return p, op
}

// TestRenderGolden: the stored answer of an operation, field by field. A change
// here changes what callers get; it is never a change of what was stored.
func TestRenderGolden(t *testing.T) {
	p, op := records()
	raw, err := Renderer{}.Render(p, op)
	if err != nil {
		t.Fatal(err)
	}
	var response acquitv1.AuthorizeResponse
	if err := proto.Unmarshal(raw, &response); err != nil {
		t.Fatal(err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(&response)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil { // protojson's own spacing is random
		t.Fatal(err)
	}
	golden(t, "authorize_response.golden.json", append(indented.Bytes(), '\n'))
}

// TestRenderIsDeterministic: whoever commits makes the same bytes, maps included.
func TestRenderIsDeterministic(t *testing.T) {
	p, op := records()
	p.NextAction = &payment.NextAction{RedirectURL: "u", RedirectMethod: "post", RedirectForm: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}}
	first, err := Renderer{}.Render(p, op)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, err := (Renderer{}).Render(p, op); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("rendered differently: %v", err)
		}
	}
}

// TestEveryResponseFieldIsSet: a field of the contract that nothing fills would
// be a promise without a keeper. Every field of the response to a call whose
// records are full must be set, but for those that exclude each other.
func TestEveryResponseFieldIsSet(t *testing.T) {
	p, op := records()
	message, err := paymentMessage(p)
	if err != nil {
		t.Fatal(err)
	}
	excluded := map[protoreflect.FullName]bool{"acquit.v1.NextAction.provider_sdk": true} // the other kind of action
	requireSet(t, message.ProtoReflect(), excluded)
	requireSet(t, operationMessage(op).ProtoReflect(), excluded)
}

// TestReadsShowEverything: a page of payments keeps its order, and an operation
// that is read comes with its payment.
func TestReadsShowEverything(t *testing.T) {
	p, op := records()
	one, err := getOperationResponse(p, op)
	if err != nil {
		t.Fatal(err)
	}
	excluded := map[protoreflect.FullName]bool{"acquit.v1.NextAction.provider_sdk": true} // the other kind of action
	requireSet(t, one.ProtoReflect(), excluded)
	older := p
	older.ID = "older"
	page, err := listPaymentsResponse([]payment.Payment{p, older}, "next")
	if err != nil {
		t.Fatal(err)
	}
	requireSet(t, page.ProtoReflect(), excluded)
	if got := page.GetPayments(); len(got) != 2 || got[0].GetPaymentId() != string(p.ID) || got[1].GetPaymentId() != "older" {
		t.Errorf("page %v", got)
	}
	p.NextAction = &payment.NextAction{ProviderSDK: json.RawMessage(`[]`)}
	if _, err := getOperationResponse(p, op); err == nil {
		t.Error("an operation whose payment cannot be shown was rendered")
	}
	if _, err := listPaymentsResponse([]payment.Payment{older, p}, ""); err == nil {
		t.Error("a page with a payment that cannot be shown was rendered")
	}
}

// TestEveryPaymentFieldShows: what is recorded of a payment is shown, and a field
// that is added to the record cannot be forgotten. Each field in turn is emptied;
// the rendering must change every time.
func TestEveryPaymentFieldShows(t *testing.T) {
	hidden := map[string]bool{
		"Tenant":     true, // the caller is the tenant
		"Operations": true, // shown as operations
		"Voiding":    true, // shown by what it leaves capturable, see below
		"Unique":     true, // shown by the refusal of another payment
		// Part of what is shown as reserved, and then as captured.
		"AutoReserved": true, "AutoCapture": true,
	}
	whole, op := records()
	full, err := Renderer{}.Render(whole, op)
	if err != nil {
		t.Fatal(err)
	}
	for field := range reflect.TypeFor[payment.Payment]().Fields() {
		p, _ := records()
		reflect.ValueOf(&p).Elem().FieldByIndex(field.Index).SetZero()
		raw, err := Renderer{}.Render(p, op)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(full, raw) != hidden[field.Name] {
			t.Errorf("%s: shown %t", field.Name, !bytes.Equal(full, raw))
		}
	}
	whole.Voiding = op.Key.ID
	if m, err := paymentMessage(whole); err != nil || m.GetCapturable().GetMinorUnits() != 0 {
		t.Errorf("capturable %v, %v while a void is open", m.GetCapturable(), err)
	}
}

func requireSet(t *testing.T, m protoreflect.Message, excluded map[protoreflect.FullName]bool) {
	t.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !m.Has(f) && !excluded[f.FullName()] {
			t.Errorf("%s is not set", f.FullName())
		}
		if f.Message() == nil || f.IsMap() || !m.Has(f) || f.Message().ParentFile().Package() != "acquit.v1" {
			continue
		}
		if f.IsList() {
			requireSet(t, m.Get(f).List().Get(0).Message(), excluded)
		} else {
			requireSet(t, m.Get(f).Message(), excluded)
		}
	}
}

// TestEveryWordHasAValue: no state, status, method or other word of the
// vocabulary is rendered as unspecified.
func TestEveryWordHasAValue(t *testing.T) {
	for _, s := range []payment.State{
		payment.StateIntent, payment.StateUnknown, payment.StateFencing, payment.StatePending, payment.StateRequiresAction,
		payment.StateSucceeded, payment.StateDeclined, payment.StateFailed,
	} {
		if operationMessage(payment.Operation{State: s}).GetState() == 0 {
			t.Errorf("state %s has no value", s)
		}
	}
	for _, s := range []payment.Status{
		payment.StatusAuthorizing, payment.StatusRequiresAction, payment.StatusPending, payment.StatusAuthorized, payment.StatusPartiallyCaptured,
		payment.StatusCaptured, payment.StatusPartiallyRefunded, payment.StatusRefunded, payment.StatusVoided, payment.StatusExpired,
		payment.StatusDeclined, payment.StatusFailed, payment.StatusUnknown,
	} {
		if m, err := paymentMessage(payment.Payment{Status: s}); err != nil || m.GetStatus() == 0 || statusOf(m.GetStatus()) != s {
			t.Errorf("status %s has no value (%v)", s, err)
		}
	}
	for _, m := range []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, payment.MethodComplete} {
		if methodEnum(m) == 0 || methodOf(methodEnum(m)) != m {
			t.Errorf("method %s has no value", m)
		}
		if _, err := (Renderer{}).Render(payment.Payment{}, payment.Operation{Method: m}); err != nil {
			t.Errorf("method %s: %v", m, err)
		}
	}
	for _, e := range []payment.Evidence{
		payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky, payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown,
	} {
		if evidenceEnum(e) == 0 {
			t.Errorf("evidence %s has no value", e)
		}
	}
	for _, c := range []payment.Category{payment.CategorySoftDecline, payment.CategoryHardDecline, payment.CategoryAuthnRequired, payment.CategoryBadData} {
		if !c.Decline() || declineCategoryEnum(c) == 0 {
			t.Errorf("category %s has no value", c)
		}
	}
	for _, a := range []payment.RetryAdvice{payment.AdviceSameKey, payment.AdviceNewKeyLater, payment.AdviceNewKeyOtherMethod, payment.AdviceNever} {
		if adviceEnum(a) == 0 {
			t.Errorf("advice %s has no value", a)
		}
	}
	if environmentEnum(payment.EnvironmentLive) == 0 || environmentEnum(payment.EnvironmentSandbox) == 0 {
		t.Error("an environment has no value")
	}
}

// TestRenderProviderSDK: a payload for the provider's software arrives as it was.
func TestRenderProviderSDK(t *testing.T) {
	p, _ := records()
	p.NextAction = &payment.NextAction{ProviderSDK: json.RawMessage(`{"a":{"b":[1,"x",null]}}`)}
	m, err := paymentMessage(p)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(m.GetNextAction().GetProviderSdk().GetPayload().AsMap())
	if err != nil || string(raw) != `{"a":{"b":[1,"x",null]}}` {
		t.Errorf("payload %s, %v", raw, err)
	}
	p.NextAction.ProviderSDK = json.RawMessage(`[]`)
	if _, err := paymentMessage(p); err == nil {
		t.Error("a payload that is no object was rendered")
	}
}
