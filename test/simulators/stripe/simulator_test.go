package stripe_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	stripego "github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	simulator "github.com/acquitpay/acquit/test/simulators/stripe"
)

// account is a simulator with a client.
type account struct {
	*testing.T
	*simulator.Simulator

	server *httptest.Server
}

func open(t *testing.T, c simulator.Config) *account {
	t.Helper()
	s := simulator.New(c)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &account{t, s, server}
}

// reply is what came back.
type reply struct {
	Status   int
	Replayed bool
	Body     map[string]any
}

// code is the error's code, or its type if it has none.
func (r reply) code() string {
	e, _ := r.Body["error"].(map[string]any)
	if code, ok := e["code"].(string); ok {
		return code
	}
	kind, _ := e["type"].(string)
	return kind
}

func (r reply) id() string {
	id, _ := r.Body["id"].(string)
	return id
}

func (a *account) do(method, path, key, credential string, params ...string) reply {
	a.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	body := ""
	if method == http.MethodPost {
		body = form.Encode()
	} else if len(params) > 0 {
		path += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(a.Context(), method, a.server.URL+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+credential)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := a.server.Client().Do(r)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	out := reply{Status: resp.StatusCode, Replayed: resp.Header.Get("Idempotent-Replayed") == "true"}
	if err := json.Unmarshal(raw, &out.Body); err != nil || resp.Header.Get("Request-Id") == "" {
		a.Fatalf("%s %s: %v, header %v, body %s", method, path, err, resp.Header, raw)
	}
	return out
}

func (a *account) post(path, key string, params ...string) reply {
	a.Helper()
	return a.do(http.MethodPost, path, key, "sk_test_1", params...)
}

func (a *account) get(path string, params ...string) reply {
	a.Helper()
	return a.do(http.MethodGet, path, "", "sk_test_1", params...)
}

// pay confirms an intent with a card.
func (a *account) pay(key, card string, more ...string) reply {
	a.Helper()
	return a.post("payment_intents", key, append([]string{
		"amount", "1000", "currency", "eur", "confirm", "true", "capture_method", "manual", "payment_method", card,
	}, more...)...)
}

func (a *account) kinds(want ...simulator.Kind) {
	a.Helper()
	var got []simulator.Kind
	for _, e := range a.Effects() {
		got = append(got, e.Kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		a.Errorf("effects (-want +got):\n%s", diff)
	}
}

// Goal: what was executed is stored under its key, and what was not is not.
// Method: each kind of first answer, then the same request again.
func TestWhatIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		fault    simulator.Fault
		card     string
		more     []string
		first    int
		again    int
		replayed bool
	}{
		"success":            {"", "pm_card_visa", nil, 200, 200, true},
		"decline":            {"", "pm_card_visa_chargeDeclined", nil, 402, 402, true},
		"500 before":         {simulator.Fault500Before, "pm_card_visa", nil, 500, 500, true},
		"500 after":          {simulator.Fault500After, "pm_card_visa", nil, 500, 500, true},
		"424":                {simulator.FaultDependency, "pm_card_visa", nil, 424, 424, true},
		"502 of a proxy":     {simulator.FaultGateway, "pm_card_visa", nil, 502, 200, true},
		"503":                {simulator.FaultUnavailable, "pm_card_visa", nil, 503, 200, false},
		"429":                {simulator.FaultRateLimit, "pm_card_visa", nil, 429, 200, false},
		"lock timeout":       {simulator.FaultLockTimeout, "pm_card_visa", nil, 429, 200, false},
		"409":                {simulator.FaultKeyInUse, "pm_card_visa", nil, 409, 200, false},
		"401":                {simulator.FaultUnauthorized, "pm_card_visa", nil, 401, 200, false},
		"unknown parameter":  {"", "pm_card_visa", []string{"amount_of", "1"}, 400, 400, false},
		"unknown instrument": {"", "pm_none", nil, 404, 404, false},
		"by token":           {"", "pm_fault_429", nil, 429, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, simulator.Config{})
			if c.fault != "" {
				a.Next(c.fault)
			}
			first, again := a.pay("k", c.card, c.more...), a.pay("k", c.card, c.more...)
			if first.Status != c.first || again.Status != c.again || again.Replayed != c.replayed || first.Replayed {
				t.Errorf("answered %d, then %d, replayed %t; want %d, %d, %t", first.Status, again.Status, again.Replayed, c.first, c.again, c.replayed)
			}
			if n := len(a.Effects()); n > 1 {
				t.Errorf("%d effects under one key", n)
			}
		})
	}
}

// Goal: a key is for one request, and for a day: after that the same request is
// another one, which is why nobody may send it then.
func TestKeys(t *testing.T) {
	a := open(t, simulator.Config{})
	first := a.pay("k", "pm_card_visa")
	if r := a.pay("k", "pm_card_mastercard"); r.Status != 400 || r.code() != "idempotency_error" {
		t.Errorf("other parameters: %d %s", r.Status, r.code())
	}
	if r := a.post("payment_intents/"+first.id()+"/cancel", "k"); r.Status != 400 || r.code() != "idempotency_error" {
		t.Errorf("another endpoint: %d %s", r.Status, r.code())
	}
	a.kinds(simulator.KindHold)
	a.ForgetKeys()
	if second := a.pay("k", "pm_card_visa"); second.id() == first.id() {
		t.Error("a pruned key was remembered")
	}
	a.kinds(simulator.KindHold, simulator.KindHold)
	if r := a.do(http.MethodPost, "payment_intents", "other", "sk_live_1"); r.Status != 401 {
		t.Errorf("a live key: %d", r.Status)
	}
}

// Goal: the states of an intent allow what Stripe's page says they allow. Method:
// every verb in every status.
func TestStates(t *testing.T) {
	reach := map[string]func(a *account) string{
		"requires_confirmation":   func(a *account) string { return a.pay("s", "pm_card_visa", "confirm", "false").id() },
		"requires_action":         func(a *account) string { return a.pay("s", "pm_card_threeDSecure2Required").id() },
		"requires_capture":        func(a *account) string { return a.pay("s", "pm_card_visa").id() },
		"processing":              func(a *account) string { return a.pay("s", "pm_processing").id() },
		"succeeded":               func(a *account) string { return a.pay("s", "pm_card_visa", "capture_method", "automatic").id() },
		"requires_payment_method": func(a *account) string { return declined(a) },
		"canceled": func(a *account) string {
			id := a.pay("s", "pm_card_visa").id()
			a.post("payment_intents/"+id+"/cancel", "c")
			return id
		},
	}
	allowed := map[string]string{"requires_confirmation": "cancel", "requires_action": "cancel", "requires_payment_method": "cancel", "requires_capture": "cancel capture", "succeeded": "refund"}
	for status, start := range reach {
		for _, verb := range []string{"cancel", "capture", "refund"} {
			a := open(t, simulator.Config{})
			id := start(a)
			if got := a.get("payment_intents/" + id).Body["status"]; got != status {
				t.Errorf("status %v, want %s", got, status)
			}
			r := a.post("payment_intents/"+id+"/"+verb, "v")
			if verb == "refund" {
				r = a.post("refunds", "v", "payment_intent", id)
			}
			may := strings.Contains(allowed[status], verb)
			if (r.Status == 200) != may || (!may && r.code() != "payment_intent_unexpected_state") {
				t.Errorf("%s in %s: %d %s", verb, status, r.Status, r.code())
			}
		}
	}
}

// declined is an intent whose card was declined.
func declined(a *account) string {
	e, _ := a.pay("s", "pm_card_visa_chargeDeclined").Body["error"].(map[string]any)
	in, _ := e["payment_intent"].(map[string]any)
	id, _ := in["id"].(string)
	return id
}

// Goal: no more is captured than is held, nor refunded than was captured.
func TestLimits(t *testing.T) {
	a := open(t, simulator.Config{})
	id := a.pay("p", "pm_card_pendingRefund").id()
	for _, c := range []struct {
		path, key, amount string
		want              string
	}{
		{"payment_intents/" + id + "/capture", "c1", "1001", "amount_too_large"},
		{"payment_intents/" + id + "/capture", "c2", "0", "amount_too_large"},
		{"payment_intents/" + id + "/capture", "c3", "600", ""},
		{"refunds", "r1", "601", "amount_too_large"},
		{"refunds", "r2", "0", "parameter_invalid_integer"},
		{"refunds", "r3", "500", ""},
		{"refunds", "r4", "101", "amount_too_large"},
		{"refunds", "r5", "100", ""},
		{"refunds", "r6", "1", "charge_already_refunded"},
	} {
		params := []string{"amount_to_capture", c.amount}
		if c.path == "refunds" {
			params = []string{"payment_intent", id, "amount", c.amount}
		}
		if r := a.post(c.path, c.key, params...); r.code() != c.want {
			t.Errorf("%s of %s: %q, want %q", c.path, c.amount, r.code(), c.want)
		}
	}
	a.kinds(simulator.KindHold, simulator.KindCapture, simulator.KindRelease, simulator.KindRefund, simulator.KindRefund)
}

// Goal: search lags behind what is written, and the list does not.
func TestListAndSearch(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := open(t, simulator.Config{Now: func() time.Time { return now }, SearchLag: time.Minute})
	id := a.pay("p", "pm_card_visa", "metadata[it's]", `a\b`).id()
	ids := func(r reply) []string {
		var out []string
		data, _ := r.Body["data"].([]any)
		for _, d := range data {
			o, _ := d.(map[string]any)
			name, _ := o["id"].(string)
			out = append(out, name)
		}
		return out
	}
	const query = `metadata['it\'s']:'a\\b'`
	if got := ids(a.get("payment_intents/search", "query", query)); len(got) != 0 {
		t.Errorf("search found %v at once", got)
	}
	if got := ids(a.get("payment_intents", "created[gte]", "1800000000")); len(got) != 1 || got[0] != id {
		t.Errorf("the list shows %v", got)
	}
	now = now.Add(time.Minute)
	if got := ids(a.get("payment_intents/search", "query", query)); len(got) != 1 || got[0] != id {
		t.Errorf("search found %v after the lag", got)
	}
	if got := ids(a.get("payment_intents", "created[gte]", "1800000001")); len(got) != 0 {
		t.Errorf("the list shows %v of later", got)
	}
	if r := a.get("payment_intents/search", "query", "status:succeeded"); r.Status != 400 {
		t.Errorf("a query that it does not know: %d", r.Status)
	}
}

// Goal: an event is what Stripe's own library takes for one, each delivery anew.
// Method: the library verifies what arrives, and refuses another secret.
func TestWebhooks(t *testing.T) {
	var got []stripego.Event
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		options := webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true}
		e, err := webhook.ConstructEventWithOptions(raw, r.Header.Get("Stripe-Signature"), "whsec_simulator", options)
		if err != nil {
			t.Error(err)
		}
		if _, err := webhook.ConstructEventWithOptions(raw, r.Header.Get("Stripe-Signature"), "whsec_other", options); err == nil {
			t.Error("the event verifies with another secret")
		}
		got = append(got, e)
	}))
	defer receiver.Close()
	a := open(t, simulator.Config{})
	id := a.pay("p", "pm_card_visa").id()
	a.post("payment_intents/"+id+"/capture", "c")
	for _, e := range append(a.Events(), a.Events()[0]) {
		if status, err := a.Deliver(t.Context(), receiver.Client(), receiver.URL, e); err != nil || status != 200 {
			t.Errorf("delivery: %d, %v", status, err)
		}
	}
	var types []string
	for _, e := range got {
		types = append(types, string(e.Type))
	}
	want := []string{"payment_intent.created", "payment_intent.amount_capturable_updated", "payment_intent.succeeded", "payment_intent.created"}
	if diff := cmp.Diff(want, types); diff != "" || got[0].ID != got[3].ID || got[0].Data.Object["id"] != id {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Goal: the signature is Stripe's, to the byte. Method: Stripe's own library signs
// the same body at the same time.
func TestSignature(t *testing.T) {
	const body = "{\n  \"id\": \"evt_1\"\n}"
	s := simulator.New(simulator.Config{WebhookSecret: "webhook_secret"})
	at := time.Unix(1533204620, 0)
	want := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: "webhook_secret", Timestamp: at}).Header
	if got := s.Signature([]byte(body), at); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
