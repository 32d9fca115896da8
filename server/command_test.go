package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// command runs the built command and returns what it printed and its exit code.
func command(t *testing.T, environ []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	cmd.Env = append(os.Environ(), environ...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			t.Fatal(err)
		}
		code = ended.ExitCode()
	}
	return out.String(), errs.String(), code
}

// masked replaces what differs from run to run by its kind, in the same width
// where columns depend on it.
func masked(text string) string {
	for _, m := range []struct{ pattern, by string }{
		{`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`, "PAYMENT-ID--------------------------"},
		{`\b[acrvt][0-9a-f]{32}\b`, "OPERATION-ID---------------------"},
		{`\b[A-Z2-7]{24}\b`, "REFERENCE---------------"},
		{`auth_[a-z2-7]{20}`, "AUTH-ID"},
		{`(capture|refund|void)_[a-z2-7]{20}`, "PROVIDER-ID"},
		{`--page [A-Za-z0-9_-]{24,}`, "--page PAGE-TOKEN"},
		{`"next_page_token": "[^"]+"`, `"next_page_token": "PAGE-TOKEN"`},
		{`req_[a-z2-7]+`, "REQUEST-ID"},
		{`cli-[A-Z2-7]{26}`, "GENERATED-KEY"},
		{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z`, "TIME--------------------"},
		{`\+\d+\.\d{3} s`, "+TIME s"},
		{`127\.0\.0\.1:\d+`, "ADDRESS"},
		{`ready in \d+\.\d s`, "ready in N s"},
	} {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.by)
	}
	return text
}

// TestCommands: what a person sees and a script can rely on, command by command
// against a running server: output, errors and exit code, each run compared with
// a file in which ids and times are masked.
func TestCommands(t *testing.T) {
	r := start(t, func(c *Config) { c.Operation.AttemptTimeout = 2 * time.Second }) // what hangs, hangs no longer
	authorize := func(more ...string) []string {
		return append([]string{"authorize", "--addr", r.GRPC, "--amount", "10.00", "--currency", "EUR"}, more...)
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"authorize", authorize("--token", "tok_ok", "--key", "order-1")},
		{"authorize_replayed", authorize("--token", "tok_ok", "--key", "order-1")},
		{"authorize_key_reused", authorize("--token", "tok_ok", "--key", "order-1", "--capture", "automatic")},
		{"authorize_json", authorize("--token", "tok_ok", "--key", "order-2", "--capture", "automatic", "--merchant-reference", "order 2", "--metadata", "shop=berlin", "-o", "json")},
		{"authorize_generated_key", authorize("--token", "tok_ok")},
		{"authorize_declined", authorize("--token", "tok_decline_lost_card", "--key", "order-3")},
		{"authorize_failed", authorize("--token", "tok_400", "--key", "order-4")},
		{"authorize_partial", authorize("--token", "tok_partial", "--key", "order-9")},
		{"authorize_not_done", authorize("--token", "tok_timeout_before_effect_always", "--key", "order 5", "--timeout", "1s")},
		{"authorize_unknown", authorize("--token", "tok_redirect", "--key", "order-10")},
		{"authorize_unknown_json", authorize("--token", "tok_redirect", "--key", "order-11", "-o", "json")},
		{"authorize_requires_action", authorize("--token", "tok_requires_action", "--key", "order-6")},
		{"authorize_no_route", authorize("--token", "tok_ok", "--key", "order-7", "--account", "nobody")},
		{"authorize_invalid", authorize("--token", "tok with spaces", "--key", "order-8")},
		{"authorize_empty_key", authorize("--token", "tok_ok", "--key", "")},
		{"authorize_foreign_key", authorize("--token", "tok_ok", "--key", "ä")},
		{"authorize_long_key", authorize("--token", "tok_ok", "--key", strings.Repeat("k", 129))},
		{"authorize_padded_key", authorize("--token", "tok_ok", "--key", "k ")},
		{"authorize_no_certificate", authorize("--token", "tok_ok", "--tls-ca", "testdata/none.pem")},
		{"authorize_bad_amount", []string{"authorize", "--addr", r.GRPC, "--amount", "10,00", "--currency", "EUR", "--token", "tok_ok"}},
		{"authorize_no_token", []string{"authorize", "--addr", r.GRPC, "--amount", "10.00", "--currency", "EUR"}},
		{"authorize_not_reachable", []string{"authorize", "--addr", "127.0.0.1:1", "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "k"}},
		{"get_not_found", []string{"get", "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e", "--addr", r.GRPC}},
		{"get_not_found_json", []string{"get", "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e", "--addr", r.GRPC, "-o", "json"}},
		{"unknown_command", []string{"autorize"}},
		{"unknown_flag", []string{"etcd", "--dat-dir", "x"}},
		{"help", []string{"help"}},
		{"help_unknown", []string{"help", "bogus"}},
		{"help_config_unknown", []string{"help", "config", "bogus"}},
		{"help_config_check", []string{"help", "config", "check"}},
		{"help_etcd", []string{"etcd", "--help"}},
		{"help_authorize", []string{"authorize", "--help"}},
		{"help_capture", []string{"capture", "--help"}},
		{"help_refund", []string{"refund", "--help"}},
		{"help_void", []string{"void", "--help"}},
		{"help_complete", []string{"complete", "--help"}},
		{"help_get", []string{"get", "--help"}},
		{"help_list", []string{"list", "--help"}},
		{"help_serve", []string{"serve", "--help"}},
		{"sandbox_tokens", []string{"sandbox", "--tokens"}},
		{"sandbox_open", []string{"sandbox", "--addr", "0.0.0.0:0"}},
		{"config_check", []string{"config", "check", "../deploy/acquit.example.yaml"}},
		{"mapping_no_driver", []string{"mapping", "--driver", "nobody"}},
		{"serve_taken_port", []string{"serve", "--grpc-addr", r.GRPC}},
		{"serve_open", []string{"serve", "--grpc-addr", "0.0.0.0:7400"}},
	} {
		t.Run(c.name, func(t *testing.T) { goldenCommand(t, c.name, c.args...) })
	}
}

// goldenCommand runs a command and compares what it did with a file.
func goldenCommand(t *testing.T, name string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, code := command(t, nil, args...)
	golden(t, filepath.Join("commands", name+".golden.txt"), fmt.Appendf(nil,
		"$ acquit %s\n%s--- stderr\n%s--- exit code %d\n", masked(strings.Join(args, " ")), masked(stdout), masked(stderr), code))
	return stdout
}

// TestGetCommand: the payment of a call that was sent twice, as text, as a
// timeline, and as JSON.
func TestGetCommand(t *testing.T) {
	r := start(t, nil)
	stdout, stderr, code := command(t, nil, "authorize", "--addr", r.GRPC, "--amount", "1234", "--currency", "JPY",
		"--token", "tok_500_after_effect", "--key", "order-1", "--merchant-reference", "shirt")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	id := strings.Fields(stdout)[1]
	for name, more := range map[string][]string{"get": nil, "get_timeline": {"--timeline"}, "get_json": {"-o", "json"}} {
		stdout, stderr, code := command(t, nil, append([]string{"get", id, "--addr", r.GRPC}, more...)...)
		golden(t, filepath.Join("commands", name+".golden.txt"), fmt.Appendf(nil,
			"$ acquit %s\n%s--- stderr\n%s--- exit code %d\n", strings.Join(append([]string{"get", "PAYMENT"}, more...), " "), masked(stdout), masked(stderr), code))
	}
}

// TestGetCommandPartial: a payment of which the provider authorized a part is
// never shown as if it were the whole.
func TestGetCommandPartial(t *testing.T) {
	r := start(t, nil)
	stdout, stderr, code := command(t, nil, "authorize", "--addr", r.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_partial", "--key", "order-1")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	id := strings.Fields(stdout)[1]
	for name, more := range map[string][]string{"get_partial": nil, "get_partial_timeline": {"--timeline"}} {
		stdout, stderr, code := command(t, nil, append([]string{"get", id, "--addr", r.GRPC}, more...)...)
		golden(t, filepath.Join("commands", name+".golden.txt"), fmt.Appendf(nil,
			"$ acquit %s\n%s--- stderr\n%s--- exit code %d\n", strings.Join(append([]string{"get", "PAYMENT"}, more...), " "), masked(stdout), masked(stderr), code))
	}
}

// stubborn is a service that refuses every call, or hangs.
type stubborn struct {
	acquitv1.UnimplementedPaymentServiceServer

	refusal error
	hangs   chan struct{} // closed when a call does; nil refuses
}

func (s *stubborn) answer(ctx context.Context) error {
	if s.hangs != nil {
		close(s.hangs)
		<-ctx.Done()
	}
	return s.refusal
}

func (s *stubborn) Authorize(ctx context.Context, _ *acquitv1.AuthorizeRequest) (*acquitv1.AuthorizeResponse, error) {
	return nil, s.answer(ctx)
}

func (s *stubborn) Capture(ctx context.Context, _ *acquitv1.CaptureRequest) (*acquitv1.CaptureResponse, error) {
	return nil, s.answer(ctx)
}

func (s *stubborn) Refund(ctx context.Context, _ *acquitv1.RefundRequest) (*acquitv1.RefundResponse, error) {
	return nil, s.answer(ctx)
}

func (s *stubborn) Void(ctx context.Context, _ *acquitv1.VoidRequest) (*acquitv1.VoidResponse, error) {
	return nil, s.answer(ctx)
}

func (s *stubborn) CompleteAuthorization(ctx context.Context, _ *acquitv1.CompleteAuthorizationRequest) (*acquitv1.CompleteAuthorizationResponse, error) {
	return nil, s.answer(ctx)
}

func (s *stubborn) GetPayment(context.Context, *acquitv1.GetPaymentRequest) (*acquitv1.GetPaymentResponse, error) {
	return nil, s.refusal
}

// listen serves it until the test ends and returns its address.
func (s *stubborn) listen(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := grpc.NewServer()
	acquitv1.RegisterPaymentServiceServer(service, s)
	go func() { _ = service.Serve(listener) }() // it ends with the test
	t.Cleanup(service.Stop)
	return listener.Addr().String()
}

// TestRefusedCommands: what to do about a refusal is said with the key by a
// command that has one, and without by one that only reads.
func TestRefusedCommands(t *testing.T) {
	for name, reason := range map[string]string{
		"ledger_down": "LEDGER_UNAVAILABLE", "internal": "INTERNAL", "pending": "OUTCOME_PENDING", "bare": "",
	} {
		refusal := status.New(codes.Unavailable, "no")
		if reason != "" {
			var err error
			if refusal, err = refusal.WithDetails(&errdetails.ErrorInfo{Reason: reason}); err != nil {
				t.Fatal(err)
			}
		}
		addr, payment := (&stubborn{refusal: refusal.Err()}).listen(t), "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e"
		var all bytes.Buffer
		for _, args := range [][]string{
			{"get", payment, "--addr", addr},
			{"authorize", "--addr", addr, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "it's 1"},
			{"authorize", "--addr", addr, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "order-1", "-o", "json"},
			{"capture", payment, "--addr", addr, "--key", "parcel 1"},
			{"capture", payment, "--addr", addr, "--amount", "4.00", "--key", "parcel 1"}, // refused before: the payment is read first
			{"refund", payment, "--addr", addr, "--key", "return-1"},
			{"void", payment, "--addr", addr, "--key", "void-1", "-o", "json"},
		} {
			stdout, stderr, code := command(t, nil, args...)
			fmt.Fprintf(&all, "$ acquit %s\n%s--- stderr\n%s--- exit code %d\n", masked(strings.Join(args, " ")), masked(stdout), masked(stderr), code)
		}
		golden(t, filepath.Join("commands", "refused_"+name+".golden.txt"), all.Bytes())
	}
}

// TestInterruptedCommands: whoever interrupts a call that is out is told that
// there may be an effect, and by which key to ask again. The service hangs, so
// the signal alone ends the command.
func TestInterruptedCommands(t *testing.T) {
	payment := "0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e"
	for _, args := range [][]string{
		{"authorize", "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok"}, {"capture", payment}, {"refund", payment}, {"void", payment}, {"complete", payment},
	} {
		for _, interrupt := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
			s := &stubborn{hangs: make(chan struct{})}
			cmd := exec.CommandContext(t.Context(), binary(t), append(args, "--addr", s.listen(t), "--timeout", "5m")...)
			var stderr safeBuffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-s.hangs
			if err := cmd.Process.Signal(interrupt); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the exit code is looked at
			if code := cmd.ProcessState.ExitCode(); code != 4 {
				t.Errorf("%s, %s: exit code %d, want 4", args[0], interrupt, code)
			}
			golden(t, filepath.Join("commands", "interrupted.golden.txt"), []byte(masked(stderr.String())))
		}
	}
}

// TestMappingCommand: the table in its three forms, all of the same rows.
func TestMappingCommand(t *testing.T) {
	for _, shape := range []string{"text", "markdown", "json"} {
		stdout, stderr, code := command(t, nil, "mapping", "--driver", "sandbox", "--format", shape)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "sandbox.authorize.authorized") || !strings.Contains(stdout, "any.unknown") {
			t.Errorf("%s: exit code %d, %s\n%s", shape, code, stderr, stdout)
		}
	}
}

// TestConfigCheckCommand: all mistakes of file and environment, and no secret.
func TestConfigCheckCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "acquit.yaml")
	document := "grpc_adr: x\naccounts: [{name: a, driver: sandbox, environment: sandbox, credential: hunter2}]\n"
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := command(t, []string{"ACQUIT_INSECURE=maybe"}, "config", "check", path)
	want := "error: " + path + " is not usable:\n" +
		"ACQUIT_INSECURE: \"maybe\" is neither true nor false\n" +
		"accounts[0].credential: " + errInlineSecret.Error() + "\n" +
		"grpc_adr: unknown key (did you mean grpc_addr?)\n"
	if stderr != want || code != 1 {
		t.Errorf("exit code %d:\n%swant:\n%s", code, stderr, want)
	}
}
