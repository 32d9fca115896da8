package server

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/test/authority"
)

// TestCertificatesAreReplaced: certificates and authorities are replaced without a
// restart, and files that do not fit change nothing. A server runs while its files
// are replaced: by a newer certificate, by a key of another, and by another
// authority, whose clients are then let in and those of the first no more.
func TestCertificatesAreReplaced(t *testing.T) {
	ours, theirs := authority.New(t), authority.New(t)
	ours.Sign(t, "server")
	ours.Sign(t, "client")
	theirs.Sign(t, "client")
	r := start(t, func(c *Config) {
		c.TLS = TLS{Cert: ours.Path("server.pem"), Key: ours.Path("server.key"), ClientCA: ours.Path("ca.pem")}
	})
	we, they := ours.Client(t, "client"), theirs.Client(t, "client")
	they.RootCAs = ours.Pool()
	first := shown(t, r.Ops, we)
	if first == "" || shown(t, r.Ops, they) != "" {
		t.Fatalf("before: our client is shown %q", first)
	}

	ours.Sign(t, "server")
	for name, addr := range map[string]string{"grpc": r.GRPC, "webhooks": r.HTTP, "ops": r.Ops} {
		eventually(t, name+" shows the newer certificate", func() bool {
			now := shown(t, addr, we)
			return now != "" && now != first
		})
	}
	second := shown(t, r.Ops, we)

	replace(t, theirs.Path("client.key"), ours.Path("server.key"))
	eventually(t, "the log tells of the key that does not fit", func() bool {
		return shown(t, r.Ops, we) == second && strings.Contains(r.log.String(), "changed certificates cannot be used")
	})
	ours.Sign(t, "server")
	eventually(t, "files that fit again are used", func() bool { return shown(t, r.Ops, we) != second })

	replace(t, theirs.Path("ca.pem"), ours.Path("ca.pem"))
	eventually(t, "clients of the new authority are let in", func() bool { return shown(t, r.GRPC, they) != "" && shown(t, r.Ops, they) != "" })
	if shown(t, r.GRPC, we) != "" || shown(t, r.Ops, we) != "" {
		t.Error("clients of the replaced authority are still let in")
	}
}

// shown connects and returns which certificate the server shows, "" if it does not
// let the client in.
func shown(t *testing.T, addr string, client *tls.Config) string {
	t.Helper()
	client = client.Clone()
	client.NextProtos = []string{"h2"}
	dialer := tls.Dialer{Config: client}
	raw, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return ""
	}
	defer raw.Close()
	conn, ok := raw.(*tls.Conn)
	if !ok {
		t.Fatalf("%T is no TLS connection", raw)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // with TLS 1.3 a server refuses a client after its own handshake
		return ""
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// replace puts one file in the place of another.
func replace(t *testing.T, by, path string) {
	t.Helper()
	raw, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
