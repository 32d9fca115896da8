package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// order sends a capture, refund or void of a payment; units of 0 ask for the rest.
func (p *process) order(ctx context.Context, key, verb, id string, units int64) result {
	var amount *acquitv1.Money
	if units > 0 {
		amount = &acquitv1.Money{MinorUnits: units, CurrencyCode: "EUR"}
	}
	method, request := "", proto.Message(nil)
	switch verb {
	case "capture":
		method, request = acquitv1.PaymentService_Capture_FullMethodName, &acquitv1.CaptureRequest{PaymentId: id, Amount: amount}
	case "refund":
		method, request = acquitv1.PaymentService_Refund_FullMethodName, &acquitv1.RefundRequest{PaymentId: id, Amount: amount}
	case "void":
		method, request = acquitv1.PaymentService_Void_FullMethodName, &acquitv1.VoidRequest{PaymentId: id}
	}
	return p.invoke(ctx, method, request, "idempotency-key", key)
}

// Goal: whatever happens to a capture, a refund or a void on its way, it has one
// effect and the payment shows it; what was refused for good gives its amount
// back. Method: every fault of the sandbox on each verb, the caller retrying
// with its key until the answer is stored; the audit compares the logs.
func TestOrdersSurviveTheirFaults(t *testing.T) {
	t.Parallel()
	faults := []string{
		"ok", "429", "500_before_effect", "500_after_effect", "500_after_effect_then_429", "503", "timeout", "timeout_before_effect",
		"drop", "drop_before_effect", "reset_before_headers", "reset_after_headers", "garbage", "empty", "truncated", "oversized",
		"unknown_status", "redirect", "key_in_use", "late", "twice", "fail",
	}
	for _, verb := range []string{"capture", "refund", "void"} {
		for _, fault := range faults {
			t.Run(verb+"_"+fault, func(t *testing.T) {
				t.Parallel()
				inHouse(t, setting{}, func(h *house) {
					p := h.one()
					id := p.authorize(h.Context(), "authorize", request("tok_ok_"+verb+"_"+fault)).answer().GetPayment().GetPaymentId()
					if verb == "refund" {
						if r := p.order(h.Context(), "capture", "capture", id, 0); r.err != nil {
							t.Fatal(r.err)
						}
					}
					h.settled(p, "key", verb, id)
					got, err := p.payment(h.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					shown := fmt.Sprintf("%s %d %d", got.GetPayment().GetStatus(), got.GetPayment().GetCaptured().GetMinorUnits(), got.GetPayment().GetRefunded().GetMinorUnits())
					want := map[string]string{
						"capture": "PAYMENT_STATUS_CAPTURED 1000 0", "refund": "PAYMENT_STATUS_REFUNDED 1000 1000", "void": "PAYMENT_STATUS_VOIDED 0 0",
					}[verb]
					if fault == "fail" {
						want = map[string]string{
							"capture": "PAYMENT_STATUS_AUTHORIZED 0 0", "refund": "PAYMENT_STATUS_CAPTURED 1000 0", "void": "PAYMENT_STATUS_AUTHORIZED 0 0",
						}[verb]
					}
					if shown != want {
						t.Errorf("the payment is %s, want %s", shown, want)
					}
					if left := got.GetPayment().GetReserved().GetMinorUnits(); left != 0 {
						t.Errorf("%d are still reserved", left)
					}
				})
			})
		}
	}
}

// settled retries an order with its key until the answer is stored, or an hour
// has passed.
func (h *house) settled(p *process, key, verb, id string) {
	h.Helper()
	for until := time.Now().Add(time.Hour); time.Now().Before(until); time.Sleep(20 * time.Second) {
		r := p.order(h.Context(), key, verb, id, 0)
		if r.err != nil {
			h.Fatalf("a provider's trouble became an error: %v", r.err)
		}
		if r.metadata("acquit-should-retry") == "false" {
			return
		}
	}
}

// Goal: what a payment does not allow is refused with its reason, before any
// request and only for a new key. Method: one order each, after a full capture.
func TestOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		id := p.authorize(h.Context(), "authorize", request("tok_ok")).answer().GetPayment().GetPaymentId()
		p.order(h.Context(), "r0", "refund", id, 1).refused(codes.FailedPrecondition, "PAYMENT_NOT_REFUNDABLE", "")
		p.order(h.Context(), "c0", "capture", id, 1001).refused(codes.FailedPrecondition, "AMOUNT_EXCEEDS_AUTHORIZED", "amount.minor_units")
		first := p.order(h.Context(), "c1", "capture", id, 1000)
		received := h.received()
		p.order(h.Context(), "c2", "capture", id, 1).refused(codes.FailedPrecondition, "PAYMENT_NOT_CAPTURABLE", "")
		p.order(h.Context(), "v1", "void", id, 0).refused(codes.FailedPrecondition, "PAYMENT_NOT_VOIDABLE", "")
		p.order(h.Context(), "r1", "refund", id, 1001).refused(codes.FailedPrecondition, "AMOUNT_EXCEEDS_CAPTURED", "amount.minor_units")
		p.order(h.Context(), "c3", "capture", "0197f6a0-0000-7000-8000-000000000000", 1).refused(codes.NotFound, "NOT_FOUND", "")
		p.order(h.Context(), "c1", "capture", id, 999).refused(codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED", "")
		again := p.order(h.Context(), "c1", "capture", id, 1000)
		if string(again.bytes) != string(first.bytes) {
			t.Error("the replay of a full capture is another answer")
		}
		again.tells(true, "false")
		if h.received() != received {
			t.Error("a refused order reached the provider")
		}
	})
}
