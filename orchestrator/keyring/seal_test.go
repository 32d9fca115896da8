package keyring

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const plain = "pay 10.00 EUR"

func operation() payment.OperationKey {
	return payment.OperationKey{Tenant: "default", ID: "a00112233445566778899aabbccddeeff"}
}

// vector is what an independent implementation (Python's cryptography) sealed
// for operation with version 1 and the nonce 100, 101, … 111.
const vector = "016465666768696a6b6c6d6e6f111df6a88c1ec86b6edc9b8ea2afb21e37443c7249df7ab1290be91462"

func sealed(t *testing.T, r *Ring) []byte {
	t.Helper()
	out, err := r.Seal([]byte(plain), operation())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Goal: what an older build, or any other implementation, sealed stays readable.
func TestOpenKnownAnswer(t *testing.T) {
	raw, err := hex.DecodeString(vector)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fixed(t, 1, 2).Open(raw, operation())
	if err != nil || string(got) != plain {
		t.Errorf("Open = %q, %v; want %q", got, err, plain)
	}
}

// Goal: what one version sealed opens while the ring holds that version,
// whichever is active, and sealing twice gives two different texts.
func TestSealAndOpen(t *testing.T) {
	one := sealed(t, fixed(t, 1))
	both := fixed(t, 1, 2)
	two := sealed(t, both)
	if one[0] != 1 || two[0] != 2 {
		t.Errorf("sealed by versions %d and %d, want 1 and 2", one[0], two[0])
	}
	for _, s := range [][]byte{one, two} {
		if got, err := both.Open(s, operation()); err != nil || string(got) != plain {
			t.Errorf("Open = %q, %v; want %q", got, err, plain)
		}
		if bytes.Contains(s, []byte(plain[:6])) {
			t.Error("the sealed request shows its content")
		}
	}
	if again := sealed(t, both); bytes.Equal(two[1:13], again[1:13]) {
		t.Error("two seals share a nonce")
	}
	if _, err := fixed(t, 1).Open(two, operation()); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("Open without version 2 = %v, want ErrSealed that names the version", err)
	}
	if empty, err := both.Seal(nil, operation()); err != nil {
		t.Errorf("Seal of nothing: %v", err)
	} else if got, err := both.Open(empty, operation()); err != nil || len(got) != 0 {
		t.Errorf("Open of nothing = %q, %v", got, err)
	}
}

// Goal: a sealed request opens for its own operation only, and not after a bit
// of it changed or went missing.
func TestOpenRefuses(t *testing.T) {
	r := fixed(t, 1, 2)
	good := sealed(t, r)
	op := operation()
	for name, other := range map[string]payment.OperationKey{
		"another tenant":          {Tenant: "rival", ID: op.ID},
		"another operation":       {Tenant: op.Tenant, ID: "a10112233445566778899aabbccddeeff"},
		"tenant and hash shifted": {Tenant: "default0", ID: "a0112233445566778899aabbccddeeff"},
		"no tenant":               {ID: op.ID},
		"an id that is none":      {Tenant: op.Tenant, ID: "x"},
		"the zero operation":      {},
	} {
		if got, err := r.Open(good, other); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("%s: Open = %q, %v; want ErrSealed", name, got, err)
		}
	}
	for n := range good {
		if got, err := r.Open(good[:n], op); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("cut to %d bytes: Open = %q, %v; want ErrSealed", n, got, err)
		}
		for bit := range 8 {
			changed := slices.Clone(good)
			changed[n] ^= 1 << bit
			if got, err := r.Open(changed, op); !errors.Is(err, ErrSealed) || got != nil {
				t.Errorf("bit %d of byte %d changed: Open = %q, %v; want ErrSealed", bit, n, got, err)
			}
		}
	}
	if _, err := r.Open(append(slices.Clone(good), 0), op); !errors.Is(err, ErrSealed) {
		t.Errorf("a byte more: Open = %v, want ErrSealed", err)
	}
	if _, err := r.Seal([]byte(plain), payment.OperationKey{Tenant: "default"}); err == nil {
		t.Error("sealed for an operation that has no name")
	}
}

// Goal: whatever is given to Open, it neither panics nor returns anything that
// was not sealed.
func FuzzOpen(f *testing.F) {
	r := fixed(f, 1, 2)
	good, err := hex.DecodeString(vector)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil), "default", "a00112233445566778899aabbccddeeff")
	f.Add(good, "default", "a00112233445566778899aabbccddeeff")
	f.Add(good, "rival", "a00112233445566778899aabbccddeeff")
	f.Add(good[:20], "default", "c00112233445566778899aabbccddeeff")
	f.Add([]byte{1}, "", "")
	f.Fuzz(func(t *testing.T, sealed []byte, tenant, id string) {
		op := payment.OperationKey{Tenant: payment.TenantID(tenant), ID: payment.OperationID(id)}
		got, err := r.Open(sealed, op)
		if err != nil {
			if !errors.Is(err, ErrSealed) || got != nil {
				t.Fatalf("Open = %q, %v; want nothing and ErrSealed", got, err)
			}
			return
		}
		if !bytes.Equal(sealed, good) || string(got) != plain || op.Tenant != "default" || op.Hash() != operation().Hash() {
			t.Fatalf("Open of what nobody sealed = %q", got)
		}
	})
}
