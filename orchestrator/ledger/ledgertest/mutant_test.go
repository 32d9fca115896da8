package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// mutant is a ledger with one guarantee broken, and the property that catches it.
type mutant struct {
	name   string
	caught string // group/property
	mutate func(l *broken)
}

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

func guardMutants() []mutant {
	return []mutant{
		{"no revision guard", "guard/lets one of two snapshots write and tells the other the present one", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err != nil {
					return now, err
				}
				s.Revision.Operation = now.Revision.Operation
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"no revision guard, seen by a takeover", "takeover/fences the old owner", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err != nil {
					return now, err
				}
				s.Revision = now.Revision
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"no payment guard", "guard/tells that only the payment moved, and takes the change rebuilt", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err != nil {
					return now, err
				}
				s.Revision.Payment = now.Revision.Payment
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"a moved payment fences", "guard/tells that only the payment moved, and takes the change rebuilt", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if errors.Is(err, ledger.ErrPaymentMoved) {
					return next, ledger.ErrFenced
				}
				return next, err
			}
		}},
		{"a made outcome whose payment moved is to be rebuilt", "guard/takes an outcome repeated after the payment moved on for made", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err == nil && c.Payment != nil && now.Revision.Payment != s.Revision.Payment {
					return now, ledger.ErrPaymentMoved
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"adopting a revision by nonce alone", "guard/lets one of two snapshots write and tells the other the present one", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if errors.Is(err, ledger.ErrFenced) && next.Operation.Nonce == c.Operation.Nonce {
					return next, nil
				}
				return next, err
			}
		}},
		{"a fenced caller is not told the present snapshot", "guard/lets one of two snapshots write and tells the other the present one", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if err != nil {
					return s, err
				}
				return next, err
			}
		}},
	}
}

func claimMutants() []mutant {
	return []mutant{
		{"everybody wins a claim", "contention/of 100 claims of one key has one winner", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if _, ok := errors.AsType[*payment.KeyTakenError](err); ok {
					return l.Memory.Read(ctx, c.Operation.Key)
				}
				return next, err
			}
		}},
		{"the owner always lives", "claim/of a taken key tells that its owner is gone", owner(true)},
		{"the owner never lives", "claim/of a taken key tells the operation and that its owner lives", owner(false)},
		{"a repeated claim is a stranger's", "claim/repeated with the same nonce is one claim", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil {
					return ledger.Snapshot{}, &payment.KeyTakenError{Operation: now.Operation, OwnerAlive: now.Marker.Present}
				}
				return l.Memory.Claim(ctx, s, c)
			}
		}},
		{"a claim is recognised by its nonce alone", "claim/repeated after the operation went on is refused", recognised(func(want, now payment.Operation) bool {
			return want.Nonce == now.Nonce
		})},
		{"a claim is recognised whatever its attempts", "failover/is told from the write before it", recognised(func(want, now payment.Operation) bool {
			return want.Nonce == now.Nonce && want.State == now.State && want.Epoch == now.Epoch && want.Owner == now.Owner
		})},
		{"a claim needs no session", "claim/without a live session writes nothing", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if errors.Is(err, ledger.ErrSessionLost) {
					l.store.NewSession(l.boot)
					return l.Memory.Claim(ctx, s, c)
				}
				return next, err
			}
		}},
		{"a claim on a moved payment goes through", "contention/of claims on one payment loses no reservation", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if errors.Is(err, ledger.ErrPaymentMoved) {
					return l.Memory.Claim(ctx, next, c)
				}
				return next, err
			}
		}},
		{"a refused claim leaves its payment", "claim/of a taken key tells the operation and that its owner lives", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if err != nil {
					raw, _ := ledger.EncodePayment(*c.Payment)
					l.store.payments[paymentKey{c.Payment.Tenant, c.Payment.ID}] = record{raw, 1}
				}
				return next, err
			}
		}},
		{"a claim has no open entry", "claim/creates operation, payment, marker, open entry and reference", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				return l.afterwards(next, err, func(store *Store, k payment.OperationKey) { delete(store.open, k) })
			}
		}},
		{"a full store takes claims", "claim/near the store's quota is refused, outcomes are not", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				l.store.SetFull(false)
				return l.Memory.Claim(ctx, s, c)
			}
		}},
	}
}

func owner(alive bool) func(l *broken) {
	return func(l *broken) {
		l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			next, err := l.Memory.Claim(ctx, s, c)
			if taken, ok := errors.AsType[*payment.KeyTakenError](err); ok {
				taken.OwnerAlive = alive
			}
			return next, err
		}
	}
}

func recognised(mine func(want, now payment.Operation) bool) func(l *broken) {
	return func(l *broken) {
		l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil && mine(c.Operation, now.Operation) {
				return now, nil
			}
			return l.Memory.Claim(ctx, s, c)
		}
	}
}

func takeoverMutants() []mutant {
	return []mutant{
		{"no marker guard", "takeover/is guarded by the marker as it was read", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err != nil {
					return now, err
				}
				s.Revision.Marker = now.Revision.Marker
				return l.Memory.Takeover(ctx, s, c)
			}
		}},
		{"no operation guard", "takeover/of several at once has one winner", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				now, err := l.Memory.Read(ctx, c.Operation.Key)
				if err != nil {
					return now, err
				}
				s.Revision = now.Revision
				return l.Memory.Takeover(ctx, s, c)
			}
		}},
		{"a takeover of a live owner's marker is refused for ever", "takeover/of an orphaned marker replaces it", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if s.Marker.Present {
					return s, ledger.ErrFenced
				}
				return l.Memory.Takeover(ctx, s, c)
			}
		}},
		{"a takeover needs no session", "takeover/without a live session writes nothing", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				l.store.NewSession(l.boot)
				return l.Memory.Takeover(ctx, s, c)
			}
		}},
		{"a taken over marker stays with the old session", "takeover/binds the marker to the new owner's session alone", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Takeover(ctx, s, c)
				return l.afterwards(next, err, func(store *Store, k payment.OperationKey) {
					m := store.markers[k]
					m.lease = store.boots[s.Marker.Boot].lease
					store.markers[k] = m
				})
			}
		}},
		{"a takeover leaves no marker", "takeover/of a dead owner's operation makes the marker and the epoch mine", func(l *broken) {
			l.takeover = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Takeover(ctx, s, c)
				return l.afterwards(next, err, func(store *Store, k payment.OperationKey) { delete(store.markers, k) })
			}
		}},
	}
}

func outcomeMutants() []mutant {
	alter := func(how func(store *Store, k payment.OperationKey)) func(l *broken) {
		return func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				return l.afterwards(next, err, how)
			}
		}
	}
	return []mutant{
		{"a final operation stays open", "outcome/ends the flight as SUCCEEDED", alter(func(store *Store, k payment.OperationKey) {
			store.open[k] = ledger.Open{Key: k, Due: time.Now()}
		})},
		{"a pending operation is forgotten", "outcome/ends the flight as PENDING", alter(func(store *Store, k payment.OperationKey) { delete(store.open, k) })},
		{"a parked operation is forgotten", "park/leaves an unknown operation, no marker, and a due entry", alter(func(store *Store, k payment.OperationKey) { delete(store.open, k) })},
		{"the provider's reference is not found", "reference/is found by ours and by the provider's, on its account only", alter(func(store *Store, _ payment.OperationKey) {
			for r := range store.references {
				if strings.HasPrefix(r.Name, "psp/") {
					delete(store.references, r)
				}
			}
		})},
		{"a failover's reference is not found", "failover/keeps state and marker and adds an attempt with its reference", alter(func(store *Store, _ payment.OperationKey) {
			for r := range store.references {
				if r.Account == "account-2" {
					delete(store.references, r)
				}
			}
		})},
		{"a failover drops the marker", "failover/keeps state and marker and adds an attempt with its reference", alter(func(store *Store, k payment.OperationKey) { delete(store.markers, k) })},
		{"the marker outlives the outcome", "outcome/ends the flight as DECLINED", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				s.Marker = ledger.Marker{Present: true, Boot: l.boot, Epoch: s.Operation.Epoch}
				return s, err
			}
		}},
		{"an outcome needs a session", "outcome/needs no session of whoever holds the revision", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if err := l.Memory.Hold(ctx, 0); err != nil {
					return ledger.Snapshot{}, err
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"the response goes through a text encoding", "outcome/ends the flight as SUCCEEDED", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				s.Operation.Response = bytes.ToValidUTF8(s.Operation.Response, []byte("?"))
				return s, err
			}
		}},
		{"a final operation keeps its sealed request", "outcome/ends the flight as FAILED", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				s.Operation.Sealed = []byte("sealed")
				return s, err
			}
		}},
	}
}

func readMutants() []mutant {
	return []mutant{
		{"a read knows no tenants", "contention/keeps tenants with the same key apart", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				for other := range l.store.operations {
					if other.ID == k.ID {
						return l.Memory.Read(ctx, other)
					}
				}
				return l.Memory.Read(ctx, k)
			}
		}},
		{"a payment knows no tenants", "payment/of another tenant is not found", func(l *broken) {
			l.payment = func(ctx context.Context, _ payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				return l.Memory.Payment(ctx, tenant, id)
			}
		}},
		{"operations come newest first", "payment/is read with its operations, oldest first", func(l *broken) {
			l.payment = func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				p, ops, err := l.Memory.Payment(ctx, t, id)
				slices.Reverse(ops)
				return p, ops, err
			}
		}},
		{"a payment and its operations are read apart", "payment/and its operations are of one moment", func(l *broken) {
			l.payment = func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				p, _, err := l.Memory.Payment(ctx, t, id)
				if err != nil {
					return p, nil, err
				}
				_, ops, err := l.Memory.Payment(ctx, t, id)
				return p, ops, err
			}
		}},
		{"a reference knows no accounts", "reference/is found by ours and by the provider's, on its account only", func(l *broken) {
			l.reference = func(ctx context.Context, a payment.AccountName, r string) (payment.OperationKey, error) {
				for known, k := range l.store.references {
					if known.Name == r {
						return k, nil
					}
				}
				return l.Memory.ByReference(ctx, a, r)
			}
		}},
		{"what cannot be read does not exist", "fault/store out of reach is told on every call", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				if err != nil {
					return s, ledger.ErrNotFound
				}
				return s, err
			}
		}},
	}
}

func indexMutants() []mutant {
	due := func(how func(all []ledger.Open, now time.Time, limit int) []ledger.Open) func(l *broken) {
		return func(l *broken) {
			l.due = func(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
				all, err := l.Memory.Due(ctx, shard, now.Add(2000*time.Hour), 10_000)
				return how(all, now, limit), err
			}
		}
	}
	until := func(all []ledger.Open, now time.Time) []ledger.Open {
		return slices.DeleteFunc(all, func(o ledger.Open) bool { return o.Due.After(now) })
	}
	return []mutant{
		{"everything is due", "due/lists what is due and nothing that is not", due(func(all []ledger.Open, _ time.Time, limit int) []ledger.Open {
			return all[:min(limit, len(all))]
		})},
		{"due has no limit", "due/lists the longest due first, up to the limit", due(func(all []ledger.Open, now time.Time, _ int) []ledger.Open {
			return until(all, now)
		})},
		{"due is in no order", "due/lists the longest due first, up to the limit", due(func(all []ledger.Open, now time.Time, limit int) []ledger.Open {
			all = until(all, now)
			slices.SortFunc(all, func(a, b ledger.Open) int { return strings.Compare(string(a.Key.ID), string(b.Key.ID)) })
			return all[:min(limit, len(all))]
		})},
		{"due is limited before it is ordered", "due/lists the longest due first, up to the limit", due(func(all []ledger.Open, now time.Time, limit int) []ledger.Open {
			slices.SortFunc(all, func(a, b ledger.Open) int { return strings.Compare(string(a.Key.ID), string(b.Key.ID)) })
			all = until(all, now)
			all = all[:min(limit, len(all))]
			slices.SortFunc(all, func(a, b ledger.Open) int { return a.Due.Compare(b.Due) })
			return all
		})},
		{"due forgets a tenant", "due/lists every tenant's operations", due(func(all []ledger.Open, now time.Time, limit int) []ledger.Open {
			all = slices.DeleteFunc(until(all, now), func(o ledger.Open) bool { return o.Key.Tenant != tenant })
			return all[:min(limit, len(all))]
		})},
		{"a shard lists its neighbour's", "due/lists an operation in its own shard only", func(l *broken) {
			l.due = func(ctx context.Context, shard int, now time.Time, limit int) ([]ledger.Open, error) {
				all, err := l.Memory.Due(ctx, shard, now, limit)
				if len(all) == 0 {
					return l.Memory.Due(ctx, (shard+1)%ledger.Shards, now, limit)
				}
				return all, err
			}
		}},
	}
}

func amountMutants() []mutant {
	// unguarded lets a claim through on whatever the payment is now.
	unguarded := func(l *broken) {
		l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
			next, err := l.Memory.Claim(ctx, s, c)
			if errors.Is(err, ledger.ErrPaymentMoved) {
				return l.Memory.Claim(ctx, next, c)
			}
			return next, err
		}
	}
	releases := func(when func(op payment.Operation) bool) func(l *broken) {
		return func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if p := s.Payment; when(c.Operation) {
					p.Version, p.CaptureReserved = p.Version+1, p.CaptureReserved-c.Operation.Held
					c.Payment = &p
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}
	}
	return []mutant{
		{"a claim without the amount guard", "amount/of two captures that exceed the limit together holds one", unguarded},
		{"a claim without the amount guard, of refunds", "amount/of two refunds that exceed the limit together holds one", unguarded},
		{"a claim without the amount guard, at once", "amount/of captures and refunds at once never exceeds the limits", unguarded},
		{"a void that does not block captures", "amount/is blocked by a void until that has ended", unguarded},
		{"a park that releases", "amount/that is held stays held while its capture is parked, taken over and pending", releases(func(op payment.Operation) bool {
			return op.Method == payment.MethodCapture && op.State == payment.StateUnknown
		})},
		{"a pending outcome that releases", "amount/that is held stays held while its capture is parked, taken over and pending", releases(func(op payment.Operation) bool {
			return op.Method == payment.MethodCapture && op.State == payment.StatePending
		})},
		{"a failure that releases nothing", "amount/that is held is given back by a failure", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if c.Operation.State == payment.StateFailed {
					c.Payment = nil
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}},
		{"a payment is read without what guards it", "payment/is read with what guards a claim on it", func(l *broken) {
			l.payment = func(ctx context.Context, t payment.TenantID, id payment.ID) (ledger.Snapshot, []payment.Operation, error) {
				s, ops, err := l.Memory.Payment(ctx, t, id)
				s.Revision = ledger.Revision{}
				return s, ops, err
			}
		}},
		{"what goes beyond what was asked for is lost", "amount/that is held is posted as far as it was applied", func(l *broken) {
			l.read = func(ctx context.Context, k payment.OperationKey) (ledger.Snapshot, error) {
				s, err := l.Memory.Read(ctx, k)
				s.Payment.ExcessRefunded = 0
				return s, err
			}
		}},
	}
}

func listMutants() []mutant {
	type list = func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error)
	with := func(how func(l *broken) list) func(l *broken) {
		return func(l *broken) { l.list = how(l) }
	}
	// filtered lists by another filter than it was asked for.
	filtered := func(alter func(f *ledger.Filter)) func(l *broken) {
		return with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, _ string, limit int) ([]payment.Payment, string, error) {
				alter(&f)
				found, _, err := l.Memory.List(ctx, f, "", limit)
				return found, "", err
			}
		})
	}
	// paged lists from another token than it was given.
	paged := func(alter func(l *broken, f ledger.Filter, page string) string) func(l *broken) {
		return with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				return l.Memory.List(ctx, f, alter(l, f, page), limit)
			}
		})
	}
	return []mutant{
		{"a list comes oldest first", "list/is in order, newest first, and whole", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				found, next, err := l.Memory.List(ctx, f, page, limit)
				slices.Reverse(found)
				return found, next, err
			}
		})},
		{"a list begins nowhere", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) { f.From = time.Time{} })},
		{"a list excludes its beginning", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) {
			if !f.From.IsZero() {
				f.From = f.From.Add(1)
			}
		})},
		{"a list includes its end", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) {
			if !f.Until.IsZero() {
				f.Until = f.Until.Add(1)
			}
		})},
		{"a list knows milliseconds only", "list/of a time includes its beginning and excludes its end", filtered(func(f *ledger.Filter) {
			f.From = f.From.Truncate(time.Millisecond)
		})},
		{"a list knows no references", "list/of a merchant reference holds its payments alone", filtered(func(f *ledger.Filter) { f.MerchantReference = "" })},
		{"a list knows no statuses", "list/of statuses shows where payments stand now", filtered(func(f *ledger.Filter) { f.Statuses = nil })},
		{"a list knows one status", "list/of statuses shows where payments stand now", filtered(func(f *ledger.Filter) { f.Statuses = f.Statuses[:min(1, len(f.Statuses))] })},
		{"a list knows no tenants", "list/holds no payment of another tenant", filtered(func(f *ledger.Filter) { f.Tenant = tenant })},
		{"a list ends after its first page", "list/in pages of any size is the whole", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				found, _, err := l.Memory.List(ctx, f, page, limit)
				return found, "", err
			}
		})},
		{"a page begins with the end of the one before", "list/in pages of any size is the whole", paged(func(_ *broken, f ledger.Filter, page string) string {
			if place, err := ledger.DecodePage(f, page); err == nil && place != "" {
				return ledger.EncodePage(f, place+"0")
			}
			return page
		})},
		{"pages are counted", "list/in pages while payments are made misses none and repeats none", func(l *broken) {
			places := map[string]int{}
			l.list = func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				all, _, err := l.Memory.List(ctx, f, "", ledger.PageMax)
				from := min(places[page], len(all))
				some := all[from:min(from+limit, len(all))]
				if from+len(some) == len(all) {
					return some, "", err
				}
				next := ledger.EncodePage(f, string(some[len(some)-1].ID))
				places[next] = from + len(some)
				return some, next, err
			}
		}},
		{"a list is of the moment it was begun", "list/of statuses shows where payments stand now", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				found, next, err := l.Memory.List(ctx, ledger.Filter{Tenant: f.Tenant}, page, limit)
				for i := range found {
					for v, raw := range l.store.history {
						if v.payment.id == found[i].ID && v.revision < l.store.payments[v.payment].revision {
							found[i], _ = ledger.DecodePayment(raw)
						}
					}
				}
				return slices.DeleteFunc(found, func(p payment.Payment) bool { return !f.Fits(p) }), next, err
			}
		})},
		{"any token will do", "list/refuses a page token that is not its own", paged(func(_ *broken, f ledger.Filter, page string) string {
			if _, err := ledger.DecodePage(f, page); err != nil {
				return ""
			}
			return page
		})},
		{"a list has no limit", "list/keeps its limit", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, _ int) ([]payment.Payment, string, error) {
				return l.Memory.List(ctx, f, page, ledger.PageMax)
			}
		})},
		{"a list of none is empty for ever", "list/keeps its limit", with(func(l *broken) list {
			return func(ctx context.Context, f ledger.Filter, page string, limit int) ([]payment.Payment, string, error) {
				if limit < 1 {
					return nil, page, nil
				}
				return l.Memory.List(ctx, f, page, limit)
			}
		})},
		{"a list holds what a refused claim would have made", "list/holds what a claim has made, and nothing of a refused one", func(l *broken) {
			l.claim = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Claim(ctx, s, c)
				if err != nil && c.Payment != nil {
					raw, _ := ledger.EncodePayment(*c.Payment)
					l.store.payments[paymentKey{c.Payment.Tenant, c.Payment.ID}] = record{raw, 1}
				}
				return next, err
			}
		}},
	}
}

func liveMutants() []mutant {
	return []mutant{
		{"a waiter never waits", "await/wakes on an outcome", func(l *broken) {
			l.await = func(context.Context, payment.OperationKey) error { return nil }
		}},
		{"a waiter never wakes", "await/wakes on a park", func(l *broken) {
			l.await = func(ctx context.Context, _ payment.OperationKey) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}},
		{"a waiter sees no session end", "await/wakes when the owner's session ends", func(l *broken) {
			l.await = func(ctx context.Context, k payment.OperationKey) error {
				for {
					if s, err := l.Memory.Read(ctx, k); err != nil || s.Operation.Response != nil {
						return err
					}
					if err := sleep(ctx, nil, time.Now().Add(time.Second)); err != nil {
						return err
					}
				}
			}
		}},
		{"a waiter swallows the end of its context", "await/ends with its context", func(l *broken) {
			l.await = func(ctx context.Context, k payment.OperationKey) error {
				_ = l.Memory.Await(ctx, k)
				return nil
			}
		}},
		{"an ended session is held", "session/that ended is not held, and takes only its own markers along", func(l *broken) {
			l.hold = func(context.Context, time.Duration) error { return nil }
		}},
		{"an anchor is what was given", "anchor/is stored once and never changes", func(l *broken) {
			l.anchor = func(ctx context.Context, name string, value []byte) ([]byte, error) {
				stored, err := l.Memory.Anchor(ctx, name, value)
				if value != nil {
					return bytes.Clone(value), err
				}
				return stored, err
			}
		}},
		{"an ambiguous write is called not made", "fault/lost success, applied", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if errors.Is(err, ledger.ErrAmbiguous) {
					return next, ledger.ErrUnavailable
				}
				return next, err
			}
		}},
		{"an ambiguous write is called made", "fault/lost answer to success, not applied", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				next, err := l.Memory.Advance(ctx, s, c)
				if errors.Is(err, ledger.ErrAmbiguous) {
					return ledger.Snapshot{Operation: c.Operation, Payment: *c.Payment}, nil
				}
				return next, err
			}
		}},
		{"a repeated outcome is fenced by itself", "fault/lost success, applied", func(l *broken) {
			l.advance = func(ctx context.Context, s ledger.Snapshot, c ledger.Change) (ledger.Snapshot, error) {
				if now, err := l.Memory.Read(ctx, c.Operation.Key); err == nil && now.Revision.Operation != s.Revision.Operation {
					return now, ledger.ErrFenced
				}
				return l.Memory.Advance(ctx, s, c)
			}
		}},
	}
}

func mutants() []mutant {
	return slices.Concat(guardMutants(), claimMutants(), takeoverMutants(), outcomeMutants(), readMutants(), indexMutants(),
		amountMutants(), listMutants(), liveMutants(), eventMutants(), recordMutants(), attentionMutants(), orphanMutants(), fenceMutants(), lostNewsMutants(), jointMutants(), uniqueMutants())
}

// mutantVariable names the mutant that a child process of this test is to run.
const mutantVariable = "ACQUIT_LEDGER_MUTANT"

// The suite itself is tested: each ledger with one guarantee broken fails the
// property that is there for it. A property fails its test, so each mutant runs
// in a process of its own.
func TestMutants(t *testing.T) {
	if name := os.Getenv(mutantVariable); name != "" {
		i := slices.IndexFunc(mutants(), func(m mutant) bool { return m.name == name })
		runAll(t, synctest.Test, func(t *testing.T) Harness {
			t.Helper()
			return openMutant(t, mutants()[i])
		})
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			group, name, _ := strings.Cut(m.caught, "/")
			path := "^TestMutants$/" + exactly(group) + "/" + exactly(name)
			cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.count=1", "-test.run="+path)
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the suite does not notice; it ran:\n%s", out)
			}
			if !bytes.Contains(out, []byte("--- FAIL: TestMutants/"+group+"/"+strings.ReplaceAll(name, " ", "_"))) {
				t.Fatalf("the process failed, but not by the property %q:\n%s", m.caught, out)
			}
		})
	}
}

// exactly is the pattern that selects one test.
func exactly(name string) string {
	return "^" + regexp.QuoteMeta(strings.ReplaceAll(name, " ", "_")) + "$"
}

// openMutant is a harness on a mutant. Misuse is not reported: the suite is to
// notice by itself, as it must on a store that does not watch its callers.
func openMutant(t *testing.T, m mutant) Harness {
	t.Helper()
	store := NewStore(t, Config{Violated: func(string) {}})
	h := harness(store)
	for i := range h.Ledgers {
		b := newBroken(store.Ledger(bootName(i)))
		m.mutate(b)
		h.Ledgers[i] = b
	}
	return h
}
