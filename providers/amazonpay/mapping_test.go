package amazonpay_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	"github.com/acquitpay/acquit/providers/providertest"
)

// documented is a line of codes.csv.
type documented struct {
	code   string
	status int
}

// codes are what Amazon Pay documents of a kind, which are so many.
func codes(t *testing.T, kind string, n int) []documented {
	t.Helper()
	var list []documented
	for _, line := range providertest.Codes(t, kind, n) {
		status, _ := strconv.Atoi(line[2]) // of an object there is none
		list = append(list, documented{line[1], status})
	}
	return list
}

// Goal: no documented error is left to the rows for what is not known. Method:
// each, as the driver reads it, is judged by a row of the driver's own that says
// the same status as the documentation.
func TestEveryDocumentedErrorHasARow(t *testing.T) {
	d, table, s := driver(t), providertest.Table(t), amazonpaytest.Send(payment.MethodAuthorize)
	for _, c := range append(codes(t, "error", 42), codes(t, "status", 3)...) {
		a := d.Parse(s, amazonpaytest.Error(c.status, c.code, "No."))
		a.Transport, a.HTTPStatus = payment.TransportAnswered, c.status
		v := table.Judge("amazonpay", payment.MethodAuthorize, a)
		row, ok := table.Row(v.Row)
		if !ok || row.Driver != "amazonpay" || row.Code != c.code {
			t.Errorf("%d %s is judged by %s", c.status, c.code, v.Row)
		}
		if c.status >= 500 && v.Evidence != payment.EvidenceUnknown {
			t.Errorf("%d %s: %s", c.status, c.code, v.Evidence)
		}
	}
}

// Goal: the table names every state that is documented, in the answer to a send, in
// a look-up and after a fence, and says the same of it. Method: the states by the
// codes that the driver makes of them; a declined charge with each reason.
func TestEveryStateHasARow(t *testing.T) {
	all := providertest.Rows(t, "amazonpay")
	named := func(m payment.Method, code, decline string) mapping.Row {
		t.Helper()
		return providertest.Row(t, all, m, code, decline)
	}
	for _, c := range codes(t, "charge", 6) {
		for _, m := range []payment.Method{payment.MethodAuthorize, mapping.Query, mapping.Fenced} {
			named(m, "charge."+c.code, "")
		}
		for of, m := range map[string]payment.Method{"capture.": payment.MethodCapture, "void.": payment.MethodVoid} {
			sent, asked := named(m, of+c.code, ""), named(mapping.Query, of+c.code, "")
			if sent.Evidence != asked.Evidence || sent.Category != asked.Category {
				t.Errorf("%s%s: the answer and the look-up are told apart", of, c.code)
			}
		}
	}
	for _, c := range codes(t, "refund", 3) {
		if named(payment.MethodRefund, "refund."+c.code, "").Evidence != named(mapping.Query, "refund."+c.code, "").Evidence {
			t.Errorf("refund.%s: the answer and the look-up are told apart", c.code)
		}
	}
	for _, c := range codes(t, "declined", 7) {
		sent, asked, fenced := named(payment.MethodAuthorize, "charge.Declined", c.code), named(mapping.Query, "charge.Declined", c.code), named(mapping.Fenced, "charge.Declined", c.code)
		if sent.Category != asked.Category || sent.Category != fenced.Category || sent.Canonical != asked.Canonical {
			t.Errorf("declined for %s: the answers are told apart", c.code)
		}
		if c.code != "ProcessingFailure" && named(payment.MethodAuthorize, c.code, "").Category != sent.Category {
			t.Errorf("declined for %s: the error and the charge are told apart", c.code)
		}
	}
}

// Goal: a row that was written for one answer claims nothing about another's
// money. Method: what no row of Amazon's may do.
func TestNoRowClaimsTooMuch(t *testing.T) {
	for _, r := range providertest.Rows(t, "amazonpay") {
		sticky := r.Evidence == payment.EvidenceNoEffectSticky
		switch {
		case sticky && r.Operation == mapping.Any:
			t.Errorf("%s: sticky for every operation", r.ID)
		case sticky && !slices.Contains([]string{"SoftDeclined", "HardDeclined", "AmazonRejected", "PaymentMethodNotAllowed", "MFANotCompleted", "TransactionTimedOut"}, r.Code) && !dotted(r.Code):
			t.Errorf("%s: a refusal of the request is not documented to be saved", r.ID)
		case r.Operation == mapping.Fenced && r.Evidence == payment.EvidenceEffect && r.Code != "charge.Captured":
			t.Errorf("%s: a cancel can still change it", r.ID)
		case r.Failover && !slices.Contains([]payment.Method{payment.MethodAuthorize, mapping.Any, mapping.Query, mapping.Fenced}, r.Operation):
			t.Errorf("%s: only an authorization goes elsewhere", r.ID)
		}
	}
}

// dotted reports whether a code is of an object's state.
func dotted(code string) bool { return slices.Contains([]byte(code), '.') }

// Goal: a reason of an error is not taken for the state of an object. Method: an
// error whose reason is spelled as a state.
func TestAReasonIsNoState(t *testing.T) {
	for _, m := range []payment.Method{payment.MethodAuthorize, payment.MethodCapture, payment.MethodRefund, payment.MethodVoid} {
		for _, state := range []string{"charge.Canceled", "charge.Declined", "capture.Canceled", "refund.Declined", "void.Captured"} {
			if a := driver(t).Parse(amazonpaytest.Send(m), amazonpaytest.Error(422, state, "No.")); a.Code != "" {
				t.Errorf("%s, %s: code %s", m, state, a.Code)
			}
		}
	}
}
