package ledgertest

import (
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// claimProperties: a claim creates everything or nothing, once per key.
func claimProperties() []property {
	return []property{
		{"creates operation, payment, marker, open entry and reference", "", claimCreatesAll},
		{"keeps nothing of the caller's memory", "", claimCopies},
		{"of a taken key tells the operation and that its owner lives", "", claimTakenAlive},
		{"of a taken key tells that its owner is gone", "", claimTakenOwnerGone},
		{"of a taken key tells the stored response", "", claimTakenFinal},
		{"repeated with the same nonce is one claim", "", claimRepeated},
		{"made several times at once with the same nonce is one claim", "", claimRepeatedAtOnce},
		{"repeated after the operation went on is refused", "", claimRepeatedTooLate},
		{"without a live session writes nothing", "", claimWithoutSession},
		{"on an existing payment changes it in the same write", "", claimOnPayment},
		{"on a payment that moved writes nothing and tells the present one", "", claimPaymentMoved},
		{"never creates a payment over another", "", claimPaymentExists},
		{"of a taken key on a payment that moved tells of the key", "", claimTakenAndMoved},
		{"near the store's quota is refused, outcomes are not", AbilityFill, claimFull},
	}
}

func claimCreatesAll(w *world) {
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	w.absent(c)
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim", err)
	same(w, "the claimed operation", s.Operation, c.Operation)
	same(w, "the claimed payment", s.Payment, *c.Payment)
	same(w, "the claim's marker", s.Marker, ledger.Marker{Present: true, Boot: w.Ledgers[0].Boot(), Epoch: 1})
	if s.Revision.Operation == 0 || s.Revision.Payment == 0 || s.Revision.Marker == 0 {
		w.Fatalf("a claim that was made has revisions %+v", s.Revision)
	}
	w.holds(s)
	p, ops, err := w.Ledgers[1].Payment(w.ctx(), tenant, c.Payment.ID)
	w.ok("payment", err)
	same(w, "the payment", p.Payment, *c.Payment)
	same(w, "the payment's operations", ops, []payment.Operation{c.Operation})
}

// claimCopies: what a caller does to its records afterwards, or to what it was
// given, changes nothing in the ledger.
func claimCopies(w *world) {
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim", err)
	before := w.read(1, c.Operation.Key)
	for _, op := range []payment.Operation{c.Operation, s.Operation, w.read(0, c.Operation.Key).Operation} {
		op.Sealed[0] = 'x'
		op.Attempts[0].Account = "changed"
		op.Attempts[0].Steps[0].Key = "changed"
	}
	c.Payment.Operations[0], c.Payment.Status = "changed", payment.StatusFailed
	s.Payment.Operations[0] = "changed"
	same(w, "the record after the caller changed its copy", w.read(1, before.Operation.Key), before)
}

func claimTakenAlive(w *world) {
	call := w.call(tenant, payment.MethodAuthorize)
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(0, call))
	w.ok("claim", err)
	for i, l := range w.Ledgers {
		again := call
		again.Fingerprint.Sum = "another payload"
		c := w.authorize(i, again)
		_, err := l.Claim(w.ctx(), ledger.Snapshot{}, c)
		taken := w.taken(err)
		same(w, "the operation that has the key", taken.Operation, s.Operation)
		if !taken.OwnerAlive {
			w.Fatal("the owner lives, but is said to be gone")
		}
		_, _, err = l.Payment(w.ctx(), tenant, c.Payment.ID)
		w.fails("payment of a refused claim", err, ledger.ErrNotFound)
	}
	w.holds(s)
}

func claimTakenOwnerGone(w *world) {
	call := w.call(tenant, payment.MethodAuthorize)
	_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(0, call))
	w.ok("claim", err)
	w.EndSession(w.T, 0)
	_, err = w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(1, call))
	if w.taken(err).OwnerAlive {
		w.Fatal("the owner's session has ended, but it is said to live")
	}
}

func claimTakenFinal(w *world) {
	call := w.call(tenant, payment.MethodAuthorize)
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(0, call))
	w.ok("claim", err)
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	for i, l := range w.Ledgers {
		_, err = l.Claim(w.ctx(), ledger.Snapshot{}, w.authorize(i, call))
		taken := w.taken(err)
		same(w, "the operation that has the key", taken.Operation, s.Operation)
		if taken.OwnerAlive {
			w.Fatal("nobody owns a final operation, but an owner is said to live")
		}
	}
}

func claimRepeated(w *world) {
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim", err)
	again, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("the same claim again", err)
	same(w, "what the repeated claim returns", again, s)
	w.holds(s)
}

func claimRepeatedAtOnce(w *world) {
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	const callers = 8
	got, errs := make([]ledger.Snapshot, callers), make([]error, callers)
	race(callers, func(i int) { got[i], errs[i] = w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c) })
	for i := range callers {
		w.ok("one of several equal claims", errs[i])
		same(w, "what it returns", got[i], got[0])
	}
	w.holds(got[0])
}

// claimRepeatedTooLate: once the operation has moved, a late repetition must not
// be taken for the owner's own claim, or it would act on what is decided already.
func claimRepeatedTooLate(w *world) {
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	s, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.ok("claim", err)
	s = w.advance(0, s, w.parked(s, w.t0))
	_, err = w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	same(w, "the parked operation", w.taken(err).Operation, s.Operation)
	s = w.takenOver(1, s)
	_, err = w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	same(w, "the operation that was taken over", w.taken(err).Operation, s.Operation)
	w.holds(s)
}

func claimWithoutSession(w *world) {
	s := w.authorized(1)
	w.EndSession(w.T, 0)
	c := w.authorize(0, w.call(tenant, payment.MethodAuthorize))
	_, err := w.Ledgers[0].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.fails("claim without a session", err, ledger.ErrSessionLost)
	w.absent(c)
	_, _, err = w.Ledgers[1].Payment(w.ctx(), tenant, c.Payment.ID)
	w.fails("payment of a claim without a session", err, ledger.ErrNotFound)

	c = w.capture(0, s, w.call(tenant, payment.MethodCapture), 1)
	_, err = w.Ledgers[0].Claim(w.ctx(), s, c)
	w.fails("claim on a payment without a session", err, ledger.ErrSessionLost)
	w.absent(c)
	w.holds(s)
}

func claimOnPayment(w *world) {
	parent := w.authorized(0)
	c := w.capture(1, parent, w.call(tenant, payment.MethodCapture), 400)
	s, err := w.Ledgers[1].Claim(w.ctx(), parent, c)
	w.ok("claim of a capture", err)
	same(w, "the payment with its reservation", s.Payment, *c.Payment)
	w.holds(s)
	_, ops, err := w.Ledgers[2].Payment(w.ctx(), tenant, s.Payment.ID)
	w.ok("payment", err)
	same(w, "the payment's operations", ops, []payment.Operation{parent.Operation, c.Operation})
}

func claimPaymentMoved(w *world) {
	parent := w.authorized(0)
	first := w.capturing(1, parent, 400)
	c := w.capture(2, parent, w.call(tenant, payment.MethodCapture), 300)
	present, err := w.Ledgers[2].Claim(w.ctx(), parent, c)
	w.fails("claim on a payment that moved", err, ledger.ErrPaymentMoved)
	w.absent(c)
	same(w, "the present payment", present.Payment, first.Payment)
	w.holds(first)

	c = w.capture(2, present, w.call(tenant, payment.MethodCapture), 300)
	s, err := w.Ledgers[2].Claim(w.ctx(), present, c)
	w.ok("claim rebuilt on the present payment", err)
	if s.Payment.CaptureReserved != 700 {
		w.Fatalf("two captures reserve %d, want 700", s.Payment.CaptureReserved)
	}
	w.holds(s)
}

func claimPaymentExists(w *world) {
	s := w.claimed(0)
	c := w.authorize(1, w.call(tenant, payment.MethodAuthorize))
	c.Operation.PaymentID, c.Payment.ID = s.Payment.ID, s.Payment.ID
	present, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.fails("claim that creates an existing payment", err, ledger.ErrPaymentMoved)
	same(w, "the present payment", present.Payment, s.Payment)
	w.absent(c)
	w.holds(s)
}

// claimTakenAndMoved: a replay must win over the contention of its payment, or a
// caller's retry would be refused for what its own first call did.
func claimTakenAndMoved(w *world) {
	parent := w.authorized(0)
	call := w.call(tenant, payment.MethodCapture)
	c := w.capture(0, parent, call, 400)
	s, err := w.Ledgers[0].Claim(w.ctx(), parent, c)
	w.ok("claim of a capture", err)
	s = w.advance(0, s, w.outcome(s, payment.StateSucceeded))
	_, err = w.Ledgers[1].Claim(w.ctx(), parent, w.capture(1, parent, call, 400))
	same(w, "the operation that has the key", w.taken(err).Operation, s.Operation)
	if !slices.Equal(w.taken(err).Operation.Response, s.Operation.Response) {
		w.Fatal("a replay is not byte-identical")
	}
	w.holds(s)
}

func claimFull(w *world) {
	s := w.claimed(0)
	w.Fill(w.T)
	c := w.authorize(1, w.call(tenant, payment.MethodAuthorize))
	_, err := w.Ledgers[1].Claim(w.ctx(), ledger.Snapshot{}, c)
	w.fails("claim on a full store", err, ledger.ErrFull)
	w.absent(c)
	s = w.advance(0, s, w.parked(s, w.t0.Add(time.Minute)))
	s = w.takenOver(2, s)
	s = w.advance(2, s, w.outcome(s, payment.StateSucceeded))
	w.holds(s)
}
