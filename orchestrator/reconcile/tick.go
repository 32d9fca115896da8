package reconcile

import (
	"context"
	"time"
)

// ticks yields at the end of every interval until ctx ends. What takes longer than an
// interval misses the ticks in between.
func ticks(ctx context.Context, every time.Duration) func(yield func() bool) {
	return func(yield func() bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !yield() {
					return
				}
			}
		}
	}
}
