package orchestrator

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Whoever takes an operation over builds the same bytes as who claimed it, so the
// instruction that seal returns is the one that is read back, whatever is in it.
//
// Every field is set by reflection, so one that is added later is covered; then each
// text in turn is one that JSON changes, and each token is a payload. A field of a kind
// that JSON could change in another way fails.
func TestSealReturnsWhatIsRead(t *testing.T) {
	var in payment.Instruction
	texts := 0
	setAll(t, reflect.ValueOf(&in).Elem(), &texts, -1, "")
	check := func(name string, in payment.Instruction, otherwise bool) {
		t.Helper()
		plain, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var read payment.Instruction
		if err := json.Unmarshal(plain, &read); err != nil {
			t.Fatal(err)
		}
		diff := cmp.Diff(in, read, cmpopts.EquateEmpty())
		if differs := readsOtherwise(in, plain); differs != otherwise || (diff != "" && !differs) {
			t.Errorf("%s: said to be read otherwise: %t; and it is (-written +read):\n%s", name, differs, diff)
		}
	}
	check("every field set", in, false)
	check("nothing set", payment.Instruction{}, false)
	for _, text := range []string{"\xff", "a\xc3z"} {
		for i := range texts {
			changed, n := payment.Instruction{}, 0
			setAll(t, reflect.ValueOf(&changed).Elem(), &n, i, text)
			check(fmt.Sprintf("text %d is %q", i, text), changed, true)
		}
	}
	for _, text := range []string{"", "\u2028 <&> \x00 é", "\ufffd", "𝄞"} {
		for i := range texts {
			changed, n := payment.Instruction{}, 0
			setAll(t, reflect.ValueOf(&changed).Elem(), &n, i, text)
			check(fmt.Sprintf("text %d is %q", i, text), changed, false)
		}
	}
	in.Tokens = maps.Clone(in.Tokens)
	in.Tokens["other"] = payment.Token{ClientPayload: json.RawMessage(`{ "a": "<" }`)}
	check("a payload", in, true)
}

// setAll sets every field of v but payloads; the text with index at becomes text.
func setAll(t *testing.T, v reflect.Value, texts *int, at int, text string) {
	t.Helper()
	if v.Type() == reflect.TypeFor[json.RawMessage]() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *texts))
		if *texts == at {
			v.SetString(text)
		}
		*texts++
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setAll(t, v.Elem(), texts, at, text)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		setAll(t, key, texts, at, text)
		setAll(t, value, texts, at, text)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			setAll(t, field, texts, at, text)
		}
	default:
		t.Fatalf("an instruction has a field of kind %s: say in readsOtherwise whether JSON changes it", v.Kind())
	}
}
