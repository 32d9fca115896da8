package providers

import "log/slog"

// redacted stands for a secret wherever one is printed.
const redacted = "[redacted]"

// Secret is a credential. It shows itself to nobody who prints, logs or
// marshals it; string(s) is the only way to the value.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, and so json.Marshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
