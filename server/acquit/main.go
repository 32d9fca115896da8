// Command acquit is the payment-orchestration service and its client, in one
// binary: one file per command. `acquit help` lists them.
//
// It guarantees nothing of its own: the promise is the server's. A command that
// moves money prints the idempotency key it used, with its answer or its error,
// and one that it generated before it sends anything, so that it can be asked
// again.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], terminal{out: os.Stdout, err: os.Stderr, environ: os.Environ()}))
}
