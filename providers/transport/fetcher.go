package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Why nothing was fetched.
var (
	// ErrNotAllowed: the address is not one that may be fetched from. Nobody was asked.
	ErrNotAllowed = errors.New("the address is not one that may be fetched from")
	// ErrFetcherFull: too many addresses were asked for in a short time. It may be
	// asked again later.
	ErrFetcherFull = errors.New("too many addresses are being fetched from")
)

// FetcherConfig configures a Fetcher.
type FetcherConfig struct {
	// Transport sends the requests. Required.
	Transport *Transport
	// Allowed says whether a host, with its port if the address names one, may be
	// fetched from. Required: addresses come from whoever sends a webhook.
	Allowed func(host string) bool
	// Keep is how long an answer is given again. Defaults to 1 h.
	Keep time.Duration
	// KeepFailure is how long a failure is, so that nobody is asked in vain all the
	// time. Defaults to 10 s.
	KeepFailure time.Duration
	// Timeout bounds one fetch, whoever waits for it. Defaults to 5 s.
	Timeout time.Duration
	// Addresses bounds how many are kept or being fetched from. Defaults to 64.
	Addresses int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Fetcher gets what providers publish under https at hosts that are allowed, such
// as the certificates that they sign webhooks with, and access tokens; see Token. It
// asks once for all who want the same, keeps what it got for a while, follows no
// redirect, and reads no more than MaxResponse. It is safe for concurrent use.
type Fetcher struct {
	cfg FetcherConfig

	mu      sync.Mutex
	fetches map[string]*fetch
}

// fetch is one address, being fetched from or kept.
type fetch struct {
	done  chan struct{} // closed when the rest is set
	until time.Time     // zero while it is not done
	body  []byte
	err   error
}

// NewFetcher returns a Fetcher that has nothing yet.
func NewFetcher(c FetcherConfig) (*Fetcher, error) {
	if c.Transport == nil || c.Allowed == nil {
		return nil, errors.New("a fetcher needs a transport and a limit on its hosts")
	}
	c.Keep, c.KeepFailure = or(c.Keep, time.Hour), or(c.KeepFailure, 10*time.Second)
	c.Timeout, c.Addresses = or(c.Timeout, 5*time.Second), or(c.Addresses, 64)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Fetcher{cfg: c, fetches: map[string]*fetch{}}, nil
}

// Fetch returns what an address holds; nobody may change it. ctx bounds how long
// this caller waits; others may still get what was asked for.
//
// Errors: ErrNotAllowed, ErrFetcherFull, that of ctx; anything else says why the
// address could not be fetched from. None of them repeats more of it than the host.
func (f *Fetcher) Fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := f.allowed(address)
	if err != nil {
		return nil, err
	}
	return f.once(ctx, u, u.String(), func(ctx context.Context) ([]byte, time.Duration, error) {
		body, err := f.get(ctx, u)
		return body, f.cfg.Keep, err
	})
}

// allowed is an address that may be fetched from.
func (f *Fetcher) allowed(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || !f.cfg.Allowed(u.Host) {
		return nil, ErrNotAllowed
	}
	return u, nil
}

// work gets something, and says for how long it may be given again.
type work func(ctx context.Context) (body []byte, keep time.Duration, err error)

// once waits for what is kept or being got under a name, or gets it.
func (f *Fetcher) once(ctx context.Context, u *url.URL, name string, get work) ([]byte, error) {
	one, err := f.join(ctx, name, get)
	if err != nil {
		return nil, err
	}
	select {
	case <-one.done:
		return one.body, one.err
	case <-ctx.Done():
		return nil, fmt.Errorf("fetch from %s: %w", u.Host, ctx.Err())
	}
}

// join finds the fetch of a name, or begins it. It goes on when who began it
// gives up, since others may wait for it.
func (f *Fetcher) join(ctx context.Context, name string, get work) (*fetch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.cfg.Now()
	for kept, one := range f.fetches {
		if !one.until.IsZero() && !now.Before(one.until) {
			delete(f.fetches, kept)
		}
	}
	if one, there := f.fetches[name]; there {
		return one, nil
	}
	if len(f.fetches) >= f.cfg.Addresses {
		return nil, ErrFetcherFull
	}
	one := &fetch{done: make(chan struct{})}
	f.fetches[name] = one
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.Timeout)
		defer cancel()
		body, keep, err := get(ctx)
		f.finish(one, body, keep, err)
	}()
	return one, nil
}

// finish keeps what came of a fetch.
func (f *Fetcher) finish(one *fetch, body []byte, keep time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		keep = f.cfg.KeepFailure
	}
	one.body, one.err, one.until = body, err, f.cfg.Now().Add(keep)
	close(one.done)
}

// get asks an address once.
func (f *Fetcher) get(ctx context.Context, u *url.URL) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, ErrNotAllowed
	}
	resp, _, err := f.cfg.Transport.Do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", u.Host, err)
	}
	if resp.Status != http.StatusOK {
		return nil, fmt.Errorf("fetch from %s: status %d", u.Host, resp.Status)
	}
	return resp.Body, nil
}
