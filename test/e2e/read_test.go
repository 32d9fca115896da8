package e2e

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// Goal: a payment shows what is held, what was taken and what may be taken, as
// the provider's own objects say. Method: the amounts of GetPayment for each kind
// of outcome.
func TestAmountsOfAPayment(t *testing.T) {
	t.Parallel()
	type amounts struct {
		status                                               string
		amount, authorized, captured, capturable, refundable int64
	}
	automatic := func(r *acquitv1.AuthorizeRequest) { r.CaptureMode = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC }
	manual := func(*acquitv1.AuthorizeRequest) {}
	for name, c := range map[string]struct {
		token string
		mode  func(*acquitv1.AuthorizeRequest)
		want  amounts
	}{
		"held":            {"tok_ok", manual, amounts{"AUTHORIZED", 1000, 1000, 0, 1000, 0}},
		"held in part":    {"tok_partial", manual, amounts{"AUTHORIZED", 1000, 500, 0, 500, 0}},
		"taken":           {"tok_ok", automatic, amounts{"CAPTURED", 1000, 1000, 1000, 0, 1000}},
		"taken in part":   {"tok_partial", automatic, amounts{"CAPTURED", 1000, 500, 500, 0, 500}},
		"looked up":       {"tok_500_after_effect_always", manual, amounts{"AUTHORIZED", 1000, 1000, 0, 1000, 0}},
		"declined":        {"tok_decline_generic", manual, amounts{"DECLINED", 1000, 0, 0, 0, 0}},
		"failed":          {"tok_401", manual, amounts{"FAILED", 1000, 0, 0, 0, 0}},
		"unknown":         {"tok_redirect", manual, amounts{"UNKNOWN", 1000, 0, 0, 0, 0}},
		"pending":         {"tok_pending_30m", manual, amounts{"PENDING", 1000, 0, 0, 0, 0}},
		"requires action": {"tok_requires_action", manual, amounts{"REQUIRES_ACTION", 1000, 0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				first := p.authorize(h.Context(), "key", with(request(c.token), c.mode))
				time.Sleep(5 * time.Minute)
				read, err := p.payment(h.Context(), first.answer().GetPayment().GetPaymentId())
				if err != nil {
					t.Fatal(err)
				}
				pay := read.GetPayment()
				got := amounts{
					strings.TrimPrefix(pay.GetStatus().String(), "PAYMENT_STATUS_"), pay.GetAmount().GetMinorUnits(), pay.GetAuthorized().GetMinorUnits(),
					pay.GetCaptured().GetMinorUnits(), pay.GetCapturable().GetMinorUnits(), pay.GetRefundable().GetMinorUnits(),
				}
				if got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				if pay.GetMerchantReference() != "order-1" || pay.GetAccount() != "sandbox" || pay.GetEnvironment() != acquitv1.Environment_ENVIRONMENT_SANDBOX {
					t.Errorf("payment %v", pay)
				}
				h.shown(first, read)
			})
		})
	}
}

// shown checks that what is read agrees with what was answered.
func (h *house) shown(first result, read *acquitv1.GetPaymentResponse) {
	h.Helper()
	if first.metadata("acquit-should-retry") == "false" {
		want := &acquitv1.GetPaymentResponse{Payment: first.answer().GetPayment(), Operations: []*acquitv1.Operation{first.answer().GetOperation()}}
		if diff := gocmp.Diff(want, read, protocmp.Transform()); diff != "" {
			h.Errorf("read and answer differ:\n%s", diff)
		}
	}
	effects := h.providers[0].effects()
	pay := read.GetPayment()
	if settled := pay.GetAuthorized().GetMinorUnits() > 0; settled != (len(effects) == 1) {
		h.Errorf("authorized %v, %d effects", pay.GetAuthorized(), len(effects))
	} else if settled && (effects[0].Amount != pay.GetAuthorized().GetMinorUnits() || effects[0].Object != pay.GetProviderReference() ||
		effects[0].Captured != (pay.GetCaptured().GetMinorUnits() > 0) || pay.GetAuthorizationExpireTime() == nil) {
		h.Errorf("the provider has %+v, the payment shows %v", effects[0], pay)
	}
	action := pay.GetNextAction().GetRedirect()
	if wants := pay.GetStatus() == acquitv1.PaymentStatus_PAYMENT_STATUS_REQUIRES_ACTION; wants != (action != nil) ||
		(wants && !strings.HasPrefix(action.GetUrl(), "http://sandbox.test/v1/actions/")) {
		h.Errorf("next action %v of a payment in %s", pay.GetNextAction(), pay.GetStatus())
	}
}

// Goal: what a decline tells whom. Method: the whole decline of a lost card, of
// which a shopper must not learn.
func TestADeclineTells(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		got := h.one().authorize(h.Context(), "key", request("tok_decline_lost_card")).answer().GetOperation().GetDecline()
		want := &acquitv1.Decline{
			Category: acquitv1.DeclineCategory_DECLINE_CATEGORY_HARD_DECLINE, Code: "lost_card", ProviderCode: "lost_card",
			ProviderMessage: "the payment was declined: lost_card", Advice: acquitv1.RetryAdvice_RETRY_ADVICE_NEW_KEY_OTHER_METHOD,
			ShopperCode: "generic_decline",
		}
		if diff := gocmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}

// Goal: a payment that does not exist is not found, and an id that cannot be one
// is refused.
func TestPaymentsThatDoNotExist(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		get := func(id string) result {
			return p.invoke(h.Context(), acquitv1.PaymentService_GetPayment_FullMethodName, &acquitv1.GetPaymentRequest{PaymentId: id})
		}
		get("0197f6a0-0000-7000-8000-000000000000").refused(codes.NotFound, "NOT_FOUND", "")
		get("no/such").refused(codes.InvalidArgument, "REQUEST_INVALID", "payment_id")
		get("").refused(codes.InvalidArgument, "REQUEST_INVALID", "payment_id")
	})
}

// Goal: a method that is not served yet says so, in words, and does nothing. Method:
// one of the operators', and the stream.
func TestMethodsThatAreNotServedYet(t *testing.T) {
	t.Parallel()
	inHouse(t, setting{}, func(h *house) {
		p := h.one()
		id := p.authorize(h.Context(), "key", request("tok_ok")).answer().GetPayment().GetPaymentId()
		before := h.records()
		r := p.invoke(h.Context(), acquitv1.OperatorService_ListOpenOperations_FullMethodName, &acquitv1.ListOpenOperationsRequest{}, "idempotency-key", "key")
		if r.code() != codes.Unimplemented || !strings.Contains(r.err.Error(), "ListOpenOperations") {
			t.Errorf("ListOpenOperations: %v", r.err)
		}
		stream, err := acquitv1.NewPaymentServiceClient(p.conn).WatchPayment(h.Context(), &acquitv1.WatchPaymentRequest{PaymentId: id})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); (result{err: err}).code() != codes.Unimplemented || !strings.Contains(err.Error(), "WatchPayment") {
			t.Errorf("WatchPayment: %v", err)
		}
		if h.records() != before || h.received() != 1 {
			t.Error("a method that is not served did something")
		}
	})
}
