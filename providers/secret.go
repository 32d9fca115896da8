package providers

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

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

// secretsOf lists what of an exchange nobody is to read in the answer to it, the
// longest first: what signing added, the provider key, and the payer's tokens.
// What is too short to be a secret is left out, since words would be cut up.
func secretsOf(s payment.Send, r Request, signed *http.Request) []string {
	const shortest = 8
	secrets := []string{string(s.Key), string(r.Key)} // the driver may have spelled it differently
	for name, values := range signed.Header {
		if _, built := r.Header[name]; built {
			continue
		}
		for _, v := range values {
			secrets = append(secrets, v, v[strings.LastIndexByte(v, ' ')+1:])
		}
	}
	for _, token := range s.Instruction.Tokens {
		secrets = append(secrets, token.StoredID)
	}
	secrets = slices.DeleteFunc(secrets, func(v string) bool { return len(v) < shortest })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// without is text with the secrets blanked.
func without(text string, secrets []string) string {
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}
