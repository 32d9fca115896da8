package payment

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Identifiers are distinct types, so that one is never passed for another.
type (
	// TenantID names the authenticated caller's tenant. It never comes from a
	// request body.
	TenantID string
	// ID is the id of a payment: a UUIDv7, so ids sort by creation time.
	ID string
	// OperationID is a method's letter followed by the KeyHash: 33 characters.
	OperationID string
	// ReferenceID is what acquit calls an operation towards providers, logs and
	// callers. It is derived from (tenant, method, key), the same on every
	// retry, and at most 32 characters of [A-Z2-7].
	ReferenceID string
	// MerchantReference is the caller's own name for the payment.
	MerchantReference string
	// ProviderReference is the provider's id of the object an attempt made.
	ProviderReference string
	// IdempotencyKey is the caller's key: 1 to 128 printable ASCII characters.
	// It is never stored or logged in the clear; see KeyHash.
	IdempotencyKey string
	// KeyHash stands for (tenant, method, key) in record names: 32 hex characters.
	KeyHash string
	// ProviderKey is the idempotency key sent to a provider: 32 lower-case hex
	// characters. It is secret: whoever guesses it may read responses.
	ProviderKey string
	// AccountName is the configured name of a provider account.
	AccountName string
	// BootID names one process life.
	BootID string
	// StepName names a request of an attempt that has a key of its own.
	StepName string
)

// StepMain is the request that an attempt exists for.
const StepMain StepName = "main"

// StepLook stands for the main request of an operation that sends none: it looks at
// what the provider has done already. It has neither key nor bytes.
const StepLook StepName = "look"

// StepCancel is the n-th request, from 1, that cancels an authorization whose
// outcome is unknown. Each has a provider key of its own.
func StepCancel(n int) StepName { return StepName(fmt.Sprintf("%s%d", cancelPrefix, n)) }

const cancelPrefix = "cancel-"

// Fence reports whether the step is a StepCancel.
func (s StepName) Fence() bool { return strings.HasPrefix(string(s), cancelPrefix) }

// Method is one verb of the API that has an effect at a provider.
type Method string

// The methods. Their letters (see OperationID) never change.
const (
	MethodAuthorize Method = "authorize"
	MethodCapture   Method = "capture"
	MethodRefund    Method = "refund"
	MethodVoid      Method = "void"
	MethodComplete  Method = "complete"
)

// letters maps a method to the first character of its operations' ids.
func (m Method) letter() string {
	switch m {
	case MethodAuthorize:
		return "a"
	case MethodCapture:
		return "c"
	case MethodRefund:
		return "r"
	case MethodVoid:
		return "v"
	case MethodComplete:
		return "t"
	}
	return "?"
}

// methodOf is the inverse of letter.
func methodOf(letter string) (Method, bool) {
	for _, m := range []Method{MethodAuthorize, MethodCapture, MethodRefund, MethodVoid, MethodComplete} {
		if m.letter() == letter {
			return m, true
		}
	}
	return "", false
}

// OperationKey locates an operation in a ledger: the tenant that owns it and
// the operation's id, which carries the method and the key's hash.
type OperationKey struct {
	Tenant TenantID    `json:"tenant"`
	ID     OperationID `json:"id"`
}

// Method is the verb that the id stands for; "" if the id is malformed.
func (k OperationKey) Method() Method {
	if len(k.ID) == 0 {
		return ""
	}
	m, _ := methodOf(string(k.ID[:1]))
	return m
}

// Hash is the part of the id that stands for (tenant, method, key).
func (k OperationKey) Hash() KeyHash {
	if len(k.ID) == 0 {
		return ""
	}
	return KeyHash(k.ID[1:])
}

// Nobody stands in the names of records for the tenant of what belongs to none.
// It is no tenant's name.
const Nobody = "_"

// Validate reports whether the tenant can be part of a record's name.
func (t TenantID) Validate() error {
	if t == "" || t == Nobody || strings.ContainsAny(string(t), "/\x00") {
		return fmt.Errorf("tenant %q cannot name a record", string(t))
	}
	return nil
}

// Validate reports whether the key can name a record: a tenant and a well-formed id.
func (k OperationKey) Validate() error {
	if err := k.Tenant.Validate(); err != nil {
		return fmt.Errorf("operation key: %w", err)
	}
	if k.Method() == "" {
		return fmt.Errorf("operation key: id %q has no known method", k.ID)
	}
	hash := string(k.Hash())
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != 16 || hash != strings.ToLower(hash) {
		return fmt.Errorf("operation key: id %q has no key hash", k.ID)
	}
	return nil
}

// Call is one keyed call as the interceptors understood it: who calls what,
// under which key, with which payload.
type Call struct {
	Tenant      TenantID
	Method      Method
	Key         IdempotencyKey
	Fingerprint Fingerprint
	Reference   ReferenceID
}

// OperationKey names the operation that the call is about.
func (c Call) OperationKey() OperationKey {
	return OperationKey{Tenant: c.Tenant, ID: OperationID(c.Method.letter() + string(HashKey(c.Tenant, c.Method, c.Key)))}
}

// Fingerprint says what a request asked for, so that a key cannot be used for
// two different requests.
type Fingerprint struct {
	// Version of the encoding that was hashed.
	Version int `json:"version"`
	// Sum is the hex SHA-256 of that encoding.
	Sum string `json:"sum"`
}

// Equal compares in constant time. Fingerprints of different versions are
// never equal: the caller computes its own in the stored version first.
func (f Fingerprint) Equal(other Fingerprint) bool {
	return f.Version == other.Version && subtle.ConstantTimeCompare([]byte(f.Sum), []byte(other.Sum)) == 1
}

// HashKey is the first 32 hex characters of SHA-256 over the length-prefixed
// tenant, method and key.
func HashKey(t TenantID, m Method, k IdempotencyKey) KeyHash {
	return KeyHash(hex.EncodeToString(digest("acquit-key-1", string(t), string(m), string(k)))[:32])
}

// DeriveReference derives the reference id of a keyed call. It is not secret:
// it is shown to callers and sent to providers as our reference.
func DeriveReference(t TenantID, m Method, k IdempotencyKey) ReferenceID {
	sum := digest("acquit-reference-1", string(t), string(m), string(k))
	return ReferenceID(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15]))
}

// digest is SHA-256 over length-prefixed parts, so that no two lists of parts
// have the same encoding.
func digest(parts ...string) []byte {
	h := sha256.New()
	WriteParts(h, parts...)
	return h.Sum(nil)
}

// WriteParts writes each part with its length before it (8 bytes, big endian):
// the one encoding that acquit hashes and authenticates lists of strings in.
func WriteParts(h hash.Hash, parts ...string) {
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
}
