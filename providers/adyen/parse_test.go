package adyen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	"github.com/acquitpay/acquit/providers/providertest"
)

// Goal: an answer that was not processed under our key, or under another, is told
// apart, and nothing is sent again blindly after it; what an effect shows stands
// all the same. Method: each kind of answer with our key, with none and with another's.
//
// Shows R17.
func TestEcho(t *testing.T) {
	d, auth, capture := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodAuthorize), adyentest.Send(payment.MethodCapture)
	for name, c := range map[string]struct {
		send payment.Send
		code string
		r    providers.Response
	}{
		"authorised": {auth, "Authorised", adyentest.Unechoed(200, adyentest.Payment(auth, "Authorised"))},
		"refused":    {auth, "Refused", adyentest.Unechoed(200, adyentest.Refused(auth, "2", "Refused"))},
		"received":   {capture, "received", adyentest.Unechoed(201, adyentest.Modification(capture, capture.Amount))},
	} {
		for echo, want := range map[string]string{string(c.send.Key): c.code, "": c.code + ":no_echo", "another": "another_key"} {
			r := c.r
			r.Header = r.Header.Clone()
			if echo != "" {
				r.Header.Set("idempotency-key", echo)
			}
			a := d.Parse(c.send, r)
			if a.Code != want || (a.Hint == payment.HintStop) != (want != c.code) || (a.Reference == "") != (want == "another_key") {
				t.Errorf("%s with key %q: %+v, want code %s", name, echo, a, want)
			}
		}
	}
	refusal := adyentest.Error(422, "validation", "130", "No.", false)
	if a := d.Parse(auth, refusal); a.Code != "130" {
		t.Errorf("an error, in which the key is not repeated: %+v", a)
	}
	refusal.Header.Set("Idempotency-Key", "another")
	if a := d.Parse(auth, refusal); a.Code != "another_key" {
		t.Errorf("an error of another's key: %+v", a)
	}
}

// Goal: what Adyen does not call transient is not sent again, whatever its status.
// Method: values of the header with statuses.
//
// Shows R24.
func TestHints(t *testing.T) {
	d, s := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodAuthorize)
	for _, c := range []struct {
		status    int
		transient string
		want      payment.Hint
	}{
		{503, "true", payment.HintRetry},
		{503, "True", payment.HintRetry},
		{409, "true", payment.HintRetry},
		{422, "true", payment.HintRetry},
		{503, "false", payment.HintLater},
		{500, "", payment.HintLater},
		{409, "", payment.HintLater},
		{401, "maybe", payment.HintLater},
		{200, "", payment.HintNone},
		{201, "false", payment.HintNone},
	} {
		r := adyentest.JSON(s, c.status, adyentest.Payment(s, "Authorised"))
		if c.transient != "" {
			r.Header.Set("Transient-Error", c.transient)
		}
		if a := d.Parse(s, r); a.Hint != c.want {
			t.Errorf("%+v: hint %q", c, a.Hint)
		}
	}
}

// Goal: a shopper is sent where Adyen says, with what Adyen says, or their client
// gets the action as it is; an action of a payment gives it no id yet. Method:
// actions of each kind, and ones that cannot be read.
func TestActions(t *testing.T) {
	d, s := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodAuthorize)
	act := func(action any) payment.Answer {
		return d.Parse(s, adyentest.JSON(s, 200, providertest.With(adyentest.Payment(s, "RedirectShopper"), adyentest.Object{"action": action})))
	}
	page := &payment.NextAction{
		RedirectURL: "https://checkoutshopper-test.adyen.com/3ds?x=y", RedirectMethod: "POST", RedirectForm: map[string]string{"MD": "m", "PaReq": "p"},
	}
	a := act(adyentest.Redirect())
	if diff := cmp.Diff(page, a.NextAction); diff != "" || a.Reference != "" || a.RequestID != "PSPREFERENCE0001" {
		t.Errorf("reference %q, request %q, action (-want +got):\n%s", a.Reference, a.RequestID, diff)
	}
	if got := act(adyentest.Object{"type": "redirect", "url": "https://bank.example"}).NextAction; got == nil || got.RedirectMethod != "GET" {
		t.Errorf("a page without a method: %+v", got)
	}
	want := `{"authorisationToken":"Ab03","paymentData":"Ab02","paymentMethodType":"scheme","subtype":"fingerprint","token":"eyJ0","type":"threeDS2"}`
	if got := act(adyentest.Native()).NextAction; got == nil || string(got.ProviderSDK) != want {
		t.Errorf("a client's action: %+v, want %s", got, want)
	}
	for _, none := range []any{nil, adyentest.Object{}, []string{"redirect"}, "redirect", adyentest.Object{"type": 7}, adyentest.Object{"url": "https://bank.example"}} {
		if a := act(none); a.Code != "RedirectShopper:no_action" || a.NextAction != nil {
			t.Errorf("action %v: %+v", none, a)
		}
	}
}

// Goal: a part is told as a part, and money that cannot be the request's is not
// read. Method: results with amounts here and there.
func TestAmounts(t *testing.T) {
	d, s := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodAuthorize)
	data := func(value, currency any) adyentest.Object {
		return adyentest.Object{"additionalData": adyentest.Object{"authorisedAmountValue": value, "authorisedAmountCurrency": currency}}
	}
	amount := func(n int64, currency string) adyentest.Object {
		return adyentest.Object{"amount": adyentest.Amount(payment.Money{MinorUnits: n, CurrencyCode: currency})}
	}
	for _, c := range []struct {
		result string
		more   adyentest.Object
		code   string
		units  int64 // 0: no amount
	}{
		{"Authorised", nil, "Authorised", 0},
		{"Authorised", amount(1000, "EUR"), "Authorised", 1000},
		{"Authorised", amount(999, "EUR"), "another_amount", 0},
		{"Authorised", amount(1001, "EUR"), "another_amount", 0},
		{"Authorised", amount(1000, "USD"), "another_amount", 0},
		{"Authorised", amount(1000, "eur"), "another_amount", 0},
		{"Refused", amount(1000, "USD"), "another_amount", 0},
		{"PartiallyAuthorised", amount(400, "EUR"), "PartiallyAuthorised", 400},
		{"PartiallyAuthorised", amount(1001, "EUR"), "another_amount", 0},
		{"PartiallyAuthorised", amount(0, "EUR"), "another_amount", 0},
		{"PartiallyAuthorised", data("400", "EUR"), "PartiallyAuthorised", 400},
		{"PartiallyAuthorised", data("400", "USD"), "another_amount", 0},
		{"PartiallyAuthorised", data("4e2", "EUR"), "PartiallyAuthorised:no_amount", 0},
		{"PartiallyAuthorised", data(400, "EUR"), "PartiallyAuthorised:no_amount", 0},
		{"PartiallyAuthorised", nil, "PartiallyAuthorised:no_amount", 0},
		{"PartiallyAuthorised", providertest.With(data("300", "EUR"), amount(400, "EUR")), "PartiallyAuthorised", 400},
	} {
		a := d.Parse(s, adyentest.JSON(s, 200, providertest.With(adyentest.Payment(s, c.result), c.more)))
		if a.Code != c.code || (a.Amount == nil) != (c.units == 0) || a.Amount != nil && *a.Amount != (payment.Money{MinorUnits: c.units, CurrencyCode: "EUR"}) {
			t.Errorf("%s with %v: code %s, amount %v; want %s, %d", c.result, c.more, a.Code, a.Amount, c.code, c.units)
		}
	}
}

// Goal: a word that Adyen does not document never reads as one of ours, however it
// is called. Method: results, statuses and error codes with the names of others.
func TestUndocumentedWords(t *testing.T) {
	d, auth, refund := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodAuthorize), adyentest.Send(payment.MethodRefund)
	for want, a := range map[string]payment.Answer{
		"result_130":       d.Parse(auth, adyentest.JSON(auth, 200, adyentest.Payment(auth, "130"))),
		"result_received":  d.Parse(auth, adyentest.JSON(auth, 200, adyentest.Payment(auth, "received"))),
		"result_refused":   d.Parse(auth, adyentest.JSON(auth, 200, adyentest.Payment(auth, "refused"))),
		"status_Refused":   d.Parse(refund, adyentest.JSON(refund, 201, providertest.With(adyentest.Modification(refund, refund.Amount), adyentest.Object{"status": "Refused"}))),
		"error_Refused":    d.Parse(auth, adyentest.Error(422, "validation", "Refused", "", false)),
		"error_Authorised": d.Parse(auth, adyentest.Error(400, "", "Authorised", "", false)),
	} {
		if a.Code != want {
			t.Errorf("code %q, want %q", a.Code, want)
		}
	}
}

// Goal: Adyen's own examples are read as what they are. Method: the bodies of its
// libraries' tests, each with the code that it means; a body that is no JSON has none.
func TestAdyensExamples(t *testing.T) {
	d, s := adyentest.Driver("AQEcredential"), adyentest.Send(payment.MethodAuthorize)
	for file, c := range map[string]struct {
		status        int
		code, decline string
	}{
		"authorise-success":                      {200, "Authorised:no_echo", ""},
		"authorise-error-cvc-declined":           {200, "Refused:no_echo", ""},
		"authorise-error-expired":                {200, "Refused:no_echo", ""},
		"authorise-error-010":                    {403, "010", ""},
		"authorise3d-error-105":                  {422, "105", ""},
		"response-validation-error":              {422, "130", ""},
		"response-validation-error-rfc7807":      {422, "30_102", ""},
		"response-validation-error-invalid-json": {422, "", ""},
	} {
		body, err := os.ReadFile(filepath.Join("testdata", "vectors", "mocks", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		a := d.Parse(s, providers.Response{Status: c.status, Body: body})
		if a.Code != c.code || a.Decline != c.decline || (a.Message == "") != (c.code == "" || strings.HasPrefix(c.code, "Authorised")) {
			t.Errorf("%s: %+v, want code %q, decline code %q", file, a, c.code, c.decline)
		}
	}
}

// Goal: an answer about something else is not believed, whichever field tells.
// Method: answers that differ from a good one in one respect; and a look-up, which
// there is not.
func TestOtherRequests(t *testing.T) {
	d, fence, void := adyentest.Driver("AQEcredential"), fence(), adyentest.Send(payment.MethodVoid)
	for name, c := range map[string]struct {
		send payment.Send
		more adyentest.Object
		code string
	}{
		"a cancel of another reference": {fence, adyentest.Object{"paymentReference": "ANOTHER"}, "another_request"},
		"a cancel of nothing":           {fence, adyentest.Object{"paymentReference": ""}, "another_request"},
		"another's cancel":              {fence, adyentest.Object{"reference": "ANOTHER"}, "another_request"},
		"a void of another payment":     {void, adyentest.Object{"paymentPspReference": "ANOTHER"}, "another_request"},
		"a void at another merchant":    {void, adyentest.Object{"merchantAccount": "Another"}, "another_request"},
		"a void without an id":          {void, adyentest.Object{"pspReference": ""}, ""},
		"a void without a status":       {void, adyentest.Object{"status": ""}, ""},
		"a void whose status is a code": {void, adyentest.Object{"status": 422}, ""},
		"a void, in other letters":      {void, adyentest.Object{"merchantAccount": "ACQUITTEST"}, "received"},
	} {
		a := d.Parse(c.send, adyentest.JSON(c.send, 201, providertest.With(adyentest.Modification(c.send, c.send.Amount), c.more)))
		if a.Code != c.code || (a.Reference != "") != (c.code == "received") {
			t.Errorf("%s: %+v, want code %q", name, a, c.code)
		}
	}
	if diff := cmp.Diff(payment.Answer{}, d.ParseQuery(void, adyentest.JSON(void, 200, adyentest.Payment(void, "Authorised")))); diff != "" {
		t.Errorf("a look-up (-want +got):\n%s", diff)
	}
}
