package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const refundHelp = `Refund gives back what was captured of a payment, or with --amount part of it.
The currency is the payment's.

Each intent has a key. Without --key one is generated and printed: to ask again,
after a timeout or a crash, repeat the command with that key, and the money is
still given back at most once. A new key is a new refund.`

const refundExample = `  acquit refund 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e
  acquit refund 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e --amount 2.50 --reason return --key return-17`

func newRefund(t terminal) *cobra.Command {
	var p part
	reasons := words(acquitv1.RefundReason_name, "REFUND_REASON_")
	reason := &format{allowed: reasons}
	cmd := command(cobra.Command{
		Use: "refund PAYMENT", Short: "Give captured money back", Long: refundHelp, Example: refundExample, Args: onePayment,
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		return p.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			amount, err := p.money(ctx, service, args[0])
			if err != nil {
				return err
			}
			return p.ask(ctx, t, func(ctx context.Context, options ...grpc.CallOption) (answer, error) {
				return service.Refund(ctx, &acquitv1.RefundRequest{
					PaymentId: args[0], Amount: amount,
					Reason: acquitv1.RefundReason(acquitv1.RefundReason_value["REFUND_REASON_"+strings.ToUpper(reason.value)]),
				}, options...)
			})
		})
	})
	p.register(cmd, "all that is left")
	cmd.Flags().Var(reason, "reason", "why, for the provider: "+strings.Join(reasons, ", "))
	return cmd
}

// words are the values of an enum as flags take them: lower case, without the
// prefix of their type, in order, without the unspecified one.
func words(names map[int32]string, prefix string) []string {
	out := make([]string, 0, len(names))
	for n := range int32(len(names)) {
		out = append(out, strings.ToLower(strings.TrimPrefix(names[n], prefix)))
	}
	return slices.DeleteFunc(out, func(w string) bool { return w == "unspecified" })
}
