package main

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const captureHelp = `Capture takes what a payment holds, or with --amount part of it. The currency is
the payment's.

With --final it is the last capture: the rest of the hold is released. Some
providers capture only once; there a part needs --final.

Each intent has a key. Without --key one is generated and printed: to ask again,
after a timeout or a crash, repeat the command with that key, and the money is
still taken at most once. A new key is a new capture.`

const captureExample = `  acquit capture 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e
  acquit capture 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e --amount 4.00 --key parcel-1
  acquit capture 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e --amount 4.00 --final`

func newCapture(t terminal) *cobra.Command {
	var p part
	var final bool
	cmd := command(cobra.Command{
		Use: "capture PAYMENT", Short: "Take what a payment holds", Long: captureHelp, Example: captureExample, Args: onePayment,
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		return p.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			amount, err := p.money(ctx, service, args[0])
			if err != nil {
				return err
			}
			return p.ask(ctx, t, func(ctx context.Context, options ...grpc.CallOption) (answer, error) {
				return service.Capture(ctx, &acquitv1.CaptureRequest{PaymentId: args[0], Amount: amount, Final: final}, options...)
			})
		})
	})
	p.register(cmd, "all that is held")
	cmd.Flags().BoolVar(&final, "final", false, "the last capture: release the rest of the hold")
	return cmd
}
