package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// service answers each call after a while.
type service struct {
	grpc.ClientConnInterface

	takes func(n int64) time.Duration
	calls atomic.Int64
	state acquitv1.OperationState
}

// Invoke implements grpc.ClientConnInterface.
func (s *service) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	time.Sleep(s.takes(s.calls.Add(1)))
	into, ok := reply.(*[]byte)
	if !ok {
		return fmt.Errorf("an answer into %T", reply)
	}
	var err error
	*into, err = proto.Marshal(&acquitv1.AuthorizeResponse{Operation: &acquitv1.Operation{State: s.state}})
	return err
}

// Goal: a service that stands still is charged for all who came meanwhile.
// Method: one caller, five calls due at a fixed rate, of which the first hangs.
func TestOpenLoopCountsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{state: acquitv1.OperationState_OPERATION_STATE_SUCCEEDED, takes: func(n int64) time.Duration {
			if n == 1 {
				return 350 * time.Millisecond
			}
			return 0
		}}
		c := newCrew(s, authorizeOnly(), 1)
		c.open(t.Context(), 10, 500*time.Millisecond)
		want := []time.Duration{350 * time.Millisecond, 250 * time.Millisecond, 150 * time.Millisecond, 50 * time.Millisecond, 0}
		if diff := cmp.Diff(want, c.callers[0].took); diff != "" || c.dropped != 0 {
			t.Errorf("%d dropped, latencies (-want +got):\n%s", c.dropped, diff)
		}
	})
}

// Goal: an open loop ends even if the service cannot keep up, and says what it
// left out. Method: a service that is three times too slow.
func TestOpenLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{
			state: acquitv1.OperationState_OPERATION_STATE_SUCCEEDED,
			takes: func(int64) time.Duration { return 300 * time.Millisecond },
		}
		c := newCrew(s, authorizeOnly(), 1)
		c.open(t.Context(), 10, time.Second)
		if n := s.calls.Load(); n != 7 || c.dropped != 3 { // the last begins at 1.8 s, before the cut at 2 s
			t.Errorf("%d calls made and %d dropped, want 7 and 3", n, c.dropped)
		}
	})
}

// Goal: only what was told to have succeeded counts as an effect. Method: a
// service that does not know its outcomes.
func TestUnknownIsNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{state: acquitv1.OperationState_OPERATION_STATE_UNKNOWN, takes: func(int64) time.Duration { return time.Millisecond }}
		c := newCrew(s, authorizeOnly(), 2)
		c.closed(t.Context(), upTo(5))
		var side side
		err := side.take(c)
		if side.said != 0 || side.unsure != 5 || len(side.sample) != 0 || err == nil {
			t.Errorf("%d effects, %d in doubt, %d kept, %v", side.said, side.unsure, len(side.sample), err)
		}
	})
}
