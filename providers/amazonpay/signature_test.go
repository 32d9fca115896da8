package amazonpay_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
)

// Goal: Amazon can verify what the driver signs, in either algorithm. Method: a
// request on a fixed date; what is to be signed is written out here by hand, and the
// signature is verified with the public key and the exact length of the salt.
func TestSignature(t *testing.T) {
	block, _ := pem.Decode([]byte(amazonpaytest.PublicKey()))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2018, 5, 24, 22, 37, 10, 0, time.FixedZone("elsewhere", 7200))
	for algorithm, salt := range map[amazonpay.Algorithm]int{amazonpay.AlgorithmV1: 20, amazonpay.AlgorithmV2: 32, "": 32} {
		d := driver(t, func(c *amazonpay.Config) { c.Algorithm, c.Now = algorithm, func() time.Time { return at } })
		built, err := d.Build(amazonpaytest.Send(payment.MethodVoid))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), built.Method, "https://pay-api.amazon.eu"+built.Path, bytes.NewReader(built.Body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = built.Header
		if err := d.Sign(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if algorithm == "" {
			algorithm = amazonpay.AlgorithmV2
		}
		m := regexp.MustCompile(`^(\S+) PublicKeyId=(\S+), SignedHeaders=(\S+), Signature=(\S+)$`).FindStringSubmatch(r.Header.Get("Authorization"))
		if m == nil || m[1] != string(algorithm) || m[2] != amazonpaytest.PublicKeyID {
			t.Fatalf("authorization %q", r.Header.Get("Authorization"))
		}
		canonical := strings.Join([]string{
			"DELETE", "/v2/charges/S01-1234567-1234567-C000001/cancel", "",
			"accept:application/json", "content-type:application/json", "x-amz-pay-date:20180524T203710Z", "x-amz-pay-host:pay-api.amazon.eu",
			"x-amz-pay-idempotency-key:fedcba9876543210fedcba9876543210", "x-amz-pay-region:eu", "", m[3], hexOf(string(built.Body)),
		}, "\n")
		digest := sha256.Sum256([]byte(string(algorithm) + "\n" + hexOf(canonical)))
		signature, err := base64.StdEncoding.DecodeString(m[4])
		if err != nil {
			t.Fatal(err)
		}
		key, ok := parsed.(*rsa.PublicKey)
		if !ok {
			t.Fatalf("a public key of type %T", parsed)
		}
		if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: salt}); err != nil {
			t.Errorf("%s with a salt of %d: %v", algorithm, salt, err)
		}
		if m[3] != "accept;content-type;x-amz-pay-date;x-amz-pay-host;x-amz-pay-idempotency-key;x-amz-pay-region" {
			t.Errorf("signed headers %s", m[3])
		}
	}
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
