package server

import (
	"context"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/interceptors"
	"github.com/acquitpay/acquit/orchestrator"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// payments serves PaymentService. Its handlers convert, delegate and convert;
// methods that it does not have answer UNIMPLEMENTED.
type payments struct {
	acquitv1.UnimplementedPaymentServiceServer

	orchestrator *orchestrator.Orchestrator
}

// Authorize implements acquitv1.PaymentServiceServer.
func (s *payments) Authorize(ctx context.Context, r *acquitv1.AuthorizeRequest) (*acquitv1.AuthorizeResponse, error) {
	call, ok := interceptors.CallFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	in, err := instruction(r)
	if err != nil {
		return nil, err
	}
	reply, err := s.orchestrator.Authorize(ctx, call, in)
	if err != nil {
		return nil, err
	}
	return interceptors.ReplyTo[acquitv1.AuthorizeResponse](ctx, reply), nil
}

// GetPayment implements acquitv1.PaymentServiceServer.
func (s *payments) GetPayment(ctx context.Context, r *acquitv1.GetPaymentRequest) (*acquitv1.GetPaymentResponse, error) {
	tenant, ok := interceptors.TenantFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	p, ops, err := s.orchestrator.Payment(ctx, tenant, payment.ID(r.GetPaymentId()))
	if err != nil {
		return nil, err
	}
	return getPaymentResponse(p, ops)
}

// errNoCall is what a handler answers outside the production chain: it does not
// work without knowing for whom.
func errNoCall() error {
	return &payment.Error{Reason: payment.ReasonInternal, Message: "internal error"}
}
