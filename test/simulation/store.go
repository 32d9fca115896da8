package simulation

import (
	"context"
	"errors"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/ledgertest"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// hook stands before every call of the store but the judge's.
func (w *world) hook(ctx context.Context, c ledgertest.Call) ledgertest.Fault {
	if threadOf(ctx).boot == nil {
		return ledgertest.Fault{}
	}
	return w.gates.park(ctx, &gate{place: beforeStore, call: c}).fault
}

// slow is the fault of a store whose answer takes its time.
func (w *world) slow(c ledgertest.Call) func(context.Context) {
	return func(ctx context.Context) { w.gates.park(ctx, &gate{place: afterStore, call: c}) }
}

// consult decides what becomes of a call of the store.
func (w *world) consult(g *gate) {
	w.judge.touched(g)
	if w.quiet {
		w.gates.release(g, opening{})
		return
	}
	var f ledgertest.Fault
	switch {
	case w.down[g.boot]:
		f.Loss = draw(w.rng, []weighted[ledgertest.Loss]{{8, ledgertest.Unavailable}, {1, ledgertest.AmbiguousApplied}, {1, ledgertest.AmbiguousNotApplied}})
	case w.rng.IntN(100) < w.plan.trouble:
		f.Loss = draw(w.rng, []weighted[ledgertest.Loss]{{3, ledgertest.Unavailable}, {3, ledgertest.AmbiguousApplied}, {3, ledgertest.AmbiguousNotApplied}})
	}
	if f.Loss != ledgertest.None {
		w.history.logf("the ledger fails %s: %s", g.label, lossNames(f.Loss))
		if g.call.Kind.Writes() {
			w.history.saw(lossNames(f.Loss))
		}
	}
	if w.rng.IntN(3) == 0 {
		f.Gate = w.slow(g.call)
	}
	w.gates.release(g, opening{fault: f})
}

func lossNames(l ledgertest.Loss) string {
	switch l {
	case ledgertest.Unavailable:
		return "unavailable"
	case ledgertest.AmbiguousApplied:
		return "ambiguous, applied"
	case ledgertest.AmbiguousNotApplied:
		return "ambiguous, not applied"
	case ledgertest.None:
	}
	return "none"
}

// watched is a process's ledger, which tells the judge who wrote on what.
type watched struct {
	*ledgertest.Memory

	w *world
}

// write is one that its writer was told about.
type write struct {
	by        label
	want, got payment.Operation
	fenced    bool // it was not made: the operation has moved
	moved     bool // nor this: the payment has
}

// Takeover implements ledger.Ledger.
func (l *watched) Takeover(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	l.begin(ctx, s)
	now, err := l.Memory.Takeover(ctx, s, c)
	l.end(ctx, c, now, err)
	return now, err
}

// Advance implements ledger.Ledger.
func (l *watched) Advance(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	l.begin(ctx, s)
	now, err := l.Memory.Advance(ctx, s, c)
	l.end(ctx, c, now, err)
	return now, err
}

// Claim implements ledger.Ledger.
func (l *watched) Claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	// It makes the operation, whatever there is of the payment.
	l.begin(ctx, ledger.Snapshot{Revision: ledger.Revision{Parent: s.Revision.Parent}})
	now, err := l.Memory.Claim(ctx, s, c)
	l.end(ctx, c, now, err)
	return now, err
}

// basis is what a write is built on: revisions of its operation and of the parent that
// this is one with.
type basis struct{ operation, parent int64 }

// begin notes which revisions a write is built on.
func (l *watched) begin(ctx context.Context, s ledger.Snapshot) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.basis[threadOf(ctx).label] = basis{s.Revision.Operation, s.Revision.Parent}
}

// end notes what a writer was told, if it was told for certain.
func (l *watched) end(ctx context.Context, c ledger.Change, now ledger.Snapshot, err error) {
	fenced, moved := errors.Is(err, ledger.ErrFenced), errors.Is(err, ledger.ErrPaymentMoved)
	if err != nil && !fenced && !moved {
		return
	}
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.writes = append(l.w.writes, write{by: threadOf(ctx).label, want: c.Operation, got: now.Operation, fenced: fenced, moved: moved})
}
