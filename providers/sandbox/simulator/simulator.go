// Package simulator is a payment provider that holds no money: an HTTP server
// with idempotency keys, a durable log of its effects, and faults on demand. It
// runs inside acquit serve, alone as acquit sandbox, and under every test that
// counts effects.
//
// # The API
//
//	POST /v1/authorizations                 Idempotency-Key, Bearer sandbox_sk_…
//	GET  /v1/authorizations?reference=R     {"data":[…]}
//	GET  /v1/authorizations/{id}
//	GET  /v1/actions/{id}                   what a shopper opens; authorizes
//	GET  /effects?kind=K&reference=R&key=K  the log; from the loopback interface only
//
// Sandbox-Merchant names the merchant; keys, references and objects are its own.
// Errors are {"error":{"code","decline_code","message"}}.
//
// # Idempotency
//
// The answer to the first request that was executed under a key is stored and
// replayed, with Idempotent-Replayed: true; so a decline stays a decline. The
// same key with another body is refused (422 key_reused), and while a request
// is being worked on (409 key_in_use). What was not executed is not stored: 400,
// 401, 429, 503, and 500_before_effect. An answer that was stored but not
// delivered, as after a timeout, is what the next request with the key gets.
//
// # Tokens
//
// The token of a request says what goes wrong with it: tok_ followed by steps,
// joined by _then_, for the first, second, … request of the key, as in
// tok_500_after_effect_then_429_then_ok. After the last step the key is treated
// as any provider would, unless the token ends in _always, which repeats the
// last step for ever. A step that waits takes a duration: tok_pending_5s,
// tok_late_300ms. Tokens lists the steps.
//
// # Guarantees
//
// An effect and the stored answer of its key are one durable write, made before
// anybody hears of either. Every write that arrives whole is in the log. A
// restart remembers keys, objects, and copies that are on their way.
//
// It knows nothing of cards and networks, and nothing of real providers' data.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// CredentialPrefix begins every credential that a simulator takes.
const CredentialPrefix = "sandbox_sk_"

// Config configures a Simulator.
type Config struct {
	// Dir is where the log lives; it is created. Required.
	Dir string

	// Credentials are those that are taken. Empty takes every one that begins with
	// CredentialPrefix.
	Credentials []string

	// ForgetAfter is how long a key is remembered; a later request with it is a
	// new one and has its effect again. Zero remembers for ever.
	ForgetAfter time.Duration

	// Latency is how long the execution of a request takes.
	Latency time.Duration

	// Logger gets what goes wrong. Defaults to none.
	Logger *slog.Logger
}

// Simulator is the simulated provider. It is an http.Handler and safe for
// concurrent use.
type Simulator struct {
	cfg     Config
	log     *effectLog
	state   *state
	grammar grammar
	mux     *http.ServeMux

	stop    chan struct{} // closed by Close: nothing hangs or waits any longer
	closing sync.Mutex    // held while something is added to waiting, or closed
	closed  bool
	waiting sync.WaitGroup // what happens later
}

// Open starts a simulator on what the log in its directory says.
func Open(c Config) (*Simulator, error) {
	if c.Dir == "" {
		return nil, errors.New("simulator: a directory is needed")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	log, entries, err := openLog(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Simulator{cfg: c, log: log, state: newState(), grammar: newGrammar(), mux: http.NewServeMux(), stop: make(chan struct{})}
	s.mux.HandleFunc("POST /v1/authorizations", s.authenticated(s.postAuthorization))
	s.mux.HandleFunc("GET /v1/authorizations", s.authenticated(s.listAuthorizations))
	s.mux.HandleFunc("GET /v1/authorizations/{id}", s.authenticated(s.getAuthorization))
	s.mux.HandleFunc("GET /v1/actions/{id}", s.getAction)
	s.mux.HandleFunc("GET /effects", s.getEffects)
	s.mux.HandleFunc(redirectTarget, s.followed)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, apiError{status: http.StatusNotFound, Code: CodeNoSuchRoute, Message: "no such route"})
	})
	s.resume(context.Background(), entries)
	return s, nil
}

// resume goes on with what was going to happen when the log ended.
func (s *Simulator) resume(ctx context.Context, entries []Entry) {
	delayed, pending := s.state.replay(entries)
	for _, e := range delayed {
		s.later(ctx, e.Due, func(ctx context.Context) { s.arrive(ctx, e) })
	}
	for _, o := range pending {
		s.later(ctx, o.SettleAt, func(ctx context.Context) { s.settle(ctx, o.ID, StatusPending) })
	}
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Serve answers on l until ctx ends. It closes l; the simulator stays open.
func (s *Simulator) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
	}
	// Requests that hang by intent would hold up a graceful shutdown.
	end := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer end()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("simulator: %w", err)
	}
	return nil
}

// Close ends everything that hangs or waits, and closes the log. Copies that are
// on their way arrive after the next Open.
func (s *Simulator) Close() error {
	s.closing.Lock()
	first := !s.closed
	if first {
		s.closed = true
		close(s.stop)
	}
	s.closing.Unlock()
	s.waiting.Wait()
	if !first {
		return nil
	}
	return s.log.close()
}

// Entries returns the log's entries of the given kinds, oldest first; all if no
// kind is given.
func (s *Simulator) Entries(kinds ...Kind) ([]Entry, error) { return s.log.read(kinds...) }

// later runs f at a time, unless the simulator is closed before.
func (s *Simulator) later(ctx context.Context, at time.Time, f func(context.Context)) {
	ctx = context.WithoutCancel(ctx)
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return
	}
	s.waiting.Go(func() {
		if s.sleep(ctx, time.Until(at)) {
			f(ctx)
		}
	})
}

// sleep waits for d and reports whether it was not cut short.
func (s *Simulator) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stop:
	case <-ctx.Done():
	}
	return false
}

// authenticated refuses requests without a credential that is taken. Writes are
// logged all the same: they arrived.
func (s *Simulator) authenticated(next func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		merchant := r.Header.Get("Sandbox-Merchant")
		if merchant == "" {
			merchant = "default"
		}
		w.Header().Set("Request-Id", newID("req_"))
		credential, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		known := strings.HasPrefix(credential, CredentialPrefix) && len(credential) > len(CredentialPrefix)
		if len(s.cfg.Credentials) > 0 {
			known = slices.Contains(s.cfg.Credentials, credential)
		}
		if known {
			next(w, r, merchant)
			return
		}
		if r.Method == http.MethodPost {
			s.record(r.Context(), Entry{Kind: KindRequest, Time: time.Now(), Merchant: merchant, Key: r.Header.Get("Idempotency-Key")})
		}
		writeError(w, apiError{status: http.StatusUnauthorized, Code: CodeUnauthorized, Message: "no such credential"})
	}
}

// record appends to the log what no answer depends on.
func (s *Simulator) record(ctx context.Context, entries ...Entry) {
	if err := s.log.append(entries...); err != nil {
		s.cfg.Logger.ErrorContext(ctx, "simulator log not written", "error", err)
	}
}
