package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// openCallers is how many calls of an open loop can be under way. When all of
// them are, calls begin late, which counts as their latency.
const openCallers = 512

// crew are the callers of one cell on one side. They go on in every round where
// they were, so the verbs of a workload come in its proportion.
type crew struct {
	callers []*caller
	elapsed time.Duration // of all rounds
	dropped int           // calls of open loops that were never made
}

func newCrew(conn grpc.ClientConnInterface, w workload, callers int) *crew {
	c := &crew{}
	for range callers {
		c.callers = append(c.callers, newCaller(conn, w))
	}
	return c
}

// closed lets every caller make its next call when it has the answer to the one
// before, for as long as more says so, and waits for the last answers.
func (c *crew) closed(ctx context.Context, more func() bool) {
	began := time.Now()
	var working sync.WaitGroup
	for _, one := range c.callers {
		working.Go(func() {
			for ctx.Err() == nil && more() {
				one.once(ctx, time.Now())
			}
		})
	}
	working.Wait()
	c.elapsed += time.Since(began)
}

// forTime is a round of a closed loop.
func forTime(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().Before(end) }
}

// upTo is a round of n calls.
func upTo(n int64) func() bool {
	var begun atomic.Int64
	return func() bool { return begun.Add(1) <= n }
}

// open makes calls at a fixed rate, whether or not the ones before are answered.
// Each counts from the moment at which it was due, so a server that stands still
// is charged for all who would have come meanwhile. Calls that are not begun by
// twice the round's time are dropped, and told.
func (c *crew) open(ctx context.Context, rate int, d time.Duration) {
	began := time.Now()
	var next, dropped atomic.Int64
	total, cut := int64(d.Seconds()*float64(rate)), began.Add(2*d)
	var working sync.WaitGroup
	for _, one := range c.callers {
		working.Go(func() {
			for n := next.Add(1) - 1; n < total; n = next.Add(1) - 1 {
				due := began.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
				if !until(ctx, due) || time.Now().After(cut) {
					dropped.Add(1)
					continue
				}
				one.once(ctx, due)
			}
		})
	}
	working.Wait()
	c.elapsed += time.Since(began)
	c.dropped += int(dropped.Load())
}

// until waits for a time; false if ctx ends before.
func until(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
