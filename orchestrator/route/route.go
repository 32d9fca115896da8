// Package route chooses the provider account for an attempt, and says why each
// other one was not chosen.
//
// It is pure: the same question to the same accounts gives the same choice, so
// that a choice can be explained afterwards. Accounts are tried in the order of
// the configuration; the first that can do everything the instruction asks for
// is taken. It knows nothing about load or cost, and of an account's health only
// whether it is paused.
//
// Routing runs before an attempt is recorded and never again for that attempt:
// whoever takes an operation over keeps the account that the record names.
package route

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
)

// Candidate is a configured account as routing sees it.
type Candidate struct {
	Name    payment.AccountName
	Traits  payment.Traits
	Tenants []payment.TenantID // who may use it; empty: every tenant
	// Paused is how much longer nothing new is sent to it, since its provider cannot
	// work at the moment; 0 if it can.
	Paused time.Duration
}

// Question is what an account is wanted for.
type Question struct {
	Tenant      payment.TenantID
	Method      payment.Method
	Instruction payment.Instruction
	// Exclude names accounts that had an attempt of the operation already: there
	// is never a second one on an account.
	Exclude []payment.AccountName
}

// Choice is the answer to a Question.
type Choice struct {
	Account payment.AccountName
	// Alternatives are the other accounts that fit, in order.
	Alternatives []payment.AccountName
	// Rejected are those that do not, in the order of the configuration.
	Rejected []Rejection
}

// Rejection says why an account cannot take an instruction.
type Rejection struct {
	Account payment.AccountName
	Reason  Reason
	Detail  string // for people: what exactly does not fit; holds nothing secret
}

// Reason is the first thing about an account that does not fit, in the order
// in which they are declared here.
type Reason string

// The reasons.
const (
	ReasonOtherTenant      Reason = "other_tenant"        // the account is not this tenant's
	ReasonPinnedElsewhere  Reason = "pinned_elsewhere"    // the call names another account
	ReasonTried            Reason = "already_tried"       // the operation had its attempt there
	ReasonMethod           Reason = "method_unsupported"  // the provider has no such operation
	ReasonBankTransfer     Reason = "no_bank_transfers"   // the provider does not serve bank transfers
	ReasonBankTransferOnly Reason = "bank_transfers_only" // the provider serves nothing else
	ReasonNoToken          Reason = "no_token"            // the payment method has no token for this account
	ReasonCannotHold       Reason = "cannot_hold"         // manual capture wanted, only automatic offered
	ReasonCannotCapture    Reason = "cannot_capture"      // automatic capture wanted, only manual offered
	ReasonCurrency         Reason = "currency_not_taken"  // the provider does not take the currency
	ReasonPaused           Reason = "paused"              // the provider says that it cannot work at the moment
)

// Choose returns the first account that fits, with the other accounts and why
// they were not taken. If none fits, the error is a *payment.Error with
// ReasonNoRoute whose message names each of the tenant's accounts with the
// reason, or, where only a pause stands in the way, one with ReasonOverloaded that says
// when to ask again; the choice then holds the rejections alone.
func Choose(candidates []Candidate, q Question) (Choice, error) {
	var c Choice
	for _, candidate := range candidates {
		if reason, detail := reject(candidate, q); reason != "" {
			c.Rejected = append(c.Rejected, Rejection{candidate.Name, reason, detail})
			continue
		}
		if c.Account == "" {
			c.Account = candidate.Name
		} else {
			c.Alternatives = append(c.Alternatives, candidate.Name)
		}
	}
	switch wait := pause(candidates, c.Rejected); {
	case c.Account == "" && wait > 0:
		return c, &payment.Error{Reason: payment.ReasonOverloaded, Message: message(c.Rejected, q), RetryAfter: wait}
	case c.Account == "":
		return c, &payment.Error{Reason: payment.ReasonNoRoute, Message: message(c.Rejected, q)}
	}
	return c, nil
}

// reject finds the first thing about the account that does not fit.
func reject(c Candidate, q Question) (Reason, string) {
	pin := q.Instruction.Account
	switch {
	case len(c.Tenants) > 0 && !slices.Contains(c.Tenants, q.Tenant):
		return ReasonOtherTenant, "is not configured for this tenant"
	case pin != "" && pin != c.Name:
		return ReasonPinnedElsewhere, fmt.Sprintf("the call names account %s", pin)
	case slices.Contains(q.Exclude, c.Name):
		return ReasonTried, "was already tried for this operation"
	case !c.Traits.Supports(q.Method):
		return ReasonMethod, fmt.Sprintf("does not support %s", q.Method)
	case q.Method == payment.MethodAuthorize:
		if reason, detail := rejectInstrument(c, q.Instruction); reason != "" {
			return reason, detail
		}
	}
	if currency := q.Instruction.Amount.CurrencyCode; !c.Traits.Takes(currency) {
		return ReasonCurrency, fmt.Sprintf("does not take %s", currency)
	}
	if c.Paused > 0 {
		return ReasonPaused, "is paused, since its provider cannot work at the moment"
	}
	return "", ""
}

// pause is how long until the first account that would fit but for its pause can be
// asked again; 0 if there is none.
func pause(candidates []Candidate, rejected []Rejection) (shortest time.Duration) {
	for _, r := range rejected {
		i := slices.IndexFunc(candidates, func(c Candidate) bool { return c.Name == r.Account })
		if r.Reason == ReasonPaused && (shortest == 0 || candidates[i].Paused < shortest) {
			shortest = candidates[i].Paused
		}
	}
	return shortest
}

// rejectInstrument asks whether the account can work with what the payer pays
// with, and take or hold the money as wanted.
func rejectInstrument(c Candidate, in payment.Instruction) (Reason, string) {
	switch {
	case in.BankTransfer != nil && !c.Traits.BankTransfer:
		return ReasonBankTransfer, "does not serve bank transfers"
	case in.BankTransfer == nil && c.Traits.BankTransfer:
		return ReasonBankTransferOnly, "serves bank transfers only"
	case in.BankTransfer == nil && !hasToken(in, c.Name):
		return ReasonNoToken, "the payment method has no token for it"
	case in.CaptureMode == payment.CaptureAutomatic && !c.Traits.AutomaticCapture:
		return ReasonCannotCapture, "cannot capture at once (capture mode automatic)"
	case in.CaptureMode != payment.CaptureAutomatic && !c.Traits.ManualCapture: // not specified means manual
		return ReasonCannotHold, "cannot hold money (capture mode manual)"
	}
	return "", ""
}

func hasToken(in payment.Instruction, account payment.AccountName) bool {
	token, ok := in.Tokens[account]
	return ok && (token.StoredID != "" || len(token.ClientPayload) > 0)
}

// message says to the caller why there is no route. It names no account of
// another tenant: to this caller those do not exist.
func message(rejected []Rejection, q Question) string {
	var reasons []string
	for _, r := range rejected {
		if r.Reason != ReasonOtherTenant && r.Reason != ReasonPinnedElsewhere {
			reasons = append(reasons, fmt.Sprintf("%s: %s", r.Account, r.Detail))
		}
	}
	switch {
	case len(reasons) > 0:
		return "no account can take this: " + strings.Join(reasons, "; ")
	case q.Instruction.Account != "":
		return fmt.Sprintf("there is no account %q", q.Instruction.Account)
	}
	return "no account is configured"
}
