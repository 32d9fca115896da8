package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// fixed is a ring whose version 1 is the bytes 0 to 31, and whose version 2,
// the active one unless only has it, is 32 bytes of 0xA5.
func fixed(tb testing.TB, only ...int) *Ring {
	tb.Helper()
	all := map[int][]byte{1: make([]byte, 32), 2: bytes.Repeat([]byte{0xA5}, 32), 3: bytes.Repeat([]byte{0x3C}, 48)}
	for i := range all[1] {
		all[1][i] = byte(i)
	}
	versions, active := map[int][]byte{}, 0
	for _, v := range only {
		versions[v], active = all[v], max(active, v)
	}
	r, err := newRing(active, versions)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// plainHMAC is HMAC-SHA256 written out from RFC 2104, for keys of up to 64 bytes.
func plainHMAC(key []byte, message string) []byte {
	inner, outer := bytes.Repeat([]byte{0x36}, 64), bytes.Repeat([]byte{0x5c}, 64)
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	first := sha256.Sum256(append(inner, message...))
	second := sha256.Sum256(append(outer, first[:]...))
	return second[:]
}

// prefixed writes the parts with their lengths, each in 8 bytes, big endian.
func prefixed(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		for shift := 56; shift >= 0; shift -= 8 {
			b.WriteByte(byte(len(p) >> shift))
		}
		b.WriteString(p)
	}
	return b.String()
}

// Goal: provider keys are what is documented, to the bit and for ever: a change
// here means a second effect for every operation that is in flight. Method:
// values computed outside Go, and the definition written out once more.
//
// Shows R14 and R21.
func TestProviderKeyKnownAnswers(t *testing.T) {
	r := fixed(t, 1)
	for _, c := range []struct {
		tenant  payment.TenantID
		method  payment.Method
		key     payment.IdempotencyKey
		account payment.AccountName
		step    payment.StepName
		want    payment.ProviderKey
	}{
		{"default", payment.MethodAuthorize, "order-1", "sandbox", payment.StepMain, "bb4a75a20b919787d468763bbc38478c"},
		{"default", payment.MethodAuthorize, "order-1", "sandbox", "cancel", "0af1da18c70d8e5bc20e0280cb0ab17e"},
		{"d", "éauthorize", "", "sandbox", payment.StepMain, "2d505159356f7cad1991f0109e8a3b50"},
	} {
		got, version := r.ProviderKey(c.tenant, c.method, c.key, c.account, c.step)
		if got != c.want || version != 1 {
			t.Errorf("ProviderKey(%s, %s, %s, %s, %s) = %s of version %d, want %s of version 1", c.tenant, c.method, c.key, c.account, c.step, got, version, c.want)
		}
		mac := plainHMAC(r.keys().versions[1].k, prefixed("acquit1", string(c.tenant), string(c.method), string(c.key), string(c.account), string(c.step)))
		if written := payment.ProviderKey(hex.EncodeToString(mac)[:32]); got != written {
			t.Errorf("ProviderKey = %s, the definition written out gives %s", got, written)
		}
	}
}

// Goal: every argument and the version make another key, and text cannot move
// from one argument to the next.
//
// Shows R2 and R18.
func TestProviderKeysDiffer(t *testing.T) {
	legal := regexp.MustCompile(`^[0-9a-f]{32}$`)
	type question struct {
		ring    *Ring
		tenant  payment.TenantID
		method  payment.Method
		key     payment.IdempotencyKey
		account payment.AccountName
		step    payment.StepName
	}
	r := fixed(t, 1)
	seen := map[payment.ProviderKey]question{}
	for _, q := range []question{
		{r, "t", "authorize", "k", "a", "main"},
		{fixed(t, 1, 2), "t", "authorize", "k", "a", "main"},
		{r, "u", "authorize", "k", "a", "main"},
		{r, "t", "refund", "k", "a", "main"},
		{r, "t", "authorize", "l", "a", "main"},
		{r, "t", "authorize", "k", "b", "main"},
		{r, "t", "authorize", "k", "a", "cancel"},
		{r, "ta", "uthorize", "k", "a", "main"},
		{r, "t", "authorizek", "", "a", "main"},
		{r, "t", "authorize", "ka", "", "main"},
		{r, "t", "authorize", "k", "am", "ain"},
	} {
		got, _ := q.ring.ProviderKey(q.tenant, q.method, q.key, q.account, q.step)
		if !legal.MatchString(string(got)) {
			t.Errorf("%+v: key %q is not 32 lower-case hex characters", q, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%+v and %+v have the same key", q, other)
		}
		seen[got] = q
	}
	if _, version := fixed(t, 1, 2).ProviderKey("t", "m", "k", "a", "s"); version != 2 {
		t.Errorf("the key is of version %d, want the active one, 2", version)
	}
}

// Goal: no formatting of a ring, however deep it sits, shows a byte of it.
//
// Shows R21.
func TestNothingShowsTheSecret(t *testing.T) {
	r := fixed(t, 1, 2)
	type holder struct {
		Ring    *Ring
		Value   Ring
		private *Ring
		hidden  Ring
	}
	var out bytes.Buffer
	for _, v := range []any{r, *r, holder{r, *r, r, *r}, &holder{r, *r, r, *r}, []*Ring{r}, map[string]Ring{"r": *r}, Ring{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
		slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(t.Context(), "ring", "ring", v)
		slog.New(slog.NewTextHandler(&out, nil)).InfoContext(t.Context(), "ring", "ring", v)
	}
	if !strings.Contains(out.String(), "keyring(versions 1 2, active 2)") {
		t.Errorf("a ring does not say which versions it has:\n%s", out.String())
	}
	assertNoSecret(t, out.String())
	if encoded, err := json.Marshal(r); err != nil || string(encoded) != `"`+r.String()+`"` {
		t.Errorf("JSON is %s, %v, want what String says", encoded, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, r) + fmt.Sprintf(verb, *r); got != r.String()+r.String() {
			t.Errorf("%s prints %q, want what String says", verb, got)
		}
	}
}

// assertNoSecret looks for the fixed ring's versions in every spelling that a
// formatter has for bytes.
func assertNoSecret(t *testing.T, text string) {
	t.Helper()
	r := fixed(t, 1, 2, 3)
	for v, s := range r.keys().versions {
		for _, k := range [][]byte{s.k, s.seal} {
			part := k[5:13]
			var decimal, literal []string
			for _, b := range part {
				decimal, literal = append(decimal, strconv.Itoa(int(b))), append(literal, fmt.Sprintf("0x%x", b))
			}
			for _, spelling := range []string{
				string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)), strings.Join(literal, ", "),
				strings.Join(decimal, " "), strings.Join(decimal, ","), base64.StdEncoding.EncodeToString(k)[4:20],
			} {
				if strings.Contains(text, spelling) {
					t.Errorf("version %d shows as %q in:\n%s", v, spelling, text)
				}
			}
		}
	}
}

func TestGenerateIsRandom(t *testing.T) {
	a, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.keys().versions[1].k, b.keys().versions[1].k) || len(a.keys().versions[1].k) != 32 {
		t.Error("two generated keys are the same, or not 32 bytes long")
	}
}
