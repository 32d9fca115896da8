package main

import (
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const getHelp = `Get shows a payment as it is recorded now. With --timeline it shows what happened
to it: each operation, each account that was tried, how often, what the provider
answered and what that proves. acquit mapping explains the rows.

It also shows one operation with its payment: by its id, by the reference id of
logs and of the provider's records, or by the method and key it was called with.
It starts nothing; to go on with a call, repeat it with its key.`

const getExample = `  acquit get 0199f3c2-7d1e-7c3a-9d0e-1f2a3b4c5d6e --timeline
  acquit get --reference 5KZLVWNX7QYJ3R2GTHB4PMAC
  acquit get --method capture --key parcel-1`

// lookup is the flags of get.
type lookup struct {
	client

	timeline       bool
	reference, key string
	method         *format
}

func newGet(t terminal) *cobra.Command {
	methods := words(acquitv1.Method_name, "METHOD_")
	l := &lookup{method: &format{allowed: methods}}
	cmd := command(cobra.Command{
		Use: "get [PAYMENT|OPERATION]", Short: "Show a payment or an operation", Long: getHelp, Example: getExample, Args: cobra.MaximumNArgs(1),
	}, func(ctx context.Context, _ *cobra.Command, args []string) error {
		id := strings.Join(args, "")
		one, err := l.operation(id)
		if err != nil {
			return err
		}
		return l.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			if one != nil {
				return l.showOperation(ctx, t, service, one)
			}
			return l.showPayment(ctx, t, service, id)
		})
	})
	l.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&l.timeline, "timeline", false, "show operations, attempts and evidence")
	flags.StringVar(&l.reference, "reference", "", "`id` of the operation in logs and in the provider's records")
	flags.Var(l.method, "method", "with --key: "+strings.Join(methods, ", "))
	flags.StringVar(&l.key, "key", "", "idempotency `key` of the operation; needs --method")
	return cmd
}

// operation is the request for an operation; nil if a payment is asked for.
func (l *lookup) operation(id string) (*acquitv1.GetOperationRequest, error) {
	if (l.key == "") != (l.method.value == "") {
		return nil, usage("--method and --key go together")
	}
	names := 0
	for _, name := range []string{id, l.reference, l.key} {
		if name != "" {
			names++
		}
	}
	switch {
	case names != 1:
		return nil, usage("give one of: an id, --reference, --method with --key")
	case l.reference != "":
		return &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_ReferenceId{ReferenceId: l.reference}}, nil
	case l.key != "":
		return &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_Key{Key: &acquitv1.OperationKey{
			Method: acquitv1.Method(acquitv1.Method_value["METHOD_"+strings.ToUpper(l.method.value)]), IdempotencyKey: l.key,
		}}}, nil
	case regexp.MustCompile(`^[a-z][0-9a-f]{32}$`).MatchString(id): // payments have a UUID
		return &acquitv1.GetOperationRequest{Name: &acquitv1.GetOperationRequest_OperationId{OperationId: id}}, nil
	}
	return nil, nil
}

func (l *lookup) showOperation(ctx context.Context, t terminal, service acquitv1.PaymentServiceClient, name *acquitv1.GetOperationRequest) error {
	response, err := service.GetOperation(ctx, name)
	switch {
	case err != nil:
		return err
	case l.output.value == "json":
		return writeJSON(t.out, response)
	case l.timeline:
		return writeTimeline(t.out, response.GetPayment(), response.GetOperation())
	}
	return writeAnswer(t.out, response.GetPayment(), response.GetOperation(), false, keyRow(l.key, exitCode(response.GetOperation().GetState())))
}

func (l *lookup) showPayment(ctx context.Context, t terminal, service acquitv1.PaymentServiceClient, id string) error {
	response, err := service.GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: id})
	switch {
	case err != nil:
		return err
	case l.output.value == "json":
		return writeJSON(t.out, response)
	case l.timeline:
		return writeTimeline(t.out, response.GetPayment(), response.GetOperations()...)
	}
	return writePayment(t.out, response.GetPayment())
}
