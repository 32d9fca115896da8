package e2e

import (
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Goal: a caller whose merchant reference a live payment has is told so, and which
// payment that is; the key of that payment is answered as before. Method: calls under
// three keys, before and after a void.
func TestUniqueMerchantReferences(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one(func(p *plan) { p.flow.UniqueMerchantReference = true })
		first := p.authorize(h.Context(), "first", request("tok_ok"))
		id := first.answer().GetPayment().GetPaymentId()
		second := p.authorize(h.Context(), "second", request("tok_ok"))
		second.refused(codes.AlreadyExists, "MERCHANT_REFERENCE_EXISTS", "")
		var named string
		for _, d := range status.Convert(second.err).Details() {
			if info, ok := d.(*errdetails.ErrorInfo); ok {
				named = info.GetMetadata()["payment_id"]
			}
		}
		if named != id || h.effects() != 1 || h.received() != 1 {
			t.Errorf("the error names %q, want %q; %d effects of %d requests", named, id, h.effects(), h.received())
		}
		again := p.authorize(h.Context(), "first", request("tok_ok"))
		again.tells(true, "false")
		if string(again.bytes) != string(first.bytes) {
			t.Error("the first key is answered otherwise")
		}
		if r := p.order(h.Context(), "void", "void", id, 0); r.err != nil {
			t.Fatal(r.err)
		}
		if third := p.authorize(h.Context(), "third", request("tok_ok")); third.err != nil || third.state() != "SUCCEEDED" {
			t.Errorf("after the void: %v", third.err)
		}
	})
}
