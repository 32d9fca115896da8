package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", nil)
	return a
}

// sign writes NAME.pem and NAME.key; without a signer the certificate is an
// authority's own.
func (a *authority) sign(t *testing.T, name string, signer *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: signer == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.ParseIP("127.0.0.1")},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, by := template, key
	if signer != nil {
		parent, by = signer.cert, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", raw)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// TestTLS: with certificates configured the API and the ops listener let in who
// shows a certificate of the configured authority, and nobody else; the webhook
// listener, whose callers have none, asks for none.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	ours.sign(t, "server", ours)
	ours.sign(t, "client", ours)
	theirs.sign(t, "client", theirs)
	r := start(t, func(c *Config) {
		c.TLS = TLS{Cert: ours.path("server.pem"), Key: ours.path("server.key"), ClientCA: ours.path("ca.pem")}
	})
	for name, c := range map[string]struct {
		flags []string
		code  int
	}{
		"our client":       {[]string{"--tls-ca", ours.path("ca.pem"), "--tls-cert", ours.path("client.pem"), "--tls-key", ours.path("client.key")}, 0},
		"another's client": {[]string{"--tls-ca", ours.path("ca.pem"), "--tls-cert", theirs.path("client.pem"), "--tls-key", theirs.path("client.key")}, 1},
		"no certificate":   {[]string{"--tls-ca", ours.path("ca.pem")}, 1},
		"no TLS":           {nil, 1},
		"another's server": {[]string{"--tls-ca", theirs.path("ca.pem")}, 1},
	} {
		args := append([]string{"authorize", "--addr", r.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--timeout", "5s"}, c.flags...)
		if stdout, stderr, code := command(t, nil, args...); code != c.code {
			t.Errorf("%s: exit code %d: %s%s", name, code, stdout, stderr)
		}
	}
	pair, err := tls.LoadX509KeyPair(ours.path("client.pem"), ours.path("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		addr  string
		certs []tls.Certificate
		want  string
	}{
		"ops with a certificate":   {r.Ops + "/readyz", []tls.Certificate{pair}, "ready"},
		"ops without":              {r.Ops + "/readyz", nil, "refused"},
		"webhooks without":         {r.HTTP + "/", nil, "webhooks are at"},
		"webhooks with one anyway": {r.HTTP + "/", []tls.Certificate{pair}, "webhooks are at"},
	} {
		if got := fetch(t, ours, c.addr, c.certs); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if strings.Contains(r.out.String(), "no authentication") {
		t.Errorf("banner:\n%s", &r.out)
	}
}

// fetch is the body of a page, or "refused".
func fetch(t *testing.T, ca *authority, addr string, certs []tls.Certificate) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certs}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return "refused"
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
