package ledgertest

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// fences checks that a cancel is decided by an owner, one at a time, on the open
// attempt, and that an operation fences if and only if it has one to send. What
// leaves FENCING without an outcome leaves for another account.
func (f *faults) fences(name string, old, op payment.Operation) {
	if old.State == payment.StateFencing && op.State == payment.StateIntent {
		f.unless(len(op.Attempts) == len(old.Attempts)+1, "%s goes on without another attempt", name)
	}
	if len(op.Attempts) != len(old.Attempts) || len(op.Attempts) == 0 {
		return // its new attempt is made with its steps
	}
	before, now := old.Current().Steps, op.Current().Steps
	added := len(now) - len(before)
	f.unless(op.State != payment.StateFencing || old.State == payment.StateFencing || added == 1, "%s fences without a cancel", name)
	if added <= 0 {
		return
	}
	f.unless(added == 1 && now[len(now)-1].Name.Fence() && op.State == payment.StateFencing, "%s adds a step that is no cancel", name)
	f.unless(old.Owner != "" && op.Owner == old.Owner, "%s fences without an owner", name)
	f.unless(op.Method == payment.MethodAuthorize && !old.Halted, "%s fences what must not be fenced", name)
	for _, s := range before {
		f.unless(s.Name != now[len(now)-1].Name && s.Key != now[len(now)-1].Key, "%s fences with a step that exists", name)
	}
}

// halts checks that what is halted has no owner and stays halted until it is final.
func (f *faults) halts(name string, old, op payment.Operation) {
	f.unless(op.Halted || !old.Halted, "%s goes on although it was halted", name)
	f.unless(!op.Halted || op.State != payment.StateDeclined && op.State != payment.StateFailed, "%s ends without an effect although one was seen", name)
	if !op.Halted || op.State.Final() {
		return
	}
	f.unless(op.Owner == "", "%s halts with an owner", name)
	f.unless(op.State == old.State || (old.State == payment.StateIntent && op.State == payment.StateUnknown) || !op.State.Final() && old.Halted,
		"%s halts from %s to %s", name, old.State, op.State)
	f.unless(len(op.Attempts) == len(old.Attempts), "%s is halted and goes to another account", name)
}

// stays checks what does not move an operation on: a note changes what is known
// of the open attempt and nothing else, and a park also who owns it, until when
// the attempt is sent, and the next look.
func (f *faults) stays(name string, kind Kind, old, op payment.Operation) {
	if len(op.Attempts) != len(old.Attempts) || len(op.Attempts) == 0 {
		return // told elsewhere
	}
	want, now := old.Current(), op.Current()
	want.Sends, want.Uncertain, want.Evidence, want.MappingRow, want.HTTPStatus = now.Sends, now.Uncertain, now.Evidence, now.MappingRow, now.HTTPStatus
	want.Code, want.RequestID, want.ProviderReference, want.NextAction = now.Code, now.RequestID, now.ProviderReference, now.NextAction
	want.Stopped, want.Released, want.Trace = now.Stopped, now.Released, now.Trace
	if samePlan(want.Steps, now.Steps, kind == KindNote) { // the provider named a cancel, or told that it found nothing
		want.Steps = now.Steps
	}
	rest := old
	if kind == KindPark {
		f.unless(op.Owner == "" && !now.Deadline.After(want.Deadline), "%s parks and goes on", name)
		rest.State, rest.Owner, rest.OwnerUntil = op.State, op.Owner, op.OwnerUntil
		rest.NextCheck, rest.ParkReason, rest.Halted = op.NextCheck, op.ParkReason, op.Halted
		want.Deadline = now.Deadline
	}
	rest.Attempts = append(slices.Clone(old.Attempts[:len(old.Attempts)-1]), want)
	f.unless(alike(rest, op), "%s changes more than a %s does", name, kind)
}

// alike reports whether a record says the same as another. Most are the same to the
// byte, and to see that costs a fraction of what cmp takes to tell nil from empty.
func alike[T any](a, b T) bool {
	return reflect.DeepEqual(a, b) || cmp.Equal(a, b, cmpopts.EquateEmpty())
}

// samePlan reports whether steps are the same requests, whatever has become known of
// them: what a cancel is called, once, and if that is told that it found nothing.
func samePlan(before, now []payment.Step, told bool) bool {
	return slices.EqualFunc(before, now, func(b, n payment.Step) bool {
		b.Refused = b.Refused || told && n.Refused && n.Name.Fence()
		if b.Reference == "" && n.Name.Fence() {
			b.Reference = n.Reference
		}
		return b == n
	})
}

// recordFaults is what is wrong with news that moves no operation.
func (s *Store) recordFaults(snap ledger.Snapshot, p *payment.Payment) []string {
	if p == nil {
		return nil
	}
	var f faults
	old := snap.Payment
	name := fmt.Sprintf("record of payment %s", p.ID)
	f.unless(s.returnedPayment(snap, *p), "%s from a payment that no ledger returned", name)
	f.unless(p.Version == old.Version+1, "%s goes from version %d to %d", name, old.Version, p.Version)
	rest := old
	rest.Version, rest.Status, rest.Updated, rest.ExpireTime, rest.Outside = p.Version, p.Status, p.Updated, p.ExpireTime, p.Outside
	held := old.Authorized - old.Captured - old.CaptureReserved + old.AutoReserved // what is being voided too
	freed, taken := p.Released-old.Released, p.Captured-old.Captured
	if taken != 0 || old.AutoReserved > 0 && freed == 0 { // the provider's own capture has come, or could not
		back := max(0, -freed) // of what was released with a hold that had ended
		f.unless(p.AutoReserved == 0 && taken >= back && taken-back <= held, "%s captures %d of %d that the provider was to", name, taken, held)
		f.unless(taken == 0 || old.CaptureMode == payment.CaptureAutomatic && old.AutoCapture == "" && p.AutoCapture != "", "%s captures what was not the provider's to capture", name)
		rest.CaptureReserved -= old.AutoReserved
		rest.AutoReserved, rest.AutoCapture, rest.Captured, rest.ExcessCaptured = 0, p.AutoCapture, p.Captured, p.ExcessCaptured
		rest.Released, rest.Authorized = old.Released-back, old.Authorized+back
	}
	if freed > 0 { // the hold has ended at the provider
		f.unless(freed == held && len(p.Outside) > len(old.Outside), "%s releases %d of %d", name, freed, held)
		rest.Released, rest.Authorized = old.Released+freed, old.Authorized-freed
		rest.CaptureReserved, rest.AutoReserved = old.CaptureReserved-old.AutoReserved, 0
		rest.Unique = rest.Unique && p.Status.Live()
	}
	f.unless(alike(rest, *p), "%s changes more than what others did", name)
	for _, r := range old.Outside {
		f.unless(slices.ContainsFunc(p.Outside, func(o payment.Outside) bool { return nameOf(o) == nameOf(r) }), "%s drops what happened to %q", name, r.Object)
	}
	f.outsideOnce(name, *p)
	return f
}

// outsideName is what one row of a payment's outside effects is known by.
type outsideName struct {
	object payment.ProviderReference
	kind   payment.OutsideKind
}

func nameOf(o payment.Outside) outsideName { return outsideName{o.Object, o.Kind} }

// outsideOnce checks that each effect of others has one row.
func (f *faults) outsideOnce(name string, p payment.Payment) {
	seen := map[outsideName]bool{}
	for _, o := range p.Outside {
		f.unless(!seen[nameOf(o)], "%s has the %s of %q twice", name, o.Kind, o.Object)
		seen[nameOf(o)] = true
	}
}

// outsideOf checks that an operation leaves what others did as it was, but for
// what turns out to have been its own success.
func (f *faults) outsideOf(name string, op payment.Operation, before, after payment.Payment) {
	mine := func(o payment.Outside) bool {
		auto := op.Method == payment.MethodAuthorize && o.Kind == payment.OutsideCapture && o.Object == after.AutoCapture // the provider's own
		return op.State == payment.StateSucceeded && (auto || o.Object == op.Current().ProviderReference &&
			(o.Kind == payment.OutsideCapture || o.Kind == payment.OutsideRefund))
	}
	for _, o := range before.Outside {
		f.unless(mine(o) || slices.Contains(after.Outside, o), "%s changes what others did to %q", name, o.Object)
	}
	for _, o := range after.Outside {
		f.unless(slices.Contains(before.Outside, o), "%s invents what others did to %q", name, o.Object)
	}
}
