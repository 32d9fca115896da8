package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Probe asks the process that serves with the same configuration, on this machine,
// a page of its ops listener: "readyz" or "healthz". It is for orchestrators that
// have no client certificate to ask with: it shows the process' own, which must be
// good for clients too, and believes no other.
//
// It returns nil if the answer is 200, and otherwise an error that says what was
// answered or why nothing was.
func Probe(ctx context.Context, c Config, page string) error {
	_, port, err := net.SplitHostPort(c.OpsAddr)
	if err != nil {
		return fmt.Errorf("ops_addr: %w", err)
	}
	host, _, _ := net.SplitHostPort(c.OpsAddr)
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	scheme, transport := "http", &http.Transport{}
	if c.TLS.Cert != "" {
		scheme = "https"
		if transport.TLSClientConfig, err = ownTLS(c.TLS); err != nil {
			return fmt.Errorf("tls.cert: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/"+page, nil)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

// ownTLS shows the process' own certificate and takes no other for an answer.
func ownTLS(t TLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	name := pair.Leaf.Subject.CommonName
	switch {
	case len(pair.Leaf.DNSNames) > 0:
		name = pair.Leaf.DNSNames[0]
	case len(pair.Leaf.IPAddresses) > 0:
		name = pair.Leaf.IPAddresses[0].String()
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: name}, nil
}
