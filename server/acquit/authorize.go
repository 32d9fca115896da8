package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

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
	client

	amount, currency, token, account string
	key, merchantReference           string
	generated                        bool // the key was
	capture                          *format
	metadata                         map[string]string
}

func newAuthorize(t terminal) *cobra.Command {
	a := &authorization{client: client{keyed: true}, capture: newFormat("manual", "automatic")}
	cmd := command(cobra.Command{
		Use: "authorize", Short: "Ask for a payment", Long: authorizeHelp, Example: authorizeExample, Args: cobra.NoArgs,
	}, func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		request, err := a.request()
		if err != nil {
			return err
		}
		a.generated = !cmd.Flags().Changed("key")
		if err := validKey(a.key); err != nil && !a.generated {
			return err
		}
		return a.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			if a.generated { // only now: a command that is refused here has no key
				a.key = "cli-" + rand.Text()
				fmt.Fprintf(t.err, "key %s (generated; to ask again, repeat the command with --key %s)\n", a.key, a.key)
			}
			a.intent = a.key
			return a.send(ctx, t, service, request)
		})
	})
	a.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&a.amount, "amount", "", "`amount` in units of the currency, such as 10.00 (required)")
	flags.StringVar(&a.currency, "currency", "", "ISO 4217 `code`, such as EUR (required)")
	flags.StringVar(&a.token, "token", "", "the payer's instrument, as the account knows it (required)")
	flags.StringVar(&a.account, "account", "sandbox", "`name` of the account that the token belongs to")
	flags.Var(a.capture, "capture", "when the money is taken: manual or automatic")
	flags.StringVar(&a.key, "key", "", "idempotency `key` of this intent; generated if not given")
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

// send makes the call and prints the answer; the state decides the exit code.
func (a *authorization) send(ctx context.Context, t terminal, service acquitv1.PaymentServiceClient, request *acquitv1.AuthorizeRequest) error {
	var header metadata.MD
	ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", a.key)
	response, err := service.Authorize(ctx, request, grpc.Header(&header))
	if err != nil {
		return err
	}
	code := exitCode(response.GetOperation().GetState())
	if a.output.value == "json" {
		err = writeJSON(t.out, response)
		if code == exitUnknown {
			fmt.Fprintf(t.err, "key %s: %s\n", a.key, again(a.key))
		} else if !a.generated { // said already
			fmt.Fprintf(t.err, "key %s\n", a.key)
		}
	} else {
		replayed := len(header.Get("acquit-idempotent-replayed")) > 0
		err = writeAnswer(t.out, response.GetPayment(), response.GetOperation(), replayed, keyRow(a.key, code))
	}
	if err != nil { // whoever asked has not read the answer
		return &result{code: exitUnknown, err: fmt.Errorf("the answer could not be shown: %w; %s", err, again(a.key))}
	}
	if code != exitOK {
		return &result{code: code}
	}
	return nil
}
