package ledgertest

import (
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// dueProperties: what is not final is found when its time has come.
func dueProperties() []property {
	return []property{
		{"lists what is due and nothing that is not", "", dueNow},
		{"lists the longest due first, up to the limit", "", dueOrder},
		{"lists an operation in its own shard only", "", dueShard},
		{"lists every tenant's operations", "", dueTenants},
		{"lists what is due at the same time in the order of ids", "", dueTies},
		{"of a pending operation moves when a look at it finds nothing", "", duePostponed},
		{"loses nothing under concurrent writes", "", dueConcurrent},
	}
}

// parkedAt is an operation that is due at a time, in a shard if shard ≥ 0.
func (w *world) parkedAt(t payment.TenantID, shard int, due time.Time) payment.OperationKey {
	w.Helper()
	call := w.call(t, payment.MethodAuthorize)
	for shard >= 0 && ledger.Shard(call.OperationKey()) != shard {
		call = w.call(t, payment.MethodAuthorize)
	}
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(0, call))
	w.ok("claim", err)
	return w.advance(0, s, w.parked(s, due)).Operation.Key
}

func (w *world) dueAt(i, shard int, now time.Time, limit int) []payment.OperationKey {
	w.Helper()
	all, err := w.Ledgers[i].Due(w.ctx(), shard, now, limit)
	w.ok("due", err)
	keys := make([]payment.OperationKey, len(all))
	for i, o := range all {
		keys[i] = o.Key
	}
	return keys
}

func dueNow(w *world) {
	k := w.parkedAt(tenant, -1, w.t0.Add(time.Hour))
	shard := ledger.Shard(k)
	for i := range w.Ledgers {
		same(w, "what is due a moment before", w.dueAt(i, shard, w.t0.Add(time.Hour-time.Millisecond), 10), nil)
		same(w, "what is due at the very time", w.dueAt(i, shard, w.t0.Add(time.Hour), 10), []payment.OperationKey{k})
		same(w, "what is due long after", w.dueAt(i, shard, w.t0.Add(1000*time.Hour), 10), []payment.OperationKey{k})
	}
	s := w.takenOver(1, w.read(1, k))
	same(w, "what is due while somebody works on it", w.dueAt(0, shard, w.t0.Add(time.Minute), 10), nil)
	w.advance(1, s, w.outcome(s, payment.StateSucceeded))
	same(w, "what is due once it is final", w.dueAt(0, shard, w.t0.Add(1000*time.Hour), 10), nil)
}

func dueOrder(w *world) {
	const shard = 7
	// Neither in order of creation nor of their keys.
	delays := []time.Duration{5 * time.Minute, time.Second, time.Hour, 30 * time.Second, 2 * time.Hour, time.Minute}
	byDelay := make(map[time.Duration]payment.OperationKey)
	for _, d := range delays {
		byDelay[d] = w.parkedAt(tenant, shard, w.t0.Add(d))
	}
	slices.Sort(delays)
	var want []payment.OperationKey
	for _, d := range delays {
		want = append(want, byDelay[d])
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		same(w, "the longest due", w.dueAt(1, shard, w.t0.Add(24*time.Hour), limit), want[:min(limit, len(want))])
	}
	same(w, "what is due after ten minutes", w.dueAt(1, shard, w.t0.Add(10*time.Minute), 100), want[:4])
}

func dueShard(w *world) {
	shards := []int{0, 1, 10, ledger.Shards - 1}
	want := map[int]payment.OperationKey{}
	for _, n := range shards {
		want[n] = w.parkedAt(tenant, n, w.t0)
	}
	for n := range ledger.Shards {
		got := w.dueAt(2, n, w.t0, 10)
		if k, some := want[n]; some {
			same(w, "what is due in the shard", got, []payment.OperationKey{k})
		} else {
			same(w, "what is due in an empty shard", got, nil)
		}
	}
}

func dueTenants(w *world) {
	const shard = 3
	want := []payment.OperationKey{
		w.parkedAt("merchant", shard, w.t0), w.parkedAt("merchant-2", shard, w.t0.Add(time.Second)), w.parkedAt("m", shard, w.t0.Add(2*time.Second)),
	}
	same(w, "what is due of all tenants", w.dueAt(1, shard, w.t0.Add(time.Minute), 10), want)
}

func dueTies(w *world) {
	const shard = 5
	var want []payment.OperationKey
	for range 6 {
		want = append(want, w.parkedAt(tenant, shard, w.t0.Add(time.Second)))
	}
	slices.SortFunc(want, func(a, b payment.OperationKey) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for limit := 1; limit <= len(want); limit++ {
		same(w, "what is due at one time", w.dueAt(limit%Boots, shard, w.t0.Add(time.Minute), limit), want[:limit])
	}
}

func duePostponed(w *world) {
	s := w.claimed(0)
	s = w.advance(0, s, w.outcome(s, payment.StatePending))
	due := w.t0.Add(3 * time.Hour)
	c := w.postponed(s, due)
	next := w.advance(1, s, c)
	rest := s.Operation
	rest.NextCheck, rest.ParkReason = due, next.Operation.ParkReason
	rest.Attempts = slices.Clone(rest.Attempts)
	rest.Attempts[0].Deadline = next.Operation.Attempts[0].Deadline
	same(w, "the operation but for its due time", next.Operation, rest)
	same(w, "the payment", next.Payment, s.Payment)
	if next.Revision.Payment != s.Revision.Payment || next.Marker.Present {
		w.Fatalf("a look in vain left payment revision %d of %d and marker %+v", next.Revision.Payment, s.Revision.Payment, next.Marker)
	}
	shard := ledger.Shard(s.Operation.Key)
	same(w, "what is due a moment before", w.dueAt(2, shard, due.Add(-time.Millisecond), 10), nil)
	same(w, "what is due then", w.dueAt(2, shard, due, 10), []payment.OperationKey{s.Operation.Key})
	same(w, "what the repeated look returns", w.advance(1, s, c), next)
	present, err := w.Ledgers[2].Advance(w.ctx(), s, w.postponed(s, due.Add(time.Second)))
	w.fails("another's look from the same snapshot", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, next)
	w.holds(next)
}

func dueConcurrent(w *world) {
	const shard, callers = 11, 24
	claims := make([]ledger.Change, callers)
	for i := range claims {
		call := w.call(tenant, payment.MethodAuthorize)
		for ledger.Shard(call.OperationKey()) != shard {
			call = w.call(tenant, payment.MethodAuthorize)
		}
		claims[i] = w.authorize(i%Boots, call)
	}
	errs := make([]error, callers)
	race(callers, func(i int) {
		_, errs[i] = w.Ledgers[i%Boots].Claim(w.ctx(), ledger.Snapshot{}, claims[i])
	})
	got := w.dueAt(0, shard, w.t0.Add(time.Hour), 1000)
	for i, c := range claims {
		w.ok("claim", errs[i])
		if !slices.Contains(got, c.Operation.Key) {
			w.Fatalf("operation %s is not in the open index", c.Operation.Key.ID)
		}
	}
	if len(got) != callers {
		w.Fatalf("%d operations are in the open index, want %d", len(got), callers)
	}
}
