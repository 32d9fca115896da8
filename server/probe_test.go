package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/acquitpay/acquit/test/authority"
)

// TestProbe: a probe tells a process that is well from one that is not, also where
// the ops listener asks for certificates. The probe is run as a command against a
// server on every address, against one that has another's certificate, and against
// one that is gone.
func TestProbe(t *testing.T) {
	ours, theirs := authority.New(t), authority.New(t)
	ours.Sign(t, "server")
	theirs.Sign(t, "server")
	r := start(t, func(c *Config) {
		c.OpsAddr = "0.0.0.0:0"
		c.TLS = TLS{Cert: ours.Path("server.pem"), Key: ours.Path("server.key"), ClientCA: ours.Path("ca.pem")}
	})
	port := r.Ops[strings.LastIndex(r.Ops, ":"):]
	as := func(a *authority.Authority) string {
		path := filepath.Join(t.TempDir(), "acquit.yaml")
		text := fmt.Sprintf("ops_addr: 0.0.0.0%s\ntls: {cert: %s, key: %s, client_ca: %s}\n", port, a.Path("server.pem"), a.Path("server.key"), a.Path("ca.pem"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	probe := func(page, config, want string, code int) {
		t.Helper()
		if _, stderr, got := command(t, nil, "probe", page, "--config", config); got != code || !strings.Contains(stderr, want) {
			t.Errorf("probe %s: exit code %d: %s; want %d: %s", page, got, stderr, code, want)
		}
	}
	probe("ready", as(ours), "", 0)
	probe("alive", as(ours), "", 0)
	probe("ready", as(theirs), "not ready", 1)
	probe("well", as(ours), "there is ready and alive", 2)
	r.stop()
	eventually(t, "the server is gone", func() bool { return strings.Contains(r.log.String(), "msg=stopped") })
	probe("alive", as(ours), "not alive", 1)
}
