//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// provider is the simulated provider, in a process that is never killed, and the
// wire that leads to it.
type provider struct {
	*process
	url string // of the provider itself
	*wire
	client *http.Client
}

func startSandbox(t *testing.T) *provider {
	t.Helper()
	return &provider{
		process: start(t, binary, "sandbox", nil, "sandbox", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir()),
		client:  &http.Client{Timeout: 10 * time.Second},
	}
}

// ready waits until the provider answers, and lays the wire to it.
func (p *provider) ready(t *testing.T) {
	t.Helper()
	p.url = regexp.MustCompile(`http://[0-9.:]+`).FindString(p.line(t, "http://"))
	p.wire = layWire(t, p.url)
	t.Cleanup(func() { p.audit(t) })
}

// log asks the provider for the entries of its log of some kinds; with a
// reference, only those of that intent.
func (p *provider) log(reference string, kinds ...simulator.Kind) ([]simulator.Entry, error) {
	query := url.Values{}
	for _, k := range kinds {
		query.Add("kind", string(k))
	}
	if reference != "" {
		query.Set("reference", reference)
	}
	resp, err := p.client.Get(p.url + "/effects?" + query.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var said struct {
		Entries []simulator.Entry `json:"entries"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the provider's log: HTTP %d: %w", resp.StatusCode, err)
	}
	return said.Entries, nil
}

// entries is log for tests that cannot go on without.
func (p *provider) entries(t *testing.T, i intent, kind simulator.Kind) []simulator.Entry {
	t.Helper()
	found, err := p.log(i.reference(), kind)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// await waits until the provider has so many entries of a kind for an intent.
func (p *provider) await(t *testing.T, i intent, kind simulator.Kind, least int) {
	t.Helper()
	eventually(t, patience, fmt.Sprintf("the provider's log has %d × %s for key %q", least, kind, i.key), func() error {
		found, err := p.log(i.reference(), kind)
		if err == nil && len(found) < least {
			err = fmt.Errorf("it has %d", len(found))
		}
		return err
	})
}

func (p *provider) awaitRequest(t *testing.T, i intent) {
	t.Helper()
	p.awaitSends(t, i, 1)
}

func (p *provider) awaitSends(t *testing.T, i intent, least int) {
	t.Helper()
	p.await(t, i, simulator.KindRequest, least)
}

func (p *provider) awaitEffect(t *testing.T, i intent) {
	t.Helper()
	p.await(t, i, i.kind(), 1)
}

// oneEffect checks the promise for an intent: one effect, of its amount, and no
// request under a second provider key. sends are the least and the most requests
// that the history explains.
func (p *provider) oneEffect(t *testing.T, i intent, sends [2]int) {
	t.Helper()
	effects := p.entries(t, i, i.kind())
	if len(effects) != 1 {
		t.Errorf("key %q has %d effects at the provider, want 1: %+v", i.key, len(effects), effects)
	} else if effects[0].Amount != i.amount && i.amount > 0 {
		t.Errorf("the effect of key %q is of %d, want %d", i.key, effects[0].Amount, i.amount)
	}
	requests := p.entries(t, i, simulator.KindRequest)
	if n := len(requests); n < sends[0] || n > sends[1] {
		t.Errorf("key %q was sent %d times, want %d to %d", i.key, n, sends[0], sends[1])
	}
	var keys []string
	for _, e := range slices.Concat(effects, requests) {
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	if keys = slices.Compact(keys); len(keys) > 1 {
		t.Errorf("key %q was sent under several provider keys: %q", i.key, keys)
	}
}

// noRequest checks that the provider has heard nothing of an intent.
func (p *provider) noRequest(t *testing.T, i intent) {
	t.Helper()
	heard := slices.Concat(p.entries(t, i, simulator.KindRequest), p.entries(t, i, i.kind()))
	if len(heard) != 0 {
		t.Errorf("the provider heard of key %q: %+v", i.key, heard)
	}
}

// audit looks at the whole log when all is over: no reference of a verb and no
// key has more than one effect, whatever the test asked about.
func (p *provider) audit(t *testing.T) {
	t.Helper()
	effects, err := p.log("", simulator.EffectKinds()...)
	if err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, e := range effects {
		reference, key := string(e.Kind)+" "+e.Reference, "key "+e.Key
		if seen[reference] || seen[key] || e.Reference == "" {
			t.Errorf("the provider has an effect too many: %+v", e)
		}
		seen[reference], seen[key] = true, true
	}
}

// wire leads to the provider. The test can hold back what the provider answers,
// for as long as it takes to do something else. It repeats nothing.
type wire struct {
	address string
	mu      sync.Mutex
	held    chan struct{} // closed to let go; nil while nothing is held
}

func layWire(t *testing.T, to string) *wire {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: w.hinder,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // the provider's broken connections stay broken
	})
	t.Cleanup(s.Close)
	t.Cleanup(w.release)
	w.address = s.URL
	return w
}

// hold keeps every answer to a write back until release.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held == nil {
		w.held = make(chan struct{})
	}
}

// release lets the answers go.
func (w *wire) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held != nil {
		close(w.held)
		w.held = nil
	}
}

func (w *wire) hinder(r *http.Response) error {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if held == nil || r.Request.Method != http.MethodPost {
		return nil
	}
	select {
	case <-held:
		return nil
	case <-r.Request.Context().Done():
		return r.Request.Context().Err()
	}
}
