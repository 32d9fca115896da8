package truelayer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// version is that of TrueLayer's way to sign requests and webhooks.
const version = "2"

// coordinate is how many bytes a number of a signature or a key on P-521 has.
const coordinate = 66

// jwsHeader is what a Tl-Signature says about itself. The order of the fields is what
// is signed, so it stays.
type jwsHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Version   string `json:"tl_version"`
	Headers   string `json:"tl_headers"`
	KeySet    string `json:"jku,omitempty"` // of webhooks
}

// Sign implements providers.Driver. Every request carries an access token; one that
// has an effect is signed as well, with its key.
func (d *Driver) Sign(ctx context.Context, r *http.Request) error {
	if d.cfg.Tokens == nil {
		return errors.New("nothing gets access tokens")
	}
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	token, err := d.cfg.Tokens.Token(ctx, "https://"+TokenHost(d.cfg.Live)+"/connect/token", d.grant)
	if err != nil {
		return fmt.Errorf("get an access token: %w", err)
	}
	r.Header.Set("Authorization", bearer+token)
	if r.Method == http.MethodGet {
		return nil
	}
	signature, err := d.signature(r, body)
	if err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	r.Header.Set("Tl-Signature", signature)
	return nil
}

const bearer = "Bearer "

// Renew implements providers.Renewer. A signature that was refused says nothing about
// the token beside it.
func (d *Driver) Renew(a payment.Answer, sent http.Header) {
	token, carried := strings.CutPrefix(sent.Get("Authorization"), bearer)
	if carried && a.HTTPStatus == http.StatusUnauthorized && a.Code == codeUnauthenticated && a.Decline != declineSignature {
		d.cfg.Tokens.Refused(token)
	}
}

// signature is a JWS whose payload is not in it: ES512 over method, path, the key's
// header and the body. The payload is of TrueLayer's making, which libraries for JOSE
// would have to be told byte by byte; what they would add is what stands here.
func (d *Driver) signature(r *http.Request, body []byte) (string, error) {
	const name = "Idempotency-Key"
	raw, err := json.Marshal(jwsHeader{Algorithm: "ES512", KeyID: d.keyID, Version: version, Headers: name})
	if err != nil {
		return "", err
	}
	header := base64.RawURLEncoding.EncodeToString(raw)
	digest := digestOf(header, payload(r.Method, r.URL.RequestURI(), []string{name}, r.Header, body))
	a, b, err := ecdsa.Sign(rand.Reader, d.key, digest)
	if err != nil {
		return "", err
	}
	both := make([]byte, 2*coordinate)
	a.FillBytes(both[:coordinate])
	b.FillBytes(both[coordinate:])
	return header + ".." + base64.RawURLEncoding.EncodeToString(both), nil
}

// payload is what is signed: method and path, the named headers as they are spelled
// in the signature, and the body.
func payload(method, path string, names []string, h http.Header, body []byte) []byte {
	var out strings.Builder
	out.WriteString(strings.ToUpper(method) + " " + path + "\n")
	for _, name := range names {
		out.WriteString(name + ": " + h.Get(name) + "\n")
	}
	out.Write(body)
	return []byte(out.String())
}

// digestOf is what the numbers of a signature are about.
func digestOf(header string, payload []byte) []byte {
	sum := sha512.Sum512([]byte(header + "." + base64.RawURLEncoding.EncodeToString(payload)))
	return sum[:]
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

// readCredential takes the credential apart. Its errors never repeat it.
func (d *Driver) readCredential() error {
	parts := strings.SplitN(strings.TrimSpace(string(d.cfg.Credential)), "\n", 4)
	if len(parts) < 4 {
		return errors.New("it has a line each for the client id, the client secret and the key id, and then the key in PEM")
	}
	for i, part := range parts[:3] {
		if parts[i] = strings.TrimSpace(part); parts[i] == "" || strings.HasPrefix(parts[i], "-----") {
			return fmt.Errorf("its line %d is empty, or begins the key too early", i+1)
		}
	}
	block, _ := pem.Decode([]byte(strings.TrimSpace(parts[3])))
	if block == nil {
		return errors.New("the lines after the third are a private key in PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		other, _ := x509.ParsePKCS8PrivateKey(block.Bytes) // its error may quote the key
		key, _ = other.(*ecdsa.PrivateKey)
	}
	if key == nil || key.Curve != elliptic.P521() {
		return errors.New("its private key is not one of P-521")
	}
	d.keyID, d.key = parts[2], key
	d.grant = url.Values{"grant_type": {"client_credentials"}, "client_id": {parts[0]}, "client_secret": {parts[1]}, "scope": {"payments"}}
	return nil
}

// verified reports whether a signature of two numbers is a key's over a digest.
func verified(key *ecdsa.PublicKey, digest, signature []byte) bool {
	if len(signature) != 2*coordinate {
		return false
	}
	return ecdsa.Verify(key, digest, new(big.Int).SetBytes(signature[:coordinate]), new(big.Int).SetBytes(signature[coordinate:]))
}
