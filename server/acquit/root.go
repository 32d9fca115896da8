package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/server"
)

// The exit codes, as `acquit help` documents them.
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitDeclined = 3
	exitUnknown  = 4
)

const rootHelp = `acquit takes payments and sends each to a payment provider at most once, through
crashes, retries and unknown outcomes.

Run the service with a simulated provider, then try it from another terminal:

  acquit serve
  acquit authorize --amount 10.00 --currency EUR --token tok_ok
  acquit capture PAYMENT --amount 4.00
  acquit refund PAYMENT
  acquit get PAYMENT --timeline

Exit codes:
  0  done
  1  refused or not reachable; nothing new was done
  2  the command line is wrong
  3  declined or failed: certainly no money moved
  4  the outcome is not known (yet): ask again with the same key, never a new one`

// terminal is what a command talks to.
type terminal struct {
	out, err io.Writer
	environ  server.Environ
}

// result is how a command ended when it did not end well. A nil err has been
// reported already.
type result struct {
	code int
	err  error
}

// Error implements error.
func (r *result) Error() string {
	if r.err == nil {
		return fmt.Sprintf("exit code %d", r.code)
	}
	return r.err.Error()
}

// Unwrap returns the cause.
func (r *result) Unwrap() error { return r.err }

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, t terminal) int {
	root := newRoot(t) //nolint:contextcheck // cobra hands the context to the command that it runs
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	ended, ok := errors.AsType[*result](err)
	if !ok { // cobra's own: the command did not begin
		fmt.Fprintf(t.err, "error: %v\nSee %s --help.\n", err, cmd.CommandPath())
		return exitUsage
	}
	if ended.err != nil {
		fmt.Fprintf(t.err, "error: %v\n", ended.err)
	}
	return ended.code
}

// newRoot is the command tree.
func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use: "acquit", Short: "Payment orchestration with at most one effect per idempotency key", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetHelpCommand(newHelp())
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		newServe(t), newAuthorize(t), newCapture(t), newRefund(t), newVoid(t), newComplete(t), newGet(t), newList(t), newMapping(t), newSandbox(t), newEtcd(t), newConfig(t), newProbe(t), newVersion(t),
	)
	return root
}

// newHelp is cobra's help command, but one that fails for a command that does
// not exist.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return usage("unknown command %q for %q\nSee %s --help.", rest[0], about.CommandPath(), about.CommandPath())
			}
			about.InitDefaultHelpFlag() // or it would not be listed
			return about.Help()
		},
	}
}

// command makes a cobra command of a function whose errors are not the fault of
// the command line.
func command(c cobra.Command, run func(context.Context, *cobra.Command, []string) error) *cobra.Command {
	c.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd.Context(), cmd, args)
		if _, ended := errors.AsType[*result](err); err == nil || ended {
			return err
		}
		return &result{code: exitError, err: err}
	}
	return &c
}

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return &result{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// onePayment wants one argument, the payment.
func onePayment(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("give one PAYMENT: %s", cmd.UseLine())
	}
	return nil
}

// format is a flag that takes one of a few words.
type format struct {
	value   string
	allowed []string
}

func newFormat(allowed ...string) *format { return &format{value: allowed[0], allowed: allowed} }

// String implements pflag.Value.
func (f *format) String() string { return f.value }

// Type implements pflag.Value.
func (f *format) Type() string { return "word" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("must be one of %v", f.allowed)
	}
	f.value = s
	return nil
}
