package orchestrator

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	// pauseAfter is how often in a row a provider says that it cannot work at the
	// moment before no new payments are routed to the account.
	pauseAfter = 5
	// pauseFor is how long they are not, before one more tries.
	pauseFor = 30 * time.Second
)

// pauses keep accounts out of routing whose providers say, again and again, that
// they cannot work at the moment. What has begun on such an account goes on there: no
// other account may take it over for that. They are this process's own, and a restart
// forgets them.
type pauses map[payment.AccountName]circuitbreaker.CircuitBreaker[any]

func newPauses(accounts []ConfiguredAccount) pauses {
	p := make(pauses, len(accounts))
	for _, a := range accounts {
		p[a.Account.Name()] = circuitbreaker.NewBuilder[any]().WithFailureThreshold(pauseAfter).WithSuccessThreshold(1).WithDelay(pauseFor).Build()
	}
	return p
}

// heard counts an answer of an account's provider. What never reached it, or was
// lost, is no word of it.
func (p pauses) heard(name payment.AccountName, a payment.Answer, v payment.Verdict) {
	account, configured := p[name]
	if !configured || a.Transport != payment.TransportAnswered {
		return
	}
	account.TryAcquirePermit() // a pause that is over ends with this answer, or begins anew
	if v.Category == payment.CategoryTransientSafe {
		account.RecordFailure()
		return
	}
	account.RecordSuccess()
}

// left is how much longer an account is kept out of routing; 0 if it is not.
func (p pauses) left(name payment.AccountName) time.Duration {
	account, configured := p[name]
	if !configured || !account.IsOpen() {
		return 0
	}
	return max(0, account.RemainingDelay())
}
