package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/server"
)

// client is the flags of every command that calls the service.
type client struct {
	sentKey              string // the idempotency key, once a call uses it that may move money
	addr                 string
	timeout              time.Duration
	ca, cert, privateKey string
	output               *format
}

// register adds the flags to a command.
func (c *client) register(cmd *cobra.Command) {
	c.output = newFormat("text", "json")
	flags := cmd.Flags()
	flags.StringVar(&c.addr, "addr", server.Default().GRPCAddr, "`address` of the service")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "how long to wait for the answer")
	flags.VarP(c.output, "output", "o", "text or json")
	flags.StringVar(&c.ca, "tls-ca", "", "`file` of the authorities of the service's certificate; without it no TLS is used")
	flags.StringVar(&c.cert, "tls-cert", "", "`file` of the client certificate")
	flags.StringVar(&c.privateKey, "tls-key", "", "`file` of its private key")
}

// call connects, runs f within the timeout and explains its error.
func (c *client) call(ctx context.Context, t terminal, f func(context.Context, acquitv1.PaymentServiceClient) error) error {
	secure, err := c.credentials()
	if err != nil {
		return err
	}
	var served peer.Peer
	conn, err := grpc.NewClient(c.addr, grpc.WithTransportCredentials(secure), grpc.WithDefaultCallOptions(grpc.Peer(&served)))
	if err != nil {
		return fmt.Errorf("--addr %s: %w", c.addr, err)
	}
	defer conn.Close()
	ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT) // whoever interrupts is told what may have happened
	defer release()
	defer context.AfterFunc(ctx, release)() // after the first signal, a second one ends the process at once
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := f(ctx, acquitv1.NewPaymentServiceClient(conn)); err != nil {
		return c.explain(t, err, served.Addr != nil)
	}
	return nil
}

// credentials are what the connection is secured by.
func (c *client) credentials() (credentials.TransportCredentials, error) {
	if (c.cert == "") != (c.privateKey == "") {
		return nil, usage("--tls-cert and --tls-key go together")
	}
	if c.ca == "" {
		if c.cert != "" {
			return nil, usage("--tls-cert needs --tls-ca")
		}
		return insecure.NewCredentials(), nil
	}
	raw, err := os.ReadFile(c.ca)
	if err != nil {
		return nil, fmt.Errorf("--tls-ca: %w", err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("--tls-ca: %s holds no PEM certificate", c.ca)
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.privateKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}
