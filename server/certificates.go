package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// filesEvery is how often files are looked at anew, and only while somebody
// connects. What was replaced is used by the handshakes of a second later.
const filesEvery = time.Second

// serverTLS makes what secures a listener; nil without TLS. With mutual, callers
// have to show a certificate if authorities are configured. All files are read
// again when they have changed, so certificates and authorities are replaced
// without a restart. Connections that stand are left alone.
func serverTLS(t TLS, mutual bool, logger *slog.Logger) (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	pair, err := newKeyPair(t.Cert, t.Key, logger)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get(h.Context()), nil },
	}
	if !mutual || t.ClientCA == "" {
		return config, nil
	}
	clients, err := newFiles(logger, parseAuthorities, t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca: %w", err)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.SessionTicketsDisabled = true // a session must not outlive the authority that let it in
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		now := config.Clone()
		now.GetConfigForClient, now.ClientCAs = nil, clients.get(h.Context())
		return now, nil
	}
	return config, nil
}

// etcdCredentials are how the cluster is reached; nil leaves it to the endpoints.
// The client certificate and the authorities of the members are read again when
// they have changed, and used for the next connection.
func etcdCredentials(c EtcdTLS, logger *slog.Logger) (credentials.TransportCredentials, error) {
	if c == (EtcdTLS{}) {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.Cert != "" {
		pair, err := newKeyPair(c.Cert, c.Key, logger)
		if err != nil {
			return nil, fmt.Errorf("ledger.etcd.tls.cert: %w", err)
		}
		config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get(r.Context()), nil }
	}
	if c.CA == "" {
		return credentials.NewTLS(config), nil
	}
	authorities, err := newFiles(logger, parseAuthorities, c.CA)
	if err != nil {
		return nil, fmt.Errorf("ledger.etcd.tls.ca: %w", err)
	}
	return &trusting{TransportCredentials: credentials.NewTLS(config), config: config, authorities: authorities}, nil
}

// trusting are credentials that believe the servers of those authorities which are
// configured at the time of the handshake. A client's tls.Config has no callback for
// that, and to verify in VerifyConnection instead would not do: there an address is
// not told, so that no certificate could be held to it.
type trusting struct {
	credentials.TransportCredentials // which are asked about all but the handshake

	config      *tls.Config
	authorities *files[*x509.CertPool]
}

// ClientHandshake verifies the server as a tls.Config with the authorities of now does.
func (t *trusting) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	now := t.config.Clone()
	now.RootCAs = t.authorities.get(ctx)
	return credentials.NewTLS(now).ClientHandshake(ctx, authority, raw)
}

// Clone keeps the handshake, which the clone of what is embedded would not have.
func (t *trusting) Clone() credentials.TransportCredentials {
	return &trusting{TransportCredentials: t.TransportCredentials.Clone(), config: t.config, authorities: t.authorities}
}

// files is what PEM files say. Whoever replaces several of them cannot do it in one
// step: what does not fit together is not used, and the last that did is kept. It
// is safe for concurrent use.
type files[T any] struct {
	paths  []string
	parse  func(contents [][]byte) (T, error)
	logger *slog.Logger

	mu       sync.Mutex
	looked   time.Time
	contents [][]byte // that value was made of
	value    T
	trouble  string // that was logged last
}

// newFiles reads the files for the first time, when they have to be right.
func newFiles[T any](logger *slog.Logger, parse func([][]byte) (T, error), paths ...string) (*files[T], error) {
	f := &files[T]{paths: paths, parse: parse, logger: logger, looked: time.Now()}
	if _, err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// get is what the files say now, or said when they were last right.
func (f *files[T]) get(ctx context.Context) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.looked) < filesEvery {
		return f.value
	}
	f.looked = time.Now()
	changed, err := f.read()
	switch {
	case err != nil && err.Error() != f.trouble:
		f.trouble = err.Error()
		f.logger.ErrorContext(ctx, "changed certificates cannot be used; the last ones are kept", "files", strings.Join(f.paths, ", "), "error", err)
	case err == nil:
		f.trouble = ""
		if changed {
			f.logger.InfoContext(ctx, "changed certificates are used", "files", strings.Join(f.paths, ", "))
		}
	}
	return f.value
}

// read takes the files over if they changed and are right.
func (f *files[T]) read() (changed bool, err error) {
	var contents [][]byte
	for _, path := range f.paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		contents = append(contents, raw)
	}
	if f.contents != nil && bytes.Equal(bytes.Join(contents, nil), bytes.Join(f.contents, nil)) {
		return false, nil
	}
	value, err := f.parse(contents)
	if err != nil {
		return false, fmt.Errorf("%s: %w", strings.Join(f.paths, ", "), err)
	}
	f.contents, f.value = contents, value
	return true, nil
}

// newKeyPair reads a certificate and its private key.
func newKeyPair(cert, key string, logger *slog.Logger) (*files[*tls.Certificate], error) {
	return newFiles(logger, func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, err
		}
		return &pair, nil
	}, cert, key)
}

func parseAuthorities(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}
