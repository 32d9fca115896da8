package interceptors

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// fingerprintVersion is the version that new operations are recorded with. A
// change of the encoding is a new version, beside the old ones, which stay as
// long as records of theirs do.
const fingerprintVersion = 1

// fingerprint computes the fingerprint of a request in a version, which for a
// key in use is the version that was recorded. It refuses a version that this
// program does not know.
//
// Every field of a request is semantic: there is none that two calls with one
// key may disagree on.
func fingerprint(version int, m payment.Method, request proto.Message) (payment.Fingerprint, error) {
	switch version {
	case 1:
		sum := sha256.Sum256(encodeV1(m, request.ProtoReflect()))
		return payment.Fingerprint{Version: version, Sum: hex.EncodeToString(sum[:])}, nil
	}
	return payment.Fingerprint{}, fmt.Errorf("fingerprint version %d is not known here", version)
}

// encodeV1 is version 1 of what is hashed. It is not protobuf's own encoding,
// of which even the deterministic form may change between releases.
//
//	request = length text("acquit-fingerprint-1") · length text(method) · message
//	message = length · { number(4) · value }        present fields only, by number
//	value   = scalar | message | list | map
//	scalar  = 8 bytes for numbers and bools; length bytes for strings and bytes
//	list    = length · count(8) · { value }          in order
//	map     = length · count(8) · { scalar · value } by key
//
// Lengths are 8 bytes and count what follows them; numbers are big endian,
// signed ones sign-extended, floats as IEEE 754 doubles. Absent fields and, where
// the contract does not track presence, defaults contribute nothing.
func encodeV1(m payment.Method, request protoreflect.Message) []byte {
	var e encoder
	e.bytes("acquit-fingerprint-1")
	e.bytes(string(m))
	e.message(request)
	return e.out
}

type encoder struct{ out []byte }

// sized writes the length of what body writes before it.
func (e *encoder) sized(body func()) {
	at := len(e.out)
	e.number(0)
	body()
	binary.BigEndian.PutUint64(e.out[at:], uint64(len(e.out)-at-8))
}

func (e *encoder) number(n uint64) { e.out = binary.BigEndian.AppendUint64(e.out, n) }

func (e *encoder) bytes(s string) {
	e.number(uint64(len(s)))
	e.out = append(e.out, s...)
}

func (e *encoder) message(m protoreflect.Message) {
	e.sized(func() {
		for _, f := range setFields(m) {
			e.out = binary.BigEndian.AppendUint32(e.out, uint32(f.Number()))
			e.field(f)
		}
	})
}

func (e *encoder) field(f setField) {
	switch {
	case f.IsList():
		list := f.value.List()
		e.sized(func() {
			e.number(uint64(list.Len()))
			for i := range list.Len() {
				e.value(f, list.Get(i))
			}
		})
	case f.IsMap():
		entries := f.value.Map()
		e.sized(func() {
			e.number(uint64(entries.Len()))
			for _, k := range sortedKeys(entries) {
				e.value(f.MapKey(), k.Value())
				e.value(f.MapValue(), entries.Get(k))
			}
		})
	default:
		e.value(f, f.value)
	}
}

// value writes one value; a field number has one kind for ever, so kinds of
// different shape need no tag.
func (e *encoder) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		e.message(v.Message())
	case protoreflect.StringKind:
		e.bytes(v.String())
	case protoreflect.BytesKind:
		e.bytes(string(v.Bytes()))
	case protoreflect.BoolKind:
		if v.Bool() {
			e.number(1)
		} else {
			e.number(0)
		}
	case protoreflect.EnumKind:
		e.number(uint64(int64(v.Enum())))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		e.number(math.Float64bits(v.Float()))
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		e.number(v.Uint())
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Sint32Kind, protoreflect.Sint64Kind,
		protoreflect.Sfixed32Kind, protoreflect.Sfixed64Kind:
		e.number(uint64(v.Int()))
	}
}
