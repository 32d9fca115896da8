package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// ErrSealed says that a sealed request cannot be opened: it is damaged, was
// sealed for another operation, or with a version of K that is not here.
var ErrSealed = errors.New("the sealed request cannot be opened")

// Seal encrypts what must be kept to send an operation's request again.
//
// The result is the version of K (1 byte), a random nonce (12 bytes), the
// ciphertext of AES-256-GCM and its tag (16 bytes). The operation's tenant and
// key hash are authenticated with it. Each operation has an encryption key of
// its own, so that random nonces never meet however many operations there are.
func (r Ring) Seal(plain []byte, op payment.OperationKey) ([]byte, error) {
	if err := op.Validate(); err != nil {
		return nil, fmt.Errorf("keyring: seal: %w", err)
	}
	aead, err := r.aead(r.keys().active, op)
	if err != nil {
		return nil, fmt.Errorf("keyring: seal: %w", err)
	}
	return aead.Seal([]byte{byte(r.keys().active)}, nil, plain, bound(op)), nil //nolint:gosec // G407: this cipher makes its own random nonce and takes none
}

// Open decrypts what Seal made for the same operation, by any version of K in
// the ring. Errors: ErrSealed, which says what is wrong and shows no content.
func (r Ring) Open(sealed []byte, op payment.OperationKey) ([]byte, error) {
	if err := op.Validate(); err != nil {
		return nil, fmt.Errorf("keyring: %w: %w", ErrSealed, err)
	}
	if len(sealed) == 0 {
		return nil, fmt.Errorf("keyring: %w: it is empty", ErrSealed)
	}
	version := int(sealed[0])
	if _, ok := r.keys().versions[version]; !ok {
		return nil, fmt.Errorf("keyring: %w: version %d of the key is not in the ring", ErrSealed, version)
	}
	aead, err := r.aead(version, op)
	if err != nil {
		return nil, fmt.Errorf("keyring: open: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed[1:], bound(op))
	if err != nil {
		return nil, fmt.Errorf("keyring: %w: it is damaged or belongs to another operation", ErrSealed)
	}
	return plain, nil
}

// aead is the cipher of one operation under one version of K. It makes and
// reads the nonce by itself.
func (r Ring) aead(version int, op payment.OperationKey) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, r.keys().versions[version].seal, "acquit seal"+string(bound(op)), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is what ties a sealed request to its operation: tenant and key hash,
// each preceded by its length.
func bound(op payment.OperationKey) []byte {
	var b []byte
	for _, part := range []string{string(op.Tenant), string(op.Hash())} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}
