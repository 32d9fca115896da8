package ledgertest

import (
	"context"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// broken is a Memory whose methods can be replaced one by one.
type broken struct {
	*Memory

	claim     func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error)
	takeover  func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error)
	advance   func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error)
	read      func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error)
	payment   func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error)
	list      func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error)
	reference func(ctx context.Context, a payment.AccountName, r string) (payment.OperationKey, error)
	due       func(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error)
	await     func(ctx context.Context, k payment.OperationKey) error
	hold      func(ctx context.Context, margin time.Duration) error
	anchor    func(ctx context.Context, name string, value []byte) ([]byte, error)
	record    func(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error)
	attention func(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error)
	living    func(ctx context.Context) ([]payment.BootID, error)
}

func newBroken(l *Memory) *broken {
	return &broken{
		Memory: l, claim: l.Claim, takeover: l.Takeover, advance: l.Advance, read: l.Read, payment: l.Payment,
		list: l.List, reference: l.ByReference, due: l.Due, await: l.Await, hold: l.Hold, anchor: l.Anchor,
		record: l.Record, attention: l.Attention, living: l.Living,
	}
}

func (l *broken) Claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	return l.claim(ctx, s, c)
}

func (l *broken) Takeover(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	return l.takeover(ctx, s, c)
}

func (l *broken) Advance(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	return l.advance(ctx, s, c)
}

func (l *broken) Read(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
	return l.read(ctx, k)
}

func (l *broken) Payment(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
	return l.payment(ctx, t, id)
}

func (l *broken) List(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
	return l.list(ctx, f, page, limit)
}

func (l *broken) ByReference(ctx context.Context, a payment.AccountName, r string) (payment.OperationKey, error) {
	return l.reference(ctx, a, r)
}

func (l *broken) Due(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
	return l.due(ctx, shard, now, limit)
}

func (l *broken) Await(ctx context.Context, k payment.OperationKey) error { return l.await(ctx, k) }

func (l *broken) Hold(ctx context.Context, margin time.Duration) error { return l.hold(ctx, margin) }

func (l *broken) Anchor(ctx context.Context, name string, value []byte) ([]byte, error) {
	return l.anchor(ctx, name, value)
}

func (l *broken) Record(ctx context.Context, s ledger.Snapshot, p *payment.Payment, n ledger.News) (ledger.Snapshot, error) {
	return l.record(ctx, s, p, n)
}

func (l *broken) Attention(ctx context.Context, t payment.TenantID, after string, limit int) ([]payment.Attention, error) {
	return l.attention(ctx, t, after, limit)
}

func (l *broken) Living(ctx context.Context) ([]payment.BootID, error) { return l.living(ctx) }

// afterwards changes the store behind the ledger's back, once a write was made.
func (l *broken) afterwards(s ledger.Snapshot, err error, alter func(store *Store, k payment.OperationKey)) (ledger.Snapshot, error) {
	if err == nil {
		l.store.mu.Lock()
		defer l.store.mu.Unlock()
		alter(l.store, s.Operation.Key)
	}
	return s, err
}
