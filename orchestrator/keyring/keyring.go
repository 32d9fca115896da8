// Package keyring holds the deployment's key K: what provider keys are derived
// from, and what stored requests are sealed with.
//
// It guarantees that the same operation, account and step always give the same
// provider key (so that a ledger restored from an older snapshot asks for the
// same effect again, not for a second one); that a ledger is never used with a
// K that is not its own (Verify); that a sealed request opens only for the
// operation it was sealed for; and that no secret shows in an error, in a log
// or in any formatting of a Ring.
//
// It does not rotate K by itself, and it cannot help if both the ledger and K
// are lost: whatever was in flight then is deduplicated by nobody. K is backed
// up like the ledger, and not beside it.
//
// K has versions, each at least 32 random bytes. The active one derives and
// seals; the others only open what they sealed. To replace K without an
// interruption, add the new version to the file of every process first, with
// the old one still active, and make it active when all of them hold it.
//
// Sources: HMAC (RFC 2104), HKDF (RFC 5869), AES-GCM (NIST SP 800-38D).
package keyring

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// minSecret is the least length of a version of K, in bytes.
	minSecret = 32
	// maxVersion is the highest version: it is one byte in a sealed request.
	maxVersion = 255
)

// Ring is a set of versions of K. It is immutable and safe for concurrent use.
// Get one from Generate, ParseRing, LoadFile or OpenOrCreate; the zero Ring
// holds no key and must not be used.
type Ring struct {
	// keys is a function so that nothing can walk into it: methods such as Format
	// are not asked about unexported fields of others, and fmt then follows
	// pointers, for a verb that does not fit even below the top.
	keys func() *keyset
}

type keyset struct {
	active   int
	versions map[int]secret
}

// secret is one version of K with what is derived from it once.
type secret struct {
	k    []byte
	seal []byte // HKDF's pseudorandom key, from which the keys that seal are expanded
}

// Generate makes a ring with one random version.
func Generate() (*Ring, error) {
	k := make([]byte, minSecret)
	if _, err := rand.Read(k); err != nil {
		return nil, fmt.Errorf("keyring: no randomness: %w", err)
	}
	return newRing(1, map[int][]byte{1: k})
}

// newRing checks the versions and derives what they need.
func newRing(active int, versions map[int][]byte) (*Ring, error) {
	if len(versions) == 0 {
		return nil, errors.New("keyring: no key; expected a line such as 1:BASE64, made by: openssl rand -base64 32")
	}
	if _, ok := versions[active]; !ok {
		return nil, fmt.Errorf("keyring: version %d is to be active but is not there", active)
	}
	set := &keyset{active: active, versions: make(map[int]secret, len(versions))}
	for v, k := range versions {
		if v < 1 || v > maxVersion {
			return nil, fmt.Errorf("keyring: version %d, want 1 to %d", v, maxVersion)
		}
		if len(k) < minSecret {
			return nil, fmt.Errorf("keyring: version %d has %d bytes, want at least %d", v, len(k), minSecret)
		}
		seal, err := hkdf.Extract(sha256.New, k, nil)
		if err != nil {
			return nil, fmt.Errorf("keyring: version %d: %w", v, err)
		}
		set.versions[v] = secret{k: slices.Clone(k), seal: seal}
	}
	return &Ring{keys: func() *keyset { return set }}, nil
}

// ProviderKey derives the idempotency key that a step of an attempt is sent
// under, and names the version of K it comes from. It is 32 lower-case hex
// characters, the same for ever for the same arguments and version:
//
//	hex(HMAC-SHA256(K, "acquit1" | tenant | method | key | account | step))[:32]
//
// with each part preceded by its length. It is secret: whoever guesses it may
// read responses at the provider.
func (r Ring) ProviderKey(
	t payment.TenantID, m payment.Method, k payment.IdempotencyKey, account payment.AccountName, step payment.StepName,
) (payment.ProviderKey, int) {
	mac := hmac.New(sha256.New, r.keys().versions[r.keys().active].k)
	payment.WriteParts(mac, "acquit1", string(t), string(m), string(k), string(account), string(step))
	return payment.ProviderKey(hex.EncodeToString(mac.Sum(nil))[:32]), r.keys().active
}

// Active is the version that derives and seals.
func (r Ring) Active() int { return r.keys().active }

// Versions lists the versions, lowest first.
func (r Ring) Versions() []int { return slices.Sorted(maps.Keys(r.keys().versions)) }

// String names the versions and shows nothing of them.
func (r Ring) String() string {
	if r.keys == nil {
		return "keyring(empty)"
	}
	var names []string
	for _, v := range r.Versions() {
		names = append(names, fmt.Sprint(v))
	}
	return fmt.Sprintf("keyring(versions %s, active %d)", strings.Join(names, " "), r.keys().active)
}

// Format makes every verb of fmt print what String says.
func (r Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText makes encodings, JSON and logs among them, hold what String says.
func (r Ring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
