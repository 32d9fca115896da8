package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// flight is one process's work on one operation, from the claim or takeover to
// an outcome or a park. It runs detached from the caller: a caller that leaves
// does not stop it.
//
// All fields but those under mu belong to the working goroutine.
type flight struct {
	o    *Orchestrator
	in   payment.Instruction
	snap ledger.Snapshot // as last committed; revision 0 before the claim

	nonce string // of this flight's claim or takeover

	report    payment.Report // about the open attempt, beyond what is committed
	tries     int            // of sending the open attempt, by this flight
	immediate bool           // one of them followed without a wait: the policy allows one
	renewed   bool           // one of them followed a refused access token: that helps once
	fresh     bool           // nothing was waited for since this flight's last write, so the record is as it knows it
	notBefore time.Time      // no send earlier: the owner before us may still be waiting for its answer
	lastSend  trace.SpanContext
	back      time.Duration // by which the clock had been set back when it began

	done chan struct{} // closed when the flight has ended
	err  error         // why it ended; read after done

	mu      sync.Mutex
	view    ledger.Snapshot // what an interim answer shows; revision 0 until the ledger has taken the claim or takeover
	seen    payment.Report  // and what has been learned since
	settled bool            // the outcome is known, only not yet durable
	asked   bool            // the ledger was asked for the claim, and has not said for certain that it does not exist
	refused bool            // the caller was told that nothing was sent: the ledger is not asked any more
}

// detach runs work in a goroutine of its own, bounded in number, and waits for
// it as long as the caller can.
func (o *Orchestrator) detach(ctx context.Context, key payment.OperationKey, work func(context.Context, *flight) error) (payment.Reply, error) {
	if err := o.flights.enter(key); err != nil {
		return payment.Reply{}, err
	}
	f := &flight{o: o, done: make(chan struct{}), back: o.clock.back()}
	o.metrics.inFlight.Add(ctx, 1)
	go func() {
		roomForFlight()
		// Detached: the caller's deadline and cancellation end here. Every span, metric
		// and line of the flight asks for the span, so it is put on top.
		detached := trace.ContextWithSpan(context.WithoutCancel(ctx), trace.SpanFromContext(ctx))
		defer close(f.done)
		defer o.flights.leave(key)
		defer o.metrics.inFlight.Add(detached, -1)
		f.err = f.work(detached, work)
	}()
	return f.wait(ctx)
}

// roomForFlight makes the goroutine's stack as large as a flight needs while it is
// still empty. Otherwise it grows step by step deep inside the work, each time with
// every frame copied and adjusted, which took three hundredths of all CPU time.
//
//go:noinline
func roomForFlight() {
	var room [40 << 10]byte
	runtime.KeepAlive(&room[0])
}

// work runs the flight to its end. Every exit that is not an outcome is a park:
// a live marker without a worker would block the key.
func (f *flight) work(ctx context.Context, work func(context.Context, *flight) error) error {
	err := f.recovered(ctx, func() error { return work(ctx, f) })
	if err == nil || !f.owns() {
		return err
	}
	f.log().ErrorContext(ctx, "an operation was left by an error", "error", err)
	if parked := f.recovered(ctx, func() error { return f.park(ctx, "internal error") }); parked != nil {
		return errors.Join(err, parked)
	}
	return nil // the record says how it stands, which is what the caller is told
}

// recovered makes an error of a panic. Whatever broke may be broken still, so
// parking runs under it too.
func (f *flight) recovered(ctx context.Context, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			f.o.metrics.panics.Add(ctx, 1)
			// Of the value only its type: it may quote what the caller sent.
			f.log().ErrorContext(ctx, "panic while working on an operation", "panic_type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = &payment.Error{Reason: payment.ReasonInternal, Message: "internal error", Err: fmt.Errorf("panic of type %T", p)}
		}
	}()
	return do()
}

// owns reports whether this flight, as far as it knows, still owns its operation.
func (f *flight) owns() bool {
	op := f.snap.Operation
	return op.Owner != "" && op.Owner == f.o.cfg.Ledger.Boot() && op.Nonce == f.nonce
}

// wait returns the operation's answer, or an interim one when the caller's time
// or the inline budget is used up.
func (f *flight) wait(ctx context.Context) (payment.Reply, error) {
	budget := time.NewTimer(f.o.cfg.InlineBudget)
	defer budget.Stop()
	select {
	case <-f.done:
		return f.outcome(ctx)
	case <-budget.C:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return payment.Reply{}, ctx.Err() // nobody listens; the work goes on
		}
	}
	select {
	case <-f.done: // both at once: what is durable comes first
		return f.outcome(ctx)
	default:
		return f.interim()
	}
}

// outcome answers for a flight that has ended, from the record alone.
func (f *flight) outcome(ctx context.Context) (payment.Reply, error) {
	f.o.cfg.Probe(ctx, payment.PointReplyBefore)
	if f.err != nil && !errors.Is(f.err, errOvertaken) {
		return payment.Reply{}, refusal(f.err)
	}
	return f.o.reply(f.snap)
}

// interim answers for a flight that goes on: with what is committed and what
// has been learned since. While the ledger certainly has no claim the caller is
// told so, and that nothing was sent; from then on the flight makes none. Once
// the ledger was asked nobody can tell, and the flight goes on.
func (f *flight) interim() (payment.Reply, error) {
	f.mu.Lock()
	view, seen, unsure := f.view, f.seen, f.settled || f.asked
	nothing := view.Revision.Operation == 0
	f.refused = nothing && !unsure
	f.mu.Unlock()
	switch {
	case nothing && !unsure:
		return payment.Reply{}, refusal(ledger.ErrUnavailable)
	case unsure:
		return payment.Reply{}, payment.OutcomePending(nil)
	}
	view.Operation = view.Operation.Seen(seen)
	if p, err := view.Payment.After(view.Operation, payment.Applied{}, view.Payment.Updated); err == nil {
		p.Version = view.Payment.Version // shown, not written
		view.Payment = p
	}
	return f.o.reply(view)
}

// publish makes what is known what an interim answer shows. Few calls need one, so
// it is made only then.
func (f *flight) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view, f.seen = f.snap, f.report
}

// ask reports whether the ledger may be asked for the claim, and marks that from
// now on it may exist.
func (f *flight) ask() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = !f.refused
	return f.asked
}

// told marks what the ledger said about the claim: unless it is in doubt, it
// exists, which view shows, or it does not.
func (f *flight) told(doubt bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = doubt
}

// outcomeKnown marks that from now on only durability is missing.
func (f *flight) outcomeKnown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = true
}

// pause waits until t, or until the process drains. It reports whether t came.
func (f *flight) pause(t time.Time) bool {
	wait := t.Sub(f.o.cfg.Now())
	if wait <= 0 {
		return true
	}
	f.fresh = false
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.o.flights.draining:
		return false
	}
}

// log is the logger for lines about the flight's operation.
func (f *flight) log() *slog.Logger {
	op := f.snap.Operation
	return f.o.log.With("reference_id", string(op.Reference), "operation_id", string(op.Key.ID), "payment_id", string(op.PaymentID))
}

// flights counts what is in flight, bounds it, and knows for which operations.
type flights struct {
	slots    chan struct{}
	draining chan struct{} // closed when the process drains

	mu      sync.Mutex
	drained bool
	flying  map[payment.OperationKey]*crew
	empty   sync.WaitGroup
}

// crew are the flights about one key.
type crew struct {
	count int
	gone  chan struct{} // closed when the last of them has ended
}

func newFlights(limit int) *flights {
	return &flights{
		slots: make(chan struct{}, limit), draining: make(chan struct{}), flying: make(map[payment.OperationKey]*crew),
	}
}

// enter admits a flight or refuses it with ReasonOverloaded.
func (fs *flights) enter(key payment.OperationKey) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.drained {
		return &payment.Error{Reason: payment.ReasonOverloaded, Message: "the server is shutting down", RetryAfter: time.Second}
	}
	select {
	case fs.slots <- struct{}{}:
	default:
		return &payment.Error{Reason: payment.ReasonOverloaded, Message: "too many operations in flight", RetryAfter: time.Second}
	}
	if fs.flying[key] == nil {
		fs.flying[key] = &crew{gone: make(chan struct{})}
	}
	fs.flying[key].count++
	fs.empty.Add(1)
	return nil
}

func (fs *flights) leave(key payment.OperationKey) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if c := fs.flying[key]; c.count > 1 {
		c.count--
	} else {
		delete(fs.flying, key)
		close(c.gone)
	}
	<-fs.slots
	fs.empty.Done()
}

// count is how many flights of this process are about key.
func (fs *flights) count(key payment.OperationKey) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if c := fs.flying[key]; c != nil {
		return c.count
	}
	return 0
}

// gone is closed when no flight of this process is about key any more; nil if
// none is now.
func (fs *flights) gone(key payment.OperationKey) <-chan struct{} {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if c := fs.flying[key]; c != nil {
		return c.gone
	}
	return nil
}

func (fs *flights) drain(ctx context.Context) error {
	fs.mu.Lock()
	if !fs.drained {
		fs.drained = true
		close(fs.draining)
	}
	fs.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fs.empty.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("operations still in flight: %w", ctx.Err())
	}
}
