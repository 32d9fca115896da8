package stripe_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/stripe"
	"github.com/acquitpay/acquit/providers/stripe/stripetest"
)

// Goal: every request that the driver makes is one that Stripe's own description
// of its API knows. Method: stripe-mock, Stripe's server that checks parameters
// against that description and keeps no state, built from the module file of the
// tools. A request with one parameter too many shows that it does check.
func TestStripesOwnDescription(t *testing.T) {
	client := mock(t)
	d := stripe.New(stripe.Config{Credential: "sk_test_123"})
	fence := stripetest.Send(payment.MethodAuthorize)
	fence.Step, fence.ProviderReference = payment.StepCancel(1), "pi_1"
	known := func(m payment.Method, id payment.ProviderReference) payment.Send {
		s := stripetest.Send(m)
		s.ProviderReference = id
		return s
	}
	automatic := stripetest.Send(payment.MethodAuthorize)
	automatic.Instruction.CaptureMode = payment.CaptureAutomatic
	automatic.Instruction.Tokens["main"] = payment.Token{ClientPayload: []byte(`{"confirmation_token":"ctoken_1"}`)}
	reason := stripetest.Send(payment.MethodRefund)
	reason.Instruction.Reason = "fraudulent"
	for name, build := range map[string]func() (providers.Request, error){
		"authorize":           func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodAuthorize)) },
		"authorize at once":   func() (providers.Request, error) { return d.Build(automatic) },
		"capture":             func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodCapture)) },
		"refund":              func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodRefund)) },
		"refund for a reason": func() (providers.Request, error) { return d.Build(reason) },
		"void":                func() (providers.Request, error) { return d.Build(stripetest.Send(payment.MethodVoid)) },
		"fence":               func() (providers.Request, error) { return d.Fence(fence) },
		"search":              func() (providers.Request, error) { return d.Query(known(payment.MethodAuthorize, "")) },
		"retrieve":            func() (providers.Request, error) { return d.Query(known(payment.MethodAuthorize, "pi_1")) },
		"retrieve the hold":   func() (providers.Request, error) { return d.Query(known(payment.MethodCapture, "")) },
		"list refunds":        func() (providers.Request, error) { return d.Query(known(payment.MethodRefund, "")) },
		"retrieve refund":     func() (providers.Request, error) { return d.Query(known(payment.MethodRefund, "re_1")) },
	} {
		r, err := build()
		if err != nil {
			t.Fatal(err)
		}
		if status, body := exchange(t, client, d, r); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if r.Method != http.MethodPost {
			continue
		}
		r.Body = append(r.Body, "&acquit=1"...)
		if status, body := exchange(t, client, d, r); status != http.StatusBadRequest {
			t.Errorf("%s with a parameter that there is not: %d %s", name, status, body)
		}
	}
}

// mock starts stripe-mock and returns a client that reaches it and nothing else.
func mock(t *testing.T) *http.Client {
	t.Helper()
	dir := t.TempDir()
	binary, socket := filepath.Join(dir, "stripe-mock"), filepath.Join(dir, "socket")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	build := exec.CommandContext(ctx, "go", "build", "-modfile", ".ci/tools/go.mod", "-o", binary, "github.com/stripe/stripe-mock")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stripe-mock: %v\n%s", err, out)
	}
	var said bytes.Buffer
	server := exec.CommandContext(ctx, binary, "-http-unix", socket)
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // what it wrote says more than its exit code
	}()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
	})
	var dialer net.Dialer
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := dial(ctx, "", "")
		if err == nil {
			_ = conn.Close()
			return &http.Client{Transport: &http.Transport{DialContext: dial}}
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("stripe-mock ended: %s", &said)
		case <-ctx.Done():
			t.Fatalf("stripe-mock does not listen: %v", err)
		}
	}
}

// exchange sends a request of the driver as it is.
func exchange(t *testing.T, client *http.Client, d providers.Driver, r providers.Request) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, "http://stripe-mock"+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r.Header.Clone()
	if err := d.Sign(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, fmt.Sprintf("%.400s", body)
}
