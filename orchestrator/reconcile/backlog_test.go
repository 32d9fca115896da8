package reconcile_test

import (
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/reconcile"
)

// Goal: a backlog of one account does not make a sweep read all that is open again
// and again. Method: many operations that are not due, one account with more due
// than its lane takes; the reads of a minute.
func TestABacklogIsNotReadAgain(t *testing.T) {
	inSweep(t, 1, func(x *index, _ *visitor, s *reconcile.Sweep) {
		const waiting, due = 2000, 200
		for n := range waiting {
			x.put(n, "b", time.Hour, "", false)
		}
		for n := range due {
			x.put(n, "a", 0, "", false)
		}
		stop := running(s)
		time.Sleep(time.Minute)
		stop()
		if most := 2 * (waiting + due); x.reads > most {
			t.Errorf("%d reads in a minute, with %d operations open", x.reads, waiting+due)
		}
	})
}
