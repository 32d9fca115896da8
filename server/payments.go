package server

import (
	"cmp"
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

// Capture implements acquitv1.PaymentServiceServer.
func (s *payments) Capture(ctx context.Context, r *acquitv1.CaptureRequest) (*acquitv1.CaptureResponse, error) {
	call, ok := interceptors.CallFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	reply, err := s.orchestrator.Capture(ctx, call, captureOrder(r))
	if err != nil {
		return nil, err
	}
	return interceptors.ReplyTo[acquitv1.CaptureResponse](ctx, reply), nil
}

// Refund implements acquitv1.PaymentServiceServer.
func (s *payments) Refund(ctx context.Context, r *acquitv1.RefundRequest) (*acquitv1.RefundResponse, error) {
	call, ok := interceptors.CallFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	reply, err := s.orchestrator.Refund(ctx, call, refundOrder(r))
	if err != nil {
		return nil, err
	}
	return interceptors.ReplyTo[acquitv1.RefundResponse](ctx, reply), nil
}

// Void implements acquitv1.PaymentServiceServer.
func (s *payments) Void(ctx context.Context, r *acquitv1.VoidRequest) (*acquitv1.VoidResponse, error) {
	call, ok := interceptors.CallFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	reply, err := s.orchestrator.Void(ctx, call, voidOrder(r))
	if err != nil {
		return nil, err
	}
	return interceptors.ReplyTo[acquitv1.VoidResponse](ctx, reply), nil
}

// CompleteAuthorization implements acquitv1.PaymentServiceServer.
func (s *payments) CompleteAuthorization(ctx context.Context, r *acquitv1.CompleteAuthorizationRequest) (*acquitv1.CompleteAuthorizationResponse, error) {
	call, ok := interceptors.CallFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	reply, err := s.orchestrator.Complete(ctx, call, completeOrder(r))
	if err != nil {
		return nil, err
	}
	return interceptors.ReplyTo[acquitv1.CompleteAuthorizationResponse](ctx, reply), nil
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

// GetOperation implements acquitv1.PaymentServiceServer.
func (s *payments) GetOperation(ctx context.Context, r *acquitv1.GetOperationRequest) (*acquitv1.GetOperationResponse, error) {
	tenant, ok := interceptors.TenantFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	p, op, err := s.operation(ctx, tenant, r)
	if err != nil {
		return nil, err
	}
	return getOperationResponse(p, op)
}

// operation reads what one of the three names stands for.
func (s *payments) operation(ctx context.Context, tenant payment.TenantID, r *acquitv1.GetOperationRequest) (payment.Payment, payment.Operation, error) {
	if name, ok := r.GetName().(*acquitv1.GetOperationRequest_ReferenceId); ok {
		return s.orchestrator.ByReference(ctx, tenant, payment.ReferenceID(name.ReferenceId))
	}
	return s.orchestrator.Operation(ctx, operationKey(tenant, r))
}

// ListPayments implements acquitv1.PaymentServiceServer.
func (s *payments) ListPayments(ctx context.Context, r *acquitv1.ListPaymentsRequest) (*acquitv1.ListPaymentsResponse, error) {
	tenant, ok := interceptors.TenantFrom(ctx)
	if !ok {
		return nil, errNoCall()
	}
	filter, err := listFilter(tenant, r)
	if err != nil {
		return nil, err
	}
	found, next, err := s.orchestrator.List(ctx, filter, r.GetPageToken(), cmp.Or(int(r.GetPageSize()), defaultPage))
	if err != nil {
		return nil, err
	}
	return listPaymentsResponse(found, next)
}

// defaultPage is how many payments a page has at most when the caller did not
// say. What it may say at most is in the contract.
const defaultPage = 50

// errNoCall is what a handler answers outside the production chain: it does not
// work without knowing for whom.
func errNoCall() error {
	return &payment.Error{Reason: payment.ReasonInternal, Message: "internal error"}
}
