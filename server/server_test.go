package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

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
	t.Run("methods that are not served say so", func(t *testing.T) {
		id := "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e"
		_, capture := client.Capture(withKey(t, "order-4"), &acquitv1.CaptureRequest{PaymentId: id})
		_, list := client.ListPayments(t.Context(), &acquitv1.ListPaymentsRequest{})
		for _, err := range []error{capture, list} {
			if s := status.Convert(err); s.Code() != codes.Unimplemented || !strings.Contains(s.Message(), "not implemented") {
				t.Errorf("answered %v", err)
			}
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
		r.HTTP + "/anything":          "404 acquit takes no webhooks",
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

// TestDrain: a server that is told to stop while a payment is at the provider
// finishes it, answers its caller, takes no new one meanwhile, says that it is
// not ready, and remembers everything at the next start. The provider takes two
// seconds, so that the order is certain. A stream that never ends, like the watch
// of its health, does not hold it up.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	r := start(t, func(c *Config) {
		c.DataDir = dir
		c.Sandbox.Latency = 2 * time.Second
	})
	conn := r.dial(t)
	client := acquitv1.NewPaymentServiceClient(conn)
	type answer struct {
		response *acquitv1.AuthorizeResponse
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		response, err := client.Authorize(withKey(t, "order-1"), request("tok_ok"))
		answered <- answer{response, err}
	}()
	eventually(t, "the payment is in flight", func() bool { return metric(t, r, "acquit_operation_in_flight") == "1" })
	health, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	expectHealth(t, health, healthv1.HealthCheckResponse_SERVING)
	began := time.Now()
	r.stop()
	expectHealth(t, health, healthv1.HealthCheckResponse_NOT_SERVING)
	if code := r.ops(t, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d", code)
	}
	var late int // one that arrives between the two may still be taken
	eventually(t, "new payments are refused", func() bool {
		late++
		_, err := client.Authorize(withKey(t, fmt.Sprintf("late-%d", late)), request("tok_ok"))
		return status.Code(err) == codes.ResourceExhausted && strings.Contains(status.Convert(err).Message(), "shutting down")
	})
	got := <-answered
	if got.err != nil || got.response.GetOperation().GetState() != acquitv1.OperationState_OPERATION_STATE_SUCCEEDED {
		t.Errorf("the payment in flight was answered %v, %v", got.response, got.err)
	}
	if err := r.wait(t); err != nil {
		t.Errorf("run: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the drain took %s", took)
	}
	if log := r.log.String(); !strings.Contains(log, "msg=stopped operations_left=false") {
		t.Errorf("the drain left something:\n%s", log)
	}
	again := start(t, func(c *Config) { c.DataDir = dir })
	replayed, header := authorize(t, acquitv1.NewPaymentServiceClient(again.dial(t)), "order-1", "tok_ok")
	if !proto.Equal(got.response, replayed) || header.Get("acquit-idempotent-replayed") == nil {
		t.Errorf("after a restart: %v", replayed)
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

// expectHealth reads the next status of a watch.
func expectHealth(t *testing.T, watch grpc.ServerStreamingClient[healthv1.HealthCheckResponse], want healthv1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	got, err := watch.Recv()
	if err != nil || got.GetStatus() != want {
		t.Fatalf("health %v, %v, want %v", got, err, want)
	}
}

// TestDrainGivesUp: what is still at a provider that never answers when the
// drain's time is up does not keep the process; the session is left to expire,
// so that others know that something was in flight.
func TestDrainGivesUp(t *testing.T) {
	r := start(t, func(c *Config) { c.DrainTimeout = 500 * time.Millisecond })
	client := acquitv1.NewPaymentServiceClient(r.dial(t))
	ended := make(chan error, 1)
	go func() {
		_, err := client.Authorize(withKey(t, "order-1"), request("tok_timeout_always"))
		ended <- err
	}()
	eventually(t, "the payment is in flight", func() bool { return metric(t, r, "acquit_operation_in_flight") == "1" })
	began := time.Now()
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("run: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if err := <-ended; err == nil {
		t.Error("a payment that was cut off was answered")
	}
	if log := r.log.String(); !strings.Contains(log, "msg=stopped operations_left=true") {
		t.Errorf("the log does not say that something was left:\n%s", log)
	}
}

// TestRunRefuses: a configuration that must not run does not, whoever made it.
func TestRunRefuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"grpc_addr: 0.0.0.0:0 is not loopback":   func(c *Config) { c.GRPCAddr = "0.0.0.0:0" },
		"accounts[0].driver: must name a driver": func(c *Config) { c.Accounts[0].Driver = "nobody" },
		"tls.cert: open nowhere.pem":             func(c *Config) { c.TLS = TLS{Cert: "nowhere.pem", Key: "nowhere.pem"} },
		"ledger.etcd.tls.ca: open nowhere.pem": func(c *Config) {
			c.Ledger.Etcd = Etcd{Endpoints: []string{"https://127.0.0.1:1"}, TLS: EtcdTLS{CA: "nowhere.pem"}, Prefix: "/x"}
		},
	} {
		t.Run(want, func(t *testing.T) {
			c := Default()
			c.GRPCAddr, c.HTTPAddr, c.OpsAddr, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
			change(&c)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := Run(ctx, c, Process{Stdout: io.Discard, Stderr: t.Output()}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestDataDirIsForOneProcess: two servers on one directory would write over each
// other; the second is told what to do.
func TestDataDirIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	start(t, func(c *Config) { c.DataDir = dir })
	c := Default()
	c.GRPCAddr, c.HTTPAddr, c.OpsAddr, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", dir
	err := Run(t.Context(), c, Process{Stdout: io.Discard, Stderr: t.Output()})
	want := "data_dir: another process uses " + dir + "; stop it, or give this one a directory of its own by --data-dir"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestForeignKeyIsRefused: a ledger that was used with another key refuses to
// open, since the same operations would be sent under other provider keys.
func TestForeignKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := start(t, func(c *Config) { c.DataDir = dir })
	first.stop()
	if err := first.wait(t); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.GRPCAddr, c.HTTPAddr, c.OpsAddr, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", dir
	secret, err := ParseSecret("env:OTHER_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	c.Keys.Secret = secret
	err = Run(t.Context(), c, Process{
		Stdout: io.Discard, Stderr: t.Output(), Environ: Environ{"OTHER_KEYS=1:MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="},
	})
	if err == nil || !strings.Contains(err.Error(), "not the ledger's") {
		t.Errorf("got %v", err)
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
