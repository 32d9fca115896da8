// Package simulator is a payment provider that holds no money: an HTTP server
// with idempotency keys, a durable log of its effects, and faults on demand. It
// runs inside acquit serve, alone as acquit sandbox, and under every test that
// counts effects.
//
// # The API
//
//	POST /v1/authorizations                 Idempotency-Key, Bearer sandbox_sk_…
//	POST /v1/authorizations/{id}/captures   of amount; as often as the hold lasts
//	POST /v1/authorizations/{id}/refunds    of amount; as often as captures last
//	POST /v1/authorizations/{id}/void       releases what is held and not captured
//	POST /v1/authorizations/{id}/complete   with what the shopper brought back; see below
//	POST /v1/cancels                        of reference; see below
//	GET  /v1/authorizations?reference=R     {"data":[…]}; captures, refunds, voids alike
//	GET  /v1/authorizations/{id}            captures, refunds, voids alike
//	GET  /v1/actions/{id}                   what a shopper opens; authorizes
//	GET  /effects?kind=K&reference=R&key=K  the log, also by parent; from the loopback interface only
//
// Sandbox-Merchant names the merchant; keys, references and objects are its own.
// Errors are {"error":{"code","decline_code","failure_code","message"}}.
//
// # Amounts
//
// A capture, refund or void is an object of its own, with kind, parent, and a
// status: succeeded, pending or failed. Captures never add up to more than the
// authorization holds, refunds never to more than was captured, what is pending
// included; after a void, or while one is pending, there are no captures. What
// breaks these rules has failed (422 failed with a failure_code: insufficient_hold,
// already_captured, already_voided, capture_pending, nothing_to_refund,
// exceeds_captured), and stays so under its key. An authorization that is not
// there (404 no_such_authorization) or holds nothing (409 nothing_held) is refused
// without a trace. The status of an authorization says what became of it when it
// was made, or that it was cancelled; what happened to the money since, its amounts
// say.
//
// # Cancels
//
// A cancel names a reference, {"reference":R}, and acts once, on every authorization
// of the merchant that has it by then. One that is authorized, pending, or requires
// an action becomes cancelled: what it holds is released, and it never authorizes
// any more, whoever opens its redirect; captures and voids of it have failed with
// already_voided. One that was declined stays so. One of which anything was captured,
// or is about to be, stays as it is. The answer is 200 with the authorization as it
// is then, or {"data":[…]} if there are several; 422 failed with already_captured if
// all of them stay as they are; 404 nothing_found if there is none. All three are
// stored and replayed: only another key asks anew. A cancel that found nothing
// leaves nothing behind, and an authorization that arrives after it is made as usual.
// A pending cancel is answered 202 with the authorization as it still is, and acts
// when it is due, on what there is then.
//
// The answer that is stored under the key of an authorization does not change: a
// late copy of its request is answered as the first was, "authorized" of what was
// cancelled since. Only a look-up shows what an authorization is now.
//
// # Completions
//
// A completion, {"reference":R,"parameters":{…}}, goes on with an authorization that
// requires an action, as the parameter result says: approve, decline, pending, again,
// or whatever goes wrong. Without it nobody came back, and the authorization stays as
// it is. One that does not require an action any more stays as it is too, one that was
// cancelled above all. The answer is the authorization, and stored and replayed. The
// effect is the authorization's: a completion has none.
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
// Captures, refunds, voids, cancels and completions carry no token: that of their
// authorization says what goes wrong with them, after _capture_, _refund_, _void_,
// _cancel_ or _complete_, as in
// tok_ok_capture_500_after_effect_then_429_refund_timeout. Where a verb is written
// more than once, the keys that act on the authorization with it take turns: of
// tok_ok_capture_ok_capture_drop, every second capture is cut off. The keys of
// cancels take turns by their reference, those that found nothing included. A verb
// that is not written, and a cancel that finds nothing, does as it is told.
//
// # Webhooks
//
// A merchant that has a webhook is told of each authorization, capture, refund and
// void once it is made, and again whenever its status changes, by a POST of
// {"id":"evt_…","type":"capture.succeeded","created":…,"object":{…}} with the object
// as a look-up shows it then. Acquit-Sandbox-Signature: t=UNIX,v1=HEX proves it; v1 is
// the HMAC-SHA256 of t, a dot and the body under the merchant's secret. Until it is
// answered 2xx the same event is delivered again, signed anew, with growing pauses for
// about an hour. What was not delivered when the simulator closes is forgotten, as
// are events in whatever order they come: only a look-up can be relied on.
//
// # Guarantees
//
// An effect and the stored answer of its key are one line of the log, durable before
// anybody hears of either, so that a crash loses both or none. Every write that
// arrives whole is in the log. A restart remembers keys, objects, and copies that
// are on their way.
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

	// Webhooks says where a merchant is told what becomes of its objects, asked for
	// each event. Nil tells nobody.
	Webhooks func(merchant string) Webhook

	// WebhookClient posts them. Defaults to one that gives up after ten seconds.
	WebhookClient *http.Client

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
	if c.WebhookClient == nil {
		c.WebhookClient = &http.Client{Timeout: 10 * time.Second}
	}
	log, entries, err := openLog(c.Dir)
	if err != nil {
		return nil, err
	}
	s := &Simulator{cfg: c, log: log, state: newState(), grammar: newGrammar(), mux: http.NewServeMux(), stop: make(chan struct{})}
	s.mux.HandleFunc("POST /v1/authorizations", s.authenticated(s.post(verbAuthorize)))
	s.mux.HandleFunc("POST /v1/authorizations/{id}/captures", s.authenticated(s.post(KindCapture)))
	s.mux.HandleFunc("POST /v1/authorizations/{id}/refunds", s.authenticated(s.post(KindRefund)))
	s.mux.HandleFunc("POST /v1/authorizations/{id}/void", s.authenticated(s.post(KindVoid)))
	s.mux.HandleFunc("POST /v1/authorizations/{id}/complete", s.authenticated(s.post(KindComplete)))
	s.mux.HandleFunc("POST /v1/cancels", s.authenticated(s.post(KindCancel)))
	for path, verb := range map[string]Kind{
		"authorizations": verbAuthorize, "captures": KindCapture, "refunds": KindRefund, "voids": KindVoid,
	} {
		s.mux.HandleFunc("GET /v1/"+path, s.authenticated(s.list(verb)))
		s.mux.HandleFunc("GET /v1/"+path+"/{id}", s.authenticated(s.get(verb)))
	}
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
func (s *Simulator) authenticated(next authorized) http.HandlerFunc {
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
