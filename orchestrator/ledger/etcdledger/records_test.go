package etcdledger_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	tenant  payment.TenantID    = "merchant"
	account payment.AccountName = "account-1"
)

// start is when everything in these tests began. The ledger reads no clock.
func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func newKey() payment.IdempotencyKey { return payment.IdempotencyKey(rand.Text()) }

// newPaymentID is a UUIDv7 of the time at which everything began.
func newPaymentID(t *testing.T) payment.ID { t.Helper(); return paymentIDAt(t, start()) }

func paymentIDAt(t *testing.T, at time.Time) payment.ID {
	t.Helper()
	id, err := uuid.NewV7()
	ok(t, "uuid", err)
	for i, ms := range binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))[2:] {
		id[i] = ms
	}
	return payment.ID(id.String())
}

func ownership(b payment.BootID) payment.Ownership {
	return payment.Ownership{Boot: b, Nonce: rand.Text(), Until: start().Add(time.Minute)}
}

// claimOf is what a process writes to claim an Authorize under a key.
func claimOf(t *testing.T, b payment.BootID, key payment.IdempotencyKey) ledger.Change {
	t.Helper()
	reference := payment.DeriveReference(tenant, payment.MethodAuthorize, key)
	op := step(t, payment.Operation{}, payment.Claim{
		Call: payment.Call{
			Tenant: tenant, Method: payment.MethodAuthorize, Key: key, Reference: reference,
			Fingerprint: payment.Fingerprint{Version: 1, Sum: rand.Text()},
		},
		PaymentID: newPaymentID(t), Amount: payment.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		Sealed: []byte("sealed"), Owner: ownership(b), At: start(),
		Deadline: start().Add(2 * time.Minute), ResolveBy: start().Add(15 * time.Minute),
		Attempt: payment.Attempt{
			Account: account, Reference: reference, Created: start(), ResendNotAfter: start().Add(20 * time.Hour),
			Deadline: start().Add(30 * time.Second),
			Target:   payment.Target{Driver: "sandbox", Environment: payment.EnvironmentSandbox, Host: "127.0.0.1:1"},
			Steps:    []payment.Step{{Name: payment.StepMain, Key: payment.ProviderKey(rand.Text()), KeyVersion: 1}},
		},
	})
	p := payment.Open(op, payment.Instruction{MerchantReference: "order-1", CaptureMode: payment.CaptureManual}, start())
	return ledger.Change{Operation: op, Payment: &p}
}

// succeeded is what records that the provider holds the money.
func succeeded(t *testing.T, s ledger.Snapshot) ledger.Change {
	t.Helper()
	op := step(t, s.Operation, payment.Settle{State: payment.StateSucceeded, At: start(), Report: payment.Report{
		Sends: 1, Evidence: payment.EvidenceEffect, MappingRow: "sandbox.authorize.ok", ProviderReference: "psp-1-" + payment.ProviderReference(s.Operation.Nonce),
	}})
	op.Response = []byte("response of " + s.Operation.Nonce)
	return with(t, s, op)
}

// declined is another outcome than succeeded.
func declined(t *testing.T, s ledger.Snapshot) ledger.Change {
	t.Helper()
	op := step(t, s.Operation, payment.Settle{
		State: payment.StateDeclined, At: start(), Report: payment.Report{Sends: 1, Evidence: payment.EvidenceNoEffectSticky},
		Decline: &payment.Decline{Category: payment.CategorySoftDecline, Code: "insufficient_funds"},
	})
	op.Response = []byte("declined")
	return with(t, s, op)
}

// parked is what ends a flight without an outcome.
func parked(t *testing.T, s ledger.Snapshot) ledger.Change {
	t.Helper()
	return with(t, s, step(t, s.Operation, payment.Park{
		Report: payment.Report{Sends: 1, Uncertain: true, Evidence: payment.EvidenceUnknown}, Reason: "timeout",
		At: start(), Due: start().Add(time.Minute),
	}))
}

// failedOver is what closes the open attempt and opens one on another account.
func failedOver(t *testing.T, s ledger.Snapshot) ledger.Change {
	t.Helper()
	next := s.Operation.Current()
	next.Account, next.Sends, next.Evidence = "account-2", 0, ""
	return with(t, s, step(t, s.Operation, payment.FailOver{
		Report: payment.Report{Sends: 1, Evidence: payment.EvidenceNoEffectSticky}, At: start(), Until: start().Add(time.Minute), Attempt: next,
	}))
}

// noted is what adds to what is known of the open attempt.
func noted(t *testing.T, s ledger.Snapshot) ledger.Change {
	t.Helper()
	return ledger.Change{Operation: step(t, s.Operation, payment.Note{Report: payment.Report{
		Evidence: payment.EvidenceUnknown, Code: "canceling", ProviderReference: payment.ProviderReference(rand.Text()),
	}})}
}

// told is a change with an event that tells it and something to look at.
func told(change func(*testing.T, ledger.Snapshot) ledger.Change) func(*testing.T, ledger.Snapshot) ledger.Change {
	return func(t *testing.T, s ledger.Snapshot) ledger.Change {
		t.Helper()
		c := change(t, s)
		c.Event, c.Attention = newEvent(), newAttention(s)
		return c
	}
}

func newEvent() *payment.EventKey { return &payment.EventKey{Account: account, ID: rand.Text()} }

func newAttention(s ledger.Snapshot) *payment.Attention {
	a := payment.Attention{
		Tenant: tenant, Kind: payment.AttentionContradiction, Account: account, Operation: s.Operation.Key.ID, Payment: s.Payment.ID,
		Object: payment.ProviderReference(rand.Text()), Summary: "refused and paid", Time: start(),
	}.Identified()
	return &a
}

// refunded is the payment of s once somebody else has refunded 1 of it.
func refunded(t *testing.T, s ledger.Snapshot) *payment.Payment {
	t.Helper()
	p, _, err := s.Payment.WithOutside(payment.Outside{Object: payment.ProviderReference(rand.Text()), Kind: payment.OutsideRefund, Amount: 1}, start())
	ok(t, "the fixture itself", err)
	return &p
}

// takeoverBy is what makes another process the owner.
func takeoverBy(t *testing.T, b payment.BootID, s ledger.Snapshot) ledger.Change {
	t.Helper()
	return ledger.Change{Operation: step(t, s.Operation, payment.TakeOver{Owner: ownership(b), Deadline: start().Add(time.Minute)})}
}

func with(t *testing.T, s ledger.Snapshot, op payment.Operation) ledger.Change {
	t.Helper()
	p, err := s.Payment.After(op, payment.Applied{Amount: op.Amount}, start())
	ok(t, "the fixture itself", err)
	return ledger.Change{Operation: op, Payment: &p}
}

func step(t *testing.T, op payment.Operation, tr payment.Transition) payment.Operation {
	t.Helper()
	next, err := op.Next(tr)
	ok(t, "the fixture itself", err)
	return next
}

// claimed is an operation that p has just claimed.
func (p *process) claimed(t *testing.T) ledger.Snapshot {
	t.Helper()
	s, err := p.Claim(bounded(t), ledger.Snapshot{}, claimOf(t, p.Boot(), newKey()))
	ok(t, "claim", err)
	return s
}

func (p *process) advanced(t *testing.T, s ledger.Snapshot, c ledger.Change) ledger.Snapshot {
	t.Helper()
	next, err := p.Advance(bounded(t), s, c)
	ok(t, "advance", err)
	return next
}

func (p *process) takenOver(t *testing.T, s ledger.Snapshot) ledger.Snapshot {
	t.Helper()
	next, err := p.Takeover(bounded(t), s, takeoverBy(t, p.Boot(), s))
	ok(t, "takeover", err)
	return next
}

func (p *process) read(t *testing.T, k payment.OperationKey) ledger.Snapshot {
	t.Helper()
	s, err := p.Read(bounded(t), k)
	ok(t, "read", err)
	return s
}
