package main

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

const authorizeHelp = `Authorize asks for a payment: the provider holds the amount, or with
--capture automatic takes it.

Each intent has a key. Without --key one is generated and printed: to ask again,
after a timeout or a crash, repeat the command with that key, and the payment is
still made at most once. A new key is a new payment.

The simulated provider obeys the token; acquit sandbox --tokens lists them.`

const authorizeExample = `  acquit authorize --amount 10.00 --currency EUR --token tok_ok
  acquit authorize --amount 10.00 --currency EUR --token tok_ok --key order-4711
  acquit authorize --amount 10.00 --currency EUR --token tok_ok --capture automatic -o json`

// authorization is the flags of authorize.
type authorization struct {
	intent

	amount, currency, token, account string
	merchantReference                string
	capture                          *format
	metadata                         map[string]string
}

func newAuthorize(t terminal) *cobra.Command {
	a := &authorization{capture: newFormat("manual", "automatic")}
	cmd := command(cobra.Command{
		Use: "authorize", Short: "Ask for a payment", Long: authorizeHelp, Example: authorizeExample, Args: cobra.NoArgs,
	}, func(ctx context.Context, _ *cobra.Command, _ []string) error {
		request, err := a.request()
		if err != nil {
			return err
		}
		return a.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			return a.ask(ctx, t, func(ctx context.Context, options ...grpc.CallOption) (answer, error) {
				return service.Authorize(ctx, request, options...)
			})
		})
	})
	a.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&a.amount, "amount", "", "`amount` in units of the currency, such as 10.00 (required)")
	flags.StringVar(&a.currency, "currency", "", "ISO 4217 `code`, such as EUR (required)")
	flags.StringVar(&a.token, "token", "", "the payer's instrument, as the account knows it (required)")
	flags.StringVar(&a.account, "account", "sandbox", "`name` of the account that the token belongs to")
	flags.Var(a.capture, "capture", "when the money is taken: manual or automatic")
	flags.StringVar(&a.merchantReference, "merchant-reference", "", "your own `name` for the payment")
	flags.StringToStringVar(&a.metadata, "metadata", nil, "your own notes, `k=v`; may be repeated")
	flags.Lookup("metadata").DefValue = "" // not worth a word
	for _, required := range []string{"amount", "currency", "token"} {
		_ = cmd.MarkFlagRequired(required) // fails only for a flag that does not exist
	}
	return cmd
}

// request is the message that the flags describe.
func (a *authorization) request() (*acquitv1.AuthorizeRequest, error) {
	money, err := payment.ParseMoney(a.amount, a.currency)
	if err != nil {
		return nil, usage("--amount, --currency: %w", err)
	}
	capture := acquitv1.CaptureMode_CAPTURE_MODE_MANUAL
	if a.capture.value == "automatic" {
		capture = acquitv1.CaptureMode_CAPTURE_MODE_AUTOMATIC
	}
	return &acquitv1.AuthorizeRequest{
		MerchantReference: a.merchantReference,
		Amount:            &acquitv1.Money{MinorUnits: money.MinorUnits, CurrencyCode: money.CurrencyCode},
		PaymentMethod: &acquitv1.PaymentMethod{Kind: &acquitv1.PaymentMethod_TokenSet{TokenSet: &acquitv1.TokenSet{
			Tokens: []*acquitv1.AccountToken{{Account: a.account, Token: &acquitv1.AccountToken_StoredId{StoredId: a.token}}},
		}}},
		CaptureMode: capture,
		Metadata:    a.metadata,
	}, nil
}
