package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// refusal is an error of the service, as a person needs it.
type refusal struct {
	Code      string            `json:"code"`
	Reason    string            `json:"reason,omitempty"`
	Message   string            `json:"message"`
	Fields    map[string]string `json:"fields,omitempty"` // what is wrong, by field
	Do        string            `json:"do"`
	Key       string            `json:"key,omitempty"` // the idempotency key that was used
	Ambiguous bool              `json:"effect_possible"`
}

// explain prints what an error of a call means and what to do about it. sent
// says that the call reached a server.
func (c *client) explain(t terminal, err error, sent bool) error {
	if _, ok := status.FromError(err); !ok {
		return err
	}
	r := refusalOf(err)
	r.Key = c.sentKey
	switch {
	case r.Ambiguous && !sent:
		r.Do, r.Ambiguous = "check --addr and that the service runs, then try again; nothing was done", false
	case r.Key == "":
		r.Do, r.Ambiguous = readDuty(r), false
	case r.Ambiguous:
		r.Do = again(r.Key)
	}
	ended := &result{code: exitError}
	if r.Ambiguous {
		ended.code = exitUnknown
	}
	if c.output.value == "json" {
		raw, err := json.MarshalIndent(map[string]any{"error": r}, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(t.err, "%s\n", raw)
		return ended
	}
	name := r.Code
	if r.Reason != "" && r.Reason != r.Code {
		name += " / " + r.Reason
	}
	fmt.Fprintf(t.err, "error: %s: %s\n", name, r.Message)
	for _, field := range slices.Sorted(maps.Keys(r.Fields)) {
		switch wrong := r.Fields[field]; {
		case field == "", r.Message == field+": "+wrong: // said already
		case r.Message == wrong:
			fmt.Fprintf(t.err, "  field  %s\n", field)
		default:
			fmt.Fprintf(t.err, "  field  %s: %s\n", field, wrong)
		}
	}
	if r.Key != "" {
		fmt.Fprintf(t.err, "  key    %s\n", r.Key)
	}
	fmt.Fprintf(t.err, "  do     %s\n", r.Do)
	return ended
}

// refusalOf reads the details of a gRPC error.
func refusalOf(err error) refusal {
	s := status.Convert(err)
	r := refusal{Code: code.Code(s.Code()).String(), Message: s.Message(), Fields: map[string]string{}}
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			r.Reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				r.Fields[v.GetField()] = v.GetDescription()
			}
		}
	}
	r.Do, r.Ambiguous = duty(r)
	return r
}

// duty says what to do about a refusal, and whether an effect is possible all
// the same. What it does not know it takes for possible.
func duty(r refusal) (do string, effectPossible bool) {
	switch r.Reason {
	case "OUTCOME_PENDING", "INTERNAL", "IDEMPOTENCY_KEY_IN_FLIGHT":
		return "ask again with the same --key, never with a new one: there may be an effect", true
	case "IDEMPOTENCY_KEY_REUSED":
		return "find out what was asked for under this key; a new intent needs a new --key", false
	case "IDEMPOTENCY_KEY_EXPIRED":
		return "read the payment; a new intent needs a new --key", false
	case "LEDGER_UNAVAILABLE", "PAYMENT_CONTENDED", "LEDGER_FULL", "OVERLOADED", "DEADLINE_TOO_SHORT":
		return "nothing new was done; ask again with the same --key, later or with a longer --timeout", false
	case "PARENT_UNKNOWN":
		return "nothing new was done; wait until the outcome is known (acquit get), then ask again with the same --key", false
	case "AMOUNT_EXCEEDS_AUTHORIZED", "AMOUNT_EXCEEDS_CAPTURED", "CURRENCY_MISMATCH",
		"PAYMENT_NOT_CAPTURABLE", "PAYMENT_NOT_REFUNDABLE", "PAYMENT_NOT_VOIDABLE", "PAYMENT_NOT_COMPLETABLE":
		return "nothing was done; read the payment (acquit get) and decide anew", false
	case "MERCHANT_REFERENCE_EXISTS":
		return "nothing was done; find the payment that has it (acquit list --merchant-reference) and decide anew", false
	case "NO_ROUTE":
		return "no configured account can take it; change the request (--account, --token, --currency, --capture) or the configuration", false
	case "UNSUPPORTED_BY_PROVIDER":
		return "nothing was done; ask for something that the account's provider can do", false
	case "NOT_FOUND":
		return "check the id", false
	case "UNAUTHENTICATED", "PERMISSION_DENIED":
		return "check --tls-cert and --tls-key", false
	case "":
		return transportDuty(r.Code)
	}
	return "correct the request; nothing was done", false
}

// readDuty says what to do about a refusal of a call that only reads: it has no
// key, and it can be repeated at will.
func readDuty(r refusal) string {
	const later = "try again, later or with a longer --timeout; reading changes nothing"
	if r.Ambiguous {
		return later
	}
	switch r.Code {
	case "ABORTED", "CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNKNOWN":
		return later
	}
	return r.Do
}

// transportDuty is for errors that do not come from acquit itself.
func transportDuty(c string) (do string, effectPossible bool) {
	switch c {
	case "UNIMPLEMENTED":
		return "this version does not serve it", false
	case "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT":
		return "correct the request; nothing was done", false
	}
	return "ask again with the same --key, never with a new one: there may be an effect", true
}
