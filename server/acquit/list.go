package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

const listHelp = `List shows payments, the newest first, a page at a time. All conditions must hold.

A time is a date (2026-01-31, midnight UTC), a time (2026-01-31T08:30:00Z), or how
long ago it was (90m, 24h).`

const listExample = `  acquit list --limit 10
  acquit list --merchant-reference order-4711
  acquit list --status unknown --status pending --since 24h`

// selection is the flags of list.
type selection struct {
	client

	merchantReference, page string
	since, until            string
	status                  []string
	limit                   int32
}

func newList(t terminal) *cobra.Command {
	var s selection
	cmd := command(cobra.Command{
		Use: "list", Short: "List payments, the newest first", Long: listHelp, Example: listExample, Args: cobra.NoArgs,
	}, func(ctx context.Context, _ *cobra.Command, _ []string) error {
		request, err := s.request(time.Now())
		if err != nil {
			return err
		}
		return s.call(ctx, t, func(ctx context.Context, service acquitv1.PaymentServiceClient) error {
			response, err := service.ListPayments(ctx, request)
			if err != nil {
				return err
			}
			if s.output.value == "json" {
				return writeJSON(t.out, response)
			}
			return writePage(t.out, request, response)
		})
	})
	s.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&s.merchantReference, "merchant-reference", "", "only payments of your own `name`")
	flags.StringSliceVar(&s.status, "status", nil, "only payments of this `status`, such as authorized; may be repeated")
	flags.StringVar(&s.since, "since", "", "only payments made at this `time` or later")
	flags.StringVar(&s.until, "until", "", "only payments made before this `time`")
	flags.Int32Var(&s.limit, "limit", 50, "at most so many payments, up to 500")
	flags.StringVar(&s.page, "page", "", "`token` of the page, from the one before; with the same conditions")
	return cmd
}

// request is the message that the flags describe.
func (s *selection) request(now time.Time) (*acquitv1.ListPaymentsRequest, error) {
	if s.limit < 1 {
		return nil, usage("--limit: must be at least 1") // 0 would mean the service's own number
	}
	r := &acquitv1.ListPaymentsRequest{MerchantReference: s.merchantReference, PageSize: s.limit, PageToken: s.page}
	for _, name := range s.status {
		status, known := acquitv1.PaymentStatus_value["PAYMENT_STATUS_"+strings.ToUpper(name)]
		if !known || status == 0 {
			return nil, usage("--status: must be one of %v", words(acquitv1.PaymentStatus_name, "PAYMENT_STATUS_"))
		}
		r.Statuses = append(r.Statuses, acquitv1.PaymentStatus(status))
	}
	var err error
	if r.CreateTimeFrom, err = moment("--since", s.since, now); err != nil {
		return nil, err
	}
	r.CreateTimeBefore, err = moment("--until", s.until, now)
	return r, err
}

// moment reads a time as people write it; nil if there is none.
func moment(flag, text string, now time.Time) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return timestamppb.New(now.Add(-ago)), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return timestamppb.New(at), nil
		}
	}
	return nil, usage("%s: %q is neither a date (2026-01-31), a time (2026-01-31T08:30:00Z) nor how long ago (24h)", flag, text)
}

// writePage writes a page of payments, a line each, and how to get the next.
func writePage(w io.Writer, asked *acquitv1.ListPaymentsRequest, r *acquitv1.ListPaymentsResponse) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range r.GetPayments() {
		cells := []string{
			clock(p.GetCreateTime()), p.GetPaymentId(), word(p.GetStatus(), "PAYMENT_STATUS_"), amount(p),
			"captured " + money(p.GetCaptured()), "refunded " + money(p.GetRefunded()), p.GetAccount(), p.GetMerchantReference(),
		}
		fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	switch next := r.GetNextPageToken(); {
	case next != "":
		fmt.Fprintf(w, "more with%s --page %s\n", bounds(asked), next)
	case len(r.GetPayments()) == 0 && asked.GetPageToken() != "": // the page before ended with the last one
		fmt.Fprintln(w, "no more payments")
	case len(r.GetPayments()) == 0:
		fmt.Fprintln(w, "no payments")
	}
	return nil
}

// bounds are the flags of the times that were asked for, to the instant: the
// next page belongs to the same conditions, and 24h ago is another time by then.
func bounds(asked *acquitv1.ListPaymentsRequest) string {
	var flags string
	if t := asked.GetCreateTimeFrom(); t != nil {
		flags += " --since " + t.AsTime().Format(time.RFC3339Nano)
	}
	if t := asked.GetCreateTimeBefore(); t != nil {
		flags += " --until " + t.AsTime().Format(time.RFC3339Nano)
	}
	return flags
}
