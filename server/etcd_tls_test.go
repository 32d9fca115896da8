package server

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

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

// TestEtcdCertificatesAreReplaced: what this process shows to etcd, and whom it
// believes there, are replaced without a restart, and a member's certificate is held to
// its address and to the authorities of now. The same credentials connect to an etcd
// again and again, while its certificate and our files are replaced.
func TestEtcdCertificatesAreReplaced(t *testing.T) {
	ours, theirs := authority.New(t), authority.New(t)
	ours.Sign(t, "etcd")
	ours.Sign(t, "client")
	theirs.Sign(t, "client")
	endpoint := strings.TrimPrefix(secureEtcd(t, ours), "https://")
	files := EtcdTLS{CA: filepath.Join(t.TempDir(), "trusted.pem"), Cert: ours.Path("client.pem"), Key: ours.Path("client.key")}
	if _, err := etcdCredentials(files, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "ledger.etcd.tls.ca") {
		t.Errorf("without the authorities' file: %v", err)
	}
	replace(t, ours.Path("ca.pem"), files.CA)
	secure, err := etcdCredentials(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	member := func(by *authority.Authority, addresses ...string) {
		by.Sign(t, "etcd", addresses...)
		replace(t, by.Path("etcd.key"), ours.Path("etcd.key"))
		replace(t, by.Path("etcd.pem"), ours.Path("etcd.pem"))
	}
	if err := greets(t, secure, endpoint); err != nil {
		t.Fatalf("before: %v", err)
	}

	member(theirs)
	if greets(t, secure, endpoint) == nil {
		t.Error("a member with a certificate of another authority is believed")
	}
	replace(t, theirs.Path("ca.pem"), files.CA)
	eventually(t, "a new authority is believed", func() bool { return greets(t, secure, endpoint) == nil })
	member(ours)
	if greets(t, secure, endpoint) == nil {
		t.Error("a replaced authority is still believed")
	}
	member(theirs, "127.0.0.99")
	if greets(t, secure, endpoint) == nil {
		t.Error("a member with a certificate for another address is believed")
	}

	member(theirs)
	replace(t, theirs.Path("client.key"), files.Key)
	replace(t, theirs.Path("client.pem"), files.Cert)
	eventually(t, "etcd refuses the client certificate that is configured now", func() bool { return greets(t, secure, endpoint) != nil })
	ours.Sign(t, "client")
	eventually(t, "a newer client certificate is shown", func() bool { return greets(t, secure, endpoint) == nil })
}

// greets makes a connection to a member, and reports why one does not believe the other.
func greets(t *testing.T, secure credentials.TransportCredentials, endpoint string) error {
	t.Helper()
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(secure.Clone())) // gRPC may use a clone
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
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
