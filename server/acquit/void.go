package main

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const voidHelp = `Void releases what a payment holds and was not captured. What was captured stays:
refund gives it back.

Each intent has a key. Without --key one is generated and printed: to ask again,
after a timeout or a crash, repeat the command with that key.`

func newVoid(t terminal) *cobra.Command {
	var i intent
	cmd := command(cobra.Command{
		Use: "void PAYMENT", Short: "Release what a payment holds", Long: voidHelp, Args: onePayment,
		Example: "  acquit void 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e",
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		return i.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			return i.ask(ctx, t, func(ctx context.Context, options ...grpc.CallOption) (answer, error) {
				return service.Void(ctx, &acquitv1.VoidRequest{PaymentId: args[0]}, options...)
			})
		})
	})
	i.register(cmd)
	return cmd
}
