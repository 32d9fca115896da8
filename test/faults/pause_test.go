//go:build linux

package faults

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// TestPausedPastItsLease: an owner that stands still, loses its lease and its
// operation, and then goes on where it stood, adds no effect and no other answer.
// The process stops itself at a point; another one finishes the operation; then
// the first is told to continue.
func TestPausedPastItsLease(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	winner := c.serve(t, "winner", "")
	for _, point := range []payment.Point{
		payment.PointSendAfterCheck, // the checks are behind it, the send is not
		payment.PointSendAfterHeaders,
		payment.PointResponseReceived,
		payment.PointOutcomeBefore,
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			i := intent{key: "pause-" + string(point), token: "tok_ok", amount: 1000}
			paused := c.serve(t, "paused", string(point)+":stop")
			back := paused.begin(bounded(t, patience), i)
			paused.awaitPaused(t)

			got := winner.insist(t, i)
			if got.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
				t.Fatalf("the winner: %s, want SUCCEEDED", got)
			}
			c.sandbox.oneEffect(t, i, [2]int{1, 2})
			paused.proceed(t)

			// Its own caller's time went by meanwhile, so it may be told to come again;
			// an outcome, if it is told one, is the winner's.
			if own := <-back; own.err == nil && own.stored && !bytes.Equal(own.raw, got.raw) {
				t.Errorf("the paused process answers %x, the winner %x", own.raw, got.raw)
			} else if own.err != nil && !repeatable(own) {
				t.Errorf("the paused process answers %s", own)
			}
			for _, s := range []*server{paused, winner} {
				if a := s.insist(t, i); !bytes.Equal(a.raw, got.raw) {
					t.Errorf("process %s answers %x, before %x", s.process.name, a.raw, got.raw)
				}
			}
			next := intent{key: "after-" + i.key, token: "tok_ok", amount: 7}
			if a := paused.insist(t, next); a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
				t.Errorf("the next call at the paused process: %s, want SUCCEEDED", a)
			}
			c.sandbox.oneEffect(t, next, [2]int{1, 1})

			// It ends when nothing of it is in flight: then no late copy can come.
			paused.signal(t, syscall.SIGTERM)
			if code := paused.awaitExit(t, drainTimeout+10*time.Second); code != 0 {
				t.Errorf("the paused process ended with %d", code)
			}
			c.sandbox.oneEffect(t, i, [2]int{1, 3})
		})
	}
}
