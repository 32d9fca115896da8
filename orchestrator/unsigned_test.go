package orchestrator_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Goal: what could not be signed, as without an access token, was not sent: it is tried
// again, and when that is given up the account is left, or the operation has failed.
// Nobody is told that something may have happened. Method: an account that signs never,
// alone and beside another, and one that signs the third time; what is on record is that
// of a provider that cannot be reached.
func TestUnsignedIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		unsigned int
		accounts []payment.AccountName
		state    payment.State
		effects  int
		first    payment.Evidence
		sends    int // on record, of the first account
	}{
		"a while":            {2, []payment.AccountName{"a"}, payment.StateSucceeded, 1, payment.EvidenceEffect, 1},
		"never":              {1000, []payment.AccountName{"a"}, payment.StateFailed, 0, payment.EvidenceNoEffectNotSticky, 0},
		"never, but another": {1000, []payment.AccountName{"a", "b"}, payment.StateSucceeded, 1, payment.EvidenceNoEffectNotSticky, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, c.accounts, func(w *world) {
				p, call := w.provider(0), newCall("key")
				p.unsigned = c.unsigned
				var log logBuffer
				o := w.boot("one", log.to)
				_, _ = o.Authorize(w.Context(), call, instruction(c.accounts...)) // it may last longer than is waited for
				time.Sleep(5 * time.Minute)
				op := w.state(call, c.state, c.effects)
				first := op.Attempts[0]
				if first.Evidence != c.first || first.Sends != c.sends || first.Uncertain || len(op.Attempts) != len(c.accounts) {
					t.Errorf("%d attempts, the first: %+v", len(op.Attempts), first)
				}
				if n := len(p.sends()); n != c.sends {
					t.Errorf("%d requests were sent, want %d", n, c.sends)
				}
				if told := log.count("an answer needs attention") > 0; told != (c.sends == 0) {
					t.Errorf("somebody was told: %t", told)
				}
			})
		})
	}
}

// Goal: that the last copy was not signed says nothing about one before it. Method: a
// request whose effect was hidden by a 500 and that cannot be signed again, by its owner
// and by another that takes it over.
func TestUnsignedCopyClosesNothing(t *testing.T) {
	for name, owner := range map[string]bool{"its owner": true, "another owner": false} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				p, call := w.provider(0), newCall("key")
				p.script = []line{lost}
				if owner {
					p.script = []line{after(2*time.Second, fail500After)}
				}
				one := w.boot("one")
				w.leaves(one, call, "a", "b")
				p.mu.Lock()
				p.unsigned = 1000
				p.mu.Unlock()
				if !owner {
					w.store.Crash("one")
					w.store.EndSession("one")
					_, _ = w.boot("two").Resume(w.Context(), w.operation(call)) // what it does is on record
				}
				time.Sleep(5 * time.Minute)
				op := w.state(call, payment.StateUnknown, 1)
				if len(op.Attempts) != 1 || len(p.sends()) != 1 {
					t.Errorf("%d attempts, %d requests", len(op.Attempts), len(p.sends()))
				}
			})
		})
	}
}
