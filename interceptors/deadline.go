package interceptors

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// deadlines gives every call a deadline a little before its client's, so that
// what runs out of time inside can still say so, and refuses a call that has too
// little left to begin with: nothing was done then, and the caller knows it.
type deadlines struct {
	standard, margin, minimum time.Duration
}

func (d deadlines) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	end, set := ctx.Deadline()
	if !set {
		ctx, cancel := context.WithTimeout(ctx, d.standard)
		defer cancel()
		return handler(ctx, req)
	}
	end = end.Add(-d.margin)
	if time.Until(end) < d.minimum {
		return nil, &payment.Error{
			Reason:  payment.ReasonDeadlineTooShort,
			Message: "less than " + (d.margin + d.minimum).String() + " is left until the deadline",
		}
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	return handler(ctx, req)
}
