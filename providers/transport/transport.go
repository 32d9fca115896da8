// Package transport is the one place that speaks HTTP to payment providers.
//
// It guarantees that one call of Do puts the request on the wire at most once,
// and that a failed exchange is classed by what is certain: "never sent" only
// when no connection was obtained, everything else as unknown to the caller.
//
// The first guarantee has to be defended against net/http itself, which
// re-sends a POST when it carries an Idempotency-Key header and a reused
// connection dies, re-sends a request without a body in more cases, and follows
// 307 and 308 by repeating the POST. See once and New.
//
// It does not retry, does not interpret what a provider says, does not sign,
// keeps no cookies, and uses no proxy that is not configured. No error and no
// span of it holds a query, a header, a credential or a body.
//
// Sources: net/http of Go 1.26 (Request.GetBody, Client.CheckRedirect,
// Transport), RFC 9110 section 9.2.2, RFC 9113 section 8.7.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// MaxResponse is the largest response body that is read: 1 MiB. A longer one is
// not looked at.
const MaxResponse = 1 << 20

// userAgent is sent where the request names none. It carries no version, so
// that the same request has the same bytes after an upgrade.
const userAgent = "acquit"

// Config configures a Transport. The zero value is fit for use.
type Config struct {
	// DialContext opens connections. Tests dial in-memory pipes with it.
	// Defaults to a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// RootCAs are the authorities a provider's certificate must chain to.
	// Defaults to the system's.
	RootCAs *x509.CertPool

	// Proxy is the proxy of every connection. Nil means none: the environment is
	// not consulted, since a proxy that repeats requests would break the promise
	// that one send is one request.
	Proxy *url.URL

	// DisableHTTP2 keeps TLS connections to HTTP/1.1.
	DisableHTTP2 bool

	// ConnectTimeout bounds the dial and, separately, the TLS handshake. A connect
	// that takes longer is certainly not a send. Defaults to 5 s.
	ConnectTimeout time.Duration

	// Timeout bounds a whole exchange, for callers whose context has no sooner
	// deadline. Defaults to 60 s.
	Timeout time.Duration

	// MaxConnsPerHost bounds the connections to one host. An exchange that waits
	// for one in vain was never sent. Defaults to 256.
	MaxConnsPerHost int

	// IdleTimeout closes a connection that was idle for so long. It should be
	// shorter than the providers', or requests run into connections that the
	// provider is closing, which ends in an unknown outcome. Defaults to 30 s.
	IdleTimeout time.Duration

	// TracerProvider makes the client spans. Defaults to none.
	TracerProvider trace.TracerProvider
}

// Response is a complete HTTP response; Body is at most MaxResponse bytes.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Transport sends requests. It is safe for concurrent use.
type Transport struct {
	client  *http.Client
	pool    *http.Transport
	tracer  trace.Tracer
	timeout time.Duration
}

// New returns a Transport with connections of its own.
func New(c Config) *Transport {
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	if c.TracerProvider == nil {
		c.TracerProvider = noop.NewTracerProvider()
	}
	c.ConnectTimeout, c.Timeout = or(c.ConnectTimeout, 5*time.Second), or(c.Timeout, time.Minute)
	pool := &http.Transport{
		DialContext:         within(c.ConnectTimeout, c.DialContext),
		TLSClientConfig:     &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: c.ConnectTimeout,
		Protocols:           protocols(c),
		// A connection over which nothing comes back is found out by a ping, not by
		// every exchange on it running into its deadline.
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		MaxConnsPerHost:        or(c.MaxConnsPerHost, 256),
		MaxIdleConnsPerHost:    or(c.MaxConnsPerHost, 256),
		IdleConnTimeout:        or(c.IdleTimeout, 30*time.Second),
		MaxResponseHeaderBytes: 256 << 10,
		// A provider's bytes are read as they are sent: a compressed body could be
		// far larger than what was received.
		DisableCompression: true,
	}
	if c.Proxy != nil {
		pool.Proxy = http.ProxyURL(c.Proxy)
	}
	return &Transport{
		pool: pool, timeout: c.Timeout, tracer: c.TracerProvider.Tracer("github.com/acquitpay/acquit/providers/transport"),
		client: &http.Client{
			Transport: pool,
			// 307 and 308 would repeat the POST at another address: a second send that
			// nobody counted. A redirect is an answer like any other.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Do sends the request, once, and reads the whole response. ctx bounds the
// exchange, and so does Config.Timeout. req is not changed; its GetBody is
// ignored. req.Pattern, if set, is the path with its variable parts named, for
// the span; a path itself is never recorded.
//
// The class says how far the exchange got. The error is nil exactly for
// payment.TransportAnswered, and otherwise an *Error, which is safe to log.
func (t *Transport) Do(ctx context.Context, req *http.Request) (Response, payment.Transport, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	ctx, end := t.span(ctx, req)
	var wire progress
	resp, err := t.exchange(httptrace.WithClientTrace(ctx, wire.trace()), req)
	if err != nil {
		failure := wire.failure(ctx, err)
		end(resp, failure)
		return Response{}, failure.Class, failure
	}
	end(resp, nil)
	return resp, payment.TransportAnswered, nil
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *Transport) CloseIdleConnections() { t.pool.CloseIdleConnections() }

func (t *Transport) exchange(ctx context.Context, req *http.Request) (Response, error) {
	resp, err := t.client.Do(once(ctx, req))
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 {
		return Response{}, errInterim // after "switching protocols" a read of the body would not heed ctx
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxResponse+1))
	if err != nil {
		return Response{}, err
	}
	if len(body) > MaxResponse {
		return Response{}, errOversized
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

var (
	errOversized = errors.New("the response exceeds the limit")
	errInterim   = errors.New("the last response is an interim one")
)

// once returns a copy of req that net/http cannot put on the wire twice.
//
// A write always has a body that net/http does not recognise, even an empty
// one, and no GetBody: without a body, or with a way to get it again, net/http
// takes the liberty to repeat it. Reads may be repeated: they have no effect.
// (An empty POST goes out chunked over HTTP/1.1, the price of that.)
func once(ctx context.Context, req *http.Request) *http.Request {
	out := req.Clone(ctx)
	out.GetBody = nil
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", userAgent)
	}
	if out.Body == nil || out.Body == http.NoBody {
		if out.Method == http.MethodGet || out.Method == http.MethodHead {
			return out
		}
		out.Body, out.ContentLength = http.NoBody, 0
	}
	// Another effect of the unknown type, which the guard's failpoints build on:
	// the headers are flushed before the body is first read.
	out.Body = &wireBody{out.Body}
	return out
}

// wireBody hides the type of a body from net/http.
type wireBody struct{ io.ReadCloser }

func protocols(c Config) *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(!c.DisableHTTP2)
	return &p
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func within(d time.Duration, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return dial(ctx, network, address)
	}
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
