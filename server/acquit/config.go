package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/server"
)

func newConfig(t terminal) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Work with configuration files", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(command(cobra.Command{
		Use: "check FILE", Short: "Check a configuration file", Args: cobra.ExactArgs(1),
		Long: `Check reads a configuration file together with the environment, as serve would,
and reports everything that is wrong with it. It opens and connects to nothing.
deploy/acquit.example.yaml has every key.`,
		Example: "  acquit config check /etc/acquit.yaml",
	}, func(_ context.Context, _ *cobra.Command, args []string) error {
		config, err := server.Load(server.Source{File: args[0], Environ: t.environ})
		if err != nil {
			return fmt.Errorf("%s is not usable:\n%w", args[0], err)
		}
		fmt.Fprintf(t.out, "%s is fine: %d account(s), data %s, grpc %s\n", args[0], len(config.Accounts), config.DataDir, config.GRPCAddr)
		return nil
	}))
	return c
}
