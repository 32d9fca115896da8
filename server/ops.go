package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelmetric "go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/server/webhook"
)

// readyTimeout bounds a readiness check: a ledger that takes longer is as good
// as none to whoever asks.
const readyTimeout = 2 * time.Second

// readiness says whether this process can take payments now.
type readiness struct {
	// check asks the ledger; nil until the server is built.
	check atomic.Pointer[func(context.Context) error]
	// draining is set when the server begins to stop.
	draining atomic.Bool
}

// open lets the check decide from now on.
func (r *readiness) open(check func(context.Context) error) { r.check.Store(&check) }

// close makes the process not ready for good.
func (r *readiness) close() { r.draining.Store(true) }

func (r *readiness) ask(ctx context.Context) error {
	check := r.check.Load()
	switch {
	case r.draining.Load():
		return errors.New("draining")
	case check == nil:
		return errors.New("starting")
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return (*check)(ctx)
}

// observe shows whether the process drains.
func (r *readiness) observe(m otelmetric.Meter) error {
	_, err := m.Int64ObservableGauge("acquit.process.draining", otelmetric.WithUnit("{process}"),
		otelmetric.WithDescription("1 while this process takes nothing new and ends what it has in flight; else 0."),
		otelmetric.WithInt64Callback(func(_ context.Context, observer otelmetric.Int64Observer) error {
			var draining int64
			if r.draining.Load() {
				draining = 1
			}
			observer.Observe(draining)
			return nil
		}))
	return err
}

// opsHandler serves the people and machines that run acquit.
//
//	/metrics       Prometheus; as OpenMetrics with the traces of single events
//	/healthz       200 while the process runs at all: restart it if not
//	/readyz        200 while it can take payments: send it none if not
//	/debug/pprof/  profiles
func opsHandler(registry *prometheus.Registry, ready *readiness) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry, EnableOpenMetrics: true}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready.ask(r.Context()); err != nil {
			plain(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// entrance is where webhooks arrive, from before there is anything to take them in.
type entrance struct {
	handler atomic.Pointer[webhook.Handler] // nil until the server is built
}

// ServeHTTP implements http.Handler.
func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := e.handler.Load(); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "5")
	plain(w, http.StatusServiceUnavailable, "this process is starting")
}

// serveWebhooks lets webhooks in. What is being taken in is waited for before what it
// needs is gone; shut is what shuts the others out.
func serveWebhooks(t *telemetry, core *core, sweep *sweep, in *entrance, l *lifecycle) (shut func(context.Context) error, err error) {
	h, err := webhook.New(webhook.Config{
		Accounts: core.webhooks, Taker: hurrying{core.orchestrator, sweep}, Logger: t.logger, Tracer: t.tracer, Meter: t.meter,
	})
	if err != nil {
		return nil, err
	}
	in.handler.Store(h)
	l.add("webhooks", h.Drain)
	return func(context.Context) error {
		h.Close()
		return nil
	}, nil
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n") // the peer is gone if this fails
}
