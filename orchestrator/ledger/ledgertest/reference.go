package ledgertest

import (
	"strings"

	"github.com/acquitpay/acquit/orchestrator/ledger"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// referenceProperties: an operation is found by what it is called at an account.
func referenceProperties() []property {
	return []property{
		{"is found by ours and by the provider's, on its account only", "", referenceFound},
		{"may be of any form", "", referenceForms},
		{"of the provider may be our own", "", referenceEchoed},
	}
}

func referenceFound(w *world) {
	s := w.authorized(0)
	a := s.Operation.Current()
	for i, l := range w.Ledgers {
		for _, name := range []string{string(a.Reference), string(a.ProviderReference)} {
			k, err := l.ByReference(w.ctx(), a.Account, name)
			w.ok("by reference", err)
			same(w, "the operation", k, s.Operation.Key)
			same(w, "what is read by it", w.read(i, k), s)
			_, err = l.ByReference(w.ctx(), "account-2", name)
			w.fails("a reference on another account", err, ledger.ErrNotFound)
			_, err = l.ByReference(w.ctx(), a.Account, name+"x")
			w.fails("a longer reference", err, ledger.ErrNotFound)
		}
		_, err := l.ByReference(w.ctx(), a.Account, "")
		w.fails("no reference", err, ledger.ErrNotFound)
	}
}

func referenceForms(w *world) {
	for _, form := range []string{"a/b", "/", "..", "a b", "é€", "%2f\n", "\x00", strings.Repeat("long", 300)} {
		s := w.claimed(0)
		c := w.outcome(s, payment.StateSucceeded)
		c.Operation.Attempts[0].ProviderReference = payment.ProviderReference(form)
		c.Payment.ProviderReference = payment.ProviderReference(form)
		w.holds(w.advance(0, s, c))
	}
}

// referenceEchoed: one name for two entries must not break the one write that
// makes both.
func referenceEchoed(w *world) {
	s := w.claimed(0)
	c := w.outcome(s, payment.StateSucceeded)
	echo := payment.ProviderReference(c.Operation.Attempts[0].Reference)
	c.Operation.Attempts[0].ProviderReference, c.Payment.ProviderReference = echo, echo
	w.holds(w.advance(0, s, c))
}
