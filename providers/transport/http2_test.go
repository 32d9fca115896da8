package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/transport"
)

// refuse is what an HTTP/2 server does to a stream it has received.
type refuse func(f *http2.Framer, stream uint32) error

// refusing dials servers in memory that do that to every stream but those of
// the first few requests, and counts the streams they saw.
type refusing struct {
	config  *tls.Config
	refuse  refuse
	streams atomic.Int32
	conns   atomic.Int32
}

// newRefusing borrows the certificate of a test server.
func newRefusing(t *testing.T, do refuse) (*refusing, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &refusing{config: s.TLS.Clone(), refuse: do}, pool
}

func (r *refusing) dial(context.Context, string, string) (net.Conn, error) {
	if r.conns.Add(1) > 20 { // a transport that repeats itself would do so for ever
		return nil, errors.New("too many connections")
	}
	client, server := net.Pipe()
	go r.serve(tls.Server(server, r.config))
	return client, nil
}

func (r *refusing) serve(c net.Conn) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	writes := make(chan func() error, 64) // a pipe holds nothing: who reads must not write
	defer close(writes)
	go func() {
		for w := range writes {
			if w() != nil {
				c.Close()
			}
		}
	}()
	writes <- func() error { return f.WriteSettings() }
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				writes <- f.WriteSettingsAck
			}
		case *http2.PingFrame:
			if data := frame.Data; !frame.IsAck() {
				writes <- func() error { return f.WritePing(true, data) }
			}
		case *http2.HeadersFrame:
			r.streams.Add(1)
			stream := frame.StreamID
			writes <- func() error { return r.refuse(f, stream) }
		}
	}
}

// Goal: what HTTP/2 servers refuse is sent once per counted send, and called
// "refused" only where that is certain. Method: servers that refuse every
// stream; a read, which net/http may repeat and of which it therefore tells
// the last refusal by type, next to writes, of which it does not.
func TestRefusedStreams(t *testing.T) {
	reset := func(code http2.ErrCode) refuse {
		return func(f *http2.Framer, stream uint32) error { return f.WriteRSTStream(stream, code) }
	}
	goAway := func(f *http2.Framer, _ uint32) error { return f.WriteGoAway(0, http2.ErrCodeNo, []byte("secret")) }
	cases := map[string]struct {
		refuse refuse
		method string
		body   []byte
		want   payment.Transport
		sends  int32 // 0: not counted
	}{
		"write refused":               {reset(http2.ErrCodeRefusedStream), http.MethodPost, []byte("x"), payment.TransportBroken, 1},
		"body-less write refused":     {reset(http2.ErrCodeRefusedStream), http.MethodPost, nil, payment.TransportBroken, 1},
		"write on a closing server":   {goAway, http.MethodPost, []byte("x"), payment.TransportBroken, 1},
		"write with a protocol error": {reset(http2.ErrCodeProtocol), http.MethodPost, []byte("x"), payment.TransportBroken, 1},
		"write canceled":              {reset(http2.ErrCodeCancel), http.MethodPost, []byte("x"), payment.TransportBroken, 1},
		"read refused for good":       {reset(http2.ErrCodeRefusedStream), http.MethodGet, nil, payment.TransportRefusedStream, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server, roots := newRefusing(t, c.refuse)
			synctest.Test(t, func(t *testing.T) {
				tr := transport.New(transport.Config{DialContext: server.dial, RootCAs: roots, Timeout: 10 * time.Minute, IdleTimeout: time.Hour})
				_, class, err := tr.Do(t.Context(), write(t, c.method, "https://example.com/pay", c.body))
				if class != c.want {
					t.Errorf("class %s (%v), want %s", class, err, c.want)
				}
				if got := server.streams.Load(); c.sends != 0 && got != c.sends {
					t.Errorf("%d streams on the wire, want %d", got, c.sends)
				}
				tr.CloseIdleConnections()
			})
		})
	}
}

// Goal: HTTP/2 is used where the provider offers it, and can be turned off.
func TestHTTP2IsAllowed(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proto", r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for proto, c := range map[string]transport.Config{
		"HTTP/2.0": {RootCAs: roots}, "HTTP/1.1": {RootCAs: roots, DisableHTTP2: true},
	} {
		tr := transport.New(c)
		t.Cleanup(tr.CloseIdleConnections)
		resp, _, err := tr.Do(t.Context(), write(t, http.MethodPost, server.URL, []byte("x")))
		if err != nil || resp.Header.Get("Proto") != proto {
			t.Errorf("spoke %q (%v), want %s", resp.Header.Get("Proto"), err, proto)
		}
	}
}
