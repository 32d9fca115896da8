package main

import (
	"context"

	"github.com/spf13/cobra"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

func newGet(t terminal) *cobra.Command {
	var c client
	var timeline bool
	cmd := command(cobra.Command{
		Use: "get PAYMENT", Short: "Show a payment", Args: cobra.ExactArgs(1),
		Long: `Get shows a payment as it is recorded now. With --timeline it shows what happened
to it: each operation, each account that was tried, how often, what the provider
answered and what that proves. acquit mapping explains the rows.`,
		Example: "  acquit get 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e --timeline",
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		return c.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			response, err := service.GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: args[0]})
			if err != nil {
				return err
			}
			switch {
			case c.output.value == "json":
				return writeJSON(t.out, response)
			case timeline:
				return writeTimeline(t.out, response)
			}
			return writePayment(t.out, response.GetPayment())
		})
	})
	c.register(cmd)
	cmd.Flags().BoolVar(&timeline, "timeline", false, "show operations, attempts and evidence")
	return cmd
}
