package transport_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/providers/transport"
)

// publisher is a server under https that counts what it is asked for.
type publisher struct {
	*transport.Fetcher

	mu    sync.Mutex
	asked map[string]int
	now   time.Time
}

// publish starts a publisher at example.com, with a fetcher that may ask it.
func publish(t *testing.T, serve http.HandlerFunc, change func(*transport.FetcherConfig)) *publisher {
	t.Helper()
	p := &publisher{asked: map[string]int{}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.RequestURI]++
		p.mu.Unlock()
		serve(w, r)
	}))
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	tr := transport.New(transport.Config{RootCAs: roots, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}})
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		server.Close()
	})
	c := transport.FetcherConfig{Transport: tr, Allowed: func(host string) bool { return host == "example.com" }, Now: func() time.Time {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.now
	}}
	if change != nil {
		change(&c)
	}
	var err error
	if p.Fetcher, err = transport.NewFetcher(c); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *publisher) pass(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func (p *publisher) times(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Goal: nothing is asked for but under https at a host that is allowed. Method:
// addresses that a stranger may send.
func TestFetcherIsLimited(t *testing.T) {
	p := publish(t, func(http.ResponseWriter, *http.Request) {}, nil)
	for _, address := range []string{
		"", "example.com/a", "http://example.com/a", "https://example.com.evil.example/a", "https://evil.example/a", "https://example.com:8443/a",
		"https://user@example.com/a", "https:example.com/a", "file:///etc/passwd", "https://example.com/\x00",
	} {
		if body, err := p.Fetch(t.Context(), address); !errors.Is(err, transport.ErrNotAllowed) {
			t.Errorf("%q: %q, error %v", address, body, err)
		}
	}
	if len(p.asked) != 0 {
		t.Errorf("asked for %v", p.asked)
	}
	if _, err := transport.NewFetcher(transport.FetcherConfig{Transport: transport.New(transport.Config{})}); err == nil {
		t.Error("a fetcher without a limit on its hosts was made")
	}
}

// Goal: an address is asked once for everybody, and again when what it said is old.
// Method: a hundred callers at once whose answer is held back, then time passes.
func TestFetcherAsksOnce(t *testing.T) {
	release := make(chan struct{})
	p := publish(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		_, _ = w.Write([]byte("what is there"))
	}, nil)
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			if body, err := p.Fetch(t.Context(), "https://example.com/a"); err != nil || string(body) != "what is there" {
				t.Errorf("%q, error %v", body, err)
			}
		})
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Fetch(impatient, "https://example.com/a"); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got error %v", err)
	}
	close(release)
	wait.Wait()
	for _, c := range []struct {
		pass time.Duration
		asks int
	}{{59 * time.Minute, 1}, {2 * time.Minute, 2}} {
		p.pass(c.pass)
		if _, err := p.Fetch(t.Context(), "https://example.com/a"); err != nil || p.times("/a") != c.asks {
			t.Errorf("asked %d times, want %d; error %v", p.times("/a"), c.asks, err)
		}
	}
}

// Goal: the caller who asks first does not spoil it for the others by leaving.
// Method: the first gives up while the answer is held back.
func TestFetcherGoesOnWithoutTheFirst(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	p := publish(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = w.Write([]byte("x"))
	}, nil)
	first, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := p.Fetch(first, "https://example.com/a"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(release)
	if body, err := p.Fetch(t.Context(), "https://example.com/a"); err != nil || string(body) != "x" || p.times("/a") != 1 {
		t.Errorf("%q after %d requests, error %v", body, p.times("/a"), err)
	}
}

// Goal: only a whole answer is one, a failure is not repeated at once and not kept
// for long, and no error tells more than the host. Method: answers that are none.
func TestFetcherFailures(t *testing.T) {
	p := publish(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/missing":
			http.NotFound(w, r)
		case "/redirect":
			http.Redirect(w, r, "https://example.com/elsewhere", http.StatusFound)
		case "/large":
			_, _ = w.Write([]byte(strings.Repeat("x", transport.MaxResponse+1)))
		case "/cut":
			panic(http.ErrAbortHandler)
		}
	}, nil)
	for _, path := range []string{"/missing", "/redirect", "/large", "/cut"} {
		address := path + "?secret"
		for _, c := range []struct {
			pass time.Duration
			asks int
		}{{0, 1}, {9 * time.Second, 1}, {2 * time.Second, 2}} {
			p.pass(c.pass)
			body, err := p.Fetch(t.Context(), "https://example.com"+address)
			if err == nil || len(body) > 0 || strings.Contains(err.Error(), "secret") || p.times(address) != c.asks {
				t.Errorf("%s: asked %d times, want %d; %d bytes, error %v", path, p.times(address), c.asks, len(body), err)
			}
		}
	}
	if p.times("/elsewhere") != 0 {
		t.Error("a redirect was followed")
	}
}

// Goal: whoever makes up addresses fills no memory and asks nobody without end.
// Method: more addresses than are kept, and one that was kept before.
func TestFetcherIsBounded(t *testing.T) {
	p := publish(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			http.NotFound(w, r)
		}
	}, func(c *transport.FetcherConfig) { c.Addresses = 3 })
	get := func(path string) error {
		_, err := p.Fetch(t.Context(), "https://example.com"+path)
		return err
	}
	if err := get("/good"); err != nil {
		t.Fatal(err)
	}
	full := 0
	for i := range 10 {
		if errors.Is(get(fmt.Sprintf("/made-up-%d", i)), transport.ErrFetcherFull) {
			full++
		}
	}
	if full != 8 {
		t.Errorf("%d of 10 made-up addresses were refused, want 8", full)
	}
	if err := get("/good"); err != nil {
		t.Errorf("what was kept is gone: %v", err)
	}
	p.pass(11 * time.Second)
	if err := get("/made-up-9"); err == nil || errors.Is(err, transport.ErrFetcherFull) {
		t.Errorf("after a while: error %v", err)
	}
}

// Goal: an address that does not answer holds nobody for long. Method: one that
// hangs, with a short bound.
func TestFetcherGivesUp(t *testing.T) {
	p := publish(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(c *transport.FetcherConfig) { c.Timeout = 50 * time.Millisecond })
	if _, err := p.Fetch(t.Context(), "https://example.com/a"); err == nil || t.Context().Err() != nil {
		t.Errorf("error %v", err)
	}
}
