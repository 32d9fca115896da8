package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// misuse makes an advance from a record that the state machine made, changed, and
// returns what the store says of it.
func misused(t *testing.T, from func(w *world) ledger.Snapshot, to func(w *world, s ledger.Snapshot) ledger.Change) []string {
	t.Helper()
	var said []string
	w, _ := onStore(t, Config{Violated: func(what string) { said = append(said, what) }})
	s := from(w)
	if said != nil {
		t.Fatalf("the fixture itself is wrong: %q", said)
	}
	_, err := w.Ledgers[0].Advance(w.ctx(), s, to(w, s))
	t.Logf("the call returned: %v", err)
	return said
}

// The records that the moves below begin with.
func claimedRecord(w *world) ledger.Snapshot { return w.claimed(0) }

func fencedRecord(w *world) ledger.Snapshot {
	s := w.claimed(0)
	return w.advance(0, s, w.fenced(s))
}

func parkedFence(w *world) ledger.Snapshot {
	s := fencedRecord(w)
	return w.advance(0, s, w.parked(s, w.t0))
}

func haltedRecord(w *world) ledger.Snapshot {
	s := w.claimed(0)
	return w.advance(0, s, w.halting(s))
}

func failedOver(w *world) ledger.Snapshot {
	s := w.claimed(0)
	return w.advance(0, s, w.failover(s, "account-2"))
}

func refundingRecord(w *world) ledger.Snapshot {
	s := w.ordering(0, w.captured(0), payment.MethodRefund, 100)
	w.recorded(0, s, w.refunded(s, "re_1", 10), ledger.News{})
	return w.read(0, s.Operation.Key)
}

// Goal: the store says what no caller may do with a fence, a note, a halt and
// what others did. Method: each rule is broken by one change of a legal write.
func TestStoreWatchesMoves(t *testing.T) {
	step := func(c *ledger.Change) *payment.Step {
		a := &c.Operation.Attempts[len(c.Operation.Attempts)-1]
		return &a.Steps[len(a.Steps)-1]
	}
	canceled := func(w *world, s ledger.Snapshot) ledger.Change { return w.canceling(s, 2) }
	fenced := func(w *world, s ledger.Snapshot) ledger.Change { return w.fenced(s) }
	noted := func(w *world, s ledger.Snapshot) ledger.Change { return w.noted(s) }
	halting := func(w *world, s ledger.Snapshot) ledger.Change { return w.halting(s) }
	looked := func(w *world, s ledger.Snapshot) ledger.Change { return w.postponed(s, w.t0.Add(time.Hour)) }
	paid := func(w *world, s ledger.Snapshot) ledger.Change { return w.outcome(s, payment.StateSucceeded) }
	for name, m := range map[string]struct {
		from func(w *world) ledger.Snapshot
		move func(w *world, s ledger.Snapshot) ledger.Change
		but  func(s ledger.Snapshot, c *ledger.Change)
		want string
	}{
		"fence without a cancel": {claimedRecord, fenced, func(s ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts[0].Steps = s.Operation.Attempts[0].Steps
		}, "fences without a cancel"},
		"two cancels at once": {fencedRecord, canceled, func(_ ledger.Snapshot, c *ledger.Change) {
			a := &c.Operation.Attempts[0]
			third := a.Steps[2]
			third.Name, third.Key = payment.StepCancel(3), "another"
			a.Steps = append(slices.Clone(a.Steps), third)
		}, "no cancel"},
		"a step that is no cancel":   {fencedRecord, canceled, func(_ ledger.Snapshot, c *ledger.Change) { step(c).Name = "again" }, "no cancel"},
		"a cancel by another's name": {fencedRecord, canceled, func(_ ledger.Snapshot, c *ledger.Change) { step(c).Name = payment.StepCancel(1) }, "a step that exists"},
		"a cancel with another's key": {fencedRecord, canceled, func(s ledger.Snapshot, c *ledger.Change) {
			step(c).Key = s.Operation.Attempts[0].Steps[0].Key
		}, "a step that exists"},
		"a cancel without an owner": {parkedFence, func(w *world, s ledger.Snapshot) ledger.Change {
			s.Operation.Owner = w.Ledgers[0].Boot()
			c := w.canceling(s, 2)
			c.Operation.Owner = ""
			return c
		}, nil, "fences without an owner"},
		"a cancel of a capture": {func(w *world) ledger.Snapshot { return w.capturing(0, w.authorized(0), 100) }, func(w *world, s ledger.Snapshot) ledger.Change {
			c := ledger.Change{Operation: s.Operation}
			c.Operation.State = payment.StateFencing
			c.Operation.Attempts = slices.Clone(s.Operation.Attempts)
			a := &c.Operation.Attempts[0]
			a.Steps = append(slices.Clone(a.Steps), payment.Step{Name: payment.StepCancel(1), Key: "k"})
			return c
		}, nil, "must not be fenced"},
		"an intent after a fence": {fencedRecord, noted, func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.State = payment.StateIntent }, "without another attempt"},
		"unknown after a fence":   {fencedRecord, noted, func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.State = payment.StateUnknown }, "is no move"},
		"pending after a fence":   {fencedRecord, noted, func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.State = payment.StatePending }, "is no move"},

		"a note of another deadline": {fencedRecord, noted, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts[0].Deadline = c.Operation.Attempts[0].Deadline.Add(1)
		}, "changes more than a note"},
		"a note of another time": {claimedRecord, noted, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.ResolveBy = c.Operation.ResolveBy.Add(1)
		}, "changes more than a note"},
		"a note with a payment": {claimedRecord, noted, func(s ledger.Snapshot, c *ledger.Change) {
			p := s.Payment
			p.Version++
			c.Payment = &p
		}, "does not touch"},
		"a note of a closed attempt": {failedOver, noted, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts = slices.Clone(c.Operation.Attempts)
			c.Operation.Attempts[0].Evidence = payment.EvidenceEffect
		}, "attempt 1, which was closed"},
		"an outcome of a closed attempt": {failedOver, paid, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts[0].RequestID = "late"
		}, "attempt 1, which was closed"},

		"a look that goes on": {claimedRecord, looked, func(s ledger.Snapshot, c *ledger.Change) { c.Operation.Owner = s.Operation.Owner }, "parks and goes on"},
		"a look that lengthens": {haltedRecord, looked, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts[0].Deadline = time.Now().Add(time.Hour)
		}, "parks and goes on"},
		"a look that forgives": {haltedRecord, looked, func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.ResolveBy = time.Time{} }, "changes more than a park"},
		"a halt with an owner": {claimedRecord, halting, func(s ledger.Snapshot, c *ledger.Change) { c.Operation.Owner = s.Operation.Owner }, "halts with an owner"},
		"a halt of a fence that fails it": {fencedRecord, noted, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.Halted, c.Operation.Owner, c.Operation.State = true, "", payment.StateFailed
		}, "ends without an effect although one was seen"},
		"a halt that is taken back": {haltedRecord, looked, func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.Halted = false }, "although it was halted"},
		"another attempt after a halt": {haltedRecord, looked, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts = append(c.Operation.Attempts, c.Operation.Attempts[0])
		}, "goes to another account"},
		"a success that drops a row":   {refundingRecord, paid, func(_ ledger.Snapshot, c *ledger.Change) { c.Payment.Outside = nil }, "changes what others did"},
		"a success that changes a row": {refundingRecord, paid, func(_ ledger.Snapshot, c *ledger.Change) { c.Payment.Outside[0].Amount++ }, "what others did"},
		"a success that invents a row": {refundingRecord, paid, func(_ ledger.Snapshot, c *ledger.Change) {
			c.Payment.Outside = append(c.Payment.Outside, payment.Outside{Object: "x", Kind: payment.OutsideRefund})
		}, "invents what others did"},
		"a failure that drops its own": {refundingRecord, func(w *world, s ledger.Snapshot) ledger.Change { return w.outcome(s, payment.StateFailed) }, func(_ ledger.Snapshot, c *ledger.Change) { c.Payment.Outside = nil }, "changes what others did"},
		"a success that drops disputes": {refundingRecord, paid, func(s ledger.Snapshot, c *ledger.Change) {
			c.Operation.Attempts[0].ProviderReference = "re_2"
			c.Payment.Outside = nil
		}, "changes what others did"},
	} {
		t.Run(name, func(t *testing.T) {
			said := misused(t, m.from, func(w *world, s ledger.Snapshot) ledger.Change {
				c := m.move(w, s)
				if c.Payment != nil {
					c.Payment.Outside = slices.Clone(c.Payment.Outside)
				}
				if m.but != nil {
					m.but(s, &c)
				}
				return c
			})
			if !slices.ContainsFunc(said, func(what string) bool { return strings.Contains(what, m.want) }) {
				t.Errorf("got %q, want one with %q", said, m.want)
			}
		})
	}
}

// Goal: the store says what no caller may record of a payment, or do with what is
// halted. Method: as above.
func TestStoreWatchesRecords(t *testing.T) {
	for name, m := range map[string]struct {
		but  func(s *ledger.Snapshot, p *payment.Payment)
		want string
	}{
		"a version is skipped":      {func(_ *ledger.Snapshot, p *payment.Payment) { p.Version++ }, "from version"},
		"a reservation goes":        {func(_ *ledger.Snapshot, p *payment.Payment) { p.RefundReserved = 0 }, "more than what others did"},
		"money moves":               {func(_ *ledger.Snapshot, p *payment.Payment) { p.Refunded++ }, "more than what others did"},
		"an operation is added":     {func(_ *ledger.Snapshot, p *payment.Payment) { p.Operations = append(p.Operations, "x") }, "more than what others did"},
		"a row is dropped":          {func(_ *ledger.Snapshot, p *payment.Payment) { p.Outside = p.Outside[1:] }, `drops what happened to "re_1"`},
		"a row is told twice":       {func(_ *ledger.Snapshot, p *payment.Payment) { p.Outside = append(p.Outside, p.Outside[0]) }, "twice"},
		"the payment is made up":    {func(s *ledger.Snapshot, _ *payment.Payment) { s.Payment.Refunded++ }, "no ledger returned"},
		"the revision is another's": {func(s *ledger.Snapshot, _ *payment.Payment) { s.Revision.Payment++ }, "no ledger returned"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			w, _ := onStore(t, Config{Violated: func(what string) { said = append(said, what) }})
			s := refundingRecord(w)
			p := w.refunded(s, "re_2", 20)
			m.but(&s, p)
			_, _ = w.Ledgers[0].Record(w.ctx(), s, p, ledger.News{Event: w.event()})
			if !slices.ContainsFunc(said, func(what string) bool { return strings.Contains(what, m.want) }) {
				t.Errorf("got %q, want one with %q", said, m.want)
			}
		})
	}
	t.Run("a halted operation is taken over", func(t *testing.T) {
		var said []string
		w, _ := onStore(t, Config{Violated: func(what string) { said = append(said, what) }})
		s := haltedRecord(w)
		c := ledger.Change{Operation: s.Operation}
		c.Operation.Epoch, c.Operation.Nonce, c.Operation.Owner, c.Operation.State = 2, "fresh", bootName(1), payment.StateIntent
		_, _ = w.Ledgers[1].Takeover(w.ctx(), s, c)
		if !slices.ContainsFunc(said, func(what string) bool { return strings.Contains(what, "is halted") }) {
			t.Errorf("got %q, want one about the halt", said)
		}
	})
}

// Goal: news that contradict the records, and what is held for nobody, are found.
// Method: a sound dump with one thing wrong.
func TestDumpProblemsOfNews(t *testing.T) {
	for name, damage := range map[string]struct {
		damage func(d *Dump, fenced payment.Operation)
		want   string
	}{
		"none":                             {func(*Dump, payment.Operation) {}, ""},
		"an event of no operation":         {func(d *Dump, _ payment.Operation) { d.Events[0].Operation.Tenant = "x" }, "which does not exist"},
		"attention to no operation":        {func(d *Dump, _ payment.Operation) { d.Attention[1].Operation = "x" }, "attention"},
		"attention to no payment":          {func(d *Dump, _ payment.Operation) { d.Attention[1].Payment = "x" }, "attention"},
		"attention under another id":       {func(d *Dump, _ payment.Operation) { d.Attention[1].Object = "x" }, "another id"},
		"a tenant's affair that is nobody": {func(d *Dump, _ payment.Operation) { d.Attention[1].Tenant = "" }, "is nobody's"},
		"a fence without a cancel": {func(d *Dump, op payment.Operation) {
			op.Attempts[0].Steps = op.Attempts[0].Steps[:1]
			d.Operations[op.Key] = op
		}, "without a cancel"},
		"a halt with an owner": {func(d *Dump, op payment.Operation) { op.Halted = true; d.Operations[op.Key] = op }, "halted and has an owner"},
		"a row twice": {func(d *Dump, _ payment.Operation) {
			d.Payments[0].Outside = []payment.Outside{{Object: "x", Kind: payment.OutsideRefund}, {Object: "x", Kind: payment.OutsideRefund}}
		}, "twice"},
		"held for nobody":          {func(d *Dump, _ payment.Operation) { d.Payments[0].RefundReserved++ }, "holds"},
		"an operation of no claim": {func(d *Dump, _ payment.Operation) { d.Payments[0].Operations = append(d.Payments[0].Operations, "x") }, "lists x"},
	} {
		t.Run(name, func(t *testing.T) {
			w, store := onStore(t, Config{})
			s := w.claimed(0)
			c := told(w.noted(s), w.event())
			c.Attention = w.contradiction(s)
			s = w.advance(0, s, c)
			s = w.advance(0, s, w.fenced(s))
			w.attention(0, w.orphan())
			w.capturing(0, w.authorized(0), 100)
			d, err := store.Dump()
			w.ok("dump", err)
			damage.damage(&d, s.Operation)
			problems := d.Problems()
			if damage.want == "" && problems != nil || damage.want != "" && !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, damage.want) }) {
				t.Errorf("got %q, want one with %q", problems, damage.want)
			}
		})
	}
}

// Goal: two runs that do the same are told the same, in one order; a seeded
// simulation is built on it. Method: one history twice, in bubbles that begin at
// one time, with enough records that an order of chance would show.
func TestStoreSaysEverythingInOneOrder(t *testing.T) {
	const n = 24
	tell := func() (said string) {
		synctest.Test(t, func(t *testing.T) {
			store := NewStore(t, Config{Violated: func(string) {}})
			l := store.Ledger("boot-0")
			for i := range n {
				store.Ledger(payment.BootID(fmt.Sprint("other-", i)))
				op := payment.Operation{
					Key: callOf(tenant, payment.MethodAuthorize, payment.IdempotencyKey(fmt.Sprint("key-", i))).OperationKey(), State: payment.StateIntent, Epoch: 1,
					PaymentID: payment.ID(fmt.Sprint("payment-", i)), Nonce: fmt.Sprint("nonce-", i), Owner: "boot-0", Attempts: []payment.Attempt{{Account: "a"}},
				}
				p := payment.Payment{ID: op.PaymentID, Tenant: tenant, Status: payment.StatusAuthorizing}
				s, err := l.Claim(t.Context(), ledger.Snapshot{}, ledger.Change{Operation: op, Payment: &p})
				if err != nil {
					t.Fatal(err)
				}
				a := payment.Attention{Tenant: tenant, Kind: payment.AttentionStuck, Operation: payment.OperationID(fmt.Sprint(i))}.Identified()
				if _, err := l.Record(t.Context(), s, nil, ledger.News{Event: &payment.EventKey{Account: "a", ID: fmt.Sprint(i)}, Attention: &a}); err != nil {
					t.Fatal(err)
				}
			}
			d, err := store.Dump()
			if err != nil {
				t.Fatal(err)
			}
			living, _ := l.Living(t.Context())
			attention, _ := l.Attention(t.Context(), tenant, "", n)
			list, _, _ := l.List(t.Context(), ledger.Filter{Tenant: tenant}, "", n)
			said = fmt.Sprint(living, attention, list, d.Payments, d.Events, d.Attention, d.Problems())
			for shard := range ledger.Shards {
				due, _ := l.Due(t.Context(), shard, time.Now(), n)
				said += fmt.Sprint(due)
			}
		})
		return said
	}
	first := tell()
	if !strings.Contains(first, "its payment does not list it") || !strings.Contains(first, "other-23") {
		t.Fatalf("the history shows nothing: %s", first)
	}
	for range 3 {
		if diff := cmp.Diff(first, tell()); diff != "" {
			t.Fatalf("the same history is told in another way:\n%s", diff)
		}
	}
}
