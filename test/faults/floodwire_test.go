//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// floodWire leads to the provider, and decides which requests arrive: none at
// first, then so many, then all. It repeats nothing.
type floodWire struct {
	url, to string
	client  *http.Client
	gate    chan struct{} // closed when requests may arrive

	mu       sync.Mutex
	left     int // how many more may arrive, while not counting
	arrived  int // and were answered
	asked    int // look-ups
	counting bool
	now, max int // requests at a time, since counting
	kept     []keptRequest
}

// keptRequest is one that its sender did not live to see arrive.
type keptRequest struct {
	path   string
	header http.Header
	body   []byte
}

func layFloodWire(t *testing.T, to string) *floodWire {
	t.Helper()
	w := &floodWire{
		to: to, gate: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 256, MaxIdleConnsPerHost: 256}},
	}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	t.Cleanup(w.client.CloseIdleConnections)
	w.url = s.URL
	return w
}

// ServeHTTP implements http.Handler.
func (w *floodWire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it did not arrive here either
	}
	defer w.enter(r)()
	request := keptRequest{path: r.URL.RequestURI(), header: r.Header.Clone(), body: body}
	if !w.passes(r, request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	w.forward(rw, r, request)
}

// enter counts the request as long as it lasts.
func (w *floodWire) enter(r *http.Request) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Method == http.MethodGet {
		w.asked++
	}
	if !w.counting {
		return func() {}
	}
	w.now++
	w.max = max(w.max, w.now)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now--
	}
}

// passes reports whether a request arrives; one that does not is kept.
func (w *floodWire) passes(r *http.Request, k keptRequest) bool {
	select {
	case <-w.gate:
	case <-r.Context().Done():
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counting {
		return true
	}
	if w.left--; w.left >= 0 {
		return true
	}
	w.kept = append(w.kept, k)
	return false
}

func (w *floodWire) forward(rw http.ResponseWriter, r *http.Request, k keptRequest) {
	resp, err := w.send(r, k)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	rw.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(rw, resp.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived++
}

func (w *floodWire) send(r *http.Request, k keptRequest) (*http.Response, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, w.to+k.path, bytes.NewReader(k.body))
	if err != nil {
		return nil, err
	}
	out.Header = k.header
	return w.client.Do(out)
}

// execute lets so many requests arrive from now on.
func (w *floodWire) execute(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = n
	close(w.gate)
}

// awaitAnswers returns when so many requests were answered.
func (w *floodWire) awaitAnswers(t *testing.T, n int) {
	t.Helper()
	eventually(t, floodTTL, "the provider has answered", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.arrived < n {
			return fmt.Errorf("%d of %d", w.arrived, n)
		}
		return nil
	})
}

// count lets everything arrive from now on, and counts what comes at a time.
func (w *floodWire) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counting = true
}

func (w *floodWire) most() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.max
}

// lookUps is how many there were.
func (w *floodWire) lookUps() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// deliver lets the requests arrive that were kept, and returns how many there were.
func (w *floodWire) deliver(t *testing.T) int {
	t.Helper()
	w.mu.Lock()
	kept := w.kept
	w.mu.Unlock()
	for _, k := range kept {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.send(r, k)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("a late request is answered %d", resp.StatusCode)
		}
	}
	return len(kept)
}

// line leads to the ledger, until it is cut: then nothing gets through any more,
// and nobody is told.
type line struct {
	addr string
	dead chan struct{}
}

func layLine(t *testing.T, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{addr: listener.Addr().String(), dead: make(chan struct{})}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.DialTimeout("tcp", to, 5*time.Second)
			if err != nil {
				_ = near.Close()
				continue
			}
			go l.carry(near, far)
			go l.carry(far, near)
		}
	}()
	return l
}

// carry copies until one side closes. What comes after the cut is lost.
func (l *line) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-l.dead:
			continue
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cut makes both sides silent.
func (l *line) cut() { close(l.dead) }
