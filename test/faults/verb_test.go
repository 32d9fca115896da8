//go:build linux

package faults

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

// intent is one thing a caller wants to happen once: an authorization, or, with a
// method, what is to be done with a payment.
type intent struct {
	key       string
	token     string // of an authorization
	automatic bool   // an authorization that captures at once
	amount    int64  // 0 is whatever is left

	method  payment.Method // "" is an authorization
	payment string         // that a capture, refund or void acts on
}

// instead is the same key with another payload.
func (i intent) instead(amount int64) intent {
	i.amount = amount
	return i
}

func (i intent) verb() payment.Method { return cmp.Or(i.method, payment.MethodAuthorize) }

// reference is what the provider knows an intent by.
func (i intent) reference() string {
	return string(payment.DeriveReference("default", i.verb(), payment.IdempotencyKey(i.key)))
}

// kind is how its effect is called in the provider's log.
func (i intent) kind() simulator.Kind { return kindOf(i.verb()) }

func kindOf(m payment.Method) simulator.Kind {
	if m == payment.MethodAuthorize {
		return simulator.KindEffect
	}
	return simulator.Kind(m) // the others have the name of their verb
}

func (i intent) money() *acquitv1.Money {
	if i.amount == 0 {
		return nil
	}
	return &acquitv1.Money{MinorUnits: i.amount, CurrencyCode: "EUR"}
}

// response is what every keyed call is answered with.
type response interface {
	proto.Message
	GetPayment() *acquitv1.Payment
	GetOperation() *acquitv1.Operation
}

// message is the call that says it, and an empty answer to that.
func (i intent) message() (method string, request proto.Message, answer response) {
	switch i.verb() {
	case payment.MethodCapture:
		return acquitv1.PaymentService_Capture_FullMethodName,
			&acquitv1.CaptureRequest{PaymentId: i.payment, Amount: i.money()}, &acquitv1.CaptureResponse{}
	case payment.MethodRefund:
		return acquitv1.PaymentService_Refund_FullMethodName,
			&acquitv1.RefundRequest{PaymentId: i.payment, Amount: i.money()}, &acquitv1.RefundResponse{}
	case payment.MethodVoid:
		return acquitv1.PaymentService_Void_FullMethodName, &acquitv1.VoidRequest{PaymentId: i.payment}, &acquitv1.VoidResponse{}
	case payment.MethodAuthorize, payment.MethodComplete:
	}
	return acquitv1.PaymentService_Authorize_FullMethodName, i.authorization(), &acquitv1.AuthorizeResponse{}
}

func (i intent) authorization() *acquitv1.AuthorizeRequest {
	mode := acquitv1.CaptureMode_CAPTURE_MODE_MANUAL
	if i.automatic {
		mode = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC
	}
	return &acquitv1.AuthorizeRequest{
		Amount: i.money(),
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Account: accountName, Token: &acquitv1.AccountToken_StoredId{StoredId: i.token}}},
		}}},
		CaptureMode: mode,
	}
}

// authorized makes a payment that holds an amount, and returns its id. The token
// says what becomes of what is done with it.
func (c *caller) authorized(t *testing.T, key, token string, amount int64) string {
	t.Helper()
	a := c.insist(t, intent{key: key, token: token, amount: amount})
	if a.state() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Fatalf("key %q: %s, want SUCCEEDED", key, a)
	}
	return a.response.GetPayment().GetPaymentId()
}

// subject makes a payment that an operation of a method can act on, and returns
// the intent; of an authorization the token is its own.
func (c *caller) subject(t *testing.T, m payment.Method, key, token string) intent {
	t.Helper()
	i := intent{key: key, method: m, amount: 1000}
	switch m {
	case payment.MethodAuthorize:
		i.token = token
		return i
	case payment.MethodVoid:
		i.amount = 0
	case payment.MethodCapture, payment.MethodRefund, payment.MethodComplete:
	}
	i.payment = c.authorized(t, "for "+key, token, 1000)
	if m == payment.MethodRefund {
		c.insist(t, intent{key: "for " + key, method: payment.MethodCapture, payment: i.payment})
	}
	return i
}

// order is persist for calls that may be refused because of the payment's amounts
// or status: the refusal is an answer then. It is patient: of many claims on one
// payment one succeeds at a time, which takes long where the ledger is slow.
func (c *caller) order(ctx context.Context, i intent) (answer, error) {
	a, err := c.persistFor(ctx, 2*patience, i)
	if err != nil && a.code() == codes.FailedPrecondition && !repeatable(a) &&
		(strings.HasPrefix(a.reason(), "AMOUNT_EXCEEDS_") || strings.HasPrefix(a.reason(), "PAYMENT_NOT_")) {
		return a, nil
	}
	return a, err
}

// read is a payment with its operations.
func (c *caller) read(ctx context.Context, paymentID string) (*acquitv1.GetPaymentResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return acquitv1.NewPaymentServiceClient(c.conn).GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: paymentID})
}

// operation is what became of an intent, by its key alone.
func (c *caller) operation(ctx context.Context, i intent) (*acquitv1.GetOperationResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	method := acquitv1.Method(acquitv1.Method_value["METHOD_"+strings.ToUpper(string(i.verb()))])
	return acquitv1.NewPaymentServiceClient(c.conn).GetOperation(ctx, &acquitv1.GetOperationRequest{
		Name: &acquitv1.GetOperationRequest_Key{Key: &acquitv1.OperationKey{Method: method, IdempotencyKey: i.key}},
	})
}

// final reports whether a state never changes again.
func final(s acquitv1.OperationState) bool {
	return s == acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || s == acquitv1.OperationState_OPERATION_STATE_DECLINED ||
		s == acquitv1.OperationState_OPERATION_STATE_FAILED
}

// awaitFinal waits, by reading alone, until an operation has ended. As long as it
// has not, it says when somebody looks at it.
func (c *caller) awaitFinal(t *testing.T, i intent) *acquitv1.Operation {
	t.Helper()
	var op *acquitv1.Operation
	eventually(t, patience, fmt.Sprintf("the %s of key %q ends", i.verb(), i.key), func() error {
		said, err := c.operation(t.Context(), i)
		if err != nil {
			return err
		}
		if op = said.GetOperation(); final(op.GetState()) {
			return nil
		}
		if op.GetNextCheckTime() == nil {
			t.Errorf("key %q is %s, and nobody says when it is looked at", i.key, op.GetState())
		}
		return fmt.Errorf("it is %s, looked at at %s", op.GetState(), op.GetNextCheckTime().AsTime().Format(time.TimeOnly))
	})
	return op
}
