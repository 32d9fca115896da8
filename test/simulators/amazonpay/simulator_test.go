package amazonpay_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/providers/amazonpay"
	"github.com/acquitpay/acquit/providers/amazonpay/amazonpaytest"
	simulator "github.com/acquitpay/acquit/test/simulators/amazonpay"
)

// account is a simulator with a client that signs as the driver does.
type account struct {
	*testing.T
	*simulator.Simulator

	server *httptest.Server
	signer *amazonpay.Driver
}

func open(t *testing.T, change ...func(*simulator.Config)) *account {
	t.Helper()
	c := simulator.Config{PublicKeys: map[string]string{amazonpaytest.PublicKeyID: amazonpaytest.PublicKey()}}
	for _, f := range change {
		f(&c)
	}
	s, err := simulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := amazonpay.New(amazonpay.Config{Region: "eu", Credential: amazonpaytest.Credential(amazonpaytest.PublicKeyID)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &account{t, s, server, signer}
}

// reply is what came back.
type reply struct {
	Status int
	Body   map[string]any
}

func (r reply) text(name string) string {
	text, _ := r.Body[name].(string)
	return text
}

func (r reply) state() string {
	status, _ := r.Body["statusDetails"].(map[string]any)
	state, _ := status["state"].(string)
	if reason, ok := status["reasonCode"].(string); ok {
		return state + " " + reason
	}
	return state
}

// request is a request that is not signed yet.
func (a *account) request(method, path, key, body string) *http.Request {
	a.Helper()
	r, err := http.NewRequestWithContext(a.Context(), method, a.server.URL+"/v2/"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		a.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Pay-Region", "eu")
	if key != "" {
		r.Header.Set("X-Amz-Pay-Idempotency-Key", key)
	}
	return r
}

// do signs a request, lets change alter it after that, and sends it.
func (a *account) do(r *http.Request, change func(*http.Request)) reply {
	a.Helper()
	if err := a.signer.Sign(a.Context(), r); err != nil {
		a.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := a.server.Client().Do(r)
	if err != nil {
		return reply{}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	out := reply{Status: resp.StatusCode}
	if err := json.Unmarshal(raw, &out.Body); err != nil || resp.Header.Get("X-Amz-Pay-Request-Id") == "" {
		a.Fatalf("%s %s: %v, header %v, body %s", r.Method, r.URL.Path, err, resp.Header, raw)
	}
	return out
}

func (a *account) send(method, path, key, body string) reply {
	a.Helper()
	return a.do(a.request(method, path, key, body), nil)
}

const price = `{"amount":"10.00","currencyCode":"EUR"}`

// charge is the body of a charge on a permission, with more fields.
func charge(permission, more string) string {
	return `{"chargePermissionId":"` + permission + `","chargeAmount":` + price + more + `,"merchantMetadata":{"merchantReferenceId":"REF"}}`
}

const (
	held  = `,"captureNow":false,"canHandlePendingAuthorization":true`
	taken = `,"captureNow":true`
)

// authorized is the id of a charge that holds.
func (a *account) authorized(key, permission string) string {
	a.Helper()
	r := a.send(http.MethodPost, "charges", key, charge(permission, held))
	if r.Status != 201 {
		a.Fatalf("charge on %s: %+v", permission, r)
	}
	return r.text("chargeId")
}

// effects expects the log to be of these kinds.
func (a *account) effects(want ...simulator.Kind) {
	a.Helper()
	var got []simulator.Kind
	for _, e := range a.Effects() {
		got = append(got, e.Kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		a.Errorf("effects (-want +got):\n%s", diff)
	}
}

// expect compares the status, and the reason of an error or the state of an object.
func (a *account) expect(what string, r reply, status int, said string) {
	a.Helper()
	if got := r.text("reasonCode") + r.state(); r.Status != status || got != said {
		a.Errorf("%s: %d %s, want %d %s", what, r.Status, got, status, said)
	}
}

// Goal: one key is one effect, whatever comes under it later. Method: the same
// request, another body, another path, and the same while the first is executed.
func TestKeys(t *testing.T) {
	var again reply
	busy, inside := false, (*account)(nil)
	inside = open(t, func(c *simulator.Config) {
		c.Executing = func(key string) {
			if key == "slow" && !busy {
				busy = true
				again = inside.send(http.MethodPost, "charges", key, charge("S01-1234567-1234567", held))
			}
		}
	})
	a := inside
	first := a.send(http.MethodPost, "charges", "k1", charge("S01-1234567-1234567", held))
	a.expect("first", first, 201, "Authorized")
	second := a.send(http.MethodPost, "charges", "k1", charge("S01-1234567-1234567", held))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the same key (-first +again):\n%s", diff)
	}
	a.expect("another body", a.send(http.MethodPost, "charges", "k1", charge("S01-PENDING", held)), 400, "DuplicateIdempotencyKey")
	a.expect("another path", a.send(http.MethodPost, "refunds", "k1", charge("S01-1234567-1234567", held)), 400, "DuplicateIdempotencyKey")
	a.expect("no key", a.send(http.MethodPost, "charges", "", charge("S01-1234567-1234567", held)), 400, "MissingHeader")
	a.expect("a dashed UUID", a.send(http.MethodPost, "charges", "01980000-0000-7000-8000-000000000000", charge("S01-1234567-1234567", held)), 400, "InvalidHeaderValue")
	a.TakeKey("k2")
	a.expect("a key that is taken", a.send(http.MethodPost, "charges", "k2", charge("S01-1234567-1234567", held)), 400, "DuplicateIdempotencyKey")
	a.expect("slow", a.send(http.MethodPost, "charges", "slow", charge("S01-1234567-1234567", held)), 201, "Authorized")
	a.expect("beside it", again, 425, "")
	a.effects(simulator.KindHold, simulator.KindHold)
	requests := a.Requests()
	if !requests[1].Replayed || requests[0].Replayed {
		t.Errorf("requests %+v", requests)
	}
}

// Goal: nobody acts on the account without its key, nor changes what was signed.
// Method: a signed request changed in one thing after that.
func TestSignatures(t *testing.T) {
	a := open(t)
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		said   string
	}{
		"as signed":      {nil, 201, "Authorized"},
		"no signature":   {func(r *http.Request) { r.Header.Del("Authorization") }, 401, "UnauthorizedAccess"},
		"another key":    {func(r *http.Request) { r.Header.Set("X-Amz-Pay-Idempotency-Key", "k9") }, 403, "InvalidRequestSignature"},
		"another date":   {func(r *http.Request) { r.Header.Set("X-Amz-Pay-Date", "20260101T000000Z") }, 403, "InvalidRequestSignature"},
		"another region": {func(r *http.Request) { r.Header.Set("X-Amz-Pay-Region", "na") }, 403, "InvalidRequestSignature"},
		"another host":   {func(r *http.Request) { r.Host = "pay-api.amazon.com" }, 403, "InvalidRequestSignature"},
		"another path":   {func(r *http.Request) { r.URL.Path = "/v2/refunds" }, 403, "InvalidRequestSignature"},
		"another body": {func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(charge("S01-1234567-1234567", held), "10.00", "90.00", 1)))
		}, 403, "InvalidRequestSignature"},
		"a header that is not signed": {func(r *http.Request) { r.Header.Set("X-Amz-Pay-Authtoken", "x") }, 403, "InvalidRequestSignature"},
		"an unknown id": {func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), amazonpaytest.PublicKeyID, "SANDBOX-OTHER", 1))
		}, 403, "InvalidAuthentication"},
		"another algorithm": {func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "-V2", "", 1))
		}, 403, "InvalidRequestSignature"},
	} {
		got := a.do(a.request(http.MethodPost, "charges", "k1", charge("S01-1234567-1234567", held)), c.change)
		a.expect(name, got, c.status, c.said)
	}
	a.effects(simulator.KindHold)
	if _, err := simulator.New(simulator.Config{}); err == nil {
		t.Error("an account that nobody can sign for was opened")
	}
}

// Goal: a charge goes the way that is documented, and no other. Method: each verb in
// the states in which it is allowed, and in those in which it is not.
func TestChargeStates(t *testing.T) {
	a := open(t)
	id := a.authorized("k1", "S01-1234567-1234567")
	half := `{"captureAmount":{"amount":"4.00","currencyCode":"EUR"},"softDescriptor":"SHOP"}`
	a.expect("too much", a.send(http.MethodPost, "charges/"+id+"/capture", "c0", `{"captureAmount":{"amount":"10.01","currencyCode":"EUR"}}`), 400, "TransactionAmountExceeded")
	a.expect("another currency", a.send(http.MethodPost, "charges/"+id+"/capture", "c1", `{"captureAmount":{"amount":"1.00","currencyCode":"USD"}}`), 400, "CurrencyMismatch")
	a.expect("capture", a.send(http.MethodPost, "charges/"+id+"/capture", "c2", half), 200, "Captured")
	a.expect("once more, under its key", a.send(http.MethodPost, "charges/"+id+"/capture", "c2", half), 200, "Captured")
	a.expect("once more, under another", a.send(http.MethodPost, "charges/"+id+"/capture", "c3", half), 422, "InvalidChargeStatus")
	a.expect("cancel what is captured", a.send(http.MethodDelete, "charges/"+id+"/cancel", "d1", `{"cancellationReason":"x"}`), 422, "InvalidChargeStatus")
	a.expect("get", a.send(http.MethodGet, "charges/"+id, "", ""), 200, "Captured")

	id = a.authorized("k2", "S01-1234567-1234567")
	a.expect("no reason", a.send(http.MethodDelete, "charges/"+id+"/cancel", "d2", `{}`), 400, "InvalidParameterValue")
	a.expect("cancel", a.send(http.MethodDelete, "charges/"+id+"/cancel", "d2", `{"cancellationReason":"x"}`), 200, "Canceled MerchantCanceled")
	a.expect("its key is ignored", a.send(http.MethodDelete, "charges/"+id+"/cancel", "d2", `{"cancellationReason":"x"}`), 422, "InvalidChargeStatus")
	a.expect("capture what is canceled", a.send(http.MethodPost, "charges/"+id+"/capture", "c4", half), 422, "InvalidChargeStatus")
	a.expect("nothing there", a.send(http.MethodGet, "charges/C0", "", ""), 404, "ResourceNotFound")
	a.expect("no such operation", a.send(http.MethodPut, "charges/"+id, "k3", "{}"), 405, "UnsupportedOperation")
	a.effects(simulator.KindHold, simulator.KindCapture, simulator.KindRelease, simulator.KindHold, simulator.KindRelease)
}

// Goal: what is decided later is decided once, and told. Method: pending
// authorizations, captures and refunds, each both ways.
func TestLater(t *testing.T) {
	a := open(t)
	yes, no := a.authorized("k1", "S01-PENDING"), a.authorized("k2", "S01-PENDING")
	a.effects()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(a.Decide(yes, ""))
	must(a.Decide(no, "HardDeclined"))
	if a.Decide(yes, "HardDeclined") == nil {
		t.Error("a charge was decided twice")
	}
	a.expect("decided for", a.send(http.MethodGet, "charges/"+yes, "", ""), 200, "Authorized")
	a.expect("decided against", a.send(http.MethodGet, "charges/"+no, "", ""), 200, "Declined HardDeclined")
	a.expect("the saved response", a.send(http.MethodPost, "charges", "k1", charge("S01-PENDING", held)), 201, "AuthorizationInitiated")

	later := a.authorized("k3", "S01-CAPTURE-LATER")
	a.expect("begun", a.send(http.MethodPost, "charges/"+later+"/capture", "c1", `{"captureAmount":`+price+`}`), 200, "CaptureInitiated")
	must(a.SettleCapture(later, ""))
	a.expect("settled", a.send(http.MethodGet, "charges/"+later, "", ""), 200, "Captured")

	body := `{"chargeId":"` + later + `","refundAmount":{"amount":"6.00","currencyCode":"EUR"}}`
	refund := a.send(http.MethodPost, "refunds", "r1", body)
	a.expect("refund", refund, 201, "RefundInitiated")
	a.expect("more than is left", a.send(http.MethodPost, "refunds", "r2", body), 400, "TransactionAmountExceeded")
	must(a.SettleRefund(refund.text("refundId"), "AmazonRejected"))
	a.expect("declined", a.send(http.MethodGet, "refunds/"+refund.text("refundId"), "", ""), 200, "Declined AmazonRejected")
	refund = a.send(http.MethodPost, "refunds", "r2", body)
	a.expect("what is left again", refund, 201, "RefundInitiated")
	must(a.SettleRefund(refund.text("refundId"), ""))
	a.expect("given back", a.send(http.MethodGet, "refunds/"+refund.text("refundId"), "", ""), 200, "Refunded")
	a.expect("of nothing", a.send(http.MethodPost, "refunds", "r3", strings.Replace(body, later, yes, 1)), 422, "InvalidChargeStatus")
	a.effects(simulator.KindHold, simulator.KindHold, simulator.KindCapture, simulator.KindRefund, simulator.KindRefundDeclined, simulator.KindRefund)
	if n := len(a.Notifications()); n != 5 {
		t.Errorf("%d notifications: %+v", n, a.Notifications())
	}
}

// Goal: what validation refuses moves no money, and its key is free. Method: charges
// that are wrong in one thing, then a good one under the same key.
func TestRefusals(t *testing.T) {
	a := open(t)
	good := charge("S01-1234567-1234567", taken+`,"softDescriptor":"SHOP"`)
	for name, c := range map[string]struct {
		body   string
		status int
		said   string
	}{
		"a number for an amount":     {strings.Replace(good, `"10.00"`, `10.00`, 1), 400, "InvalidRequestFormat"},
		"too few decimals":           {strings.Replace(good, "10.00", "10.0", 1), 400, "InvalidParameterValue"},
		"an amount of nothing":       {strings.Replace(good, "10.00", "0.00", 1), 400, "InvalidParameterValue"},
		"yen with a fraction":        {strings.Replace(good, "EUR", "JPY", 1), 400, "InvalidParameterValue"},
		"an unknown field":           {strings.Replace(good, "captureNow", "captureLater", 1), 400, "InvalidRequestFormat"},
		"taken at once, but later":   {charge("S01-1234567-1234567", taken+`,"canHandlePendingAuthorization":true`), 400, "InvalidParameterCombination"},
		"a descriptor of a hold":     {charge("S01-1234567-1234567", held+`,"softDescriptor":"SHOP"`), 400, "InvalidParameterValue"},
		"a descriptor that is long":  {strings.Replace(good, "SHOP", strings.Repeat("S", 17), 1), 400, "InvalidParameterValue"},
		"no such permission":         {charge("S01-0", held), 404, "ResourceNotFound"},
		"a permission that is ended": {charge("S01-CLOSED", held), 422, "InvalidChargePermissionStatus"},
	} {
		a.expect(name, a.send(http.MethodPost, "charges", "k1", c.body), c.status, c.said)
	}
	a.effects()
	a.expect("good", a.send(http.MethodPost, "charges", "k1", good), 201, "Captured")
	a.effects(simulator.KindCharge)
}

// Goal: a decline is saved under its key, as a charge or as an error.
func TestDeclines(t *testing.T) {
	a := open(t)
	for range 2 {
		a.expect("charge", a.send(http.MethodPost, "charges", "k1", charge("S01-SOFTDECLINED", held)), 201, "Declined SoftDeclined")
		a.expect("error", a.send(http.MethodPost, "charges", "k2", charge("S01-ERROR-HARDDECLINED", held)), 422, "HardDeclined")
	}
	for i, r := range a.Requests() {
		if r.Replayed != (i >= 2) {
			t.Errorf("request %d: replayed %t", i, r.Replayed)
		}
	}
	a.effects()
}

// Goal: a fault says truly whether the effect was made, and the key brings the
// truth. Method: each fault on a write, then the same request again.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault   simulator.Fault
		status  int
		effects int
	}{
		{simulator.Fault500Before, 500, 0},
		{simulator.Fault500After, 500, 1},
		{simulator.FaultGateway, 502, 1},
		{simulator.FaultGatewayTime, 504, 1},
		{simulator.FaultUnavailable, 503, 0},
		{simulator.FaultThrottled503, 503, 0},
		{simulator.FaultThrottled, 429, 0},
		{simulator.FaultTimeout, 408, 0},
		{simulator.FaultInUse, 425, 0},
		{simulator.FaultDropBefore, 0, 0},
		{simulator.FaultDropAfter, 0, 1},
	} {
		a, good, named := open(t), charge("S01-1234567-1234567", held), charge("fault_"+string(c.fault), held)
		a.Next(c.fault)
		if got := a.send(http.MethodPost, "charges", "k1", good); got.Status != c.status || len(a.Effects()) != c.effects {
			t.Errorf("%s: status %d with %d effects, want %d with %d", c.fault, got.Status, len(a.Effects()), c.status, c.effects)
		}
		a.expect(string(c.fault)+", again", a.send(http.MethodPost, "charges", "k1", good), 201, "Authorized")
		a.effects(simulator.KindHold)
		a.expect("by its permission", a.send(http.MethodPost, "charges", "k2", named), c.status, reasonOf(c.status, c.fault))
		a.expect("and then not", a.send(http.MethodPost, "charges", "k2", named), 201, "Authorized")
		a.effects(simulator.KindHold, simulator.KindHold)
	}
}

// reasonOf is what a fault says.
func reasonOf(status int, f simulator.Fault) string {
	if f == simulator.FaultThrottled503 {
		return "RequestThrottled"
	}
	return map[int]string{500: "InternalServerError", 503: "ServiceUnavailable", 429: "TooManyRequests", 408: "RequestTimeout"}[status]
}

// Goal: an answer can be held back for ever. Method: a client that gives up, with
// the effect made and not.
func TestHangs(t *testing.T) {
	for effects, fault := range []simulator.Fault{simulator.FaultHangBefore, simulator.FaultHangAfter} {
		a := open(t)
		a.server.Client().Timeout = 200 * time.Millisecond
		a.Next(fault)
		if got := a.send(http.MethodPost, "charges", "k1", charge("S01-1234567-1234567", held)); got.Status != 0 || len(a.Effects()) != effects {
			t.Errorf("%s: %+v with %d effects, want %d", fault, got, len(a.Effects()), effects)
		}
	}
}
