package stripe_test

import (
	"encoding/csv"
	"os"
	"slices"
	"testing"

	stripego "github.com/stripe/stripe-go/v85"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
)

// codes are Stripe's documented codes of a kind.
func codes(t *testing.T, kind string) []string {
	t.Helper()
	f, err := os.Open("testdata/codes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.Comment = '#'
	lines, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, line := range lines[1:] {
		if line[0] == kind {
			list = append(list, line[1])
		}
	}
	return list
}

// stripeRows are the driver's rows of an operation.
func stripeRows(t *testing.T, m payment.Method) []mapping.Row {
	t.Helper()
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(table.Rows(), func(r mapping.Row) bool { return r.Driver != "stripe" || (m != "" && r.Operation != m) })
}

// Goal: no documented code is left to the rows for what is not known. Method: the
// lists of Stripe's pages against the table; a decline code has a row on the send,
// in a look-up and after a fence.
func TestEveryDocumentedCodeHasARow(t *testing.T) {
	declines, errs := codes(t, "decline"), codes(t, "error")
	if len(declines) != 50 || len(errs) < 55 {
		t.Fatalf("%d decline codes and %d error codes: the lists are read wrongly", len(declines), len(errs))
	}
	for _, code := range errs {
		if !slices.ContainsFunc(stripeRows(t, ""), func(r mapping.Row) bool { return r.Code == code }) {
			t.Errorf("error code %s has no row", code)
		}
	}
	for _, m := range []payment.Method{payment.MethodAuthorize, mapping.Query, mapping.Fenced} {
		rows, under := stripeRows(t, m), "canceled"
		if m == payment.MethodAuthorize {
			under = "card_declined"
		}
		for _, decline := range declines {
			if !slices.ContainsFunc(rows, func(r mapping.Row) bool { return r.Code == under && r.Decline == decline }) {
				t.Errorf("%s: decline code %s has no row", m, decline)
			}
		}
	}
}

// Goal: the table names every status that stripe-go knows. Method: its constants,
// by the codes that the driver makes of them.
func TestEveryStatusHasARow(t *testing.T) {
	named := func(m payment.Method, code string) {
		if !slices.ContainsFunc(stripeRows(t, m), func(r mapping.Row) bool { return r.Code == code }) {
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
	for _, r := range stripeRows(t, "") {
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
