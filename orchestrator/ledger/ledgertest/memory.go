package ledgertest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Config says how a Store behaves. The zero Config is a store without faults.
type Config struct {
	// Hook, if set, is asked before every call. SetHook changes it.
	Hook Hook
	// TTL is how long a session outlives its last renewal; living processes renew
	// all the time. 0 means that sessions end by EndSession only.
	TTL time.Duration
	// Violated is told what a caller did wrong. Defaults to failing the test.
	Violated func(what string)
}

// Store is a ledger's store in memory. Several boots share one, each by its own
// Memory. It keeps records as they are stored for real, encoded.
//
// It does no I/O, starts no goroutine and reads the time by time.Now, so it
// works in a bubble of testing/synctest; it is then to be made inside it. It
// also watches its callers: a change that the protocol does not allow (a final
// record rewritten, an epoch that falls, a snapshot that no ledger returned)
// fails the test even where the guards would have caught it.
type Store struct {
	config Config

	mu         sync.Mutex
	hook       Hook
	full       bool
	revision   int64 // of the last write
	changed    chan struct{}
	boots      map[payment.BootID]*boot
	operations map[payment.OperationKey]record
	payments   map[paymentKey]record
	markers    map[payment.OperationKey]marker
	open       map[payment.OperationKey]ledger.Open
	references map[ledger.Reference]payment.OperationKey
	uniques    map[Unique]payment.ID
	anchors    map[string][]byte
	events     map[payment.EventKey][]byte
	attention  map[attentionKey][]byte
	history    map[version][]byte   // every version of every record
	nonces     map[string]ownership // whose each nonce written so far is
}

// record is an encoded record and the revision that wrote it.
type record struct {
	raw      []byte
	revision int64
}

type paymentKey struct {
	tenant payment.TenantID
	id     payment.ID
}

// attentionKey names what a tenant's people must look at.
type attentionKey struct {
	tenant payment.TenantID
	id     string
}

// version names one version of a record.
type version struct {
	operation payment.OperationKey
	payment   paymentKey
	revision  int64
}

// ownership is one claim or takeover of an operation.
type ownership struct {
	operation payment.OperationKey
	epoch     int64
}

// marker lives as long as its lease.
type marker struct {
	ledger.Marker

	revision int64
	lease    *lease
}

// lease is one session as the store sees it.
type lease struct {
	ended   bool
	expires time.Time // zero while it is renewed
}

func (l *lease) alive(now time.Time) bool {
	return !l.ended && (l.expires.IsZero() || now.Before(l.expires))
}

// boot is one process life.
type boot struct {
	lease   *lease
	crashed bool
}

// NewStore returns an empty store for a test.
func NewStore(tb testing.TB, c Config) *Store {
	tb.Helper()
	if c.Violated == nil {
		c.Violated = func(what string) { tb.Errorf("ledger misused: %s", what) }
	}
	return &Store{
		config: c, hook: c.Hook, changed: make(chan struct{}),
		boots: map[payment.BootID]*boot{}, operations: map[payment.OperationKey]record{}, payments: map[paymentKey]record{},
		markers: map[payment.OperationKey]marker{}, open: map[payment.OperationKey]ledger.Open{},
		references: map[ledger.Reference]payment.OperationKey{}, uniques: map[Unique]payment.ID{}, anchors: map[string][]byte{},
		events: map[payment.EventKey][]byte{}, attention: map[attentionKey][]byte{},
		history: map[version][]byte{}, nonces: map[string]ownership{},
	}
}

// Ledger is the store as one process life sees it, with a live session. Asked
// again for the same boot it returns another handle on the same life.
func (s *Store) Ledger(b payment.BootID) *Memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boots[b] == nil {
		s.boots[b] = &boot{lease: &lease{}}
	}
	return &Memory{store: s, boot: b}
}

// SetHook replaces the hook; nil removes it.
func (s *Store) SetHook(h Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = h
}

// SetFull says whether the store is near its quota: it then takes no claims.
func (s *Store) SetFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

// EndSession ends a boot's session at once: its markers are gone, and it has no
// session until NewSession.
func (s *Store) EndSession(b payment.BootID) {
	s.change(b, func(boot *boot) { boot.lease.ended = true })
}

// NewSession ends a boot's session, if it has one, and gives it another.
func (s *Store) NewSession(b payment.BootID) {
	s.change(b, func(boot *boot) {
		boot.lease.ended = true
		boot.lease = &lease{}
	})
}

// Pause stops the renewal of a boot's session: unless Resume comes first, it
// ends after Config.TTL. Without a TTL it does nothing.
func (s *Store) Pause(b payment.BootID) {
	s.change(b, func(boot *boot) { s.stopRenewal(boot) })
}

// Resume renews a boot's session again, or gives it another if it has ended.
func (s *Store) Resume(b payment.BootID) {
	s.change(b, func(boot *boot) {
		if !boot.lease.alive(time.Now()) {
			boot.lease = &lease{}
		}
		boot.lease.expires = time.Time{}
	})
}

// Crash ends a process life: every call of it fails from now on, also those
// under way, and its session is renewed no more (see Pause).
func (s *Store) Crash(b payment.BootID) {
	s.change(b, func(boot *boot) {
		boot.crashed = true
		s.stopRenewal(boot)
	})
}

func (s *Store) stopRenewal(b *boot) {
	if s.config.TTL > 0 && b.lease.expires.IsZero() {
		b.lease.expires = time.Now().Add(s.config.TTL)
	}
}

// change alters a boot and wakes all waiters.
func (s *Store) change(b payment.BootID, how func(*boot)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boots[b] == nil {
		s.boots[b] = &boot{lease: &lease{}}
	}
	how(s.boots[b])
	s.wake()
}

// wake tells every waiter to look again. The caller holds the lock.
func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// marker is the marker of an operation, if its session lives. The caller holds
// the lock.
func (s *Store) marker(k payment.OperationKey) marker {
	m, ok := s.markers[k]
	if !ok || !m.lease.alive(time.Now()) {
		return marker{}
	}
	return m
}

// snapshot reads an operation, its payment and its marker. The caller holds the
// lock.
func (s *Store) snapshot(k payment.OperationKey) (ledger.Snapshot, error) {
	rec, ok := s.operations[k]
	if !ok {
		return ledger.Snapshot{}, fmt.Errorf("operation %s: %w", k.ID, ledger.ErrNotFound)
	}
	op, err := ledger.DecodeOperation(rec.raw)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	snap, err := s.paymentSnapshot(paymentKey{k.Tenant, op.PaymentID})
	if err != nil {
		return ledger.Snapshot{}, err
	}
	if op.Joint() {
		if err := s.parent(&snap, op); err != nil {
			return ledger.Snapshot{}, err
		}
	}
	m := s.marker(k)
	snap.Operation, snap.Revision.Operation = op, rec.revision
	snap.Marker, snap.Revision.Marker = m.Marker, m.revision
	return snap, nil
}

// paymentSnapshot reads a payment, if it exists. The caller holds the lock.
func (s *Store) paymentSnapshot(k paymentKey) (ledger.Snapshot, error) {
	rec, ok := s.payments[k]
	if !ok {
		return ledger.Snapshot{}, nil
	}
	p, err := ledger.DecodePayment(rec.raw)
	return ledger.Snapshot{Payment: p, Revision: ledger.Revision{Payment: rec.revision}}, err
}

// commit makes a change by a boot true, with all that follows from it, in one
// revision. The caller holds the lock and has checked the guards.
func (s *Store) commit(b payment.BootID, c ledger.Change, holder *lease) (ledger.Snapshot, error) {
	op := c.Operation
	raw, err := ledger.EncodeOperation(op)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	var rawPayment []byte
	if c.Payment != nil {
		if rawPayment, err = ledger.EncodePayment(*c.Payment); err != nil {
			return ledger.Snapshot{}, err
		}
	}
	var rawParent []byte
	if c.Parent != nil {
		if rawParent, err = ledger.EncodeOperation(*c.Parent); err != nil {
			return ledger.Snapshot{}, err
		}
	}
	news, err := encodeNews(b, op.Key, c.News)
	if err != nil {
		return ledger.Snapshot{}, err
	}
	s.revision++
	s.operations[op.Key] = record{raw, s.revision}
	s.history[version{operation: op.Key, revision: s.revision}] = raw
	s.nonces[op.Nonce] = ownership{op.Key, op.Epoch}
	if c.Parent != nil {
		s.keepParent(*c.Parent, rawParent)
	}
	if c.Payment != nil {
		s.keepPayment(*c.Payment, rawPayment)
	}
	s.keepNews(c.News, news)
	s.index(op, holder)
	s.wake()
	return s.snapshot(op.Key)
}

// keepPayment stores a payment at the present revision.
func (s *Store) keepPayment(p payment.Payment, raw []byte) {
	k := paymentKey{p.Tenant, p.ID}
	s.keepUnique(p)
	s.payments[k] = record{raw, s.revision}
	s.history[version{payment: k, revision: s.revision}] = raw
}

// index makes the entries that follow from an operation. holder is the session
// that a new marker belongs to; nil leaves the marker that is there.
func (s *Store) index(op payment.Operation, holder *lease) {
	switch {
	case op.Owner == "":
		delete(s.markers, op.Key)
	case holder != nil:
		s.markers[op.Key] = marker{ledger.Marker{Present: true, Boot: op.Owner, Epoch: op.Epoch}, s.revision, holder}
	}
	if op.State.Final() {
		delete(s.open, op.Key)
	} else {
		s.open[op.Key] = ledger.Open{Key: op.Key, Due: op.NextCheck.UTC().Round(0)}
	}
	for _, r := range ledger.References(op) {
		s.references[r] = op.Key
	}
}

// operationsOf reads a payment's operations. The caller holds the lock.
func (s *Store) operationsOf(p payment.Payment) ([]payment.Operation, error) {
	ops := make([]payment.Operation, 0, len(p.Operations))
	for _, id := range p.Operations {
		rec, ok := s.operations[payment.OperationKey{Tenant: p.Tenant, ID: id}]
		if !ok {
			return nil, fmt.Errorf("operation %s of payment %s: %w", id, p.ID, ledger.ErrRecord)
		}
		op, err := ledger.DecodeOperation(rec.raw)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// due lists the open entries of a shard up to a time, the longest due first.
// The caller holds the lock.
func (s *Store) due(shard int, now time.Time) []ledger.Open {
	var all []ledger.Open
	for k, o := range s.open {
		if ledger.Shard(k) == shard && !o.Due.After(now) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b ledger.Open) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key.ID, b.Key.ID))
	})
	return all
}

// list reads payments that fit, newest first: those whose ids are less than the
// place that the page begins at. The caller holds the lock.
func (s *Store) list(f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
	place, err := ledger.DecodePage(f, page)
	if err != nil {
		return nil, "", err
	}
	var ids []payment.ID
	for k := range s.payments {
		if k.tenant == f.Tenant && (place == "" || string(k.id) < place) {
			ids = append(ids, k.id)
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	var found []payment.Payment
	for i, id := range ids {
		now, err := s.paymentSnapshot(paymentKey{f.Tenant, id})
		if err != nil {
			return nil, "", err
		}
		if f.Fits(now.Payment) {
			found = append(found, now.Payment)
		}
		if i < len(ids)-1 && (len(found) == limit || i+1 == ledger.PageScan) {
			return found, ledger.EncodePage(f, string(id)), nil
		}
	}
	return found, "", nil
}
