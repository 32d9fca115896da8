package orchestrator

import (
	"context"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Void releases what is held and not captured. From its claim until it is final
// it blocks captures, and it is refused while a capture is open. Replies and
// errors are as for Capture.
//
// An authorization that is PENDING or REQUIRES_ACTION holds nothing that is known, and
// may at any moment. Its void sends nothing of its own: it calls the authorization off.
// The claim makes it the authorization's only child, so that no completion, capture or
// second void begins, and makes the authorization one that nobody waits for any more:
// due at once, cancelled by the provider's own cancel (T7), ended only by what the
// object shows after that or by its own news. How that ends is the end of the void:
//
//   - The authorization ended without an effect, cancelled or declined: the void has
//     SUCCEEDED. The payment goes on showing how the authorization ended.
//   - The shopper was first, and it SUCCEEDED: before the cancel was decided, or with
//     the money taken so that it cannot be cancelled. The void has FAILED, and the
//     payment shows the money, which another key can void or refund. A hold that the
//     cancel met is released by it: that is the first case.
//   - Neither is known: the void is UNKNOWN, which is an interim answer, and the payment
//     UNKNOWN while the cancel is out. A retry under the key, the sweep and an event
//     about the authorization all bring both on.
//
// The authorization's record is the only one that decides. The void's outcome follows
// from it in a write of its own, which needs no guard on the authorization: that is
// final then, and never changes. A process that dies between the two, or anywhere else,
// leaves two open operations that are due, and whoever visits either visits the
// authorization.
//
// It is refused with ReasonUnsupportedByProvider where the provider has no such cancel;
// with ReasonNotVoidable beside a completion or another void, and when it is too late
// to send a cancel.
func (o *Orchestrator) Void(ctx context.Context, call payment.Call, order payment.Order) (payment.Reply, error) {
	return o.carryOut(ctx, call, order)
}
