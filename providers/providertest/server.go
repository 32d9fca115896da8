package providertest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// received is a request as it came over the wire.
type received struct {
	Method string
	URI    string
	Header http.Header
	Body   string
}

// scripted is a provider that answers as it is told and keeps what it receives.
// It has an effect at most once for each key, as far as the script wants one.
type scripted struct {
	*httptest.Server

	mu      sync.Mutex
	got     []received
	answer  http.HandlerFunc
	applies bool
	effects map[payment.ProviderKey]int
	keyOf   func(received) payment.ProviderKey
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	s := &scripted{effects: map[payment.ProviderKey]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	got := received{r.Method, r.RequestURI, r.Header.Clone(), string(body)}
	s.mu.Lock()
	s.got = append(s.got, got)
	answer := s.answer
	if s.keyOf != nil && s.applies {
		if key := s.keyOf(got); s.effects[key] == 0 { // a key that is known is replayed
			s.effects[key] = 1
		}
	}
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

// will makes the server answer so from now on.
func (s *scripted) will(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// act makes requests have their effect from now on, or none.
func (s *scripted) act(applies bool, keyOf func(received) payment.ProviderKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applies, s.keyOf, s.effects = applies, keyOf, map[payment.ProviderKey]int{}
}

// done is how many effects there are.
func (s *scripted) done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.effects)
}

// take returns what was received since the last take.
func (s *scripted) take() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// says answers with a response.
func says(r providers.Response) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), r.Header)
		w.Header().Set("Content-Length", strconv.Itoa(len(r.Body)))
		w.WriteHeader(r.Status)
		_, _ = w.Write(r.Body)
	}
}

// cuts breaks the connection, after a part of a response or before any.
func cuts(r *providers.Response) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if r != nil {
			w.Header().Set("Content-Length", strconv.Itoa(len(r.Body)+1))
			w.WriteHeader(r.Status)
			_, _ = w.Write(r.Body) // all of it: what is missing may be what takes it back
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
		}
		panic(http.ErrAbortHandler)
	}
}

// hangs answers nothing until the client gives up.
func hangs() http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
}
