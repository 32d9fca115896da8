package simulation

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// life is how a process is doing.
type life string

const (
	serving  life = "serving"
	paused   life = "paused" // nothing that waits at a gate goes on; its time does
	draining life = "draining"
	dead     life = "dead"
)

// boot is one process life: the real orchestrator behind the production chain.
type boot struct {
	id    payment.BootID
	w     *world
	skew  time.Duration // of its clock
	flow  *orchestrator.Orchestrator
	chain []grpc.UnaryServerInterceptor

	mu     sync.Mutex
	life   life
	stopAt payment.Point // where the next goroutine to come by stops
}

func (b *boot) is(l life) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life == l
}

func (b *boot) become(l life) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.life = l
}

// stop makes the process stop where it comes by p; "" no longer.
func (b *boot) stop(p payment.Point) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopAt = p
}

// now is the process's clock.
func (b *boot) now() time.Time { return time.Now().Add(b.skew) }

// probe stands at every named point of the flow.
func (b *boot) probe(ctx context.Context, p payment.Point) {
	if b.is(dead) {
		runtime.Goexit()
	}
	b.mu.Lock()
	stops := b.stopAt == p
	b.mu.Unlock()
	if stops {
		b.w.gates.park(ctx, &gate{place: atPoint, point: p})
	}
}

// start begins a process life over the world's store and providers.
func (w *world) start(id payment.BootID) *boot {
	w.t.Helper()
	b := &boot{id: id, w: w, life: serving, skew: w.plan.skew(len(w.boots))}
	logger := slog.New(slog.DiscardHandler)
	jitter := w.plan.jitter
	cfg := orchestrator.Config{
		Ledger: &watched{Memory: w.store.Ledger(id), w: w}, Table: w.stage.table, Keys: w.stage.keys, Renderer: renderer{},
		ResolveBy: w.plan.resolveBy, Logger: logger, Now: b.now, Random: func() float64 { return jitter }, Probe: b.probe,
	}
	for _, p := range w.providers {
		cfg.Accounts = append(cfg.Accounts, orchestrator.ConfiguredAccount{Account: &account{p: p, boot: b, credential: p.credential}, MayRepeat: p.mayRepeat})
	}
	flow, err := orchestrator.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	b.flow = flow
	b.chain = interceptors.Chain(interceptors.Config{Keys: keys{b}, Authenticate: authenticate, Logger: logger, Now: b.now})
	w.boots = append(w.boots, b)
	return b
}

// kill ends a process life: nothing of it runs any more, its callers lose their
// connections, and its session is renewed no longer.
func (w *world) kill(b *boot) {
	b.become(dead)
	w.store.Pause(b.id)
	for _, g := range w.gates.all() {
		if g.boot == b {
			w.closed(g, outcomeUnknown)
			w.gates.release(g, opening{dead: true})
		}
	}
	for _, c := range w.running() {
		if c.boot == b {
			c.cancel()
		}
	}
}

// pause stops a process as a machine does that is suspended.
func (w *world) pause(b *boot) {
	b.become(paused)
	b.stop("")
	w.store.Pause(b.id)
}

// unpause lets it go on, with a new session if the old one has ended.
func (w *world) unpause(b *boot) {
	b.become(serving)
	w.store.Resume(b.id)
}

// drain shuts a process down as a deployment does, and kills it if that takes too long.
func (w *world) drain(b *boot) {
	b.become(draining)
	ctx, cancel := context.WithTimeout(thread{label: label{intent: "drain of " + string(b.id)}, boot: b}.in(context.Background()), w.plan.drainTime)
	go func() {
		defer cancel()
		err := b.flow.Drain(ctx)
		w.drained(b, err == nil)
	}()
}

// with are the process lives that are in a state.
func (w *world) with(l life) []*boot {
	var list []*boot
	for _, b := range w.boots {
		if b.is(l) {
			list = append(list, b)
		}
	}
	return list
}
