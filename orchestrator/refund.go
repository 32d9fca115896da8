package orchestrator

import (
	"context"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Refund gives a captured amount back, or the rest of it. Replies, reservation
// and errors are as for Capture.
func (o *Orchestrator) Refund(ctx context.Context, call payment.Call, order payment.Order) (payment.Reply, error) {
	return o.carryOut(ctx, call, order)
}
