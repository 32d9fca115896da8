// Package ledger is the contract of the durable record of operations and
// payments. Every implementation passes the suite in ledgertest.
//
// The interface has domain operations only: each is one atomic, durable,
// revision-guarded step of the payment protocol. There is no Begin and no
// Commit, so an implementation can be native to its store, and no caller can
// hold half a transaction.
//
// Safety rests on the revision guards alone. The in-flight marker, which lives
// as long as its owner's session, only tells others whether to wait; nothing is
// decided by it.
package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Errors that every implementation returns, possibly wrapped. Drivers' own
// errors never reach a caller unwrapped.
var (
	// ErrFenced says that the operation has moved since the snapshot: somebody
	// else wrote it. The caller must stop acting on the snapshot and answer from
	// the one that came with the error.
	ErrFenced = errors.New("the operation was written by somebody else")
	// ErrPaymentMoved says that the operation is as in the snapshot, but its
	// payment, or the parent that it is one with, has moved. The caller rebuilds its change on the snapshot that came
	// with the error and repeats; what it learned is never dropped for this.
	ErrPaymentMoved = errors.New("the payment or the parent was written by somebody else")
	// ErrSessionLost says that this process has no live session, so the write was
	// not made. The session is renewed in the background; the caller may repeat.
	ErrSessionLost = errors.New("no live session")
	// ErrUnavailable says that the store did not take the request: nothing was
	// written by this call. The caller may repeat.
	ErrUnavailable = errors.New("ledger unavailable")
	// ErrAmbiguous says that the write may or may not have been made, and reading
	// it back failed. Repeating the same call with the same arguments is safe and
	// tells; until then the caller acts as if it had not been made and sends
	// nothing to a provider.
	ErrAmbiguous = errors.New("ledger write ambiguous")
	// ErrFull says that the store is near its quota and takes no new claims, so
	// that outcomes still fit. Nothing was written.
	ErrFull = errors.New("ledger near its quota")
	// ErrNotFound says that no such record exists.
	ErrNotFound = errors.New("not found")
	// ErrEventKnown says that the event which told the change was taken in before.
	// Nothing was written; whatever it called for has been done.
	ErrEventKnown = errors.New("the event is known")
	// ErrPage says that a page token was not made by this ledger for this filter.
	ErrPage = errors.New("not a page token")
)

// ReferenceTakenError says that another payment, which is unique and lives, has the
// merchant reference of the one that was to be created. Nothing was written.
type ReferenceTakenError struct {
	Payment payment.ID // that has it
}

// Error implements error.
func (e *ReferenceTakenError) Error() string {
	return "the merchant reference belongs to payment " + string(e.Payment)
}

// Snapshot is what a ledger read or wrote in one transaction, with the
// revisions that guard the next write.
type Snapshot struct {
	Operation payment.Operation
	Payment   payment.Payment
	// Parent is the operation that a joint one is one with; see payment.Operation.Joint.
	// Zero beside any other operation.
	Parent   payment.Operation
	Marker   Marker
	Revision Revision
}

// ForChild is the snapshot that a child of s.Operation, joint with it, is claimed
// from: with what guards the payment and the parent.
func (s Snapshot) ForChild() Snapshot {
	return Snapshot{
		Payment: s.Payment, Parent: s.Operation,
		Revision: Revision{Payment: s.Revision.Payment, Parent: s.Revision.Operation},
	}
}

// Marker is the in-flight marker of an operation.
type Marker struct {
	Present bool
	Boot    payment.BootID
	Epoch   int64
}

// Revision is opaque to everyone but the implementation that filled it in.
// Zero means that the record does not exist.
type Revision struct {
	Operation int64
	Payment   int64
	Parent    int64
	Marker    int64
}

// Change is what one write makes true. Index entries are not named: they follow
// from it, those of a parent too. The in-flight marker exists while Operation.Owner
// is set, the open entry while Operation.State is not final (due at
// Operation.NextCheck), a reference entry for each reference of its attempts, ours
// and the provider's, and the entry of a merchant reference that one payment has
// while Payment.Unique is set.
type Change struct {
	Operation payment.Operation
	// Payment as it shall be; nil leaves it and does not guard it.
	Payment *payment.Payment
	// Parent of a joint operation as it shall be; nil leaves it and does not guard it.
	Parent *payment.Operation
	News
}

// News is what a write keeps of what a provider told, beside operation and payment.
type News struct {
	// Event that told it, kept so that it is taken in once: a write whose event is
	// kept already is refused with ErrEventKnown. nil: nobody told, somebody looked.
	Event *payment.EventKey
	// Orphan is the id of the orphan, which is nobody's attention, whose event told
	// it after all: the write ends the orphan. One that is there no more was matched
	// before: the write is refused with ErrEventKnown. "": no orphan told it. Not
	// together with Event, which is kept since the orphan was.
	Orphan string
	// Attention is put for people to look at; where one with its id exists, that
	// one stays. nil: nobody needs to look.
	Attention *payment.Attention
}

// Filter chooses payments of one tenant. Zero fields choose all.
type Filter struct {
	Tenant            payment.TenantID
	MerchantReference payment.MerchantReference
	Statuses          []payment.Status
	From, Until       time.Time // of creation: From inclusive, Until exclusive
}

// Open is an entry of the index of operations that are not final.
type Open struct {
	Key payment.OperationKey
	Due time.Time
}

// Ledger keeps operations and payments. All methods are safe for concurrent
// use, linearizable per operation and per payment, and durable on return.
// A context that ends makes a write ambiguous, not undone.
type Ledger interface {
	Operations
	Payments
	Life
	Deployment
}

// Operations are the steps of the protocol for one operation.
type Operations interface {
	// Claim creates an operation in StateIntent together with its marker, and its
	// payment or the payment's change (T1). It needs a live session.
	//
	// s is the zero Snapshot when c.Payment is to be created; otherwise s.Payment
	// and s.Revision are as read, and guard the payment. A joint operation is claimed
	// from Snapshot.ForChild of its parent, and c.Parent has joined it: that guards
	// the parent too, so that of two children one is claimed.
	//
	// Repeating a claim with the same nonce is idempotent: one that was made is
	// recognised, see Wrote, and returned.
	//
	// Errors: *payment.KeyTakenError if the operation exists and is not this
	// claim's; ErrPaymentMoved with the present snapshot; *ReferenceTakenError;
	// ErrSessionLost; ErrFull; ErrUnavailable; ErrAmbiguous. After any error but KeyTakenError nothing may
	// be sent to a provider. News makes no operation: a change with any is refused.
	Claim(ctx context.Context, s Snapshot, c Change) (Snapshot, error)

	// Takeover makes this process the owner (T3): it writes c.Operation, which is
	// s.Operation after payment.TakeOver, and the marker. It is guarded by the
	// revisions of both the operation and the marker in s, present or absent, and
	// needs a live session. Whether it is allowed is the caller's duty to check.
	// News makes nobody the owner: a change with any is refused.
	//
	// Errors: ErrFenced with the present snapshot; ErrSessionLost; ErrUnavailable;
	// ErrAmbiguous.
	Takeover(ctx context.Context, s Snapshot, c Change) (Snapshot, error)

	// Advance writes what follows from s (T2, T4 to T7): guarded by s's revision of
	// the operation and, if they are set, of c.Payment and c.Parent; refused if c.Event
	// is kept already, or c.Orphan no more. It needs no session: whoever holds the
	// revision records what it learned.
	//
	// Repeating it with the same arguments is idempotent, as for Claim: a write
	// that was made is recognised, see Wrote; with an event, by this process having
	// taken that in too.
	//
	// Errors, each before the next where several fit: ErrFenced, ErrEventKnown and
	// ErrPaymentMoved, with the present snapshot; ErrUnavailable; ErrAmbiguous.
	Advance(ctx context.Context, s Snapshot, c Change) (Snapshot, error)

	// Read returns an operation with its payment and marker, and its parent if it is
	// joint, linearizably and as of one moment.
	// Errors: ErrNotFound, ErrUnavailable.
	Read(ctx context.Context, op payment.OperationKey) (Snapshot, error)

	// ByReference finds the operation that sent, or was given, a reference on an
	// account. Errors: ErrNotFound, ErrUnavailable.
	ByReference(ctx context.Context, account payment.AccountName, reference string) (payment.OperationKey, error)

	// Due lists up to limit open operations of a shard (0 ≤ shard < Shards) that
	// are due at now or before, the longest due first. Errors: ErrUnavailable.
	Due(ctx context.Context, shard int, now time.Time, limit int) ([]Open, error)

	// Await returns nil once the operation has its response, or has no marker, or
	// does not exist; at once if that is so already. Being woken proves nothing:
	// the caller reads. Errors: ctx's, ErrUnavailable.
	Await(ctx context.Context, op payment.OperationKey) error
}

// Payments are what operations share, and what is told about them.
type Payments interface {
	// Payment returns a payment and its operations, oldest first, as of one moment.
	// The snapshot holds the payment and its revision, which guard the claim of a
	// further operation on it; its operation is zero.
	// Errors: ErrNotFound (also for another tenant's), ErrUnavailable.
	Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (Snapshot, []payment.Operation, error)

	// List returns payments of a tenant that fit the filter, newest first, up to
	// limit, and the page token of what follows, "" at the end. Each page is of one
	// moment; a payment that is made while pages are read appears on none or one.
	// It reads an index in time order, or the index of a merchant reference, never
	// all payments: a page that would have to read too much (PageScan) comes back
	// short, even empty, with a token. The limit is brought within 1 and PageMax.
	// Errors: ErrPage for a token that is not its own; ErrUnavailable.
	List(ctx context.Context, f Filter, page string, limit int) ([]payment.Payment, string, error)

	// Record writes news that moves no operation (T8): p as it shall be, guarded by
	// s's revision of the payment (nil leaves it), with its event and attention.
	// It needs no session. It returns the payment as it is then, which is none if
	// s has none; the operation and the marker of what it returns are zero.
	//
	// Repeating it is harmless: with an event or an orphan it is refused with
	// ErrEventKnown, and without them a payment that is as p already was written by it.
	//
	// Errors, each before the next where both fit: ErrEventKnown and ErrPaymentMoved,
	// with the present snapshot; ErrUnavailable; ErrAmbiguous.
	Record(ctx context.Context, s Snapshot, p *payment.Payment, n News) (Snapshot, error)

	// Attention lists up to limit things that a person must look at: a tenant's, or
	// nobody's for tenant "", in the order of their ids, those after an id; "" for
	// the beginning. The limit is brought within 1 and PageMax. Errors: ErrUnavailable.
	Attention(ctx context.Context, tenant payment.TenantID, after string, limit int) ([]payment.Attention, error)
}

// Life is this process life as the ledger sees it, among the others.
type Life interface {
	// Boot names this process life in the ledger.
	Boot() payment.BootID

	// Hold returns nil if this process's session certainly lives for another
	// margin, renewing it if need be. It is asked before every send.
	// Errors: ErrSessionLost, ErrUnavailable: the caller does not send.
	Hold(ctx context.Context, margin time.Duration) error

	// Living lists the process lives that have a session now, in one order that is
	// the same for everybody who asks. A process that has just lost its session is
	// not among them. It is a hint for sharing work out, nothing more.
	// Errors: ErrUnavailable.
	Living(ctx context.Context) ([]payment.BootID, error)
}

// Deployment is what never changes under a deployment.
type Deployment interface {
	// Anchor returns the value stored under name in the deployment's metadata,
	// first storing value if none is there and value is not nil. It is how a
	// deployment pins what must never change under it, such as the check value of
	// its key. Returns nil if nothing is stored. Errors: ErrUnavailable, ErrAmbiguous.
	Anchor(ctx context.Context, name string, value []byte) ([]byte, error)
}

// Shards is the number of parts of the index of open operations. It never
// changes for a deployment.
const Shards = 64

// Shard is the part of the open index that an operation belongs to.
func Shard(k payment.OperationKey) int {
	var n int
	for _, c := range []byte(k.Hash()[:2]) {
		n = n<<4 | hexDigit(c)
	}
	return n % Shards
}

func hexDigit(c byte) int {
	if c >= 'a' {
		return int(c-'a') + 10
	}
	return int(c - '0')
}

// Wrote reports whether the record now is what the write of want made. Nonce
// and epoch alone do not tell: a park or an outcome keeps both, so the state
// must agree; a failover keeps all three, so the attempts must too; a further
// fence adds a step only, and a postponed look only moves the next one. A note
// moves none of these, so what is known of the open attempt must agree as well:
// two processes may note different answers of one moment, and whoever came
// second must not take the other's note for its own.
//
// Times and responses are not compared: a caller that builds its change again
// after an ambiguous write makes new ones.
func Wrote(want, now payment.Operation) bool {
	return now.Nonce == want.Nonce && now.Epoch == want.Epoch && now.State == want.State &&
		now.Owner == want.Owner && now.Halted == want.Halted && now.NextCheck.Equal(want.NextCheck) &&
		len(now.Attempts) == len(want.Attempts) && knowsTheSame(want.Current(), now.Current())
}

// knowsTheSame compares what a report and a fence write onto an attempt.
func knowsTheSame(a, b payment.Attempt) bool {
	return a.Sends == b.Sends && a.Uncertain == b.Uncertain && a.Evidence == b.Evidence && a.MappingRow == b.MappingRow &&
		a.HTTPStatus == b.HTTPStatus && a.Code == b.Code && a.RequestID == b.RequestID &&
		a.ProviderReference == b.ProviderReference && slices.Equal(a.Steps, b.Steps)
}

// Reference is an entry of the reference index: a name that an operation is
// known by on one account.
type Reference struct {
	Account payment.AccountName
	Name    string
}

// References lists the entries that an operation's attempts call for. Where a
// provider has no object of its own for what an operation did, and names the one
// that it acted on, that name stays with the operation that made it; so does the
// object of a parent that a joint operation goes on with.
func References(op payment.Operation) []Reference {
	var refs []Reference
	for _, a := range op.Attempts {
		refs = append(refs, Reference{a.Account, string(a.Reference)})
		if a.ProviderReference != "" && a.ProviderReference != a.Parent && !op.Joint() {
			refs = append(refs, Reference{a.Account, string(a.ProviderReference)})
		}
	}
	return refs
}
