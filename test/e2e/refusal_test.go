package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// unknownField adds a field that nobody knows to a message.
func unknownField(m proto.Message) {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
}

// payload is a request with a payload of the provider's software for a token.
func payload(p *structpb.Struct) *acquitv1.AuthorizeRequest {
	return with(request(""), func(r *acquitv1.AuthorizeRequest) {
		r.GetPaymentMethod().GetTokenSet().GetTokens()[0].Token = &acquitv1.AccountToken_ClientPayload{ClientPayload: p}
	})
}

// Goal: a call that is not in order is refused with its code, its reason and the
// field, and leaves nothing: no record, no request. The corrected call may use
// the key. Method: one call for each fault.
func TestBadCallsAreRefused(t *testing.T) {
	t.Parallel()
	type fault = func(*acquitv1.AuthorizeRequest)
	card := "4111 1111 1111 1111"
	strange := structpb.NewStringValue("x")
	unknownField(strange)
	for name, c := range map[string]struct {
		keys    []string // nil: one good key
		fault   fault
		request *acquitv1.AuthorizeRequest // nil: a good one, with the fault
		timeout time.Duration              // 0: enough
		code    codes.Code
		reason  string
		field   string
	}{
		"no key":                  {keys: []string{}, code: codes.InvalidArgument, reason: "IDEMPOTENCY_KEY_REQUIRED"},
		"two keys":                {keys: []string{"a", "b"}, code: codes.InvalidArgument, reason: "IDEMPOTENCY_KEY_INVALID"},
		"empty key":               {keys: []string{""}, code: codes.InvalidArgument, reason: "IDEMPOTENCY_KEY_INVALID"},
		"key of 129 characters":   {keys: []string{strings.Repeat("k", 129)}, code: codes.InvalidArgument, reason: "IDEMPOTENCY_KEY_INVALID"},
		"no amount":               {fault: func(r *acquitv1.AuthorizeRequest) { r.Amount = nil }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "amount"},
		"amount of zero":          {fault: func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = 0 }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "amount"},
		"negative amount":         {fault: func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = -1000 }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "amount"},
		"amount beyond all money": {fault: func(r *acquitv1.AuthorizeRequest) { r.Amount.MinorUnits = 1e15 }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "amount.minor_units"},
		"unknown currency":        {fault: func(r *acquitv1.AuthorizeRequest) { r.Amount.CurrencyCode = "EUX" }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "amount.currency_code"},
		"currency in small":       {fault: func(r *acquitv1.AuthorizeRequest) { r.Amount.CurrencyCode = "eur" }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "amount.currency_code"},
		"no payment method":       {fault: func(r *acquitv1.AuthorizeRequest) { r.PaymentMethod = nil }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "payment_method"},
		"empty payment method":    {fault: func(r *acquitv1.AuthorizeRequest) { r.PaymentMethod = &acquitv1.PaymentMethod{} }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "payment_method.kind"},
		"two tokens of an account": {
			request: request("tok_ok", "sandbox", "sandbox"),
			code:    codes.InvalidArgument, reason: "REQUEST_INVALID", field: "payment_method.token_set.tokens",
		},
		"long descriptor": {fault: func(r *acquitv1.AuthorizeRequest) { r.StatementDescriptor = strings.Repeat("d", 17) }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "statement_descriptor"},
		"too many metadata pairs": {fault: func(r *acquitv1.AuthorizeRequest) {
			for i := range 11 {
				r.Metadata[strconv.Itoa(i)] = "x"
			}
		}, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "metadata"},
		"unknown enum value": {fault: func(r *acquitv1.AuthorizeRequest) { r.CaptureMode = 77 }, code: codes.InvalidArgument, reason: "REQUEST_INVALID", field: "capture_mode"},

		"unknown field":              {fault: func(r *acquitv1.AuthorizeRequest) { unknownField(r) }, code: codes.InvalidArgument, reason: "UNKNOWN_FIELDS", field: "999"},
		"unknown field, nested":      {fault: func(r *acquitv1.AuthorizeRequest) { unknownField(r.GetAmount()) }, code: codes.InvalidArgument, reason: "UNKNOWN_FIELDS", field: "amount.999"},
		"unknown field, in a list":   {fault: func(r *acquitv1.AuthorizeRequest) { unknownField(r.GetPaymentMethod().GetTokenSet().GetTokens()[0]) }, code: codes.InvalidArgument, reason: "UNKNOWN_FIELDS", field: "payment_method.token_set.tokens[0].999"},
		"unknown field, in a map":    {request: payload(&structpb.Struct{Fields: map[string]*structpb.Value{"data": strange}}), code: codes.InvalidArgument, reason: "UNKNOWN_FIELDS", field: `payment_method.token_set.tokens[0].client_payload.fields["data"].999`},
		"card number in metadata":    {fault: func(r *acquitv1.AuthorizeRequest) { r.Metadata["note"] = "card " + card }, code: codes.InvalidArgument, reason: "CARD_DATA_REFUSED", field: `metadata["note"]`},
		"card number in a map's key": {fault: func(r *acquitv1.AuthorizeRequest) { r.Metadata["4111111111111111"] = "x" }, code: codes.InvalidArgument, reason: "CARD_DATA_REFUSED", field: "metadata"},
		"card number on the statement": {
			fault: func(r *acquitv1.AuthorizeRequest) { r.StatementDescriptor = "4111111111111111" },
			code:  codes.InvalidArgument, reason: "CARD_DATA_REFUSED", field: "statement_descriptor",
		},
		"card number as a reference": {fault: func(r *acquitv1.AuthorizeRequest) { r.MerchantReference = card }, code: codes.InvalidArgument, reason: "CARD_DATA_REFUSED", field: "merchant_reference"},
		"card number in a payload": {
			request: payload(&structpb.Struct{Fields: map[string]*structpb.Value{"pan": structpb.NewNumberValue(4111111111111111)}}),
			code:    codes.InvalidArgument, reason: "CARD_DATA_REFUSED", field: `payment_method.token_set.tokens[0].client_payload.fields["pan"].number_value`,
		},

		"no token for any account": {request: request("tok_ok", "elsewhere"), code: codes.FailedPrecondition, reason: "NO_ROUTE"},
		"an account that is none":  {fault: func(r *acquitv1.AuthorizeRequest) { r.Account = "elsewhere" }, code: codes.FailedPrecondition, reason: "NO_ROUTE"},
		"too little time":          {timeout: 250 * time.Millisecond, code: codes.DeadlineExceeded, reason: "DEADLINE_TOO_SHORT"},
		// Too large to be read, so it is gRPC itself that refuses.
		"two megabytes": {fault: func(r *acquitv1.AuthorizeRequest) { r.Metadata["x"] = strings.Repeat("x", 2<<20) }, code: codes.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				bad, key := c.request, "key"
				if bad == nil {
					bad = request("tok_ok")
				}
				if c.fault != nil {
					c.fault(bad)
				}
				pairs := []string{"idempotency-key", key}
				if c.keys != nil {
					pairs = nil
					for _, k := range c.keys {
						pairs = append(pairs, "idempotency-key", k)
					}
				}
				ctx := h.Context()
				if c.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.timeout)
					defer cancel()
				}
				r := p.invoke(ctx, acquitv1.PaymentService_Authorize_FullMethodName, bad, pairs...)
				r.refused(c.code, c.reason, c.field)
				h.leftNothing(r)
				if got := p.authorize(h.Context(), key, request("tok_ok")).state(); got != "SUCCEEDED" {
					t.Errorf("the corrected call got %s", got)
				}
			})
		})
	}
}

// leftNothing checks that a refused call left no trace, and that its message
// does not repeat what it refuses.
func (h *house) leftNothing(r result) {
	h.Helper()
	if n := h.records(); n != 0 {
		h.Errorf("a refused call left %d records", n)
	}
	if n := h.received(); n != 0 {
		h.Errorf("a refused call sent %d requests to the provider", n)
	}
	for _, text := range []string{fmt.Sprint(r.err), h.logs.String()} {
		for _, secret := range []string{"4111111111", "1111 1111"} {
			if strings.Contains(text, secret) {
				h.Errorf("the card number is repeated in %s", text)
			}
		}
	}
}

// Goal: keys that Go's client would not send are refused too. Method: HTTP/2 by
// hand.
func TestBadKeysOfOtherClients(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"not ASCII": "schlüssel", "a control character": "key\twith a tab", "high bytes": "key\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHouse(t, setting{}, func(h *house) {
				p := h.one()
				st, err := p.byHand(h.Context(), key, request("tok_ok"))
				if err != nil {
					t.Fatal(err)
				}
				if codes.Code(st.GetCode()) != codes.InvalidArgument || len(st.GetDetails()) == 0 {
					t.Fatalf("got %v", st)
				}
				info := &errdetails.ErrorInfo{}
				if err := st.GetDetails()[0].UnmarshalTo(info); err != nil || info.GetReason() != "IDEMPOTENCY_KEY_INVALID" {
					t.Errorf("got %v, %v", info, err)
				}
				h.leftNothing(result{})
			})
		})
	}
}

// byHand makes an Authorize call with nothing but HTTP/2, and returns the status.
func (p *process) byHand(ctx context.Context, key string, req *acquitv1.AuthorizeRequest) (*rpcstatus.Status, error) {
	raw, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))), raw...)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://acquit"+acquitv1.PaymentService_Authorize_FullMethodName, bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Idempotency-Key": {key}}
	wire := &http.Transport{
		Protocols:   &http.Protocols{},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.listener.DialContext(ctx) },
	}
	wire.Protocols.SetUnencryptedHTTP2(true)
	defer wire.CloseIdleConnections()
	resp, err := wire.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	details := resp.Header.Get("Grpc-Status-Details-Bin") + resp.Trailer.Get("Grpc-Status-Details-Bin")
	raw, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "="))
	if err != nil {
		return nil, err
	}
	st := &rpcstatus.Status{}
	return st, proto.Unmarshal(raw, st)
}
