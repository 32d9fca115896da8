package amazonpay

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/acquitpay/acquit/providers"
)

// Algorithm is how a request is signed: RSASSA-PSS over SHA-256, with a salt of
// one length or another.
type Algorithm string

// The algorithms, by the names that Amazon gives them.
const (
	AlgorithmV1 Algorithm = "AMZN-PAY-RSASSA-PSS"
	AlgorithmV2 Algorithm = "AMZN-PAY-RSASSA-PSS-V2"
)

// salt is the length of the salt in bytes; 0 for what is no algorithm.
func (a Algorithm) salt() int {
	switch a {
	case AlgorithmV1:
		return 20
	case AlgorithmV2:
		return 32
	}
	return 0
}

// Sign implements providers.Driver. It adds the date, the host and the signature,
// which is over everything that is sent but the transport's own headers.
func (d *Driver) Sign(_ context.Context, r *http.Request) error {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	r.Header.Set("X-Amz-Pay-Date", d.cfg.Now().UTC().Format("20060102T150405Z"))
	r.Header.Set("X-Amz-Pay-Host", r.URL.Host)
	canonical, names := canonicalRequest(r, body)
	digest := sha256.Sum256([]byte(stringToSign(d.cfg.Algorithm, canonical)))
	signature, err := rsa.SignPSS(rand.Reader, d.key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: d.cfg.Algorithm.salt(), Hash: crypto.SHA256})
	if err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	r.Header.Set("Authorization", fmt.Sprintf("%s PublicKeyId=%s, SignedHeaders=%s, Signature=%s",
		d.cfg.Algorithm, d.keyID, names, base64.StdEncoding.EncodeToString(signature)))
	return nil
}

// bodyOf reads a copy of the body, which stays as it is.
func bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.GetBody == nil {
		return nil, errors.New("the body can be read only once, so it cannot be signed")
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, fmt.Errorf("copy the body: %w", err)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return raw, nil
}

// canonicalRequest is what a signature is about, and the names of the headers in
// it: method, path, query, each header on a line, those names, and a hash of the body.
func canonicalRequest(r *http.Request, body []byte) (text, names string) {
	path := "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	var headers strings.Builder
	lower := map[string]string{}
	for name, values := range r.Header {
		lower[strings.ToLower(name)] = strings.TrimSpace(strings.Join(values, " "))
	}
	sorted := slices.Sorted(maps.Keys(lower))
	for _, name := range sorted {
		headers.WriteString(name + ":" + lower[name] + "\n")
	}
	hash := sha256.Sum256(body)
	names = strings.Join(sorted, ";")
	return strings.Join([]string{r.Method, path, query, headers.String(), names, hex.EncodeToString(hash[:])}, "\n"), names
}

func stringToSign(a Algorithm, canonical string) string {
	hash := sha256.Sum256([]byte(canonical))
	return string(a) + "\n" + hex.EncodeToString(hash[:])
}

// readCredential takes a credential apart. Its errors never repeat it.
func readCredential(s providers.Secret, live bool) (id string, key *rsa.PrivateKey, err error) {
	prefix := "SANDBOX-"
	if live {
		prefix = "LIVE-"
	}
	id, text, _ := strings.Cut(strings.TrimSpace(string(s)), "\n")
	id = strings.TrimSpace(id)
	suffix, ours := strings.CutPrefix(id, prefix)
	if !ours || suffix == "" || strings.Trim(suffix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return "", nil, fmt.Errorf("its first line is the id of a public key that begins with %s; this one may be of the other environment", prefix)
	}
	block, _ := pem.Decode([]byte(strings.TrimSpace(text)))
	if block == nil {
		return "", nil, errors.New("the lines after the first are a private key in PEM")
	}
	if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return id, key, nil
	}
	other, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ours = other.(*rsa.PrivateKey)
	if err != nil || !ours {
		return "", nil, errors.New("its private key is not one of RSA") // the error itself may quote it
	}
	return id, key, nil
}
