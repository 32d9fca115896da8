package payment_test

import (
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

func methods() []payment.Method {
	return []payment.Method{
		payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid, payment.MethodComplete,
	}
}

// Goal: what names records and what providers and callers know an operation by
// never changes. Method: values computed outside Go.
func TestIDsKnownAnswers(t *testing.T) {
	if got := payment.HashKey("default", payment.MethodAuthorize, "order-1"); got != "52afb37352b0d0c4f62b8d5271491fc2" {
		t.Errorf("HashKey = %s", got)
	}
	if got := payment.DeriveReference("default", payment.MethodAuthorize, "order-1"); got != "WN2PHSQYC2CLBOGEMYQPHBWJ" {
		t.Errorf("DeriveReference = %s", got)
	}
	letters := map[payment.Method]string{
		payment.MethodAuthorize: "a", payment.MethodCapture: "c", payment.MethodRefund: "r", payment.MethodVoid: "v", payment.MethodComplete: "t",
	}
	for _, m := range methods() {
		key := payment.Call{Tenant: "default", Method: m, Key: "order-1"}.OperationKey()
		want := payment.OperationID(letters[m] + string(payment.HashKey("default", m, "order-1")))
		if key.ID != want || key.Tenant != "default" || len(key.ID) != 33 {
			t.Errorf("OperationKey of %s = %+v, want id %s", m, key, want)
		}
		if key.Method() != m || key.Hash() != payment.HashKey("default", m, "order-1") {
			t.Errorf("%s reads back as %s %s", key.ID, key.Method(), key.Hash())
		}
		if err := key.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v", key, err)
		}
	}
}

// Goal: two calls share an id only if tenant, method and key are the same;
// text cannot move from one to the next.
func TestIDsDiffer(t *testing.T) {
	legal := regexp.MustCompile(`^[A-Z2-7]{1,32}$`)
	seen := map[string]bool{}
	for _, c := range []payment.Call{
		{Tenant: "t", Method: "authorize", Key: "k"},
		{Tenant: "u", Method: "authorize", Key: "k"},
		{Tenant: "t", Method: "refund", Key: "k"},
		{Tenant: "t", Method: "authorize", Key: "l"},
		{Tenant: "ta", Method: "uthorize", Key: "k"},
		{Tenant: "t", Method: "authorizek", Key: ""},
		{Tenant: "", Method: "tauthorize", Key: "k"},
		{Tenant: "t", Method: "authorize", Key: "k\x00"},
	} {
		hash := string(payment.HashKey(c.Tenant, c.Method, c.Key))
		reference := string(payment.DeriveReference(c.Tenant, c.Method, c.Key))
		if seen[hash] || seen[reference] {
			t.Errorf("%+v shares an id with another call", c)
		}
		seen[hash], seen[reference] = true, true
		if !legal.MatchString(reference) {
			t.Errorf("reference %q is not what every provider takes", reference)
		}
	}
}

func TestOperationKeyValidate(t *testing.T) {
	const hash = "52afb37352b0d0c4f62b8d5271491fc2"
	for name, k := range map[string]payment.OperationKey{
		"zero":             {},
		"no tenant":        {ID: "a" + hash},
		"tenant is a path": {Tenant: "a/b", ID: "a" + hash},
		"tenant with NUL":  {Tenant: "a\x00", ID: "a" + hash},
		"nobody's":         {Tenant: payment.Nobody, ID: "a" + hash},
		"no id":            {Tenant: "t"},
		"unknown method":   {Tenant: "t", ID: "x" + hash},
		"upper case":       {Tenant: "t", ID: payment.OperationID("a" + strings.ToUpper(hash))},
		"too short":        {Tenant: "t", ID: payment.OperationID("a" + hash[:30])},
		"too long":         {Tenant: "t", ID: "a" + hash + "00"},
		"not hex":          {Tenant: "t", ID: payment.OperationID("a" + strings.Repeat("g", 32))},
		"a path":           {Tenant: "t", ID: payment.OperationID("a" + hash[:31] + "/")},
	} {
		if err := k.Validate(); err == nil {
			t.Errorf("%s: %+v can name a record", name, k)
		}
		_, _ = k.Method(), k.Hash() // never panic
	}
}

func TestFingerprintEqual(t *testing.T) {
	f := payment.Fingerprint{Version: 1, Sum: "abc"}
	for name, c := range map[string]struct {
		other payment.Fingerprint
		want  bool
	}{
		"the same":        {payment.Fingerprint{Version: 1, Sum: "abc"}, true},
		"another sum":     {payment.Fingerprint{Version: 1, Sum: "abd"}, false},
		"a longer sum":    {payment.Fingerprint{Version: 1, Sum: "abcd"}, false},
		"no sum":          {payment.Fingerprint{Version: 1}, false},
		"another version": {payment.Fingerprint{Version: 2, Sum: "abc"}, false},
	} {
		if got := f.Equal(c.other); got != c.want {
			t.Errorf("%s: Equal = %t", name, got)
		}
	}
}

// Goal: no two lists of parts are written alike.
func TestWritePartsIsInjective(t *testing.T) {
	seen := map[[32]byte]int{}
	for i, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a", "", "b"}, {"\x00\x00\x00\x00\x00\x00\x00\x01b"}} {
		h := sha256.New()
		payment.WriteParts(h, parts...)
		sum := [32]byte(h.Sum(nil))
		if other, taken := seen[sum]; taken {
			t.Errorf("lists %d and %d are written alike", i, other)
		}
		seen[sum] = i
	}
}
