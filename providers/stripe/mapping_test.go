package stripe_test

import (
	"slices"
	"testing"

	stripego "github.com/stripe/stripe-go/v85"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Goal: no documented code is left to the rows for what is not known. Method: the
// lists of Stripe's pages against the table; a decline code has a row on the send,
// in a look-up and after a fence.
func TestEveryDocumentedCodeHasARow(t *testing.T) {
	all := providertest.Rows(t, "stripe")
	for _, c := range providertest.Codes(t, "error", 56) {
		if !slices.ContainsFunc(all, func(r mapping.Row) bool { return r.Code == c[1] }) {
			t.Errorf("error code %s has no row", c[1])
		}
	}
	for _, m := range []payment.Method{payment.MethodAuthorize, mapping.Query, mapping.Fenced} {
		under := "canceled"
		if m == payment.MethodAuthorize {
			under = "card_declined"
		}
		for _, c := range providertest.Codes(t, "decline", 50) {
			providertest.Row(t, all, m, under, c[1])
		}
	}
}

// Goal: the table names every status that stripe-go knows. Method: its constants,
// by the codes that the driver makes of them.
func TestEveryStatusHasARow(t *testing.T) {
	all := providertest.Rows(t, "stripe")
	named := func(m payment.Method, code string) {
		if !slices.ContainsFunc(all, func(r mapping.Row) bool { return r.Operation == m && r.Code == code }) {
			t.Errorf("%s: %s has no row", m, code)
		}
	}
	for _, s := range []stripego.PaymentIntentStatus{
		stripego.PaymentIntentStatusCanceled, stripego.PaymentIntentStatusProcessing, stripego.PaymentIntentStatusRequiresAction,
		stripego.PaymentIntentStatusRequiresCapture, stripego.PaymentIntentStatusRequiresConfirmation,
		stripego.PaymentIntentStatusRequiresPaymentMethod, stripego.PaymentIntentStatusSucceeded,
	} {
		for _, m := range []payment.Method{payment.MethodAuthorize, mapping.Query, mapping.Fenced} {
			named(m, string(s))
		}
		named(mapping.Query, "void_"+string(s))
	}
	for _, s := range []stripego.RefundStatus{
		stripego.RefundStatusCanceled, stripego.RefundStatusFailed, stripego.RefundStatusPending,
		stripego.RefundStatusRequiresAction, stripego.RefundStatusSucceeded,
	} {
		for _, m := range []payment.Method{payment.MethodRefund, mapping.Query} {
			named(m, "refund_"+string(s))
		}
	}
}

// Goal: a row that was written for one answer claims nothing about another's
// money. Method: what no Stripe row may do.
func TestNoRowClaimsTooMuch(t *testing.T) {
	for _, r := range providertest.Rows(t, "stripe") {
		sticky := r.Evidence == payment.EvidenceNoEffectSticky
		switch {
		case sticky && r.Operation == mapping.Any:
			t.Errorf("%s: sticky for every operation", r.ID)
		case r.Operation == mapping.Fenced && r.Evidence == payment.EvidenceEffect && r.Code != "succeeded":
			t.Errorf("%s: a cancel can still change it", r.ID)
		case r.Failover && r.Operation != payment.MethodAuthorize && r.Operation != mapping.Any && r.Operation != mapping.Query && r.Operation != mapping.Fenced:
			t.Errorf("%s: only an authorization goes elsewhere", r.ID)
		}
	}
}
