package server

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestRunRefuses: a configuration that must not run does not, whoever made it.
func TestRunRefuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"grpc_addr: 0.0.0.0:0 is not loopback":   func(c *Config) { c.GRPCAddr = "0.0.0.0:0" },
		"accounts[0].driver: must name a driver": func(c *Config) { c.Accounts[0].Driver = "nobody" },
		"tls.cert: open nowhere.pem":             func(c *Config) { c.TLS = TLS{Cert: "nowhere.pem", Key: "nowhere.pem"} },
		"ledger.etcd.tls.ca: open nowhere.pem": func(c *Config) {
			c.Ledger.Etcd = Etcd{Endpoints: []string{"https://127.0.0.1:1"}, TLS: EtcdTLS{CA: "nowhere.pem"}, Prefix: "/x"}
		},
	} {
		t.Run(want, func(t *testing.T) {
			c := Default()
			c.GRPCAddr, c.HTTPAddr, c.OpsAddr, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
			change(&c)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := Run(ctx, c, Process{Stdout: io.Discard, Stderr: t.Output()}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestDataDirIsForOneProcess: two servers on one directory would write over each
// other; the second is told what to do.
func TestDataDirIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	start(t, func(c *Config) { c.DataDir = dir })
	c := Default()
	c.GRPCAddr, c.HTTPAddr, c.OpsAddr, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", dir
	err := Run(t.Context(), c, Process{Stdout: io.Discard, Stderr: t.Output()})
	want := "data_dir: another process uses " + dir + "; stop it, or give this one a directory of its own by --data-dir"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestForeignKeyIsRefused: a ledger that was used with another key refuses to
// open, since the same operations would be sent under other provider keys.
func TestForeignKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := start(t, func(c *Config) { c.DataDir = dir })
	first.stop()
	if err := first.wait(t); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.GRPCAddr, c.HTTPAddr, c.OpsAddr, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", dir
	secret, err := ParseSecret("env:OTHER_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	c.Keys.Secret = secret
	err = Run(t.Context(), c, Process{
		Stdout: io.Discard, Stderr: t.Output(), Environ: Environ{"OTHER_KEYS=1:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="},
	})
	if err == nil || !strings.Contains(err.Error(), "not the ledger's") {
		t.Errorf("got %v", err)
	}
}
