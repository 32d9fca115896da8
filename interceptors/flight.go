package interceptors

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// flightKey is what calls must share to be one call: the operation, and the
// payload. Another payload is another flight and goes to the ledger, which
// refuses it, so no call ever sees the answer to a payload that is not its own.
type flightKey struct {
	operation   payment.OperationKey
	fingerprint payment.Fingerprint
}

// flight is a call of this process that others with its key wait for.
type flight struct {
	landed chan struct{}
	reply  payment.Reply // of the call, if it is stored; read after landed is closed
}

// flights lets one caller per key and payload through at a time. The zero value
// is ready; safe for concurrent use.
type flights struct {
	mu   sync.Mutex
	open map[flightKey]*flight
}

// join begins the flight of a key, or finds the one that is open.
func (f *flights) join(k flightKey) (joined *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if joined, ok := f.open[k]; ok {
		return joined, false
	}
	if f.open == nil {
		f.open = make(map[flightKey]*flight)
	}
	joined = &flight{landed: make(chan struct{})}
	f.open[k] = joined
	return joined, true
}

// land ends a flight and hands its reply to those who wait, if it is stored.
// The next to join leads.
func (f *flights) land(k flightKey, ended *flight, reply payment.Reply) {
	if reply.Stored {
		ended.reply = reply
	}
	f.mu.Lock()
	delete(f.open, k)
	f.mu.Unlock()
	close(ended.landed)
}

// waiters caps how many calls of a tenant wait at a time, so that a tenant whose
// provider hangs cannot fill the process. Safe for concurrent use.
type waiters struct {
	max    int
	gauge  metric.Int64UpDownCounter
	mu     sync.Mutex
	counts map[payment.TenantID]int
}

// enter takes a place, or refuses. The caller leaves when it waits no more.
func (w *waiters) enter(ctx context.Context, t payment.TenantID) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[t] >= w.max {
		return nil, &payment.Error{
			Reason: payment.ReasonOverloaded, Message: "too many calls wait for others with the same key",
		}
	}
	w.counts[t]++
	w.gauge.Add(ctx, 1)
	return func() { w.leave(ctx, t) }, nil
}

func (w *waiters) leave(ctx context.Context, t payment.TenantID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[t]--; w.counts[t] == 0 {
		delete(w.counts, t)
	}
	w.gauge.Add(ctx, -1)
}
