package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Renderer makes the response bytes of operations: the method's response
// message, marshalled. It is a function of its arguments alone, so whoever
// commits an outcome (the call itself, a takeover, another process) stores the
// same answer.
type Renderer struct{}

// Render implements orchestrator.Renderer. The interim states (INTENT, UNKNOWN,
// FENCING) are rendered like the others; they are shown, never stored.
func (Renderer) Render(p payment.Payment, op payment.Operation) ([]byte, error) {
	shownPayment, err := paymentMessage(p)
	if err != nil {
		return nil, fmt.Errorf("render payment %s: %w", p.ID, err)
	}
	response, err := response(op.Method, shownPayment, operationMessage(op))
	if err != nil {
		return nil, err
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(response)
	if err != nil {
		return nil, fmt.Errorf("render operation %s: %w", op.Key.ID, err)
	}
	return raw, nil
}

// response is the message that a method answers with.
func response(m payment.Method, p *acquitv1.Payment, op *acquitv1.Operation) (proto.Message, error) {
	switch m {
	case payment.MethodAuthorize:
		return &acquitv1.AuthorizeResponse{Payment: p, Operation: op}, nil
	case payment.MethodCapture:
		return &acquitv1.CaptureResponse{Payment: p, Operation: op}, nil
	case payment.MethodRefund:
		return &acquitv1.RefundResponse{Payment: p, Operation: op}, nil
	case payment.MethodVoid:
		return &acquitv1.VoidResponse{Payment: p, Operation: op}, nil
	case payment.MethodComplete:
		return &acquitv1.CompleteAuthorizationResponse{Payment: p, Operation: op}, nil
	}
	return nil, fmt.Errorf("no response for method %q", m)
}

// getPaymentResponse is a payment with its operations, oldest first.
func getPaymentResponse(p payment.Payment, ops []payment.Operation) (*acquitv1.GetPaymentResponse, error) {
	shown, err := paymentMessage(p)
	if err != nil {
		return nil, fmt.Errorf("render payment %s: %w", p.ID, err)
	}
	out := &acquitv1.GetPaymentResponse{Payment: shown}
	for _, op := range ops {
		out.Operations = append(out.Operations, operationMessage(op))
	}
	return out, nil
}

// getOperationResponse is an operation with its payment.
func getOperationResponse(p payment.Payment, op payment.Operation) (*acquitv1.GetOperationResponse, error) {
	shown, err := paymentMessage(p)
	if err != nil {
		return nil, fmt.Errorf("render payment %s: %w", p.ID, err)
	}
	return &acquitv1.GetOperationResponse{Payment: shown, Operation: operationMessage(op)}, nil
}

// listPaymentsResponse is a page of payments in the order in which they come.
func listPaymentsResponse(found []payment.Payment, next string) (*acquitv1.ListPaymentsResponse, error) {
	out := &acquitv1.ListPaymentsResponse{NextPageToken: next}
	for _, p := range found {
		shown, err := paymentMessage(p)
		if err != nil {
			return nil, fmt.Errorf("render payment %s: %w", p.ID, err)
		}
		out.Payments = append(out.Payments, shown)
	}
	return out, nil
}

func paymentMessage(p payment.Payment) (*acquitv1.Payment, error) {
	action, err := nextActionMessage(p.NextAction)
	if err != nil {
		return nil, err
	}
	in := func(units int64) *acquitv1.Money {
		return &acquitv1.Money{MinorUnits: units, CurrencyCode: p.Amount.CurrencyCode}
	}
	return &acquitv1.Payment{
		PaymentId:               string(p.ID),
		MerchantReference:       string(p.MerchantReference),
		Status:                  statusEnum(p.Status),
		Version:                 p.Version,
		Amount:                  in(p.Amount.MinorUnits),
		Authorized:              in(p.Authorized),
		Captured:                in(p.Captured),
		Refunded:                in(p.Refunded),
		Reserved:                in(p.CaptureReserved + p.RefundReserved),
		Capturable:              in(p.Capturable()),
		Refundable:              in(p.Refundable()),
		Disputed:                in(p.Disputed()),
		Account:                 string(p.Account),
		ProviderReference:       string(p.ProviderReference),
		Environment:             environmentEnum(p.Environment),
		NextAction:              action,
		AuthorizationExpireTime: timestamp(p.ExpireTime),
		CreateTime:              timestamp(p.Created),
		UpdateTime:              timestamp(p.Updated),
		CaptureMode:             acquitv1.CaptureMode(acquitv1.CaptureMode_value["CAPTURE_MODE_"+strings.ToUpper(string(p.CaptureMode))]),
		Released:                in(p.Released),
		ExternalCaptured:        in(p.ExternalCaptured()),
		ExternalRefunded:        in(p.ExternalRefunded()),
		CapturedReversed:        in(p.CapturedReversed()),
		RefundedReversed:        in(p.RefundedReversed()),
	}, nil
}

func operationMessage(op payment.Operation) *acquitv1.Operation {
	out := &acquitv1.Operation{
		OperationId:   string(op.Key.ID),
		ReferenceId:   string(op.Reference),
		Method:        methodEnum(op.Method),
		State:         acquitv1.OperationState(acquitv1.OperationState_value["OPERATION_STATE_"+string(op.State)]),
		Retry:         adviceEnum(op.Advice()),
		NextCheckTime: timestamp(op.NextCheck),
		PaymentId:     string(op.PaymentID),
		Amount:        &acquitv1.Money{MinorUnits: op.Amount.MinorUnits, CurrencyCode: op.Amount.CurrencyCode},
		CreateTime:    timestamp(op.Created),
		CompleteTime:  timestamp(op.Completed),
	}
	if d := op.Decline; d != nil {
		out.Decline = &acquitv1.Decline{
			Category: declineCategoryEnum(d.Category), Code: d.Code, ProviderCode: d.ProviderCode, ProviderMessage: d.Message,
			Advice: adviceEnum(d.Advice), ShopperCode: d.ShopperCode,
		}
	}
	if f := op.Failure; f != nil {
		out.Failure = &acquitv1.Failure{Code: f.Code, Message: f.Message, ProviderCode: f.ProviderCode}
	}
	for _, a := range op.Attempts {
		out.Attempts = append(out.Attempts, &acquitv1.Attempt{
			Ordinal: int32(a.Ordinal), Account: string(a.Account), ProviderReference: string(a.ProviderReference),
			ReferenceId: string(a.Reference), Evidence: evidenceEnum(a.Evidence), MappingRow: a.MappingRow,
			HttpStatus: int32(a.HTTPStatus), ProviderCode: a.Code, RequestId: a.RequestID, Sends: int32(a.Sends),
			StartTime: timestamp(a.Created), EndTime: timestamp(a.Closed),
		})
	}
	return out
}

func nextActionMessage(a *payment.NextAction) (*acquitv1.NextAction, error) {
	switch {
	case a == nil:
		return nil, nil
	case len(a.ProviderSDK) > 0:
		payload, err := object(a.ProviderSDK)
		return &acquitv1.NextAction{Action: &acquitv1.NextAction_ProviderSdk{ProviderSdk: &acquitv1.ProviderSdk{Payload: payload}}}, err
	}
	method := acquitv1.HttpMethod_HTTP_METHOD_GET
	if strings.EqualFold(a.RedirectMethod, "POST") {
		method = acquitv1.HttpMethod_HTTP_METHOD_POST
	}
	return &acquitv1.NextAction{Action: &acquitv1.NextAction_Redirect{
		Redirect: &acquitv1.Redirect{Url: a.RedirectURL, HttpMethod: method, Form: a.RedirectForm},
	}}, nil
}

func methodEnum(m payment.Method) acquitv1.Method {
	if m == payment.MethodComplete {
		return acquitv1.Method_METHOD_COMPLETE_AUTHORIZATION
	}
	return acquitv1.Method(acquitv1.Method_value["METHOD_"+strings.ToUpper(string(m))])
}

// methodOf is the inverse of methodEnum; "" if unspecified.
func methodOf(m acquitv1.Method) payment.Method {
	if m == acquitv1.Method_METHOD_COMPLETE_AUTHORIZATION {
		return payment.MethodComplete
	}
	return payment.Method(word(m.String(), "METHOD_"))
}

func statusEnum(s payment.Status) acquitv1.PaymentStatus {
	return acquitv1.PaymentStatus(acquitv1.PaymentStatus_value["PAYMENT_STATUS_"+string(s)])
}

// statusOf is the inverse of statusEnum; the words of statuses are upper case.
func statusOf(s acquitv1.PaymentStatus) payment.Status {
	return payment.Status(strings.TrimPrefix(s.String(), "PAYMENT_STATUS_"))
}

func environmentEnum(e payment.Environment) acquitv1.Environment {
	return acquitv1.Environment(acquitv1.Environment_value["ENVIRONMENT_"+strings.ToUpper(string(e))])
}

func evidenceEnum(e payment.Evidence) acquitv1.Evidence {
	return acquitv1.Evidence(acquitv1.Evidence_value["EVIDENCE_"+strings.ToUpper(string(e))])
}

func adviceEnum(a payment.RetryAdvice) acquitv1.RetryAdvice {
	return acquitv1.RetryAdvice(acquitv1.RetryAdvice_value["RETRY_ADVICE_"+string(a)])
}

func declineCategoryEnum(c payment.Category) acquitv1.DeclineCategory {
	if c == payment.CategoryAuthnRequired {
		return acquitv1.DeclineCategory_DECLINE_CATEGORY_AUTHENTICATION_REQUIRED
	}
	return acquitv1.DeclineCategory(acquitv1.DeclineCategory_value["DECLINE_CATEGORY_"+strings.ToUpper(string(c))])
}

// timestamp leaves out a time that was not set.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// object reads a provider's JSON object for a message.
func object(raw json.RawMessage) (*structpb.Struct, error) {
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("payload for the provider's software: %w", err)
	}
	return structpb.NewStruct(fields)
}
