package simulation

import (
	"context"
	"fmt"
	"slices"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// matchEnd is one going through the orphans that has ended.
type matchEnd struct {
	label label
	boot  *boot
	err   error
}

// matchable reports whether a process may go through the orphans now: there are
// some, and it does not already.
func (w *world) matchable(b *boot) bool {
	return !w.matching[b] && w.judge.orphans(w.judge.noticed) > 0
}

// match has a process hold the orphans against the operations that there are. That
// one process alone does is its own business: here any may, or two at once.
func (w *world) match(b *boot) {
	w.matches++
	w.matching[b] = true
	l := label{intent: "orphans", call: w.matches}
	w.history.logf("%s are gone through by %s", l, b.id)
	go func() {
		end := matchEnd{label: l, boot: b}
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.matched = append(w.matched, end)
		}()
		_, end.err = b.flow.MatchOrphans(thread{label: l, boot: b}.in(context.Background()), "")
	}()
}

func (w *world) endMatches(list []matchEnd) {
	slices.SortFunc(list, func(a, b matchEnd) int { return a.label.compare(b.label) })
	for _, e := range list {
		delete(w.matching, e.boot)
		w.history.logf("%s were gone through: %t", e.label, e.err == nil)
	}
}

// orphans counts those among what is put before people.
func (j *judge) orphans(list []payment.Attention) (n int) {
	for _, a := range list {
		if a.Kind == payment.AttentionOrphan {
			n++
		}
	}
	return n
}

// claimed are the orphans whose operation is known by its name, and what it is, for
// people.
func (j *judge) claimed() []string {
	var list []string
	for _, a := range j.noticed {
		if a.Kind != payment.AttentionOrphan {
			continue
		}
		for _, k := range j.keys() {
			if j.names(j.ops[k], a) {
				list = append(list, fmt.Sprintf("event %s, which is of %s", a.Event.ID, j.name(k)))
			}
		}
	}
	return list
}

// names reports whether an orphan is about an operation: its own object, or one on
// its authorization that no operation can turn out to have made.
func (j *judge) names(op payment.Operation, a payment.Attention) bool {
	return slices.ContainsFunc(op.Attempts, func(t payment.Attempt) bool {
		own := op.Method == a.Event.Method && (t.Reference == a.Event.Reference || t.ProviderReference != "" && t.ProviderReference == a.Object)
		parent := op.Method == payment.MethodAuthorize && t.ProviderReference != "" && t.ProviderReference == a.Event.Parent
		return t.Account == a.Account && (own || parent && !j.unnamed(op.PaymentID, a.Event.Method))
	})
}

// unnamed reports whether an operation of a method is open on a payment, and its object
// has no name yet: until it has, an event about such an object may be about its.
func (j *judge) unnamed(id payment.ID, m payment.Method) bool {
	for _, op := range j.ops {
		if op.PaymentID == id && op.Method == m && !op.State.Final() && op.Current().ProviderReference == "" {
			return true
		}
	}
	return false
}
