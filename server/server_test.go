package server

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// TestServeTakesPayments: a server without configuration takes a payment,
// replays its answer, shows it, and serves what clients and people need around
// it. One server, since each starts an etcd; a subtest per promise.
func TestServeTakesPayments(t *testing.T) {
	r := start(t, nil)
	conn := r.dial(t)
	client := acquitv1.NewPaymentServiceClient(conn)

	t.Run("authorize, replay and get", func(t *testing.T) {
		first, _ := authorize(t, client, "order-1", "tok_ok")
		if first.GetOperation().GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED ||
			first.GetPayment().GetAuthorized().GetMinorUnits() != 1000 {
			t.Fatalf("not authorized: %v", first)
		}
		again, header := authorize(t, client, "order-1", "tok_ok")
		if !proto.Equal(first, again) || header.Get("acquit-idempotent-replayed") == nil {
			t.Errorf("not the stored answer: %v, header %v", again, header)
		}
		got, err := client.GetPayment(t.Context(), &acquitv1.GetPaymentRequest{PaymentId: first.GetPayment().GetPaymentId()})
		if err != nil {
			t.Fatal(err)
		}
		want := &acquitv1.GetPaymentResponse{Payment: first.GetPayment(), Operations: []*acquitv1.Operation{first.GetOperation()}}
		if !proto.Equal(want, got) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("a decline is an answer", func(t *testing.T) {
		response, _ := authorize(t, client, "order-2", "tok_decline_insufficient_funds")
		if got := response.GetOperation().GetDecline().GetCode(); got != "insufficient_funds" {
			t.Errorf("decline code %q", got)
		}
	})
	t.Run("a message of 2 MiB is refused", func(t *testing.T) {
		big := request("tok_ok")
		big.Metadata = map[string]string{"note": strings.Repeat("x", 2<<20)}
		_, err := client.Authorize(withKey(t, "order-3"), big)
		if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "larger than max") {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("capture, refund and void", func(t *testing.T) { moves(t, client) })
	t.Run("one operation by all its names", func(t *testing.T) { named(t, client) })
	t.Run("payments page by page", func(t *testing.T) { pages(t, client) })
	t.Run("methods that are not served say so", func(t *testing.T) {
		id := "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e"
		watch, err := client.WatchPayment(t.Context(), &acquitv1.WatchPaymentRequest{PaymentId: id})
		if err == nil {
			_, err = watch.Recv()
		}
		if s := status.Convert(err); s.Code() != codes.Unimplemented || !strings.Contains(s.Message(), "not implemented") {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("operators are told what is configured and built in", func(t *testing.T) { explains(t, acquitv1.NewOperatorServiceClient(conn)) })
	t.Run("health and reflection", func(t *testing.T) { discoverable(t, conn) })
	t.Run("metrics, health and webhooks over HTTP", func(t *testing.T) { httpAside(t, r) })
	t.Run("the banner names the addresses", func(t *testing.T) {
		if got := r.out.String(); !strings.Contains(got, r.GRPC) || !strings.Contains(got, "SANDBOX, no authentication, loopback only") {
			t.Errorf("banner:\n%s", got)
		}
	})
}

// authorize makes a keyed call that has to be answered.
func authorize(t *testing.T, client acquitv1.PaymentServiceClient, key, token string) (*acquitv1.AuthorizeResponse, metadata.MD) {
	t.Helper()
	var header metadata.MD
	response, err := client.Authorize(withKey(t, key), request(token), grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	return response, header
}

// moves: money is taken, given back and released by parts, each once per key, and
// the payment shows it. A replayed key is answered with what was stored, although
// the payment would refuse the call by now.
func moves(t *testing.T, client acquitv1.PaymentServiceClient) {
	t.Helper()
	first, _ := authorize(t, client, "moves", "tok_ok")
	id := first.GetPayment().GetPaymentId()
	capture := func(key string, r *acquitv1.CaptureRequest) (*acquitv1.CaptureResponse, metadata.MD, error) {
		var header metadata.MD
		r.PaymentId = id
		response, err := client.Capture(withKey(t, key), r, grpc.Header(&header))
		return response, header, err
	}
	four := &acquitv1.Money{MinorUnits: 400, CurrencyCode: "EUR"}
	captured, _, err := capture("moves-1", &acquitv1.CaptureRequest{Amount: four, Final: true})
	if p := captured.GetPayment(); err != nil || p.GetCaptured().GetMinorUnits() != 400 || p.GetReleased().GetMinorUnits() != 600 ||
		captured.GetOperation().GetMethod() != acquitv1.Method_METHOD_CAPTURE {
		t.Errorf("capture: %v, %v", captured, err)
	}
	again, header, err := capture("moves-1", &acquitv1.CaptureRequest{Amount: four, Final: true})
	if err != nil || !proto.Equal(captured, again) || header.Get("acquit-idempotent-replayed") == nil {
		t.Errorf("not the stored answer: %v, %v", again, err)
	}
	_, _, err = capture("moves-2", &acquitv1.CaptureRequest{})
	requireReason(t, err, codes.FailedPrecondition, "PAYMENT_NOT_CAPTURABLE")
	refunded, err := client.Refund(withKey(t, "moves-1"), &acquitv1.RefundRequest{PaymentId: id, Reason: acquitv1.RefundReason_REFUND_REASON_RETURN})
	if p := refunded.GetPayment(); err != nil || p.GetStatus() != acquitv1.PaymentStatus_PAYMENT_STATUS_REFUNDED || p.GetRefunded().GetMinorUnits() != 400 {
		t.Errorf("refund: %v, %v", refunded, err)
	}
	_, err = client.Refund(withKey(t, "moves-2"), &acquitv1.RefundRequest{PaymentId: id, Amount: &acquitv1.Money{MinorUnits: 1, CurrencyCode: "USD"}})
	requireReason(t, err, codes.FailedPrecondition, "CURRENCY_MISMATCH")
	_, err = client.Void(withKey(t, "moves-1"), &acquitv1.VoidRequest{PaymentId: id})
	requireReason(t, err, codes.FailedPrecondition, "PAYMENT_NOT_VOIDABLE")

	second, _ := authorize(t, client, "moves-other", "tok_ok")
	voided, err := client.Void(withKey(t, "moves-2"), &acquitv1.VoidRequest{PaymentId: second.GetPayment().GetPaymentId()})
	if p := voided.GetPayment(); err != nil || p.GetStatus() != acquitv1.PaymentStatus_PAYMENT_STATUS_VOIDED || p.GetReleased().GetMinorUnits() != 1000 {
		t.Errorf("void: %v, %v", voided, err)
	}
	read, err := client.GetPayment(t.Context(), &acquitv1.GetPaymentRequest{PaymentId: id})
	want := []*acquitv1.Operation{first.GetOperation(), captured.GetOperation(), refunded.GetOperation()}
	if err != nil || !proto.Equal(refunded.GetPayment(), read.GetPayment()) || !slices.EqualFunc(want, read.GetOperations(), equal) {
		t.Errorf("read as %v, %v", read, err)
	}
}

func equal(a, b *acquitv1.Operation) bool { return proto.Equal(a, b) }

// named: an operation is found by its id, by its reference id and by its key, and
// what was never called is not found by any of them.
func named(t *testing.T, client acquitv1.PaymentServiceClient) {
	t.Helper()
	made, _ := authorize(t, client, "named", "tok_ok")
	op := made.GetOperation()
	get := func(r *acquitv1.GetOperationRequest) (*acquitv1.GetOperationResponse, error) {
		return client.GetOperation(t.Context(), r)
	}
	byKey := func(m acquitv1.Method, key string) *acquitv1.GetOperationRequest {
		return &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{Key: &acquitv1.OperationKey{Method: m, IdempotencyKey: key}}}
	}
	byID := func(id string) *acquitv1.GetOperationRequest {
		return &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_OperationId{OperationId: id}}
	}
	byReference := func(id string) *acquitv1.GetOperationRequest {
		return &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_ReferenceId{ReferenceId: id}}
	}
	for _, r := range []*acquitv1.GetOperationRequest{
		byKey(acquitv1.Method_METHOD_AUTHORIZE, "named"), byID(op.GetOperationId()), byReference(op.GetReferenceId()),
	} {
		if got, err := get(r); err != nil || !proto.Equal(got.GetOperation(), op) || !proto.Equal(got.GetPayment(), made.GetPayment()) {
			t.Errorf("%v: %v, %v", r, got, err)
		}
	}
	for _, r := range []*acquitv1.GetOperationRequest{
		byKey(acquitv1.Method_METHOD_CAPTURE, "named"), byKey(acquitv1.Method_METHOD_AUTHORIZE, "unnamed"),
		byID("c" + op.GetOperationId()[1:]), byID("x"), byID("0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e"),
		byReference("A" + op.GetReferenceId()[1:] + "A"), byReference("x"),
	} {
		_, err := get(r)
		requireReason(t, err, codes.NotFound, "NOT_FOUND")
	}
}

// pages: pages one after the other hold each payment once, the newest first, and
// a token belongs to its list.
func pages(t *testing.T, client acquitv1.PaymentServiceClient) {
	t.Helper()
	var want []string
	for _, key := range []string{"paged-1", "paged-2", "paged-3"} {
		r := request("tok_ok")
		r.MerchantReference = "paged"
		made, err := client.Authorize(withKey(t, key), r)
		if err != nil {
			t.Fatal(err)
		}
		want = append([]string{made.GetPayment().GetPaymentId()}, want...)
	}
	var got []string
	r := &acquitv1.ListPaymentsRequest{MerchantReference: "paged", PageSize: 2}
	for range 3 {
		page, err := client.ListPayments(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.GetPayments() {
			got = append(got, p.GetPaymentId())
		}
		if r.PageToken = page.GetNextPageToken(); r.PageToken == "" {
			break
		}
		other := &acquitv1.ListPaymentsRequest{PageToken: r.GetPageToken()}
		_, err = client.ListPayments(t.Context(), other)
		requireReason(t, err, codes.InvalidArgument, "REQUEST_INVALID")
	}
	if !slices.Equal(want, got) {
		t.Errorf("listed %v, want %v", got, want)
	}
	all, err := client.ListPayments(t.Context(), &acquitv1.ListPaymentsRequest{})
	if err != nil || len(all.GetPayments()) <= len(want) || all.GetPayments()[0].GetPaymentId() != want[0] {
		t.Errorf("all: %v, %v", all, err)
	}
}

// requireReason: a refusal has this code and says this reason.
func requireReason(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	s := status.Convert(err)
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && s.Code() == code && info.GetReason() == reason {
			return
		}
	}
	t.Errorf("answered %v, want %s / %s", err, code, reason)
}

func explains(t *testing.T, operators acquitv1.OperatorServiceClient) {
	t.Helper()
	accounts, err := operators.ListAccounts(t.Context(), &acquitv1.ListAccountsRequest{})
	if err != nil || len(accounts.GetAccounts()) != 1 || accounts.GetAccounts()[0].GetDriver() != "sandbox" ||
		!slices.Contains(accounts.GetAccounts()[0].GetOperations(), acquitv1.Method_METHOD_AUTHORIZE) {
		t.Errorf("accounts %v, %v", accounts, err)
	}
	row, err := operators.ExplainMapping(t.Context(), &acquitv1.ExplainMappingRequest{
		Driver: "sandbox", Operation: acquitv1.Method_METHOD_AUTHORIZE, ProviderCode: "declined", DeclineCode: "insufficient_funds", HttpStatus: 402,
	})
	if err != nil || row.GetRow().GetEvidence() != acquitv1.Evidence_EVIDENCE_NO_EFFECT_STICKY ||
		row.GetStep() != acquitv1.LadderStep_LADDER_STEP_DRIVER_OPERATION_CODE {
		t.Errorf("row %v, %v", row, err)
	}
	row, err = operators.ExplainMapping(t.Context(), &acquitv1.ExplainMappingRequest{Driver: "sandbox", TransportClass: "timeout"})
	if err != nil || row.GetRow().GetEvidence() != acquitv1.Evidence_EVIDENCE_UNKNOWN || row.GetStep() != acquitv1.LadderStep_LADDER_STEP_TRANSPORT_CLASS {
		t.Errorf("row %v, %v", row, err)
	}
	if _, err := operators.ExplainMapping(t.Context(), &acquitv1.ExplainMappingRequest{Driver: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown driver: %v", err)
	}
}

func discoverable(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	for _, service := range []string{"", "acquit.v1.PaymentService", "acquit.v1.OperatorService"} {
		checked, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || checked.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, checked, err)
		}
	}
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.GetListServicesResponse().String(); !strings.Contains(got, "acquit.v1.PaymentService") {
		t.Errorf("services %s", got)
	}
}

func httpAside(t *testing.T, r *running) {
	t.Helper()
	for url, want := range map[string]string{
		r.Ops + "/healthz":            "200 alive",
		r.Ops + "/readyz":             "200 ready",
		r.Ops + "/debug/pprof/symbol": "200 num_symbols: 1",
		r.Ops + "/metrics":            "200 acquit_operation_",
		r.HTTP + "/anything":          "404 webhooks are at /webhooks/ACCOUNT",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		code, text, _ := strings.Cut(want, " ")
		if err != nil || !strings.HasPrefix(response.Status, code) || !bytes.Contains(body, []byte(text)) {
			t.Errorf("%s: %s %.300s %v, want %s", url, response.Status, body, err, want)
		}
	}
}

// TestUnknownIsResolvedAfterARestart: a payment whose answer never came is
// unknown when its server stops; the next one on the same directory finds it at
// the provider, although the simulator listens on another port by then. The
// provider has its effect and hangs.
func TestUnknownIsResolvedAfterARestart(t *testing.T) {
	dir := t.TempDir()
	first := start(t, func(c *Config) {
		c.DataDir = dir
		c.Operation.AttemptTimeout, c.Operation.InlineBudget = time.Second, 100*time.Millisecond
	})
	interim, _ := authorize(t, acquitv1.NewPaymentServiceClient(first.dial(t)), "order-1", "tok_timeout")
	if got := interim.GetOperation().GetState(); got != acquitv1.OperationState_OPERATION_STATE_INTENT {
		t.Errorf("interim state %s", got)
	}
	first.stop()
	if err := first.wait(t); err != nil {
		t.Fatal(err)
	}
	second := start(t, func(c *Config) { c.DataDir = dir })
	client := acquitv1.NewPaymentServiceClient(second.dial(t))
	left, err := client.GetPayment(t.Context(), &acquitv1.GetPaymentRequest{PaymentId: interim.GetPayment().GetPaymentId()})
	if err != nil || left.GetPayment().GetStatus() != acquitv1.PaymentStatus_PAYMENT_STATUS_UNKNOWN {
		t.Errorf("left as %v, %v", left, err)
	}
	resolved, _ := authorize(t, client, "order-1", "tok_timeout")
	if got := resolved.GetOperation(); got.GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED || len(got.GetAttempts()) != 1 {
		t.Errorf("resolved as %v", got)
	}
}

// metric is the value of a metric without labels, "" if there is none.
func metric(t *testing.T, r *running, name string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Ops+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(body)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			found[key] = value
		}
	}
	if value, ok := found[name]; ok {
		return value
	}
	for _, known := range slices.Sorted(maps.Keys(found)) {
		if strings.HasPrefix(known, name+"{") {
			return found[known]
		}
	}
	return ""
}

// eventually polls a condition that something outside of the test brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("in vain: %s", what)
		}
	}
}
