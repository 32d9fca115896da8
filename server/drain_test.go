package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

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
	if code, body := fetched(t, http.MethodPost, "http://"+r.HTTP+"/webhooks/sandbox", "{}"); code != http.StatusServiceUnavailable {
		t.Errorf("a webhook while draining: %d %s", code, body)
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
