package ledger

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// What every operation writes several times, operations, payments and entries of the
// indexes, is encoded field by field: to the byte what encoding/json makes of the same
// value, which the tests hold it to, at a fifth of its time. By reflection it was the
// largest cost of a call that was acquit's own. Reading stays encoding/json's.

// writer appends JSON. A part that encoding/json refuses fails the whole.
type writer struct {
	out []byte
	err error
}

// record is a body in its envelope.
func record(kind string, body func(*writer)) ([]byte, error) {
	w := &writer{out: make([]byte, 0, recordSize)}
	w.begin("")
	w.number("schema", schema)
	w.text("kind", kind)
	w.begin("body")
	body(w)
	w.end()
	w.end()
	if w.err != nil {
		return nil, fmt.Errorf("%w: encoding %s: %w", ErrRecord, kind, w.err)
	}
	return w.out, nil
}

// recordSize is room for an operation with one attempt and its answer.
const recordSize = 3 << 10

// name begins a member of an object, or with no name an element of a list.
func (w *writer) name(name string) {
	if n := len(w.out); n > 0 && w.out[n-1] != '{' && w.out[n-1] != '[' {
		w.out = append(w.out, ',')
	}
	if name != "" {
		w.out = append(append(append(w.out, '"'), name...), '"', ':')
	}
}

func (w *writer) begin(name string) {
	w.name(name)
	w.out = append(w.out, '{')
}

func (w *writer) end() { w.out = append(w.out, '}') }

// text writes what needs no escape as it is, and leaves the rest to encoding/json.
func (w *writer) text(name, s string) {
	w.name(name)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.value(s)
			return
		}
	}
	w.out = append(append(append(w.out, '"'), s...), '"')
}

func (w *writer) number(name string, n int64) {
	w.name(name)
	w.out = strconv.AppendInt(w.out, n, 10)
}

func (w *writer) time(name string, t time.Time) {
	w.name(name)
	w.out = append(t.AppendFormat(append(w.out, '"'), time.RFC3339Nano), '"')
}

// Those that end in If leave out a value that is not set.

func (w *writer) textIf(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *writer) numberIf(name string, n int64) {
	if n != 0 {
		w.number(name, n)
	}
}

func (w *writer) timeIf(name string, t time.Time) {
	if !t.IsZero() {
		w.time(name, t)
	}
}

func (w *writer) trueIf(name string, b bool) {
	if b {
		w.name(name)
		w.out = append(w.out, "true"...)
	}
}

func (w *writer) bytesIf(name string, b []byte) {
	if len(b) > 0 {
		w.name(name)
		w.out = append(base64.StdEncoding.AppendEncode(append(w.out, '"'), b), '"')
	}
}

// otherIf writes what few records have, by reflection.
func otherIf[T any](w *writer, name string, v *T) {
	if v != nil {
		w.name(name)
		w.value(v)
	}
}

func (w *writer) value(v any) {
	raw, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.out = append(w.out, raw...)
}

// list writes a list; one that is nil is null, as encoding/json has it.
func list[T any](w *writer, name string, all []T, one func(T)) {
	w.name(name)
	if all == nil {
		w.out = append(w.out, "null"...)
		return
	}
	w.out = append(w.out, '[')
	for _, v := range all {
		one(v)
	}
	w.out = append(w.out, ']')
}
