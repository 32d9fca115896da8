package interceptors

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// The handler's deadline is a little before the client's, or the standard one,
// and too little time is refused before anything begins.
func TestDeadlines(t *testing.T) {
	cases := map[string]struct {
		client, handler time.Duration // 0: none, refused
	}{
		"none":             {0, 25 * time.Second},
		"long":             {time.Minute, time.Minute - 200*time.Millisecond},
		"just enough":      {300 * time.Millisecond, 100 * time.Millisecond},
		"a little less":    {300*time.Millisecond - 1, 0},
		"less than margin": {100 * time.Millisecond, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.client > 0 {
					bounded, cancel := context.WithTimeout(ctx, c.client)
					defer cancel()
					ctx = bounded
				}
				var left time.Duration
				d := newParts(Config{}).deadline
				_, err := d.unary(ctx, nil, &grpc.UnaryServerInfo{}, func(ctx context.Context, _ any) (any, error) {
					end, _ := ctx.Deadline()
					left = time.Until(end)
					return nil, nil
				})
				if left != c.handler {
					t.Errorf("the handler has %v, want %v", left, c.handler)
				}
				if refused := err != nil; refused != (c.handler == 0) || (refused && refusalOf(err).reason != payment.ReasonDeadlineTooShort) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
