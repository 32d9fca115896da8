package ledger

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// texts are what a text may hold that JSON writes otherwise than it is.
var texts = []string{"", "plain", `"`, `\`, "<", ">", "&", "\x00", "\n", "\x7f", "é", "\u2028", "\u2029", "\xff", "a\xc3", "𝄞"}

// What is encoded field by field is what encoding/json makes of the same value: no
// field is missing, misnamed, out of order, or left out when it is not to be.
//
// Every field is set by reflection, so one that is added later is covered. Then each
// in turn, in lists and structures too, is emptied, and each text is tried in each.
func TestEncodesAsJSON(t *testing.T) {
	op, p, open, _ := samples(t, "")
	mark := filled[markerRecord](t, "")
	entry := openRecord(open)
	for _, c := range []struct {
		kind  string
		value any // pointer
		write func(*writer)
	}{
		{kindOperation, &op, func(w *writer) { w.operation(op) }},
		{kindPayment, &p, func(w *writer) { w.payment(p) }},
		{kindMarker, &mark, func(w *writer) { w.marker(mark) }},
		{kindOpen, &entry, func(w *writer) { w.open(entry) }},
		{kindReference, &op.Key, func(w *writer) { w.reference(op.Key) }},
	} {
		t.Run(c.kind, func(t *testing.T) {
			tried := 0
			same := func(where string) {
				t.Helper()
				tried++
				want, err := encode(c.kind, reflect.ValueOf(c.value).Elem().Interface())
				if err != nil {
					t.Fatal(err)
				}
				got, err := record(c.kind, c.write)
				if err != nil || string(got) != string(want) {
					t.Fatalf("%s: %v\n got %s\nwant %s", where, err, got, want)
				}
			}
			settle(reflect.ValueOf(c.value).Elem())
			same("everything set")
			vary(reflect.ValueOf(c.value).Elem(), c.kind, same)
			if tried < len(texts) {
				t.Errorf("only %d values were compared", tried)
			}
		})
	}
}

// settle brings all times to UTC, as those of a record are by the time that it is encoded.
func settle(v reflect.Value) {
	walk(v, "", func(v reflect.Value, _ string) {
		if at, ok := reflect.TypeAssert[time.Time](v); ok {
			v.Set(reflect.ValueOf(at.UTC()))
		}
	})
}

// vary calls same with one part at a time emptied, and with one text at a time changed.
func vary(v reflect.Value, path string, same func(where string)) {
	walk(v, path, func(v reflect.Value, path string) {
		kept := reflect.New(v.Type()).Elem()
		kept.Set(v)
		v.SetZero()
		same(path + " empty")
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			same(path + " without elements")
		}
		if v.Kind() == reflect.String {
			for _, text := range texts {
				v.SetString(text)
				same(fmt.Sprintf("%s %q", path, text))
			}
		}
		v.Set(kept)
	})
}

// walk visits every part of v, the outer ones first.
func walk(v reflect.Value, path string, visit func(v reflect.Value, path string)) {
	visit(v, path)
	if v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // of base64 and raw JSON there is nothing inside
		}
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	}
}

// A record with a part that JSON cannot hold is refused, not written without it.
func TestEncodeRefusesBrokenParts(t *testing.T) {
	op, p, _, _ := samples(t, "")
	op.Attempts[1].NextAction = &payment.NextAction{ProviderSDK: []byte("{")}
	p.NextAction = op.Attempts[1].NextAction
	if raw, err := EncodeOperation(op); err == nil {
		t.Errorf("an operation was encoded as %s", raw)
	}
	if raw, err := EncodePayment(p); err == nil {
		t.Errorf("a payment was encoded as %s", raw)
	}
}

// What an operation with one attempt costs to encode, which every call does twice.
func BenchmarkEncodeOperation(b *testing.B) {
	at := time.Date(2026, 3, 1, 1, 2, 3, 4, time.UTC)
	op := payment.Operation{
		Key: payment.OperationKey{Tenant: "default", ID: "a0123456789abcdef0123456789abcdef"}, Method: payment.MethodAuthorize,
		Reference: "0123456789abcdef01234567", PaymentID: "0192a8d0-0000-7000-8000-000000000000", State: payment.StateIntent,
		Fingerprint: payment.Fingerprint{Version: 1, Sum: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		Epoch:       1, Owner: "0192a8d0", Nonce: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", OwnerUntil: at, Created: at, Deadline: at, ResolveBy: at, NextCheck: at,
		Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"}, Sealed: make([]byte, 400),
		Attempts: []payment.Attempt{{
			Ordinal: 1, Account: "sandbox", Target: payment.Target{Driver: "sandbox", Environment: "sandbox", Host: "127.0.0.1:1"},
			Credential: "0123456789abcdef", Reference: "0123456789abcdef01234567", Epoch: 1, Created: at, Deadline: at, ResendNotAfter: at,
			Steps: []payment.Step{{Name: payment.StepMain, Key: "0123456789abcdef", KeyVersion: 1, RequestHash: "0123456789abcdef0123456789abcdef"}},
		}},
	}
	for _, c := range []struct {
		name   string
		encode func() ([]byte, error)
	}{
		{"fields", func() ([]byte, error) { return record(kindOperation, func(w *writer) { w.operation(op) }) }},
		{"reflection", func() ([]byte, error) { return encode(kindOperation, op) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
