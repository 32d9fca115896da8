package truelayer_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/providertest"
	"github.com/acquitpay/acquit/providers/truelayer/truelayertest"
)

// Goal: no documented error is left to the rows for what is not known. Method: each, as
// the driver reads it, is judged by a row of the driver's own; a 5xx proves nothing.
func TestEveryDocumentedErrorHasARow(t *testing.T) {
	d, table := driver(t), providertest.Table(t)
	for _, c := range providertest.Codes(t, "error", 13) {
		status, err := strconv.Atoi(c[2])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []payment.Method{payment.MethodAuthorize, payment.MethodRefund, payment.MethodVoid} {
			a := d.Parse(truelayertest.Send(m), truelayertest.Error(status, c[1], "No."))
			a.Transport, a.HTTPStatus = payment.TransportAnswered, status
			v := table.Judge("truelayer", m, a)
			row, ok := table.Row(v.Row)
			if !ok || row.Driver != "truelayer" || row.Code != c[1] || (status >= 500 && v.Evidence != payment.EvidenceUnknown) {
				t.Errorf("%s, %d %s is judged %s by %s", m, status, c[1], v.Evidence, v.Row)
			}
		}
	}
}

// Goal: the table names every status and every reason that is documented, in the answer
// to a send, in a look-up and after a fence, and says the same of it.
func TestEveryStatusHasARow(t *testing.T) {
	all := providertest.Rows(t, "truelayer")
	named := func(m payment.Method, code, decline string) mapping.Row {
		t.Helper()
		return providertest.Row(t, all, m, code, decline)
	}
	for _, c := range providertest.Codes(t, "payment", 7) {
		for _, m := range []payment.Method{payment.MethodAuthorize, mapping.Query, mapping.Fenced} {
			named(m, "payment."+c[1], "")
		}
		named(mapping.Query, "void."+c[1], "")
	}
	for _, c := range providertest.Codes(t, "payment_failed", 28) {
		for _, m := range []payment.Method{payment.MethodAuthorize, mapping.Query, mapping.Fenced} {
			row := named(m, "payment.failed", c[1])
			if row.Evidence != payment.EvidenceNoEffectSticky || string(row.Category) != c[2] {
				t.Errorf("%s: failed for %s is %s, %s", m, c[1], row.Evidence, row.Category)
			}
		}
	}
	for _, c := range providertest.Codes(t, "refund", 4) {
		named(mapping.Query, "refund."+c[1], "")
	}
	for _, c := range providertest.Codes(t, "refund_failed", 8) {
		if row := named(mapping.Query, "refund.failed", c[1]); row.Evidence != payment.EvidenceNoEffectSticky || string(row.Category) != c[2] || !row.Alert {
			t.Errorf("a refund that failed for %s is %s, %s, alert %t", c[1], row.Evidence, row.Category, row.Alert)
		}
	}
}

// Goal: a row that was written for one answer claims nothing about another's money.
func TestNoRowClaimsTooMuch(t *testing.T) {
	for _, r := range providertest.Rows(t, "truelayer") {
		switch {
		case r.Evidence == payment.EvidenceEffect && !slices.Contains([]string{"payment.settled", "refund.executed", "void.failed"}, r.Code):
			t.Errorf("%s: an effect of %s", r.ID, r.Code)
		case r.Evidence == payment.EvidenceNoEffectSticky && !strings.Contains(r.Code, "."):
			t.Errorf("%s: a refusal of the request is not documented to be kept", r.ID)
		case r.Resend == payment.ResendAfterTokenRefresh && r.ID != "truelayer.any.unauthenticated":
			t.Errorf("%s: another token does not help", r.ID)
		}
	}
}

// Goal: Tl-Should-Retry is obeyed as documented: false ends the copies, and none is the
// same as true. Method: a failure and a refusal with each.
//
// Shows R75.
func TestShouldRetry(t *testing.T) {
	d, table := driver(t), providertest.Table(t)
	for _, c := range []struct {
		header string
		status int
		title  string
		want   payment.Resend
	}{
		{"", 500, "Unknown Error", payment.ResendBackoff},
		{"true", 500, "Unknown Error", payment.ResendBackoff},
		{"false", 500, "Unknown Error", payment.ResendNever},
		{"", 409, "Idempotency-Key Concurrency Conflict", payment.ResendBackoff},
		{"true", 422, "Idempotency-Key Reuse", payment.ResendNever},
		{"", 422, "Idempotency-Key Reuse", payment.ResendNever},
		{"true", 400, "Invalid Parameters", payment.ResendNever},
	} {
		r := truelayertest.Error(c.status, c.title, "No.")
		if c.header != "" {
			r.Header.Set("Tl-Should-Retry", c.header)
		}
		a := d.Parse(truelayertest.Send(payment.MethodAuthorize), r)
		a.Transport, a.HTTPStatus = payment.TransportAnswered, c.status
		if v := table.Judge("truelayer", payment.MethodAuthorize, a); v.Resend != c.want || (a.Hint == payment.HintStop) != (c.header == "false") {
			t.Errorf("%d %s with %q: resend %s, hint %q", c.status, c.title, c.header, v.Resend, a.Hint)
		}
	}
}

// Goal: the answers that TrueLayer's libraries are tested with are read. Method: every
// fixture of a payment, a refund and an error, and the row that judges it.
func TestFixtures(t *testing.T) {
	d, table := driver(t), providertest.Table(t)
	payments, refund := truelayertest.Send(payment.MethodAuthorize), truelayertest.Send(payment.MethodRefund)
	payments.ProviderReference = "" // whatever it is
	got := map[string]string{}
	for _, name := range []string{
		"200.get_payment_by_id.bank_transfer.authorization_required", "200.get_payment_by_id.bank_transfer.authorizing",
		"200.get_payment_by_id.bank_transfer.authorized", "200.get_payment_by_id.bank_transfer.executed",
		"200.get_payment_by_id.bank_transfer.settled", "200.get_payment_by_id.bank_transfer.failed",
		"200.get_payment_refund_by_id.pending", "200.get_payment_refund_by_id.authorized", "200.get_payment_refund_by_id.executed",
		"201.create_payment.authorization_required", "201.create_payment.authorized", "202.create_payment_refund",
		"400.request_invalid", "401.invalid_signature", "401.invalid_token", "404.payment_not_found",
	} {
		raw, err := os.ReadFile(filepath.Join("testdata/vectors/payments", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		status, err := strconv.Atoi(name[:3])
		if err != nil {
			t.Fatal(err)
		}
		s, parse, m := payments, d.Parse, payment.MethodAuthorize
		if strings.Contains(name, "refund") {
			s, m = refund, payment.MethodRefund
		}
		if status == 200 {
			parse, m = d.ParseQuery, mapping.Query
		}
		a := parse(s, providers.Response{Status: status, Body: raw})
		a.Transport, a.HTTPStatus = payment.TransportAnswered, status
		got[name] = table.Judge("truelayer", m, a).Row
	}
	want := map[string]string{}
	for row, names := range map[string][]string{
		"query.authorization_required": {"200.get_payment_by_id.bank_transfer.authorization_required"},
		"query.authorizing":            {"200.get_payment_by_id.bank_transfer.authorizing"}, "query.authorized": {"200.get_payment_by_id.bank_transfer.authorized"},
		"query.executed": {"200.get_payment_by_id.bank_transfer.executed"}, "query.settled": {"200.get_payment_by_id.bank_transfer.settled"},
		"query.failed": {"200.get_payment_by_id.bank_transfer.failed"}, "query.refund_pending": {"200.get_payment_refund_by_id.pending"},
		"query.refund_authorized": {"200.get_payment_refund_by_id.authorized"}, "query.refund_executed": {"200.get_payment_refund_by_id.executed"},
		"authorize.authorization_required": {"201.create_payment.authorization_required"}, "authorize.authorized": {"201.create_payment.authorized"},
		"refund.accepted": {"202.create_payment_refund"}, "any.invalid_parameters": {"400.request_invalid"},
		"any.unauthenticated_signature": {"401.invalid_signature"}, "any.unauthenticated": {"401.invalid_token"}, "any.not_found": {"404.payment_not_found"},
	} {
		for _, name := range names {
			want[name] = "truelayer." + row
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Goal: an answer about another object than the one that was asked about says nothing,
// nor does an error whose title is spelled as a status.
func TestAnotherObject(t *testing.T) {
	d := driver(t)
	for _, m := range []payment.Method{payment.MethodAuthorize, payment.MethodVoid, payment.MethodRefund} {
		s := truelayertest.Send(m)
		s.ProviderReference = "mine"
		other := s
		other.ProviderReference = "theirs"
		object := truelayertest.Payment(other, s.Amount, "settled", "")
		if m == payment.MethodRefund {
			object = truelayertest.Refund(other, s.Amount, "executed", "")
		}
		if a := d.ParseQuery(s, truelayertest.JSON(200, object)); a.Code != "" || a.ObjectFound {
			t.Errorf("%s: %+v", m, a)
		}
		if a := d.Parse(s, truelayertest.Error(422, "payment.failed", "No.")); a.Code != "" {
			t.Errorf("%s: an error is read as %s", m, a.Code)
		}
	}
}
