package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/providers/sandbox/simulator"
)

const sandboxHelp = `Sandbox runs the simulated provider as a process of its own, for several acquit
serve to share, or to stay up while they are killed. Give its address to each as
base_url of an account of driver sandbox. It holds no money, obeys everybody, and
belongs on loopback only. GET /effects shows every effect it had.

What goes wrong with a request, its token says; --tokens lists them. Tokens are
steps joined by _then_, one for each request under the same key, as in
tok_500_after_effect_then_429_then_ok. What goes wrong with a capture, refund or
void, the token of its authorization says after the word, as in
tok_ok_capture_500_after_effect_refund_429_then_ok.`

func newSandbox(t terminal) *cobra.Command {
	var config simulator.Config
	var addr string
	var tokens bool
	cmd := command(cobra.Command{
		Use: "sandbox", Short: "Run the simulated provider alone, or list its tokens", Long: sandboxHelp, Args: cobra.NoArgs,
		Example: "  acquit sandbox --tokens\n  acquit sandbox --addr 127.0.0.1:7410 --data-dir ./acquit-sandbox",
	}, func(ctx context.Context, _ *cobra.Command, _ []string) error {
		if tokens {
			return listTokens(t)
		}
		ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer release()
		defer context.AfterFunc(ctx, release)() // after the first signal, a second one ends the process at once
		config.Logger = slog.New(slog.NewTextHandler(t.err, nil))
		return runSandbox(ctx, t, config, addr)
	})
	flags := cmd.Flags()
	flags.BoolVar(&tokens, "tokens", false, "list the tokens and what they do")
	flags.StringVar(&addr, "addr", "127.0.0.1:7410", "loopback `address` to listen on")
	flags.StringVar(&config.Dir, "data-dir", "./acquit-sandbox", "`directory` of the log of effects")
	flags.DurationVar(&config.Latency, "latency", 0, "how long every answer takes")
	flags.DurationVar(&config.ForgetAfter, "forget-after", 0, "how long a key is remembered; 0 is for ever")
	return cmd
}

// runSandbox serves until ctx ends.
func runSandbox(ctx context.Context, t terminal, config simulator.Config, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || (host != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return usage("--addr %s: must be a loopback host:port: the simulator obeys everybody", addr)
	}
	var listener net.ListenConfig
	bound, err := listener.Listen(ctx, "tcp", addr) // first, so that a taken port leaves no directory behind
	if err != nil {
		return fmt.Errorf("--addr %s: %w", addr, err)
	}
	defer bound.Close()
	s, err := simulator.Open(config) //nolint:contextcheck // it outlives its start, until Close
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "sandbox http://%s   data %s\n", bound.Addr(), config.Dir)
	err = s.Serve(ctx, bound)
	if closing := s.Close(); err == nil {
		err = closing
	}
	return err
}

// listTokens writes the tokens of one step with their meanings.
func listTokens(t terminal) error {
	out := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, token := range simulator.Tokens() {
		fmt.Fprintf(out, "%s\t%s\n", token.Name, token.Meaning)
	}
	fmt.Fprintf(out, "\nSteps are joined by _then_, one per request of a key: tok_500_after_effect_then_429_then_ok.\n"+
		"_always at the end repeats the last step; a duration replaces the one in brackets: tok_late_300ms.\n"+
		"One token steers all that happens to its payment: tok_drop_capture_429_then_ok_refund_pending_5s.\n")
	return out.Flush()
}
