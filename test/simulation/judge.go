package simulation

import (
	"context"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// judge holds what the ledger says against what the providers did, and each
// version of a record against the one before. It adds up by itself.
type judge struct {
	w     *world
	stale bool                   // anything may have been written since the ledger was read
	dirty []payment.OperationKey // so may these

	ops      map[payment.OperationKey]payment.Operation
	payments map[payment.ID]payment.Payment
	open     map[payment.OperationKey]ledger.Open
	markers  map[payment.OperationKey]ledger.Marker
	noticed  []payment.Attention

	effects   map[*provider]int              // how many have been judged
	undone    map[*effect]bool               // released, and judged for that
	revisions map[payment.OperationKey]int64 // of the operations as read
	writer    label                          // who was let through to the store last
	basis     basis                          // the revisions that he built on
	answers   map[payment.OperationKey]given
	nothing   map[label]bool // calls that were told that nothing was sent
}

// given is the answer that an operation's callers were given.
type given struct {
	to    *intent
	bytes []byte // nil while only interim
}

func newJudge(w *world) *judge {
	return &judge{
		w: w, ops: map[payment.OperationKey]payment.Operation{}, payments: map[payment.ID]payment.Payment{},
		open: map[payment.OperationKey]ledger.Open{}, effects: map[*provider]int{}, undone: map[*effect]bool{},
		revisions: map[payment.OperationKey]int64{}, answers: map[payment.OperationKey]given{}, nothing: map[label]bool{},
	}
}

// step judges what the last step did.
func (j *judge) step() {
	j.refresh()
	for _, p := range j.w.providers {
		for _, e := range p.effects[j.effects[p]:] {
			j.effect(p, e)
		}
		j.effects[p] = len(p.effects)
		for _, e := range p.effects {
			if e.released && !j.undone[e] {
				j.undone[e] = true
				j.release(p, e)
			}
		}
	}
	j.w.mu.Lock()
	misuse := j.w.misuse
	j.w.misuse = nil
	j.w.mu.Unlock()
	slices.Sort(misuse)
	for _, what := range misuse {
		j.w.history.violate("ledger contract", "%s", what)
	}
}

// touched notes that a call of the store is let through, which may write.
func (j *judge) touched(g *gate) {
	switch {
	case !g.call.Kind.Writes():
	case g.call.Key.ID == "":
		j.stale = true
	default:
		j.w.mu.Lock()
		j.dirty, j.writer, j.basis = append(j.dirty, g.call.Key), g.label, j.w.basis[g.label]
		j.w.mu.Unlock()
	}
}

// refresh reads what may have been written, and judges what has been.
func (j *judge) refresh() {
	before := maps.Clone(j.ops)
	dirty := j.dirty
	j.dirty = nil
	switch {
	case j.stale:
		j.stale = false
		j.readAll()
		dirty = j.keys()
		for _, k := range dirty {
			j.amounts(j.payments[j.ops[k].PaymentID]) // news may have moved a payment alone
		}
	default:
		for _, k := range dirty {
			dirty = append(dirty, j.readOne(k)...)
		}
	}
	for _, k := range dirty {
		now, exists := j.ops[k]
		if old, known := before[k]; exists && (!known || !reflect.DeepEqual(old, now)) {
			j.version(old, now)
			j.filed(now)
			j.amounts(j.payments[now.PaymentID])
			j.w.history.saw("state " + string(now.State))
			before[k] = now
		}
	}
}

// readAll reads the whole ledger.
func (j *judge) readAll() {
	dump, err := j.w.store.Dump()
	if err != nil {
		j.w.history.violate("A1", "the ledger cannot be read: %v", err)
		return
	}
	for k := range j.ops {
		if _, kept := dump.Operations[k]; !kept {
			j.w.history.violate("I3", "%s is gone", j.name(k))
		}
	}
	if j.orphans(dump.Attention) < j.orphans(j.noticed) {
		j.w.history.saw("orphan matched")
	}
	j.ops, j.open, j.markers, j.noticed = dump.Operations, dump.Open, dump.Markers, dump.Attention
	clear(j.payments)
	for _, p := range dump.Payments {
		j.payments[p.ID] = p
	}
	for _, a := range j.noticed {
		j.w.history.saw("attention: " + string(a.Kind))
	}
}

// readOne reads one operation with its payment and its entry in the index, and the
// parent that it is one with, which it returns: that is all that a write about it
// changes.
func (j *judge) readOne(k payment.OperationKey) []payment.OperationKey {
	ctx, reader := context.Background(), j.w.store.Ledger("judge")
	s, err := reader.Read(ctx, k)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		j.w.history.violate("A1", "the ledger cannot be read: %v", err)
		return nil
	}
	j.written(k, s.Revision.Operation, j.basis.operation)
	j.ops[k], j.payments[s.Payment.ID] = s.Operation, s.Payment
	j.readOpen(k)
	if s.Parent.State == "" {
		return nil
	}
	j.written(s.Parent.Key, s.Revision.Parent, j.basis.parent)
	j.ops[s.Parent.Key] = s.Parent
	j.readOpen(s.Parent.Key)
	return []payment.OperationKey{s.Parent.Key}
}

// readOpen reads an operation's entry in the index.
func (j *judge) readOpen(k payment.OperationKey) {
	due, err := j.w.store.Ledger("judge").Due(context.Background(), ledger.Shard(k), time.Now().AddDate(100, 0, 0), math.MaxInt)
	if err != nil {
		j.w.history.violate("A1", "the ledger cannot be read: %v", err)
		return
	}
	delete(j.open, k)
	for _, o := range due {
		if o.Key == k {
			j.open[k] = o
		}
	}
}

// keys lists the operations in the order of their logical names.
func (j *judge) keys() []payment.OperationKey {
	var list []payment.OperationKey
	seen := map[payment.OperationKey]bool{}
	for _, i := range j.w.intents {
		k := i.operation
		if _, exists := j.ops[k]; exists && !seen[k] {
			list = append(list, k)
			seen[k] = true
		}
	}
	if len(list) < len(j.ops) {
		j.w.history.violate("I4", "the ledger has an operation that nobody asked for")
	}
	return list
}

// name is the logical name of an operation.
func (j *judge) name(k payment.OperationKey) string {
	for _, i := range j.w.intents {
		if i.operation == k {
			return i.name
		}
	}
	return "an operation that nobody asked for"
}

// operation finds the operation that a reference stands for.
func (j *judge) operation(r payment.ReferenceID) (payment.Operation, bool) {
	for _, op := range j.ops { // at most one: a reference is derived from what names the operation
		if op.Reference == r {
			return op, true
		}
	}
	return payment.Operation{}, false
}

func (j *judge) provider(name payment.AccountName) *provider {
	i := slices.IndexFunc(j.w.providers, func(p *provider) bool { return p.name == name })
	return j.w.providers[i]
}

// The judge knows the states from the protocol, not from the code.

func final(s payment.State) bool {
	return s == payment.StateSucceeded || s == payment.StateDeclined || s == payment.StateFailed
}

func negative(s payment.State) bool { return s == payment.StateDeclined || s == payment.StateFailed }

func answers(s payment.State) bool {
	return final(s) || s == payment.StatePending || s == payment.StateRequiresAction
}
