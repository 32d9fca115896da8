package server

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Secret says where a secret is kept: "file:PATH" or "env:NAME". It never holds
// the secret itself, so that nothing that prints, logs or encodes a Config can
// show one. The zero value is no secret.
type Secret struct {
	reference string
}

// errInlineSecret is all that is said of a value that is no reference: the value
// may be the secret.
var errInlineSecret = errors.New(`a secret is given as "file:PATH" or "env:NAME", never as the value itself`)

// ParseSecret reads a reference. Its error never repeats what it was given.
func ParseSecret(reference string) (Secret, error) {
	if reference == "" {
		return Secret{}, nil
	}
	kind, name, ok := strings.Cut(reference, ":")
	if !ok || name == "" || (kind != "file" && kind != "env") {
		return Secret{}, errInlineSecret
	}
	return Secret{reference: reference}, nil
}

// IsZero reports whether no secret is named.
func (s Secret) IsZero() bool { return s.reference == "" }

// String is the reference, which may be shown.
func (s Secret) String() string { return s.reference }

// MarshalText writes the reference, so that JSON and slog show no more than that.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.reference), nil }

// Read fetches the secret, without the line ending that editors leave at the end
// of a file. It is empty without error if none is named. Errors name the
// reference and nothing that was read.
func (s Secret) Read(environ Environ) (string, error) {
	if s.IsZero() {
		return "", nil
	}
	kind, name, _ := strings.Cut(s.reference, ":")
	var value string
	if kind == "env" {
		value = environ.Get(name)
	} else {
		raw, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("secret %s: %w", s.reference, err)
		}
		value = strings.TrimRight(string(raw), "\r\n")
	}
	if value == "" {
		return "", fmt.Errorf("secret %s is empty or not set", s.reference)
	}
	return value, nil
}

// Environ is a process environment, as os.Environ gives it.
type Environ []string

// Get is the value of a variable, "" if it is not set; the last one wins.
func (e Environ) Get(name string) string {
	for _, variable := range slices.Backward(e) {
		if key, value, ok := strings.Cut(variable, "="); ok && key == name {
			return value
		}
	}
	return ""
}
