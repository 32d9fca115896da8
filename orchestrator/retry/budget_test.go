package retry

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func budget(t *testing.T, share float64, burst int, perSecond float64) (*Budget, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	b, err := Limits{Share: share, Burst: burst, PerSecond: perSecond, Now: c.Now}.Budget()
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

// allowed counts how many of n resends are granted.
func allowed(b *Budget, account payment.AccountName, n int) int {
	granted := 0
	for range n {
		if b.Allow(account) {
			granted++
		}
	}
	return granted
}

// Goal: in the long run resends are the configured share of first sends,
// however often they are asked for.
//
// Shows R26.
func TestBudgetKeepsResendsToTheirShare(t *testing.T) {
	b, _ := budget(t, 0.25, 10, 0)
	granted := 0
	for range 1000 {
		b.First("a")
		granted += allowed(b, "a", 5)
	}
	if want := 250 + 10; granted < want-1 || granted > want {
		t.Errorf("%d resends for 1000 first sends, want %d: a quarter and the burst", granted, want)
	}
}

// Goal: savings are bounded, accounts do not share theirs, and time alone
// brings them back slowly.
func TestBudgetBurstAndTrickle(t *testing.T) {
	b, c := budget(t, 0.5, 3, 2)
	for range 100 {
		b.First("a")
	}
	if got := allowed(b, "a", 10); got != 3 {
		t.Errorf("%d resends after much success, want the burst of 3", got)
	}
	if got := allowed(b, "other", 10); got != 3 {
		t.Errorf("%d resends on another account, want its own burst of 3", got)
	}
	c.now = c.now.Add(time.Second)
	if got := allowed(b, "a", 10); got != 2 {
		t.Errorf("%d resends after a second, want 2", got)
	}
	c.now = c.now.Add(-time.Hour)
	if got := allowed(b, "a", 10); got != 0 {
		t.Errorf("%d resends after the clock stepped back, want none", got)
	}
	c.now = c.now.Add(time.Hour)
	if got := allowed(b, "a", 10); got != 3 {
		t.Errorf("%d resends after a long rest, want the burst of 3", got)
	}
}

// Goal: concurrent callers never get more than there is (run with -race).
func TestBudgetConcurrently(t *testing.T) {
	b, _ := budget(t, 0.1, 50, 0)
	var granted atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { granted.Add(int64(allowed(b, "a", 100))) })
	}
	group.Wait()
	if granted.Load() != 50 {
		t.Errorf("%d resends granted, want the burst of 50", granted.Load())
	}
}

func TestBudgetLimits(t *testing.T) {
	if err := DefaultLimits().Validate(); err != nil {
		t.Errorf("the default limits are refused: %v", err)
	}
	if b, err := DefaultLimits().Budget(); err != nil || !b.Allow("a") {
		t.Error("a fresh budget refuses the first resend")
	}
	for name, change := range map[string]func(*Limits){
		"no share":        func(l *Limits) { l.Share = 0 },
		"negative share":  func(l *Limits) { l.Share = -1 },
		"share above one": func(l *Limits) { l.Share = 20 },
		"share of NaN":    func(l *Limits) { l.Share = math.NaN() },
		"no burst":        func(l *Limits) { l.Burst = 0 },
		"endless burst":   func(l *Limits) { l.Burst = math.MaxInt },
		"negative rate":   func(l *Limits) { l.PerSecond = -1 },
		"endless rate":    func(l *Limits) { l.PerSecond = math.Inf(1) },
	} {
		t.Run(name, func(t *testing.T) {
			l := DefaultLimits()
			change(&l)
			if _, err := l.Budget(); err == nil {
				t.Errorf("limits %+v are accepted", l)
			}
		})
	}
}
