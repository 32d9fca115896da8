package server

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schema is the keys of the configuration, by path. The keys of list items
// carry [] after the list, such as accounts[].name.
type schema map[string]reflect.Type

// schemaOf collects the keys of a struct, sections included.
func schemaOf(t reflect.Type, path string) schema {
	s := schema{}
	for f := range t.Fields() {
		key := join(path, f.Tag.Get("koanf"))
		s[key] = f.Type
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner, key = inner.Elem(), key+"[]"
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[Secret]() {
			maps.Copy(s, schemaOf(inner, key))
		}
	}
	return s
}

// unknown lists the keys of a document that are not in the schema.
func (s schema) unknown(node any, path string) []Problem {
	var problems []Problem
	switch node := node.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(node)) {
			key := join(path, name)
			if t, ok := s[generic(key)]; ok && (section(t) || !nested(node[name])) {
				problems = append(problems, s.unknown(node[name], key)...)
			} else if !ok {
				problems = append(problems, Problem{Key: key, Message: "unknown key" + s.suggestion(key)})
			}
		}
	case []any:
		for i, item := range node {
			problems = append(problems, s.unknown(item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return problems
}

// variable finds the key that an environment variable sets and reads its value
// as the key's type. A key of "" sets nothing.
func (s schema) variable(name, value string) (string, any, *Problem) {
	if name == faultVariable {
		return "", nil, checkFaultVariable(value)
	}
	key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "__", ".")
	t, ok := s[key]
	if !ok || section(t) {
		return "", nil, &Problem{Key: name, Message: "sets no key" + s.suggestion(key)}
	}
	parsed, err := parse(t, value)
	if err != nil {
		return "", nil, &Problem{Key: name, Message: err.Error()}
	}
	return key, parsed, nil
}

// parse reads the text of an environment variable as what YAML would have given.
func parse(t reflect.Type, text string) (any, error) {
	switch {
	case t.Kind() == reflect.Slice:
		list := []any{}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list, nil
	case t == reflect.TypeFor[time.Duration](), t.Kind() == reflect.String, t == reflect.TypeFor[Secret]():
		return text, nil
	case t.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return text == "true", nil
	case t.Kind() == reflect.Float64:
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", text)
		}
		return number, nil
	default:
		number, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", text)
		}
		return number, nil
	}
}

// suggestion names the key that was probably meant, if one is near enough.
func (s schema) suggestion(key string) string {
	best, nearest := "", 1+max(2, len(key)/3)
	for _, known := range slices.Sorted(maps.Keys(s)) {
		if d := distance(generic(key), known); d < nearest {
			best, nearest = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance is the number of single-character edits between two keys.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// section reports whether a key holds other keys.
func section(t reflect.Type) bool {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Secret]()
}

// nested reports whether a value has keys of its own.
func nested(node any) bool {
	_, ok := node.(map[string]any)
	return ok
}

// generic replaces the indexes of list items: accounts[2].name is accounts[].name.
func generic(key string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(key, "[")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		out.WriteString("[]")
		_, key, _ = strings.Cut(rest, "]")
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
