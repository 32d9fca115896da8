package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
)

// writeTimeline writes a payment and what happened to it, the oldest first.
func writeTimeline(w io.Writer, p *acquitv1.Payment, operations ...*acquitv1.Operation) error {
	if _, err := fmt.Fprintf(w, "payment %s  %s  %s at %s\n", p.GetPaymentId(), word(p.GetStatus(), "PAYMENT_STATUS_"), amount(p), p.GetAccount()); err != nil {
		return err
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, op := range operations {
		writeOperation(out, op)
	}
	return out.Flush()
}

// writeOperation writes one operation; times are counted from its record.
func writeOperation(w io.Writer, op *acquitv1.Operation) {
	start := op.GetCreateTime()
	at := func(t *timestamppb.Timestamp, format string, args ...any) {
		moment := ""
		if t != nil {
			moment = since(start, t)
		}
		fmt.Fprintf(w, "  %s\t%s\n", moment, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "\n%s\t%s %s, operation %s, reference %s\n",
		clock(start), verb(op.GetMethod()), money(op.GetAmount()), op.GetOperationId(), op.GetReferenceId())
	for _, a := range op.GetAttempts() {
		at(a.GetStartTime(), "attempt %d at %s recorded, then sent", a.GetOrdinal(), a.GetAccount())
		at(a.GetEndTime(), "attempt %d at %s", a.GetOrdinal(), describe(a))
	}
	at(op.GetCompleteTime(), "%s: %s", word(op.GetState(), "OPERATION_STATE_"), meaning(op))
	if next := op.GetNextCheckTime(); next != nil {
		at(next, "due to be looked at")
	}
}

// verb is what was asked for.
func verb(m acquitv1.Method) string {
	switch m {
	case acquitv1.Method_METHOD_AUTHORIZE:
		return "authorize"
	case acquitv1.Method_METHOD_CAPTURE:
		return "capture"
	case acquitv1.Method_METHOD_REFUND:
		return "refund"
	case acquitv1.Method_METHOD_VOID:
		return "void"
	case acquitv1.Method_METHOD_COMPLETE_AUTHORIZATION:
		return "complete authorization of"
	case acquitv1.Method_METHOD_UNSPECIFIED:
	}
	return "unknown method"
}
