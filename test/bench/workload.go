package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const (
	accountName = "sandbox"
	tenant      = payment.TenantID("default") // of whoever calls without authentication
	amount      = 1000                        // minor units
	currency    = "EUR"
	// callLimit is how long a call may take. It bounds the run.
	callLimit = 10 * time.Second
	// sampleEvery is how many calls of a caller there are to one that is asked again
	// at the end; sampleMost is how many of a caller's are.
	sampleEvery = 13
	sampleMost  = 4
)

// workload is what a caller does over and over: each verb on the payment of the
// one before.
type workload struct {
	name  string
	verbs []payment.Method
}

func authorizeOnly() workload {
	return workload{"authorize", []payment.Method{payment.MethodAuthorize}}
}

func mixed() workload {
	return workload{"mix", []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund}}
}

// call is one operation as its caller knows it, and what came back for it.
type call struct {
	verb    payment.Method
	key     payment.IdempotencyKey
	request proto.Message
	raw     []byte // the answer as it was on the wire
	replay  bool   // and was told to be a replay
}

// reference is what the provider knows the call by.
func (c *call) reference() payment.ReferenceID { return payment.DeriveReference(tenant, c.verb, c.key) }

// answered is what all responses have.
type answered interface {
	proto.Message
	GetPayment() *acquitv1.Payment
	GetOperation() *acquitv1.Operation
}

// caller calls one after the other. It belongs to one goroutine.
type caller struct {
	conn    grpc.ClientConnInterface
	verbs   []payment.Method
	name    string // begins its keys
	made    int    // calls
	payment string // that the next call is about

	took    []time.Duration
	effects int    // calls that were told to have succeeded
	failed  int    // calls of which that is not known
	err     error  // the first of them
	sample  []call // to be asked again
}

func newCaller(conn grpc.ClientConnInterface, w workload) *caller {
	return &caller{conn: conn, verbs: w.verbs, name: "bench-" + rand.Text()}
}

// once makes the next call, and counts its latency from a time at which it was
// meant to be made.
func (c *caller) once(ctx context.Context, meant time.Time) {
	next := c.next()
	got, err := next.ask(ctx, c.conn)
	c.took = append(c.took, time.Since(meant))
	if err == nil && got.GetOperation().GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		err = fmt.Errorf("the operation is %s", got.GetOperation().GetState())
	}
	if err != nil {
		c.failed, c.payment, c.made = c.failed+1, "", 0
		c.name = "bench-" + rand.Text() // begin again, with another payment
		if c.err == nil {
			c.err = fmt.Errorf("%s %s: %w", next.verb, next.key, err)
		}
		return
	}
	c.payment = got.GetPayment().GetPaymentId()
	c.effects++
	if c.effects%sampleEvery == 1 && len(c.sample) < sampleMost {
		c.sample = append(c.sample, next)
	}
}

// next prepares the caller's next call.
func (c *caller) next() call {
	n := call{verb: c.verbs[c.made%len(c.verbs)], key: payment.IdempotencyKey(fmt.Sprintf("%s-%d", c.name, c.made))}
	c.made++
	switch n.verb { //nolint:exhaustive // a workload has no others
	case payment.MethodCapture:
		n.request = &acquitv1.CaptureRequest{PaymentId: c.payment}
	case payment.MethodRefund:
		n.request = &acquitv1.RefundRequest{PaymentId: c.payment}
	default:
		n.request = &acquitv1.AuthorizeRequest{
			MerchantReference: string(n.key),
			Amount:            &acquitv1.Money{MinorUnits: amount, CurrencyCode: currency},
			PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
				Tokens: []*acquitv1.AccountToken{{Account: accountName, Token: &acquitv1.AccountToken_StoredId{StoredId: "tok_ok"}}},
			}}},
		}
	}
	return n
}

// ask makes the call and keeps its answer.
func (c *call) ask(ctx context.Context, conn grpc.ClientConnInterface) (answered, error) {
	method, into := acquitv1.PaymentService_Authorize_FullMethodName, answered(&acquitv1.AuthorizeResponse{})
	switch c.verb { //nolint:exhaustive // a workload has no others
	case payment.MethodCapture:
		method, into = acquitv1.PaymentService_Capture_FullMethodName, &acquitv1.CaptureResponse{}
	case payment.MethodRefund:
		method, into = acquitv1.PaymentService_Refund_FullMethodName, &acquitv1.RefundResponse{}
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", string(c.key))
	var header metadata.MD
	if err := conn.Invoke(ctx, method, c.request, &c.raw, grpc.ForceCodec(verbatim{}), grpc.Header(&header)); err != nil {
		return nil, err
	}
	c.replay = strings.Join(header.Get("acquit-idempotent-replayed"), ",") == "true"
	if err := proto.Unmarshal(c.raw, into); err != nil {
		return nil, fmt.Errorf("the answer is no %T: %w", into, err)
	}
	return into, nil
}

// verbatim sends messages as usual and keeps answers to the byte.
type verbatim struct{}

// Name implements encoding.Codec.
func (verbatim) Name() string { return "proto" }

// Marshal implements encoding.Codec.
func (verbatim) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return proto.Marshal(m)
}

// Unmarshal implements encoding.Codec.
func (verbatim) Unmarshal(data []byte, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("an answer does not go into %T", v)
	}
	*into = append([]byte(nil), data...) // the buffer is the transport's
	return nil
}
