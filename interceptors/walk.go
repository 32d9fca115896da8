package interceptors

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// setField is a field that is present in a message: of explicit presence and
// set, or not its default.
type setField struct {
	protoreflect.FieldDescriptor
	value protoreflect.Value
}

// setFields lists the fields that are present, by number.
func setFields(m protoreflect.Message) []setField {
	set := make([]setField, 0, 8)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		set = append(set, setField{fd, v})
		return true
	})
	slices.SortFunc(set, func(a, b setField) int { return cmp.Compare(a.Number(), b.Number()) })
	return set
}

// sortedKeys lists the keys of a map in the order of their text, which is an
// order like any other: it only has to be the same every time.
func sortedKeys(m protoreflect.Map) []protoreflect.MapKey {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return cmp.Compare(a.String(), b.String()) })
	return keys
}
