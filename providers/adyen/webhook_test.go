package adyen_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/acquitpay/acquit/orchestrator/mapping"
	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
	"github.com/acquitpay/acquit/providers/adyen"
	"github.com/acquitpay/acquit/providers/adyen/adyentest"
	"github.com/acquitpay/acquit/providers/providertest"
)

const otherSecret = "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"

// told is what the test account makes of a body.
func told(t *testing.T, body []byte) (providers.Told, error) {
	t.Helper()
	return adyentest.Driver("AQEcredential").Webhook(t.Context(), providers.Delivery{Method: "POST", Body: body})
}

// signed is a notification that the test account believes.
func signed(code string, success bool, more adyentest.Object) adyentest.Object {
	return adyentest.Signed(adyentest.Notification(code, success, more), adyentest.WebhookSecret)
}

// vector is an event that one of Adyen's libraries is tested with.
type vector struct {
	Key       string          `json:"key_hex"`
	Item      json.RawMessage `json:"item"`
	Signature string          `json:"signature_base64"`
}

func vectors(t *testing.T) (items []vector) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors/hmac-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &struct {
		Items any `json:"item_vectors"`
	}{&items}); err != nil {
		t.Fatal(err)
	}
	return items
}

// Goal: what Adyen signs is believed, under the key that it is signed with. Method:
// the vectors of Adyen's libraries, with that key, with another and both, with
// another signature, and with none.
func TestVectors(t *testing.T) {
	if len(vectors(t)) != 2 {
		t.Fatal("the vectors are read wrongly")
	}
	for _, v := range vectors(t) {
		var item adyentest.Object
		if err := json.Unmarshal(v.Item, &item); err != nil {
			t.Fatal(err)
		}
		merchant, _ := item["merchantAccountCode"].(string)
		data, _ := adyentest.Signed(item, "")["additionalData"].(adyentest.Object)
		unkeyed := data["hmacSignature"]
		for name, c := range map[string]struct {
			secrets   []providers.Secret
			signature any
			believed  bool
		}{
			"its key":                {[]providers.Secret{providers.Secret(v.Key)}, v.Signature, true},
			"its key after another":  {[]providers.Secret{adyentest.WebhookSecret, providers.Secret(v.Key)}, v.Signature, true},
			"its key and one after":  {[]providers.Secret{providers.Secret(v.Key), adyentest.WebhookSecret}, v.Signature, true},
			"another key":            {[]providers.Secret{adyentest.WebhookSecret}, v.Signature, false},
			"no key":                 {nil, v.Signature, false},
			"a key that is none":     {[]providers.Secret{"BadKey", ""}, v.Signature, false},
			"an empty key":           {[]providers.Secret{""}, unkeyed, false},
			"another signature":      {[]providers.Secret{providers.Secret(v.Key)}, strings.ToLower(v.Signature), false},
			"an empty signature":     {[]providers.Secret{providers.Secret(v.Key)}, "", false},
			"no signature":           {[]providers.Secret{providers.Secret(v.Key)}, nil, false},
			"a signature of numbers": {[]providers.Secret{providers.Secret(v.Key)}, 7, false},
		} {
			d := adyen.New(adyen.Config{MerchantAccount: merchant, WebhookSecrets: c.secrets})
			o := providertest.With(item, adyentest.Object{"additionalData": adyentest.Object{"hmacSignature": c.signature}})
			got, err := d.Webhook(t.Context(), providers.Delivery{Body: adyentest.Webhook(o)})
			refusal := providers.ErrForged
			if c.secrets == nil {
				refusal = providers.ErrUnsupported
			}
			if believed := err == nil && len(got.Unread) == 1; believed != c.believed || !believed && !errors.Is(err, refusal) {
				t.Errorf("%s: %+v, error %v", name, got, err)
			}
		}
	}
}

// Goal: Adyen's own examples of webhooks are read. Method: each is signed anew for
// the merchant account that it names, and read by an account of its environment.
func TestExampleWebhooks(t *testing.T) {
	for file, code := range map[string]string{
		"authorisation-true": "AUTHORISATION:true", "cancellation-true": "CANCELLATION:true", "capture-true": "CAPTURE:true",
		"chargeback": "CHARGEBACK:true", "offer-closed": "OFFER_CLOSED:true", "refund-true": "REFUND:true",
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", "vectors", "notification", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Live  string `json:"live"`
			Items []struct {
				Item adyentest.Object `json:"NotificationRequestItem"`
			} `json:"notificationItems"`
		}
		decoder := json.NewDecoder(strings.NewReader(string(raw)))
		decoder.UseNumber()
		if err := decoder.Decode(&body); err != nil {
			t.Fatal(err)
		}
		item := body.Items[0].Item
		merchant, _ := item["merchantAccountCode"].(string)
		d := adyen.New(adyen.Config{MerchantAccount: merchant, Live: body.Live == "true", WebhookSecrets: []providers.Secret{adyentest.WebhookSecret}})
		delivery := adyentest.Webhook(adyentest.Signed(item, adyentest.WebhookSecret))
		if body.Live == "true" {
			delivery = []byte(strings.Replace(string(delivery), `"live":"false"`, `"live":"true"`, 1))
		}
		got, err := d.Webhook(t.Context(), providers.Delivery{Body: delivery})
		if err != nil || len(got.Events) != 1 || got.Events[0].Answer.Code != code || got.Events[0].Time.IsZero() {
			t.Errorf("%s: %+v, error %v", file, got, err)
		}
	}
}

// Goal: each event becomes what it is: news of an operation, money that moved
// beside ours, or nothing that we have a use for. Method: every event that is read,
// with what it becomes and the row that judges it.
func TestEvents(t *testing.T) {
	const psp, auth = payment.ProviderReference("PSPREFERENCE0003"), payment.ProviderReference("PSPREFERENCE0001")
	outside := func(k payment.OutsideKind, amount int64) *payment.Outside {
		return &payment.Outside{Object: psp, Kind: k, Amount: amount}
	}
	ended := func(k payment.OutsideKind) *payment.Outside { return outside(k, 0) }
	original := adyentest.Object{"originalReference": auth}
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code    string
		success bool
		more    adyentest.Object
		want    payment.Event
		row     string
	}{
		{"AUTHORISATION", true, nil, payment.Event{Method: "authorize", Reference: "OURREFERENCE"}, "query.authorisation"},
		{"AUTHORISATION", false, adyentest.Object{"reason": "Not enough balance"}, payment.Event{Method: "authorize", Reference: "OURREFERENCE"}, "query.authorisation_refused_12"},
		{"AUTHORISATION", false, adyentest.Object{"reason": "3D Not Authenticated"}, payment.Event{Method: "authorize", Reference: "OURREFERENCE"}, "query.authorisation_refused_11"},
		{"AUTHORISATION", false, adyentest.Object{"reason": "something <new>"}, payment.Event{Method: "authorize", Reference: "OURREFERENCE"}, "query.authorisation_refused"},
		{"AUTHORISATION", false, adyentest.Object{"reason": "Refused 4111 1111 1111 1111"}, payment.Event{Method: "authorize", Reference: "OURREFERENCE"}, "query.authorisation_refused"},
		{"EXPIRE", true, nil, payment.Event{Method: "authorize", Reference: "OURREFERENCE", Outside: ended(payment.OutsideExpiry)}, "query.expire"},
		{"OFFER_CLOSED", true, nil, payment.Event{Method: "authorize", Reference: "OURREFERENCE"}, "query.offer_closed"},
		{"CANCELLATION", true, original, payment.Event{Method: "void", Reference: "OURREFERENCE", Parent: auth, Outside: ended(payment.OutsideVoid)}, "query.cancellation"},
		{"CANCELLATION", false, original, payment.Event{Method: "void", Reference: "OURREFERENCE", Parent: auth}, "query.cancellation_refused"},
		{"CAPTURE", true, original, payment.Event{Method: "capture", Reference: "OURREFERENCE", Parent: auth, Outside: outside("capture", 1000)}, "query.capture"},
		{"CAPTURE", false, original, payment.Event{Method: "capture", Reference: "OURREFERENCE", Parent: auth, Outside: &payment.Outside{Object: "PSPREFERENCE0003", Kind: "capture"}}, "query.capture_refused"},
		{"CAPTURE_FAILED", true, original, payment.Event{Method: "capture", Reference: "OURREFERENCE", Parent: auth, Outside: outside("capture_reversal", 1000)}, "query.capture_failed"},
		{"REFUND", true, original, payment.Event{Method: "refund", Reference: "OURREFERENCE", Parent: auth, Outside: outside("refund", 1000)}, "query.refund"},
		{"REFUND", false, original, payment.Event{Method: "refund", Reference: "OURREFERENCE", Parent: auth}, "query.refund_refused"},
		{"REFUND_FAILED", true, original, payment.Event{Method: "refund", Reference: "OURREFERENCE", Parent: auth, Outside: outside("refund_reversal", 1000)}, "query.refund_failed"},
		{"REFUNDED_REVERSED", true, original, payment.Event{Method: "refund", Reference: "OURREFERENCE", Parent: auth, Outside: outside("refund_reversal", 1000)}, "query.refund_reversed"},
		{"CANCEL_OR_REFUND", true, providertest.With(original, adyentest.Object{"additionalData": adyentest.Object{"modification.action": "refund"}}), payment.Event{Method: "refund", Reference: "OURREFERENCE", Parent: auth, Outside: outside("refund", 1000)}, "query.cancel_or_refund"},
		{"CANCEL_OR_REFUND", true, providertest.With(original, adyentest.Object{"additionalData": adyentest.Object{"modification.action": "cancel"}}), payment.Event{Method: "void", Reference: "OURREFERENCE", Parent: auth}, "query.cancel_or_refund"},
		{"CANCEL_OR_REFUND", true, original, payment.Event{Method: "void", Reference: "OURREFERENCE", Parent: auth}, "query.cancel_or_refund"},
		{"CHARGEBACK", true, original, payment.Event{Parent: auth, Outside: outside("dispute", 1000)}, "query.chargeback"},
		{"SECOND_CHARGEBACK", true, nil, payment.Event{Parent: "OURREFERENCE", Outside: outside("dispute", 1000)}, "query.second_chargeback"},
		{"CHARGEBACK_REVERSED", true, nil, payment.Event{Parent: "OURREFERENCE", Outside: outside("dispute", 0)}, "query.chargeback_reversed"},
		{"AUTHORISATION", true, adyentest.Object{"merchantReference": "order-7 of somebody else"}, payment.Event{Method: "authorize"}, "query.authorisation"},
	} {
		got, err := told(t, adyentest.Webhook(signed(c.code, c.success, c.more)))
		if err != nil || len(got.Events) != 1 || got.Unread != nil || got.Forged != 0 {
			t.Errorf("%s %t: %+v, error %v", c.code, c.success, got, err)
			continue
		}
		e := got.Events[0]
		answer := e.Answer
		answer.Transport, answer.HTTPStatus = payment.TransportAnswered, 200
		if v := table.Judge("adyen", mapping.Query, answer); v.Row != "adyen."+c.row || answer.Reference != psp {
			t.Errorf("%s %t: judged by %s, want %s (%+v)", c.code, c.success, v.Row, c.row, answer)
		}
		if v := table.Judge("adyen", mapping.Query, answer); v.Evidence == payment.EvidenceEffect && c.code != "CANCELLATION" && answer.Amount == nil {
			t.Errorf("%s %t: an effect without an amount", c.code, c.success)
		}
		if strings.Contains(answer.Decline, "1111") {
			t.Errorf("a card's number is taken for a reason: %s", answer.Decline)
		}
		c.want.ID, c.want.Time = e.ID, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		e.Time, e.Answer = e.Time.UTC(), payment.Answer{}
		if diff := cmp.Diff(c.want, e); diff != "" {
			t.Errorf("%s %t (-want +got):\n%s", c.code, c.success, diff)
		}
	}
}

// Goal: what became of a cancel by our reference closes an authorization only if
// the cancel found and released it. Method: the webhook with either outcome, which
// names the authorization and not the cancel.
func TestTechnicalCancel(t *testing.T) {
	table, err := mapping.Load()
	if err != nil {
		t.Fatal(err)
	}
	for success, want := range map[bool]payment.Evidence{true: payment.EvidenceNoEffectSticky, false: payment.EvidenceUnknown} {
		more := adyentest.Object{"originalReference": "PSPREFERENCE0001"}
		if !success {
			more = nil
		}
		got, err := told(t, adyentest.Webhook(signed("TECHNICAL_CANCEL", success, more)))
		if err != nil || len(got.Events) != 1 {
			t.Fatalf("%+v, error %v", got, err)
		}
		e := got.Events[0]
		if !e.Fenced || e.Method != payment.MethodAuthorize || e.Reference != "OURREFERENCE" || e.Parent != "" || e.Outside != nil || e.Cancel == "" ||
			(e.Answer.Reference == "PSPREFERENCE0001") != success || e.Answer.ObjectFound != success {
			t.Errorf("success %t: %+v", success, e)
		}
		e.Answer.Transport, e.Answer.HTTPStatus = payment.TransportAnswered, 200
		if v := table.Judge("adyen", mapping.Fenced, e.Answer); v.Evidence != want {
			t.Errorf("success %t proves %s by %s, want %s", success, v.Evidence, v.Row, want)
		}
		if v := table.Judge("adyen", mapping.Query, e.Answer); v.Evidence != payment.EvidenceUnknown {
			t.Errorf("success %t proves %s where no cancel was made", success, v.Evidence)
		}
	}
}

// Goal: no webhook is refused while a key is replaced, and none is taken under one that
// is gone. Method: one webhook, signed by the old, the new and another key, to an
// account with the old, with both and with the new.
func TestRotation(t *testing.T) {
	const next, another = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF", otherSecret
	old := providers.Secret(adyentest.WebhookSecret)
	body := adyentest.Webhook(adyentest.Notification("CAPTURE", true, nil), adyentest.Notification("REPORT_AVAILABLE", true, nil))
	for _, c := range []struct{ secrets, takes []providers.Secret }{
		{[]providers.Secret{old}, []providers.Secret{old}},
		{[]providers.Secret{old, next}, []providers.Secret{old, next}},
		{[]providers.Secret{next, old}, []providers.Secret{old, next}},
		{[]providers.Secret{next}, []providers.Secret{next}},
	} {
		d := adyen.New(adyen.Config{MerchantAccount: adyentest.MerchantAccount, WebhookSecrets: c.secrets})
		for i, by := range []providers.Secret{old, next, another} {
			got, err := d.Webhook(t.Context(), adyentest.Deliver(by, body, time.Time{}))
			if taken := err == nil && len(got.Events) == 1 && len(got.Unread) == 1; taken != slices.Contains(c.takes, by) {
				t.Errorf("%d keys, signed by %d: %+v, error %v", len(c.secrets), i, got, err)
			}
		}
	}
}

// Goal: an event is known again when it is told again, and no other is taken for
// it. Method: ids of the same and of different events.
func TestEventIDs(t *testing.T) {
	id := func(code string, success bool, more adyentest.Object) string {
		got, err := told(t, adyentest.Webhook(signed(code, success, more)))
		if err != nil || len(got.Events) != 1 {
			t.Fatalf("%+v, error %v", got, err)
		}
		return got.Events[0].ID
	}
	first := id("CAPTURE", true, nil)
	if again := id("CAPTURE", true, adyentest.Object{"eventDate": "2026-01-02T01:00:00+01:00", "reason": "again"}); again != first {
		t.Errorf("told again it is %s, was %s", again, first)
	}
	for name, other := range map[string]string{
		"another outcome": id("CAPTURE", false, nil), "another event": id("REFUND", true, nil),
		"another object": id("CAPTURE", true, adyentest.Object{"pspReference": "PSPREFERENCE0009"}),
	} {
		if other == first {
			t.Errorf("%s has the id %s too", name, other)
		}
	}
}

// Goal: what is not signed is counted and left out, what is signed for another
// merchant account is not read, and the rest is; where nothing is left, and where test and live are mixed, the
// whole is refused. Method: items beside a good one, and alone.
func TestForged(t *testing.T) {
	good := signed("AUTHORISATION", true, nil)
	for name, bad := range map[string]adyentest.Object{
		"not signed":             adyentest.Notification("AUTHORISATION", true, nil),
		"signed with another":    adyentest.Signed(adyentest.Notification("AUTHORISATION", true, nil), otherSecret),
		"another merchant's":     providertest.With(good, adyentest.Object{"merchantAccountCode": "Another"}),
		"no object":              nil,
		"another id":             providertest.With(good, adyentest.Object{"pspReference": "PSPREFERENCE0009"}),
		"another payment":        providertest.With(good, adyentest.Object{"originalReference": "PSPREFERENCE0001"}),
		"another reference":      providertest.With(good, adyentest.Object{"merchantReference": "ANOTHER"}),
		"more money":             providertest.With(good, adyentest.Object{"amount": adyentest.Object{"currency": "EUR", "value": 1001}}),
		"other money":            providertest.With(good, adyentest.Object{"amount": adyentest.Object{"currency": "USD", "value": 1000}}),
		"no money":               providertest.With(good, adyentest.Object{"amount": nil}),
		"another event":          providertest.With(good, adyentest.Object{"eventCode": "REFUND"}),
		"another outcome":        providertest.With(good, adyentest.Object{"success": "false"}),
		"an outcome of its kind": providertest.With(good, adyentest.Object{"success": true}),
	} {
		got, err := told(t, adyentest.Webhook(bad, good, bad))
		if err != nil || len(got.Events) != 1 || got.Forged != 2 {
			t.Errorf("%s beside a good one: %+v, error %v", name, got, err)
		}
		if got, err = told(t, adyentest.Webhook(bad)); !errors.Is(err, providers.ErrForged) || len(got.Events) != 0 {
			t.Errorf("%s alone: %+v, error %v", name, got, err)
		}
	}
	another := signed("AUTHORISATION", true, adyentest.Object{"merchantAccountCode": "Another"})
	if got, err := told(t, adyentest.Webhook(another, good)); err != nil || len(got.Events) != 1 || len(got.Unread) != 1 || got.Forged != 0 {
		t.Errorf("signed for another merchant account: %+v, error %v", got, err)
	}
	live := adyen.New(adyen.Config{MerchantAccount: adyentest.MerchantAccount, Live: true, WebhookSecrets: []providers.Secret{adyentest.WebhookSecret}})
	if got, err := live.Webhook(t.Context(), providers.Delivery{Body: adyentest.Webhook(good)}); !errors.Is(err, providers.ErrForged) {
		t.Errorf("a test's webhook in earnest: %+v, error %v", got, err)
	}
	whole := string(adyentest.Webhook(good))
	for name, body := range map[string]string{
		"nothing": "", "null": "null", "a list": "[]", "HTML": "<!doctype html>", "half of it": whole[:len(whole)/2], "no items": `{"live":"false"}`,
		"empty items": `{"live":"false","notificationItems":[{},null]}`, "nothing live": strings.Replace(whole, `"live":"false",`, "", 1),
		"2 MiB": `{"live":"false","notificationItems":[{"NotificationRequestItem":"` + strings.Repeat("x", 2<<20) + `"}]}`,
	} {
		if got, err := told(t, []byte(body)); !errors.Is(err, providers.ErrForged) {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

// Goal: what nothing here has a use for is named and hides nothing else; money that
// is unlike any that we ask for moves none of ours.
func TestOddEvents(t *testing.T) {
	got, err := told(t, adyentest.Webhook(
		signed("REPORT_AVAILABLE", true, nil), signed("CAPTURE", true, nil), signed("EXPIRE", false, nil), signed("CHARGEBACK", false, nil),
		signed("AUTHORISATION", true, adyentest.Object{"pspReference": ""}), signed("AUTHORISATION", true, adyentest.Object{"success": "maybe"}),
	))
	want := []string{"REPORT_AVAILABLE:true", "EXPIRE:false", "CHARGEBACK:false", "AUTHORISATION:true", "AUTHORISATION:maybe"}
	if diff := cmp.Diff(want, got.Unread); diff != "" || err != nil || len(got.Events) != 1 {
		t.Errorf("%d events, error %v, unread (-want +got):\n%s", len(got.Events), err, diff)
	}
	odd := adyentest.Object{"amount": adyentest.Object{"currency": "XXX", "value": 5}}
	got, err = told(t, adyentest.Webhook(signed("CHARGEBACK", true, odd), signed("CAPTURE", true, nil), signed("CAPTURE", true, adyentest.Object{"reason": "again"})))
	if diff := cmp.Diff([]string{"CHARGEBACK:true"}, got.Unread); diff != "" || err != nil || len(got.Events) != 1 {
		t.Errorf("one event twice in a webhook is %d, error %v, unread (-want +got):\n%s", len(got.Events), err, diff)
	}
	for _, code := range []string{"AUTHORISATION", "CAPTURE", "REFUND", "REFUND_FAILED"} {
		for _, amount := range []any{adyentest.Object{"currency": "XXX", "value": 5}, adyentest.Object{"currency": "EUR", "value": 0}} {
			got, err := told(t, adyentest.Webhook(signed(code, true, adyentest.Object{"amount": amount})))
			if err != nil || len(got.Events) != 1 {
				t.Fatalf("%s of %v: %+v, error %v", code, amount, got, err)
			}
			if e := got.Events[0]; e.Method == "" || e.Reference != "" || e.Outside != nil || e.Answer.Amount != nil || e.Answer.Code != "another_amount" {
				t.Errorf("%s of %v: %+v", code, amount, e)
			}
		}
	}
}

// Goal: nothing that can be received makes the driver panic, and nothing that is
// not signed becomes an event. Method: bodies out of good ones and of ones that are
// not; whatever comes of them has a name, and moves no less than nothing.
func FuzzWebhook(f *testing.F) {
	f.Add(adyentest.Webhook(signed("AUTHORISATION", true, nil)))
	f.Add(adyentest.Webhook(signed("TECHNICAL_CANCEL", false, nil), adyentest.Notification("CAPTURE", true, nil)))
	f.Add([]byte(`{"live":"false","notificationItems":[{"NotificationRequestItem":{"amount":null,"additionalData":{"hmacSignature":7}}}]}`))
	for _, v := range []string{"", "null", "[]", "{", "<!doctype html>"} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := told(t, body)
		if err != nil && (len(got.Events) > 0 || !errors.Is(err, providers.ErrForged)) {
			t.Errorf("%+v, error %v", got, err)
		}
		for _, e := range got.Events {
			if e.ID == "" || e.Outside != nil && (e.Outside.Object == "" || e.Outside.Amount < 0) || !strings.Contains(string(body), "hmacSignature") {
				t.Errorf("%+v", e)
			}
		}
	})
}
