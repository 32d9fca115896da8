package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/acquitpay/acquit/server/embedetcd"
)

func newEtcd(t terminal) *cobra.Command {
	var config embedetcd.Config
	cmd := command(cobra.Command{
		Use: "etcd", Short: "Run the embedded etcd alone", Args: cobra.NoArgs,
		Long: `Etcd runs the embedded etcd as a process of its own, for several acquit serve on
one machine: give its address to each as ledger.etcd.endpoints, and the same
keys.file to all of them. They share the provider too; acquit sandbox runs the
simulated one alone. It is one member, without authentication and reachable from
this machine only; production runs an etcd cluster.`,
		Example: "  acquit etcd --data-dir ./etcd --addr 127.0.0.1:2379\n" +
			"  ACQUIT_LEDGER__ETCD__ENDPOINTS=http://127.0.0.1:2379 acquit serve --data-dir ./one\n" +
			"  ACQUIT_LEDGER__ETCD__ENDPOINTS=http://127.0.0.1:2379 ACQUIT_KEYS__FILE=./one/keyring acquit serve --data-dir ./two \\\n" +
			"    --grpc-addr 127.0.0.1:7500 --http-addr 127.0.0.1:7501 --ops-addr 127.0.0.1:7502",
	}, func(ctx context.Context, _ *cobra.Command, _ []string) error {
		ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
		defer release()
		defer context.AfterFunc(ctx, release)() // after the first signal, a second one ends the process at once
		config.Logger = slog.New(slog.NewTextHandler(t.err, nil))
		member, err := embedetcd.Start(ctx, config)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "etcd %s   data %s\n", strings.Join(member.Endpoints(), ","), config.DataDir)
		select {
		case err = <-member.Err():
		case <-ctx.Done():
		}
		if closing := member.Close(); err == nil {
			err = closing
		}
		return err
	})
	cmd.Flags().StringVar(&config.DataDir, "data-dir", "./acquit-etcd", "`directory` of its data")
	cmd.Flags().StringVar(&config.ClientAddr, "addr", "127.0.0.1:2379", "loopback `address` for clients")
	return cmd
}
