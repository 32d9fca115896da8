package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// patience is the deadline of a call unless a test says otherwise: shorter than
// the server's own, so that what a caller sees does not hang on a tie.
const patience = 15 * time.Second

// request asks for ten euro by a token for each of the accounts, or for the
// account sandbox.
func request(token string, accounts ...string) *acquitv1.AuthorizeRequest {
	if len(accounts) == 0 {
		accounts = []string{"sandbox"}
	}
	set := &acquitv1.TokenSet{}
	for _, a := range accounts {
		set.Tokens = append(set.Tokens, &acquitv1.AccountToken{Account: a, Token: &acquitv1.AccountToken_StoredId{StoredId: token}})
	}
	return &acquitv1.AuthorizeRequest{
		MerchantReference: "order-1",
		Amount:            &acquitv1.Money{MinorUnits: 1000, CurrencyCode: "EUR"},
		PaymentMethod:     &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: set}},
		Metadata:          map[string]string{"basket": "17"},
	}
}

// with is a request that was changed.
func with(r *acquitv1.AuthorizeRequest, change func(*acquitv1.AuthorizeRequest)) *acquitv1.AuthorizeRequest {
	change(r)
	return r
}

// rawCodec keeps the bytes of a response as they came over the wire.
type rawCodec struct{ encoding.CodecV2 }

type rawReply struct{ bytes []byte }

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return proto.Marshal(m)
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	r, ok := v.(*rawReply)
	if !ok {
		return fmt.Errorf("%T is no place for a reply", v)
	}
	r.bytes = bytes.Clone(data)
	return nil
}

// result is what a client got.
type result struct {
	h               *house
	bytes           []byte
	err             error
	header, trailer metadata.MD
	took            time.Duration
}

// invoke makes one call with a deadline; the metadata is pairs.
func (p *process) invoke(ctx context.Context, method string, req proto.Message, pairs ...string) result {
	if _, own := ctx.Deadline(); !own {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if len(pairs) > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, pairs...)
	}
	r, reply, began := result{h: p.h}, rawReply{}, time.Now()
	r.err = p.conn.Invoke(ctx, method, req, &reply, grpc.ForceCodec(rawCodec{}), grpc.Header(&r.header), grpc.Trailer(&r.trailer))
	r.bytes, r.took = reply.bytes, time.Since(began)
	return r
}

// authorize makes one Authorize call under a key.
func (p *process) authorize(ctx context.Context, key string, req *acquitv1.AuthorizeRequest) result {
	return p.invoke(ctx, acquitv1.PaymentService_Authorize_FullMethodName, req, "idempotency-key", key)
}

// insist does what a caller has to do: the same call again, for as long as it is
// told that this can bring another answer.
func (p *process) insist(ctx context.Context, key string, req *acquitv1.AuthorizeRequest) result {
	p.h.Helper()
	for range 40 {
		r := p.authorize(ctx, key, req)
		if r.metadata("acquit-should-retry") == "false" {
			return r
		}
		time.Sleep(max(time.Second, r.retryAfter()))
	}
	p.h.Errorf("no answer to %s after 40 tries", key)
	return result{h: p.h}
}

// payment reads a payment.
func (p *process) payment(ctx context.Context, id string) (*acquitv1.GetPaymentResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return acquitv1.NewPaymentServiceClient(p.conn).GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: id})
}

// answer is the response, which the test expects to have got.
func (r result) answer() *acquitv1.AuthorizeResponse {
	r.h.Helper()
	if r.err != nil {
		r.h.Errorf("the call failed: %v", r.err)
	}
	out := &acquitv1.AuthorizeResponse{}
	if err := proto.Unmarshal(r.bytes, out); err != nil {
		r.h.Error(err)
	}
	return out
}

// state is the operation's in the response, without the prefix of its type.
func (r result) state() string {
	r.h.Helper()
	return stateOf(r.answer().GetOperation())
}

func stateOf(op *acquitv1.Operation) string {
	return strings.TrimPrefix(op.GetState().String(), "OPERATION_STATE_")
}

// metadata is one value of the response's header.
func (r result) metadata(key string) string {
	r.h.Helper()
	values := r.header.Get(key)
	if len(values) == 0 {
		values = r.trailer.Get(key) // of a response that is nothing but a status
	}
	if len(values) > 1 {
		r.h.Errorf("%s was sent %d times: %v", key, len(values), values)
	}
	return strings.Join(values, ",")
}

func (r result) code() codes.Code { return status.Code(r.err) }

// reason is the reason of the ErrorInfo, and "" without one of ours.
func (r result) reason() string {
	for _, d := range status.Convert(r.err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "acquit.dev" {
			return info.GetReason()
		}
	}
	return ""
}

// field is the first one that the refusal names.
func (r result) field() string {
	for _, d := range status.Convert(r.err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) > 0 {
			return bad.GetFieldViolations()[0].GetField()
		}
	}
	return ""
}

func (r result) retryAfter() time.Duration {
	for _, d := range status.Convert(r.err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// refused checks a refusal.
func (r result) refused(code codes.Code, reason, field string) {
	r.h.Helper()
	if r.code() != code || r.reason() != reason || r.field() != field {
		r.h.Errorf("got %s %s on field %q (%v), want %s %s on field %q", r.code(), r.reason(), r.field(), r.err, code, reason, field)
	}
}

// tells checks what an answer says about itself.
func (r result) tells(replayed bool, shouldRetry string) {
	r.h.Helper()
	if got := r.metadata("acquit-idempotent-replayed"); (got == "true") != replayed || (!replayed && got != "") {
		r.h.Errorf("acquit-idempotent-replayed is %q, want replayed: %t", got, replayed)
	}
	if got := r.metadata("acquit-should-retry"); got != shouldRetry {
		r.h.Errorf("acquit-should-retry is %q, want %q", got, shouldRetry)
	}
	if r.metadata("acquit-reference-id") == "" {
		r.h.Error("no acquit-reference-id")
	}
}

// evidenceOf is an attempt's evidence in the vocabulary's words.
func evidenceOf(a *acquitv1.Attempt) string {
	return strings.ToLower(strings.TrimPrefix(a.GetEvidence().String(), "EVIDENCE_"))
}

// authenticateByHeader takes a header's word for the tenant, as a test may.
func authenticateByHeader(p *plan) {
	p.chain.Authenticate = func(ctx context.Context) (payment.TenantID, error) {
		values := metadata.ValueFromIncomingContext(ctx, "tenant")
		if len(values) != 1 {
			return "", errors.New("no tenant")
		}
		return payment.TenantID(values[0]), nil
	}
}
