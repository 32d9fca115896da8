// Command member is one member of an etcd cluster, as a process that a test can
// kill: the server of go.mod's etcd, which authenticates its peers and its clients
// by certificates. It keeps etcd's own times of heartbeat and election, and says
// "ready" when the cluster has a leader.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer release()
	config, err := configure()
	if err != nil {
		return err
	}
	e, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer e.Close() // gives the leadership away first
	ready := e.Server.ReadyNotify()
	for {
		select {
		case <-ready:
			ready = nil
			fmt.Fprintln(os.Stdout, config.Name+" ready")
		case err := <-e.Err():
			return err
		case <-e.Server.StopNotify():
			return errors.New("etcd stopped")
		case <-ctx.Done():
			return nil
		}
	}
}

// configure reads the flags.
func configure() (*embed.Config, error) {
	c := embed.NewConfig()
	flag.StringVar(&c.Name, "name", "", "of the member")
	flag.StringVar(&c.Dir, "dir", "", "of its data")
	flag.StringVar(&c.InitialCluster, "cluster", "", "NAME=URL,… of the peers")
	client, peer := flag.String("client", "", "`URL` for clients"), flag.String("peer", "", "`URL` for peers")
	certificates := flag.String("certificates", "", "`directory` of ca.pem, etcd.pem and etcd.key")
	flag.Parse()
	clients, err := url.Parse(*client)
	if err != nil {
		return nil, err
	}
	peers, err := url.Parse(*peer)
	if err != nil {
		return nil, err
	}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peers}, []url.URL{*peers}
	c.LogLevel, c.EnableGRPCGateway = "warn", false
	mutual := transport.TLSInfo{
		CertFile: filepath.Join(*certificates, "etcd.pem"), KeyFile: filepath.Join(*certificates, "etcd.key"),
		TrustedCAFile: filepath.Join(*certificates, "ca.pem"), ClientCertAuth: true,
	}
	c.ClientTLSInfo, c.PeerTLSInfo = mutual, mutual
	return c, nil
}
