package server

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/test/authority"
)

// TestClusterOverTLS: a cluster that asks for client certificates is used with
// the configured ones, and a start without them fails within its time and says
// that the ledger is what is missing.
func TestClusterOverTLS(t *testing.T) {
	ours := authority.New(t)
	ours.Sign(t, "etcd")
	ours.Sign(t, "client")
	endpoint := secureEtcd(t, ours)
	r := start(t, func(c *Config) {
		c.Ledger.Etcd.Endpoints = []string{endpoint}
		c.Ledger.Etcd.TLS = EtcdTLS{CA: ours.Path("ca.pem"), Cert: ours.Path("client.pem"), Key: ours.Path("client.key")}
	})
	answer, err := acquitv1.NewPaymentServiceClient(r.dial(t)).Authorize(withKey(t, "over-tls"), request("tok_ok"))
	if err != nil || answer.GetOperation().GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("authorize over a secure cluster: %v, %v", answer, err)
	}

	c := Default()
	c.DataDir, c.GRPCAddr, c.HTTPAddr, c.OpsAddr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Ledger.Etcd.Endpoints = []string{endpoint}
	c.Ledger.Etcd.TLS = EtcdTLS{CA: ours.Path("ca.pem")}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out safeBuffer
	if err := Run(ctx, c, Process{Stdout: &out, Stderr: &out}); err == nil || !strings.Contains(err.Error(), "ledger") {
		t.Errorf("without a client certificate the start ended with %v", err)
	}
}

// secureEtcd is an etcd that lets in clients of the authority only.
func secureEtcd(t *testing.T, a *authority.Authority) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := url.URL{Scheme: "https", Host: listener.Addr().String()}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := embed.NewConfig()
	c.Dir, c.LogLevel = t.TempDir(), "fatal"
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{address}, []url.URL{address}
	peer := url.URL{Scheme: "unix", Host: "localhost", Path: ":0"}
	c.ListenPeerUrls = []url.URL{peer}
	c.ClientTLSInfo = transport.TLSInfo{
		CertFile: a.Path("etcd.pem"), KeyFile: a.Path("etcd.key"), TrustedCAFile: a.Path("ca.pem"), ClientCertAuth: true,
	}
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		t.Fatal("etcd does not get ready")
	}
	return address.String()
}
