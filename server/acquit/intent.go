package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// intent is the flags of every command that may move money.
type intent struct {
	client

	key       string
	generated bool // the key was
}

// register adds the flags to a command, and to its beginning the check of the key.
func (i *intent) register(cmd *cobra.Command) {
	i.client.register(cmd)
	cmd.Flags().StringVar(&i.key, "key", "", "idempotency `key` of this intent; generated if not given")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if i.generated = !cmd.Flags().Changed("key"); i.generated {
			return nil
		}
		return validKey(i.key)
	}
}

// answer is the response to a keyed call.
type answer interface {
	proto.Message
	GetPayment() *acquitv1.Payment
	GetOperation() *acquitv1.Operation
}

// ask makes the keyed call and prints the answer; the state decides the exit
// code. A generated key is printed before the call, so that it is known whatever
// follows, and not earlier: a command that is refused here has no key.
func (i *intent) ask(ctx context.Context, t terminal, call func(context.Context, ...grpc.CallOption) (answer, error)) error {
	if i.generated {
		i.key = "cli-" + rand.Text()
		fmt.Fprintf(t.err, "key %s (generated; to ask again, repeat the command with --key %s)\n", i.key, i.key)
	}
	i.sentKey = i.key
	var header metadata.MD
	response, err := call(metadata.AppendToOutgoingContext(ctx, "idempotency-key", i.key), grpc.Header(&header))
	if err != nil {
		return err
	}
	code := exitCode(response.GetOperation().GetState())
	replayed := len(header.Get("acquit-idempotent-replayed")) > 0
	if err := i.show(t, response, code, replayed); err != nil { // whoever asked has not read the answer
		return &result{code: exitUnknown, err: fmt.Errorf("the answer could not be shown: %w; %s", err, again(i.key))}
	}
	if code != exitOK {
		return &result{code: code}
	}
	return nil
}

// show prints the answer of a call that ends the command with a code, and the key.
func (i *intent) show(t terminal, response answer, code int, replayed bool) error {
	if i.output.value != "json" {
		return writeAnswer(t.out, response.GetPayment(), response.GetOperation(), replayed, keyRow(i.key, code))
	}
	if code == exitUnknown {
		fmt.Fprintf(t.err, "key %s: %s\n", i.key, again(i.key))
	} else if !i.generated { // said already
		fmt.Fprintf(t.err, "key %s\n", i.key)
	}
	return writeJSON(t.out, response)
}

// part is the flags of commands that act on part of a payment.
type part struct {
	intent

	amount string
}

// register adds the flags to a command.
func (p *part) register(cmd *cobra.Command, rest string) {
	p.intent.register(cmd)
	cmd.Flags().StringVar(&p.amount, "amount", "", "`amount` in units of the payment's currency, such as 4.00; "+rest+" if not given")
	key := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("amount") && p.amount == "" { // a variable that is not set would move all
			return usage("--amount is empty; leave it out for %s", rest)
		}
		return key(cmd, args)
	}
}

// money is the amount in the currency of the payment, which is read for it; nil
// asks for the rest.
func (p *part) money(ctx context.Context, service acquitv1.PaymentServiceClient, id string) (*acquitv1.Money, error) {
	if p.amount == "" {
		return nil, nil
	}
	read, err := service.GetPayment(ctx, &acquitv1.GetPaymentRequest{PaymentId: id})
	if err != nil {
		return nil, err
	}
	m, err := payment.ParseMoney(p.amount, read.GetPayment().GetAmount().GetCurrencyCode())
	if err != nil {
		return nil, usage("--amount: %w", err)
	}
	return &acquitv1.Money{MinorUnits: m.MinorUnits, CurrencyCode: m.CurrencyCode}, nil
}
