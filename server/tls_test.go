package server

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/test/authority"
)

// TestTLS: with certificates configured the API and the ops listener let in who
// shows a certificate of the configured authority, and nobody else; the webhook
// listener, whose callers have none, asks for none.
func TestTLS(t *testing.T) {
	ours, theirs := authority.New(t), authority.New(t)
	ours.Sign(t, "server")
	ours.Sign(t, "client")
	theirs.Sign(t, "client")
	r := start(t, func(c *Config) {
		c.TLS = TLS{Cert: ours.Path("server.pem"), Key: ours.Path("server.key"), ClientCA: ours.Path("ca.pem")}
	})
	for name, c := range map[string]struct {
		flags []string
		code  int
	}{
		"our client":       {[]string{"--tls-ca", ours.Path("ca.pem"), "--tls-cert", ours.Path("client.pem"), "--tls-key", ours.Path("client.key")}, 0},
		"another's client": {[]string{"--tls-ca", ours.Path("ca.pem"), "--tls-cert", theirs.Path("client.pem"), "--tls-key", theirs.Path("client.key")}, 1},
		"no certificate":   {[]string{"--tls-ca", ours.Path("ca.pem")}, 1},
		"no TLS":           {nil, 1},
		"another's server": {[]string{"--tls-ca", theirs.Path("ca.pem")}, 1},
	} {
		args := append([]string{"authorize", "--addr", r.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--timeout", "5s"}, c.flags...)
		if stdout, stderr, code := command(t, nil, args...); code != c.code {
			t.Errorf("%s: exit code %d: %s%s", name, code, stdout, stderr)
		}
	}
	pair, err := tls.LoadX509KeyPair(ours.Path("client.pem"), ours.Path("client.key"))
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
func fetch(t *testing.T, ca *authority.Authority, addr string, certs []tls.Certificate) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), Certificates: certs}}}
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
