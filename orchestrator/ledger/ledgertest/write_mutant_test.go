package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

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
