package ledgertest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// The store says what its callers do wrong, also where a guard would have
// refused the write.
func TestStoreWatchesItsCallers(t *testing.T) {
	type call func(w *world) error
	claim := func(change func(c *ledger.Change)) call {
		return func(w *world) error {
			c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
			change(&c)
			_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
			return err
		}
	}
	advance := func(change func(s *ledger.Snapshot, c *ledger.Change)) call {
		return func(w *world) error {
			s := w.claimed(0)
			c := w.outcome(s, payment.StateSucceeded)
			change(&s, &c)
			_, err := w.Ledgers[0].Advance(w.ctx(), s, c)
			return err
		}
	}
	// A claim on a payment of which 400 are captured, and the end of a capture of
	// 100 beside another of 50.
	order := func(m payment.Method, change func(c *ledger.Change)) call {
		return func(w *world) error {
			s := w.capturing(0, w.authorized(0), 400)
			s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
			c := w.capture(0, s, w.call(tenant, m), 100)
			change(&c)
			_, err := w.Ledgers[0].Claim(w.ctx(), s, c)
			return err
		}
	}
	end := func(change func(s ledger.Snapshot, c *ledger.Change)) call {
		return func(w *world) error {
			s := w.capturing(0, w.authorized(0), 400)
			s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
			mine := w.capturing(0, s, 100)
			w.capturing(0, mine, 50)
			mine = w.read(0, mine.Operation.Key)
			c := w.outcome(mine, payment.StateSucceeded)
			change(mine, &c)
			_, err := w.Ledgers[0].Advance(w.ctx(), mine, c)
			return err
		}
	}
	takeover := func(change func(s *ledger.Snapshot, c *ledger.Change)) call {
		return func(w *world) error {
			s := w.claimed(0)
			s = w.advance(0, s, w.parked(s, w.t0))
			c := w.takeover(1, s)
			change(&s, &c)
			_, err := w.Ledgers[1].Takeover(w.ctx(), s, c)
			return err
		}
	}
	final := func(again func(w *world, s ledger.Snapshot) error) call {
		return func(w *world) error { return again(w, w.authorized(0)) }
	}
	for name, misuse := range map[string]struct {
		call call
		want string
	}{
		"claim in epoch 2":           {claim(func(c *ledger.Change) { c.Operation.Epoch = 2 }), "with epoch 2"},
		"claim for another boot":     {claim(func(c *ledger.Change) { c.Operation.Owner = "other" }), "for boot other"},
		"claim in another state":     {claim(func(c *ledger.Change) { c.Operation.State = payment.StateUnknown }), "in state UNKNOWN"},
		"claim with a response":      {claim(func(c *ledger.Change) { c.Operation.Response = []byte("r") }), "with an outcome"},
		"claim that is never due":    {claim(func(c *ledger.Change) { c.Operation.NextCheck = time.Time{} }), "never due"},
		"claim of another's payment": {claim(func(c *ledger.Change) { c.Payment.Tenant = "other" }), "of tenant other"},
		"claim that nobody can find": {claim(func(c *ledger.Change) { c.Payment.Operations = nil }), "does not list it"},
		"claim of a malformed key":   {claim(func(c *ledger.Change) { c.Operation.Key.ID = "a" }), "no key hash"},
		"claim that skips a version": {claim(func(c *ledger.Change) { c.Payment.Version = 3 }), "to 3"},
		"claim with another's nonce": {func(w *world) error {
			c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
			c.Operation.Nonce = w.claimed(0).Operation.Nonce
			_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
			return err
		}, "used before"},
		"claim without a nonce": {claim(func(c *ledger.Change) { c.Operation.Nonce = "" }), "used before"},
		"takeover with the claim's nonce": {func(w *world) error {
			first := w.claimed(0)
			s := w.takenOver(1, first)
			c := w.takeover(2, s)
			c.Operation.Nonce = first.Operation.Nonce
			_, err := w.Ledgers[2].Takeover(w.ctx(), s, c)
			return err
		}, "used before"},
		"claim of more than there is": {func(w *world) error {
			s := w.authorized(0)
			c := w.capture(0, s, w.call(tenant, payment.MethodCapture), amount)
			c.Operation.Amount.MinorUnits, c.Operation.Held, c.Payment.CaptureReserved = amount+1, amount+1, amount+1
			_, err := w.Ledgers[0].Claim(w.ctx(), s, c)
			return err
		}, "more than was authorized"},
		"claim of a refund of more than there is": {order(payment.MethodRefund, func(c *ledger.Change) {
			c.Operation.Held, c.Payment.RefundReserved = 401, 401
		}), "more than was captured"},
		"claim that reserves nothing":      {order(payment.MethodCapture, func(c *ledger.Change) { c.Payment.CaptureReserved = 0 }), "to hold 100"},
		"claim that reserves elsewhere":    {order(payment.MethodRefund, func(c *ledger.Change) { c.Payment.CaptureReserved = 100 }), "to hold 100"},
		"claim without its payment":        {order(payment.MethodCapture, func(c *ledger.Change) { c.Payment = nil }), "takes nothing of its payment"},
		"claim of a void that blocks none": {order(payment.MethodVoid, func(c *ledger.Change) { c.Payment.Voiding = "" }), "reserves"},
		"claim that captures":              {order(payment.MethodCapture, func(c *ledger.Change) { c.Payment.Captured++ }), "moves money"},
		"claim of a capture beside a void": {func(w *world) error {
			s := w.authorized(0)
			c := w.capture(0, s, w.call(tenant, payment.MethodCapture), 100)
			s = w.ordering(0, s, payment.MethodVoid, 0)
			p := s.Payment
			p.Version, p.CaptureReserved = p.Version+1, 100
			p.Operations = append(slices.Clone(p.Operations), c.Operation.Key.ID)
			_, err := w.Ledgers[0].Claim(w.ctx(), s, ledger.Change{Operation: c.Operation, Payment: &p})
			return err
		}, "beside a void"},
		"claim of a payment that no list would find": {claim(func(c *ledger.Change) { c.Payment.Created = c.Payment.Created.Add(time.Hour) }), "no list would find"},
		"claim of a payment with another's id":       {claim(func(c *ledger.Change) { c.Operation.PaymentID, c.Payment.ID = "payment-1", "payment-1" }), "no list would find"},

		"outcome that keeps its reservation": {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Payment.CaptureReserved = 100; c.Payment.Captured = 400 }), "held 100"},
		"outcome that gives back more":       {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Payment.CaptureReserved, c.Payment.Captured = 0, 400 }), "held 100"},
		"outcome without its payment":        {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Payment = nil }), "does not show"},
		"outcome that holds less":            {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.Held = 1 }), "what the claim fixed"},
		"outcome that becomes the last":      {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.Last = true }), "what the claim fixed"},
		"outcome on another parent":          {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Operation.Attempts[0].Parent = "x" }), "was made with"},
		"outcome that ends another's void":   {end(func(_ ledger.Snapshot, c *ledger.Change) { c.Payment.Voiding = "x" }), "held 100"},
		"failure that moves money": {end(func(s ledger.Snapshot, c *ledger.Change) {
			c.Operation.State = payment.StateFailed
			c.Payment.Captured = s.Payment.Captured + 1
		}), "moves money"},

		"outcome of another nonce":        {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Nonce = "other" }), "changes epoch or nonce"},
		"outcome of an earlier epoch":     {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Epoch-- }), "changes epoch or nonce"},
		"outcome without a response":      {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Response = nil }), "without a response"},
		"outcome with its sealed request": {advance(func(s *ledger.Snapshot, c *ledger.Change) { c.Operation.Sealed = s.Operation.Sealed }), "keeps the sealed request"},
		"outcome with an owner":           {advance(func(s *ledger.Snapshot, c *ledger.Change) { c.Operation.Owner = s.Operation.Owner }), "keeps its owner"},
		"outcome of another amount":       {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Amount.MinorUnits++ }), "changes what the claim fixed"},
		"outcome of another fingerprint":  {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Fingerprint.Sum = "x" }), "changes what the claim fixed"},
		"outcome with another key":        {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Attempts[0].Steps[0].Key = "x" }), "was made with"},
		"outcome on another account":      {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Attempts[0].Account = "x" }), "was made with"},
		"outcome of fewer attempts":       {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Attempts = nil }), "0 attempts after 1"},
		"outcome from a made-up snapshot": {advance(func(s *ledger.Snapshot, _ *ledger.Change) { s.Operation.ParkReason = "x" }), "no ledger returned"},
		"outcome with another's revision": {advance(func(s *ledger.Snapshot, _ *ledger.Change) { s.Revision.Operation++ }), "no ledger returned"},
		"outcome on a made-up payment":    {advance(func(s *ledger.Snapshot, c *ledger.Change) { s.Payment.Version++; c.Payment.Version++ }), "payment that no ledger returned"},
		"outcome that drops operations":   {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Payment.Operations = nil }), "drops operations"},
		"outcome of no move":              {advance(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.State = "x" }), "is no move"},
		"park that leaves the intent": {advance(func(s *ledger.Snapshot, c *ledger.Change) {
			*c = ledger.Change{Operation: s.Operation}
			c.Operation.Owner = ""
		}), "intent without an owner"},
		"failover from an open attempt": {advance(func(s *ledger.Snapshot, c *ledger.Change) {
			*c = ledger.Change{Operation: s.Operation}
			c.Operation.Attempts = append(slices.Clone(s.Operation.Attempts), s.Operation.Attempts[0])
		}), "leaves attempt 1 open"},
		"reservation released without an outcome": {func(w *world) error {
			s := w.capturing(0, w.authorized(0), 100)
			c := w.outcome(s, payment.StateFailed)
			c.Operation = w.next(s.Operation, payment.Park{At: w.t0, Due: w.t0})
			_, err := w.Ledgers[0].Advance(w.ctx(), s, c)
			return err
		}, "releases a reservation"},

		"takeover of the same epoch":    {takeover(func(s *ledger.Snapshot, c *ledger.Change) { c.Operation.Epoch = s.Operation.Epoch }), "from epoch 1 to 1"},
		"takeover with an old nonce":    {takeover(func(s *ledger.Snapshot, c *ledger.Change) { c.Operation.Nonce = s.Operation.Nonce }), "used before"},
		"takeover for another boot":     {takeover(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Owner = "other" }), "for boot other"},
		"takeover into another state":   {takeover(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.State = payment.StateUnknown }), "from UNKNOWN to UNKNOWN"},
		"takeover with another request": {takeover(func(_ *ledger.Snapshot, c *ledger.Change) { c.Operation.Sealed = nil }), "changes the sealed request"},
		"takeover with a payment":       {takeover(func(s *ledger.Snapshot, c *ledger.Change) { c.Payment = &s.Payment }), "changes the payment"},

		"final record written again": {final(func(w *world, s ledger.Snapshot) error {
			_, err := w.Ledgers[0].Advance(w.ctx(), s, ledger.Change{Operation: s.Operation})
			return err
		}), "SUCCEEDED is final"},
		"final record taken over": {final(func(w *world, s ledger.Snapshot) error {
			c := ledger.Change{Operation: s.Operation}
			c.Operation.Epoch, c.Operation.Nonce, c.Operation.Owner = 2, "fresh", bootName(1)
			_, err := w.Ledgers[1].Takeover(w.ctx(), s, c)
			return err
		}), "SUCCEEDED is final"},
		"response changed after the fact": {func(w *world) error {
			s := w.claimed(0)
			s = w.advance(0, s, w.outcome(s, payment.StatePending))
			c := w.outcome(s, payment.StateSucceeded)
			c.Operation.Response = []byte("another")
			_, err := w.Ledgers[0].Advance(w.ctx(), s, c)
			return err
		}, "changes the response"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			w, _ := onStore(t, Config{Violated: func(what string) { said = append(said, what) }})
			err := misuse.call(w)
			if !slices.ContainsFunc(said, func(what string) bool { return strings.Contains(what, misuse.want) }) {
				t.Errorf("got %q (the call returned: %v), want one with %q", said, err, misuse.want)
			}
		})
	}
}

// By default misuse fails the test.
func TestMisuseFailsTheTest(t *testing.T) {
	var said failing
	store := NewStore(&said, Config{})
	w := newWorld(t, harness(store))
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	c.Operation.Epoch = 2
	_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim, which no guard refuses", err)
	if said.n != 1 {
		t.Errorf("a claim in epoch 2 failed the test %d times, want once", said.n)
	}
}

// failing counts failures instead of failing.
type failing struct {
	testing.TB

	n int
}

func (f *failing) Helper() {}

func (f *failing) Errorf(string, ...any) { f.n++ }
