package orchestrator

import (
	"context"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Void releases what is held and not captured. From its claim until it is final
// it blocks captures, and it is refused while a capture is open. Replies and
// errors are as for Capture.
func (o *Orchestrator) Void(ctx context.Context, call payment.Call, order payment.Order) (payment.Reply, error) {
	return o.carryOut(ctx, call, order)
}
