package ledgertest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// same compares what was read with what should be there.
func same[T any](w *world, what string, got, want T) {
	w.Helper()
	if reflect.DeepEqual(want, got) {
		return // at a fraction of what cmp takes to find that nothing differs
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.Fatalf("%s differs from what it should be (-want +got):\n%s", what, diff)
	}
}

// holds checks that every ledger now reads s, and that the open index and the
// reference index say of its operation what follows from it.
func (w *world) holds(s ledger.Snapshot) {
	w.Helper()
	for i, l := range w.Ledgers {
		same(w, fmt.Sprintf("what ledger %d reads", i), w.read(i, s.Operation.Key), s)
		for _, r := range ledger.References(s.Operation) {
			k, err := l.ByReference(w.ctx(), r.Account, r.Name)
			w.ok("by reference "+r.Name, err)
			same(w, "the operation of reference "+r.Name, k, s.Operation.Key)
		}
	}
	w.indexed(s.Operation)
}

// indexed checks the operation's entry of the open index.
func (w *world) indexed(op payment.Operation) {
	w.Helper()
	due, open := w.due(op.Key)
	if open == op.State.Final() {
		w.Fatalf("operation in state %s: in the open index: %v", op.State, open)
	}
	if open && !due.Equal(op.NextCheck) {
		w.Fatalf("operation in state %s is due at %s, want %s", op.State, due, op.NextCheck)
	}
}

// due finds when an operation is due, and whether it is open at all.
func (w *world) due(k payment.OperationKey) (time.Time, bool) {
	w.Helper()
	all, err := w.Ledgers[0].Due(w.ctx(), ledger.Shard(k), w.t0.Add(1000*time.Hour), 1000)
	w.ok("due", err)
	i := slices.IndexFunc(all, func(o ledger.Open) bool { return o.Key == k })
	if i < 0 {
		return time.Time{}, false
	}
	return all[i].Due, true
}

// absent checks that nothing at all was written of a change.
func (w *world) absent(c ledger.Change) {
	w.Helper()
	for _, l := range w.Ledgers {
		_, err := l.Read(w.ctx(), c.Operation.Key)
		w.fails("read of what was not claimed", err, ledger.ErrNotFound)
		for _, r := range ledger.References(c.Operation) {
			_, err := l.ByReference(w.ctx(), r.Account, r.Name)
			w.fails("reference of what was not claimed", err, ledger.ErrNotFound)
		}
	}
	if _, open := w.due(c.Operation.Key); open {
		w.Fatal("an operation that was not claimed is in the open index")
	}
}
