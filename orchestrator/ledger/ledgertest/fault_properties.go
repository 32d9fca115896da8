package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// faultProperties: an error of a write never leaves more or less than one record
// behind, and the same call again tells which it was.
func faultProperties() []property {
	all := []property{
		{"lost claim that was made keeps its key against others", AbilityLose, lostClaimMade},
		{"lost claim that was not made loses its key to another", AbilityLose, lostClaimNotMade},
		{"lost write that was not made is fenced by a takeover", AbilityLose, lostThenTakenOver},
		{"lost takeover that was made is fenced by the next", AbilityLose, lostTakeoverMade},
		{"lost outcome that was made is not posted twice", AbilityLose, lostOutcomePostedOnce},
		{"lost event that was made is known to everybody", AbilityLose, lostEventMade},
		{"lost event that was not made is another's to take in", AbilityLose, lostEventNotMade},
		{"lost anchor is stored once", AbilityLose, lostAnchor},
		{"store out of reach is told on every call", AbilityCutOff, outOfReach},
	}
	for _, k := range slices.Concat(kindsOfWrite(), kindsOfRecord()) {
		for _, applied := range []bool{true, false} {
			name := k.name + map[bool]string{true: ", applied", false: ", not applied"}[applied]
			all = append(all,
				property{"lost " + name, AbilityLose, func(w *world) { lostWrite(w, k, applied) }},
				property{"lost answer to " + name, AbilityLoseAnswer, func(w *world) { lostAnswer(w, k, applied) }},
			)
		}
		all = append(
			all,
			property{"out of reach for " + k.name, AbilityCutOff, func(w *world) { cutOffWrite(w, k) }},
			property{"ended context of " + k.name, "", func(w *world) { canceledWrite(w, k) }},
		)
	}
	return all
}

// short is the context of a call that must end in an error.
func (w *world) short() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), w.Patience)
	w.Cleanup(cancel)
	return ctx
}

// lost makes a write whose answer gets lost, and heals the ledger again.
func (w *world) lost(k kindOfWrite, s ledger.Snapshot, c ledger.Change, applied bool) {
	w.Helper()
	heal := w.Lose(w.T, 0, applied)
	_, err := k.write(w.Ledgers[0], w.short(), s, c)
	w.fails("a "+k.name+" whose answer got lost", err, ledger.ErrAmbiguous)
	heal()
}

// repeated makes the same write again and checks that it is there once.
func (w *world) repeated(k kindOfWrite, s ledger.Snapshot, c ledger.Change) ledger.Snapshot {
	w.Helper()
	got, err := k.write(w.Ledgers[0], w.ctx(), s, c)
	w.ok("the same "+k.name+" again", err)
	w.wrote(got, c)
	return got
}

// wrote checks that a change was made, once.
func (w *world) wrote(got ledger.Snapshot, c ledger.Change) {
	w.Helper()
	same(w, "the operation", got.Operation, c.Operation)
	if c.Payment != nil {
		same(w, "the payment", got.Payment, *c.Payment)
	}
	if c.Parent != nil {
		same(w, "the parent", got.Parent, *c.Parent)
		w.holds(w.read(1, c.Parent.Key))
	}
	w.holds(got)
	_, ops, err := w.Ledgers[1].Payment(w.ctx(), got.Payment.Tenant, got.Payment.ID)
	w.ok("payment", err)
	if len(ops) != len(got.Payment.Operations) {
		w.Fatalf("the payment has %d operations, want %d", len(ops), len(got.Payment.Operations))
	}
	if c.Event != nil {
		w.kept(c.Event, true)
	}
	if c.Attention != nil {
		w.attentive(tenant, *c.Attention)
	}
}

// untouched checks that nothing was made of a change.
func (w *world) untouched(s ledger.Snapshot, c ledger.Change) {
	w.Helper()
	w.attentive(tenant)
	if s.Operation.Key == c.Operation.Key {
		same(w, "the record that was not written", w.read(1, s.Operation.Key), s)
		return
	}
	w.absent(c)
}

func lostWrite(w *world, k kindOfWrite, applied bool) {
	s, c := k.prepare(w)
	w.lost(k, s, c, applied)
	if applied {
		same(w, "the record that was written", w.read(1, c.Operation.Key).Operation, c.Operation)
	} else {
		w.untouched(s, c)
	}
	got := w.repeated(k, s, c)
	again := w.repeated(k, s, c)
	same(w, "what a second repetition returns", again, got)
}

// lostAnswer: a ledger that can read back may know, and must not be wrong.
func lostAnswer(w *world, k kindOfWrite, applied bool) {
	s, c := k.prepare(w)
	w.LoseAnswer(w.T, 0, applied)
	got, err := k.write(w.Ledgers[0], w.short(), s, c)
	switch {
	case err == nil:
		w.wrote(got, c)
	case errors.Is(err, ledger.ErrAmbiguous):
	case errors.Is(err, ledger.ErrUnavailable) && !applied:
		w.untouched(s, c)
	default:
		w.Fatalf("a %s whose answer got lost (applied: %v): %v", k.name, applied, err)
	}
	w.repeated(k, s, c)
}

func cutOffWrite(w *world, k kindOfWrite) {
	s, c := k.prepare(w)
	heal := w.CutOff(w.T, 0)
	_, err := k.write(w.Ledgers[0], w.short(), s, c)
	if !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrAmbiguous) {
		w.Fatalf("a %s that could not reach the store: %v", k.name, err)
	}
	heal()
	w.untouched(s, c)
	w.repeated(k, s, c)
}

// canceledWrite: a context that ends makes a write ambiguous, not undone.
func canceledWrite(w *world, k kindOfWrite) {
	s, c := k.prepare(w)
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	got, err := k.write(w.Ledgers[0], ctx, s, c)
	switch {
	case err == nil:
		w.wrote(got, c)
	case errors.Is(err, ledger.ErrUnavailable):
		w.untouched(s, c)
	case !errors.Is(err, ledger.ErrAmbiguous):
		w.Fatalf("a %s whose context had ended: %v", k.name, err)
	}
	w.repeated(k, s, c)
}

func lostClaimMade(w *world) {
	k := kindsOfWrite()[0]
	s, c := k.prepare(w)
	w.lost(k, s, c, true)
	_, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, w.reclaim(1, c.Operation))
	taken := w.taken(err)
	same(w, "the operation that has the key", taken.Operation, c.Operation)
	if !taken.OwnerAlive {
		w.Fatal("the owner lives, but is said to be gone")
	}
	w.repeated(k, s, c)
}

func lostClaimNotMade(w *world) {
	k := kindsOfWrite()[0]
	s, c := k.prepare(w)
	w.lost(k, s, c, false)
	other, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, w.reclaim(1, c.Operation))
	w.ok("another's claim of the key", err)
	_, err = k.write(w.Ledgers[0], w.ctx(), s, c)
	same(w, "the operation that has the key", w.taken(err).Operation, other.Operation)
	w.holds(other)
}

func lostThenTakenOver(w *world) {
	for _, k := range kindsOfWrite()[4:] {
		s, c := k.prepare(w)
		w.lost(k, s, c, false)
		other := w.takenOver(1, w.read(1, s.Operation.Key))
		present, err := k.write(w.Ledgers[0], w.ctx(), s, c)
		w.fails("a "+k.name+" repeated after a takeover", err, ledger.ErrFenced)
		same(w, "the present snapshot", present, other)
		w.holds(other)
	}
}

func lostTakeoverMade(w *world) {
	k := kindsOfWrite()[3]
	for _, applied := range []bool{true, false} {
		s, c := k.prepare(w)
		w.lost(k, s, c, applied)
		other := w.takenOver(2, w.read(2, s.Operation.Key))
		present, err := k.write(w.Ledgers[0], w.ctx(), s, c)
		w.fails("a takeover repeated after another's", err, ledger.ErrFenced)
		same(w, "the present snapshot", present, other)
		w.holds(other)
	}
}

func lostOutcomePostedOnce(w *world) {
	one := w.capturing(0, w.authorized(0), 100)
	c := w.outcome(one, payment.StateSucceeded)
	k := kindOfWrite{name: "outcome", write: ledger.Ledger.Advance}
	w.lost(k, one, c, true)
	other := w.capturing(1, w.read(1, one.Operation.Key), 200)
	got, err := w.Ledgers[0].Advance(w.ctx(), one, c)
	w.ok("the same outcome again", err)
	same(w, "the payment", got.Payment, other.Payment)
	if got.Payment.Captured != 100 || got.Payment.CaptureReserved != 200 {
		w.Fatalf("captured %d and reserved %d, want 100 and 200", got.Payment.Captured, got.Payment.CaptureReserved)
	}
	w.holds(got)
}

func lostEventMade(w *world) {
	k := kindOfWrite{name: "late outcome", write: ledger.Ledger.Advance}
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	e := w.event()
	c := told(w.outcome(s, payment.StateSucceeded), e)
	w.lost(k, s, c, true)
	for i := range w.Ledgers {
		_, err := w.Ledgers[i].Record(w.ctx(), ledger.Snapshot{}, nil, ledger.News{Event: e})
		w.fails("an event whose write was made", err, ledger.ErrEventKnown)
	}
	w.repeated(k, s, c)
}

// lostEventNotMade: what another has done with the news meanwhile looks the same
// as what was to be written.
func lostEventNotMade(w *world) {
	k := kindOfWrite{name: "late outcome", write: ledger.Ledger.Advance}
	s := w.claimed(0)
	s = w.advance(0, s, w.parked(s, w.t0))
	c := told(w.outcome(s, payment.StateSucceeded), w.event())
	w.lost(k, s, c, false)
	won := w.advance(1, s, c)
	present, err := w.Ledgers[0].Advance(w.ctx(), s, c)
	w.fails("news that another took in", err, ledger.ErrFenced)
	same(w, "the present snapshot", present, won)
	w.holds(won)
}

func lostAnchor(w *world) {
	for name, applied := range map[string]bool{"made": true, "not made": false} {
		heal := w.Lose(w.T, 0, applied)
		_, err := w.Ledgers[0].Anchor(w.short(), name, []byte("mine"))
		w.fails("an anchor whose answer got lost", err, ledger.ErrAmbiguous)
		heal()
		want := []byte("mine")
		if !applied {
			want = w.anchor(1, name, []byte("another's"))
		}
		if got := w.anchor(0, name, []byte("mine")); !bytes.Equal(got, want) {
			w.Fatalf("the anchor that was %s is %q, want %q", name, got, want)
		}
	}
}

// outOfReach: not being able to read is never told as not being there.
func outOfReach(w *world) {
	s := w.claimed(0)
	l := w.Ledgers[0]
	heal := w.CutOff(w.T, 0)
	calls := map[string]func(ctx context.Context) error{
		"read":    func(ctx context.Context) error { _, err := l.Read(ctx, s.Operation.Key); return err },
		"payment": func(ctx context.Context) error { _, _, err := l.Payment(ctx, tenant, s.Payment.ID); return err },
		"list": func(ctx context.Context) error {
			_, _, err := l.List(ctx, ledger.Filter{Tenant: tenant}, "", 1)
			return err
		},
		"by reference": func(ctx context.Context) error { _, err := l.ByReference(ctx, "account-1", "r"); return err },
		"due":          func(ctx context.Context) error { _, err := l.Due(ctx, 0, w.t0, 1); return err },
		"attention":    func(ctx context.Context) error { _, err := l.Attention(ctx, tenant, "", 1); return err },
		"living":       func(ctx context.Context) error { _, err := l.Living(ctx); return err },
		"anchor":       func(ctx context.Context) error { _, err := l.Anchor(ctx, "name", nil); return err },
	}
	for name, call := range calls {
		w.fails(name+" out of reach", call(w.short()), ledger.ErrUnavailable)
	}
	err := l.Await(w.short(), s.Operation.Key)
	if !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		w.Fatalf("await out of reach: %v", err)
	}
	_, err = l.Record(w.short(), ledger.Snapshot{}, nil, ledger.News{Attention: w.orphan()})
	if !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, ledger.ErrAmbiguous) {
		w.Fatalf("record out of reach: %v", err)
	}
	heal()
	w.attentive("")
	for name, call := range calls {
		if err := call(w.ctx()); name != "by reference" {
			w.ok(name+" after the store is back", err)
		}
	}
	w.holds(s)
}
