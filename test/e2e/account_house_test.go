package e2e

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/test/simulators/account"
)

// serves has a provider answer at a remote, and where else it listens, until the test
// ends.
func (h *house) serves(r remote, provider http.Handler, also ...net.Listener) {
	h.Helper()
	s := &http.Server{Handler: provider, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	for _, l := range append(also, r.pipes) {
		serving.Go(func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				h.Errorf("account %s: %v", r.account, err)
			}
		})
	}
	h.Cleanup(func() {
		_ = s.Close()
		serving.Wait()
	})
}

func (r remote) is(name payment.AccountName) bool { return r.account == name }

// at is the account of a name among those at a provider; nil if it is elsewhere.
func at[A interface {
	is(name payment.AccountName) bool
}](accounts []A, name payment.AccountName) (found A) {
	if i := slices.IndexFunc(accounts, func(a A) bool { return a.is(name) }); i >= 0 {
		found = accounts[i]
	}
	return found
}

// logged is an account whose provider logs what arrives and what it does to money.
type logged interface {
	Requests() []account.Request
	Effects(kinds ...account.Kind) []account.Effect
	Sums() []account.Effect
	TakeKey(key string)
}

// effect is one by its kind and amount.
func effect(kind account.Kind, units int64) account.Effect { return account.Of(kind, units) }

// moved checks the effect log of an account, by kinds and amounts.
func (h *house) moved(a logged, want ...account.Effect) {
	h.Helper()
	if got := a.Sums(); !slices.Equal(got, want) {
		h.Errorf("moved %+v, want %+v", got, want)
	}
}

// movements are those effects that are of a method's kind and that an attempt made.
func movements(effects []account.Effect, m payment.Method, mine func(account.Effect) bool) []movement {
	kinds := map[payment.Method][]account.Kind{
		payment.MethodAuthorize: {"hold", "charge", "payment"}, payment.MethodCapture: {"capture"},
		payment.MethodRefund: {"refund"}, payment.MethodVoid: {"release"}, payment.MethodComplete: nil,
	}[m]
	var found []movement
	for _, e := range effects {
		if slices.Contains(kinds, e.Kind) && mine(e) {
			found = append(found, movement{e.Amount, strings.ToUpper(e.Currency)})
		}
	}
	return found
}

// keyed checks that nothing that arrived at a remote came without a key, under a key
// that no recorded step has, or with other bytes than the first time. spelled is how the
// provider is sent a key.
func (h *house) keyed(r remote, requests []account.Request, spelled func(payment.ProviderKey) string) {
	h.Helper()
	steps, first := map[string]int{}, map[string]account.Request{}
	for _, op := range h.dump().Operations {
		for _, attempt := range op.Attempts {
			for _, step := range attempt.Steps {
				if attempt.Account == r.account && step.Key != "" { // a step that only looks has none
					steps[spelled(step.Key)]++
				}
			}
		}
	}
	for _, arrived := range requests {
		known, again := first[arrived.Key]
		switch {
		case steps[arrived.Key] != 1:
			h.Errorf("a request is under a key that %d recorded steps have: %+v", steps[arrived.Key], arrived)
		case again && (known.Method != arrived.Method || known.Path != arrived.Path || known.Body != arrived.Body):
			h.Errorf("two requests under one key:\n%+v\n%+v", known, arrived)
		}
		first[arrived.Key] = arrived
	}
}

// asIs spells a key as it is.
func asIs(k payment.ProviderKey) string { return string(k) }
