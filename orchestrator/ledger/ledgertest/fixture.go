package ledgertest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	tenant    payment.TenantID = "merchant"
	amount                     = 10_00
	testLimit                  = time.Minute // no property takes longer
)

// world is one property under test: the store, and what makes records for it
// the way the orchestrator does, through the state machine.
type world struct {
	*testing.T
	Harness

	t0 time.Time
}

func newWorld(t *testing.T, h Harness) *world {
	t.Helper()
	if h.Patience == 0 {
		h.Patience = 2 * time.Second
	}
	return &world{T: t, Harness: h, t0: time.Now()}
}

// ctx is the context of one call that must come to an end.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), testLimit)
	w.Cleanup(cancel)
	return ctx
}

// call is a keyed call that nobody has made yet.
func (w *world) call(t payment.TenantID, m payment.Method) payment.Call {
	return callOf(t, m, payment.IdempotencyKey(rand.Text()))
}

func callOf(t payment.TenantID, m payment.Method, key payment.IdempotencyKey) payment.Call {
	return payment.Call{
		Tenant: t, Method: m, Key: key, Reference: payment.DeriveReference(t, m, key),
		Fingerprint: payment.Fingerprint{Version: 1, Sum: rand.Text()},
	}
}

func (w *world) ownership(i int) payment.Ownership {
	return payment.Ownership{Boot: w.Ledgers[i].Boot(), Nonce: rand.Text(), Until: w.t0.Add(time.Minute)}
}

func (w *world) attempt(c payment.Call, account payment.AccountName) payment.Attempt {
	return payment.Attempt{
		Account: account, Reference: c.Reference, Credential: "credential-1",
		Target: payment.Target{
			Driver: "sandbox", Environment: payment.EnvironmentSandbox, Host: "127.0.0.1:1", Region: "eu", MerchantID: "m-1",
		},
		Created: w.t0, Deadline: w.t0.Add(30 * time.Second), ResendNotAfter: w.t0.Add(20 * time.Hour),
		Steps: []payment.Step{{Name: payment.StepMain, Key: payment.ProviderKey(rand.Text()), KeyVersion: 1, RequestHash: rand.Text()}},
	}
}

// authorize is what boot i writes to claim an Authorize with a new payment.
func (w *world) authorize(i int, c payment.Call) ledger.Change {
	w.Helper()
	return w.authorizeAt(i, c, w.t0, "order-1")
}

// authorizeAt is authorize at a time, with the caller's own name for the payment.
func (w *world) authorizeAt(i int, c payment.Call, at time.Time, name payment.MerchantReference) ledger.Change {
	w.Helper()
	op := w.next(payment.Operation{}, payment.Claim{
		Call: c, PaymentID: w.paymentID(at), Amount: euros(amount),
		Sealed: []byte{0, 1, 2, 0xff}, Owner: w.ownership(i), At: at, Deadline: w.t0.Add(2 * time.Minute),
		ResolveBy: w.t0.Add(24 * time.Hour), Attempt: w.attempt(c, "account-1"),
	})
	p := payment.Open(op, payment.Instruction{MerchantReference: name, CaptureMode: payment.CaptureManual}, at)
	return ledger.Change{Operation: op, Payment: &p}
}

func euros(x int64) payment.Money { return payment.Money{MinorUnits: x, CurrencyCode: "EUR"} }

// paymentID is a UUIDv7 of a time, as the orchestrator makes them.
func (w *world) paymentID(at time.Time) payment.ID {
	w.Helper()
	id, err := uuid.NewV7()
	w.ok("uuid", err)
	for i, ms := range binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))[2:] {
		id[i] = ms
	}
	return payment.ID(id.String())
}

// capture is what boot i writes to claim a capture of x on the payment of s.
func (w *world) capture(i int, s ledger.Snapshot, c payment.Call, x int64) ledger.Change {
	w.Helper()
	change, err := w.order(i, s, c, x)
	if err != nil {
		w.Fatalf("the fixture itself is wrong: %v", err)
	}
	return change
}

// order is what boot i writes to claim an operation on the payment of s, or why
// the payment does not allow it. x is the amount; 0 asks for the rest.
func (w *world) order(i int, s ledger.Snapshot, c payment.Call, x int64) (ledger.Change, error) {
	w.Helper()
	o := payment.Order{Payment: s.Payment.ID}
	if x != 0 {
		m := euros(x)
		o.Amount = &m
	}
	p, r, err := s.Payment.Reserve(c, o, payment.Traits{MultipleCaptures: true}, w.t0)
	if err != nil {
		return ledger.Change{}, err
	}
	a := w.attempt(c, p.Account)
	a.Parent = p.ProviderReference
	return ledger.Change{Payment: &p, Operation: w.next(payment.Operation{}, payment.Claim{
		Call: c, PaymentID: p.ID, Parent: p.Operations[0], Amount: r.Amount, Held: r.Held, Last: r.Last,
		Sealed: []byte("sealed"), Owner: w.ownership(i), At: w.t0, Deadline: w.t0.Add(2 * time.Minute),
		ResolveBy: w.t0.Add(24 * time.Hour), Attempt: a,
	})}, nil
}

// outcome is what writes an outcome: of all that was asked for, if it is a success.
func (w *world) outcome(s ledger.Snapshot, to payment.State) ledger.Change {
	w.Helper()
	return w.applied(s, to, s.Operation.Amount.MinorUnits)
}

// applied is what writes an outcome by which the provider moved x.
func (w *world) applied(s ledger.Snapshot, to payment.State, x int64) ledger.Change {
	w.Helper()
	return w.change(s, w.settled(s.Operation, to), x)
}

// settled is an operation with an outcome, and with response bytes of every
// value, which no text encoding carries unharmed.
func (w *world) settled(op payment.Operation, to payment.State) payment.Operation {
	w.Helper()
	step := payment.Settle{State: to, At: w.t0.Add(time.Second), Report: payment.Report{
		Sends: 1, MappingRow: "sandbox.authorize.ok", HTTPStatus: 200, Code: "ok", RequestID: "req-1",
		ProviderReference: payment.ProviderReference("psp/ " + rand.Text()),
	}}
	switch to {
	case payment.StateSucceeded:
		step.Report.Evidence = payment.EvidenceEffect
	case payment.StatePending:
		step.Report.Evidence, step.Due = payment.EvidencePending, w.t0.Add(time.Hour)
	case payment.StateRequiresAction:
		step.Report.Evidence, step.Due = payment.EvidencePending, w.t0.Add(time.Hour)
		step.Report.NextAction = &payment.NextAction{RedirectURL: "https://bank.example/3ds?a=1&b=<2>", ProviderSDK: json.RawMessage(`{"a":[1]}`)}
	case payment.StateDeclined:
		step.Report.Evidence = payment.EvidenceNoEffectSticky
		step.Decline = &payment.Decline{Category: payment.CategorySoftDecline, Code: "insufficient_funds", Advice: payment.AdviceNewKeyLater, ShopperCode: "insufficient_funds"}
	case payment.StateFailed:
		step.Report.Evidence = payment.EvidenceNoEffectSticky
		step.Failure = &payment.Failure{Category: payment.CategoryAuthConfig, Code: "account_misconfigured"}
	case payment.StateIntent, payment.StateUnknown, payment.StateFencing:
		w.Fatalf("%s is no outcome", to)
	}
	next := w.next(op, step)
	if next.Response == nil {
		next.Response = everyByte()
	}
	return next
}

func everyByte() []byte {
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	return append(all, rand.Text()...)
}

// parked is what writes that nobody works on the operation until due.
func (w *world) parked(s ledger.Snapshot, due time.Time) ledger.Change {
	w.Helper()
	op := w.next(s.Operation, payment.Park{
		At:     w.t0,
		Report: payment.Report{Sends: 1, Uncertain: true, Evidence: payment.EvidenceUnknown, MappingRow: "any.transport.timeout"},
		Reason: "timeout", Due: due,
	})
	return w.change(s, op, 0)
}

// takeover is what makes boot i the owner.
func (w *world) takeover(i int, s ledger.Snapshot) ledger.Change {
	w.Helper()
	o := w.ownership(i)
	o.Until = w.t0.Add(2 * time.Minute)
	return ledger.Change{Operation: w.next(s.Operation, payment.TakeOver{Owner: o})}
}

// failover is what closes the open attempt and opens one on another account.
func (w *world) failover(s ledger.Snapshot, account payment.AccountName) ledger.Change {
	w.Helper()
	a := w.attempt(payment.Call{Reference: s.Operation.Reference}, account)
	op := w.next(s.Operation, payment.FailOver{
		Report: payment.Report{Sends: 1, Evidence: payment.EvidenceNoEffectSticky, MappingRow: "sandbox.authorize.not_processed"},
		At:     w.t0.Add(time.Second), Until: w.t0.Add(2 * time.Minute), Attempt: a,
	})
	return w.change(s, op, 0)
}

// fenced is what writes that a cancel was decided.
func (w *world) fenced(s ledger.Snapshot) ledger.Change {
	w.Helper()
	return w.canceling(s, 1)
}

// canceling is what writes that the n-th cancel was decided.
func (w *world) canceling(s ledger.Snapshot, n int) ledger.Change {
	w.Helper()
	op := w.next(s.Operation, payment.Fence{Step: payment.Step{
		Name: payment.StepCancel(n), Key: payment.ProviderKey(rand.Text()), KeyVersion: 1, RequestHash: rand.Text(), Object: "psp/object",
	}})
	return w.change(s, op, 0)
}

func (w *world) next(op payment.Operation, t payment.Transition) payment.Operation {
	w.Helper()
	next, err := op.Next(t)
	if err != nil {
		w.Fatalf("the fixture itself is wrong: %v", err)
	}
	return next
}

// change is the move of an operation to op, with its payment if that shows it.
// x is what the provider applied, if it did.
func (w *world) change(s ledger.Snapshot, op payment.Operation, x int64) ledger.Change {
	w.Helper()
	if !op.Touches(s.Operation) {
		return ledger.Change{Operation: op}
	}
	next, err := s.Payment.After(op, payment.Applied{Amount: euros(x)}, w.t0.Add(time.Second))
	if err != nil {
		w.Fatalf("the fixture itself is wrong: %v", err)
	}
	return ledger.Change{Operation: op, Payment: &next}
}

// claimed is an Authorize that boot i has just claimed.
func (w *world) claimed(i int) ledger.Snapshot {
	w.Helper()
	s, err := w.Ledgers[i].Claim(w.ctx(), ledger.Snapshot{}, w.authorize(i, w.call(tenant, payment.MethodAuthorize)))
	w.ok("claim", err)
	return s
}

// authorized is an Authorize by boot i that has succeeded.
func (w *world) authorized(i int) ledger.Snapshot {
	w.Helper()
	s := w.claimed(i)
	return w.advance(i, s, w.outcome(s, payment.StateSucceeded))
}

// capturing is a capture of x that boot i has just claimed on the payment of s.
func (w *world) capturing(i int, s ledger.Snapshot, x int64) ledger.Snapshot {
	w.Helper()
	return w.ordering(i, s, payment.MethodCapture, x)
}

// ordering is an operation that boot i has just claimed on the payment of s.
func (w *world) ordering(i int, s ledger.Snapshot, m payment.Method, x int64) ledger.Snapshot {
	w.Helper()
	s, err := w.Ledgers[i].Claim(w.ctx(), s, w.capture(i, s, w.call(tenant, m), x))
	w.ok("claim of a "+string(m), err)
	return s
}

func (w *world) advance(i int, s ledger.Snapshot, c ledger.Change) ledger.Snapshot {
	w.Helper()
	next, err := w.Ledgers[i].Advance(w.ctx(), s, c)
	w.ok("advance to "+string(c.Operation.State), err)
	return next
}

func (w *world) takenOver(i int, s ledger.Snapshot) ledger.Snapshot {
	w.Helper()
	next, err := w.Ledgers[i].Takeover(w.ctx(), s, w.takeover(i, s))
	w.ok("takeover", err)
	return next
}

func (w *world) read(i int, k payment.OperationKey) ledger.Snapshot {
	w.Helper()
	s, err := w.Ledgers[i].Read(w.ctx(), k)
	w.ok("read", err)
	return s
}

func (w *world) ok(what string, err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%s: %v", what, err)
	}
}

func (w *world) fails(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

// taken checks that a claim found its key in use, and returns by what.
func (w *world) taken(err error) *payment.KeyTakenError {
	w.Helper()
	taken, ok := errors.AsType[*payment.KeyTakenError](err)
	if !ok {
		w.Fatalf("claim of a taken key: got error %v, want a KeyTakenError", err)
	}
	return taken
}

// race runs n calls at once and waits for all of them.
func race(n int, call func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	wg.Wait()
}
