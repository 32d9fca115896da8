package amazonpay

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// publicKey reads a public key in PEM.
func publicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	rsaKey, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("not of RSA")
	}
	return rsaKey, nil
}

// unsigned is the refusal of a request that is not signed as Amazon asks for; ok is
// false if it is. It is written from the description, apart from the driver's own.
func (s *Simulator) unsigned(r *http.Request, body string) (a answer, refused bool) {
	wrong := func(why string) (answer, bool) {
		return refusal(http.StatusForbidden, "InvalidRequestSignature", why), true
	}
	m := regexp.MustCompile(`^(\S+) PublicKeyId=([A-Z0-9-]+), SignedHeaders=([a-z0-9;-]+), Signature=(\S+)$`).FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return refusal(http.StatusUnauthorized, "UnauthorizedAccess", "The Authorization header is missing or malformed."), true
	}
	key, salt := s.keys[m[2]], map[string]int{"AMZN-PAY-RSASSA-PSS": 20, "AMZN-PAY-RSASSA-PSS-V2": 32}[m[1]]
	if key == nil {
		return refusal(http.StatusForbidden, "InvalidAuthentication", "The public key id is not known."), true
	}
	names := strings.Split(m[3], ";")
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-pay-") && !slices.Contains(names, lower) {
			return wrong(lower + " is not signed")
		}
	}
	if r.Header.Get("X-Amz-Pay-Host") != r.Host || r.Header.Get("X-Amz-Pay-Date") == "" || r.Header.Get("X-Amz-Pay-Region") == "" {
		return wrong("the host, the date or the region is missing or another")
	}
	lines := []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery}
	for _, name := range names {
		lines = append(lines, name+":"+r.Header.Get(name))
	}
	lines = append(lines, "", m[3], hash(body))
	digest := sha256.Sum256([]byte(m[1] + "\n" + hash(strings.Join(lines, "\n"))))
	signature, err := base64.StdEncoding.DecodeString(m[4])
	if err != nil || salt == 0 || !slices.IsSorted(names) || rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: salt}) != nil {
		return wrong("the signature is not of this request")
	}
	return answer{}, false
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
