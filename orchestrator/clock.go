package orchestrator

import (
	"sync"
	"time"
)

// clockMargin is from what on a difference between clocks is taken for a step: well above
// what they may differ by, and well below what a resend window leaves of a key's lifetime.
const clockMargin = 15 * time.Minute

// clock tells by how much the wall clock has been set back while this process runs. The
// wall clock judges how old a request is, and set back by hours it would let one out
// whose key the provider has forgotten. The monotonic clock, which is not set but stands
// still while a machine sleeps, and the wall clock keep watch on each other. A wall clock
// that leaps ahead and is corrected looks the same: requests then count as older than they
// are, which sends too little and never too much.
type clock struct {
	wall  func() time.Time
	began time.Time // read of the monotonic clock

	mu   sync.Mutex
	high time.Time     // what the wall clock would show had it never been set back
	at   time.Duration // since began, when it was so
}

func newClock(wall func() time.Time) *clock { return &clock{wall: wall, began: time.Now()} }

// back is by how much the wall clock is behind what it would show.
func (c *clock) back() time.Duration {
	// However long this goroutine stands still in between, it is not taken for a step.
	before := time.Since(c.began)
	wall := c.wall()
	after := time.Since(c.began)
	c.mu.Lock()
	defer c.mu.Unlock()
	high := c.high.Add(after - c.at)
	if c.high.IsZero() || wall.After(high) {
		high = wall
	}
	c.high, c.at = high, after
	return max(0, high.Sub(wall)-(after-before))
}

// shut reports whether no request of the open attempt may be sent any more: its provider
// may have forgotten the key, so that the same request could be a second effect. A clock
// that was set back before this process began is not noticed; but as long as it shows a
// time before the end of the attempt's last owner, nothing is sent either.
func (f *flight) shut() (reason string, yes bool) {
	now, op := f.o.cfg.Now(), f.op()
	attempt, back := op.Current(), f.o.clock.back()
	if f.nonce != "" && f.nonce == op.Nonce && attempt.Epoch == op.Epoch {
		back -= f.back // it made the attempt, which is not older
	}
	switch {
	case !now.Before(attempt.ResendNotAfter):
		return "the resend window is closed", true
	case back > clockMargin && !now.Add(back).Before(attempt.ResendNotAfter):
		return "the clock was set back, and before that the resend window would be closed", true
	}
	return "", false
}
