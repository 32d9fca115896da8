package orchestrator

import (
	"slices"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// pauseAfter is how often in a row an account does not serve before no new
	// payments are routed to it.
	pauseAfter = 5
	// pauseFor is how long they are not, before one more tries.
	pauseFor = 30 * time.Second
)

// pauses keep accounts out of routing that do not serve, again and again: the provider
// says that it cannot work at the moment, limits us or does not let us in, or whoever
// answers at its address cannot show that it is the provider. What has begun on such an
// account goes on there: no other account may take it over for that. They are this
// process's own, and a restart forgets them.
type pauses map[payment.AccountName]circuitbreaker.CircuitBreaker[any]

func newPauses(accounts []ConfiguredAccount) pauses {
	p := make(pauses, len(accounts))
	for _, a := range accounts {
		p[a.Account.Name()] = circuitbreaker.NewBuilder[any]().WithFailureThreshold(pauseAfter).WithSuccessThreshold(1).WithDelay(pauseFor).Build()
	}
	return p
}

// heard counts an answer of an account's provider, and reports whether it begins a
// pause. What never reached the provider, or was lost, is no word of it.
func (p pauses) heard(name payment.AccountName, a payment.Answer, v payment.Verdict) (begins bool) {
	account, configured := p[name]
	if !configured || (a.Transport != payment.TransportAnswered && a.Transport != payment.TransportUntrusted) {
		return false
	}
	before := account.IsOpen()
	account.TryAcquirePermit() // a pause that is over ends with this answer, or begins anew
	if serves(v.Category) {
		account.RecordSuccess()
		return false
	}
	account.RecordFailure()
	return account.IsOpen() && !before
}

// serves reports whether a provider that answers so takes payments of this account.
func serves(c payment.Category) bool {
	return !slices.Contains([]payment.Category{payment.CategoryTransientSafe, payment.CategoryRateLimited, payment.CategoryAuthConfig}, c)
}

// left is how much longer an account is kept out of routing; 0 if it is not.
func (p pauses) left(name payment.AccountName) time.Duration {
	account, configured := p[name]
	if !configured || !account.IsOpen() {
		return 0
	}
	return max(0, account.RemainingDelay())
}
