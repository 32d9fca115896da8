package transport_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/transport"
)

// hang keeps the connection open until the client gives it up.
func hang(c net.Conn) bool {
	_, _ = c.Read(make([]byte, 1))
	return false
}

func reset(c net.Conn) bool {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return false
}

// Goal: a failed exchange with a connection is never classed as one that was
// certainly not sent. Method: a server that received the request whole and then
// does its worst.
func TestEveryFailureAfterAConnectionIsUnknown(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", transport.MaxResponse)
	cases := map[string]struct {
		answer func(c net.Conn) bool
		want   payment.Transport
	}{
		"closed without an answer": {func(net.Conn) bool { return false }, payment.TransportBroken},
		"reset before headers":     {reset, payment.TransportBroken},
		"reset after headers":      {func(c net.Conn) bool { return answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") && reset(c) }, payment.TransportBroken},
		"cut within the headers":   {func(c net.Conn) bool { answer(c, "HTTP/1.1 200 OK\r\nConte"); return false }, payment.TransportBroken},
		"cut within the body":      {func(c net.Conn) bool { answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"); return false }, payment.TransportBroken},
		"cut within a chunk": {func(c net.Conn) bool {
			answer(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok")
			return false
		}, payment.TransportBroken},
		"hangs before headers":     {hang, payment.TransportTimeout},
		"hangs within the headers": {func(c net.Conn) bool { return answer(c, "HTTP/1.1 200 OK\r\nConte") && hang(c) }, payment.TransportTimeout},
		"hangs within the body":    {func(c net.Conn) bool { return answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok") && hang(c) }, payment.TransportTimeout},
		"not HTTP at all":          {func(c net.Conn) bool { answer(c, "hello, secret-in-answer\r\n\r\n"); return false }, payment.TransportBroken},
		"too long, length declared": {func(c net.Conn) bool {
			return answer(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sx", len(long)+1, long))
		}, payment.TransportOversized},
		"too long, in chunks": {func(c net.Conn) bool {
			return answer(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%sx\r\n0\r\n\r\n", len(long)+1, long))
		}, payment.TransportOversized},
		"headers without end": {func(c net.Conn) bool { return answer(c, "HTTP/1.1 200 OK\r\nX: "+long) }, payment.TransportBroken},
		"switches the protocol": {func(c net.Conn) bool {
			return answer(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n") && hang(c)
		}, payment.TransportBroken},
		"redirect to nowhere": {func(c net.Conn) bool {
			return answer(c, "HTTP/1.1 302 Found\r\nLocation: http://%zz\r\nContent-Length: 0\r\n\r\n")
		}, payment.TransportBroken},
		"the longest body allowed": {func(c net.Conn) bool {
			return answer(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long))
		}, payment.TransportAnswered},
		"early hints first": {func(c net.Conn) bool { return answer(c, "HTTP/1.1 103 Early Hints\r\n\r\n"+okAnswer) }, payment.TransportAnswered},
		"empty body":        {func(c net.Conn) bool { return answer(c, "HTTP/1.1 204 No Content\r\n\r\n") }, payment.TransportAnswered},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, func(_ int, _ *http.Request, conn net.Conn) bool { return c.answer(conn) })
			tr := transport.New(transport.Config{})
			t.Cleanup(tr.CloseIdleConnections)
			patience := 10 * time.Second
			if c.want == payment.TransportTimeout {
				patience = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, class, err := tr.Do(ctx, write(t, http.MethodPost, server.url("/pay?secret-in-query=1"), []byte("secret-in-body")))
			if class != c.want {
				t.Errorf("class %s (%v), want %s", class, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells too much: %v", err)
			}
			if got := server.count("/pay"); got != 1 {
				t.Errorf("%d requests on the wire, want 1", got)
			}
			if errors.Is(err, context.DeadlineExceeded) != (c.want == payment.TransportTimeout) {
				t.Errorf("error %v does not tell whether time ran out", err)
			}
		})
	}
}

// Goal: what had no connection is classed as never sent, for that alone lets
// the operation go on elsewhere at once. Method: no server could have received
// anything; the one that listens counts nothing.
func TestWithoutAConnectionNothingWasSent(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T) string {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return "http://" + l.Addr().String()
	}
	silent := func(t *testing.T) string {
		t.Helper()
		return "https://" + startServer(t, func(int, *http.Request, net.Conn) bool { return false }).Addr().String()
	}
	untrusted := func(t *testing.T) string {
		t.Helper()
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it would tell of the refused handshake
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	unresolved := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "secret.example"}}
	}
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	cases := map[string]struct {
		url    func(t *testing.T) string
		config transport.Config
		expire bool
		cause  string
	}{
		"connection refused":      {url: refused, cause: "connection refused"},
		"name not resolved":       {url: refused, config: transport.Config{DialContext: unresolved}, cause: "name not resolved"},
		"dial takes too long":     {url: refused, config: transport.Config{DialContext: never, ConnectTimeout: time.Millisecond}, cause: "deadline exceeded"},
		"context already over":    {url: untrusted, expire: true, cause: "canceled"},
		"certificate not trusted": {url: untrusted, config: transport.Config{RootCAs: x509.NewCertPool()}, cause: "tls failure"},
		"handshake cut":           {url: silent, config: transport.Config{ConnectTimeout: 50 * time.Millisecond}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if c.expire {
				cancel()
			}
			tr := transport.New(c.config)
			t.Cleanup(tr.CloseIdleConnections)
			_, class, err := tr.Do(ctx, write(t, http.MethodPost, c.url(t)+"/pay", []byte("x")))
			failure, ok := errors.AsType[*transport.Error](err)
			want := payment.TransportNeverSent
			if name == "certificate not trusted" {
				want = payment.TransportUntrusted
			}
			if class != want || !ok {
				t.Fatalf("class %s (%v), want %s", class, err, want)
			}
			if c.cause != "" && failure.Cause != c.cause {
				t.Errorf("cause %q, want %q", failure.Cause, c.cause)
			}
		})
	}
}

// Goal: an exchange that waits in vain for a free connection was never sent.
// Method: a pool of one connection, held by an exchange that hangs.
func TestWaitingForAConnectionIsNotASend(t *testing.T) {
	busy := make(chan struct{}, 1)
	server := startServer(t, func(_ int, _ *http.Request, c net.Conn) bool {
		busy <- struct{}{}
		return hang(c)
	})
	tr := transport.New(transport.Config{MaxConnsPerHost: 1})
	t.Cleanup(tr.CloseIdleConnections)
	first, giveUp := context.WithCancel(t.Context())
	done := make(chan payment.Transport)
	go func() {
		_, class, _ := tr.Do(first, write(t, http.MethodPost, server.url("/first"), []byte("x")))
		done <- class
	}()
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, class, err := tr.Do(ctx, write(t, http.MethodPost, server.url("/second"), []byte("x"))); class != payment.TransportNeverSent {
		t.Errorf("class %s (%v), want %s", class, err, payment.TransportNeverSent)
	}
	giveUp()
	if class := <-done; class != payment.TransportBroken {
		t.Errorf("a canceled exchange with a connection is %s, want %s", class, payment.TransportBroken)
	}
	if n := server.count("/second"); n != 0 {
		t.Errorf("the second request was received %d times", n)
	}
}

// Goal: no exchange without a deadline of its own lasts for ever. Method: the
// transport's own timeout, under a context that has none.
func TestAnExchangeIsBounded(t *testing.T) {
	server := startServer(t, func(_ int, _ *http.Request, c net.Conn) bool { return hang(c) })
	tr := transport.New(transport.Config{Timeout: 50 * time.Millisecond})
	t.Cleanup(tr.CloseIdleConnections)
	if _, class, err := tr.Do(t.Context(), write(t, http.MethodPost, server.url("/pay"), []byte("x"))); class != payment.TransportTimeout {
		t.Errorf("class %s (%v), want %s", class, err, payment.TransportTimeout)
	}
}
