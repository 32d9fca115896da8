package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// harness is a simulator behind a real server, with a client that repeats nothing.
type harness struct {
	*simulator.Simulator
	url    string
	client *http.Client
}

func start(t *testing.T, c simulator.Config) *harness {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	s, err := simulator.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &harness{s, server.URL, &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// got is what a client sees: a status and a code, or 0 if there was no whole answer.
type got struct {
	Status int
	Code   string // of the object or the error
}

type answer struct {
	got
	Header http.Header
	Body   []byte
}

const testKey = "0123456789abcdef0123456789abcdef"

func body(token string) string {
	return fmt.Sprintf(`{"reference":"REF","amount":1000,"currency":"EUR","capture":"manual","token":%q}`, token)
}

func (h *harness) post(t *testing.T, key, text string) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, h.url+"/v1/authorizations", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", key)
	return h.do(t, r)
}

func (h *harness) get(t *testing.T, path string) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, h.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h.do(t, r)
}

func (h *harness) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer sandbox_sk_test")
	}
	resp, err := h.client.Do(r)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}
	}
	var o struct {
		Status string `json:"status"`
		Error  struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	code := ""
	if json.Unmarshal(raw, &o) == nil {
		code = o.Status + o.Error.Code
	}
	return answer{got{resp.StatusCode, code}, resp.Header, raw}
}

func (h *harness) count(t *testing.T, kind simulator.Kind) int {
	t.Helper()
	entries, err := h.Entries(kind)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// until polls for a condition that becomes true on another goroutine.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// status is what a look-up by reference shows; "" for nothing.
func (h *harness) status(t *testing.T) string {
	t.Helper()
	return h.statusOf(t, "REF")
}

func (h *harness) statusOf(t *testing.T, reference string) string {
	t.Helper()
	var list struct {
		Data []struct {
			Status string `json:"status"`
		} `json:"data"`
	}
	a := h.get(t, "/v1/authorizations?reference="+reference)
	if err := json.Unmarshal(a.Body, &list); err != nil || a.Status != 200 {
		t.Fatalf("look-up: %d %s", a.Status, a.Body)
	}
	var all []string
	for _, o := range list.Data {
		all = append(all, o.Status)
	}
	return strings.Join(all, " ")
}

// piped is a harness over in-memory connections, for bubbles.
type piped struct {
	*harness
	end func()
}

func startPiped(t *testing.T, c simulator.Config) *piped {
	t.Helper()
	s, err := simulator.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: s}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	end := sync.OnceFunc(func() {
		server.Close()
		serving.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}}
	return &piped{&harness{s, "http://sandbox", client}, end}
}
