package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/orchestrator/retry"
)

// says is a provider that always answers alike, and does nothing.
func says(a payment.Answer) line {
	return func(context.Context, func() payment.ProviderReference) payment.Answer { return a }
}

// Goal: an account that does not let us in, limits us, or at whose address somebody else
// answers, gets no new payments for a while: they go elsewhere, and somebody is told once;
// a no to a payer is no such reason. Method: five payments in a row that are answered so,
// then one more, which another account could take.
//
// Shows R11 and R45.
func TestUnhealthyAccountIsPaused(t *testing.T) {
	declined := answered(402, "declined")
	declined.Decline = "generic"
	for name, c := range map[string]struct {
		answer payment.Answer
		paused int
	}{
		"the credentials are refused": {answered(401, "unauthorized"), 1},
		"refused without a code":      {answered(403, ""), 1},
		"limited":                     {answered(429, "rate_limited"), 1},
		"not to be trusted":           {payment.Answer{Transport: payment.TransportUntrusted}, 1},
		"the payer is declined":       {declined, 0},
		"our request is wrong":        {answered(400, "invalid_request"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a", "b"}, func(w *world) {
				a, b := w.provider(0), w.provider(1)
				a.script = []line{says(c.answer)}
				var log logBuffer
				o := w.boot("one", log.to, func(cfg *orchestrator.Config) { cfg.Policy = once() })
				for n := range 5 {
					w.leaves(o, newCall(payment.IdempotencyKey(rune('a'+n))), "a")
				}
				sent := len(a.sends())
				w.leaves(o, newCall("another"), "a", "b")
				if came := len(a.sends()) - sent; came != 1-c.paused || log.count("account paused") != c.paused {
					t.Errorf("%d new payments came to it, %d times somebody was told, want a pause: %d", came, log.count("account paused"), c.paused)
				}
				if c.paused == 1 && len(b.sends()) != 1 {
					t.Errorf("%d payments went elsewhere", len(b.sends()))
				}
			})
		})
	}
}

// once is a policy that sends nothing twice.
func once() retry.Policy {
	p := retry.Default()
	p.MaxSends = 1
	return p
}

// Goal: a provider that limits us is asked less and less, however many payments come:
// refusals do not become a loop. Method: a payment a second for ten minutes at a provider
// that refuses them all by its limit, and the requests that reach it; then it is well.
//
// Shows R42 and R47.
func TestRepeatedLimitsLowerTheRate(t *testing.T) {
	inWorld(t, []payment.AccountName{"a"}, func(w *world) {
		p := w.provider(0)
		limited := answered(429, "rate_limited")
		limited.RetryAfter = 5 * time.Second
		p.script = []line{says(limited)}
		o := w.boot("one")
		refused := 0
		asks := func(n int) {
			ctx, cancel := context.WithTimeout(w.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := o.Authorize(ctx, newCall(payment.IdempotencyKey(fmt.Sprintf("key %d", n))), instruction("a"))
			if why, ok := errors.AsType[*payment.Error](err); ok && why.Reason == payment.ReasonOverloaded && why.RetryAfter > 0 {
				refused++
			}
		}
		start := time.Now()
		for n := range 600 {
			asks(n)
			time.Sleep(time.Until(start.Add(time.Duration(n+1) * time.Second)))
		}
		first, last := p.sentWithin(start, time.Minute), p.sentWithin(start.Add(9*time.Minute), time.Minute)
		if first > 60 || last > 20 || last == 0 || refused < 500 {
			t.Errorf("%d requests in the first minute, %d in the last, %d payments told to come later", first, last, refused)
		}
		p.answer(succeed)
		time.Sleep(5 * time.Minute) // of what has begun, and the pause
		asks(600)
		if op := w.operation(newCall("key 600")); op.State != payment.StateSucceeded {
			t.Errorf("when the provider is well again a payment is %s", op.State)
		}
	})
}

// sentWithin is how many requests came in a while.
func (p *provider) sentWithin(from time.Time, d time.Duration) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.at {
		if !at.Before(from) && at.Before(from.Add(d)) {
			n++
		}
	}
	return n
}

// Goal: somebody is told of an operation that goes on for too long without an outcome,
// and of none that ends before. Method: a provider that fails for ever, or for a
// moment, with a time after which that is told; what the log calls for.
//
// Shows R7, R10, R35 and R43.
func TestPersistentFailureIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		script []line
		after  time.Duration
		told   int // resends decided on later than that
	}{
		"for ever":                     {[]line{fail500}, 10 * time.Second, 2}, // after 17 and 47 s
		"for ever, told later":         {[]line{fail500}, 40 * time.Second, 1},
		"for a moment":                 {[]line{fail500, succeed}, 10 * time.Second, 0},
		"for ever, told after its end": {[]line{fail500}, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []payment.AccountName{"a"}, func(w *world) {
				w.provider(0).script = c.script
				var log logBuffer
				o := w.boot("one", log.to, func(cfg *orchestrator.Config) {
					cfg.Policy = retry.Default()
					cfg.Policy.EscalateAfter, cfg.Policy.Jitter = c.after, 0
				})
				w.leaves(o, newCall("key"), "a")
				time.Sleep(5 * time.Minute)
				if got := log.count("an answer needs attention"); got != c.told {
					t.Errorf("somebody is told %d times, want %d, after %d sends", got, c.told, len(w.provider(0).sends()))
				}
			})
		})
	}
}
