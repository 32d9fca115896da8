package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/transport"
)

// countingServer is a raw HTTP/1.1 server that counts the requests it received
// whole, by path, and answers each as its script says.
type countingServer struct {
	net.Listener
	script func(n int, r *http.Request, c net.Conn) (keep bool)

	mu       sync.Mutex
	received []string
	conns    []net.Conn
}

func startServer(t *testing.T, script func(n int, r *http.Request, c net.Conn) bool) *countingServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &countingServer{Listener: l, script: script}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			serving.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		serving.Wait()
	})
	return s
}

func (s *countingServer) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		s.mu.Lock()
		s.received = append(s.received, r.URL.Path)
		n := len(s.received)
		s.mu.Unlock()
		if !s.script(n, r, c) {
			return
		}
	}
}

func (s *countingServer) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.received {
		if r == path {
			n++
		}
	}
	return n
}

func (s *countingServer) url(path string) string { return "http://" + s.Addr().String() + path }

func answer(c net.Conn, text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// sender is how a test sends: through the transport, or as a plain client would.
type sender func(ctx context.Context, r *http.Request) (status int, class payment.Transport)

func throughTransport(t *testing.T) sender {
	t.Helper()
	tr := transport.New(transport.Config{})
	t.Cleanup(tr.CloseIdleConnections)
	return func(ctx context.Context, r *http.Request) (int, payment.Transport) {
		resp, class, err := tr.Do(ctx, r)
		if (err == nil) != (class == payment.TransportAnswered) {
			t.Errorf("class %q with error %v", class, err)
		}
		return resp.Status, class
	}
}

func throughPlainClient(t *testing.T) sender {
	t.Helper()
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	client := &http.Client{Transport: pool}
	return func(ctx context.Context, r *http.Request) (int, payment.Transport) {
		resp, err := client.Do(r.WithContext(ctx))
		if err != nil {
			return 0, ""
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return 0, ""
		}
		return resp.StatusCode, payment.TransportAnswered
	}
}

func write(t *testing.T, method, url string, body []byte) *http.Request {
	t.Helper()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	r, err := http.NewRequest(method, url, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", "0123456789abcdef0123456789abcdef")
	return r
}

// Goal: one counted send is one request on the wire, wherever net/http would
// repeat it. Method: a server that counts what it received whole; each case is
// run as a plain client does it as well, to show that the danger is real.
func TestOneSendIsOneRequestOnTheWire(t *testing.T) {
	// The first request warms the connection up; the second is received and the
	// connection dies without an answer.
	dies := func(n int, _ *http.Request, c net.Conn) bool { return n != 2 && answer(c, okAnswer) }
	redirects := func(status string) func(int, *http.Request, net.Conn) bool {
		return func(_ int, r *http.Request, c net.Conn) bool {
			if r.URL.Path != "/pay" {
				return answer(c, okAnswer)
			}
			return answer(c, "HTTP/1.1 "+status+" Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
		}
	}
	cases := map[string]struct {
		script func(int, *http.Request, net.Conn) bool
		method string
		body   []byte
		class  payment.Transport
		status int
	}{
		"idle connection closed under a POST":           {dies, http.MethodPost, []byte(`{"a":1}`), payment.TransportBroken, 0},
		"idle connection closed under a body-less POST": {dies, http.MethodPost, nil, payment.TransportBroken, 0},
		"idle connection closed under a DELETE":         {dies, http.MethodDelete, nil, payment.TransportBroken, 0},
		"idle connection closed under a PUT":            {dies, http.MethodPut, []byte("x"), payment.TransportBroken, 0},
		"307 repeats the POST":                          {redirects("307"), http.MethodPost, []byte(`{"a":1}`), payment.TransportAnswered, 307},
		"308 repeats the POST":                          {redirects("308"), http.MethodPost, []byte(`{"a":1}`), payment.TransportAnswered, 308},
		"307 repeats a body-less POST":                  {redirects("307"), http.MethodPost, nil, payment.TransportAnswered, 307},
		"303 asks elsewhere":                            {redirects("303"), http.MethodPost, []byte(`{"a":1}`), payment.TransportAnswered, 303},
		"302 asks elsewhere":                            {redirects("302"), http.MethodPost, nil, payment.TransportAnswered, 302},
		"308 repeats a DELETE":                          {redirects("308"), http.MethodDelete, nil, payment.TransportAnswered, 308},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			send := func(s sender) (wire, status int, class payment.Transport) {
				server := startServer(t, c.script)
				if status, _ := s(t.Context(), write(t, http.MethodGet, server.url("/warm"), nil)); status != 200 {
					t.Fatalf("the first request was answered %d", status)
				}
				status, class = s(t.Context(), write(t, c.method, server.url("/pay"), c.body))
				return server.count("/pay") + server.count("/elsewhere"), status, class
			}
			if wire, _, _ := send(throughPlainClient(t)); wire != 2 {
				t.Errorf("a plain client put %d requests on the wire, want 2: the case shows nothing", wire)
			}
			wire, status, class := send(throughTransport(t))
			if wire != 1 || status != c.status || class != c.class {
				t.Errorf("got %d requests on the wire, status %d, class %s; want 1, %d, %s", wire, status, class, c.status, c.class)
			}
		})
	}
}

// Goal: the caller's request is not changed, so that a resend starts from the
// same one. Method: send it twice.
func TestDoLeavesTheRequestAlone(t *testing.T) {
	var bodies atomic.Int32
	server := startServer(t, func(_ int, r *http.Request, c net.Conn) bool {
		if r.ContentLength == 7 && r.Header.Get("User-Agent") == "acquit" {
			bodies.Add(1)
		}
		return answer(c, okAnswer)
	})
	send := throughTransport(t)
	r := write(t, http.MethodPost, server.url("/pay"), []byte(`{"a":1}`))
	getBody, headers := r.GetBody != nil, len(r.Header)
	for range 2 {
		if status, _ := send(t.Context(), r); status != 200 {
			t.Fatalf("answered %d", status)
		}
		if (r.GetBody != nil) != getBody || len(r.Header) != headers {
			t.Error("the request was changed")
		}
		r.Body = io.NopCloser(bytes.NewReader([]byte(`{"a":1}`)))
	}
	if bodies.Load() != 2 {
		t.Errorf("%d requests arrived as they were given, want 2", bodies.Load())
	}
}
