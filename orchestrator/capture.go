package orchestrator

import (
	"context"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Capture takes an authorized amount, or the rest of it.
//
// Its part of the payment is reserved with the claim and posted or given back
// with the outcome; an unknown outcome keeps it. Replies and errors are as for
// Authorize, and those of payment.Payment.Reserve.
func (o *Orchestrator) Capture(ctx context.Context, call payment.Call, order payment.Order) (payment.Reply, error) {
	return o.carryOut(ctx, call, order)
}
