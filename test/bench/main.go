// Bench measures acquit beside the least that the same work costs.
//
//	go run ./test/bench
//
// The floor is a server that answers the same calls with a bare gRPC handler. It
// makes one POST to the same simulated provider, and the two etcd transactions
// that acquit's ledger makes: they are recorded from acquit at the start of the
// run, so their keys, sizes, puts and deletes are the ledger's own. It decides,
// encodes and remembers nothing. Floor and acquit take turns in short rounds, in
// an order that lets a drift of the machine cancel out, under the same callers.
//
// Each of them is a process of its own, as is each etcd where that is not
// embedded; callers and simulated providers are in this one. The processes are
// this program again, started with the name of their role: acquit is server.Run,
// etcd is embedetcd, and both do what the commands serve and etcd of acquit do.
// Everything is on loopback TCP and on one disk, and all writes are synced,
// including the provider's, which answers at once and shares syncs.
//
// When the load has ended the promise is checked: one effect for each key and
// reference at the provider, as many as callers were told, and for a sample of
// keys the same bytes again, as a replay. If that does not hold the program fails.
//
// It does not measure TLS, a network, spans that are exported, failing providers,
// or more than one member of etcd; and caller, provider and service share one
// machine, so that its absolute figures are of that machine only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(start(os.Args[1:]))
}

// start runs the role that the arguments name, or else the benchmark.
func start(args []string) int {
	var err error
	if role, ok := roleOf(args); ok {
		err = play(context.Background(), role, os.Stdin, os.Stdout, os.Stderr)
	} else {
		ctx, release := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer release()
		err = bench(ctx, args)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// bench parses the flags, runs, and prints the report.
func bench(ctx context.Context, args []string) error {
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	r, err := run(ctx, o, os.Stderr)
	r.write(os.Stdout) // what was measured before something went wrong, too
	return err
}
