package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	acquitv1 "github.com/acquitpay/acquit/gen/acquit/v1"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// writeJSON writes a message as the API spells it, indented the same every time.
func writeJSON(w io.Writer, m proto.Message) error {
	raw, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil { // protojson's own spacing is random
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", &out)
	return err
}

// writeAnswer writes what became of a keyed call. key is the row of its key, as
// far as that is known.
func writeAnswer(w io.Writer, p *acquitv1.Payment, op *acquitv1.Operation, replayed bool, key string) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "payment\t%s\t%s\t%s at %s\n", p.GetPaymentId(), word(p.GetStatus(), "PAYMENT_STATUS_"), amount(p), p.GetAccount())
	fmt.Fprintf(out, "operation\t%s\t%s\t%s\n", op.GetOperationId(), word(op.GetState(), "OPERATION_STATE_"), outcome(op))
	fmt.Fprintf(out, "reference\t%s\n", op.GetReferenceId())
	if op.GetMethod() != acquitv1.Method_METHOD_AUTHORIZE {
		fmt.Fprintf(out, "left\tcapturable %s, refundable %s, reserved %s\n", money(p.GetCapturable()), money(p.GetRefundable()), money(p.GetReserved()))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if key != "" {
		fmt.Fprintln(w, key)
	}
	for _, a := range op.GetAttempts() {
		fmt.Fprintf(w, "attempt %d  %s\n", a.GetOrdinal(), describe(a))
	}
	if replayed {
		fmt.Fprintln(w, "replayed   this is the stored answer to this key; nothing was sent")
	}
	return nil
}

// writePayment writes where a payment stands.
func writePayment(w io.Writer, p *acquitv1.Payment) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%s\t%s\n", name, value)
		}
	}
	line("payment", p.GetPaymentId())
	line("status", word(p.GetStatus(), "PAYMENT_STATUS_"))
	line("amount", fmt.Sprintf("%s (%s capture)", money(p.GetAmount()), strings.ToLower(word(p.GetCaptureMode(), "CAPTURE_MODE_"))))
	line("authorized", fmt.Sprintf("%s, captured %s, refunded %s", authorized(p), money(p.GetCaptured()), money(p.GetRefunded())))
	line("open", fmt.Sprintf("capturable %s, refundable %s, reserved %s", money(p.GetCapturable()), money(p.GetRefundable()), money(p.GetReserved())))
	line("released", some(p.GetReleased()))
	line("disputed", some(p.GetDisputed()))
	line("undone", undone(p))
	line("elsewhere", elsewhere(p))
	line("account", fmt.Sprintf("%s (%s)", p.GetAccount(), strings.ToLower(word(p.GetEnvironment(), "ENVIRONMENT_"))))
	line("provider id", p.GetProviderReference())
	line("your name", p.GetMerchantReference())
	line("next action", action(p.GetNextAction()))
	line("created", clock(p.GetCreateTime()))
	line("updated", fmt.Sprintf("%s (version %d)", clock(p.GetUpdateTime()), p.GetVersion()))
	return out.Flush()
}

// some is an amount that is worth a word; "" if there is none.
func some(m *acquitv1.Money) string {
	if m.GetMinorUnits() == 0 {
		return ""
	}
	return money(m)
}

// undone is what the provider took back of what it had done.
func undone(p *acquitv1.Payment) string {
	var parts []string
	if m := some(p.GetCapturedReversed()); m != "" {
		parts = append(parts, m+" of what was captured")
	}
	if m := some(p.GetRefundedReversed()); m != "" {
		parts = append(parts, m+" of what was refunded")
	}
	return strings.Join(parts, ", ")
}

// elsewhere is what acquit's operations did not ask for.
func elsewhere(p *acquitv1.Payment) string {
	var parts []string
	if m := some(p.GetExternalCaptured()); m != "" {
		parts = append(parts, "captured "+m)
	}
	if m := some(p.GetExternalRefunded()); m != "" {
		parts = append(parts, "refunded "+m)
	}
	if parts == nil {
		return ""
	}
	return strings.Join(parts, ", ") + ": not asked for here; look at the provider"
}

// describe says in a line what an attempt's answers prove and why.
func describe(a *acquitv1.Attempt) string {
	said := []string{proof(a.GetEvidence()), sends(a)}
	if a.GetHttpStatus() != 0 {
		said = append(said, strings.TrimSpace(fmt.Sprintf("last answer HTTP %d %s", a.GetHttpStatus(), a.GetProviderCode())))
	}
	if a.GetMappingRow() != "" {
		said = append(said, "row "+a.GetMappingRow())
	}
	if a.GetProviderReference() != "" {
		said = append(said, "provider id "+a.GetProviderReference())
	}
	return a.GetAccount() + ": " + strings.Join(said, "; ")
}

// proof is what evidence means.
func proof(e acquitv1.Evidence) string {
	switch e {
	case acquitv1.Evidence_EVIDENCE_EFFECT:
		return "effect, the provider shows it"
	case acquitv1.Evidence_EVIDENCE_PENDING:
		return "accepted, the outcome comes later"
	case acquitv1.Evidence_EVIDENCE_NO_EFFECT_STICKY:
		return "no effect, now or later"
	case acquitv1.Evidence_EVIDENCE_NO_EFFECT_NOT_STICKY:
		return "no effect of that send"
	case acquitv1.Evidence_EVIDENCE_UNKNOWN:
		return "unknown, there may be an effect"
	case acquitv1.Evidence_EVIDENCE_UNSPECIFIED:
	}
	return "no answer yet"
}

// sends says how often an attempt was sent. The count is written with what it
// led to, so none is no proof: a send may be out, or its sender may have died. An
// attempt is closed by evidence of no effect of that send only if its sends are
// all known, so there a count of none is the truth.
func sends(a *acquitv1.Attempt) string {
	switch n := a.GetSends(); {
	case n == 0 && a.GetEvidence() == acquitv1.Evidence_EVIDENCE_NO_EFFECT_NOT_STICKY && a.GetEndTime() != nil:
		return "never sent"
	case n == 0:
		return "number of sends not recorded"
	case n == 1:
		return "sent once"
	default:
		return fmt.Sprintf("sent %d times", n)
	}
}

// outcome says what became of which request. For an authorization the payment
// says what was asked for.
func outcome(op *acquitv1.Operation) string {
	if op.GetMethod() == acquitv1.Method_METHOD_AUTHORIZE {
		return meaning(op)
	}
	return fmt.Sprintf("%s %s: %s", verb(op.GetMethod()), money(op.GetAmount()), meaning(op))
}

// meaning is what a caller has to know about a state.
func meaning(op *acquitv1.Operation) string {
	switch op.GetState() {
	case acquitv1.OperationState_OPERATION_STATE_SUCCEEDED:
		return "done"
	case acquitv1.OperationState_OPERATION_STATE_PENDING:
		return "accepted; the outcome comes later: read the payment"
	case acquitv1.OperationState_OPERATION_STATE_REQUIRES_ACTION:
		return "the shopper must act first: read the payment"
	case acquitv1.OperationState_OPERATION_STATE_DECLINED:
		return fmt.Sprintf("%s; next: %s", saying(op.GetDecline().GetCode(), op.GetDecline().GetProviderMessage()), advice(op.GetDecline().GetAdvice()))
	case acquitv1.OperationState_OPERATION_STATE_FAILED:
		next := advice(op.GetRetry())
		if op.GetFailure().GetCode() == "request_refused" { // the same request would be refused again
			next = "correct the request, then use a new --key"
		}
		return fmt.Sprintf("%s; certainly no effect; next: %s", saying(op.GetFailure().GetCode(), op.GetFailure().GetMessage()), next)
	case acquitv1.OperationState_OPERATION_STATE_UNKNOWN, acquitv1.OperationState_OPERATION_STATE_FENCING:
		return "there may be an effect: ask again with the same --key, never with a new one"
	case acquitv1.OperationState_OPERATION_STATE_INTENT, acquitv1.OperationState_OPERATION_STATE_UNSPECIFIED:
	}
	return "not done yet, there may be an effect: ask again with the same --key, never with a new one"
}

// saying is a code with what the provider said, quoted: it is somebody else's
// text on its way to a terminal.
func saying(code, message string) string {
	if message == "" {
		return code
	}
	return fmt.Sprintf("%s: %q", code, message)
}

func advice(a acquitv1.RetryAdvice) string {
	switch a {
	case acquitv1.RetryAdvice_RETRY_ADVICE_SAME_KEY:
		return "ask again with the same --key"
	case acquitv1.RetryAdvice_RETRY_ADVICE_NEW_KEY_LATER:
		return "try later with a new --key"
	case acquitv1.RetryAdvice_RETRY_ADVICE_NEW_KEY_OTHER_METHOD:
		return "try another instrument with a new --key"
	case acquitv1.RetryAdvice_RETRY_ADVICE_NEVER, acquitv1.RetryAdvice_RETRY_ADVICE_UNSPECIFIED:
	}
	return "do not try again"
}

// exitCode is how a command ends whose operation is in a state.
func exitCode(s acquitv1.OperationState) int {
	switch s {
	case acquitv1.OperationState_OPERATION_STATE_SUCCEEDED, acquitv1.OperationState_OPERATION_STATE_PENDING,
		acquitv1.OperationState_OPERATION_STATE_REQUIRES_ACTION:
		return exitOK
	case acquitv1.OperationState_OPERATION_STATE_DECLINED, acquitv1.OperationState_OPERATION_STATE_FAILED:
		return exitDeclined
	case acquitv1.OperationState_OPERATION_STATE_INTENT, acquitv1.OperationState_OPERATION_STATE_UNKNOWN,
		acquitv1.OperationState_OPERATION_STATE_FENCING, acquitv1.OperationState_OPERATION_STATE_UNSPECIFIED:
	}
	return exitUnknown
}

func action(a *acquitv1.NextAction) string {
	switch {
	case a.GetRedirect() != nil:
		return "send the shopper to the page in next_action (-o json shows it)"
	case a.GetProviderSdk() != nil:
		return "hand next_action to the provider's software (-o json shows it)"
	}
	return ""
}

// amount is what a payment is about: what was asked for, unless the provider
// authorized another amount.
func amount(p *acquitv1.Payment) string {
	if granted(p) == 0 || granted(p) == p.GetAmount().GetMinorUnits() {
		return money(p.GetAmount())
	}
	return "authorized " + share(granted(p), p.GetAmount())
}

// authorized is the authorized amount, with the one asked for if the provider
// authorized another.
func authorized(p *acquitv1.Payment) string {
	if p.GetAuthorized().GetMinorUnits() == 0 || granted(p) == p.GetAmount().GetMinorUnits() {
		return money(p.GetAuthorized())
	}
	return share(p.GetAuthorized().GetMinorUnits(), p.GetAmount())
}

// granted is what the provider authorized, whatever was released of it since.
func granted(p *acquitv1.Payment) int64 {
	return p.GetAuthorized().GetMinorUnits() + p.GetReleased().GetMinorUnits()
}

// share is a part of an amount.
func share(units int64, whole *acquitv1.Money) string {
	part := money(&acquitv1.Money{MinorUnits: units, CurrencyCode: whole.GetCurrencyCode()})
	return strings.TrimSuffix(part, " "+whole.GetCurrencyCode()) + " of " + money(whole)
}

func money(m *acquitv1.Money) string {
	return payment.Money{MinorUnits: m.GetMinorUnits(), CurrencyCode: m.GetCurrencyCode()}.String()
}

// word is an enum value without the prefix of its type.
func word(v fmt.Stringer, prefix string) string { return strings.TrimPrefix(v.String(), prefix) }

func clock(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Format("2006-01-02 15:04:05.000Z")
}

// since is the time from one moment to another, as people say it.
func since(from, to *timestamppb.Timestamp) string {
	return fmt.Sprintf("+%.3f s", to.AsTime().Sub(from.AsTime()).Round(time.Millisecond).Seconds())
}
