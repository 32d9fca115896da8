package ledgertest

import (
	"context"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Kind says what a call of a ledger is about. Advance has several, by what the
// change does.
type Kind string

// The kinds of call.
const (
	KindClaim       Kind = "claim"
	KindTakeover    Kind = "takeover"
	KindOutcome     Kind = "outcome"  // Advance that enters a state with a response
	KindFailover    Kind = "failover" // Advance with one more attempt
	KindFence       Kind = "fence"    // Advance with one more cancel
	KindPark        Kind = "park"     // Advance that ends the flight without an outcome, halts, or moves the next look
	KindNote        Kind = "note"     // any other Advance: it moves nothing
	KindRecord      Kind = "record"
	KindAnchor      Kind = "anchor"
	KindRead        Kind = "read"
	KindPayment     Kind = "payment"
	KindList        Kind = "list"
	KindAttention   Kind = "attention"
	KindByReference Kind = "by_reference"
	KindDue         Kind = "due"
	KindAwait       Kind = "await"
	KindHold        Kind = "hold"
	KindLiving      Kind = "living"
)

// Writes reports whether such a call writes records.
func (k Kind) Writes() bool {
	switch k {
	case KindClaim, KindTakeover, KindOutcome, KindFailover, KindFence, KindPark, KindNote, KindRecord, KindAnchor:
		return true
	case KindRead, KindPayment, KindList, KindByReference, KindDue, KindAwait, KindHold, KindAttention, KindLiving:
		return false
	}
	return false
}

// kindOfAdvance is what a change of s amounts to.
func kindOfAdvance(s ledger.Snapshot, c ledger.Change) Kind {
	old, op := s.Operation, c.Operation
	switch {
	case op.State.Answers() && op.State != old.State:
		return KindOutcome
	case len(op.Attempts) > len(old.Attempts):
		return KindFailover
	case len(op.Current().Steps) > len(old.Current().Steps):
		return KindFence
	case op.State != old.State || op.Owner != old.Owner || op.Halted != old.Halted,
		!op.NextCheck.Equal(old.NextCheck) || op.ParkReason != old.ParkReason:
		return KindPark
	}
	return KindNote
}

// Call is one call of a ledger, as a hook sees it.
type Call struct {
	Kind Kind
	Boot payment.BootID
	// Key is of the operation concerned; zero for KindRecord, KindPayment, KindList,
	// KindAttention, KindByReference, KindDue, KindHold, KindLiving and KindAnchor.
	Key payment.OperationKey
}

// Hook is asked before each call of a Store's ledgers, with nothing locked: it
// may block for as long as it likes, and may call the store. What it returns
// happens to the call.
type Hook func(ctx context.Context, c Call) Fault

// Fault is what happens to one call. The zero Fault lets it pass.
type Fault struct {
	Loss Loss
	// Gate, if set, is called when the store has acted and the answer is under
	// way, with nothing locked. A boot that crashes, or a context that ends, while
	// it blocks gets no answer.
	Gate func(ctx context.Context)
}

// Loss says what of a call gets lost. The two ambiguous ones are a pair: the
// caller cannot tell them apart.
type Loss int

// The losses. A read with an ambiguous loss is just unavailable.
const (
	None                Loss = iota
	Unavailable              // the call does not arrive: ledger.ErrUnavailable
	AmbiguousApplied         // a write is made, its answer lost: ledger.ErrAmbiguous
	AmbiguousNotApplied      // a write is lost: ledger.ErrAmbiguous
)

// Once is a hook that makes a fault of the first call of a kind, and lets all
// others pass. It is for one Store.
func Once(k Kind, f Fault) Hook {
	armed := make(chan struct{}, 1)
	armed <- struct{}{}
	return func(_ context.Context, c Call) Fault {
		if c.Kind != k {
			return Fault{}
		}
		select {
		case <-armed:
			return f
		default:
			return Fault{}
		}
	}
}
