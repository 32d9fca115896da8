// Package webhook takes in what providers tell unasked, over HTTP.
//
//	POST /webhooks/{account}
//
// It knows HTTP and the guard of each account, which verifies and reads a
// delivery, and gives the events on. It guarantees that a delivery is answered 2xx
// only when everything in it is durable, so that the provider may forget it, and
// that nothing is taken in which the guard does not vouch for. It does not know what
// an event means, nor where events are kept.
//
// # Answers
//
//	200 [accepted]   all of it is durable, or was before, or is of no use to us
//	400              it cannot be read, or is older than its signature is valid
//	401              it is not signed by the provider
//	404              no account of that name takes webhooks
//	405, 408, 413    it is no POST; its body takes too long; has more than 256 KiB
//	503              the ledger cannot be written, what it is signed with cannot be had,
//	                 too much arrives or is being taken in, or the process starts or
//	                 stops: bring it again, after Retry-After
//
// Providers bring again whatever was not answered 2xx, but for Amazon's, which bring
// nothing again that was answered 4xx.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// Prefix is what the path of every account's webhooks begins with.
const Prefix = "/webhooks/"

const (
	maxBody = 256 << 10
	// readTimeout is how long a body may take: what is slower holds memory that others
	// need.
	readTimeout = 10 * time.Second
	// takeTimeout bounds the work on one delivery. Providers wait for about ten
	// seconds before they bring it again, which is harmless.
	takeTimeout = 15 * time.Second
	// retryAfter is when a provider may bring again what could not be taken in.
	retryAfter = "5"
)

// Account verifies and reads what is delivered to it: providers.Guard.
type Account interface {
	Name() payment.AccountName
	// Webhook returns providers.ErrUnsupported where the account takes no webhooks,
	// and the other errors of providers.Guard.
	Webhook(ctx context.Context, d providers.Delivery) (providers.Told, error)
}

// Taker takes in events durably: orchestrator.Orchestrator.
type Taker interface {
	Apply(ctx context.Context, e payment.Event) (orchestrator.Taken, error)
}

// Config configures a Handler. All fields but MaxAtOnce and Now are mandatory.
type Config struct {
	Accounts []Account
	Taker    Taker
	Logger   *slog.Logger
	Tracer   trace.TracerProvider
	Meter    metric.MeterProvider
	// MaxAtOnce bounds the deliveries that are being taken in; more are told to come
	// again. It bounds the bodies that arrive at one time too, apart from those: one more
	// cuts off the one that has taken longest. Each of both holds up to 256 KiB.
	// Defaults to 64.
	MaxAtOnce int
	// Now is the clock against which the age of signatures is judged. Defaults to
	// time.Now.
	Now func() time.Time
}

// Handler is the http.Handler of all accounts' webhooks. It is safe for concurrent
// use.
type Handler struct {
	cfg      Config
	accounts map[string]Account
	tracer   trace.Tracer
	count    metric.Int64Counter
	places   chan struct{}
	arriving arrivals

	mu       sync.Mutex // held while a delivery enters, or draining begins
	draining bool
	inside   sync.WaitGroup
}

// New returns a handler that takes webhooks in until Close, or an error that says
// what is missing.
func New(c Config) (*Handler, error) {
	if c.Taker == nil || c.Logger == nil || c.Tracer == nil || c.Meter == nil {
		return nil, errors.New("webhook: taker, logger, tracer and meter are mandatory")
	}
	if c.MaxAtOnce == 0 {
		c.MaxAtOnce = 64
	}
	if c.MaxAtOnce < 0 {
		return nil, fmt.Errorf("webhook: %d deliveries at once", c.MaxAtOnce)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	const scope = "github.com/acquitpay/acquit/server/webhook"
	count, err := c.Meter.Meter(scope).Int64Counter("acquit.webhook.results", metric.WithUnit("{result}"),
		metric.WithDescription("Deliveries that were accepted or refused, and the events in them by what became of each."))
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	h := &Handler{
		cfg: c, accounts: make(map[string]Account, len(c.Accounts)), tracer: c.Tracer.Tracer(scope), count: count,
		places: make(chan struct{}, c.MaxAtOnce), arriving: arrivals{most: c.MaxAtOnce},
	}
	for _, a := range c.Accounts {
		h.accounts[string(a.Name())] = a
		// Before they count for the first time: whoever computes a rate does not see the
		// one event with which a counter appears.
		for _, r := range results() {
			h.count.Add(context.Background(), 0, counted(string(a.Name()), r))
		}
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, Prefix)
	account := h.accounts[name]
	d := &delivery{h: h, w: w, r: r, account: account, received: h.cfg.Now()}
	switch {
	case !ok:
		d.say(http.StatusNotFound, "webhooks are at "+Prefix+"ACCOUNT")
	case account == nil: // the name is whatever somebody made up, so nothing shows it
		d.refuse(r.Context(), refusal{http.StatusNotFound, resultUnknownAccount, "no account of that name takes webhooks"})
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		d.refuse(r.Context(), refusal{http.StatusMethodNotAllowed, resultMethod, "webhooks are sent by POST"})
	default:
		d.serve(r.Context())
	}
}

// Close takes nothing in any more: what arrives from then on is told to come again.
func (h *Handler) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// Drain closes, and waits for what is being taken in, until ctx ends. Errors: ctx's.
func (h *Handler) Drain(ctx context.Context) error {
	h.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.inside.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("webhooks are still being taken in: %w", ctx.Err())
	}
}

// enter takes a place for a delivery, to be left by leave.
func (h *Handler) enter() (refused *refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return &refusal{http.StatusServiceUnavailable, resultUnavailable, "this process is stopping"}
	}
	select {
	case h.places <- struct{}{}:
		h.inside.Add(1)
		return nil
	default:
		return &refusal{http.StatusServiceUnavailable, resultUnavailable, "too many webhooks at once"}
	}
}

func (h *Handler) leave() {
	<-h.places
	h.inside.Done()
}
