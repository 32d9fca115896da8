package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/server"
)

func newProbe(t terminal) *cobra.Command {
	var file string
	var limit time.Duration
	pages := map[string]string{"ready": "readyz", "alive": "healthz"}
	c := command(cobra.Command{
		Use: "probe ready|alive", Short: "Ask the service on this machine whether it is well", Args: cobra.ExactArgs(1), ValidArgs: []string{"ready", "alive"},
		Long: `Probe asks the service that runs on this machine with the same configuration: for
orchestrators that cannot show the client certificate that the ops listener asks
for, and for images without a shell. With TLS it shows the service's own
certificate, which must be good for clients too.`,
		Example: "  acquit probe ready --config /etc/acquit.yaml",
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		page, ok := pages[args[0]]
		if !ok {
			return usage("there is ready and alive, not %q", args[0])
		}
		config, err := server.Load(server.Source{File: file, Environ: t.environ})
		if err != nil {
			return fmt.Errorf("the configuration is not usable:\n%w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if err := server.Probe(ctx, config, page); err != nil {
			return fmt.Errorf("not %s: %w", args[0], err)
		}
		return nil
	})
	c.Flags().StringVar(&file, "config", "", "configuration `file` of the service")
	c.Flags().DurationVar(&limit, "timeout", 3*time.Second, "how long to wait for the answer")
	return c
}
