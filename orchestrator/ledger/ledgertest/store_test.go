package ledgertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// onStore is a world on a store that the test can reach.
func onStore(t *testing.T, c Config) (*world, *Store) {
	t.Helper()
	store := NewStore(t, c)
	return newWorld(t, harness(store)), store
}

// A paused session ends exactly its time to live after the pause, and wakes who
// waits for it; a resumed one does not end, or is another one.
func TestSessionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, store := onStore(t, Config{TTL: 15 * time.Second})
		s := w.claimed(0)
		l := w.Ledgers[0]
		time.Sleep(time.Hour)
		w.ok("hold of a living process after an hour", l.Hold(w.ctx(), 3*time.Second))
		w.fails("hold for longer than a session lives", l.Hold(w.ctx(), time.Minute), ledger.ErrSessionLost)

		store.Pause(bootName(0))
		time.Sleep(10 * time.Second)
		store.Resume(bootName(0))
		time.Sleep(10 * time.Second)
		w.ok("hold after a short pause", l.Hold(w.ctx(), 3*time.Second))
		w.holds(s)

		store.Pause(bootName(0))
		paused := time.Now()
		time.Sleep(12*time.Second + time.Millisecond)
		w.fails("hold with too little left", l.Hold(w.ctx(), 3*time.Second), ledger.ErrSessionLost)
		w.ok("hold for what is left", l.Hold(w.ctx(), time.Second))
		w.ok("await", w.Ledgers[1].Await(w.ctx(), s.Operation.Key))
		if waited := time.Since(paused); waited != 15*time.Second {
			t.Errorf("a waiter was woken %s after the pause, want 15s", waited)
		}
		w.fails("hold after the end", l.Hold(w.ctx(), 0), ledger.ErrSessionLost)
		_, err := l.Claim(w.ctx(), ledger.Snapshot{}, w.authorize(0, w.call(tenant, payment.MethodAuthorize)))
		w.fails("claim after the end", err, ledger.ErrSessionLost)

		store.Resume(bootName(0))
		w.ok("hold of the next session", l.Hold(w.ctx(), time.Second))
		same(w, "the marker of the session before", w.read(0, s.Operation.Key).Marker, ledger.Marker{})
		w.holds(w.claimed(0))
	})
}

// A crashed process gets no answer any more, wherever its calls are; the others
// see its markers go when its session would have been renewed.
func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, store := onStore(t, Config{TTL: 15 * time.Second})
		s := w.claimed(0)
		waiter := make(chan error, 1)
		ctx := w.ctx()
		go func() { waiter <- w.Ledgers[0].Await(ctx, s.Operation.Key) }()
		synctest.Wait()

		// One write is on its way to the store, another's answer is on its way back.
		reached, release := make(chan struct{}), make(chan struct{})
		block := func(context.Context) {
			reached <- struct{}{}
			<-release
		}
		before := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
		after := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
		store.SetHook(func(ctx context.Context, c Call) Fault {
			switch c.Key {
			case before.Operation.Key:
				block(ctx)
			case after.Operation.Key:
				return Fault{Gate: block}
			}
			return Fault{}
		})
		errs := make(chan error, 2)
		for _, c := range []ledger.Change{before, after} {
			go func() {
				_, err := w.Ledgers[0].Claim(ctx, ledger.Snapshot{}, c)
				errs <- err
			}()
			<-reached
		}
		store.Crash(bootName(0))
		close(release)
		w.fails("a waiter of a crashed process", <-waiter, ledger.ErrUnavailable)
		for range 2 {
			if err := <-errs; err == nil {
				t.Error("a crashed process was answered")
			}
		}
		store.SetHook(nil)
		w.fails("a read of a crashed process", func() error { _, err := w.Ledgers[0].Read(ctx, s.Operation.Key); return err }(), ledger.ErrUnavailable)
		w.fails("hold of a crashed process", w.Ledgers[0].Hold(ctx, 0), ledger.ErrUnavailable)

		_, err := w.Ledgers[1].Read(ctx, before.Operation.Key)
		w.fails("read of a write that never arrived", err, ledger.ErrNotFound)
		if !w.read(1, after.Operation.Key).Marker.Present {
			t.Error("the marker went with the crash, before its session ended")
		}
		w.ok("await", w.Ledgers[1].Await(ctx, s.Operation.Key))
		now := w.read(1, s.Operation.Key)
		same(w, "the marker after the session", now.Marker, ledger.Marker{})
		w.takenOver(1, now)
	})
}

// Nothing is locked while a hook or a gate runs: it may look into the store and
// call another ledger.
func TestHooksMayCallTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, store := onStore(t, Config{})
		s := w.claimed(0)
		var looked []payment.State
		look := func(ctx context.Context) {
			d, err := store.Dump()
			w.ok("dump", err)
			looked = append(looked, d.Operations[s.Operation.Key].State)
			_, err = w.Ledgers[1].Read(ctx, s.Operation.Key)
			w.ok("read", err)
		}
		store.SetHook(func(ctx context.Context, c Call) Fault {
			if c.Boot != bootName(0) {
				return Fault{}
			}
			look(ctx)
			return Fault{Gate: look}
		})
		w.advance(0, s, w.outcome(s, payment.StateSucceeded))
		same(w, "the states seen before and after the write", looked, []payment.State{payment.StateIntent, payment.StateSucceeded})
	})
}

// A gate that blocks until its caller gives up leaves the write made and the
// caller without an answer.
func TestGateOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, store := onStore(t, Config{})
		s := w.claimed(0)
		c := w.outcome(s, payment.StateSucceeded)
		store.SetHook(Once(KindOutcome, Fault{Gate: func(ctx context.Context) { <-ctx.Done() }}))
		_, err := w.Ledgers[0].Advance(w.short(), s, c)
		w.fails("a write whose caller gave up", err, ledger.ErrAmbiguous)
		w.holds(w.advance(0, s, c))
	})
}

// Each call reaches the hook once, with its kind.
func TestHookSeesKinds(t *testing.T) {
	w, store := onStore(t, Config{})
	var seen []Kind
	store.SetHook(func(_ context.Context, c Call) Fault {
		seen = append(seen, c.Kind)
		return Fault{}
	})
	ctx, l := w.ctx(), w.Ledgers[0]
	s := w.claimed(0)
	s = w.advance(0, s, w.failover(s, "account-2"))
	s = w.advance(0, s, w.fenced(s))
	s = w.advance(0, s, w.canceling(s, 2))
	s = w.advance(0, s, w.noted(s))
	s = w.advance(0, s, w.parked(s, w.t0))
	s = w.advance(0, s, w.noted(s)) // nobody owns it, and still it is no park
	s = w.advance(0, s, w.postponed(s, w.t0.Add(time.Hour)))
	s = w.takenOver(0, s)
	s = w.advance(0, s, told(w.outcome(s, payment.StateDeclined), w.event()))
	w.read(0, s.Operation.Key)
	other := w.claimed(0)
	w.advance(0, other, w.halting(other))
	w.recorded(0, s, nil, ledger.News{Event: w.event()})
	_, err := l.Attention(ctx, tenant, "", 1)
	w.ok("attention", err)
	_, err = l.Living(ctx)
	w.ok("living", err)
	_, _, err = l.Payment(ctx, tenant, s.Payment.ID)
	w.ok("payment", err)
	_, _, err = l.List(ctx, ledger.Filter{Tenant: tenant}, "", 1)
	w.ok("list", err)
	_, err = l.ByReference(ctx, "account-1", string(s.Operation.Reference))
	w.ok("by reference", err)
	_, err = l.Due(ctx, 0, w.t0, 1)
	w.ok("due", err)
	w.ok("await", l.Await(ctx, s.Operation.Key))
	w.ok("hold", l.Hold(ctx, 0))
	w.anchor(0, "name", []byte("value"))
	w.anchor(0, "name", nil)
	same(w, "the kinds", seen, []Kind{
		KindClaim, KindFailover, KindFence, KindFence, KindNote, KindPark, KindNote, KindPark, KindTakeover, KindOutcome,
		KindRead, KindClaim, KindPark, KindRecord, KindAttention, KindLiving, KindPayment, KindList, KindByReference, KindDue, KindAwait, KindHold, KindAnchor, KindRead,
	})
}

// The history of an operation is every version of it.
func TestHistory(t *testing.T) {
	w, store := onStore(t, Config{})
	first := w.claimed(0)
	second := w.advance(0, first, w.parked(first, w.t0))
	third := w.takenOver(1, second)
	ops, err := store.History(first.Operation.Key)
	w.ok("history", err)
	same(w, "the history", ops, []payment.Operation{first.Operation, second.Operation, third.Operation})
}

// Records that contradict each other are found, each contradiction by its name.
func TestDumpProblems(t *testing.T) {
	for name, damage := range map[string]struct {
		damage func(d *Dump, open, final payment.Operation)
		want   string
	}{
		"none":                     {func(*Dump, payment.Operation, payment.Operation) {}, ""},
		"open without an entry":    {func(d *Dump, open, _ payment.Operation) { delete(d.Open, open.Key) }, "in the open index"},
		"final with an entry":      {func(d *Dump, _, final payment.Operation) { d.Open[final.Key] = ledger.Open{Key: final.Key} }, "in the open index"},
		"entry with another's due": {func(d *Dump, open, _ payment.Operation) { d.Open[open.Key] = ledger.Open{Key: open.Key} }, "is not its own"},
		"entry of no operation":    {func(d *Dump, open, _ payment.Operation) { delete(d.Operations, open.Key) }, "does not exist"},
		"marker of an ended flight": {func(d *Dump, _, final payment.Operation) {
			d.Markers[final.Key] = ledger.Marker{Present: true, Boot: "b", Epoch: 1}
		}, "marker"},
		"marker of an earlier epoch": {func(d *Dump, open, _ payment.Operation) {
			d.Markers[open.Key] = ledger.Marker{Present: true, Boot: open.Owner}
		}, "marker"},
		"reference lost": {func(d *Dump, _, _ payment.Operation) { clear(d.References) }, "is not in the index"},
		"payment lost":   {func(d *Dump, _, _ payment.Operation) { d.Payments = nil }, "does not list it"},
		"sealed request kept": {func(d *Dump, _, final payment.Operation) {
			final.Sealed = []byte("sealed")
			d.Operations[final.Key] = final
		}, "keeps its sealed request"},
		"response without an outcome": {func(d *Dump, open, _ payment.Operation) {
			open.Response = []byte("response")
			d.Operations[open.Key] = open
		}, "response"},
	} {
		t.Run(name, func(t *testing.T) {
			w, store := onStore(t, Config{})
			open, final := w.claimed(0).Operation, w.authorized(0).Operation
			d, err := store.Dump()
			w.ok("dump", err)
			damage.damage(&d, open, final)
			problems := d.Problems()
			if damage.want == "" && problems != nil || damage.want != "" && !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, damage.want) }) {
				t.Errorf("got %q, want one with %q", problems, damage.want)
			}
		})
	}
}

// A harness must say what it cannot do, and why; the properties that need it are
// then not run.
func TestHarnessDeclares(t *testing.T) {
	store := NewStore(t, Config{})
	able, unable := harness(store), harness(store)
	unable.Fill, unable.Cannot = nil, []Inability{{AbilityFill, "it has no quota"}}
	if err := errors.Join(able.incomplete(), unable.incomplete()); err != nil {
		t.Errorf("a complete harness is refused: %v", err)
	}
	if unable.cannot(AbilityFill) == "" || unable.cannot(AbilityLose) != "" || unable.cannot("") != "" {
		t.Errorf("what the harness cannot do is not what it declares: %v", unable.Cannot)
	}
	for name, bad := range map[string]func(h *Harness){
		"a ledger is missing":             func(h *Harness) { h.Ledgers[1] = nil },
		"sessions cannot be ended":        func(h *Harness) { h.EndSession = nil },
		"an inability is not declared":    func(h *Harness) { h.Lose = nil },
		"an inability has no reason":      func(h *Harness) { h.Lose, h.Cannot = nil, []Inability{{AbilityLose, ""}} },
		"an ability is declared missing":  func(h *Harness) { h.Cannot = []Inability{{AbilityLose, "why not"}} },
		"an inability is nothing we know": func(h *Harness) { h.Cannot = []Inability{{"fly", "no wings"}} },
	} {
		h := harness(store)
		bad(&h)
		if h.incomplete() == nil {
			t.Errorf("not refused although %s", name)
		}
	}
}
