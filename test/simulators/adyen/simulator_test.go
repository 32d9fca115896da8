package adyen_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	simulator "github.com/acquitpay/acquit/test/simulators/adyen"
)

// object is a JSON object.
type object = map[string]any

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
	t.Cleanup(func() {
		server.Close()
		s.Wait()
	})
	return &account{t, s, server}
}

// reply is what came back.
type reply struct {
	Status    int
	Echo      string
	Transient bool
	Body      object
}

func (r reply) text(name string) string {
	v, _ := r.Body[name].(string)
	return v
}

func (a *account) do(path, key, credential string, body object) (reply, error) {
	a.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		a.Fatal(err)
	}
	r, err := http.NewRequestWithContext(a.Context(), http.MethodPost, a.server.URL+"/v71/"+path, strings.NewReader(string(raw)))
	if err != nil {
		a.Fatal(err)
	}
	r.Header.Set("X-API-Key", credential)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := a.server.Client().Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err = io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	out := reply{Status: resp.StatusCode, Echo: resp.Header.Get("Idempotency-Key"), Transient: resp.Header.Get("Transient-Error") == "true"}
	if json.Unmarshal(raw, &out.Body) != nil && out.Status != http.StatusBadGateway {
		a.Fatalf("%s: %s", path, raw)
	}
	return out, nil
}

func (a *account) post(path, key string, body object) reply {
	a.Helper()
	body = maps.Clone(body)
	body["merchantAccount"] = "AcquitTest"
	out, err := a.do(path, key, "AQE1", body)
	if err != nil {
		a.Fatal(err)
	}
	return out
}

// paying is a payment of ten euro by a card.
func paying(card, reference string) object {
	return object{
		"reference": reference, "amount": object{"currency": "EUR", "value": 1000}, "returnUrl": "https://shop.example",
		"paymentMethod": object{"type": "scheme", "storedPaymentMethodId": card}, "additionalData": object{"manualCapture": "true"},
	}
}

func euro(units int) object {
	return object{"amount": object{"currency": "EUR", "value": units}, "reference": "FURTHER"}
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

// told expects the events that happened.
func (a *account) told(want ...string) {
	a.Helper()
	var got []string
	for _, e := range a.Events() {
		outcome := " false"
		if e.Success {
			outcome = " true"
		}
		got = append(got, e.Code+outcome)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		a.Errorf("events (-want +got):\n%s", diff)
	}
}

// Goal: what was processed is stored under its key and given again, and what was
// not is not; no request has its effect twice but one that was processed without a
// look at its key. Method: each kind of first answer, then the same request again.
func TestWhatIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		fault        simulator.Fault
		card         string
		first, again int // 0: no answer
		effects      int
	}{
		"success":            {"", "card_ok", 200, 200, 1},
		"refusal":            {"", "card_refused", 200, 200, 0},
		"invalid":            {"", "card_that_is_not", 422, 422, 0},
		"500 before":         {simulator.Fault500Before, "card_ok", 500, 200, 1},
		"500 after":          {simulator.Fault500After, "card_ok", 500, 200, 1},
		"502 of a proxy":     {simulator.FaultGateway, "card_ok", 502, 200, 1},
		"lost before":        {simulator.FaultDropBefore, "card_ok", 0, 200, 1},
		"lost after":         {simulator.FaultDropAfter, "card_ok", 0, 200, 1},
		"store away":         {simulator.FaultStoreAway, "card_ok", 503, 200, 1},
		"in flight":          {simulator.FaultInFlight, "card_ok", 409, 200, 1},
		"rate limit":         {simulator.FaultRateLimit, "card_ok", 429, 200, 1},
		"not authorized":     {simulator.FaultUnauthorized, "card_ok", 401, 200, 1},
		"not configured":     {simulator.FaultConfigured, "card_ok", 500, 200, 1},
		"without the key":    {simulator.FaultNoEcho, "card_ok", 200, 200, 2},
		"a fault by a token": {"", "fault_500_after", 500, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, simulator.Config{})
			if c.fault != "" {
				a.Next(c.fault)
			}
			body := paying(c.card, "ORDER")
			body["merchantAccount"] = "AcquitTest"
			first, err := a.do("payments", "key", "AQE1", body)
			if (err != nil) != (c.first == 0) || first.Status != c.first {
				t.Fatalf("first: %+v, error %v", first, err)
			}
			transient := c.fault == simulator.FaultStoreAway || c.fault == simulator.FaultInFlight
			echoed := (c.first == 200 || c.first == 422) && c.fault != simulator.FaultNoEcho
			if first.Transient != transient || (first.Echo == "key") != echoed {
				t.Errorf("first: %+v", first)
			}
			again := a.post("payments", "key", paying(c.card, "ORDER"))
			if again.Status != c.again || again.Echo != "key" || len(a.Effects()) != c.effects {
				t.Errorf("again: %+v, effects %v", again, a.Effects())
			}
			if stored := c.first == 200 && echoed; stored && again.text("pspReference") != first.text("pspReference") {
				t.Errorf("again: %s, first %s", again.text("pspReference"), first.text("pspReference"))
			}
		})
	}
}

// Goal: a copy that comes while its key is in use is refused as transient, in
// either status, and does nothing. Method: it comes while the first is executed.
func TestInFlight(t *testing.T) {
	for _, status := range []int{409, 422} {
		var a *account
		var copied reply
		a = open(t, simulator.Config{InFlight: status, Executing: func(string) {
			copied = a.post("payments", "key", paying("card_ok", "ORDER"))
		}})
		first := a.post("payments", "key", paying("card_ok", "ORDER"))
		if copied.Status != status || copied.text("errorCode") != "704" || !copied.Transient || first.Status != 200 {
			t.Errorf("copy %+v, first %+v", copied, first)
		}
		a.kinds(simulator.KindHold)
	}
}

// Goal: a key brings its first answer, whatever comes under it, until it is
// forgotten. Method: another payload, another's key, and a key that was pruned.
func TestKeys(t *testing.T) {
	a := open(t, simulator.Config{})
	first := a.post("payments", "key", paying("card_ok", "ORDER"))
	if other := a.post("payments", "key", paying("card_refused", "ANOTHER")); other.text("pspReference") != first.text("pspReference") {
		t.Errorf("another payload: %+v", other)
	}
	a.TakeKey("taken")
	if r := a.post("payments", "taken", paying("card_ok", "ORDER")); r.text("merchantReference") != "SOMEBODYELSES" {
		t.Errorf("another's key: %+v", r)
	}
	a.kinds(simulator.KindHold)
	a.ForgetKeys()
	a.post("payments", "key", paying("card_ok", "ORDER"))
	a.kinds(simulator.KindHold, simulator.KindHold)
	if n := len(a.Requests()); n != 4 || !a.Requests()[1].Replayed || a.Requests()[3].Replayed {
		t.Errorf("requests %+v", a.Requests())
	}
}

// Goal: a request that lacks what it needs does nothing, in Adyen's words. Method:
// requests that differ from a good one in one respect.
func TestRefuses(t *testing.T) {
	a := open(t, simulator.Config{})
	for code, change := range map[string]func(object){
		"130":    func(o object) { delete(o, "reference") },
		"100":    func(o object) { delete(o, "amount") },
		"14_030": func(o object) { delete(o, "returnUrl") },
		"803":    func(o object) { o["paymentMethod"] = object{"type": "scheme"} },
		"702":    func(o object) { o["acquit"] = 1 },
	} {
		o := paying("card_ok", "ORDER")
		change(o)
		if r := a.post("payments", "key "+code, o); r.text("errorCode") != code || r.Status < 400 {
			t.Errorf("%s: %+v", code, r)
		}
	}
	if r := a.post("payments", "key 803", paying("card_refused", "ORDER")); r.text("resultCode") != "Refused" {
		t.Errorf("put right under the same key: %+v", r)
	}
	body := paying("card_ok", "ORDER")
	body["merchantAccount"] = "Another"
	if r, err := a.do("payments", "k", "AQE1", body); err != nil || r.text("errorCode") != "901" {
		t.Errorf("another merchant: %+v, error %v", r, err)
	}
	if r, err := a.do("payments", "k", "sk_live", body); err != nil || r.text("errorCode") != "000" {
		t.Errorf("another key: %+v, error %v", r, err)
	}
	for path, code := range map[string]string{
		"payments/NONE/captures": "167", "cancels": "130", "payments/details": "14_0408", "payments/NONE": "", "nothing": "",
	} {
		if r := a.post(path, "k"+path, object{}); r.text("errorCode") != code || r.Status < 400 {
			t.Errorf("%s: %+v", path, r)
		}
	}
	a.kinds()
	a.told("AUTHORISATION false")
}
