//go:build linux

package faults

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// audit compares, at the end of every test with a cluster, what its ledger holds
// with what the provider did, whatever the test asked about; once, and before the
// end where a test asks for it or the etcd is gone by then. It returns what it saw.
func (c *cluster) audit(t *testing.T) records {
	t.Helper()
	if c.audited.Swap(true) {
		return records{}
	}
	before := c.deeds(t)
	records := c.etcd.look(t)
	for _, p := range slices.Concat(before.without(records), records.without(c.deeds(t))) {
		t.Error("ledger and provider: " + p)
	}
	return records
}

// deeds is what the provider did.
func (c *cluster) deeds(t *testing.T) deeds {
	t.Helper()
	entries, err := c.sandbox.log("", append(simulator.EffectKinds(), simulator.KindCancel)...)
	if err != nil {
		t.Error(err)
	}
	return collect(entries)
}

// deed is an effect by the reference that it was asked for under.
type deed struct {
	kind      simulator.Kind
	reference string
}

// deeds are the entries of a provider's log that tell of money.
type deeds struct {
	effects   map[deed][]simulator.Entry
	cancelled map[string]bool // authorizations by their id
	moved     map[deed]int64  // amounts by kind and the id of the authorization
}

func collect(entries []simulator.Entry) deeds {
	d := deeds{map[deed][]simulator.Entry{}, map[string]bool{}, map[deed]int64{}}
	for _, e := range entries {
		switch {
		case e.Kind == simulator.KindCancel:
			d.cancelled[e.Parent] = true
			continue
		case e.Kind == simulator.KindEffect && e.Captured:
			d.moved[deed{simulator.KindCapture, e.Object}] += e.Amount
		case e.Kind != simulator.KindEffect:
			d.moved[deed{e.Kind, e.Parent}] += e.Amount
		}
		of := deed{e.Kind, e.Reference}
		d.effects[of] = append(d.effects[of], e)
	}
	return d
}

// without says which effects no operation had intended.
func (d deeds) without(r records) []string {
	intended := map[deed]bool{}
	for _, op := range r.operations {
		intended[deed{kindOf(op.Method), string(op.Reference)}] = true
	}
	var found []string
	for of, effects := range d.effects {
		if !intended[of] {
			found = append(found, fmt.Sprintf("no operation is behind %+v", effects))
		}
	}
	return found
}

// without says which records the provider's deeds contradict.
func (r records) without(d deeds) []string {
	var found []string
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	open := map[payment.ID]bool{}
	for name, op := range r.operations {
		effects := d.effects[deed{kindOf(op.Method), string(op.Reference)}]
		alive := slices.ContainsFunc(effects, func(e simulator.Entry) bool { return e.Kind != simulator.KindEffect || !d.cancelled[e.Object] })
		switch {
		case len(effects) > 1:
			wrong("%s has %d effects", name, len(effects))
		case op.State == payment.StateSucceeded && !alive:
			wrong("%s is %s, its effects are %+v", name, op.State, effects)
		case op.State.Final() && op.State != payment.StateSucceeded && alive:
			wrong("%s is %s, its effects are %+v", name, op.State, effects)
		}
		open[op.PaymentID] = open[op.PaymentID] || !op.State.Final()
	}
	for name, p := range r.payments {
		object := string(p.ProviderReference)
		captured, refunded := d.moved[deed{simulator.KindCapture, object}], d.moved[deed{simulator.KindRefund, object}]
		if !open[p.ID] && object != "" && (p.Captured != captured || p.Refunded != refunded) {
			wrong("payment %s has captured %d and refunded %d, the provider %d and %d", name, p.Captured, p.Refunded, captured, refunded)
		}
	}
	return found
}

// TestAuditSees: the audit that ends every test here is worth something. Records
// and a log that agree are bent in one way after the other, and each is told.
func TestAuditSees(t *testing.T) {
	t.Parallel()
	if p := slices.Concat(sound().problems(), sound().without(soundDeeds()), soundDeeds().without(sound())); len(p) != 0 {
		t.Fatalf("of sound records it says %q", p)
	}
	const done, underway = "default/authorize/done", "default/capture/underway"
	bend := func(name string, how func(*payment.Operation)) func(*records) {
		return func(r *records) {
			op := r.operations[name]
			how(&op)
			r.operations[name] = op
		}
	}
	due := func(r *records) string {
		for name := range r.open {
			return name
		}
		return ""
	}
	for name, how := range map[string]func(*records){
		"a final record with its request":  bend(done, func(op *payment.Operation) { op.Sealed = []byte("request") }),
		"a final record without an answer": bend(done, func(op *payment.Operation) { op.Response = nil }),
		"a final record with an owner":     bend(done, func(op *payment.Operation) { op.Owner = "boot" }),
		"a final record in flight":         func(r *records) { r.markers[done] = ledger.Marker{Present: true, Boot: "boot", Epoch: 1} },
		"an open record as if it were final": bend(underway, func(op *payment.Operation) {
			op.State, op.Response, op.Sealed, op.NextCheck = payment.StateSucceeded, []byte("answer"), nil, time.Time{}
		}),
		"an open record without its request": bend(underway, func(op *payment.Operation) { op.Sealed = nil }),
		"an open record without a reason":    bend(underway, func(op *payment.Operation) { op.ParkReason = "" }),
		"an open record without a next look": bend(underway, func(op *payment.Operation) { op.NextCheck = time.Time{} }),
		"an open record that is not indexed": func(r *records) { delete(r.open, due(r)) },
		"an index entry of nobody":           func(r *records) { r.open["00/nobody"] = ledger.Open{} },
		"an index entry of another time": func(r *records) {
			entry := r.open[due(r)]
			entry.Due = entry.Due.Add(time.Second)
			r.open[due(r)] = entry
		},
		"a marker of somebody else": func(r *records) { r.markers[underway] = ledger.Marker{Present: true, Boot: "other", Epoch: 1} },
		"a marker of nothing": func(r *records) {
			r.markers["default/void/none"] = ledger.Marker{Present: true, Boot: "boot", Epoch: 1}
		},
		"a reservation too many": func(r *records) { r.reserve(1) },
		"a reservation too large": func(r *records) {
			r.reserve(1000)
			bend(underway, func(op *payment.Operation) { op.Held += 1000 })(r)
		},
		"a success without an effect": bend(done, func(op *payment.Operation) { op.Reference = "another" }),
		"a failure with an effect":    bend(done, func(op *payment.Operation) { op.State = payment.StateFailed }),
	} {
		r := sound()
		how(&r)
		if len(slices.Concat(r.problems(), r.without(soundDeeds()), soundDeeds().without(r))) == 0 {
			t.Errorf("%s is not told", name)
		}
	}
	for name, e := range map[string]simulator.Entry{
		"a second effect":    {Kind: simulator.KindEffect, Reference: "done", Object: "auth_2", Amount: 1000},
		"an unknown effect":  {Kind: simulator.KindRefund, Reference: "unheard", Parent: "auth_1", Amount: 1},
		"a cancelled effect": {Kind: simulator.KindCancel, Reference: "done", Parent: "auth_1", Amount: 1000},
	} {
		d := collect(append(soundLog(), e))
		if len(slices.Concat(sound().without(d), d.without(sound()))) == 0 {
			t.Errorf("%s is not told", name)
		}
	}
}

// reserve changes what the payment says to be reserved for captures.
func (r records) reserve(more int64) {
	for name, p := range r.payments {
		p.CaptureReserved += more
		r.payments[name] = p
	}
}

// sound are records that agree with soundDeeds: a payment of 1000 whose capture of
// 400 is not decided yet.
func sound() records {
	key := func(m payment.Method) payment.OperationKey {
		return payment.Call{Tenant: "default", Method: m, Key: "key"}.OperationKey()
	}
	done := payment.Operation{
		Key: key(payment.MethodAuthorize), Method: payment.MethodAuthorize, State: payment.StateSucceeded, Reference: "done", PaymentID: "p",
		Epoch: 1, Response: []byte("answer"),
	}
	underway := payment.Operation{
		Key: key(payment.MethodCapture), Method: payment.MethodCapture, State: payment.StateUnknown, Reference: "underway", PaymentID: "p",
		Epoch: 1, Sealed: []byte("request"), Held: 400, NextCheck: time.Unix(1, 0), ParkReason: "the outcome is unknown",
	}
	return records{
		operations: map[string]payment.Operation{"default/authorize/done": done, "default/capture/underway": underway},
		markers:    map[string]ledger.Marker{},
		open: map[string]ledger.Open{
			fmt.Sprintf("%02d/%s", ledger.Shard(underway.Key), underway.Key.Hash()): {Key: underway.Key, Due: underway.NextCheck},
		},
		payments: map[string]payment.Payment{"default/p": {ID: "p", Authorized: 1000, CaptureReserved: 400, ProviderReference: "auth_1"}},
	}
}

func soundLog() []simulator.Entry {
	return []simulator.Entry{{Kind: simulator.KindEffect, Reference: "done", Object: "auth_1", Amount: 1000}}
}

func soundDeeds() deeds { return collect(soundLog()) }
