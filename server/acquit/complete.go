package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const completeHelp = `Complete goes on with an authorization after the shopper acted, with what the
shopper's browser brought back. It never charges anew: it asks the provider what
became of the payment, or hands over what it was given.

Each intent has a key. Without --key one is generated and printed: to ask again,
after a timeout or a crash, repeat the command with that key.`

func newComplete(t terminal) *cobra.Command {
	var i intent
	var brought []string
	cmd := command(cobra.Command{
		Use: "complete PAYMENT", Short: "Go on with a payment after the shopper acted", Long: completeHelp, Args: onePayment,
		Example: "  acquit complete 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e --param result=approve",
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		parameters, err := pairs(brought)
		if err != nil {
			return err
		}
		return i.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			return i.ask(ctx, t, func(ctx context.Context, options ...grpc.CallOption) (answer, error) {
				return service.CompleteAuthorization(ctx, &acquitv1.CompleteAuthorizationRequest{PaymentId: args[0], ReturnParameters: parameters}, options...)
			})
		})
	})
	i.register(cmd)
	cmd.Flags().StringArrayVar(&brought, "param", nil, "`name=value` that the shopper's browser brought back; may be repeated")
	return cmd
}

// pairs reads name=value, each name once: which of two values counts, only the caller
// could say.
func pairs(given []string) (map[string]string, error) {
	all := make(map[string]string, len(given))
	for _, pair := range given {
		name, value, found := strings.Cut(pair, "=")
		if _, twice := all[name]; !found || name == "" || twice {
			return nil, usage("--param %q is not a name=value of its own", pair)
		}
		all[name] = value
	}
	return all, nil
}
