package adyen_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	simulator "github.com/acquitpay/acquit/test/simulators/adyen"
)

const (
	held, charged, captured     = simulator.KindHold, simulator.KindCharge, simulator.KindCapture
	released, refunded          = simulator.KindRelease, simulator.KindRefund
	captureFailed, refundFailed = simulator.KindCaptureFailed, simulator.KindRefundFailed
)

// Goal: a modification is accepted at once, moves what it can, and tells by webhook
// whether it came about. Method: lives of payments, by card, with what moved and
// what was told.
func TestLives(t *testing.T) {
	type step struct {
		verb  string
		units int
	}
	for name, c := range map[string]struct {
		card  string
		steps []step
		moved []simulator.Kind
		told  []string
	}{
		"captured, refunded in parts": {
			"card_ok",
			[]step{{"captures", 1000}, {"refunds", 300}, {"refunds", 700}, {"refunds", 1}},
			[]simulator.Kind{held, captured, refunded, refunded},
			[]string{"AUTHORISATION true", "CAPTURE true", "REFUND true", "REFUND true", "REFUND false"},
		},
		"captured in part": {
			"card_ok",
			[]step{{"captures", 400}, {"captures", 600}, {"cancels", 0}, {"refunds", 401}},
			[]simulator.Kind{held, captured, released},
			[]string{"AUTHORISATION true", "CAPTURE true", "CAPTURE false", "CANCELLATION false", "REFUND false"},
		},
		"captured for too much": {"card_ok", []step{{"captures", 1001}}, []simulator.Kind{held}, []string{"AUTHORISATION true", "CAPTURE false"}},
		"released": {
			"card_ok",
			[]step{{"cancels", 0}, {"captures", 1000}, {"cancels", 0}},
			[]simulator.Kind{held, released},
			[]string{"AUTHORISATION true", "CANCELLATION true", "CAPTURE false", "CANCELLATION false"},
		},
		"partly authorized": {"card_partial", []step{{"captures", 401}, {"captures", 400}}, []simulator.Kind{held, captured}, []string{"AUTHORISATION true", "CAPTURE false", "CAPTURE true"}},
		"capture refused":   {"card_capture_refused", []step{{"captures", 1000}}, []simulator.Kind{held}, []string{"AUTHORISATION true", "CAPTURE false"}},
		"capture failed": {
			"card_capture_failed",
			[]step{{"captures", 1000}, {"refunds", 1}},
			[]simulator.Kind{held, captured, captureFailed},
			[]string{"AUTHORISATION true", "CAPTURE true", "CAPTURE_FAILED true", "REFUND false"},
		},
		"refund refused": {
			"card_refund_refused",
			[]step{{"captures", 1000}, {"refunds", 1000}},
			[]simulator.Kind{held, captured},
			[]string{"AUTHORISATION true", "CAPTURE true", "REFUND false"},
		},
		"refund failed": {
			"card_refund_failed",
			[]step{{"captures", 1000}, {"refunds", 1000}, {"refunds", 1000}},
			[]simulator.Kind{held, captured, refunded, refundFailed, refunded, refundFailed},
			[]string{"AUTHORISATION true", "CAPTURE true", "REFUND true", "REFUND_FAILED true", "REFUND true", "REFUND_FAILED true"},
		},
		"refund reversed": {
			"card_refund_reversed",
			[]step{{"captures", 1000}, {"refunds", 1000}},
			[]simulator.Kind{held, captured, refunded, refundFailed},
			[]string{"AUTHORISATION true", "CAPTURE true", "REFUND true", "REFUNDED_REVERSED true"},
		},
		"refused": {"card_refused", []step{{"captures", 1000}}, nil, []string{"AUTHORISATION false", "CAPTURE false"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, simulator.Config{})
			psp := a.post("payments", "authorize", paying(c.card, "ORDER")).text("pspReference")
			for i, s := range c.steps {
				body := euro(s.units)
				if s.units == 0 {
					delete(body, "amount")
				}
				r := a.post("payments/"+psp+"/"+s.verb, strings.Repeat("k", i+1), body)
				if r.Status != 201 || r.text("status") != "received" || r.text("paymentPspReference") != psp || r.text("pspReference") == psp {
					t.Errorf("%s: %+v", s.verb, r)
				}
			}
			a.kinds(c.moved...)
			a.told(c.told...)
		})
	}
}

// Goal: an authorization that takes the money at once does so, and tells both.
func TestAutomaticCapture(t *testing.T) {
	a := open(t, simulator.Config{})
	body := paying("card_ok", "ORDER")
	body["additionalData"], body["captureDelayHours"] = object{"manualCapture": "false"}, 0
	psp := a.post("payments", "key", body).text("pspReference")
	a.post("payments/"+psp+"/captures", "capture", euro(1000))
	a.post("payments/"+psp+"/refunds", "refund", euro(1000))
	a.kinds(charged, refunded)
	a.told("AUTHORISATION true", "CAPTURE true", "CAPTURE false", "REFUND true")
}

// Goal: nothing is decided before the shopper is back, and then once. Method:
// shoppers of each kind of action, who pass or fail, come back twice, or too late.
func TestShoppers(t *testing.T) {
	for card, c := range map[string]struct {
		result string
		passes bool
		then   string
		moved  []simulator.Kind
	}{
		"card_redirect":         {"RedirectShopper", true, "Authorised", []simulator.Kind{held}},
		"card_native":           {"IdentifyShopper", true, "Authorised", []simulator.Kind{held}},
		"card_redirect_refused": {"RedirectShopper", true, "Refused", nil},
		"card_redirect ":        {"RedirectShopper", false, "Refused", nil},
	} {
		a := open(t, simulator.Config{})
		if r := a.post("payments", "key", paying(strings.TrimSpace(card), "ORDER")); r.text("resultCode") != c.result || r.Body["action"] == nil {
			t.Errorf("%s: %+v", card, r)
		}
		a.kinds()
		a.told()
		details, err := a.Return("ORDER", c.passes)
		if err != nil {
			t.Fatal(err)
		}
		if r := a.post("payments/details", "back", object{"details": details}); r.text("resultCode") != c.then {
			t.Errorf("%s back: %+v", card, r)
		}
		if r := a.post("payments/details", "back", object{"details": details}); r.text("resultCode") != c.then {
			t.Errorf("%s back under the same key: %+v", card, r)
		}
		if r := a.post("payments/details", "twice", object{"details": details}); r.Status != 422 {
			t.Errorf("%s back twice: %+v", card, r)
		}
		a.kinds(c.moved...)
	}
	a := open(t, simulator.Config{})
	a.post("payments", "key", paying("card_redirect", "ORDER"))
	a.post("cancels", "cancel", object{"paymentReference": "ORDER", "reference": "ORDER"})
	details, err := a.Return("ORDER", true)
	if err != nil {
		t.Fatal(err)
	}
	if r := a.post("payments/details", "late", object{"details": details}); r.text("resultCode") != "Cancelled" {
		t.Errorf("back after the cancel: %+v", r)
	}
	a.kinds()
	if _, err := a.Return("NONE", true); err == nil {
		t.Error("a shopper whom nobody sent away is back")
	}
}

// Goal: a payment that is pending is decided later, once.
func TestPending(t *testing.T) {
	for card, moved := range map[string][]simulator.Kind{"card_pending": {held}, "card_pending_refused": nil} {
		a := open(t, simulator.Config{})
		if r := a.post("payments", "key", paying(card, "ORDER")); r.text("resultCode") != "Pending" {
			t.Errorf("%s: %+v", card, r)
		}
		a.kinds()
		if first, second := a.Settle("ORDER"), a.Settle("ORDER"); first != nil || second == nil {
			t.Errorf("%s: settled with %v, and then with %v", card, first, second)
		}
		a.kinds(moved...)
	}
}

// Goal: a cancel by our reference releases what it finds and tells what it found; a
// payment that arrives after it is not touched. Method: a cancel after the payment,
// before it, of one that is captured, and twice.
func TestTechnicalCancel(t *testing.T) {
	cancel := func(a *account, key string) {
		t.Helper()
		if r := a.post("cancels", key, object{"paymentReference": "ORDER", "reference": "ORDER"}); r.Status != 201 || r.text("paymentReference") != "ORDER" {
			t.Errorf("cancel: %+v", r)
		}
	}
	found := open(t, simulator.Config{})
	psp := found.post("payments", "key", paying("card_ok", "ORDER")).text("pspReference")
	cancel(found, "one")
	cancel(found, "two")
	found.kinds(held, released)
	found.told("AUTHORISATION true", "TECHNICAL_CANCEL true", "TECHNICAL_CANCEL false")
	if raw := string(found.Events()[1].Raw); !strings.Contains(raw, `"originalReference":"`+psp+`"`) || !strings.Contains(raw, `"merchantReference":"ORDER"`) {
		t.Errorf("told %s", raw)
	}
	early := open(t, simulator.Config{})
	cancel(early, "one")
	early.post("payments", "key", paying("card_ok", "ORDER"))
	early.told("TECHNICAL_CANCEL false", "AUTHORISATION true")
	cancel(early, "two")
	early.kinds(held, released)
	taken := open(t, simulator.Config{})
	psp = taken.post("payments", "key", paying("card_ok", "ORDER")).text("pspReference")
	taken.post("payments/"+psp+"/captures", "capture", euro(1000))
	cancel(taken, "one")
	taken.kinds(held, captured)
}

// Goal: webhooks are signed as Adyen's are. Method: Adyen's own vectors.
func TestSignature(t *testing.T) {
	raw, err := os.ReadFile("../../../providers/adyen/testdata/vectors/hmac-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Items []struct {
			Key       string `json:"key_hex"`
			Data      string `json:"data_to_sign"`
			Signature string `json:"signature_base64"`
		} `json:"item_vectors"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors.Items) != 2 {
		t.Fatalf("%d vectors, error %v", len(vectors.Items), err)
	}
	for _, v := range vectors.Items {
		if got := simulator.New(simulator.Config{WebhookSecret: v.Key}).Signature(v.Data); got != v.Signature {
			t.Errorf("signature %s, want %s", got, v.Signature)
		}
	}
}

// Goal: webhooks go out as they are steered: after the answer or before it, once or
// twice, in order or not, or not at all; one that is not taken holds back what is
// behind it. Method: a receiver that notes what comes, and refuses at first.
func TestSteering(t *testing.T) {
	for name, c := range map[string]struct {
		how    simulator.Steering
		refuse int
		want   []string
	}{
		"after":     {simulator.Steering{}, 0, []string{"AUTHORISATION", "CAPTURE"}},
		"before":    {simulator.Steering{Before: true}, 0, []string{"AUTHORISATION", "CAPTURE"}},
		"twice":     {simulator.Steering{Before: true, Twice: true}, 0, []string{"AUTHORISATION", "AUTHORISATION", "CAPTURE", "CAPTURE"}},
		"withheld":  {simulator.Steering{Withhold: true}, 0, []string{"released", "AUTHORISATION", "CAPTURE"}},
		"backwards": {simulator.Steering{Withhold: true, Backwards: true}, 0, []string{"released", "CAPTURE", "AUTHORISATION"}},
		"refused":   {simulator.Steering{Before: true}, 2, []string{"AUTHORISATION", "AUTHORISATION", "released", "AUTHORISATION", "CAPTURE"}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var got []string
			refuse := c.refuse
			note := func(what string) (taken bool) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, what)
				refuse--
				return refuse < 0
			}
			receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var body struct {
					Items []struct {
						Item struct {
							EventCode string `json:"eventCode"`
						} `json:"NotificationRequestItem"`
					} `json:"notificationItems"`
				}
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Items) != 1 || !note(body.Items[0].Item.EventCode) {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			defer receiver.Close()
			a := open(t, simulator.Config{WebhookURL: receiver.URL, Client: receiver.Client()})
			a.Steer(c.how)
			psp := a.post("payments", "key", paying("card_ok", "ORDER")).text("pspReference")
			a.Wait()
			a.post("payments/"+psp+"/captures", "capture", euro(1000))
			a.Wait()
			if len(got) > 0 && slices.Contains(c.want, "released") || c.how.Withhold {
				note("released")
			}
			if err := a.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}
