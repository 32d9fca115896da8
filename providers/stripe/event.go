package stripe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	stripego "github.com/stripe/stripe-go/v85"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// about reads what an event says of its object. read is false for a type that
// there is no use for.
func about(e stripego.Event) (event payment.Event, read bool, err error) {
	switch kind := string(e.Type); {
	case slices.Contains([]string{
		"payment_intent.requires_action", "payment_intent.processing", "payment_intent.amount_capturable_updated",
		"payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled",
	}, kind):
		event, err = aboutIntent(e.Data.Raw)
	case kind == "refund.created", kind == "refund.updated", kind == "refund.failed":
		return aboutRefund(e.Data.Raw)
	case strings.HasPrefix(kind, "charge.dispute."):
		return aboutDispute(kind, e.Data.Raw)
	default:
		return payment.Event{}, false, nil
	}
	return event, err == nil, err
}

// aboutIntent tells of the authorization, or of the capture of what it held: an
// intent that is captured by hand and has succeeded was held before, and what it
// says of itself now is what the capture took.
func aboutIntent(raw json.RawMessage) (payment.Event, error) {
	var pi stripego.PaymentIntent
	if json.Unmarshal(raw, &pi) != nil || pi.Object != "payment_intent" || pi.ID == "" || pi.Status == "" {
		return payment.Event{}, fmt.Errorf("%w: it shows no PaymentIntent", providers.ErrMalformed)
	}
	if pi.Status == stripego.PaymentIntentStatusSucceeded && pi.CaptureMethod == stripego.PaymentIntentCaptureMethodManual {
		return aboutCapture(pi)
	}
	a := authorizeAnswer(providers.Response{}, pi, raw)
	if a.Code == "" {
		return payment.Event{}, fmt.Errorf("%w: what PaymentIntent holds cannot be read", providers.ErrMalformed)
	}
	return payment.Event{
		Method: payment.MethodAuthorize, Reference: payment.ReferenceID(pi.Metadata[metaReference]), Answer: found(a), Outside: ended(pi),
	}, nil
}

// ended tells that what the intent held, if it did, is held no more: Stripe lets
// holds lapse, and says so as the reason.
func ended(pi stripego.PaymentIntent) *payment.Outside {
	if pi.Status != stripego.PaymentIntentStatusCanceled {
		return nil
	}
	kind := payment.OutsideVoid
	if pi.CancellationReason == stripego.PaymentIntentCancellationReasonAutomatic {
		kind = payment.OutsideExpiry
	}
	return &payment.Outside{Object: payment.ProviderReference(pi.ID), Kind: kind}
}

// aboutCapture tells of our capture, if it left its reference on the intent, and
// else of one that was made at the dashboard.
func aboutCapture(pi stripego.PaymentIntent) (payment.Event, error) {
	amount, ok := fromStripe(pi.AmountReceived, string(pi.Currency))
	if !ok {
		return payment.Event{}, fmt.Errorf("%w: what was captured cannot be read", providers.ErrMalformed)
	}
	ours := payment.ReferenceID(pi.Metadata[metaCapture])
	a := captureAnswer(payment.Send{Reference: ours}, providers.Response{}, pi)
	return payment.Event{
		Method: payment.MethodCapture, Reference: ours, Parent: payment.ProviderReference(pi.ID), Answer: found(a),
		Outside: &payment.Outside{Kind: payment.OutsideCapture, Object: chargeOf(pi), Amount: amount.MinorUnits},
	}, nil
}

// aboutRefund tells of our refund, which carries our reference, and else of one
// that was made at the dashboard. A refund that failed may have succeeded before,
// and then gives the money back. Of somebody else's that has only been accepted
// there is nothing to say yet.
func aboutRefund(raw json.RawMessage) (event payment.Event, read bool, err error) {
	a := refundAnswer(payment.Send{}, providers.Response{}, raw)
	var o stripego.Refund
	if json.Unmarshal(raw, &o) != nil || a.Code == "" {
		return payment.Event{}, false, fmt.Errorf("%w: it shows no refund", providers.ErrMalformed)
	}
	if o.PaymentIntent == nil || o.PaymentIntent.ID == "" {
		return payment.Event{}, false, nil // of a charge that is none of ours
	}
	amount, ok := fromStripe(o.Amount, string(o.Currency))
	if !ok {
		return payment.Event{}, false, fmt.Errorf("%w: its amount cannot be read", providers.ErrMalformed)
	}
	event = payment.Event{
		Method: payment.MethodRefund, Reference: a.OurEcho, Parent: payment.ProviderReference(o.PaymentIntent.ID), Answer: found(a),
	}
	outside := payment.Outside{Kind: payment.OutsideRefund, Object: a.Reference, Amount: amount.MinorUnits}
	ours := a.OurEcho != ""
	switch o.Status {
	case stripego.RefundStatusSucceeded:
	case stripego.RefundStatusFailed, stripego.RefundStatusCanceled:
		if outside.Kind = payment.OutsideRefundReversal; !ours {
			outside.Kind, outside.Amount = payment.OutsideRefund, 0
		}
	case stripego.RefundStatusPending, stripego.RefundStatusRequiresAction:
		return event, ours, nil
	default: // not one that Stripe documents
		return event, ours, nil
	}
	event.Outside = &outside
	return event, true, nil
}

// aboutDispute tells what the payer's bank has taken back so far: an inquiry takes
// nothing, and what was won is given back.
func aboutDispute(kind string, raw json.RawMessage) (event payment.Event, read bool, err error) {
	var o stripego.Dispute
	if json.Unmarshal(raw, &o) != nil || o.Object != "dispute" || o.ID == "" || o.Status == "" {
		return payment.Event{}, false, fmt.Errorf("%w: it shows no dispute", providers.ErrMalformed)
	}
	if o.PaymentIntent == nil || o.PaymentIntent.ID == "" {
		return payment.Event{}, false, nil // of a charge that is none of ours
	}
	amount, ok := fromStripe(o.Amount, string(o.Currency))
	if !ok {
		return payment.Event{}, false, fmt.Errorf("%w: its amount cannot be read", providers.ErrMalformed)
	}
	id := payment.ProviderReference(o.ID)
	outside := payment.Outside{Kind: payment.OutsideDispute, Object: id, Amount: amount.MinorUnits}
	none := strings.HasPrefix(string(o.Status), "warning_") || o.Status == stripego.DisputeStatusWon || o.Status == stripego.DisputeStatusPrevented
	if kind == "charge.dispute.funds_reinstated" || (none && kind != "charge.dispute.funds_withdrawn") {
		outside.Amount = 0
	}
	return payment.Event{
		Parent: payment.ProviderReference(o.PaymentIntent.ID), Outside: &outside,
		Answer: payment.Answer{Code: "dispute_" + string(o.Status), Reference: id, Amount: amount},
	}, true, nil
}
