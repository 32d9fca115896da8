package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/acquitpay/acquit/server"
)

const serveHelp = `Serve runs the service until it is told to stop.

Without a configuration file it runs on its own: an embedded etcd and a simulated
provider under the data directory, reachable from this machine only, without
authentication. No money moves.

SIGTERM or SIGINT drains: no new operations, those in flight are finished, then it
ends. A second signal ends it at once; what was in flight is finished when its
caller asks again with the same key, and no payment is made twice.`

func newServe(t terminal) *cobra.Command {
	var file string
	c := command(cobra.Command{
		Use: "serve", Short: "Run the service", Long: serveHelp, Args: cobra.NoArgs,
		Example: "  acquit serve\n  acquit serve --config /etc/acquit.yaml --otlp-endpoint 127.0.0.1:4317",
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		config, err := server.Load(server.Source{File: file, Environ: t.environ, Flags: given(cmd.Flags())})
		if err != nil {
			return fmt.Errorf("the configuration is not usable:\n%w", err)
		}
		ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer release()
		defer context.AfterFunc(ctx, release)() // after the first signal, a second one ends the process at once
		return server.Run(ctx, config, server.Process{Stdout: t.out, Stderr: t.err, Environ: t.environ, Version: stamped()})
	})
	c.Flags().StringVar(&file, "config", "", "configuration `file`; deploy/acquit.example.yaml has every key")
	defaults := server.Default()
	c.Flags().String("data-dir", defaults.DataDir, "`directory` of the embedded ledger, the sandbox and the key file")
	c.Flags().String("grpc-addr", defaults.GRPCAddr, "`address` of the API")
	c.Flags().String("http-addr", defaults.HTTPAddr, "`address` for webhooks")
	c.Flags().String("ops-addr", defaults.OpsAddr, "`address` of metrics, health and profiles")
	c.Flags().Bool("insecure", false, "listen on networks without TLS and authentication")
	c.Flags().String("otlp-endpoint", "", "`address` of a collector for traces, OTLP over gRPC")
	c.Flags().String("log-level", defaults.Log.Level, "least severe `level` that is logged: debug, info, warn or error")
	return c
}

// given are the flags that were set, by the keys that they override.
func given(flags *pflag.FlagSet) map[string]any {
	keys := map[string]string{
		"data-dir": "data_dir", "grpc-addr": "grpc_addr", "http-addr": "http_addr", "ops-addr": "ops_addr",
		"otlp-endpoint": "telemetry.otlp_endpoint", "log-level": "log.level",
	}
	set := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "insecure":
			set["insecure"] = f.Value.String() == "true"
		case keys[f.Name] != "":
			set[keys[f.Name]] = f.Value.String()
		}
	})
	return set
}
