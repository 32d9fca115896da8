package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// samples are records with every field set; every text ends in suffix.
func samples(t *testing.T, suffix string) (payment.Operation, payment.Payment, Open, Marker) {
	t.Helper()
	op, p := filled[payment.Operation](t, suffix), filled[payment.Payment](t, suffix)
	op.Key = payment.OperationKey{Tenant: "merchant", ID: "a0123456789abcdef0123456789abcdef"}
	op.State, p.Status = payment.StateRequiresAction, payment.StatusPartiallyCaptured
	open := filled[Open](t, suffix)
	open.Key = op.Key
	return op, p, open, filled[Marker](t, suffix)
}

// codec is one kind of record: a value of it, and both ways of encoding.
type codec struct {
	name   string
	value  any
	encode func() ([]byte, error) // of value
	decode func([]byte) (any, error)
}

func codecs(t *testing.T, suffix string) []codec {
	t.Helper()
	op, p, open, marker := samples(t, suffix)
	return []codec{
		codecOf("operation", op, EncodeOperation, DecodeOperation),
		codecOf("payment", p, EncodePayment, DecodePayment),
		codecOf("marker", marker, EncodeMarker, DecodeMarker),
		codecOf("open", open, EncodeOpen, DecodeOpen),
		codecOf("reference", op.Key, EncodeReference, DecodeReference),
		codecOf("event", taken(t, suffix), EncodeTaken, DecodeTaken),
		codecOf("attention", attention(t, suffix), EncodeAttention, DecodeAttention),
	}
}

func codecOf[T any](name string, value T, encode func(T) ([]byte, error), decode func([]byte) (T, error)) codec {
	return codec{
		name, value,
		func() ([]byte, error) { return encode(value) },
		func(raw []byte) (any, error) { return decode(raw) },
	}
}

// filled is a T with every field set to a value of its own, times in a zone that
// is not UTC.
func filled[T any](t *testing.T, suffix string) T {
	t.Helper()
	var v T
	n := 0
	fill(t, reflect.ValueOf(&v).Elem(), suffix, &n)
	return v
}

func fill(t *testing.T, v reflect.Value, suffix string, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		zone := time.FixedZone("elsewhere", 2*60*60)
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 1, 2, 3, *n, zone)))
		return
	case json.RawMessage:
		v.SetBytes(fmt.Appendf(nil, `{"n":[%d,null,"é"]}`, *n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d%s", *n, suffix))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n%255 + 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), suffix, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), suffix, n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, suffix, n)
		fill(t, value, suffix, n)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, suffix, n)
		}
	default:
		t.Fatalf("a record has a field of kind %s, which this test cannot fill", v.Kind())
	}
}

// Every field of every record survives the store. Each field is set by
// reflection, so one that is added later is covered, or fails here.
func TestRecordRoundTrip(t *testing.T) {
	for _, c := range codecs(t, " é \" < & \u2028 \x00 \\") {
		t.Run(c.name, func(t *testing.T) {
			raw, err := c.encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.value, got); diff != "" {
				t.Errorf("the record lost something (-want +got):\n%s", diff)
			}
			checkUTC(t, reflect.ValueOf(got))
			if bytes.Contains(raw, []byte("+02:00")) {
				t.Errorf("a time is stored in another zone than UTC: %s", raw)
			}
		})
	}
}

// checkUTC checks every time in v.
func checkUTC(t *testing.T, v reflect.Value) {
	t.Helper()
	if at, ok := reflect.TypeAssert[time.Time](v); ok {
		if at.Location() != time.UTC {
			t.Errorf("a time was read in zone %s", at.Location())
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			checkUTC(t, field)
		}
	case reflect.Slice:
		for i := range v.Len() {
			checkUTC(t, v.Index(i))
		}
	default: // holds no time
	}
}

// The stored form of each record is fixed: a build that writes or reads another
// needs a new schema version, and keeps reading this one.
func TestRecordGolden(t *testing.T) {
	for _, c := range codecs(t, "") {
		t.Run(c.name, func(t *testing.T) {
			raw, err := c.encode()
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, raw, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			path := filepath.Join("testdata", c.name+".json")
			if *update {
				if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), pretty.String()); diff != "" {
				t.Errorf("the stored form changed (-golden +now):\n%s", diff)
			}
			var stored bytes.Buffer // without the blanks that are for people
			if err := json.Compact(&stored, golden); err != nil {
				t.Fatal(err)
			}
			got, err := c.decode(stored.Bytes())
			if err != nil {
				t.Fatalf("a stored record can no longer be read: %v", err)
			}
			if diff := cmp.Diff(c.value, got); diff != "" {
				t.Errorf("a stored record is read as something else (-want +got):\n%s", diff)
			}
		})
	}
}

// What a build does not understand, it refuses to read and so never writes back.
func TestRecordRefused(t *testing.T) {
	all := codecs(t, "")
	for i, c := range all {
		raw, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		another, err := all[(i+1)%len(all)].encode()
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		newer := strings.Replace(text, `"schema":1`, `"schema":2`, 1)
		for name, refused := range map[string]struct {
			raw  string
			want error
		}{
			"a newer schema":                       {newer, ErrSchema},
			"a newer schema of another shape":      {`{"schema":2,"kind":"x","body":[],"more":1}`, ErrSchema},
			"a newer schema behind the body":       {text[:len(text)-1] + `,"schema":2}`, ErrSchema},
			"no schema":                            {strings.Replace(text, `"schema":1,`, ``, 1), ErrSchema},
			"another record":                       {string(another), ErrRecord},
			"the same body as another kind":        {strings.Replace(text, `"kind":"`+c.name+`"`, `"kind":"other"`, 1), ErrRecord},
			"a field that this build would drop":   {strings.Replace(text, `"body":{`, `"body":{"new_field":1,`, 1), ErrRecord},
			"nothing":                              {``, ErrRecord},
			"half a record":                        {text[:len(text)/2], ErrRecord},
			"a record and more":                    {text + text, ErrRecord},
			"a body and more":                      {text[:len(text)-1] + `7}`, ErrRecord},
			"null":                                 {`null`, ErrSchema},
			"an empty body":                        {fmt.Sprintf(`{"schema":1,"kind":%q,"body":{}}`, c.name), ErrRecord},
			"no body":                              {fmt.Sprintf(`{"schema":1,"kind":%q}`, c.name), ErrRecord},
			"a body that is null":                  {fmt.Sprintf(`{"schema":1,"kind":%q,"body":null}`, c.name), ErrRecord},
			"a body of another type than a record": {fmt.Sprintf(`{"schema":1,"kind":%q,"body":7}`, c.name), ErrRecord},
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				got, err := c.decode([]byte(refused.raw))
				if !errors.Is(err, refused.want) {
					t.Errorf("got %+v and error %v, want %v", got, err, refused.want)
				}
			})
		}
	}
	if _, err := DecodeOperation([]byte(`{"schema":7,"kind":"operation","body":{}}`)); err == nil || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("the error does not name the version: %v", err)
	}
}

// Goal: a record is read by what its header says, not by how that is spelled: a later
// build of the same schema may add to it. Method: each record with its header in another
// order, with spaces and with another member, against the same as it is written.
func TestHeaderSpelledOtherwise(t *testing.T) {
	for _, c := range codecs(t, "") {
		raw, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(raw), `"body":`)
		body = strings.TrimSuffix(body, "}")
		for _, other := range []string{`{"kind": %[1]q, "schema": 1, "body": %[2]s}`, `{"schema":1,"kind":%[1]q,"body":%[2]s,"more":[]}`, `{"schema":1,"kind":%[1]q,"body":%[2]s }`} {
			got, err := c.decode(fmt.Appendf(nil, other, c.name, body))
			if err != nil {
				t.Errorf("%s as %s: %v", c.name, other, err)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s as %s (-written +otherwise):\n%s", c.name, other, diff)
			}
		}
	}
}

// What could not be read back is never written.
func TestRecordNotWritten(t *testing.T) {
	op, p, _, _ := samples(t, "")
	operation := func(change func(*payment.Operation)) func() error {
		return func() error {
			bad := cloneAttempts(op)
			change(&bad)
			_, err := EncodeOperation(bad)
			return err
		}
	}
	for name, encode := range map[string]func() error{
		"operation without a tenant":    operation(func(op *payment.Operation) { op.Key.Tenant = "" }),
		"operation with a malformed id": operation(func(op *payment.Operation) { op.Key.ID = "x" }),
		"operation in no state":         operation(func(op *payment.Operation) { op.State = "" }),
		"operation in an unknown state": operation(func(op *payment.Operation) { op.State = "LOST" }),
		"operation of epoch 0":          operation(func(op *payment.Operation) { op.Epoch = 0 }),
		"operation without a nonce":     operation(func(op *payment.Operation) { op.Nonce = "" }),
		"operation without an attempt":  operation(func(op *payment.Operation) { op.Attempts = nil }),
		"operation with a distant time": operation(func(op *payment.Operation) { op.Deadline = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"operation with garbage for JSON": operation(func(op *payment.Operation) {
			op.Attempts[0].NextAction = &payment.NextAction{ProviderSDK: json.RawMessage(`{`)}
		}),
		"operation that holds less than nothing": operation(func(op *payment.Operation) { op.Held = -1 }),
		"payment with less than nothing reserved": func() error {
			bad := p
			bad.CaptureReserved = -1
			_, err := EncodePayment(bad)
			return err
		},
		"payment with less than nothing released": func() error { bad := p; bad.Released = -1; _, err := EncodePayment(bad); return err },
		"payment without an id":                   func() error { bad := p; bad.ID = ""; _, err := EncodePayment(bad); return err },
		"payment without a tenant":                func() error { bad := p; bad.Tenant = ""; _, err := EncodePayment(bad); return err },
		"payment in an unknown status":            func() error { bad := p; bad.Status = "LOST"; _, err := EncodePayment(bad); return err },
		"marker that is not there":                func() error { _, err := EncodeMarker(Marker{Boot: "b", Epoch: 1}); return err },
		"marker of no boot":                       func() error { _, err := EncodeMarker(Marker{Present: true, Epoch: 1}); return err },
		"marker of epoch 0":                       func() error { _, err := EncodeMarker(Marker{Present: true, Boot: "b"}); return err },
		"open entry of no operation":              func() error { _, err := EncodeOpen(Open{Due: time.Now()}); return err },
		"reference to no operation":               func() error { _, err := EncodeReference(payment.OperationKey{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := encode(); !errors.Is(err, ErrRecord) {
				t.Errorf("got error %v, want %v", err, ErrRecord)
			}
		})
	}
}

// Encoding leaves the caller's record as it was.
func TestEncodeLeavesItsArgument(t *testing.T) {
	op, _, _, _ := samples(t, "")
	if _, err := EncodeOperation(op); err != nil {
		t.Fatal(err)
	}
	if zone := op.Attempts[0].Created.Location(); zone == time.UTC {
		t.Error("encoding changed the times of the caller's attempts")
	}
}

// Every reading of a time that the clock gives, monotonic and local, is the same
// instant when it is read back.
func TestRecordKeepsInstants(t *testing.T) {
	op, _, _, _ := samples(t, "")
	op.Created = time.Now()
	raw, err := EncodeOperation(op)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeOperation(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Created.Equal(op.Created.Round(0)) {
		t.Errorf("%s was read back as %s", op.Created, got.Created)
	}
}

// Whatever bytes are in the store, reading them gives a record or an error, and a
// record that was read is written and read again unchanged.
func FuzzDecode(f *testing.F) {
	names := []string{"operation", "payment", "marker", "open", "reference", "event", "attention"}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"schema":1,"kind":"operation","body":{"attempts":[null]}}`))
	f.Add([]byte(`{"schema":1,"kind":"open","body":{"due":"0000-01-01T00:00:00+23:59"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		stable(t, raw, DecodeOperation, EncodeOperation)
		stable(t, raw, DecodePayment, EncodePayment)
		stable(t, raw, DecodeMarker, EncodeMarker)
		stable(t, raw, DecodeOpen, EncodeOpen)
		stable(t, raw, DecodeReference, EncodeReference)
		stable(t, raw, DecodeTaken, EncodeTaken)
		stable(t, raw, DecodeAttention, EncodeAttention)
	})
}

func stable[T any](t *testing.T, raw []byte, decode func([]byte) (T, error), encode func(T) ([]byte, error)) {
	t.Helper()
	first, err := decode(raw)
	if err != nil {
		return
	}
	once, err := encode(first)
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	second, err := decode(once)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	twice, err := encode(second)
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("writing it again gives other bytes (%v):\n%s\n%s", err, once, twice)
	}
}
