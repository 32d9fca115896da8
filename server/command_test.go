package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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

// TestServeCommand: the first thing a newcomer does, on a machine with nothing:
// the process is ready within two seconds, prints the banner and nothing else,
// takes a payment, and ends well on SIGTERM.
func TestServeCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acquit-data")
	serve := exec.CommandContext(t.Context(), binary(t), "serve", "--data-dir", dir,
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	var out, log safeBuffer
	serve.Stdout, serve.Stderr = &out, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	t.Cleanup(func() { _ = serve.Process.Kill() })
	eventually(t, "the banner is printed", func() bool { return strings.Contains(out.String(), "acquit mapping") })
	var took float64
	if _, err := fmt.Sscanf(out.String()[strings.Index(out.String(), "ready in"):], "ready in %f s", &took); err != nil || took > 2 {
		t.Errorf("ready in %.1f s (%v)", took, err)
	}
	golden(t, "banner_serve.golden.txt", []byte(strings.ReplaceAll(masked(out.String()), dir, "DIRECTORY")))
	addr := regexp.MustCompile(`grpc (\S+)`).FindStringSubmatch(out.String())[1]
	if stdout, stderr, code := command(t, nil, "authorize", "--addr", addr, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok"); code != 0 {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve: %v\n%s", err, &log)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("serve did not end\n%s", &log)
	}
}

// TestSecondSignalEndsAtOnce: whoever cannot wait for a drain sends the signal
// again. The provider never answers, so the drain alone would take its 30 s.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	serve := exec.CommandContext(t.Context(), binary(t), "serve", "--data-dir", t.TempDir(),
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	var out, log safeBuffer
	serve.Stdout, serve.Stderr = &out, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve.Wait() // it is ended by a signal
	}()
	t.Cleanup(func() { _ = serve.Process.Kill() })
	address := regexp.MustCompile(`grpc (\S+)`)
	eventually(t, "the banner is printed", func() bool { return address.MatchString(out.String()) })
	command(t, nil, "authorize", "--addr", address.FindStringSubmatch(out.String())[1], "--amount", "10.00", "--currency", "EUR",
		"--token", "tok_timeout_always", "--timeout", "1s")
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server drains", func() bool { return strings.Contains(log.String(), "msg=draining") })
	began := time.Now()
	eventually(t, "the server has ended", func() bool {
		_ = serve.Process.Signal(syscall.SIGTERM) // fails once it has ended
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestEtcdAndSandboxCommands: two servers share one etcd and one simulator that
// run alone: what one of them did, the other replays.
func TestEtcdAndSandboxCommands(t *testing.T) {
	dir := t.TempDir()
	endpoint, _ := alone(t, `etcd (\S+) `, "etcd", "--data-dir", filepath.Join(dir, "etcd"), "--addr", "127.0.0.1:0")
	provider, _ := alone(t, `sandbox (\S+) `, "sandbox", "--data-dir", filepath.Join(dir, "sandbox"), "--addr", "127.0.0.1:0")
	share := func(c *Config) {
		c.Ledger.Etcd.Endpoints = []string{endpoint}
		c.Accounts[0].BaseURL = provider
		c.Keys.File = filepath.Join(dir, "keyring")
	}
	one, two := start(t, share), start(t, share)
	first, _, code := command(t, nil, "authorize", "--addr", one.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "order-1", "-o", "json")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	second, _, code := command(t, nil, "authorize", "--addr", two.GRPC, "--amount", "10.00", "--currency", "EUR", "--token", "tok_ok", "--key", "order-1", "-o", "json")
	if code != 0 || first != second {
		t.Errorf("exit code %d, not the same answer:\n%s\n%s", code, first, second)
	}
}

// TestNotReadyWithoutItsLedger: a server whose etcd is gone says that it is not
// ready, so that it is sent no payments it could not take.
func TestNotReadyWithoutItsLedger(t *testing.T) {
	endpoint, stop := alone(t, `etcd (\S+) `, "etcd", "--data-dir", t.TempDir(), "--addr", "127.0.0.1:0")
	r := start(t, func(c *Config) { c.Ledger.Etcd.Endpoints = []string{endpoint} })
	if code := r.ops(t, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready with its ledger: %d", code)
	}
	stop()
	eventually(t, "the server is not ready", func() bool { return r.ops(t, "/readyz") == http.StatusServiceUnavailable })
	if code := r.ops(t, "/healthz"); code != http.StatusOK {
		t.Errorf("not alive: %d", code)
	}
}

// alone starts a command that runs until stop is called or everything that the
// test started later has ended, and returns what it announces on its standard
// output.
func alone(t *testing.T, announces string, args ...string) (announced string, stop func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, binary(t), args...)
	var out, log safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v\n%s", args, err, &log)
		}
	})
	pattern := regexp.MustCompile(announces)
	eventually(t, fmt.Sprintf("%v announces itself", args), func() bool { return pattern.MatchString(out.String()) })
	return pattern.FindStringSubmatch(out.String())[1], stop
}
