package retry

import (
	"fmt"
	"sync"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Limits are the rules of a Budget.
type Limits struct {
	// Share is how many resends one first send earns, above 0 to 1. Defaults to
	// 0.2: while a provider is in trouble it gets at most a fifth more requests
	// than without resends, where an unbounded policy would send it seven times as many.
	Share float64
	// Burst is how many resends an account can have saved up, 1 to 10,000.
	// Defaults to 100. Too few, and a short hiccup leaves operations for later.
	Burst int
	// PerSecond is how many resends an account earns by time alone, 0 to 1,000, so
	// that one with little traffic recovers. Defaults to 1.
	PerSecond float64
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// DefaultLimits are the limits of a deployment that configures none.
func DefaultLimits() Limits { return Limits{Share: 0.2, Burst: 100, PerSecond: 1, Now: time.Now} }

// Validate reports limits that limit nothing or everything.
func (l Limits) Validate() error {
	if !(l.Share > 0 && l.Share <= 1) || l.Burst < 1 || l.Burst > 10_000 || !(l.PerSecond >= 0 && l.PerSecond <= 1000) {
		return fmt.Errorf("retry budget: share %v, burst %d, per second %v; want share above 0 to 1, burst 1 to 10000, per second 0 to 1000",
			l.Share, l.Burst, l.PerSecond)
	}
	return nil
}

// Budget keeps resends to a share of first sends, for each account by itself,
// so that a provider in trouble is not drowned in second tries. An operation
// that is refused a resend is left for later; nothing is lost.
//
// It is a token bucket that first sends fill. A limiter by time alone
// (golang.org/x/time/rate) knows no share, and failsafe-go's budget bounds how
// many resends run at once and opens only from inside its own executor; here a
// resend is decided long before it is sent.
//
// It is safe for concurrent use. It holds one small entry per account ever
// named, which are the configured ones.
type Budget struct {
	limits Limits

	mu      sync.Mutex
	buckets map[payment.AccountName]*bucket
}

// bucket holds the resends an account has earned.
type bucket struct {
	tokens float64
	filled time.Time // as of when tokens counts what time alone earns
}

// Budget returns a budget with these limits and the full burst for every
// account, or what is wrong with the limits.
func (l Limits) Budget() (*Budget, error) {
	if l.Now == nil {
		l.Now = time.Now
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &Budget{limits: l, buckets: make(map[payment.AccountName]*bucket)}, nil
}

// First records the first send of an attempt: what resends are a share of.
func (b *Budget) First(account payment.AccountName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bucket(account).add(b.limits.Share, b.limits.Burst)
}

// Allow takes one resend from the account's budget and reports whether there
// was one.
func (b *Budget) Allow(account payment.AccountName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.bucket(account)
	if k.tokens < 1 {
		return false
	}
	k.tokens--
	return true
}

// bucket is the account's, filled by what time has earned since it was last
// asked. The caller holds mu.
func (b *Budget) bucket(account payment.AccountName) *bucket {
	now := b.limits.Now()
	k, ok := b.buckets[account]
	if !ok {
		k = &bucket{tokens: float64(b.limits.Burst), filled: now}
		b.buckets[account] = k
	}
	if passed := now.Sub(k.filled); passed > 0 { // a clock that steps back earns nothing
		k.add(passed.Seconds()*b.limits.PerSecond, b.limits.Burst)
	}
	k.filled = now
	return k
}

func (k *bucket) add(tokens float64, burst int) { k.tokens = min(k.tokens+tokens, float64(burst)) }
