// Package retry is the one policy for sending the same request again: whether,
// and after how long.
//
// Policy is pure: time and randomness come with the question. It never allows
// sends without end, a wait that ends at or after the time the caller named, or
// one shorter than the provider asked for. It does not know whether sending
// again is safe: that is the mapping table's verdict, which it only obeys.
// Budget, the one thing here with a state, keeps the resends of all operations
// together to a share of their first sends.
//
// With the default policy the waits before the sends are, each ± 20 %:
//
//	send                2nd   3rd   4th   5th   6th   7th   8th
//	after no answer     0 s   1 s   2 s   4 s   10 s  30 s  never
//	after an answer     1 s   2 s   4 s   10 s  30 s  30 s  never
//	answer, bound 5 s   5.1 s 5.2 s 5.4 s 10 s  30 s  30 s  never
//
// "No answer" is a transport error that the table marks for an immediate
// resend, such as a connection that broke; there is one such resend at most, as
// the second send. A timeout is resent with a wait: the provider may still be
// at work on the first copy. A bound is what the provider asked for
// (Retry-After); the jitter is then added on top, so that not everybody who was
// asked to wait comes back at the same moment.
//
// The spacing is what providers and payment platforms recommend for a call that
// a person may be waiting for: five tries within about 50 seconds, then
// somebody is told.
package retry

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Limits that Validate holds a policy to. They are far beyond what makes sense
// and catch units that were mixed up.
const (
	maxSends    = 50
	minSpacing  = time.Millisecond
	maxSpacing  = time.Hour
	maxEscalate = 24 * time.Hour
)

// Policy paces the resends of one attempt. Use Default and change it; the zero
// Policy is not valid.
type Policy struct {
	// Spacing is how long to wait before each resend, in order; the last one
	// repeats. Not empty, not falling, each between 1 ms and 1 h. Defaults to
	// 1, 2, 4, 10 and 30 s. Shorter ones hit a provider that is in trouble.
	Spacing []time.Duration
	// Jitter spreads each wait over ± this share of it, 0 to below 1. Defaults to
	// 0.2. Without it, requests that failed together come back together.
	Jitter float64
	// Immediate allows one resend without a wait where there was no answer.
	// Defaults to true.
	Immediate bool
	// MaxSends bounds the sends of an attempt by one owner, the first included: 1 to 50.
	// 1 means that nothing is sent twice. Defaults to 7.
	MaxSends int
	// EscalateAfter is how long an operation may go on without an outcome before
	// somebody is told, up to 24 h. Defaults to 1 min: when the waits are used up.
	EscalateAfter time.Duration
}

// Default is the policy of a deployment that configures none.
func Default() Policy {
	return Policy{
		Spacing:       []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 10 * time.Second, 30 * time.Second},
		Jitter:        0.2,
		Immediate:     true,
		MaxSends:      7,
		EscalateAfter: time.Minute,
	}
}

// Validate reports everything about the policy that would send without end,
// without a pause, or never tell anybody.
func (p Policy) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(p.MaxSends < 1 || p.MaxSends > maxSends, "retry: max sends is %d, want 1 to %d", p.MaxSends, maxSends)
	refuse(len(p.Spacing) == 0, "retry: no spacing between sends")
	refuse(len(p.Spacing) > maxSends, "retry: %d spacings, at most %d can be used", len(p.Spacing), maxSends)
	for _, s := range p.Spacing {
		refuse(s < minSpacing || s > maxSpacing, "retry: spacing %s, want %s to %s", s, minSpacing, maxSpacing)
	}
	refuse(!slices.IsSorted(p.Spacing), "retry: spacing %v falls, so that a provider in trouble is hit harder", p.Spacing)
	refuse(!(p.Jitter >= 0 && p.Jitter < 1), "retry: jitter %v, want 0 to below 1", p.Jitter) // also refuses NaN
	refuse(p.EscalateAfter <= 0 || p.EscalateAfter > maxEscalate, "retry: escalate after %s, want above 0 to %s", p.EscalateAfter, maxEscalate)
	return errors.Join(errs...)
}

// Question asks what follows a send.
type Question struct {
	// Sends is how many there were, the last one included.
	Sends int
	// Verdict is what the mapping table made of the last one.
	Verdict payment.Verdict
	// Transport is how far the last one got.
	Transport payment.Transport
	// ImmediateUsed says that one of the resends so far went out without a wait:
	// the spacing then begins after it.
	ImmediateUsed bool
	// TokenRenewed says that the access token was renewed since the last send, for
	// the first time in this attempt. Without it, a verdict that asks for a
	// renewal allows nothing.
	TokenRenewed bool
	// LowerBound is how long the provider asked to be left alone; 0 if it did not.
	LowerBound time.Duration
	// Now is the time, and Until the time at which a resend may no longer begin.
	Now, Until time.Time
	// Random is uniform in [0, 1).
	Random float64
}

// Next says whether to send again, and after which wait. It obeys the verdict:
// what may not be resent is not, whatever the policy allows.
func (p Policy) Next(q Question) (wait time.Duration, again bool) {
	left := q.Until.Sub(q.Now)
	if q.Sends >= p.MaxSends || len(p.Spacing) == 0 || !q.allowed() {
		return 0, false
	}
	if p.immediate(q) {
		return 0, left > 0
	}
	space := p.space(q)
	wait = space + spread(space, p.Jitter, 2*clamp(q.Random)-1)
	if q.LowerBound > 0 {
		extra := spread(space, p.Jitter, clamp(q.Random))
		if q.LowerBound >= left-extra { // asked for more than there is; also keeps the sum from overflowing
			return 0, false
		}
		wait = max(wait, q.LowerBound+extra)
	}
	if wait >= left {
		return 0, false
	}
	return wait, true
}

// allowed reports whether the verdict leaves room for a resend.
func (q Question) allowed() bool {
	switch q.Verdict.Evidence {
	case payment.EvidenceEffect, payment.EvidencePending, payment.EvidenceNoEffectSticky:
		return false // the answer stands
	case payment.EvidenceNoEffectNotSticky, payment.EvidenceUnknown:
	}
	switch q.Verdict.Resend {
	case payment.ResendImmediate, payment.ResendBackoff:
		return true
	case payment.ResendAfterTokenRefresh:
		return q.TokenRenewed
	case payment.ResendNever:
		return false
	}
	return false
}

// immediate reports whether the resend needs no wait: only the first one, only
// where nobody answered, and only if nobody asked for a wait.
func (p Policy) immediate(q Question) bool {
	return p.Immediate && q.Verdict.Resend == payment.ResendImmediate && q.Sends == 1 && !q.ImmediateUsed &&
		q.LowerBound <= 0 && unanswered(q.Transport)
}

// unanswered reports whether the exchange brought no answer.
func unanswered(t payment.Transport) bool {
	switch t {
	case payment.TransportNeverSent, payment.TransportUntrusted, payment.TransportRefusedStream, payment.TransportTimeout, payment.TransportBroken:
		return true
	case payment.TransportAnswered, payment.TransportOversized: // an answer too long is one
		return false
	}
	return false
}

// space is the spacing before the next send, without jitter.
func (p Policy) space(q Question) time.Duration {
	i := q.Sends - 1
	if q.ImmediateUsed {
		i--
	}
	return p.Spacing[min(max(i, 0), len(p.Spacing)-1)]
}

// spread is a share of d.
func spread(d time.Duration, jitter, share float64) time.Duration {
	return time.Duration(float64(d) * jitter * share)
}

// clamp keeps a bad random number from making a bad wait.
func clamp(random float64) float64 {
	if random >= 0 && random < 1 {
		return random
	}
	return 0.5
}
