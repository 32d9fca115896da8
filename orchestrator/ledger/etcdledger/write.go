package etcdledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/ledger/session"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Claim implements ledger.Ledger.
func (l *Ledger) Claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	done := l.timing.start(ctx, "claim")
	next, err := l.claim(ctx, s, c)
	done(err)
	return next, err
}

func (l *Ledger) claim(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if err := ledger.CheckOwns(c); err != nil {
		return ledger.Snapshot{}, err
	}
	// Only the payment and the parent of s count: it may come with another operation.
	s = ledger.Snapshot{Payment: s.Payment, Parent: s.Parent, Revision: ledger.Revision{Payment: s.Revision.Payment, Parent: s.Revision.Parent}}
	if err := ledger.CheckParent(s, c); err != nil {
		return ledger.Snapshot{}, err
	}
	guard, live, err := l.owner(c.Operation)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	w := l.prepare(s, c)
	w.under, w.looks = &guard, append(w.looks, lookAtSession(guard.Key))
	w.guard = append(w.guard, createdAt(l.keys.operation(c.Operation.Key), 0), alive(guard))
	w.refusal = func(now present) error {
		switch {
		case now.Revision.Operation != 0:
			return &payment.KeyTakenError{Operation: now.Operation, OwnerAlive: now.Marker.Present}
		case now.session != guard.Created:
			return ledger.ErrSessionLost
		}
		return cmp.Or(w.moved(now), referenceTaken(now))
	}
	records, err := l.records(s, c)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	marker, err := l.putMarker(c.Operation, guard)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	w.then = append(records, marker)
	if p := c.Payment; p != nil && s.Revision.Payment == 0 && p.MerchantReference != "" {
		w.then = append(w.then, clientv3.OpPut(l.keys.merchantReference(*p), string(p.ID)))
		l.takeUnique(w, p)
	}
	if !live {
		return l.decline(ctx, w, ledger.ErrSessionLost)
	}
	if err := l.admitsClaims(); err != nil {
		return l.decline(ctx, w, err)
	}
	return l.commit(ctx, w)
}

// Takeover implements ledger.Ledger.
func (l *Ledger) Takeover(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	done := l.timing.start(ctx, "takeover")
	next, err := l.takeover(ctx, s, c)
	done(err)
	return next, err
}

func (l *Ledger) takeover(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if s.Revision.Operation == 0 {
		return ledger.Snapshot{}, errors.New("etcdledger: a takeover of an operation that was not read")
	}
	if err := ledger.CheckOwns(c); err != nil {
		return ledger.Snapshot{}, err
	}
	guard, live, err := l.owner(c.Operation)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	w := l.prepare(s, c)
	w.under, w.looks = &guard, append(w.looks, lookAtSession(guard.Key))
	w.guard = append(w.guard,
		modifiedAt(l.keys.operation(c.Operation.Key), s.Revision.Operation),
		modifiedAt(l.keys.marker(c.Operation.Key), s.Revision.Marker), // 0: absent
		alive(guard))
	w.refusal = func(now present) error {
		switch {
		case now.Revision.Operation != w.from.Revision.Operation || now.Revision.Marker != w.from.Revision.Marker:
			return ledger.ErrFenced
		case now.session != guard.Created:
			return ledger.ErrSessionLost
		}
		return w.moved(now)
	}
	records, err := l.records(s, c)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	marker, err := l.putMarker(c.Operation, guard)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	w.then = append(records, marker)
	if !live {
		return l.decline(ctx, w, ledger.ErrSessionLost)
	}
	return l.commit(ctx, w)
}

// Advance implements ledger.Ledger.
func (l *Ledger) Advance(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	done := l.timing.start(ctx, "advance")
	next, err := l.advance(ctx, s, c)
	done(err)
	return next, err
}

func (l *Ledger) advance(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
	if s.Revision.Operation == 0 {
		return ledger.Snapshot{}, errors.New("etcdledger: an advance of an operation that was not read")
	}
	if err := ledger.CheckNews(c.News); err != nil {
		return ledger.Snapshot{}, err
	}
	if err := ledger.CheckParent(s, c); err != nil {
		return ledger.Snapshot{}, err
	}
	w := l.prepare(s, c)
	w.guard = append(w.guard,
		modifiedAt(l.keys.operation(c.Operation.Key), s.Revision.Operation))
	w.refusal = func(now present) error {
		switch {
		case now.Revision.Operation != w.from.Revision.Operation:
			return ledger.ErrFenced
		case now.known(w.to.News):
			return ledger.ErrEventKnown
		}
		return w.moved(now)
	}
	records, err := l.records(s, c)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	w.then = records
	if c.Operation.Owner == "" {
		// The marker is the owner's or is gone: a takeover would have written the operation.
		w.then = append(w.then, clientv3.OpDelete(l.keys.marker(c.Operation.Key)))
	}
	if c.Orphan != "" {
		wrote := w.mine // an equal write that another event told has left the orphan
		w.mine = func(now present) bool { return wrote(now) && !now.orphan }
	}
	if c.Event != nil {
		wrote := w.mine // an equal write by another process has taken in the event instead
		w.mine = func(now present) bool { return wrote(now) && l.tookIn(now.event, w.to.Operation.Key) }
	}
	if err := l.keep(w, c.Operation.Key, c.News); err != nil {
		return ledger.Snapshot{}, err
	}
	return l.commitAnyhow(ctx, w)
}

// commitAnyhow commits what is worth trying again for as long as it takes: only
// claims may be told that the store is full.
func (l *Ledger) commitAnyhow(ctx context.Context, w *write) (ledger.Snapshot, error) {
	next, err := l.commit(ctx, w)
	if errors.Is(err, ledger.ErrFull) {
		return ledger.Snapshot{}, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	return next, err
}

// owner returns the session that a marker of op is to hang on, and whether it lives.
func (l *Ledger) owner(op payment.Operation) (session.Guard, bool, error) {
	if op.Owner != l.session.Boot() {
		return session.Guard{}, false, fmt.Errorf("etcdledger: boot %s writes a marker of %q", l.session.Boot(), op.Owner)
	}
	guard, live := l.session.Current()
	return guard, live, nil
}

// alive compares that the session is the one that guard was taken from.
func alive(guard session.Guard) clientv3.Cmp {
	return createdAt(guard.Key, guard.Created)
}

// prepare starts a write of an operation with what all of them have: the guard
// of the payment, and how it is recognised. What is there is its doing only if
// it is newer than the snapshot that it was made from and agrees with it.
func (l *Ledger) prepare(s ledger.Snapshot, c ledger.Change) *write {
	key := c.Operation.Key
	w := &write{from: s, to: c, looks: []look{
		lookAtOperation(l.keys.operation(key)), lookAtMarker(l.keys.marker(key)),
		lookAtPayment(l.keys.payment(key.Tenant, c.Operation.PaymentID)),
	}}
	if c.Payment != nil {
		key := l.keys.payment(c.Payment.Tenant, c.Payment.ID)
		w.guard = append(w.guard, modifiedAt(key, s.Revision.Payment)) // 0: absent
	}
	if c.Operation.Joint() {
		l.withParent(w, s, c)
	}
	w.mine = func(now present) bool {
		rev := now.Revision.Operation
		return rev != 0 && rev != w.from.Revision.Operation && ledger.Wrote(w.to.Operation, now.Operation)
	}
	w.made = func(resp *clientv3.TxnResponse) (ledger.Snapshot, error) {
		return after(w.from, w.to, w.under != nil, resp.Header.Revision), nil
	}
	return w
}

// paymentMoved refuses a write whose payment, if it writes one, is not as in its
// snapshot.
func paymentMoved(s ledger.Snapshot, p *payment.Payment, now present) error {
	if p != nil && now.Revision.Payment != s.Revision.Payment {
		return ledger.ErrPaymentMoved
	}
	return nil
}

// after is the snapshot once etcd has made a change of s at revision rev; marks
// says that the change puts the marker.
func after(s ledger.Snapshot, c ledger.Change, marks bool, rev int64) ledger.Snapshot {
	s.Operation, s.Revision.Operation = c.Operation, rev
	if c.Payment != nil {
		s.Payment, s.Revision.Payment = *c.Payment, rev
	}
	if c.Parent != nil {
		s.Parent, s.Revision.Parent = *c.Parent, rev
	}
	switch {
	case c.Operation.Owner == "":
		s.Marker, s.Revision.Marker = ledger.Marker{}, 0
	case marks:
		s.Marker = ledger.Marker{Present: true, Boot: c.Operation.Owner, Epoch: c.Operation.Epoch}
		s.Revision.Marker = rev
	}
	return s
}

// maxPuts is how many puts and deletes an ordinary write has at most: operation,
// open entry, payment, two references, marker and merchant reference, event and
// attention.
const maxPuts = 9

// records are the puts and deletes that follow from a change of an operation,
// without its marker. No key occurs twice, which etcd would refuse.
func (l *Ledger) records(s ledger.Snapshot, c ledger.Change) ([]clientv3.Op, error) {
	if err := checkChange(c); err != nil {
		return nil, err
	}
	ops := make([]clientv3.Op, 0, maxPuts) // an Op is large, and growing would copy them
	ops, err := l.putOperation(ops, s.Operation, c.Operation)
	if err != nil {
		return nil, err
	}
	if c.Parent != nil {
		if ops, err = l.putParent(ops, s.Parent, *c.Parent); err != nil {
			return nil, err
		}
	}
	if c.Payment != nil {
		p, err := ledger.EncodePayment(*c.Payment)
		if err != nil {
			return nil, err
		}
		ops = append(ops, clientv3.OpPut(l.keys.payment(c.Payment.Tenant, c.Payment.ID), string(p)))
		ops = append(ops, l.giveUp(s.Payment, c.Payment)...)
	}
	return ops, nil
}

// putOperation adds to ops an operation with its entries of the indexes.
func (l *Ledger) putOperation(ops []clientv3.Op, before, op payment.Operation) ([]clientv3.Op, error) {
	raw, err := ledger.EncodeOperation(op)
	if err != nil {
		return nil, err
	}
	open, err := l.putOpen(op)
	if err != nil {
		return nil, err
	}
	ops = append(ops, clientv3.OpPut(l.keys.operation(op.Key), string(raw)), open)
	return l.putReferences(ops, before, op)
}

// checkChange refuses what could not be found again under its key.
func checkChange(c ledger.Change) error {
	if err := c.Operation.Key.Validate(); err != nil {
		return err
	}
	if !segment(string(c.Operation.PaymentID)) {
		return fmt.Errorf("etcdledger: payment id %q cannot name a record", c.Operation.PaymentID)
	}
	if p := c.Payment; p != nil && (p.ID != c.Operation.PaymentID || p.Tenant != c.Operation.Key.Tenant) {
		return fmt.Errorf("etcdledger: payment %s of %s is not that of operation %s", p.ID, p.Tenant, c.Operation.Key.ID)
	}
	return nil
}

func (l *Ledger) putMarker(op payment.Operation, guard session.Guard) (clientv3.Op, error) {
	raw, err := ledger.EncodeMarker(ledger.Marker{Present: true, Boot: op.Owner, Epoch: op.Epoch})
	return clientv3.OpPut(l.keys.marker(op.Key), string(raw), clientv3.WithLease(guard.Lease)), err
}

// putOpen keeps the open index: an entry for every operation that is not final.
func (l *Ledger) putOpen(op payment.Operation) (clientv3.Op, error) {
	key := l.keys.open(op.Key)
	if op.State.Final() {
		return clientv3.OpDelete(key), nil
	}
	raw, err := ledger.EncodeOpen(ledger.Open{Key: op.Key, Due: op.NextCheck})
	return clientv3.OpPut(key, string(raw)), err
}

// putReferences adds to ops the entries that the operation calls for and that it had
// not called for before. Two attempts may have one reference in common.
func (l *Ledger) putReferences(ops []clientv3.Op, before, op payment.Operation) ([]clientv3.Op, error) {
	raw, err := ledger.EncodeReference(op.Key)
	if err != nil {
		return nil, err
	}
	written := ledger.References(before)
	for _, r := range ledger.References(op) {
		if !slices.Contains(written, r) {
			written = append(written, r)
			ops = append(ops, clientv3.OpPut(l.keys.reference(r), string(raw)))
		}
	}
	return ops, nil
}

// found is the only record that the i-th read of a transaction returned, or nil.
func found(resp *clientv3.TxnResponse, i int) *mvccpb.KeyValue {
	if i >= len(resp.Responses) {
		return nil
	}
	kvs := resp.Responses[i].GetResponseRange().GetKvs()
	if len(kvs) == 0 {
		return nil
	}
	return kvs[0]
}
